"""Why a shard's stream does not flow, and what is done about it: a file a family of causes, and one table of them all.

Adding a cause is a row in its family's file (or a file of its own) and its line in `table.py`.
"""

from afflux.control.healing.causes.base import Cause, Evidence, Finding, Pace, Remedy
from afflux.control.healing.causes.table import CAUSES, diagnose

__all__ = ["CAUSES", "Cause", "Evidence", "Finding", "Pace", "Remedy", "diagnose"]
