"""Samples: groups, frames, times, text, targets; random by (seed, epoch, index) only."""

import pickle
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerBase

from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.batch import Sample
from clipbug.data.loading.datasets import VisualTextDataset, group_records
from clipbug.data.loading.targets import single_label_targets
from clipbug.data.loading.text import TextEncoder
from clipbug.data.loading.transforms import scale_as_clipbert
from clipbug.data.records import MediaRecord, QuestionRecord, Record
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.errors import DataError, DecodeError
from tests.helpers.fake_media import FakeMedia, fake_recording

VOCABULARY = AnswerVocabulary(["save", "menu"])


def question(
    number: int, media_id: str, text: str = "what is tapped first?", answer: str = "menu"
) -> QuestionRecord:
    return QuestionRecord(f"r{number}", f"q{number}", media_id, text, {answer: 1.0} if answer else {})


def make_dataset(
    records: Sequence[Record],
    media: FakeMedia,
    tokenizer: PreTrainedTokenizerBase,
    *,
    random: bool = False,
    **changes: Any,
) -> VisualTextDataset:
    arguments: dict[str, Any] = {
        "media": media,
        "clip_sampler": build_clip_sampler(
            "regular", random=random, num_clips=3, num_frames_per_clip=2, fps=2.0
        ),
        "max_frame_size": 32,
        "resize": "antialiased",
        "text": TextEncoder(tokenizer, 12),
        "encode_targets": single_label_targets(VOCABULARY),
        "seed": 7,
    }
    return VisualTextDataset(group_records(records, texts_per_visual=2), **(arguments | changes))


