"""Captions for pre-training: some exchanged for another visual's, some tokens hidden."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np
import torch

from clipbug.data.batch import TextRow
from clipbug.data.datasets import DatasetSettings, VisualDataset, VisualGroup
from clipbug.data.masking import TokenMasker
from clipbug.data.records import CaptionRecord, Record
from clipbug.errors import DataError

_TRIES = 16  # nearly always one is enough; a visual that owns nearly all texts needs the list of the others


class PretrainingDataset(VisualDataset):
    """Rows with targets "matching" () int64 (1 = text and visual belong together) and "mlm" (L,) int64.

    A row whose text is exchanged keeps its id and its visual and carries the other text. Tokens are hidden in
    exchanged texts too, as in the original.

    Args:
        groups: what the samples are made of.
        mlm_probability: share of tokens to predict.
        mismatch_probability: share of texts exchanged for one of another visual.
        settings: as of `VisualDataset`.

    Raises:
        DataError: a visual's texts are all the texts there are, so that no other could be told from them.
    """

    def __init__(
        self,
        groups: Sequence[VisualGroup],
        *,
        mlm_probability: float,
        mismatch_probability: float,
        **settings: Unpack[DatasetSettings],
    ) -> None:
        super().__init__(groups, **settings)
        self._masker = TokenMasker.of_tokenizer(self.tokenizer, probability=mlm_probability)
        self._negatives = _Negatives(groups)
        self._mismatch_probability = mismatch_probability

    def _row(self, record: Record, generator: np.random.Generator) -> TextRow:
        matches = bool(generator.random() >= self._mismatch_probability)
        shown = record if matches else _with_text(record, self._negatives.draw(record.media_id, generator))
        input_ids, labels = self._masker(self._encode(shown.text), generator)
        return TextRow(shown, input_ids, {"matching": torch.tensor(int(matches)), "mlm": labels})


class _Negatives:
    """Draws texts of other visuals that none of a visual's own texts equals."""

    def __init__(self, groups: Sequence[VisualGroup]) -> None:
        by_media: dict[str, list[str]] = {}
        for group in groups:
            by_media.setdefault(group.media_id, []).extend(record.text for record in group.records)
        self._texts = [text for texts in by_media.values() for text in texts]
        self._own = {media_id: frozenset(texts) for media_id, texts in by_media.items()}
        distinct = len(set(self._texts))
        for media_id, texts in self._own.items():
            if len(texts) == distinct:
                raise DataError(
                    f"every text is one of {media_id!r}: pre-training needs texts that do not belong to it",
                    "add rows about other visuals to the training file",
                )

    def draw(self, media_id: str, generator: np.random.Generator) -> str:
        """One of the rows of other visuals with equal chance, equal texts passed over."""
        own = self._own[media_id]
        for _ in range(_TRIES):
            text = self._texts[generator.integers(len(self._texts))]
            if text not in own:
                return text
        others = [text for text in self._texts if text not in own]
        return others[generator.integers(len(others))]


def _with_text(record: Record, text: str) -> Record:
    if isinstance(record, CaptionRecord):
        return replace(record, caption=text)
    return replace(record, question=text)
