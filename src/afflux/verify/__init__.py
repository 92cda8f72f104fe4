"""Is the target equal to the sources: every row, every column, both ways.

`exact.py` makes equal values read as equal text, `columns.py` says which of them count, `digests.py` reads a side
(a key and a digest a row), `differences.py` tells two sides apart (pure), and `compare.py` is the whole of it.
"""

from afflux.verify.compare import compare
from afflux.verify.comparison import Comparison

__all__ = ["Comparison", "compare"]
