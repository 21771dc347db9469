"""Orders, ranks, resuming, worker processes."""

import multiprocessing
import os
import signal
from collections import Counter
from functools import partial
from itertools import islice
from typing import Any

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.bad_items import BadItems
from clipbug.data.loading.batch import Batch
from clipbug.data.loading.collate import collate
from clipbug.data.loading.datasets import VisualTextDataset, group_records
from clipbug.data.loading.loaders import EvaluationBatches, TrainBatches
from clipbug.data.loading.parcel import DeadWorkerError
from clipbug.data.loading.targets import single_label_targets
from clipbug.data.loading.text import TextEncoder
from clipbug.data.records import QuestionRecord
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.errors import DataError, DecodeError
from tests.helpers.fake_media import FakeDecoder, FakeMedia, fake_image, fake_recording

COLLATE = partial(collate, padding="batch", max_frame_size=32, frame_multiple=8, pad_token_id=0)
SIZES = [(64, 36), (36, 64), (48, 48)]


def make_media(count: int) -> FakeMedia:
    return FakeMedia({f"m{i}": fake_recording(20 + i, size=SIZES[i % 3], seed=i) for i in range(count)})


def make_dataset(
    media: FakeMedia, tokenizer: PreTrainedTokenizerBase, *, training: bool = True
) -> VisualTextDataset:
    records = [
        QuestionRecord(f"{media_id}-{row}", "q", media_id, f"which screen is {row}", {"save": 1.0})
        for media_id in media.ids()
        for row in range(2)
    ]
    return VisualTextDataset(
        group_records(records, texts_per_visual=None),
        media=media,
        clip_sampler=build_clip_sampler(
            "regular", random=training, num_clips=2, num_frames_per_clip=2, fps=2.0
        ),
        max_frame_size=32,
        resize="antialiased",
        text=TextEncoder(tokenizer, 12),
        encode_targets=single_label_targets(AnswerVocabulary(["save"])),
        seed=5,
        augment=training,
    )


def train_batches(dataset: VisualTextDataset, **changes: Any) -> TrainBatches:
    arguments: dict[str, Any] = {
        "batch_size": 2,
        "seed": 5,
        "rank": 0,
        "world_size": 1,
        "num_workers": 0,
        "collate": COLLATE,
    }
    return TrainBatches(dataset, **(arguments | changes))


def evaluation_batches(dataset: VisualTextDataset, **changes: Any) -> EvaluationBatches:
    arguments: dict[str, Any] = {
        "batch_size": 2,
        "rank": 0,
        "world_size": 1,
        "num_workers": 0,
        "collate": COLLATE,
    }
    return EvaluationBatches(dataset, **(arguments | changes))


def assert_equal_batches(one: Batch, other: Batch) -> None:
    assert one.media_ids == other.media_ids
    assert one.records == other.records
    for name in (
        "frames",
        "frame_seconds",
        "clip_spans",
        "clip_positions",
        "input_ids",
        "attention_mask",
        "visual_index",
    ):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert one.targets.keys() == other.targets.keys()
    assert all(torch.equal(one.targets[name], other.targets[name]) for name in one.targets)


@pytest.fixture
def dataset(tiny_tokenizer: PreTrainedTokenizerBase) -> VisualTextDataset:
    return make_dataset(make_media(7), tiny_tokenizer)


