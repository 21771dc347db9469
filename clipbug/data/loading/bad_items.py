"""The items of a run that could not be decoded, and how many of them may be left out."""

from clipbug.data.loading.batch import UnreadVisual
from clipbug.errors import DecodeError


class BadItems:
    """Counts images and recordings that cannot be decoded, each once.

    Args:
        limit: how many may be left out; one more is an error.
    """

    def __init__(self, limit: int = 0) -> None:
        self.limit = limit
        self.by_id: dict[str, UnreadVisual] = {}

    def add(self, visual: UnreadVisual) -> None:
        """Record one.

        Raises:
            DecodeError: there are too many; the message names this one.
        """
        if visual.media_id not in self.by_id and len(self.by_id) >= self.limit:
            hint = f"Or let a few be left out: --set data.max_bad_items={self.limit + 10}"
            before = f" ({self.limit} bad items before it were left out)" if self.limit else ""
            raise DecodeError(visual.reason + before, "\n".join(filter(None, (visual.hint, hint))))
        self.by_id.setdefault(visual.media_id, visual)
