"""Evidence for an answer, without gradients: which clips and which cells of the screen it depends on.

Half of the cells of the grid are covered at random, many times, and the importance of a cell is how much
greater the log-probability of the answer is on average where the cell is visible than where it is covered
(as RISE does with pixels, arXiv 1806.07421; covering half at a time also finds evidence that is there twice).
Cells are covered after the backbone, by the mean of their clip's grid, so that frames pass it only once.
The model scores clips apart, so covered clips are asked as if they were more clips.

Limits: a cell has seen its surroundings (the backbone's receptive field), so the location is coarse; the
masks are few, so small importances are noise; it shows what this model uses, not what it should use.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from clipbug.inference.loaded_model import EncodedMedia, LoadedModel
from clipbug.models.aggregation import aggregate_clips
from clipbug.tasks.base import Prediction
from clipbug.tasks.question_answering import QuestionAnswering

NUM_MASKS = 128
_BLOCK = 2  # cells are covered in blocks of 2 x 2: one alone is known from its neighbours
_CLIPS_PER_CALL = 256


@dataclass(frozen=True, slots=True)
class Evidence:
    """Importance of clips and cells for one answer, in natural logarithms of its probability.

    Attributes:
        prediction: the model's own answer.
        answer: the answer that is explained.
        probability: of this answer, over all clips.
        without_picture: probability of this answer where every cell of every clip is covered.
        clip_drop: (N,) how far the log-probability over all clips falls when this clip is left out; 0 for a
            single clip.
        cell_drop: (N, h, w) how much more probable it is within this clip where the cell is visible than
            where it is covered; below 0 where covering helps.
    """

    prediction: Prediction
    answer: str
    probability: float
    without_picture: float
    clip_drop: NDArray[np.float64]
    cell_drop: NDArray[np.float64]


def find_evidence(
    model: LoadedModel,
    encoded: EncodedMedia,
    question: str,
    *,
    answer: str | None = None,
    num_masks: int = NUM_MASKS,
    progress: Callable[[int], None] = lambda done: None,
) -> Evidence:
    """Ask again with cells covered; the same call gives the same numbers.

    Args:
        model: answers free-form questions.
        encoded: the image or recording.
        question: about it.
        answer: of the vocabulary; default: the model's own.
        num_masks: how often to cover half; the noise falls with its square root.
        progress: called with the number of newly answered questions, `num_masks + 1` in all.

    Raises:
        ClipbugError: the model does not answer free-form questions.
        ValueError: `answer` is not in its vocabulary.
    """
    [prediction] = model.answer_encoded(encoded, [question])
    assert isinstance(model.task, QuestionAnswering), "other tasks do not answer free-form questions"
    index = _index_of(model, answer or prediction.answer)
    clips = torch.from_numpy(prediction.clip_logits)
    whole = _log_probability(model, clips, index)
    height, width = encoded.grid.shape[1:3]
    masks = random_masks(height, width, num_masks)
    with_blank = torch.cat([torch.zeros_like(masks[:1]), masks])
    blank, *rest = _ask_covered(model, encoded, question, with_blank, progress)
    logs = _clip_log_probability(model, torch.stack(rest), index)
    return Evidence(
        prediction=prediction,
        answer=answer or prediction.answer,
        probability=float(whole.exp()),
        without_picture=float(_log_probability(model, blank, index).exp()),
        clip_drop=_clip_drops(model, clips, index, whole),
        cell_drop=_visible_minus_covered(logs, masks),
    )


def random_masks(height: int, width: int, count: int) -> Tensor:
    """Return masks (count, height, width), 1 where a cell is visible: random blocks, always the same."""
    generator = torch.Generator().manual_seed(0)
    blocks = (height // _BLOCK + 2, width // _BLOCK + 2)
    coarse = torch.randint(0, 2, (count, *blocks), generator=generator).float()
    fine = coarse.repeat_interleave(_BLOCK, dim=1).repeat_interleave(_BLOCK, dim=2)
    shifts = torch.randint(0, _BLOCK, (count, 2), generator=generator).tolist()
    return torch.stack(
        [
            mask[down : down + height, right : right + width]
            for mask, (down, right) in zip(fine, shifts, strict=True)
        ]
    )


def _visible_minus_covered(logs: Tensor, masks: Tensor) -> NDArray[np.float64]:
    """Return (N, h, w) from log-probabilities (M, N) under masks (M, h, w)."""
    visible = masks.double().flatten(1)
    values = logs.double()

    def mean_over(weights: Tensor) -> Tensor:
        return (weights.T @ values) / weights.sum(dim=0).clamp(min=1)[:, None]

    difference = mean_over(visible) - mean_over(1 - visible)
    return np.asarray(difference.T.reshape(-1, *masks.shape[1:]).numpy())


def _index_of(model: LoadedModel, answer: str) -> int:
    assert model.text.answers is not None, "models that answer have a vocabulary"
    answers = list(model.text.answers.answers)
    if answer not in answers:
        raise ValueError(f"{answer!r} is not among the {len(answers)} answers of the model")
    return answers.index(answer)


def _ask_covered(
    model: LoadedModel, encoded: EncodedMedia, question: str, masks: Tensor, progress: Callable[[int], None]
) -> Tensor:
    """Return the logits (M, N, K) of each clip under each mask (M, h, w)."""
    grid = encoded.grid
    mean = grid.mean(dim=(1, 2), keepdim=True)
    portions = torch.split(masks.to(grid), max(1, _CLIPS_PER_CALL // len(grid)))
    logits = []
    for portion in portions:
        covered = [torch.where(mask[None, :, :, None] > 0, grid, mean) for mask in portion]
        [prediction] = model.answer_encoded(_with_clips(encoded, covered), [question])
        logits.append(torch.from_numpy(prediction.clip_logits).view(len(portion), len(grid), -1))
        progress(len(portion))
    return torch.cat(logits)


def _with_clips(encoded: EncodedMedia, variants: list[Tensor]) -> EncodedMedia:
    count = len(variants)
    return replace(
        encoded,
        grid=torch.cat(variants),
        frame_seconds=encoded.frame_seconds.repeat(count, 1),
        clip_spans=encoded.clip_spans.repeat(count, 1),
        clip_positions=encoded.clip_positions.repeat(count),
    )


def _clip_drops(model: LoadedModel, clips: Tensor, index: int, whole: Tensor) -> NDArray[np.float64]:
    num_clips = len(clips)
    if num_clips == 1:
        return np.zeros(1)
    others = [torch.cat([clips[:clip], clips[clip + 1 :]]) for clip in range(num_clips)]
    drops = [float(whole - _log_probability(model, rest, index)) for rest in others]
    return np.array(drops)


def _log_probability(model: LoadedModel, clips: Tensor, index: int) -> Tensor:
    """Return the log-probability () of an answer over all clips, whose logits are (N, K)."""
    pooled = aggregate_clips(clips[None], model.config.clip_aggregation)[0]
    return _clip_log_probability(model, pooled, index)


def _clip_log_probability(model: LoadedModel, logits: Tensor, index: int) -> Tensor:
    """Return the log-probability of an answer from logits (..., K), as the task defines probabilities."""
    is_soft = isinstance(model.task, QuestionAnswering) and model.task.soft_labels
    logs = functional.logsigmoid(logits) if is_soft else functional.log_softmax(logits, dim=-1)
    return logs[..., index]
