"""Exchanged texts and hidden tokens."""

from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from clipbug.data.loading.datasets import group_records
from clipbug.data.loading.pretraining_dataset import PretrainingDataset
from clipbug.data.loading.text import TextEncoder
from clipbug.data.records import CaptionRecord, QuestionRecord, Record
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.errors import DataError
from tests.helpers.fake_media import FakeMedia

CAPTIONS: list[Record] = [
    CaptionRecord("c0", "portrait", "nothing happens when delete is tapped"),
    CaptionRecord("c1", "portrait", "the list is empty"),
    CaptionRecord("c2", "late", "the list is empty"),
    CaptionRecord("c3", "late", "the dialog stays open after cancel"),
    QuestionRecord("c4", "q4", "square", "which screen is this"),
]


def make_dataset(
    records: list[Record], media: FakeMedia, tokenizer: PreTrainedTokenizerBase, **changes: Any
) -> PretrainingDataset:
    arguments: dict[str, Any] = {
        "media": media,
        "clip_sampler": build_clip_sampler(
            "regular", random=True, num_clips=1, num_frames_per_clip=1, fps=1.0
        ),
        "max_frame_size": 32,
        "resize": "antialiased",
        "text": TextEncoder(tokenizer, 12),
        "seed": 3,
        "mlm_probability": 0.15,
        "mismatch_probability": 0.5,
    }
    return PretrainingDataset(group_records(records, texts_per_visual=2), **(arguments | changes))


def test_rows_match_or_carry_a_text_of_another_visual(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    dataset = make_dataset(CAPTIONS, fake_media, tiny_tokenizer)
    true_rows = {record.record_id: record for record in CAPTIONS}
    texts = {
        media_id: {row.text for row in CAPTIONS if row.media_id == media_id}
        for media_id in ("portrait", "late", "square")
    }
    every_text = set.union(*texts.values())
    matching, exchanged = [], {media_id: set[str]() for media_id in texts}
    for epoch in range(200):
        for index in range(len(dataset)):
            sample = dataset.sample(epoch, index)
            for row in sample.rows:
                true = true_rows[row.record.record_id]
                assert row.record.media_id == true.media_id == sample.media_id
                label = row.targets["matching"].item()
                assert label == int(row.record == true)
                matching.append(label)
                if not label:
                    exchanged[sample.media_id].add(row.record.text)
    assert exchanged == {media_id: every_text - own for media_id, own in texts.items()}
    # 1000 rows: a standard deviation of 0.016. Four of them.
    assert sum(matching) / len(matching) == pytest.approx(0.5, abs=0.064)


def test_hidden_tokens_restore_the_text_that_is_shown(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    dataset = make_dataset(CAPTIONS, fake_media, tiny_tokenizer)
    for epoch in range(20):
        for row in dataset.sample(epoch, 0).rows:
            labels = row.targets["mlm"]
            assert labels.dtype == torch.int64
            restored = torch.where(labels >= 0, labels, torch.tensor(row.input_ids)).tolist()
            assert restored == tiny_tokenizer(row.record.text, truncation=True, max_length=12)["input_ids"]
            assert (labels >= 0).any()


def test_samples_repeat_by_seed_epoch_and_index(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    def rows(dataset: PretrainingDataset, epoch: int) -> list[tuple[str, list[int], list[int]]]:
        return [
            (row.record.text, row.input_ids, row.targets["mlm"].tolist())
            for row in dataset.sample(epoch, 1).rows
        ]

    one, other = (make_dataset(CAPTIONS, fake_media, tiny_tokenizer) for _ in range(2))
    other.sample(0, 0)
    assert rows(one, 2) == rows(other, 2)
    assert [rows(one, epoch) for epoch in range(4)] != [rows(one, epoch + 4) for epoch in range(4)]


def test_a_visual_that_owns_nearly_all_texts_gets_the_other_one(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    captions: list[Record] = [CaptionRecord(f"c{i}", "portrait", f"screen {i}") for i in range(2000)]
    captions.append(CaptionRecord("last", "late", "the list is empty"))
    dataset = make_dataset(captions, fake_media, tiny_tokenizer)
    shown = [row for epoch in range(5) for row in dataset.sample(epoch, 0).rows]
    assert {row.record.text for row in shown if not row.targets["matching"]} == {"the list is empty"}


@pytest.mark.parametrize(
    "captions",
    [
        [CaptionRecord("c0", "portrait", "a list"), CaptionRecord("c1", "portrait", "a dialog")],
        [CaptionRecord("c0", "portrait", "a list"), CaptionRecord("c1", "late", "a list")],
    ],
)
def test_texts_that_cannot_be_exchanged_are_an_error(
    captions: list[Record], fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(DataError, match="every text is one of 'portrait'") as caught:
        make_dataset(captions, fake_media, tiny_tokenizer)
    assert caught.value.hint
