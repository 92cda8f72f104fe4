"""The page that `afflux supervise` shows: what is seen becomes a document, the document goes to browsers, live."""

from afflux.monitor.page.document import Seen
from afflux.monitor.page.serve import Page

__all__ = ["Page", "Seen"]
