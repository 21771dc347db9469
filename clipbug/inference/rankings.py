"""`clipbug infer` for rankings of recordings: by texts (retrieval), or by one another (duplicates).

predictions.jsonl   per query: id, what was asked, the best recordings with scores
scores.npz          the score of every query with every recording
parts/              while it is under way (`result_log`)
"""

import io
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clipbug.builders.batches import BatchBuilder
from clipbug.builders.cut_texts import warn_of_cut_texts
from clipbug.builders.records import join_media, match_records
from clipbug.builders.task_model import model_of
from clipbug.data.annotations import MediaMatch
from clipbug.data.annotations.duplicates import BugRecording, read_duplicates
from clipbug.data.records import MediaRecord
from clipbug.errors import DataError
from clipbug.evaluation.duplicates import MODEL
from clipbug.inference.duplicates import compare_recordings
from clipbug.inference.inputs import PATIENCE, InferenceInputs, result_settings
from clipbug.inference.load import load_inference_model
from clipbug.inference.report import InferenceReport
from clipbug.inference.result_log import ResultLog
from clipbug.inference.retrieval import TOP_K, ranking_arrays, ranking_lines, score_texts
from clipbug.models.inference.frame_encoder import FrameEncoder
from clipbug.runtime.distributed import joined_processes
from clipbug.runtime.files import atomic_write
from clipbug.runtime.json_text import json_text
from clipbug.tasks.base import RankingTask

SCORES_NAME = "scores.npz"


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Lines of predictions.jsonl, arrays of scores.npz, and numbers of recordings for the report."""

    lines: list[dict[str, Any]]
    arrays: Mapping[str, NDArray[Any]]
    num_recordings: int
    resumed: int


_Rank = Callable[[InferenceInputs, MediaMatch, BatchBuilder, FrameEncoder, ResultLog], _Ranked]


def rank_recordings(inputs: InferenceInputs, *, folder: Path, scores: Path | None) -> InferenceReport:
    """Rank recordings for every query of the files.

    Args:
        inputs: captions, or one file of duplicates.
        folder: to write to.
        scores: also write the scores to this npz file.

    Raises:
        ClipbugError: rows, media or weights that cannot be used.
    """
    settings = inputs.settings
    started = time.monotonic()
    rows = _matched_rows(inputs)
    log = ResultLog(folder, result_settings(inputs))
    with joined_processes(patience=PATIENCE) as processes:
        model = load_inference_model(
            inputs.folder,
            step=settings.step,
            device=processes.device,
            precision=settings.precision,
            config=inputs.config,
        )
        config = inputs.config.model_copy(update={"precision": model.precision})
        builder = BatchBuilder(config, inputs.media, model.text, model.task, processes)
        rank: _Rank = _rank_by_similarity if inputs.are_duplicates else _rank_by_texts
        ranked = rank(inputs, rows, builder, FrameEncoder(model_of(model.task)), log)
    report = replace(
        InferenceReport.of_inputs(inputs, rows, folder),
        scores=str(folder / SCORES_NAME),
        queries=len(ranked.lines),
        recordings=ranked.num_recordings,
        seconds=round(time.monotonic() - started, 1),
        resumed=ranked.resumed,
        failures=tuple(
            {"media_id": one.media_id, "reason": one.reason, "hint": one.hint} for one in log.unread_media()
        ),
    )
    if processes.is_main:
        _write(ranked, report, scores)
        log.remove()
    return report


def _matched_rows(inputs: InferenceInputs) -> MediaMatch:
    """Return the rows of the files with their media."""
    if not inputs.are_duplicates:
        return match_records(inputs.files, inputs.config, inputs.media)
    if len(inputs.files) != 1:
        raise DataError(f"there are {len(inputs.files)} files of duplicates", "Name one with --data.")
    source = str(inputs.files[0])
    recordings = read_duplicates(inputs.files[0])
    records = [MediaRecord(one.media_id, one.media_id, one.app, source) for one in recordings]
    return join_media(records, inputs.config, inputs.media)


def _rank_by_texts(
    inputs: InferenceInputs, rows: MediaMatch, builder: BatchBuilder, encoder: FrameEncoder, log: ResultLog
) -> _Ranked:
    assert isinstance(builder.task, RankingTask), "only runs of such a task are asked for recordings"
    if builder.processes.is_main:
        warn_of_cut_texts(rows.found, builder.text.tokenizer, builder.config)
    scores = score_texts(log, builder, rows.found, builder.task, encode=encoder)
    return _Ranked(
        ranking_lines(scores), ranking_arrays(scores), len(scores.queries.media_ids), scores.resumed
    )


def _rank_by_similarity(
    inputs: InferenceInputs, rows: MediaMatch, builder: BatchBuilder, encoder: FrameEncoder, log: ResultLog
) -> _Ranked:
    recordings = read_duplicates(inputs.files[0])
    stored = inputs.folder.config()
    similarities, resumed = compare_recordings(log, builder, stored, rows.found, encode=encoder)
    ids = [record.record_id for record in rows.found if record.media_id not in log.unread]
    arrays = {"media_ids": np.array(ids), **similarities}
    by_id = {recording.media_id: recording for recording in recordings}
    lines = _duplicate_lines([by_id[media_id] for media_id in ids], similarities[MODEL])
    return _Ranked(lines, arrays, len(ids), resumed)


def _duplicate_lines(
    recordings: Sequence[BugRecording], similarity: NDArray[np.float32]
) -> list[dict[str, Any]]:
    """Return one object per recording: the others of all apps, most similar first."""
    lines = []
    for index, recording in enumerate(recordings):
        order = [other for other in np.argsort(-similarity[index], kind="stable").tolist() if other != index]
        top = [[recordings[other].media_id, float(similarity[index, other])] for other in order[:TOP_K]]
        lines.append({"id": recording.media_id, "app": recording.app, "bug": recording.bug, "top": top})
    return lines


def _write(ranked: _Ranked, report: InferenceReport, scores: Path | None) -> None:
    path = Path(report.predictions)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json_text(line) for line in ranked.lines]
    atomic_write(path, "\n".join(lines) + "\n")
    buffer = io.BytesIO()
    np.savez(buffer, **ranked.arrays)  # type: ignore[arg-type]
    for file in (path.with_name(SCORES_NAME), *([] if scores is None else [scores])):
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, buffer.getvalue())
    atomic_write(path.with_name("inference.json"), json_text(report.to_json(), indent=1))