def assert_equal_samples(one: Sample, other: Sample) -> None:
    assert one.media_id == other.media_id
    for name in ("frames", "frame_seconds", "clip_spans", "clip_positions"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert [row.record for row in one.rows] == [row.record for row in other.rows]
    for row, other_row in zip(one.rows, other.rows, strict=True):
        assert row.input_ids == other_row.input_ids
        assert row.targets.keys() == other_row.targets.keys()
        assert all(torch.equal(row.targets[key], other_row.targets[key]) for key in row.targets)


def test_groups_keep_the_order_and_hold_at_most_so_many_rows() -> None:
    records = [question(number, media_id) for number, media_id in enumerate("abaaba")]
    together = group_records(records, texts_per_visual=None)
    assert [(group.media_id, [row.record_id for row in group.records]) for group in together] == [
        ("a", ["r0", "r2", "r3", "r5"]),
        ("b", ["r1", "r4"]),
    ]
    chunks = group_records(records, texts_per_visual=3)
    assert [[row.record_id for row in group.records] for group in chunks] == [
        ["r0", "r2", "r3"],
        ["r5"],
        ["r1", "r4"],
    ]
    assert group_records([], texts_per_visual=None) == []
    with pytest.raises(ValueError, match="at least 1 or None, got 0"):
        group_records(records, texts_per_visual=0)


def test_a_sample_holds_the_sampled_pictures_and_their_times(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    dataset = make_dataset(
        [question(0, "late"), question(1, "late", answer="other")], fake_media, tiny_tokenizer
    )
    sample = dataset.sample(0, 0)
    # 50 pictures at 10 per second, the first one at 2 s; clips 0, 2.2 and 4.4 s after it.
    expected = np.array([[0, 5], [22, 27], [44, 49]])
    assert sample.frame_seconds.dtype == torch.float64
    np.testing.assert_allclose(sample.frame_seconds.numpy(), 2 + expected / 10, atol=1e-9)
    np.testing.assert_allclose(sample.clip_spans.numpy(), [[2.0, 3.0], [4.2, 5.2], [6.4, 7.0]], atol=1e-9)
    np.testing.assert_allclose(sample.clip_positions.numpy(), [2.5 / 7, 4.7 / 7, 6.7 / 7], atol=1e-6)
    assert sample.clip_positions.dtype == torch.float32
    with fake_media.open("late") as decoder:
        frames = decoder.frames_at(expected.ravel().tolist(), size=(32, 18)).data
    assert sample.frames.dtype == torch.uint8
    assert sample.frames.shape == (3, 2, 3, 32, 18)
    np.testing.assert_array_equal(sample.frames.permute(0, 1, 3, 4, 2).numpy().reshape(frames.shape), frames)
    assert [row.targets["labels"].item() for row in sample.rows] == [1, -100]
    assert dataset.frame_shape(0) == (32, 18)


def test_an_image_is_one_frame_at_zero(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    dataset = make_dataset([question(0, "picture", answer="")], fake_media, tiny_tokenizer)
    sample = dataset.sample(0, 0)
    assert sample.frames.shape == (1, 1, 3, 32, 18)
    assert sample.frame_seconds.tolist() == [[0.0]]
    assert sample.clip_spans.tolist() == [[0.0, 0.0]]
    assert sample.clip_positions.tolist() == [0.0]
    assert sample.rows[0].targets == {}


def test_a_short_recording_repeats_its_last_picture(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    sample = make_dataset([question(0, "short")], fake_media, tiny_tokenizer).sample(0, 0)
    np.testing.assert_allclose(sample.frame_seconds.numpy(), [[0.0, 0.1]] * 3, atol=1e-9)
    assert (sample.clip_positions <= 1).all()
    assert (sample.clip_positions >= 0).all()


def test_exact_frames_are_scaled_from_full_size_in_float(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    sample = make_dataset([question(0, "square")], fake_media, tiny_tokenizer, resize="clipbert").sample(0, 0)
    indices = (sample.frame_seconds * 10).round().int().flatten().tolist()
    full = fake_media.recordings["square"].pictures[indices]
    assert sample.frames.dtype == torch.float32
    assert torch.equal(sample.frames.flatten(0, 1), scale_as_clipbert(full, (32, 32)))


def test_shapes_are_known_without_opening(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    ids = ["portrait", "landscape", "square", "picture"]
    dataset = make_dataset(
        [question(i, media_id) for i, media_id in enumerate(ids)], fake_media, tiny_tokenizer
    )
    assert [dataset.frame_shape(index) for index in range(4)] == [(32, 18), (18, 32), (32, 32), (32, 18)]
    assert dataset.batch_key(0) != dataset.batch_key(3)
    assert fake_media.opened == []
    assert [tuple(dataset.sample(0, i).frames.shape[-2:]) for i in range(4)] == [
        dataset.frame_shape(i) for i in range(4)
    ]


def test_records_without_text_have_frames_and_no_rows(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    with_text = make_dataset([question(1, "square")], fake_media, tiny_tokenizer).sample(0, 0)
    alone = make_dataset([MediaRecord("r1", "square")], fake_media, tiny_tokenizer).sample(0, 0)
    assert alone.rows == ()
    assert torch.equal(alone.frames, with_text.frames)


def test_long_texts_are_cut(fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    records = [question(0, "square", "what is tapped " * 9), question(1, "square", "which screen")]
    rows = make_dataset(records, fake_media, tiny_tokenizer).sample(0, 0).rows
    assert [len(row.input_ids) for row in rows] == [12, 4]
    assert all(row.input_ids[-1] == tiny_tokenizer.sep_token_id for row in rows)


@pytest.mark.parametrize("augment", [False, True])
def test_a_sample_depends_on_seed_epoch_and_index_only(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase, augment: bool
) -> None:
    records = [question(number, media_id) for number, media_id in enumerate(["portrait", "late"])]
    dataset, copy = (
        make_dataset(records, fake_media, tiny_tokenizer, random=True, augment=augment) for _ in range(2)
    )
    first = dataset.sample(3, 1)
    copy.sample(0, 0)
    copy.sample(2, 1)
    np.random.seed(99)
    torch.manual_seed(99)
    assert_equal_samples(copy.sample(3, 1), first)
    assert_equal_samples(pickle.loads(pickle.dumps(dataset)).sample(3, 1), first)
    other_seed = make_dataset(records, fake_media, tiny_tokenizer, random=True, augment=augment, seed=8)
    for other in (dataset.sample(4, 1), other_seed.sample(3, 1)):
        assert not torch.equal(other.frame_seconds, first.frame_seconds)


def test_without_randomness_every_epoch_is_the_same(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    dataset = make_dataset([question(0, "portrait")], fake_media, tiny_tokenizer)
    assert_equal_samples(dataset.sample(0, 0), dataset.sample(5, 0))


def test_augmentation_changes_pictures_but_not_times(
    fake_media: FakeMedia, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    plain, changed = (
        make_dataset(
            [question(0, "portrait")], fake_media, tiny_tokenizer, random=True, augment=augment
        ).sample(0, 0)
        for augment in (False, True)
    )
    assert torch.equal(plain.frame_seconds, changed.frame_seconds)
    assert plain.frames.shape == changed.frames.shape
    assert not torch.equal(plain.frames, changed.frames)


def test_what_cannot_be_read_is_an_error_that_names_it(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    media = FakeMedia({"good": fake_recording(20), "bad": fake_recording(20, is_damaged=True)})
    records = [question(0, "good"), question(1, "bad"), question(2, "absent")]
    dataset = make_dataset(records, media, tiny_tokenizer)
    with pytest.raises(DecodeError, match="bad: picture 0"):
        dataset.sample(0, 1)
    with pytest.raises(DataError, match="'absent'"):
        dataset.sample(0, 2)
    with pytest.raises(DataError, match="'absent'"):
        dataset.frame_shape(2)
