"""`clipbug infer` where a row asks not for an answer but for an order of recordings: retrieval, duplicates.

predictions.jsonl   per query: id, what was asked, the best recordings with scores
scores.npz          the score of every query with every recording
parts/              while it is under way (`result_log`)
"""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
from clipbug.data.loading.batch import UnreadVisual
from clipbug.data.records import MediaRecord
from clipbug.engine.predictor import InferencePrecision
from clipbug.errors import DataError
from clipbug.evaluation.duplicates import MODEL
from clipbug.inference.duplicates import compare_recordings
from clipbug.inference.inputs import PATIENCE, InferenceInputs, result_settings
from clipbug.inference.load import load_inference_model
from clipbug.inference.result_log import ResultLog
from clipbug.inference.retrieval import TOP_K, search, search_arrays, search_lines
from clipbug.models.inference.frame_encoder import FrameEncoder
from clipbug.runtime.distributed import joined_processes
from clipbug.runtime.files import atomic_write
from clipbug.runtime.json_text import json_text
from clipbug.tasks.base import RankingTask

SCORES_NAME = "scores.npz"


@dataclass(frozen=True, slots=True)
class SearchReport:
    """What a search tells.

    Attributes:
        media: stores that were read from.
        scores: npz file with the score of every query with every recording.
        missing: ids of the rows that are left out because their media is in no store.
        renamed: id in the file -> id in the stores (as rankings have it), where they differ.
        resumed: recordings that an earlier process, which was stopped, had done.
        failures: recordings that could not be read, with the reason; they stand in no ranking.
    """

    run: str
    step: str
    data: tuple[str, ...]
    media: tuple[str, ...]
    predictions: str
    scores: str
    queries: int
    recordings: int
    num_clips: int
    missing: tuple[str, ...]
    missing_media: tuple[str, ...]
    renamed: dict[str, str]
    seconds: float
    resumed: int
    failures: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Found:
    lines: list[dict[str, Any]]
    arrays: Mapping[str, NDArray[Any]]
    num_recordings: int
    rows: MediaMatch
    unread: tuple[UnreadVisual, ...]
    resumed: int


def infer_search(
    inputs: InferenceInputs,
    *,
    step: str,
    target: Path,
    scores: Path | None,
    precision: InferencePrecision | None,
) -> SearchReport:
    """Rank recordings for every query of the files.

    Args:
        inputs: captions, or one file of duplicates.
        step: of the run.
        target: folder to write to.
        scores: a further place for the scores.
        precision: default: the run's.

    Raises:
        ClipbugError: rows, media or weights that cannot be used.
    """
    started = time.monotonic()
    rows = _matched_rows(inputs)
    log = ResultLog(target, result_settings(inputs, precision=precision))
    with joined_processes(patience=PATIENCE) as processes:
        model = load_inference_model(inputs.folder, step=step, device=processes.device, precision=precision)
        encoder = FrameEncoder(model_of(model.task))
        config = inputs.config.model_copy(update={"precision": model.precision})
        builder = BatchBuilder(config, inputs.media, model.text, model.task, processes)
        find = _find_duplicates if inputs.are_duplicates else _find_recordings
        found = find(inputs, rows, builder, encoder, log)
    report = SearchReport(
        run=str(inputs.folder.path.resolve()),
        step=inputs.weights.parent.resolve().name,
        data=tuple(str(Path(file).resolve()) for file in inputs.files),
        media=inputs.stores,
        predictions=str(target / "predictions.jsonl"),
        scores=str(target / SCORES_NAME),
        queries=len(found.lines),
        recordings=found.num_recordings,
        num_clips=config.eval.num_clips,
        missing=tuple(record.record_id for record in found.rows.missing),
        missing_media=tuple(dict.fromkeys(record.media_id for record in found.rows.missing)),
        renamed=dict(found.rows.renamed),
        seconds=round(time.monotonic() - started, 1),
        resumed=found.resumed,
        failures=tuple(
            {"media_id": one.media_id, "reason": one.reason, "hint": one.hint} for one in found.unread
        ),
    )
    if processes.is_main:
        _write(found, report, scores)
        log.remove()
    return report


def _matched_rows(inputs: InferenceInputs) -> MediaMatch:
    """The rows of the files with their media, read before a model is loaded."""
    if not inputs.are_duplicates:
        return match_records(inputs.files, inputs.config, inputs.media)
    if len(inputs.files) != 1:
        raise DataError(f"{len(inputs.files)} files of duplicates are named", "name one with --data")
    source = str(inputs.files[0])
    recordings = read_duplicates(inputs.files[0])
    records = [MediaRecord(one.media_id, one.media_id, one.app, source) for one in recordings]
    return join_media(records, inputs.config, inputs.media)


def _find_recordings(
    inputs: InferenceInputs, rows: MediaMatch, builder: BatchBuilder, encoder: FrameEncoder, log: ResultLog
) -> _Found:
    assert isinstance(builder.task, RankingTask), "only runs of such a task are asked for recordings"
    if builder.processes.is_main:
        warn_of_cut_texts(rows.found, builder.text.tokenizer, builder.config)
    result = search(log, builder, rows.found, builder.task, encode=encoder)
    num_recordings = len(result.found.media_ids)
    return _Found(
        search_lines(result), search_arrays(result), num_recordings, rows, result.unread, result.resumed
    )


def _find_duplicates(
    inputs: InferenceInputs, rows: MediaMatch, builder: BatchBuilder, encoder: FrameEncoder, log: ResultLog
) -> _Found:
    recordings = read_duplicates(inputs.files[0])
    stored = inputs.folder.config()
    similarities, resumed = compare_recordings(log, builder, stored, rows.found, encode=encoder)
    ids = [record.record_id for record in rows.found if record.media_id not in log.unread]
    arrays = {"media_ids": np.array(ids), **similarities}
    by_id = {recording.media_id: recording for recording in recordings}
    lines = _duplicate_lines([by_id[media_id] for media_id in ids], similarities[MODEL])
    return _Found(lines, arrays, len(ids), rows, log.unread_media(), resumed)


def _duplicate_lines(
    recordings: Sequence[BugRecording], similarity: NDArray[np.float32]
) -> list[dict[str, Any]]:
    """One object per recording: the others of all apps, most alike first."""
    lines = []
    for index, recording in enumerate(recordings):
        order = [place for place in np.argsort(-similarity[index], kind="stable").tolist() if place != index]
        top = [[recordings[place].media_id, float(similarity[index, place])] for place in order[:TOP_K]]
        lines.append({"id": recording.media_id, "app": recording.app, "bug": recording.bug, "top": top})
    return lines


def _write(found: _Found, report: SearchReport, scores: Path | None) -> None:
    path = Path(report.predictions)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json_text(line) for line in found.lines]
    atomic_write(path, "\n".join(lines) + "\n")
    buffer = io.BytesIO()
    np.savez(buffer, **found.arrays)  # type: ignore[arg-type]
    for file in (Path(report.scores), *([] if scores is None else [scores])):
        file.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(file, buffer.getvalue())
    atomic_write(path.with_name("inference.json"), json_text(report.to_json(), indent=1))
