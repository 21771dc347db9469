"""`clipbug infer` for questions: an answer to each row and, if asked for, raw logits."""

import logging
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.cut_texts import warn_of_cut_texts
from clipbug.builders.records import match_records
from clipbug.builders.task_model import model_of
from clipbug.data.records import Record
from clipbug.engine.predictor import predict
from clipbug.errors import DataError
from clipbug.inference.inputs import PATIENCE, InferenceInputs, result_settings
from clipbug.inference.load import load_inference_model
from clipbug.inference.report import InferenceReport
from clipbug.inference.result_log import Result, ResultLog, compute_remaining
from clipbug.models.inference.frame_encoder import FrameEncoder
from clipbug.runtime.distributed import all_reduce_sums, joined_processes
from clipbug.runtime.files import atomic_file, atomic_write, remove_temporaries_of
from clipbug.runtime.json_text import json_text
from clipbug.tasks.base import Prediction

logger = logging.getLogger(__name__)


def answer_questions(inputs: InferenceInputs, *, folder: Path, scores: Path | None) -> InferenceReport:
    """Answer every row of the files and write predictions.jsonl.

    Args:
        inputs: files with questions.
        folder: to write to.
        scores: also write raw logits to this npz file.

    Raises:
        ClipbugError: rows, media or weights that cannot be used.
    """
    started = time.monotonic()
    precision = inputs.settings.precision
    rows = match_records(inputs.files, inputs.config, inputs.media, task=inputs.asked)
    ids = _distinct_ids(rows.found)
    log = ResultLog(folder, {**result_settings(inputs), "logits": scores is not None})
    with joined_processes(patience=PATIENCE) as processes:
        model = load_inference_model(
            inputs.folder,
            step=inputs.settings.step,
            device=processes.device,
            precision=precision,
            config=inputs.config,
        )
        if processes.is_main:
            warn_of_cut_texts(rows.found, model.text.tokenizer, inputs.config)
        encoder = FrameEncoder(model_of(model.task))
        resumed = compute_remaining(
            log,
            BatchBuilder(inputs.config, inputs.media, model.text, model.task, processes),
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
    report = replace(
        InferenceReport.of_inputs(inputs, rows, folder),
        questions=len(log),
        recordings=len({record.media_id for record in rows.found}) - len(log.unread),
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
    """Write all results; the log is removed last, so that nothing is lost if this is interrupted."""
    path = Path(report.predictions)
    for result in (path, path.with_name("parts"), *([] if scores is None else [scores])):
        remove_temporaries_of(result)
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        for answer in log.results(ids):
            file.write(json_text(answer.content).encode() + b"\n")
    if scores is not None:
        _write_scores(scores, lambda: log.results(ids))
    for failure in report.failures:
        logger.warning("%s", failure["reason"])
    atomic_write(path.with_name("inference.json"), json_text(report.to_json(), indent=1))
    log.remove()


def _write_scores(path: Path, answers: Callable[[], Iterable[Result]]) -> None:
    """Write question_ids, media_ids (Q,), pooled_logits (Q, K) and clip_logits (Q, N, K) row by row.

    Memory does not grow with the number of rows. Rows with fewer classes or clips than others (multiple
    choice, images among recordings) end in NaN.

    Args:
        path: of the npz file.
        answers: iterates over the answers with their logits; called once per array.

    Raises:
        ClipbugError: the file cannot be written.
    """
    ids = [(answer.content["question_id"], answer.content["media_id"]) for answer in answers()]
    shapes = [answer.arrays["clip_logits"].shape for answer in answers()]
    largest = tuple(max((shape[axis] for shape in shapes), default=0) for axis in (0, 1))
    with atomic_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, column in (("question_ids", 0), ("media_ids", 1)):
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.array([pair[column] for pair in ids], dtype=np.str_))
        pooled = (answer.arrays["pooled_logits"] for answer in answers())
        _write_rows(archive, "pooled_logits", pooled, (len(ids), largest[1]))
        clips = (answer.arrays["clip_logits"] for answer in answers())
        _write_rows(archive, "clip_logits", clips, (len(ids), *largest))


def _write_rows(
    archive: zipfile.ZipFile, name: str, rows: Iterator[NDArray[np.float32]], shape: tuple[int, ...]
) -> None:
    header: dict[str, Any] = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for row in rows:
            missing = [(0, most - here) for most, here in zip(shape[1:], row.shape, strict=True)]
            member.write(np.pad(row, missing, constant_values=np.nan).astype("<f4").tobytes())
