"""Fixtures that several folders of tests share."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # one process per core; before torch, which starts a thread per core
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clipbug.config import RunConfig
from tests.helpers.fake_media import FakeMedia, fake_image, fake_recording

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TINY_TEXTS = (
    "what is tapped first?",
    "what is tapped just before the bug?",
    "which screen is this",
    "what will be your tap",
    "how many times is save tapped?",
    "the dialog stays open after cancel",
    "nothing happens when delete is tapped",
    "the list is empty after a search",
)


@pytest.fixture(scope="session")
def tiny_tokenizer() -> "PreTrainedTokenizerBase":
    """A WordPiece tokenizer over a handful of sentences. Do not change it: the whole session shares it."""
    from clipbug.data.loading.tokenization import (
        train_wordpiece,  # takes seconds that most tests need not pay
    )

    return train_wordpiece(TINY_TEXTS, vocabulary_size=160)


@pytest.fixture
def tiny_config() -> RunConfig:
    """Settings of a video QA run that a CPU trains in milliseconds per step."""
    return RunConfig.model_validate(
        {
            "task": {"name": "video_qa"},
            "precision": "fp32",
            "max_frame_size": 32,
            "model": {
                "backbone": {"name": "small", "widths": [8, 8, 16]},
                "encoder": {"hidden_size": 16, "num_layers": 2, "num_heads": 2, "intermediate_size": 32},
                "grid_pool": 1,
            },
            "tokenizer": {"name": "wordpiece", "vocabulary_size": 160},
            "train": {"batch_size": 2, "num_clips": 2, "max_steps": 4},
            "eval": {"batch_size": 2, "num_clips": 2},
        }
    )


@pytest.fixture
def fake_media() -> FakeMedia:
    """Five recordings of different lengths and shapes, one of them starting at 2 s, and one image."""
    return FakeMedia(
        {
            "portrait": fake_recording(40, size=(64, 36), seed=1),
            "landscape": fake_recording(30, size=(36, 64), seed=2),
            "short": fake_recording(2, size=(64, 36), seed=3),
            "late": fake_recording(50, start_seconds=2.0, size=(64, 36), seed=4),
            "square": fake_recording(25, size=(48, 48), seed=5),
            "picture": fake_image(size=(64, 36), seed=6),
        }
    )


@pytest.fixture(scope="session")
def synthetic_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five recordings and an image, 64 x 160, whose pictures carry their number. Do not change the store."""
    # These take seconds to import, which most tests need not pay.
    import cv2

    from clipbug.data.store.probe import probe
    from clipbug.data.store.store import StoreWriter
    from tests.helpers.video_factory import draw_index, make_video

    folder = tmp_path_factory.mktemp("synthetic")
    uneven = [*range(0, 60, 3), *range(60, 90)]  # in 1/30 s: 20 pictures in 2 s, then 30 in 1 s
    files = [
        make_video(folder / "even.mp4", num_frames=40),
        make_video(folder / "late.mp4", num_frames=50, first_pts=20),
        make_video(folder / "uneven.mp4", num_frames=50, pts=uneven, time_base=Fraction(1, 30)),
        make_video(folder / "matroska.mkv", num_frames=30),
        make_video(folder / "still.gif", num_frames=12, codec="gif"),
        folder / "screen.png",
    ]
    assert cv2.imwrite(str(files[-1]), draw_index(77))
    contents = [(file, file.read_bytes()) for file in files]
    with StoreWriter(folder / "store") as writer:
        writer.put_many(
            (probe(data, media_id=file.stem, file_name=file.name), data) for file, data in contents
        )
    return folder / "store"
