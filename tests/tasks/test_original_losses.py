"""Losses and gradients equal those that the original computed (outputs of a run of it, copied here).

Not taken over: its pre-training divides the token loss by all positions instead of hidden ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from clipbug.data.loading.batch import Batch
from clipbug.data.records import ChoiceRecord, QuestionRecord
from clipbug.models.aggregation import ClipAggregation
from clipbug.models.outputs import PretrainingOutput
from clipbug.tasks.multiple_choice import MultipleChoice
from clipbug.tasks.pretraining import Pretraining
from clipbug.tasks.question_answering import QuestionAnswering
from clipbug.tasks.retrieval import Retrieval
from tests.helpers import rounding
from tests.helpers.batches import AnswerList, FixedOutput

GOLDEN: dict[str, NDArray[np.generic]] = dict(np.load(Path(__file__).with_name("original_losses.npz")))
# The original computes the same formulas in another order: sums over clips and classes, and exp, which
# multiplies the rounding of a logit by the logit.
assert_close = partial(rounding.assert_close, terms=10_000)

HOW: dict[str, ClipAggregation] = {"mean": "mean", "max": "max", "lse": "logsumexp"}


def golden(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name])


def batch_of(targets: dict[str, Tensor], *, num_clips: int) -> Batch:
    """A batch of which only targets and sizes matter."""
    num_rows = len(next(iter(targets.values())))
    return Batch(
        media_ids=("video",),
        records=tuple(QuestionRecord(f"{row}", f"{row}", "video", "?") for row in range(num_rows)),
        frames=torch.zeros(1, num_clips, 1, 3, 2, 2, dtype=torch.uint8),
        frame_seconds=torch.zeros(1, num_clips, 1, dtype=torch.float64),
        clip_spans=torch.zeros(1, num_clips, 2, dtype=torch.float64),
        clip_positions=torch.zeros(1, num_clips),
        input_ids=torch.zeros(num_rows, 6, dtype=torch.int64),
        attention_mask=torch.ones(num_rows, 6, dtype=torch.int64),
        visual_index=torch.zeros(num_rows, dtype=torch.int64),
        targets=targets,
    )


def qa_task(logits: Tensor, how: ClipAggregation, *, soft_labels: bool) -> QuestionAnswering:
    answers = AnswerList(tuple(f"answer{index}" for index in range(logits.shape[-1])))
    return QuestionAnswering(
        FixedOutput(logits), answers=answers, clip_aggregation=how, soft_labels=soft_labels
    )


@pytest.mark.parametrize("num_clips", [1, 4])
@pytest.mark.parametrize("how", list(HOW))
def test_video_qa(num_clips: int, how: str) -> None:
    case = f"qa_ce/clips{num_clips}"
    logits = golden(f"{case}/logits").transpose(0, 1).clone().requires_grad_()  # (clips, rows, classes) there
    labels = golden(f"{case}/labels").long()
    task = qa_task(logits, HOW[how], soft_labels=False)
    batch = batch_of({"labels": labels}, num_clips=num_clips)
    loss = task(batch).sums["answer"]
    assert_close(loss, golden(f"{case}/{how}/loss_per_example").sum())
    torch.autograd.backward(loss / task.count_targets(batch)["answer"])
    assert_close(logits.grad, golden(f"{case}/{how}/grad").transpose(0, 1))
    answers = [prediction.answer for prediction in task.predict(batch)]
    assert answers == [f"answer{index}" for index in golden(f"{case}/{how}/prediction").tolist()]


def test_image_qa_with_soft_labels() -> None:
    labels = golden("vqa_bce/labels")
    logits = golden("vqa_bce/logits").unsqueeze(1).clone().requires_grad_()
    expected = golden("vqa_bce/loss_elementwise").sum(dim=-1)
    has_target = labels.any(dim=-1)
    task = qa_task(logits, "logsumexp", soft_labels=True)
    batch = batch_of({"labels": labels}, num_clips=1)
    loss = task(batch).sums["answer"]
    assert_close(loss, expected[has_target].sum())
    # the original's mean over all elements times the number of labels = sum over classes, mean over rows
    assert has_target.all()
    assert task.count_targets(batch) == {"answer": len(labels)}
    assert_close(loss / len(labels), golden("vqa_bce/train_loss"))
    torch.autograd.backward(loss / len(labels))
    assert logits.grad is not None
    assert_close(logits.grad.squeeze(1), golden("vqa_bce/grad"))


@pytest.mark.parametrize("num_clips", [1, 4])
@pytest.mark.parametrize("how", list(HOW))
def test_multiple_choice(num_clips: int, how: str) -> None:
    case = f"multichoice_ce/clips{num_clips}"
    scores = golden(f"{case}/logits").permute(1, 2, 0)  # (clips, rows, options) there
    texts = scores.flatten(0, 1).unsqueeze(-1).clone().requires_grad_()
    task = MultipleChoice(FixedOutput(texts), clip_aggregation=HOW[how])
    batch = choices(batch_of({"labels": golden(f"{case}/labels").long()}, num_clips=num_clips), [5] * 6)
    loss = task(batch).sums["answer"] / 6
    assert_close(loss, golden(f"{case}/{how}/loss"))
    torch.autograd.backward(loss)
    assert texts.grad is not None
    assert_close(texts.grad.view(6, 5, num_clips).permute(2, 0, 1), golden(f"{case}/{how}/grad"))
    predictions = task.predict(batch)
    assert_close(
        torch.stack([torch.from_numpy(one.pooled_logits) for one in predictions]),
        golden(f"{case}/{how}/eval_logits"),
    )
    assert [int(one.answer) for one in predictions] == golden(f"{case}/{how}/prediction").tolist()


@pytest.mark.parametrize("num_clips", [1, 4])
@pytest.mark.parametrize("how", list(HOW))
def test_retrieval_by_two_classes(num_clips: int, how: str) -> None:
    case = f"retrieval_ce/clips{num_clips}"
    logits = golden(f"{case}/logits").transpose(0, 1).clone().requires_grad_()
    labels = golden(f"{case}/labels").long()  # of each text: 1 = belongs
    own = (labels == 1).nonzero().flatten().tolist()
    starts = [0, *own[1:]]  # one text that belongs in each row
    numbers = [end - start for start, end in pairwise([*starts, 6])]
    places = torch.tensor(own) - torch.tensor(starts)
    task = Retrieval(FixedOutput(logits), loss="ce", margin=0.2, clip_aggregation=HOW[how])
    batch = choices(batch_of({"labels": places}, num_clips=num_clips), numbers)
    loss = task(batch).sums["matching"]
    assert_close(loss, golden(f"{case}/{how}/loss_per_example").sum())
    assert task.count_targets(batch) == {"matching": 6}
    torch.autograd.backward(loss / 6)
    assert_close(logits.grad, golden(f"{case}/{how}/grad").transpose(0, 1))
    # rounded to four decimals there
    torch.testing.assert_close(scores_of(task, logits), golden(f"{case}/{how}/score"), rtol=0, atol=6e-5)


@pytest.mark.parametrize("num_clips", [1, 4])
@pytest.mark.parametrize("how", ["mean", "max"])
@pytest.mark.parametrize("negatives", [1, 3])
def test_retrieval_by_ranking(negatives: int, num_clips: int, how: str) -> None:
    case = f"retrieval_rank/neg{negatives}/clips{num_clips}"
    logits = golden(f"{case}/logits").transpose(0, 1).clone().requires_grad_()
    task = Retrieval(FixedOutput(logits), loss="rank", margin=0.2, clip_aggregation=HOW[how])
    batch = choices(batch_of({"labels": torch.zeros(3).long()}, num_clips=num_clips), [1 + negatives] * 3)
    loss = task(batch).sums["matching"]
    assert_close(loss, golden(f"{case}/{how}/loss_matrix").sum())
    assert task.count_targets(batch) == {"matching": 3 * negatives}
    torch.autograd.backward(loss / (3 * negatives))
    assert_close(logits.grad, golden(f"{case}/{how}/grad").transpose(0, 1))
    # rounded to four decimals there
    torch.testing.assert_close(scores_of(task, logits), golden(f"{case}/{how}/score"), rtol=0, atol=6e-5)


def scores_of(task: Retrieval, logits: Tensor) -> Tensor:
    """The probability that each text matches."""
    nothing = torch.zeros(len(logits))
    return task.match_scores(nothing, nothing, nothing, nothing, nothing).sigmoid().detach()


def choices(batch: Batch, numbers: Sequence[int]) -> Batch:
    """The same rows, each with this many options."""
    texts = [row for row, number in enumerate(numbers) for _ in range(number)]
    return replace(
        batch,
        records=tuple(
            ChoiceRecord(row.record_id, row.record_id, "video", "?", tuple(map(str, range(number))))
            for row, number in zip(batch.records, numbers, strict=True)
        ),
        input_ids=batch.input_ids[texts],
        attention_mask=batch.attention_mask[texts],
        visual_index=batch.visual_index[texts],
        texts_per_record=tuple(numbers),
    )


def test_pretraining() -> None:
    output = PretrainingOutput(
        golden("pretrain/mlm_scores").unsqueeze(1), golden("pretrain/itm_scores").unsqueeze(1)
    )
    task = Pretraining(FixedOutput(output), clip_aggregation="logsumexp")
    targets = {"mlm": golden("pretrain/mlm_labels").long(), "matching": golden("pretrain/itm_labels").long()}
    batch = batch_of(targets, num_clips=1)
    sums, counts = task(batch).sums, task.count_targets(batch)
    assert_close(sums["mlm"], golden("pretrain/mlm_loss_per_token").sum())
    assert_close(sums["matching"], golden("pretrain/itm_loss").sum())
    per_token = golden("pretrain/valid_mlm_per_masked_token")
    assert_close(sums["mlm"] / counts["mlm"], per_token)
    assert counts == {"mlm": int((targets["mlm"] != -100).sum()), "matching": 3}
