"""Score all texts with all recordings; each recording is read and encoded once."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.data.loading.text import EncodedTexts
from clipbug.engine.evaluator import Evaluation
from clipbug.engine.interruption import StopSignals, until_stopped
from clipbug.engine.predictor import InferencePrecision, run_batches
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.tasks.base import RankingTask

_SEQUENCES_PER_CALL = 256
"""Pairs of a text and a clip that are in memory at a time, in addition to the clips of one batch."""


PairLogits = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Logits of a text with its own recording: pooled over clips (K,), and of each clip (N, K)."""


@dataclass(frozen=True, slots=True)
class RecordingScores:
    """Scores of all texts with one recording.

    Attributes:
        scores: (texts,).
        pairs: of the recording's own rows, by id; empty unless asked for.
    """

    media_id: str
    scores: NDArray[np.float32]
    pairs: Mapping[str, PairLogits]


def score_recordings(
    task: RankingTask,
    batches: Iterable[Batch | UnreadVisual],
    texts: EncodedTexts,
    *,
    precision: InferencePrecision,
    device: torch.device,
    description: str,
    encode: Callable[[Tensor], Tensor] | None = None,
    with_pairs: bool = False,
) -> Iterator[list[RecordingScores] | UnreadVisual]:
    """Yield the scores of all texts with the recordings of each batch, as soon as they are computed.

    Args:
        task: left in its mode (training or not).
        batches: recordings of this process, with their own texts; recordings that could not be read are
            passed on.
        texts: to score.
        description: of the progress bar.
        encode: frames to their grid; default: `task.encode_visuals`.
        with_pairs: also compute the logits of each recording with its own texts.

    Raises:
        OutOfMemoryError: the clips of a batch do not fit.
    """

    def compute(batch: Batch) -> list[RecordingScores]:
        on_device = batch.to(device)
        grid = (encode or task.encode_visuals)(on_device.frames)
        columns = _score_grid(task, grid, on_device.clip_positions, texts, device).T
        pairs = _pairs(task, grid, on_device) if with_pairs else [{} for _ in columns]
        return [RecordingScores(*one) for one in zip(batch.media_ids, columns, pairs, strict=True)]

    return run_batches(
        batches, compute, module=task, device=device, precision=precision, description=description
    )


def _pairs(task: RankingTask, grid: Tensor, batch: Batch) -> list[dict[str, PairLogits]]:
    """Return for each recording the logits with its own texts."""
    pooled, clips = (logits.cpu().numpy() for logits in task.pair_logits(grid, batch))
    pairs: list[dict[str, PairLogits]] = [{} for _ in batch.media_ids]
    for row, (record, visual) in enumerate(zip(batch.records, batch.visual_index.tolist(), strict=True)):
        pairs[visual][record.record_id] = (pooled[row], clips[row])
    return pairs


def _score_grid(
    task: RankingTask, grid: Tensor, clip_positions: Tensor, texts: EncodedTexts, device: torch.device
) -> NDArray[np.float32]:
    """Return scores (texts, B)."""
    num_visuals, num_clips = grid.shape[:2]
    scores = np.empty((len(texts.input_ids), num_visuals), dtype=np.float32)
    for indices, ids, mask in texts.portions(max(1, _SEQUENCES_PER_CALL // (num_visuals * num_clips))):
        visual_index = torch.arange(num_visuals, device=device).repeat(len(indices))
        matches = task.match_scores(
            grid,
            ids.to(device).repeat_interleave(num_visuals, dim=0),
            mask.to(device).repeat_interleave(num_visuals, dim=0),
            visual_index,
            clip_positions,
        )
        scores[indices] = matches.view(len(indices), num_visuals).cpu().numpy()
    return scores


class RankingEvaluator:
    """Evaluates a retrieval task on validation data during its training.

    Args:
        task: left in its mode (training or not).
        batches: recordings of this process; each evaluation iterates over them.
        texts: all texts.
        score: scores of every recording -> scores by name, the main one under "score".
        precision: as in training.
        distributed: the processes among which the recordings are shared.
    """

    def __init__(
        self,
        task: RankingTask,
        batches: Iterable[Batch],
        *,
        texts: EncodedTexts,
        score: Callable[[Mapping[str, NDArray[np.float32]]], Mapping[str, float]],
        precision: InferencePrecision,
        distributed: Distributed,
    ) -> None:
        self._task = task
        self._batches = batches
        self._texts = texts
        self._score = score
        self._precision: InferencePrecision = precision
        self._processes = distributed

    def evaluate(self, signals: StopSignals) -> Evaluation | None:
        """Return the scores, or None if one of the processes was asked to stop meanwhile.

        All processes must call it, and all get the same result.

        Raises:
            OutOfMemoryError: the clips of a batch do not fit.
        """
        scores = self._scores(until_stopped(self._batches, signals), signals)
        if any(gather_objects([signals.reason() is not None], self._processes)):
            return None
        return Evaluation(self._score(scores), ())

    def dry_run(self) -> None:
        """Score one batch and discard the result, so that memory and data errors show before the first step.

        Raises:
            OutOfMemoryError: the batch does not fit.
        """
        self._scores(itertools.islice(self._batches, 1), None)

    def _scores(
        self, batches: Iterable[Batch], signals: StopSignals | None
    ) -> Mapping[str, NDArray[np.float32]]:
        columns: list[tuple[str, NDArray[np.float32]]] = []
        for scored in score_recordings(
            self._task,
            batches,
            self._texts,
            precision=self._precision,
            device=self._processes.device,
            description="validation",
        ):
            if isinstance(scored, UnreadVisual):
                continue
            columns.extend((one.media_id, one.scores) for one in scored)
            if signals is not None and signals.reason():
                break
        return dict(gather_objects(columns, self._processes))
