"""Exact resume over the real data path: random clips, negatives and masks, dropout, worker processes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from clipbug.config import RunConfig
from clipbug.config.train import OptimConfig
from clipbug.data.loading.batch import Batch
from clipbug.data.loading.collate import collate
from clipbug.data.loading.datasets import group_records
from clipbug.data.loading.loaders import EvaluationBatches, TrainBatches
from clipbug.data.loading.pretraining_dataset import PretrainingDataset
from clipbug.data.loading.text import TextEncoder
from clipbug.data.records import CaptionRecord
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.engine.checkpoint import CheckpointManager
from clipbug.engine.evaluator import Evaluator
from clipbug.engine.optim import build_optimizer
from clipbug.engine.tracking import Tracker
from clipbug.engine.trainer import Trainer
from clipbug.models.build import build_model
from clipbug.runtime.seeding import seed_everything
from clipbug.tasks.pretraining import Pretraining
from tests.conftest import TINY_TEXTS
from tests.helpers.fake_media import FakeMedia, fake_recording
from tests.helpers.fake_tasks import ALONE
from tests.helpers.trainers import lines_without_times

pytestmark = pytest.mark.slow


class _KilledError(Exception):
    """Stands for kill -9."""


class _Breaking:
    """Another stream, which ends the run when so many micro-batches have been taken."""

    def __init__(self, stream: TrainBatches, break_at: int) -> None:
        self._stream = stream
        self._break_at = break_at
        self.batch_size = stream.batch_size

    def batches_from(self, position: int) -> Iterator[Batch]:
        for number, batch in enumerate(self._stream.batches_from(position), start=position):
            if number == self._break_at:
                raise _KilledError
            yield batch


def _dataset(tokenizer: PreTrainedTokenizerBase, *, training: bool) -> PretrainingDataset:
    media = FakeMedia({f"m{i}": fake_recording(20 + i, seed=i) for i in range(7)})
    records = [
        CaptionRecord(f"{media_id}-{row}", media_id, f"{TINY_TEXTS[index]} {row}")
        for index, media_id in enumerate(media.ids())
        for row in range(2)
    ]
    return PretrainingDataset(
        group_records(records, texts_per_visual=2),
        media=media,
        clip_sampler=build_clip_sampler(
            "regular", random=training, num_clips=2, num_frames_per_clip=2, fps=2.0
        ),
        max_frame_size=32,
        resize="antialiased",
        text=TextEncoder(tokenizer, 12),
        seed=5,
        augment=training,
        mlm_probability=0.3,
        mismatch_probability=0.5,
    )


def _trainer(
    folder: Path,
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase,
    *,
    num_workers: int,
    break_at: int = -1,
) -> Trainer:
    seed_everything(1)
    model = build_model(config.model, head="pretraining", num_classes=None, vocabulary_size=len(tokenizer))
    task = Pretraining(model, clip_aggregation="logsumexp")
    settings = {
        "batch_size": 2,
        "rank": 0,
        "world_size": 1,
        "num_workers": num_workers,
        "collate": partial(
            collate, padding="batch", max_frame_size=32, frame_multiple=model.frame_multiple, pad_token_id=0
        ),
    }
    stream = TrainBatches(_dataset(tokenizer, training=True), seed=5, **settings)
    validation = EvaluationBatches(_dataset(tokenizer, training=False), **settings)
    return Trainer(
        task=task,
        optimizer=build_optimizer(task, OptimConfig()),
        train_batches=_Breaking(stream, break_at),
        evaluator=Evaluator(task, validation, precision="fp32", distributed=ALONE),
        checkpoints=CheckpointManager(folder / "checkpoints", keep_last=1),
        failures=folder / "failures",
        tracker=Tracker(folder),
        distributed=ALONE,
        precision="fp32",
        seed=5,
        schedule="cosine",
        warmup_steps=2,
        max_steps=9,
        accumulation_steps=2,
        eval_every=4,
        save_every=3,
        log_every=1,
        max_gradient_norm=5.0,
    )


def test_broken_twice_with_workers_is_unbroken_without(
    tmp_path: Path, tiny_config: RunConfig, tiny_tokenizer: PreTrainedTokenizerBase
) -> None:
    whole = _trainer(tmp_path / "whole", tiny_config, tiny_tokenizer, num_workers=0)
    whole.fit()
    # 7 groups in batches of 2: 9 steps of 2 micro-batches are 5 epochs, and both breaks are inside of one.
    for break_at, num_workers in ((9, 2), (13, 0)):
        with pytest.raises(_KilledError):
            _trainer(
                tmp_path / "broken", tiny_config, tiny_tokenizer, num_workers=num_workers, break_at=break_at
            ).fit()
    last = _trainer(tmp_path / "broken", tiny_config, tiny_tokenizer, num_workers=2)
    last.fit()
    weights = whole.task.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in last.task.state_dict().items())
    assert lines_without_times(tmp_path / "broken") == lines_without_times(tmp_path / "whole")