def test_every_group_occurs_once_per_epoch_in_a_new_order(dataset: VisualTextDataset) -> None:
    batches = train_batches(dataset)
    assert batches.num_groups == 7
    stream = [media_id for batch in islice(batches.batches_from(0), 14) for media_id in batch.media_ids]
    epochs = [stream[start : start + 7] for start in range(0, 28, 7)]
    assert all(sorted(epoch) == [f"m{i}" for i in range(7)] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_the_order_depends_on_the_seed(dataset: VisualTextDataset) -> None:
    one, same, other = (
        [batch.media_ids for batch in islice(train_batches(dataset, seed=seed).batches_from(0), 4)]
        for seed in (5, 5, 6)
    )
    assert one == same
    assert one != other


def test_resuming_is_going_on_and_reads_nothing_before(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    media = make_media(7)
    dataset = make_dataset(media, tiny_tokenizer)
    whole = list(islice(train_batches(dataset).batches_from(0), 12))
    media.opened.clear()
    resumed = list(islice(train_batches(dataset).batches_from(5), 7))
    for batch, expected in zip(resumed, whole[5:], strict=True):
        assert_equal_batches(batch, expected)
    assert media.opened == [media_id for batch in resumed for media_id in batch.media_ids]


def test_two_ranks_see_what_one_of_twice_the_batch_sees(dataset: VisualTextDataset) -> None:
    whole = list(islice(train_batches(dataset, batch_size=4).batches_from(3), 6))
    ranks = [
        list(islice(train_batches(dataset, rank=rank, world_size=2).batches_from(3), 6)) for rank in (0, 1)
    ]
    for batch, first, second in zip(whole, *ranks, strict=True):
        assert batch.media_ids == first.media_ids + second.media_ids
        assert batch.records == first.records + second.records
        assert torch.equal(batch.frame_seconds, torch.cat([first.frame_seconds, second.frame_seconds]))


def test_fewer_groups_than_a_batch_needs_still_make_full_batches(
    tiny_tokenizer: PreTrainedTokenizerBase,
) -> None:
    dataset = make_dataset(make_media(3), tiny_tokenizer)
    batches = list(islice(train_batches(dataset, batch_size=8).batches_from(0), 3))
    assert [len(batch.media_ids) for batch in batches] == [8, 8, 8]
    counts = Counter(media_id for batch in batches for media_id in batch.media_ids)
    assert counts == {"m0": 8, "m1": 8, "m2": 8}


def test_evaluation_gives_each_group_once_in_batches_of_one_shape(dataset: VisualTextDataset) -> None:
    batches = evaluation_batches(dataset)
    assert len(batches) == len(list(batches)) == 4  # 3 portrait, 2 landscape, 2 square
    ids = [media_id for batch in batches for media_id in batch.media_ids]
    assert sorted(ids) == sorted(f"m{i}" for i in range(7))
    assert [batch.frames.shape[-2:] for batch in batches] == [(32, 24), (32, 24), (24, 32), (32, 32)]
    for batch in batches:
        shapes = {dataset.frame_shape(int(media_id[1:])) for media_id in batch.media_ids}
        assert len(shapes) == 1
    for first, second in zip(batches, batches, strict=True):
        assert_equal_batches(first, second)


def test_evaluation_batches_are_the_same_for_any_number_of_ranks(dataset: VisualTextDataset) -> None:
    whole = list(evaluation_batches(dataset))
    shares = [list(evaluation_batches(dataset, rank=rank, world_size=3)) for rank in range(3)]
    assert [len(share) for share in shares] == [2, 1, 1]
    for place, batch in enumerate(whole):
        assert_equal_batches(shares[place % 3][place // 3], batch)


def test_images_and_recordings_are_evaluated_apart(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    media = FakeMedia(
        {"a": fake_recording(20), "b": fake_image(), "c": fake_recording(20), "d": fake_image()}
    )
    batches = list(evaluation_batches(make_dataset(media, tiny_tokenizer)))
    assert [batch.media_ids for batch in batches] == [("a", "c"), ("b", "d")]
    assert [batch.frames.shape[1:3] for batch in batches] == [(2, 2), (1, 1)]


def test_more_ranks_than_batches_leave_some_without(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    dataset = make_dataset(make_media(1), tiny_tokenizer)
    assert [len(evaluation_batches(dataset, rank=rank, world_size=2)) for rank in (0, 1)] == [1, 0]
    assert list(evaluation_batches(dataset, rank=1, world_size=2)) == []


def test_reading_leaves_the_global_generators_alone(dataset: VisualTextDataset) -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    next(train_batches(dataset).batches_from(0))
    assert torch.equal(torch.rand(3), expected)


def test_an_empty_training_set_is_an_error(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    with pytest.raises(DataError, match="no row to train on"):
        train_batches(make_dataset(FakeMedia({}), tiny_tokenizer))
    assert list(evaluation_batches(make_dataset(FakeMedia({}), tiny_tokenizer))) == []


def test_a_damaged_recording_stops_the_stream_by_name(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    media = make_media(3)
    media.recordings["broken"] = fake_recording(20, is_damaged=True)
    dataset = make_dataset(media, tiny_tokenizer)
    with pytest.raises(DecodeError, match="broken: picture") as caught:
        list(evaluation_batches(dataset))
    assert caught.value.hint.startswith("record it again\n")
    assert "max_bad_items" in caught.value.hint
    with pytest.raises(DecodeError, match="broken: picture"):
        list(islice(train_batches(dataset).batches_from(0), 2))


def with_two_broken(tokenizer: PreTrainedTokenizerBase) -> VisualTextDataset:
    media = make_media(4)
    for name in ("broken 1", "broken 2"):
        media.recordings[name] = fake_recording(20, is_damaged=True)
    return make_dataset(media, tokenizer)


def test_a_budget_lets_bad_items_be_left_out_and_lists_them(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    dataset, bad_items = with_two_broken(tiny_tokenizer), BadItems(2)
    batches = list(islice(train_batches(dataset, bad_items=bad_items).batches_from(0), 12))
    seen = {media_id for batch in batches for media_id in batch.media_ids}
    assert seen == set(dataset._reader.media.ids()) - {"broken 1", "broken 2"}  # nothing takes their place
    assert all(len(batch.media_ids) <= 2 for batch in batches)
    assert sorted(bad_items.by_id) == ["broken 1", "broken 2"]
    assert "broken 1: picture" in bad_items.by_id["broken 1"].reason
    with pytest.raises(DecodeError, match=r"broken \d: picture .* \(1 bad items before it were left out\)"):
        list(islice(train_batches(dataset, bad_items=BadItems(1)).batches_from(0), 12))


def test_what_evaluation_leaves_out_keeps_its_rows(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    dataset = with_two_broken(tiny_tokenizer)
    batches = evaluation_batches(dataset, bad_items=BadItems(5))
    for _ in range(2):  # a second pass counts anew
        answered = [record.record_id for batch in batches for record in batch.records]
        unread = [record.record_id for visual in batches.unread for record in visual.records]
        assert sorted(unread) == ["broken 1-0", "broken 1-1", "broken 2-0", "broken 2-1"]
        assert sorted(answered + unread) == sorted(
            record.record_id for group in dataset.groups for record in group.records
        )


class Killer(FakeMedia):
    """Media of which one kills the process that opens it, as native code can."""

    def open(self, media_id: str, *, longer_side: int | None = None) -> FakeDecoder:
        if media_id == "killer":
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().open(media_id)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the dead worker's queue
def test_a_dead_worker_is_named(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    media = Killer(make_media(5).recordings)
    media.recordings["killer"] = fake_recording(20)
    with pytest.raises(DeadWorkerError, match=r"died or hung while it read .*killer"):
        list(evaluation_batches(make_dataset(media, tiny_tokenizer), num_workers=1))


@pytest.mark.slow
def test_worker_processes_change_nothing(tiny_tokenizer: PreTrainedTokenizerBase) -> None:
    """One start of workers for: equal batches, several streams, the state of generators, and errors."""
    media = make_media(7)
    dataset = make_dataset(media, tiny_tokenizer)
    here = train_batches(dataset)
    ahead = train_batches(dataset, num_workers=2)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    media.opened.clear()
    first = list(islice(ahead.batches_from(0), 9))
    again = list(islice(ahead.batches_from(4), 5))  # the workers had read further: they start over
    assert torch.equal(torch.rand(3), expected)
    assert media.opened == []  # nothing was read in this process
    for batch, other in zip(first, islice(here.batches_from(0), 9), strict=True):
        assert_equal_batches(batch, other)
    for batch, other in zip(again, first[4:], strict=True):
        assert_equal_batches(batch, other)

    processes = multiprocessing.active_children()
    assert len(processes) == 2
    del ahead
    # In a reference cycle they would wait for 5 s and then be terminated.
    assert [process.exitcode for process in processes] == [0, 0]

    media.recordings["broken"] = fake_recording(20, is_damaged=True)
    broken = evaluation_batches(make_dataset(media, tiny_tokenizer), num_workers=1)
    for _ in range(2):
        with pytest.raises(DecodeError, match="broken: picture") as caught:
            list(broken)
        assert caught.value.message.startswith("broken: picture")  # not a traceback in a message
        assert caught.value.hint.startswith("record it again\n")
