"""Captions for retrieval training, each with captions of other media as negatives."""

from collections.abc import Sequence
from typing import Unpack

import numpy as np
import torch

from clipbug.data.loading.batch import TextRow
from clipbug.data.loading.datasets import DatasetSettings, VisualDataset, VisualGroup
from clipbug.data.loading.negatives import OtherTexts
from clipbug.data.records import ChoiceRecord, Record


class RetrievalDataset(VisualDataset):
    """Rows of several texts: the caption, then negatives that are drawn again each epoch.

    A row is a choice among its texts, of which the first is right: targets "labels" () int64, always 0.

    Args:
        groups: one per sample.
        negatives_per_text: number of negatives per caption.
        settings: as of `VisualDataset`.

    Raises:
        DataError: all texts belong to one media item, so there is no negative.
    """

    def __init__(
        self, groups: Sequence[VisualGroup], *, negatives_per_text: int, **settings: Unpack[DatasetSettings]
    ) -> None:
        super().__init__(groups, **settings)
        self._negatives = OtherTexts(groups)
        self._negatives_per_text = negatives_per_text

    def _row(self, record: Record, generator: np.random.Generator) -> TextRow:
        drawn = (self._negatives.draw(record.media_id, generator) for _ in range(self._negatives_per_text))
        choice = ChoiceRecord(
            record_id=record.record_id,
            question_id=record.record_id,
            media_id=record.media_id,
            question="",
            options=(record.text, *drawn),
            answer=0,
            app=record.app,
            source=record.source,
        )
        first, *others = self.text.encode(choice.texts)
        return TextRow(choice, first, {"labels": torch.tensor(0)}, tuple(others))
