"""Recordings, config, model and data loader of `clipbug benchmark train`."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from clipbug.benchmarks.clipbert_step import Switches
from clipbug.benchmarks.recordings import write_recording
from clipbug.builders.batches import BatchBuilder
from clipbug.builders.records import open_media, records_with_media
from clipbug.builders.task_model import TextParts
from clipbug.config import RunConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.batch import Batch
from clipbug.data.loading.tokenization import train_wordpiece
from clipbug.models.build import build_model
from clipbug.recipes.ingest import ingest
from clipbug.runtime.distributed import Distributed
from clipbug.tasks.base import Task
from clipbug.tasks.build import build_task
from clipbug.workspace.storage import Storage

Scale = Literal["base", "tiny"]
_NUM_ANSWERS, _VOCABULARY = 1500, 30522
_QUESTIONS = ("what is tapped first?", "which dialog appears after save is tapped twice in a row?")


@dataclass(frozen=True, slots=True)
class Variant:
    """A variant of the training step.

    Attributes:
        original: switches of ClipBERT's step; None for clipbug's step.
        training: non-default training settings of clipbug's step.
    """

    original: Switches | None = None
    precision: Literal["fp32", "bf16"] = "fp32"
    padding: Literal["square", "batch"] = "square"
    training: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """Data and sizes that all variants share."""

    folder: Path
    batch_size: int
    scale: Scale

    @property
    def processes(self) -> Distributed:
        """Return a single-process setup, on a GPU if there is one."""
        return Distributed(0, 0, 1, torch.device("cuda" if torch.cuda.is_available() else "cpu"))

    def config(self, variant: Variant) -> RunConfig:
        """Return the config of a variant."""
        encoder = {"hidden_size": 64, "num_layers": 2, "num_heads": 2, "intermediate_size": 128}
        return RunConfig.model_validate(
            {
                "task": {"name": "video_qa"},
                "precision": variant.precision,
                "padding": variant.padding,
                "max_frame_size": 448 if self.scale == "base" else 192,
                "num_frames_per_clip": 2,
                "model": {
                    "backbone": {"name": "clipbert"},
                    "encoder": {"dropout": 0.1, **({} if self.scale == "base" else encoder)},
                },
                "data": {
                    "train": [str(self.folder / "train.jsonl")],
                    "media": [str(self.folder / "store")],
                    "texts_per_visual": 1,
                },
                "train": {"batch_size": self.batch_size, "num_clips": 2, **variant.training},
            }
        )

    def write_data(self) -> None:
        """Write and ingest recordings, and write a question about each."""
        files = [self.folder / "recordings" / f"phone{index}.mp4" for index in range(2)]
        for index, file in enumerate(files):
            write_recording(file, seconds=6, width=720, height=1280, motion="still", seed=index)
        ingest(files, extensions=["mp4"], file_type="video", store=self.folder / "store")
        rows = [
            {"video_id": file.stem, "question": question, "answer": f"answer {index}"}
            for index, (file, question) in enumerate(zip(files, _QUESTIONS, strict=True))
        ]
        (self.folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    def text(self) -> TextParts:
        """Return a tokenizer and as many answers as MSRVTT-QA has."""
        answers = AnswerVocabulary(tuple(f"answer {index}" for index in range(_NUM_ANSWERS)))
        return TextParts(train_wordpiece(_QUESTIONS, vocabulary_size=200), answers)

    def task(self, config: RunConfig) -> Task:
        """Return a task in training mode, with random weights that are the same in each call."""
        torch.manual_seed(0)
        model = build_model(
            config.model, head="classification", num_classes=_NUM_ANSWERS, vocabulary_size=_VOCABULARY
        )
        return build_task(
            config.task,
            model.to(self.processes.device),
            answers=self.text().answers,
            clip_aggregation="logsumexp",
            label_smoothing=0.0,
        ).train()

    def batches(self, config: RunConfig, task: Task) -> Iterator[Batch]:
        """Return batches as training loads them."""
        media = open_media(config.data.media, Storage(self.folder))
        records = records_with_media(config.data.train, config, media)
        builder = BatchBuilder(config, media, self.text(), task, self.processes)
        return builder.training(records).batches_from(0)
