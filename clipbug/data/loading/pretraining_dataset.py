"""Captions for pre-training: some exchanged for another visual's, some tokens hidden."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Unpack

import numpy as np
import torch

from clipbug.data.loading.batch import TextRow
from clipbug.data.loading.datasets import DatasetSettings, VisualDataset, VisualGroup
from clipbug.data.loading.masking import TokenMasker
from clipbug.data.loading.negatives import OtherTexts
from clipbug.data.records import CaptionRecord, Record


class PretrainingDataset(VisualDataset):
    """Rows with targets "matching" () int64 (1 = text and visual belong together) and "mlm" (L,) int64.

    A row whose text is exchanged keeps its id and its visual and carries the other text. Tokens are hidden in
    exchanged texts too, as in the original.

    Args:
        groups: what the samples are made of.
        mlm_probability: share of tokens to predict.
        mismatch_probability: share of texts exchanged for one of another visual.
        masks_special_tokens: hide [CLS] and [SEP] too, as the original.
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
    return replace(record, question=text)
