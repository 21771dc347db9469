"""`clipbug infer`: answers to the questions of a file, from a run folder alone."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.cut_texts import warn_of_cut_texts
from clipbug.builders.records import match_records
from clipbug.builders.task_model import model_of
from clipbug.config.data import DataFormat
from clipbug.data.records import Record
from clipbug.engine.predictor import InferencePrecision, predict
from clipbug.errors import ConfigError, DataError
from clipbug.inference.inputs import PATIENCE, find_inputs, result_settings
from clipbug.inference.load import load_inference_model
from clipbug.inference.rankings import SearchReport, infer_search
from clipbug.inference.result_log import Result, ResultLog, compute_remaining
from clipbug.inference.scores_file import write_scores
from clipbug.models.inference.frame_encoder import FrameEncoder
from clipbug.runtime.distributed import all_reduce_sums, joined_processes
from clipbug.runtime.files import (
    WriteError,
    atomic_file,
    atomic_write,
    can_write,
    remove_temporaries_of,
    safe_name,
)
from clipbug.runtime.json_text import json_text
from clipbug.tasks.base import Prediction
from clipbug.workspace.storage import Storage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class InferenceReport:
    """What an inference tells.

    Attributes:
        questions, recordings: answered.
        missing: ids of the rows that have no prediction because their media is in no store.
        missing_media: the ids of that media.
        renamed: id in the file -> id in the stores, where they differ.
        resumed: of the questions, how many an earlier process had answered.
        frames: of all clips, but for what was resumed; frames_encoded: how many of them passed the
            backbone, the others being repeats.
        media: stores that were read from.
        failures: visuals that could not be read: media_id, reason, hint, and the ids of their rows.
    """

    run: str
    step: str
    data: tuple[str, ...]
    media: tuple[str, ...]
    predictions: str
    questions: int
    recordings: int
    num_clips: int
    missing: tuple[str, ...]
    missing_media: tuple[str, ...]
    renamed: dict[str, str]
    seconds: float
    precision: str
    resumed: int
    frames: int
    frames_encoded: int
    failures: tuple[dict[str, Any], ...]

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
    precision: InferencePrecision | None = None,
) -> InferenceReport | SearchReport:
    """Answer every question of `data` with the weights of `run`, and write predictions.jsonl.

    A visual that cannot be read is named in the report, and its questions stay without an answer. Killed at
    any time, the same call goes on where it was.

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
        precision: default: the run's.

    Raises:
        ClipbugError: no such run, step, data or media.
    """
    started = time.monotonic()
    inputs = find_inputs(
        Storage(storage),
        run=run,
        step=step,
        data=data,
        media=media,
        data_format=data_format,
        aliases=aliases,
        allow_missing=allow_missing,
        num_clips=num_clips,
        batch_size=batch_size,
    )
    name = safe_name(f"{'+'.join(Path(file).stem for file in inputs.files)}-{step}")
    target = output or inputs.folder.path / "predictions" / name
    _refuse_other_targets(target, scores)
    if not can_write(target):  # before the model is loaded
        raise WriteError(f"cannot write predictions to {target}", "Name another folder: --output DIR.")
    if inputs.ask_for_rankings:
        return infer_search(
            inputs,
            step=step,
            target=target,
            scores=scores,
            precision=precision,
        )
    rows = match_records(inputs.files, inputs.config, inputs.media, task=inputs.asked)
    settings = result_settings(inputs, precision=precision)
    ids = _distinct_ids(rows.found)
    log = ResultLog(target, {**settings, "logits": scores is not None})
    with joined_processes(patience=PATIENCE) as processes:
        model = load_inference_model(inputs.folder, step=step, device=processes.device, precision=precision)
        if processes.is_main:
            warn_of_cut_texts(rows.found, model.text.tokenizer, inputs.config)
        encoder = FrameEncoder(model_of(model.task))
        builder = BatchBuilder(inputs.config, inputs.media, model.text, model.task, processes)
        resumed = compute_remaining(
            log,
            builder,
            rows.found,
            key=lambda record: record.record_id,
            compute=partial(
                predict,
                model.task,
                encode=encoder,
                device=model.device,
                precision=model.precision,
                description="infer",
            ),
            to_result=partial(_to_result, keeps_logits=scores is not None),
        )
        counts = all_reduce_sums({"all": encoder.num_frames, "encoded": encoder.num_encoded}, processes)
    report = InferenceReport(
        run=str(inputs.folder.path.resolve()),
        step=inputs.weights.parent.resolve().name,
        data=tuple(str(Path(file).resolve()) for file in inputs.files),
        media=inputs.stores,
        predictions=str(target / "predictions.jsonl"),
        questions=len(log),
        recordings=len({record.media_id for record in rows.found}) - len(log.unread),
        num_clips=inputs.config.eval.num_clips,
        missing=tuple(record.record_id for record in rows.missing),
        missing_media=tuple(dict.fromkeys(record.media_id for record in rows.missing)),
        renamed=dict(rows.renamed),
        seconds=round(time.monotonic() - started, 1),
        precision=model.precision,
        resumed=resumed,
        frames=int(counts["all"]),
        frames_encoded=int(counts["encoded"]),
        failures=tuple(log.unread.values()),
    )
    if processes.is_main:
        _write(log, ids, report, scores)
    return report


def _refuse_other_targets(folder: Path, scores: Path | None) -> None:
    """See that results can go where they should, before anything is computed."""
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file, and a folder is needed", "name another one with --output")
    if scores is not None and scores.is_dir():
        raise ConfigError(f"{scores} is a folder, and a file is needed", "--scores FILE.npz")


def _distinct_ids(records: Sequence[Record]) -> list[str]:
    """Return the ids of the records.

    Raises:
        DataError: two records share one, so that it is not known whose answer is whose.
    """
    ids = [record.record_id for record in records]
    if len(set(ids)) < len(ids):
        twice = next(record_id for record_id, count in Counter(ids).items() if count > 1)
        raise DataError(f"two rows have the id {twice!r}", "Give each row its own id.")
    return ids


def _to_result(prediction: Prediction, *, keeps_logits: bool) -> Result:
    arrays = {"pooled_logits": prediction.pooled_logits, "clip_logits": prediction.clip_logits}
    content = prediction.to_json()
    return Result(content["id"], content, arrays if keeps_logits else {})


def _write(log: ResultLog, ids: Sequence[str], report: InferenceReport, scores: Path | None) -> None:
    """Write all results; the log goes last, so that nothing is lost if this is interrupted."""
    path = Path(report.predictions)
    for result in (path, path.with_name("parts"), *([] if scores is None else [scores])):
        remove_temporaries_of(result)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        for answer in log.results(ids):
            file.write(json_text(answer.content).encode() + b"\n")
    if scores is not None:
        write_scores(scores, lambda: log.results(ids))
    for failure in report.failures:
        logger.warning("%s", failure["reason"])
    atomic_write(path.with_name("inference.json"), json_text(report.to_json(), indent=1))
    log.remove()
