import socket
from datetime import timedelta

import pytest
import torch

from clipbug.runtime.distributed import (
    Distributed,
    LostProcessError,
    all_reduce_sums,
    barrier,
    broadcast_object,
    gather_objects,
    init_distributed,
    shutdown,
)


def test_alone_without_torchrun() -> None:
    processes = init_distributed()
    assert (processes.rank, processes.local_rank, processes.world_size) == (0, 0, 1)
    assert processes.is_main
    assert gather_objects([1, 2], processes) == [1, 2]
    assert all_reduce_sums({"loss": 2.5}, processes) == {"loss": 2.5}
    assert broadcast_object("here", processes) == "here"
    barrier(processes)
    shutdown()


def test_only_rank_0_is_main() -> None:
    assert not Distributed(rank=1, local_rank=1, world_size=2, device=torch.device("cpu")).is_main


def test_others_that_cannot_be_reached_are_no_defect(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"RANK": 1, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(LostProcessError, match="rank 1 of 2 cannot reach the other processes"):
        init_distributed(timedelta(seconds=1))
