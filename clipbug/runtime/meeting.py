"""How the processes of one start of torchrun find each other, and none of an earlier start."""

import time
import uuid
from datetime import timedelta

from torch.distributed import DistStoreError
from torch.distributed.distributed_c10d import PrefixStore, Store

_SECONDS_BETWEEN_LOOKS = 0.01


def meet(store: Store, *, rank: int, world_size: int, patience: timedelta) -> Store:
    """The part of a shared store that belongs to this start of all processes alone. All must call it.

    torchrun keeps one store over its restarts (`--max-restarts`), with the addresses that the processes of
    the start before have left there: whoever comes before rank 0 would call one that is dead (torch issue
    135712). Torchrun's count of restarts tells starts apart on one machine, but differs between machines.

    So rank 0 names the start, at random. The others ask it under a name that nobody has had before, which
    keeps them from reading an older answer, and confirm, which tells rank 0 that one who lives has read it.

    Args:
        store: that all processes reach. A process other than rank 0 waits for as long as its timeout.
        patience: how long rank 0 waits for the others.

    Raises:
        torch.distributed.DistStoreError: another process does not come.
    """
    if rank == 0:
        start = uuid.uuid4().hex
        deadline = time.monotonic() + patience.total_seconds()
        for other in range(1, world_size):
            _invite(store, start, other, deadline)
    else:
        name = uuid.uuid4().hex
        store.set(_asking(rank), name)
        start = store.get(_answer(name)).decode()
        store.set(_confirmed(start, rank), "")
    return PrefixStore(start, store)


def _invite(store: Store, start: str, rank: int, deadline: float) -> None:
    """Answer whoever asks as this rank until one confirms: the first may be of an earlier start."""
    while not store.check([_confirmed(start, rank)]):
        if time.monotonic() > deadline:
            raise DistStoreError(f"process {rank} does not come")
        if store.check([_asking(rank)]):
            store.set(_answer(store.get(_asking(rank)).decode()), start)
        time.sleep(_SECONDS_BETWEEN_LOOKS)


def _asking(rank: int) -> str:
    return f"asking/{rank}"


def _answer(name: str) -> str:
    return f"answer/{name}"


def _confirmed(start: str, rank: int) -> str:
    return f"confirmed/{start}/{rank}"
