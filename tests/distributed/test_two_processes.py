"""Two gloo processes against one. One spawn, for it costs many seconds."""

import json
import os
import signal
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import multiprocessing

from clipbug.config.task import RetrievalConfig
from clipbug.data.loading.batch import Batch
from clipbug.data.loading.text import EncodedTexts
from clipbug.engine.interruption import StopSignals, TerminatedError
from clipbug.engine.predictor import predict
from clipbug.engine.retrieval import RankingEvaluator
from clipbug.errors import CheckpointError
from clipbug.runtime.distributed import (
    Distributed,
    all_reduce_sums,
    broadcast_object,
    gather_objects,
    init_distributed,
    joined_processes,
)
from clipbug.runtime.tensors import load_tensors
from clipbug.tasks.base import RankingTask
from tests.helpers.batches import caption_batch, split_by_visual, tiny_task
from tests.helpers.fake_tasks import FakeStream, FakeTask
from tests.helpers.rounding import TERMS_OF_A_TINY_MODEL, assert_close
from tests.helpers.trainers import FakeValidation, lines_without_times, make_trainer

pytestmark = pytest.mark.slow


class _SignalInStep6(FakeStream):
    """Sends SIGTERM to the second process only."""

    def batches_from(self, position: int) -> Iterator[Batch]:
        for count, batch in enumerate(super().batches_from(position), start=position + 1):
            if self.rank == 1 and count == 12:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch


def _work(rank: int, port: int, folder: Path) -> None:
    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port)
    )
    torch.set_num_threads(1)
    with joined_processes() as processes:
        assert init_distributed() == processes  # again, as a second recipe in one program does
        told = _tell(rank, folder, processes)
        (folder / f"told{rank}.json").write_text(json.dumps(told))


def _tell(rank: int, folder: Path, processes: Distributed) -> dict[str, Any]:
    told: dict[str, Any] = {
        "gathered": gather_objects([f"{rank}a", f"{rank}b"], processes),
        "sums": all_reduce_sums({"both": rank + 1.0, f"only{rank}": 5.0}, processes),
        "broadcast": broadcast_object(f"from {rank}", processes),
    }
    make_trainer(folder / "plain", processes=processes).fit()
    make_trainer(folder / "dropout", processes=processes, dropout=0.3).fit()
    stream = _SignalInStep6(rank=rank, world_size=2)
    try:
        make_trainer(folder / "stopped", processes=processes, dropout=0.3, stream=stream).fit()
    except TerminatedError as error:
        told["stopped"] = error.message
    make_trainer(folder / "stopped", processes=processes, dropout=0.3).fit()
    answered = predict(
        FakeTask(),
        FakeValidation(processes),
        encode=lambda frames: frames,
        device=processes.device,
        precision="fp32",
        description="infer",
    )
    mine = [prediction for part in answered if isinstance(part, list) for prediction in part]
    told["predicted"] = [
        [prediction.record_id, prediction.pooled_logits.tolist()]
        for prediction in gather_objects(mine, processes)
    ]
    told["searched"] = _searched(split_by_visual(caption_batch({}))[rank::2], processes)
    return told


def _searched(batches: list[Batch], processes: Distributed) -> dict[str, list[float]]:
    task = tiny_task(RetrievalConfig(), "logsumexp")
    assert isinstance(task, RankingTask)
    texts = EncodedTexts([[2, 8, 9, 3], [2, 30, 3], [2, 11, 12, 13, 3]], pad_token_id=0)
    seen: dict[str, list[float]] = {}

    def score(columns: Mapping[str, NDArray[np.float32]]) -> Mapping[str, float]:
        seen.update({media_id: column.tolist() for media_id, column in columns.items()})
        return {"score": 0.0}

    evaluator = RankingEvaluator(
        task, batches, texts=texts, score=score, precision="fp32", distributed=processes
    )
    with StopSignals() as signals:
        evaluator.evaluate(signals)
    return seen


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    multiprocessing.spawn(_work, args=(port, folder), nprocs=2)
    return folder


def _told(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    return json.loads((folder / "told0.json").read_text()), json.loads((folder / "told1.json").read_text())


def _weights(run: Path) -> dict[str, torch.Tensor]:
    return load_tensors(run / "checkpoints" / "step-000012" / "model.safetensors")


def test_objects_and_sums_are_the_same_on_both(two: Path) -> None:
    for told in _told(two):
        assert told["gathered"] == ["0a", "0b", "1a", "1b"]
        assert told["sums"] == {"both": 3.0, "only0": 5.0, "only1": 5.0}
        assert told["broadcast"] == "from 0"


def test_two_processes_search_as_one(two: Path) -> None:
    alone = _searched(split_by_visual(caption_batch({})), init_distributed())
    assert len(alone) == 3
    for told in _told(two):
        assert told["searched"].keys() == alone.keys()
        for media_id, column in alone.items():
            # two processes share the threads that one has to itself
            assert_close(told["searched"][media_id], column, terms=TERMS_OF_A_TINY_MODEL)


def test_two_processes_train_as_one(two: Path, tmp_path: Path) -> None:
    # The same micro-batches: two processes of two each per step, or one process of four.
    one = make_trainer(tmp_path, accumulation_steps=4)
    one.fit()
    weights = _weights(two / "plain")
    for name, value in one.task.model.state_dict().items():
        # float32 gradients summed in another order, then 12 AdamW steps of at most 0.02; measured 3e-8
        assert torch.allclose(weights[name], value, rtol=0, atol=1e-6), name
    for here, there in zip(lines_without_times(tmp_path), lines_without_times(two / "plain"), strict=True):
        del here["step"], there["step"]
        assert there == pytest.approx(here, rel=1e-5)  # as the weights


def test_each_process_has_its_own_dropout(two: Path, tmp_path: Path) -> None:
    one = make_trainer(tmp_path, accumulation_steps=4, dropout=0.3)
    one.fit()
    assert not torch.allclose(
        _weights(two / "dropout")["visual.weight"], one.task.model.visual.weight, atol=1e-3
    )


def test_signal_to_one_stops_both_and_resume_is_exact(two: Path) -> None:
    first, second = _told(two)
    assert first["stopped"] == second["stopped"] == "SIGTERM: stopped after step 5, state saved"
    resumed, unbroken = _weights(two / "stopped"), _weights(two / "dropout")
    assert all(torch.equal(resumed[name], value) for name, value in unbroken.items())
    assert lines_without_times(two / "stopped") == lines_without_times(two / "dropout")


def test_each_row_is_predicted_once_and_as_by_one_process(two: Path) -> None:
    first, second = _told(two)
    assert first["predicted"] == second["predicted"]
    ids = [row[0] for row in first["predicted"]]
    assert len(ids) == 17
    assert set(ids) == {f"q{i}" for i in range(100, 117)}
    task = FakeTask().eval()
    for batch in FakeValidation(make_trainer(two / "unused").distributed):
        logits = task.model(batch.frames).tolist()
        expected = dict(zip((record.record_id for record in batch.records), logits, strict=True))
        found = {row[0]: row[1] for row in first["predicted"] if row[0] in expected}
        assert found == expected  # the same batches of three, so bit for bit


def test_one_process_cannot_go_on_for_two(two: Path) -> None:
    with pytest.raises(CheckpointError, match="written by 2 processes"):
        make_trainer(two / "plain").fit()
