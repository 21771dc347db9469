"""All texts against all recordings: each recording is read and encoded once, texts go over it in portions."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from clipbug.data.loading.batch import Batch, UnreadVisual
from clipbug.engine.evaluator import Evaluation
from clipbug.engine.interruption import StopSignals, until_stopped
from clipbug.engine.predictor import InferencePrecision, run_batches
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.tasks.base import RankingTask

_SEQUENCES_PER_CALL = 256
"""Pairs of a text and a clip that are in memory at a time, beside the clips of one batch."""


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Texts as token ids with [CLS] and [SEP], and the id that fills up shorter ones."""

    input_ids: Sequence[Sequence[int]]
    pad_token_id: int

    def portions(self, size: int) -> Iterator[tuple[list[int], Tensor, Tensor]]:
        """(indices, input_ids, attention_mask) of up to `size` texts each, shortest first, padded."""
        order = sorted(range(len(self.input_ids)), key=lambda index: (len(self.input_ids[index]), index))
        for start in range(0, len(order), size):
            indices = order[start : start + size]
            rows = [torch.tensor(self.input_ids[index]) for index in indices]
            mask = pad_sequence([torch.ones_like(row) for row in rows], batch_first=True)
            yield indices, pad_sequence(rows, batch_first=True, padding_value=self.pad_token_id), mask


PairLogits = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Of a text with its own recording: clips pooled (K,), and each clip (N, K)."""


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
    """The score of every text with every recording of each batch, as soon as they are there; nothing is kept.

    Args:
        task: left in the mode (training or not) in which it came.
        batches: this process's share of the recordings, with their own texts; what could not be read is
            handed on.
        texts: to score.
        description: of the progress bar.
        encode: frames to their grid, in the place of the task's own way.
        with_pairs: also the logits of the batches' own texts.

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
    """Of each recording."""
    pooled, clips = (logits.cpu().numpy() for logits in task.pair_logits(grid, batch))
    pairs: list[dict[str, PairLogits]] = [{} for _ in batch.media_ids]
    for row, (record, visual) in enumerate(zip(batch.records, batch.visual_index.tolist(), strict=True)):
        pairs[visual][record.record_id] = (pooled[row], clips[row])
    return pairs


def _score_grid(
    task: RankingTask, grid: Tensor, clip_positions: Tensor, texts: EncodedTexts, device: torch.device
) -> NDArray[np.float32]:
    """(texts, B)."""
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
    """Scores a retrieval task on validation data, again and again, as its training goes on.

    Args:
        task: left in the mode (training or not) in which it comes.
        batches: this process's share of the recordings; iterated anew by each evaluation.
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
        """The scores, or None if one of the processes was asked to stop in the middle.

        All processes must call it, and all get the same.

        Raises:
            OutOfMemoryError: the clips of a batch do not fit.
        """
        scores = self._scores(until_stopped(self._batches, signals), signals)
        if any(gather_objects([signals.reason() is not None], self._processes)):
            return None
        return Evaluation(self._score(scores), ())

    def dry_run(self) -> None:
        """Score one batch and forget it: memory and data errors come before the first step.

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
