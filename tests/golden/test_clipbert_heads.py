"""Heads and losses of all tasks of the original on the outputs of the whole network."""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clipbug.models.heads import RegressionHead
from clipbug.models.outputs import FusionOutput, PretrainingOutput
from clipbug.models.weights.clipbert_keys import clipbert_key
from clipbug.tasks.multiple_choice import MultipleChoice
from clipbug.tasks.pretraining import Pretraining
from clipbug.tasks.question_answering import QuestionAnswering
from clipbug.tasks.retrieval import Retrieval
from tests.golden.test_clipbert_model import (
    BASE_CASE,
    BASE_VOCABULARY,
    CASES,
    SMALL_VOCABULARY,
    filled_head,
    reference_keys,
    small_model,
    unfilled_model,
)
from tests.helpers.batches import AnswerList, FixedOutput
from tests.helpers.formula_weights import clips, fill_model, filled, token_rows
from tests.helpers.rounding import assert_close, num_terms
from tests.tasks.test_original_losses import batch_of, choices

GOLDEN: dict[str, NDArray[Any]] = dict(np.load(Path(__file__).with_name("model") / "heads.npz"))
SMALLEST = "a224f1"
ALL = [name if name == SMALLEST else pytest.param(name, marks=pytest.mark.slow) for name in CASES]
WITH_OPTIONS = [SMALLEST, pytest.param("b448f2", marks=pytest.mark.slow)]


@cache
def whole_way() -> int:
    """Return the number of terms from a pixel to a score of the small network."""
    return num_terms(small_model(None))


@cache
def grid_of(name: str) -> Tensor:
    with torch.inference_mode():
        return small_model(None).encode_frames(clips(CASES[name]))


def fused(name: str, rows: Iterable[int], ids: Tensor, mask: Tensor) -> FusionOutput:
    """The small network on texts that look at visuals."""
    return small_model(None).fuse(grid_of(name), ids, mask, torch.tensor(list(rows)))


def texts_of(name: str, kind: str, offset: int) -> tuple[Tensor, Tensor]:
    lengths = GOLDEN[f"{name}/{kind}/lengths"].tolist()
    return token_rows(CASES[name]["seed"] + offset, lengths, max(lengths), SMALL_VOCABULARY)


def clip_logits(num_classes: int, fusion: FusionOutput) -> Tensor:
    logits = small_model(num_classes).head(fusion, num_text_tokens=0)
    assert isinstance(logits, Tensor)
    return logits


@torch.inference_mode()
@pytest.mark.parametrize("name", ALL)
def test_last_stage_of_the_backbone(name: str) -> None:
    backbone = small_model(None).visual.backbone
    features, terms = backbone(clips(CASES[name]).flatten(0, 2).float()), num_terms(backbone)
    assert_close(features[:, ::256], GOLDEN[f"{name}/res5_every256th"], terms=terms)
    statistics = torch.stack([features.mean(), features.std()])
    assert_close(statistics, GOLDEN[f"{name}/res5_mean_std"], terms=terms)


@torch.inference_mode()
@pytest.mark.parametrize("name", WITH_OPTIONS)
def test_multiple_choice(name: str) -> None:
    case = f"{name}/multichoice"
    examples = GOLDEN[f"{case}/n_examples"].tolist()
    visuals = [visual for visual, number in enumerate(examples) for _ in range(5 * number)]
    logits = clip_logits(1, fused(name, visuals, *texts_of(name, "multichoice", 4000)))
    assert_close(logits.view(-1, 5), GOLDEN[f"{case}/logits"], terms=whole_way())
    labels = torch.from_numpy(GOLDEN[f"{case}/labels"]).long()
    batch = choices(batch_of({"labels": labels}, num_clips=1), [5] * len(labels))
    loss = MultipleChoice(FixedOutput(logits), clip_aggregation="mean")(batch).sums["answer"]
    assert_close(loss, GOLDEN[f"{case}/loss"].sum(), terms=whole_way())


@torch.inference_mode()
@pytest.mark.parametrize("name", WITH_OPTIONS)
@pytest.mark.parametrize("kind", ["retrieval_neg1", "retrieval_rank_neg1", "retrieval_rank_neg3"])
def test_retrieval(name: str, kind: str) -> None:
    case, negatives = f"{name}/{kind}", int(kind[-1])
    groups = CASES[name]["groups"]
    visuals = [visual for visual in range(groups) for _ in range(1 + negatives)]
    loss_name: Any = "rank" if "rank" in kind else "ce"
    fusion = fused(name, visuals, *texts_of(name, kind, 5000 + negatives))
    logits = clip_logits(2 if loss_name == "ce" else 1, fusion)
    assert_close(logits[:, 0], GOLDEN[f"{case}/logits"], terms=whole_way())
    task = Retrieval(FixedOutput(logits), loss=loss_name, margin=0.2, clip_aggregation="mean")
    labels = torch.zeros(groups, dtype=torch.int64)
    batch = choices(batch_of({"labels": labels}, num_clips=1), [1 + negatives] * groups)
    assert_close(task(batch).sums["matching"], GOLDEN[f"{case}/loss"].sum(), terms=whole_way())


