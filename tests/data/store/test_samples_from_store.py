"""The whole way from a store: the pictures of a sample are those of its times, through real decoders."""

from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from clipbug.config.data import Resize
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.collate import collate
from clipbug.data.loading.datasets import VisualTextDataset, group_records
from clipbug.data.loading.loaders import EvaluationBatches, TrainBatches
from clipbug.data.loading.targets import single_label_targets
from clipbug.data.loading.text import TextEncoder
from clipbug.data.records import QuestionRecord
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.data.store.store import MediaStore
from tests.helpers.video_factory import read_index

# Clips of 2 frames 0.5 s apart, at the first picture, in the middle and up to the last picture, by hand.
EXPECTED = {
    "even": [[0, 5], [17, 22], [34, 39]],  # 10 pictures per second
    "late": [[0, 5], [22, 27], [44, 49]],  # the same, from 2 s on
    "uneven": [[0, 5], [12, 17], [34, 49]],  # every 0.1 s until 2 s, then every 1/30 s
    "matroska": [[0, 5], [12, 17], [24, 29]],
    "still": [[0, 5], [3, 8], [6, 11]],
    "screen": [[77]],
}
COLLATE = partial(collate, padding="batch", max_frame_size=160, frame_multiple=16, pad_token_id=0)


def make_dataset(
    store: Path, tokenizer: PreTrainedTokenizerBase, *, resize: Resize = "antialiased", random: bool = False
) -> VisualTextDataset:
    records = [
        QuestionRecord(f"r{name}", "q", name, "which screen is this", {"save": 1.0}) for name in EXPECTED
    ]
    return VisualTextDataset(
        group_records(records, texts_per_visual=None),
        media=MediaStore(store),
        clip_sampler=build_clip_sampler(
            "regular", random=random, num_clips=3, num_frames_per_clip=2, fps=2.0
        ),
        max_frame_size=160,
        resize=resize,
        text=TextEncoder(tokenizer, 12),
        encode_targets=single_label_targets(AnswerVocabulary(["save"])),
        seed=5,
    )


def numbers_of(frames: Tensor) -> list[list[int]]:
    pictures = frames.permute(0, 1, 3, 4, 2).numpy().round().astype(np.uint8)
    return [[read_index(picture) for picture in clip] for clip in pictures]


def seconds_of(name: str, number: int) -> float:
    """When a player shows a picture."""
    if name == "late":
        return 2 + number / 10
    if name == "uneven":
        return float(Fraction(number, 10) if number < 20 else 2 + Fraction(number - 20, 30))
    return number / 10


@pytest.mark.parametrize("resize", ["antialiased", "clipbert"])
def test_pictures_are_those_of_the_times(
    synthetic_store: Path, tiny_tokenizer: PreTrainedTokenizerBase, resize: Resize
) -> None:
    dataset = make_dataset(synthetic_store, tiny_tokenizer, resize=resize)
    for index, (name, expected) in enumerate(EXPECTED.items()):
        sample = dataset.sample(0, index)
        assert sample.frames.shape[-2:] == (64, 160)
        assert numbers_of(sample.frames) == expected
        times = [
            [seconds_of(name, number) if name != "screen" else 0.0 for number in clip] for clip in expected
        ]
        # Containers round times to their ticks, matroska to 1 ms.
        np.testing.assert_allclose(sample.frame_seconds.numpy(), times, atol=1e-3)


def test_random_clips_show_the_pictures_of_their_times(
    synthetic_store: Path, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    dataset = make_dataset(synthetic_store, tiny_tokenizer, random=True)
    batches = TrainBatches(
        dataset, batch_size=2, seed=5, rank=0, world_size=1, num_workers=0, collate=COLLATE
    )
    seen = set()
    for batch in islice(batches.batches_from(0), 9):
        assert batch.frames.shape == (2, *batch.frames.shape[1:3], 3, 64, 160)
        for name, frames, seconds in zip(batch.media_ids, batch.frames, batch.frame_seconds, strict=True):
            if name != "screen":
                expected = [[seconds_of(name, number) for number in clip] for clip in numbers_of(frames)]
                np.testing.assert_allclose(seconds.numpy(), expected, atol=1e-3)
            seen.add(name)
    assert seen == set(EXPECTED)


def test_evaluation_puts_recordings_together_and_the_image_apart(
    synthetic_store: Path, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    batches = EvaluationBatches(
        make_dataset(synthetic_store, tiny_tokenizer),
        batch_size=3,
        rank=0,
        world_size=1,
        num_workers=0,
        collate=COLLATE,
    )
    assert [batch.media_ids for batch in batches] == [
        ("even", "late", "uneven"),
        ("matroska", "still"),
        ("screen",),
    ]
