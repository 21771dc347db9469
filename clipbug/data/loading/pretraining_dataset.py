"""Captions for pre-training: some replaced by captions of other media, some tokens masked."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np
import torch

from clipbug.data.loading.batch import TextRow
from clipbug.data.loading.datasets import DatasetSettings, VisualDataset, VisualGroup
from clipbug.data.loading.masking import TokenMasker
from clipbug.data.loading.negatives import OtherTexts
from clipbug.data.records import CaptionRecord, QuestionOrChoice, Record


class PretrainingDataset(VisualDataset):
    """Rows with targets "matching" () int64 (1 = text and media item belong together) and "mlm" (L,) int64.

    A row whose text is replaced keeps its id and media item. Tokens are masked in replaced texts too, as in
    ClipBERT.

    Args:
        groups: one per sample.
        mlm_probability: share of tokens to predict.
        mismatch_probability: share of texts replaced by one of another media item.
        masks_special_tokens: mask [CLS] and [SEP] too, as ClipBERT.
        settings: as of `VisualDataset`.

    Raises:
        DataError: all texts belong to one media item, so there is no other text to choose.
    """

    def __init__(
        self,
        groups: Sequence[VisualGroup],
        *,
        mlm_probability: float,
        mismatch_probability: float,
        masks_special_tokens: bool = False,
        **settings: Unpack[DatasetSettings],
    ) -> None:
        super().__init__(groups, **settings)
        self._masker = TokenMasker.of_tokenizer(
            self.text.tokenizer, probability=mlm_probability, special_tokens=masks_special_tokens
        )
        self._negatives = OtherTexts(groups)
        self._mismatch_probability = mismatch_probability

    def _row(self, record: Record, generator: np.random.Generator) -> TextRow:
        matches = bool(generator.random() >= self._mismatch_probability)
        shown = record if matches else _with_text(record, self._negatives.draw(record.media_id, generator))
        [token_ids] = self.text.encode([shown.text])
        input_ids, labels = self._masker(token_ids, generator)
        return TextRow(shown, input_ids, {"matching": torch.tensor(int(matches)), "mlm": labels})


def _with_text(record: Record, text: str) -> Record:
    if isinstance(record, CaptionRecord):
        return replace(record, caption=text)
    assert isinstance(record, QuestionOrChoice), "rows without text are not trained on"
    return replace(record, question=text)