@torch.inference_mode()
@pytest.mark.parametrize("name", ALL)
def test_answers_with_one_and_with_several_labels(name: str) -> None:
    ids, mask = case_texts(name)
    repeats = torch.tensor(CASES[name]["repeats"])
    fusion = fused(name, torch.arange(len(repeats)).repeat_interleave(repeats).tolist(), ids, mask)
    labels = torch.from_numpy(GOLDEN[f"{name}/msrvtt_qa/labels"]).long()
    task = qa(clip_logits(1500, fusion), soft=False)
    loss = task(batch_of({"labels": labels}, num_clips=1)).sums["answer"]
    assert_close(loss / len(ids), GOLDEN[f"{name}/msrvtt_qa/loss_train"], terms=whole_way())
    soft = torch.zeros(len(ids), 3129)
    places = torch.from_numpy(GOLDEN[f"{name}/vqa/label_index"]).long().T
    soft[tuple(places)] = torch.from_numpy(GOLDEN[f"{name}/vqa/label_score"])
    task = qa(clip_logits(3129, fusion), soft=True)
    loss = task(batch_of({"labels": soft}, num_clips=1)).sums["answer"]
    terms = whole_way() + len(ids) * 3129
    assert_close(loss, GOLDEN[f"{name}/vqa/loss_row_sum"].sum(), terms=terms)
    assert_close(loss / len(ids), GOLDEN[f"{name}/vqa/loss_train"], terms=terms)


def case_texts(name: str) -> tuple[Tensor, Tensor]:
    with np.load(Path(__file__).with_name("model") / "model_small.npz") as file:
        ids, mask = (torch.from_numpy(file[f"{name}/text_{key}"].astype(np.int64)) for key in ("ids", "mask"))
    return ids, mask


def qa(logits: Tensor, *, soft: bool) -> QuestionAnswering:
    answers = AnswerList(tuple(f"answer {index}" for index in range(logits.shape[-1])))
    return QuestionAnswering(
        FixedOutput(logits), answers=answers, clip_aggregation="logsumexp", soft_labels=soft
    )


@torch.inference_mode()
@pytest.mark.parametrize("name", ALL)
def test_pretraining_as_the_original_trains(name: str) -> None:
    """Its token loss is the mean over all places of the padded texts, hidden or not."""
    ids, mask = case_texts(name)
    repeats = torch.tensor(CASES[name]["repeats"])
    visuals = torch.arange(len(repeats)).repeat_interleave(repeats)
    output = small_model(None).head(fused(name, visuals.tolist(), ids, mask), num_text_tokens=ids.shape[1])
    assert isinstance(output, PretrainingOutput)
    task = Pretraining(FixedOutput(output), clip_aggregation="mean", mlm_places=ids.shape[1])
    targets = {
        "mlm": torch.from_numpy(GOLDEN[f"{name}/mlm_labels"]).long(),
        "matching": torch.from_numpy(GOLDEN[f"{name}/itm_labels"]).long(),
    }
    batch = batch_of(targets, num_clips=1)
    sums, counts = task.train()(batch).sums, task.count_targets(batch)
    assert counts == {"mlm": ids.numel(), "matching": len(ids)}
    assert_close(sums["mlm"], GOLDEN[f"{name}/mlm_loss_per_token"].sum(), terms=whole_way())
    assert_close(sums["matching"], GOLDEN[f"{name}/itm_loss"].sum(), terms=whole_way())
    total = sums["mlm"] / counts["mlm"] + sums["matching"] / counts["matching"]
    assert_close(total, GOLDEN[f"{name}/pretrain_total_loss"], terms=whole_way())
    assert task.eval().count_targets(batch)["mlm"] == int((targets["mlm"] >= 0).sum())  # as its validation


@pytest.mark.slow
@torch.inference_mode()
def test_heads_of_the_base_model() -> None:
    model = unfilled_model({}, num_classes=None, vocabulary_size=BASE_VOCABULARY)
    fill_model(model, reference_keys("pretrain"))
    grid = model.eval().encode_frames(clips(BASE_CASE))
    fusion = model.fuse(grid, *token_rows(21, [20, 11], 20, BASE_VOCABULARY), torch.tensor([0, 0]))
    for task, num_classes in (("retrieval", 2), ("retrieval_rank", 1)):
        logits = filled_head(num_classes)(fusion, num_text_tokens=20)
        assert_close(logits[:, 0], GOLDEN[f"base/{task}/logits"], terms=num_terms(model))
    texts = token_rows(21 + 4000, [9, 12, 7, 12, 5], 12, BASE_VOCABULARY)
    options = model.fuse(grid, *texts, torch.zeros(5, dtype=torch.int64))
    logits = filled_head(1)(options, num_text_tokens=12)
    assert_close(logits.view(1, 5), GOLDEN["base/multichoice/logits"], terms=num_terms(model))


@torch.inference_mode()
def test_the_regression_head_is_the_original_s() -> None:
    """No array of it is recorded (no task of the original reaches it): its layers, written down once more."""
    head = RegressionHead(96, dropout=0.1).eval()
    state = head.state_dict()
    head.load_state_dict(
        {
            name: filled(f"transformer.{name}", tensor.shape) if tensor.is_floating_point() else tensor
            for name, tensor in state.items()
        }
    )
    weights = {name.removeprefix("regressor."): tensor for name, tensor in head.state_dict().items()}
    pooled = torch.randn(3, 2, 96, generator=torch.Generator().manual_seed(0))
    hidden = F.elu(pooled @ weights["0.weight"].T + weights["0.bias"])
    scaled = (hidden - weights["2.running_mean"]) / (weights["2.running_var"] + 1e-5).sqrt()
    expected = (scaled * weights["2.weight"] + weights["2.bias"]) @ weights["4.weight"].T + weights["4.bias"]
    actual = head(FusionOutput(pooled[:, :, None], pooled), num_text_tokens=0)
    assert_close(actual, expected, terms=num_terms(head))
    assert {clipbert_key(f"head.{name}") for name in state} == {f"transformer.{name}" for name in state}
