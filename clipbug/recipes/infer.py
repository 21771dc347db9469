"""`clipbug infer`: answers to the questions of a file, from a run folder alone."""

import io
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from clipbug.config import RunConfig
from clipbug.data.annotations import detect_family
from clipbug.data.media import MediaSource
from clipbug.data.records import Record
from clipbug.data.tokenization import load_tokenizer
from clipbug.engine.predictor import predict
from clipbug.errors import DataError
from clipbug.models.weights import load_weights
from clipbug.recipes.assembly import (
    TextParts,
    build_evaluation_batches,
    build_task_model,
)
from clipbug.recipes.rows import DataFormat, asked_task, family_of, match_records, open_media
from clipbug.recipes.run_folder import RunFolder
from clipbug.recipes.search_inference import SEARCHES, SearchReport, infer_search
from clipbug.recipes.storage import Storage, annotation_files, split_of
from clipbug.runtime.distributed import Distributed, joined_processes
from clipbug.runtime.files import atomic_write
from clipbug.tasks.base import Prediction


@dataclass(frozen=True, slots=True)
class InferenceReport:
    """What an inference tells.

    Attributes:
        missing: ids of the rows that have no prediction because their media is in no store.
        missing_media: the ids of that media.
    """

    run: str
    step: str
    data: tuple[str, ...]
    predictions: str
    questions: int
    recordings: int
    num_clips: int
    missing: tuple[str, ...]
    missing_media: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return asdict(self)


def infer(
    *,
    storage: Path,
    run: Path | None = None,
    step: str = "best",
    data: Path | None = None,
    media: Sequence[Path] = (),
    data_format: DataFormat | None = None,
    aliases: Path | None = None,
    allow_missing: bool = False,
    num_clips: int | None = None,
    batch_size: int | None = None,
    output: Path | None = None,
    scores: Path | None = None,
) -> InferenceReport | SearchReport:
    """Answer every question of `data` with the weights of `run`, and write predictions.jsonl.

    Args:
        storage: storage root.
        run: run or model folder; default: the newest under the storage.
        step: a number, "best" or "last".
        data: annotation file (answers not needed); default: the test file beside the run's training file,
            else its validation files.
        media: stores; default: those of the run, else all under the storage.
        data_format, aliases: how to read the file; default: as the run read its own.
        allow_missing: leave out rows whose media is in no store, and list them in the report.
        num_clips, batch_size: default: as the run validated.
        output: folder of predictions.jsonl; default: predictions/<data>-<step> in the run folder.
        scores: also write raw logits to this npz file.

    Raises:
        ClipbugError: no such run, step, data or media; an item cannot be decoded.
    """
    started = time.monotonic()
    place_of_data = Storage(storage)
    folder = RunFolder.open(run) if run is not None else RunFolder.newest(place_of_data)
    config = _with_overrides(folder.self_contained_config(), media, num_clips, batch_size)
    config = _with_reading(config, data_format, aliases, allow_missing)
    weights = folder.weights(step)
    files = (data,) if data is not None else default_data(config)
    media_source = open_media(_stores(config), place_of_data)
    target = output or folder.path / "predictions" / f"{'+'.join(Path(file).stem for file in files)}-{step}"
    asked = asked_task(config.task.name, files)
    if asked in SEARCHES:
        return infer_search(
            asked,
            folder=folder,
            config=config,
            weights=weights,
            files=files,
            media=media_source,
            target=target,
            scores=scores,
        )
    rows = match_records(files, config, media_source, task=asked)
    with joined_processes() as processes:
        predictions = _predict(config, folder, weights, rows.found, media_source, processes)
    report = InferenceReport(
        run=str(folder.path.resolve()),
        step=weights.parent.resolve().name,
        data=tuple(str(Path(file).resolve()) for file in files),
        predictions=str(target / "predictions.jsonl"),
        questions=len(predictions),
        recordings=len({prediction.media_id for prediction in predictions}),
        num_clips=config.eval.num_clips,
        missing=tuple(record.record_id for record in rows.missing),
        missing_media=tuple(dict.fromkeys(record.media_id for record in rows.missing)),
        seconds=round(time.monotonic() - started, 1),
    )
    if processes.is_main:
        _write(predictions, report, scores)
    return report


def _predict(
    config: RunConfig,
    folder: RunFolder,
    weights: Path,
    records: Sequence[Record],
    media: MediaSource,
    processes: Distributed,
) -> list[Prediction]:
    """A prediction for each record, in order."""
    text = TextParts(load_tokenizer(folder.tokenizer), folder.answers())
    task = build_task_model(config, text)
    load_weights(task.model, weights)
    task.to(processes.device)
    pairs = predict(
        task,
        build_evaluation_batches(config, records, media, text, task, processes),
        device=processes.device,
        precision=config.precision,
        distributed=processes,
        description="infer",
    )
    by_id = {prediction.record_id: prediction for _, prediction in pairs}
    return [by_id[record.record_id] for record in records]


def default_data(config: RunConfig) -> tuple[Path, ...]:
    """The test files beside the training files, else the validation files.

    Raises:
        DataError: there are neither.
    """
    folders = sorted({Path(path).parent for path in config.data.train})
    family = family_of(config.task.name, config.data.format)
    tests = [
        file
        for folder in folders
        for file in annotation_files(folder)
        if file.parent == folder and split_of(file) == "test" and detect_family(file) == family
    ]
    files = tests or [Path(path) for path in config.data.val]
    if not files:
        raise DataError(
            "the run has no validation file and there is no test file beside its training file",
            "name one with --data",
        )
    return tuple(files)


def _with_overrides(
    config: RunConfig, media: Sequence[Path], num_clips: int | None, batch_size: int | None
) -> RunConfig:
    evaluation = {
        "num_clips": num_clips or config.eval.num_clips,
        "batch_size": batch_size or config.eval.batch_size,
    }
    data = {"media": tuple(map(str, media)) or config.data.media}
    return config.model_copy(
        update={
            "eval": config.eval.model_copy(update=evaluation),
            "data": config.data.model_copy(update=data),
        }
    )


def _with_reading(
    config: RunConfig, data_format: DataFormat | None, aliases: Path | None, allow_missing: bool
) -> RunConfig:
    reading = {
        "format": data_format or config.data.format,
        "aliases": config.data.aliases if aliases is None else str(aliases),
        "allow_missing": allow_missing or config.data.allow_missing,
    }
    return config.model_copy(update={"data": config.data.model_copy(update=reading)})


def _stores(config: RunConfig) -> tuple[str, ...]:
    """The run's stores if they are still there, else those of the storage: a run folder can move."""
    return config.data.media if all(Path(path).exists() for path in config.data.media) else ()


def _write(predictions: Sequence[Prediction], report: InferenceReport, scores: Path | None) -> None:
    path = Path(report.predictions)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(prediction.to_json(), ensure_ascii=False) for prediction in predictions]
    atomic_write(path, "\n".join(lines) + "\n")
    if scores is not None:
        _write_scores(predictions, scores)
    atomic_write(path.with_name("inference.json"), json.dumps(report.to_json(), indent=1))


def _write_scores(predictions: Sequence[Prediction], path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        question_ids=np.array([prediction.question_id for prediction in predictions]),
        media_ids=np.array([prediction.media_id for prediction in predictions]),
        pooled_logits=np.stack([prediction.pooled_logits for prediction in predictions]),
        clip_logits=np.stack([prediction.clip_logits for prediction in predictions]),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, buffer.getvalue())
