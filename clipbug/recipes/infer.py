"""`clipbug infer`: answers to the questions of a file, from a run folder alone."""

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbug.data.records import Record
from clipbug.engine.predictor import predict
from clipbug.errors import ConfigError
from clipbug.models.frame_encoder import FrameEncoder
from clipbug.recipes.answer_check import AnswerCheck, check_answers
from clipbug.recipes.assembly import model_of
from clipbug.recipes.batches import BatchBuilder
from clipbug.recipes.inference_inputs import PATIENCE, InferenceInputs, find_inputs, result_settings
from clipbug.recipes.inference_job import InferenceJob
from clipbug.recipes.inference_model import InferenceModel, InferencePrecision, load_inference_model
from clipbug.recipes.rows import DataFormat, match_records
from clipbug.recipes.score_file import write_scores
from clipbug.recipes.search_inference import SEARCHES, SearchReport, infer_search
from clipbug.recipes.storage import Storage
from clipbug.runtime.distributed import (
    Distributed,
    all_reduce_sums,
    barrier,
    gather_objects,
    joined_processes,
)
from clipbug.runtime.files import (
    WriteError,
    atomic_file,
    atomic_write,
    can_write,
    remove_temporaries_of,
    safe_name,
)

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
        largest_difference: in grey levels, of a frame from the one it was taken for (near duplicates).
        failures: visuals that could not be read: media_id, reason, hint, and the ids of their rows.
        check: what exact inference says to some of the questions, if that was asked for.
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
    renamed: dict[str, str]
    seconds: float
    precision: str
    resumed: int
    frames: int
    frames_encoded: int
    largest_difference: float
    failures: tuple[dict[str, Any], ...]
    check: AnswerCheck | None

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
    near_duplicates: float = 0.0,
    compiles: bool = False,
    checked_questions: int = 0,
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
        near_duplicates: grey levels by which frames of a recording may differ and still be encoded as one.
        compiles: use torch.compile.
        checked_questions: ask at most so many of the questions exactly as well, and compare.

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
    if not can_write(target):  # before the model is loaded
        raise WriteError(f"cannot write predictions to {target}", "Name another folder: --output DIR.")
    if inputs.asked in SEARCHES:
        if checked_questions:
            raise ConfigError("--check compares answers, and this is a search", "leave --check out")
        return infer_search(
            inputs,
            step=step,
            target=target,
            scores=scores,
            precision=precision,
            near_duplicates=near_duplicates,
            compiles=compiles,
        )
    rows = match_records(inputs.files, inputs.config, inputs.media, task=inputs.asked)
    settings = result_settings(inputs, precision=precision, near_duplicates=near_duplicates)
    job = InferenceJob(target, settings, keeps_logits=scores is not None)
    with joined_processes(patience=PATIENCE) as processes:
        model = load_inference_model(
            inputs.folder, step=step, device=processes.device, precision=precision, compiles=compiles
        )
        encoder = FrameEncoder(model_of(model.task), near_duplicates=near_duplicates)
        resumed = _answer_what_is_left(job, inputs, rows.found, model, encoder, processes)
        counts = all_reduce_sums({"all": encoder.num_frames, "encoded": encoder.num_encoded}, processes)
        largest = max(gather_objects([encoder.largest_difference], processes))
        check = None
        if checked_questions:
            check = check_answers(
                inputs,
                rows.found,
                model,
                step=step,
                num_questions=checked_questions,
                near_duplicates=near_duplicates,
                processes=processes,
            )
        job.look()
        if processes.is_main:
            job.check_complete(rows.found)
    report = InferenceReport(
        run=str(inputs.folder.path.resolve()),
        step=inputs.weights.parent.resolve().name,
        data=tuple(str(Path(file).resolve()) for file in inputs.files),
        predictions=str(target / "predictions.jsonl"),
        questions=job.num_answers,
        recordings=len({record.media_id for record in rows.found}) - len(job.unread),
        num_clips=inputs.config.eval.num_clips,
        missing=tuple(record.record_id for record in rows.missing),
        missing_media=tuple(dict.fromkeys(record.media_id for record in rows.missing)),
        renamed=dict(rows.renamed),
        seconds=round(time.monotonic() - started, 1),
        precision="int8" if precision == "int8" else model.precision,
        resumed=resumed,
        frames=int(counts["all"]),
        frames_encoded=int(counts["encoded"]),
        largest_difference=round(largest, 3),
        failures=tuple(job.unread),
        check=check,
    )
    if processes.is_main:
        _write(job, rows.found, report, scores)
    return report


def _answer_what_is_left(
    job: InferenceJob,
    inputs: InferenceInputs,
    records: Sequence[Record],
    model: InferenceModel,
    encoder: FrameEncoder,
    processes: Distributed,
) -> int:
    """Append this process's answers to its part; the number of answers that were there before."""
    with job.open(processes) as part:
        done = job.done_ids
        resumed = job.num_answers
        if done:
            logger.info("going on: %d of %d questions are done", len(done), len(records))
        left = [record for record in records if record.record_id not in done]
        builder = BatchBuilder(inputs.config, inputs.media, model.text, model.task, processes)
        for answered in predict(
            model.task,
            builder.inference(left),
            encode=encoder,
            device=model.device,
            precision=model.precision,
            description="infer",
        ):
            part.append(job.lines(answered))
    barrier(processes)
    return resumed


def _write(
    job: InferenceJob, records: Sequence[Record], report: InferenceReport, scores: Path | None
) -> None:
    """All results; the parts go last, so that nothing is lost if this is interrupted."""
    path = Path(report.predictions)
    for result in (path, path.with_name("parts"), *([] if scores is None else [scores])):
        remove_temporaries_of(result)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        for answer in job.answers(records):
            file.write(json.dumps(answer.prediction, ensure_ascii=False).encode() + b"\n")
    if scores is not None:
        write_scores(scores, lambda: job.answers(records))
    for failure in report.failures:
        logger.warning("%s", failure["reason"])
    atomic_write(path.with_name("inference.json"), json.dumps(report.to_json(), indent=1))
    job.remove_parts()
