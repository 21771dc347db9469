"""What belongs to what in a search, and captions with negatives of other recordings."""

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from clipbug.data.annotations.retrieval_set import RetrievalSet
from clipbug.data.loading.datasets import group_records
from clipbug.data.loading.retrieval_dataset import RetrievalDataset
from clipbug.data.loading.text import TextEncoder
from clipbug.data.records import CaptionRecord, ChoiceRecord
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.errors import DataError
from tests.helpers.fake_media import FakeMedia

ROWS = [
    CaptionRecord("a", "portrait", "app closes at login"),
    CaptionRecord("b", "landscape", "list is empty"),
    CaptionRecord("c", "short", "App  closes at login"),  # another id, another spelling, the same text
    CaptionRecord("d", "portrait", "crash after the form"),
    CaptionRecord("e", "late", "menu stays open"),
]


def test_rows_of_one_caption_share_their_recordings() -> None:
    found = RetrievalSet.from_records(ROWS)
    assert found.texts == ("app closes at login", "list is empty", "crash after the form", "menu stays open")
    assert found.media_ids == ("portrait", "landscape", "short", "late")
    assert found.text_of_row == (0, 1, 0, 2, 3)
    assert found.right_media == ({0, 2}, {1}, {0}, {3})
    assert found.right_texts == ({0, 2}, {1}, {0}, {3})


def dataset_of(
    rows: list[CaptionRecord], media: FakeMedia, tokenizer: PreTrainedTokenizerBase, negatives: int = 3
) -> RetrievalDataset:
    return RetrievalDataset(
        group_records(rows, texts_per_visual=2),
        negatives_per_text=negatives,
        media=media,
        clip_sampler=build_clip_sampler("regular", random=False, num_clips=2, num_frames_per_clip=1, fps=2.0),
        max_frame_size=64,
        resize="antialiased",
        text=TextEncoder(tokenizer, 12),
        seed=1,
    )


def test_negatives_are_texts_that_do_not_describe_the_recording(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    dataset = dataset_of(ROWS, fake_media, tiny_tokenizer)
    own = {row.media_id: set() for row in ROWS}
    for row in ROWS:
        own[row.media_id].add(" ".join(row.caption.casefold().split()))
    drawn = set()
    for epoch in range(20):
        for index in range(len(dataset)):
            for row in dataset.sample(epoch, index).rows:
                assert isinstance(row.record, ChoiceRecord)
                assert len(row.record.options) == 1 + len(row.further_ids) == 4
                assert row.targets["labels"].item() == 0
                first, *negatives = [" ".join(text.casefold().split()) for text in row.record.options]
                assert first in own[row.record.media_id]
                assert not set(negatives) & own[row.record.media_id]
                drawn.add((row.record.media_id, *negatives))
    assert len(drawn) > 20  # others in every epoch


def test_samples_depend_on_epoch_and_index_only(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    one, other = (dataset_of(ROWS, fake_media, tiny_tokenizer) for _ in range(2))
    other.sample(0, 1)
    first, second = one.sample(3, 2), other.sample(3, 2)
    assert [row.record for row in first.rows] == [row.record for row in second.rows]
    np.testing.assert_array_equal(first.frames, second.frames)


def test_one_recording_alone_is_an_error_and_not_an_endless_loop(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(DataError, match="every text is one of 'portrait'"):
        dataset_of([ROWS[0], ROWS[3]], fake_media, tiny_tokenizer)
    with pytest.raises(DataError, match="every text is one of 'portrait'"):
        dataset_of([ROWS[0], ROWS[2]], fake_media, tiny_tokenizer)  # one text, in two spellings
