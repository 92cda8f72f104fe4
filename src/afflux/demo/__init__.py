"""The main job on the real stack, from nothing to a verified copy: what `afflux demo` does.

`story.py` tells it step by step; `stage.py` is the folder it plays in and how that is left; `shop.py` is what the
shards hold, `load.py` what changes it meanwhile, `sink.py` the daemon that is killed, `watch.py` what is measured on
the way, `target.py` what is copied into and asked, `outcome.py` what is measured at the end, and `screen.py` shows it all.
"""

from afflux.demo.outcome import Outcome
from afflux.demo.stage import take_down
from afflux.demo.story import Wishes, demonstrate

__all__ = ["Outcome", "Wishes", "demonstrate", "take_down"]
