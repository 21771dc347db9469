"""Several data sets in one stream: whose turn it is, resuming, ids of different stores."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from clipbug.data.loading.collate import collate
from clipbug.data.loading.datasets import group_records
from clipbug.data.loading.loaders import EvaluationBatches, TrainBatches
from clipbug.data.loading.mixing import (
    ChainedBatches,
    MediaOfSets,
    MixedBatches,
    id_in_set,
    set_of_id,
    turns_of_round,
)
from clipbug.data.loading.pretraining_dataset import PretrainingDataset
from clipbug.data.loading.text import TextEncoder
from clipbug.data.records import CaptionRecord
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.errors import DataError
from tests.helpers.fake_media import FakeMedia, fake_image, fake_recording

COLLATE = partial(collate, padding="batch", max_frame_size=32, frame_multiple=8, pad_token_id=0)
# The same ids in both sets: 1 ... 5 are screens in one and recordings in the other.
SCREENS = FakeMedia({str(i): fake_image(size=(64, 36), seed=i) for i in range(1, 6)})
RECORDINGS = FakeMedia({str(i): fake_recording(20, size=(64, 36), seed=i) for i in range(1, 4)})
MEDIA = MediaOfSets({"screens": SCREENS, "recordings": RECORDINGS})


class NumberedStream:
    """Batches that say their number."""

    batch_size = 2

    def __init__(self, name: str, num_groups: int) -> None:
        self.name = name
        self.num_groups = num_groups

    def batches_from(self, position: int) -> Iterator[Any]:
        while True:
            yield self.name, position
            position += 1


def dataset_of(name: str, tokenizer: PreTrainedTokenizerBase) -> PretrainingDataset:
    records = [
        CaptionRecord(media_id, media_id, f"{name} {media_id}")
        for media_id in MEDIA.ids()
        if set_of_id(media_id) == name
    ]
    return PretrainingDataset(
        group_records(records, texts_per_visual=1),
        media=MEDIA,
        clip_sampler=build_clip_sampler("regular", random=True, num_clips=2, num_frames_per_clip=2, fps=2.0),
        max_frame_size=32,
        resize="antialiased",
        text=TextEncoder(tokenizer, 12),
        seed=5,
        augment=True,
        mlm_probability=0.15,
        mismatch_probability=0.5,
    )


def mixed(tokenizer: PreTrainedTokenizerBase, **changes: Any) -> MixedBatches:
    arguments: dict[str, Any] = {"seed": 5, "rank": 0, "world_size": 1, "num_workers": 0, "collate": COLLATE}
    sizes = {"screens": 3, "recordings": 1}
    streams = [
        TrainBatches(dataset_of(name, tokenizer), batch_size=size, **(arguments | changes))
        for name, size in sizes.items()
    ]
    return MixedBatches(streams, [2, 1], batch_size=3)


@pytest.mark.parametrize(
    ("ratios", "turns"),
    [
        ((1,), [0]),
        ((1, 1), [0, 1]),
        ((3, 1), [0, 0, 1, 0]),
        ((1, 4), [1, 1, 0, 1, 1]),
        ((2, 1, 1), [0, 1, 2, 0]),
    ],
)
def test_turns_of_a_round(ratios: tuple[int, ...], turns: list[int]) -> None:
    assert list(turns_of_round(ratios)) == turns


def test_at_every_moment_each_set_has_had_its_share() -> None:
    ratios = (7, 2, 5)
    turns = turns_of_round(ratios)
    for length in range(1, len(turns) + 1):
        counts = Counter(turns[:length])
        for number, ratio in enumerate(ratios):
            assert abs(counts[number] - length * ratio / sum(ratios)) < 1


@pytest.mark.parametrize("position", [0, 1, 2, 5, 7, 103])
def test_a_position_is_the_whole_state(position: int) -> None:
    mixture = MixedBatches([NumberedStream("a", 10), NumberedStream("b", 4)], [3, 1], batch_size=2)
    whole = list(islice(mixture.batches_from(0), position + 9))
    assert list(islice(mixture.batches_from(position), 9)) == whole[position:]
    numbers = [number for name, number in whole if name == "a"]
    assert numbers == list(range(len(numbers)))  # no batch of a set is left out or repeated


def test_an_epoch_counts_visuals_of_full_batches() -> None:
    small = NumberedStream("a", 10)
    small.batch_size = 1
    assert MixedBatches([small, NumberedStream("b", 5)], [1, 1], batch_size=4).num_groups == 40 + 10


def test_wrong_ratios_are_refused() -> None:
    with pytest.raises(ValueError, match="as many ratios"):
        MixedBatches([NumberedStream("a", 1)], [1, 2], batch_size=1)
    with pytest.raises(ValueError, match="ratios from 1 on"):
        MixedBatches([NumberedStream("a", 1)], [0], batch_size=1)


def test_screens_and_recordings_by_turns_and_resuming_is_going_on(
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    whole = list(islice(mixed(tiny_tokenizer).batches_from(0), 9))
    names = [{set_of_id(media_id) for media_id in batch.media_ids} for batch in whole]
    assert names == [{"screens"}, {"recordings"}, {"screens"}] * 3
    assert {tuple(batch.frames.shape[:3]) for batch in whole} == {(3, 1, 1), (1, 2, 2)}
    resumed = list(islice(mixed(tiny_tokenizer).batches_from(4), 5))
    for batch, expected in zip(resumed, whole[4:], strict=True):
        assert batch.records == expected.records
        assert torch.equal(batch.frames, expected.frames)
        assert torch.equal(batch.input_ids, expected.input_ids)


def test_ranks_read_the_same_set_at_a_time(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    streams = [mixed(tiny_tokenizer, rank=rank, world_size=2).batches_from(3) for rank in (0, 1)]
    for one, other in islice(zip(*streams, strict=True), 6):
        assert {set_of_id(name) for name in (*one.media_ids, *other.media_ids)} in (
            {"screens"},
            {"recordings"},
        )


def test_exchanged_texts_are_of_the_same_set_and_another_visual(
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    for batch in islice(mixed(tiny_tokenizer).batches_from(0), 30):
        for record, matches in zip(batch.records, batch.targets["matching"], strict=True):
            name, _, own = record.text.partition(" ")
            assert name == set_of_id(record.media_id)
            assert (own == record.media_id) == bool(matches)


def test_media_of_sets() -> None:
    assert len(MEDIA) == 8
    assert list(MEDIA.ids())[:4] == ["recordings/1", "recordings/2", "recordings/3", "screens/1"]
    assert MEDIA.entry("screens/1").kind == "image"
    assert MEDIA.entry("recordings/1").kind == "video"
    assert MEDIA.read("screens/2") == SCREENS.read("2")
    assert "screens/9" not in MEDIA
    assert "1" not in MEDIA
    with pytest.raises(DataError, match="of no data set"):
        MEDIA.read("1")
    assert id_in_set("screens", "7") == "screens/7"


def test_evaluation_reads_one_set_after_the_other(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    parts = [
        EvaluationBatches(
            dataset_of(name, tiny_tokenizer),
            batch_size=2,
            rank=0,
            world_size=1,
            num_workers=0,
            collate=COLLATE,
        )
        for name in ("screens", "recordings")
    ]
    chained = ChainedBatches(parts)
    ids = [media_id for batch in chained for media_id in batch.media_ids]
    assert sorted(ids) == list(MEDIA.ids())
    assert len(chained) == len(list(chained)) == 5
