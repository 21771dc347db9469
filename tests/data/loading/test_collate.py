"""Samples of different sizes in one batch."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from clipbug.data.loading.batch import Batch, Sample, TextRow
from clipbug.data.loading.collate import Padding, collate
from clipbug.data.records import CaptionRecord


def sample(
    name: str,
    shape: tuple[int, int, int, int],
    texts: Sequence[tuple[list[int], Mapping[str, Tensor]]],
    *,
    dtype: torch.dtype = torch.uint8,
) -> Sample:
    num_clips, num_frames, height, width = shape
    seed = torch.Generator().manual_seed(len(name))
    return Sample(
        media_id=name,
        frames=torch.randint(1, 256, (num_clips, num_frames, 3, height, width), generator=seed).to(dtype),
        frame_seconds=torch.rand(num_clips, num_frames, dtype=torch.float64, generator=seed),
        clip_spans=torch.rand(num_clips, 2, dtype=torch.float64, generator=seed),
        clip_positions=torch.rand(num_clips, generator=seed),
        rows=tuple(
            TextRow(CaptionRecord(f"{name}{i}", name, "text"), ids, targets)
            for i, (ids, targets) in enumerate(texts)
        ),
    )


def put_together(samples: list[Sample], padding: Padding = "batch", max_frame_size: int = 64) -> Batch:
    return collate(samples, padding=padding, max_frame_size=max_frame_size, frame_multiple=16, pad_token_id=9)


def label(value: int) -> Mapping[str, Tensor]:
    return {"labels": torch.tensor(value)}


def test_frames_are_padded_at_the_right_and_bottom() -> None:
    samples = [sample("a", (2, 3, 40, 17), [([2, 3], {})]), sample("bb", (2, 3, 30, 33), [([2, 3], {})])]
    for padding, size in (("batch", (48, 48)), ("square", (64, 64))):
        batch = put_together(samples, padding)  # type: ignore[arg-type]
        assert batch.frames.shape == (2, 2, 3, 3, *size)
        assert batch.frames.dtype == torch.uint8
        for one, frames in zip(samples, batch.frames, strict=True):
            height, width = one.frames.shape[-2:]
            assert torch.equal(frames[..., :height, :width], one.frames)
            assert frames.sum() == one.frames.sum()  # all the rest is zero
        assert torch.equal(batch.frame_seconds[1], samples[1].frame_seconds)
        assert torch.equal(batch.clip_spans[1], samples[1].clip_spans)
        assert torch.equal(batch.clip_positions[1], samples[1].clip_positions)
        assert batch.media_ids == ("a", "bb")


def test_sizes_that_fit_are_not_padded_and_float_stays_float() -> None:
    one = sample("a", (1, 1, 64, 32), [([2, 3], {})], dtype=torch.float32)
    batch = put_together([one])
    assert torch.equal(batch.frames[0], one.frames)
    assert batch.frames.dtype == torch.float32


def test_texts_are_padded_and_point_to_their_visual() -> None:
    samples = [
        sample("a", (1, 1, 16, 16), [([2, 5, 3], label(1)), ([2, 5, 6, 7, 3], label(-100))]),
        sample("bb", (1, 1, 16, 16), [([2, 3], label(0))]),
    ]
    batch = put_together(samples)
    assert batch.input_ids.tolist() == [[2, 5, 3, 9, 9], [2, 5, 6, 7, 3], [2, 3, 9, 9, 9]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]
    assert batch.visual_index.tolist() == [0, 0, 1]
    assert [record.record_id for record in batch.records] == ["a0", "a1", "bb0"]
    assert batch.targets["labels"].tolist() == [1, -100, 0]
    assert {tensor.dtype for tensor in (batch.input_ids, batch.attention_mask, batch.visual_index)} == {
        torch.int64
    }


def test_media_without_text_are_a_batch_without_texts() -> None:
    batch = put_together([sample("a", (2, 1, 16, 16), []), sample("b", (2, 1, 16, 16), [])])
    assert batch.media_ids == ("a", "b")
    assert batch.records == ()
    assert batch.input_ids.shape[0] == batch.attention_mask.shape[0] == 0
    assert batch.visual_index.dtype == torch.int64
    assert batch.visual_of_records() == []


def test_token_targets_are_padded_like_tokens() -> None:
    texts = [
        ([2, 5, 3], {"mlm": torch.tensor([-100, 8, -100]), "matching": torch.tensor(1)}),
        ([2, 5, 6, 3], {"mlm": torch.tensor([-100, -100, 4, -100]), "matching": torch.tensor(0)}),
    ]
    batch = put_together([sample("a", (1, 1, 16, 16), texts)])
    assert batch.targets["mlm"].tolist() == [[-100, 8, -100, -100], [-100, -100, 4, -100]]
    assert batch.targets["matching"].tolist() == [1, 0]


def test_rows_without_a_target_get_what_stands_for_none() -> None:
    single = [sample("a", (1, 1, 16, 16), [([2, 3], label(4)), ([2, 3], {})])]
    assert put_together(single).targets["labels"].tolist() == [4, -100]
    soft = [sample("a", (1, 1, 16, 16), [([2, 3], {}), ([2, 3], {"labels": torch.tensor([0.5, 1.0])})])]
    assert put_together(soft).targets["labels"].tolist() == [[0.0, 0.0], [0.5, 1.0]]
    assert put_together([sample("a", (1, 1, 16, 16), [([2, 3], {})])]).targets == {}


def test_an_image_among_recordings_is_repeated() -> None:
    image, recording = (
        sample("a", (1, 1, 16, 16), [([2, 3], {})]),
        sample("bb", (2, 3, 16, 16), [([2, 3], {})]),
    )
    batch = put_together([image, recording])
    assert batch.frames.shape == (2, 2, 3, 3, 16, 16)
    assert (batch.frames[0] == image.frames[0, 0]).all()
    assert torch.equal(batch.frames[1], recording.frames)
    assert (batch.frame_seconds[0] == image.frame_seconds[0, 0]).all()
    assert (batch.clip_spans[0] == image.clip_spans[0]).all()
    assert (batch.clip_positions[0] == image.clip_positions[0]).all()


def test_what_does_not_fit_is_an_error() -> None:
    two, three = (sample("a", (count, 2, 16, 16), [([2, 3], {})]) for count in (2, 3))
    with pytest.raises(ValueError, match=r"same clips and frames, got \[\(2, 2\), \(3, 2\)\]"):
        put_together([two, three])
    with pytest.raises(ValueError, match="16x16 pixels exceed max_frame_size 8"):
        put_together([two], max_frame_size=8)


def test_texts_of_a_row_are_neighbours_and_targets_are_per_row() -> None:
    frames = torch.zeros(2, 1, 3, 8, 8, dtype=torch.uint8)
    choice = TextRow(
        CaptionRecord("a", "v", "t"), [2, 5, 3], {"labels": torch.tensor(1)}, ([2, 3], [2, 6, 7, 3])
    )
    single = TextRow(CaptionRecord("b", "v", "t"), [2, 8, 3], {})
    sample = Sample("v", frames, torch.zeros(2, 1), torch.zeros(2, 2), torch.zeros(2), (choice, single))
    other = Sample("w", frames, torch.zeros(2, 1), torch.zeros(2, 2), torch.zeros(2), (choice,))
    batch = collate([sample, other], padding="batch", max_frame_size=8, frame_multiple=8, pad_token_id=0)
    assert batch.texts_per_record == batch.num_texts == (3, 1, 3)
    assert batch.input_ids[:4].tolist() == [[2, 5, 3, 0], [2, 3, 0, 0], [2, 6, 7, 3], [2, 8, 3, 0]]
    assert batch.visual_index.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert batch.visual_of_records() == [0, 0, 1]
    assert batch.targets["labels"].tolist() == [1, -100, 1]
    plain = collate(
        [Sample("v", frames, torch.zeros(2, 1), torch.zeros(2, 2), torch.zeros(2), (single,))],
        padding="batch",
        max_frame_size=8,
        frame_multiple=8,
        pad_token_id=0,
    )
    assert (plain.texts_per_record, plain.num_texts) == ((), (1,))
    with pytest.raises(ValueError, match="3 records, 7 texts for 6 id rows"):
        replace(batch, input_ids=batch.input_ids[:6])
