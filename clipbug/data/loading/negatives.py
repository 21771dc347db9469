"""Negative texts for a media item."""

from collections.abc import Sequence

import numpy as np

from clipbug.data.annotations.answers import fold
from clipbug.data.loading.datasets import VisualGroup
from clipbug.errors import DataError

_TRIES = 16  # nearly always one is enough; a visual that owns nearly all texts needs the list of the others


class OtherTexts:
    """Draws texts of other media items that differ from all texts of a media item.

    Texts that differ in case and space only are equal. So a text that describes several recordings is never
    drawn against any of them.

    Raises:
        DataError: a visual's texts are all the texts there are, so that no other could be told from them.
    """

    def __init__(self, groups: Sequence[VisualGroup]) -> None:
        by_media: dict[str, list[str]] = {}
        for group in groups:
            by_media.setdefault(group.media_id, []).extend(record.text for record in group.records)
        self._texts = [text for texts in by_media.values() for text in texts]
        self._own = {media_id: frozenset(map(fold, texts)) for media_id, texts in by_media.items()}
        distinct = len(set(map(fold, self._texts)))
        for media_id, texts in self._own.items():
            if len(texts) == distinct:
                raise DataError(
                    f"every text is one of {media_id!r}: training needs texts that do not belong to it",
                    "add rows about other visuals to the training file",
                )

    def draw(self, media_id: str, generator: np.random.Generator) -> str:
        """Draw uniformly from the rows of other media items, without rows of equal text."""
        own = self._own[media_id]
        for _ in range(_TRIES):
            text = self._texts[generator.integers(len(self._texts))]
            if fold(text) not in own:
                return text
        others = [text for text in self._texts if fold(text) not in own]
        return others[generator.integers(len(others))]
