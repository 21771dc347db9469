"""Process groups: a single process, or those that torchrun started; callers need not distinguish."""

import gc
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
from torch import distributed as dist
from torch.distributed.constants import default_pg_timeout
from torch.distributed.elastic.multiprocessing.errors import get_error_handler
from torch.distributed.rendezvous import rendezvous

from clipbug.errors import ClipbugError, ConfigError
from clipbug.runtime.logging import LOGGER_NAME
from clipbug.runtime.meeting import meet

T = TypeVar("T")

_logger = logging.getLogger(LOGGER_NAME)
_LOST_WORDS = (
    "closed by peer",
    "Connection reset",
    "Socket closed",
    "NCCL communicator was aborted",
    "Broken pipe",
)


@dataclass(frozen=True, slots=True)
class Distributed:
    """This process's rank among all.

    Attributes:
        rank: Rank among all processes; 0 writes files.
        local_rank: Rank among the processes of this machine.
        world_size: Number of processes.
        device: Device of this process.
    """

    rank: int
    local_rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Return whether this process writes files and shows progress."""
        return self.rank == 0


def init_distributed(patience: timedelta | None = None) -> Distributed:
    """Join the process group that torchrun started, or be the only process. May be called repeatedly.

    Args:
        patience: How long to wait for the other processes; torch's default is half an hour.

    Returns:
        This process's rank and device.

    Raises:
        LostProcessError: The other processes cannot be reached.
    """
    rank, local_rank, world_size = (_number(name, default) for name, default in _TORCHRUN_VARIABLES)
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    if world_size > 1 and not dist.is_initialized():
        # gloo in addition to nccl, so that objects and counts are exchanged without touching the GPU
        backends = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        try:
            _join(backends, patience)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise LostProcessError(
                f"rank {rank} of {world_size} cannot reach the other processes: {reason}",
                "Run the same command again; torchrun --max-restarts 3 does so automatically.",
            ) from error
    return Distributed(rank, local_rank, world_size, device)


def _number(name: str, default: str) -> int:
    text = os.environ.get(name, default)
    if not text.isdecimal():
        raise ConfigError(f"environment variable {name} must be a number, got {text!r}", f"unset {name}")
    return int(text)


def _join(backends: str, patience: timedelta | None) -> None:
    timeout = patience or default_pg_timeout
    store, rank, world_size = next(rendezvous("env://", timeout=timeout))
    store.set_timeout(timeout)
    store = meet(store, rank=rank, world_size=world_size, patience=timeout)
    dist.init_process_group(backends, store=store, rank=rank, world_size=world_size, timeout=patience)


class LostProcessError(ClipbugError):
    """Another process of the run has ended; its own output says why."""


@contextmanager
def joined_processes(patience: timedelta | None = None) -> Iterator[Distributed]:
    """Join the process group for the duration of a block.

    Args:
        patience: See `init_distributed`.

    Yields:
        This process's rank and device.

    Raises:
        LostProcessError: Another process has ended prematurely.
    """
    processes = init_distributed(patience)
    try:
        yield processes
        barrier(processes)  # leaving while another process still communicates can abort that process
    except Exception as error:
        if processes.world_size > 1:
            _report_failure(error, processes)
        if any(words in str(error) for words in _LOST_WORDS):
            lost = _lost(processes)
            raise lost from error
        raise
    finally:
        shutdown()


def _report_failure(error: Exception, processes: Distributed) -> None:
    """Report the error in the log, with the rank, and in torchrun's report of the first failure."""
    recorder = get_error_handler()
    recorder.initialize()
    recorder.record_exception(error)
    if not isinstance(error, ClipbugError):  # those are printed at the end of the command, without traceback
        _logger.error("rank %d of %d failed", processes.rank, processes.world_size, exc_info=error)


def _lost(processes: Distributed) -> LostProcessError:
    return LostProcessError(
        f"rank {processes.rank} of {processes.world_size}: the connection to another rank was lost",
        "The output of the failed rank says why. The same command resumes from the last checkpoint; "
        "torchrun --max-restarts 3 does so automatically.",
    )


def shutdown() -> None:
    """Leave the process group, if there is one."""
    if dist.is_initialized():
        gc.collect()  # wrapped models in reference cycles would keep the group's threads alive
        dist.destroy_process_group()


def gather_objects(items: Sequence[T], processes: Distributed) -> list[T]:
    """Return the items of all processes, in rank order, on every process. All processes must call it."""
    if processes.world_size == 1:
        return list(items)
    by_rank: list[list[T]] = [[] for _ in range(processes.world_size)]
    dist.all_gather_object(by_rank, list(items))
    return [item for items_of_rank in by_rank for item in items_of_rank]


def all_reduce_sums(sums: Mapping[str, float], processes: Distributed) -> dict[str, float]:
    """Return sums by name over all processes, bit-identical on each; a name may be missing on some."""
    total: dict[str, float] = {}
    for items_of_rank in gather_objects([dict(sums)], processes):
        for name, value in items_of_rank.items():
            total[name] = total.get(name, 0) + value
    return total


def broadcast_object(value: T, processes: Distributed) -> T:
    """Return rank 0's value on every process."""
    if processes.world_size == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def barrier(processes: Distributed) -> None:
    """Wait for all processes."""
    gather_objects((), processes)


_TORCHRUN_VARIABLES = (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "1"))
