"""Rendezvous of the processes of one torchrun start, without those of an earlier start."""

import time
import uuid
from datetime import timedelta

from torch.distributed import DistStoreError
from torch.distributed.distributed_c10d import PrefixStore, Store

_POLL_SECONDS = 0.01


def meet(store: Store, *, rank: int, world_size: int, patience: timedelta) -> Store:
    """Return a store for this start of all processes alone. All processes must call it.

    torchrun keeps one store over its restarts (`--max-restarts`), including the addresses that the previous
    start left there: a process that arrives before rank 0 would connect to a dead one (torch issue 135712).
    torchrun's restart count distinguishes starts on one machine, but differs between machines.

    Therefore rank 0 names the start at random. The other ranks request the name under a unique key, so that
    they cannot read an older answer, and confirm, so that rank 0 knows that a live process has read it.

    Args:
        store: Store that all processes can reach. Ranks other than 0 wait for its timeout.
        rank: Rank of this process.
        world_size: Number of processes.
        patience: How long rank 0 waits for the others.

    Returns:
        The store of this start.

    Raises:
        torch.distributed.DistStoreError: Another process did not arrive.
    """
    if rank == 0:
        start = uuid.uuid4().hex
        deadline = time.monotonic() + patience.total_seconds()
        for other in range(1, world_size):
            _invite(store, start, other, deadline)
    else:
        name = uuid.uuid4().hex
        store.set(_request_key(rank), name)
        start = store.get(_answer_key(name)).decode()
        store.set(_confirmed_key(start, rank), "")
    return PrefixStore(start, store)


def _invite(store: Store, start: str, rank: int, deadline: float) -> None:
    """Answer requests of a rank until one is confirmed, because the first may come from an earlier start.

    Raises:
        DistStoreError: The rank did not confirm before the deadline.
    """
    while not store.check([_confirmed_key(start, rank)]):
        if time.monotonic() > deadline:
            raise DistStoreError(f"rank {rank} did not arrive in time")
        if store.check([_request_key(rank)]):
            store.set(_answer_key(store.get(_request_key(rank)).decode()), start)
        time.sleep(_POLL_SECONDS)


def _request_key(rank: int) -> str:
    return f"asking/{rank}"


def _answer_key(name: str) -> str:
    return f"answer/{name}"


def _confirmed_key(start: str, rank: int) -> str:
    return f"confirmed/{start}/{rank}"
