import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import DistStoreError, Store, TCPStore

from clipbug.runtime.meeting import meet

PATIENCE = timedelta(seconds=20)


@pytest.fixture
def server() -> TCPStore:
    """The store of a torchrun, that outlives the processes that it starts."""
    return TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=PATIENCE)


def client(server: TCPStore, timeout: timedelta = PATIENCE) -> TCPStore:
    return TCPStore("127.0.0.1", server.port, is_master=False, timeout=timeout)


def start(server: TCPStore, order: tuple[int, ...]) -> dict[int, Store]:
    """What each of the processes, begun in this order, finds."""
    with ThreadPoolExecutor(len(order)) as threads:
        found = {}
        for rank in order:
            found[rank] = threads.submit(
                meet, client(server), rank=rank, world_size=len(order), patience=PATIENCE
            )
            time.sleep(0.1)
        return {rank: future.result() for rank, future in found.items()}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_processes_of_one_start_share_a_part_that_is_empty_at_first(
    server: TCPStore, order: tuple[int, ...]
) -> None:
    for round_number in range(3):
        found = start(server, order)
        assert not found[1].check(["address"])
        found[0].set("address", str(round_number))
        assert {store.get("address") for store in found.values()} == {str(round_number).encode()}


def test_a_process_that_died_while_it_asked_does_not_hold_up_the_next_start(server: TCPStore) -> None:
    with pytest.raises(DistStoreError):
        meet(client(server, timedelta(seconds=0.2)), rank=1, world_size=2, patience=PATIENCE)
    found = start(server, (0, 1))
    found[0].set("address", "here")
    assert found[1].get("address") == b"here"


def test_rank_0_does_not_wait_for_ever(server: TCPStore) -> None:
    with pytest.raises(DistStoreError, match="rank 1 did not arrive"):
        meet(client(server), rank=0, world_size=2, patience=timedelta(seconds=0.1))


@pytest.mark.slow
def test_addresses_of_one_start_are_not_those_of_the_next(server: TCPStore) -> None:
    program = (
        "from clipbug.runtime.distributed import gather_objects, joined_processes\n"
        "with joined_processes() as own: print(gather_objects([own.rank], own))"
    )
    environment = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(server.port),
        "TORCHELASTIC_USE_AGENT_STORE": "True",
    }
    addresses: list[set[str]] = []
    for _ in range(2):
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", program],
                env={**environment, "RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(2)
        ]
        for process in processes:
            output, problems = process.communicate(timeout=60)
            assert output == "[0, 1]\n", problems
        addresses.append({key for key in server.list_keys() if "cpu" in key})
    assert 0 < len(addresses[0]) < len(addresses[1])
