"""Where all chance comes from: SEED of the environment, or a number of its own, which is printed."""

import os
from random import SystemRandom

SEED = os.environ.get("SEED") or str(SystemRandom().randrange(10**6))
