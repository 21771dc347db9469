from collections.abc import Sequence

import pytest
import torch

from clipbug.data.loading.batch import Batch
from clipbug.engine.step import OptimizerStep
from clipbug.errors import OutOfMemoryError
from tests.helpers.fake_tasks import ALONE, FakeTask, make_batch
from tests.helpers.rounding import assert_close

TERMS = 1000
"""Pixels of a frame, rows of a batch, forward and back."""


def _update(
    batches: Sequence[Batch], *, max_norm: float | None = None, task: FakeTask | None = None
) -> tuple[FakeTask, OptimizerStep]:
    task = task or FakeTask()
    optimizer = torch.optim.SGD(task.parameters(), lr=0.1)
    return task, OptimizerStep(task, optimizer, precision="fp32", max_gradient_norm=max_norm, processes=ALONE)


def _totals(task: FakeTask, batches: Sequence[Batch]) -> dict[str, int]:
    counts = [task.count_targets(batch) for batch in batches]
    return {name: sum(count[name] for count in counts) for name in counts[0]}


def _gradients(task: FakeTask) -> dict[str, torch.Tensor]:
    return {name: parameter.grad.clone() for name, parameter in task.named_parameters()}


def test_micro_batches_are_one_batch() -> None:
    # Uneven, and with different shares of rows without target: means of means would differ.
    parts = [make_batch([0, 1, 2]), make_batch([4]), make_batch([3, 7, 9, 14, 10])]
    whole = make_batch([0, 1, 2, 4, 3, 7, 9, 14, 10])
    results = []
    for batches in (parts, [whole]):
        task, update = _update(batches)
        result = update.run(batches, _totals(task, batches))
        results.append((_gradients(task), result))
    (split, split_result), (joined, joined_result) = results
    for name, gradient in joined.items():
        assert_close(split[name], gradient, terms=TERMS, name=name)
    assert split_result.sums.keys() == joined_result.sums.keys()
    for name, value in joined_result.sums.items():
        assert_close(split_result.sums[name], value, terms=TERMS, name=name)
    assert_close(split_result.gradient_norm, joined_result.gradient_norm, terms=TERMS)


def test_by_micro_batch_the_gradient_is_the_sum_of_the_micro_batches_own() -> None:
    parts = [make_batch([0, 1, 2]), make_batch([3, 7, 9, 14, 10])]
    total: dict[str, torch.Tensor] = {}
    for part in parts:
        task, update = _update([part])
        update.run([part], _totals(task, [part]))
        for name, gradient in _gradients(task).items():
            total[name] = total.get(name, torch.zeros(())) + gradient
    task = FakeTask()
    optimizer = torch.optim.SGD(task.parameters(), lr=0.1)
    update = OptimizerStep(
        task, optimizer, precision="fp32", max_gradient_norm=None, processes=ALONE, by_micro_batch=True
    )
    update.run(parts, _totals(task, parts))
    for name, gradient in _gradients(task).items():
        assert_close(gradient, total[name], terms=TERMS, name=name)


def test_gradient_is_that_of_the_mean_losses_by_hand() -> None:
    batch = make_batch([0, 1, 2, 4, 7])
    task, update = _update([batch])
    update.run([batch], _totals(task, [batch]))
    oracle = FakeTask()
    labels = batch.targets["labels"]
    logits = oracle.model(batch.frames)
    known = labels != -100
    answer = torch.nn.functional.cross_entropy(logits[known], labels[known])
    size = logits[labels == 1].square().sum(dim=1).mean()
    (answer + size).backward()
    for name, parameter in oracle.named_parameters():
        assert_close(_gradients(task)[name], parameter.grad, terms=TERMS, name=name)


def test_gradient_is_clipped_to_the_norm_and_the_norm_before_is_told() -> None:
    batch = make_batch([0, 1, 2])
    task, update = _update([batch], max_norm=1e-3)
    result = update.run([batch], _totals(task, [batch]))
    norm = torch.stack([gradient.square().sum() for gradient in _gradients(task).values()]).sum().sqrt()
    assert result.gradient_norm > 1e-2
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)  # torch adds 1e-6 to the norm it divides by


def test_step_without_any_target_changes_nothing() -> None:
    batch = make_batch([4, 9])  # labels unknown
    task, update = _update([batch])
    before = {name: value.clone() for name, value in task.state_dict().items()}
    result = update.run([batch], _totals(task, [batch]))
    assert result.sums == {"answer": 0, "size": 0}
    assert all(torch.equal(before[name], value) for name, value in task.state_dict().items())


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_not_finite_stops_before_the_weights_change(where: str) -> None:
    batches = [make_batch([0, 1]), make_batch([2, 3])]
    task, update = _update(batches)
    if where == "loss":
        batches[1].frames[0] = float("nan")
    else:
        task.model.visual.weight.register_hook(lambda gradient: gradient / 0)
    before = {name: value.clone() for name, value in task.state_dict().items()}
    message = update.run(batches, _totals(task, batches)).problem
    assert message.startswith("rank 0: ")
    assert ("loss 'answer' is nan" in message) == (where == "loss")
    assert "gradient norm is" in message
    assert "media0, media1, media2, media3" in message
    assert all(torch.equal(before[name], value) for name, value in task.state_dict().items())


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError(
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
        ),
    ],
)
def test_out_of_memory_names_shapes_and_settings(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    batch = make_batch([0, 1, 2])
    task, update = _update([batch])

    def fail(_: Batch) -> None:
        raise error

    monkeypatch.setattr(task, "training_step", fail)
    with pytest.raises(OutOfMemoryError, match=r"\(3, 1, 1, 3, 4, 4\)") as caught:
        update.run([batch], {"answer": 3, "size": 1})
    assert all(
        name in caught.value.hint for name in ("train.batch_size", "train.num_clips", "max_frame_size")
    )
    assert caught.value.exit_code == 4


def test_other_errors_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    batch = make_batch([0])
    task, update = _update([batch])
    monkeypatch.setattr(task.model, "forward", lambda frames: frames)
    with pytest.raises(RuntimeError, match="Expected target size"):
        update.run([batch], {"answer": 1, "size": 0})


def test_bf16_is_close_to_fp32_and_keeps_weights_in_fp32() -> None:
    batch = make_batch([0, 1, 2])
    norms = []
    for precision in ("fp32", "bf16"):
        task = FakeTask()
        optimizer = torch.optim.SGD(task.parameters(), lr=0.1)
        update = OptimizerStep(task, optimizer, precision=precision, max_gradient_norm=None, processes=ALONE)
        norms.append(update.run([batch], _totals(task, [batch])).gradient_norm)
        assert all(value.dtype == torch.float32 for value in task.state_dict().values())
    # bf16 keeps 8 bits: 0.4 % per operation, a few operations deep
    assert norms[1] == pytest.approx(norms[0], rel=0.05)
    assert norms[1] != norms[0]
