"""Processes that work together: one alone, or those that torchrun started; callers need not know which."""

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
    """This process's place among all.

    Attributes:
        rank: number of this process among all; 0 writes files.
        local_rank: number among those of this machine.
        world_size: how many processes there are.
        device: what this process computes on.
    """

    rank: int
    local_rank: int
    world_size: int
    device: torch.device

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0


def init_distributed(patience: timedelta | None = None) -> Distributed:
    """Join the processes that torchrun started, or be the only one. May be called again.

    Args:
        patience: how long a process waits for the others; default: torch's, half an hour.

    Raises:
        LostProcessError: the others cannot be reached.
    """
    rank, local_rank, world_size = (_number(name, default) for name, default in _TORCHRUN_VARIABLES)
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    if world_size > 1 and not dist.is_initialized():
        # gloo beside nccl, so that objects and counts travel without touching the GPU
        backends = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        try:
            _join(backends, patience)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise LostProcessError(
                f"process {rank} of {world_size} cannot reach the others: {reason}",
                "Give the same command again; torchrun --max-restarts 3 does so by itself.",
            ) from error
    return Distributed(rank, local_rank, world_size, device)


def _number(name: str, default: str) -> int:
    text = os.environ.get(name, default)
    if not text.isdecimal():
        raise ConfigError(f"the environment variable {name} is {text!r}, not a number", f"unset {name}")
    return int(text)


def _join(backends: str, patience: timedelta | None) -> None:
    waits = patience or default_pg_timeout
    store, rank, world_size = next(rendezvous("env://", timeout=waits))
    store.set_timeout(waits)
    store = meet(store, rank=rank, world_size=world_size, patience=waits)
    dist.init_process_group(backends, store=store, rank=rank, world_size=world_size, timeout=patience)


class LostProcessError(ClipbugError):
    """Another process of the run has ended; its own message says why."""


@contextmanager
def joined_processes(patience: timedelta | None = None) -> Iterator[Distributed]:
    """The processes of this command, left again at its end.

    Args:
        patience: see `init_distributed`.

    Raises:
        LostProcessError: another process has ended before its time.
    """
    processes = init_distributed(patience)
    try:
        yield processes
        barrier(processes)  # a process that leaves while another still talks to it can abort the other
    except Exception as error:
        if processes.world_size > 1:
            _tell_others(error, processes)
        if any(words in str(error) for words in _LOST_WORDS):
            raise _lost(processes) from error
        raise
    finally:
        shutdown()


def _tell_others(error: Exception, processes: Distributed) -> None:
    """Into the log, with the rank, and into torchrun's report of the first failure."""
    recorder = get_error_handler()
    recorder.initialize()
    recorder.record_exception(error)
    if not isinstance(error, ClipbugError):  # those come without traceback, at the end of the command
        _logger.error("process %d of %d failed", processes.rank, processes.world_size, exc_info=error)


def _lost(processes: Distributed) -> LostProcessError:
    return LostProcessError(
        f"process {processes.rank} of {processes.world_size} lost another process",
        "The message of the one that failed stands in its own output. The same command goes on from the last "
        "checkpoint; torchrun --max-restarts 3 does so by itself.",
    )


def shutdown() -> None:
    """Leave the other processes; nothing where there are none."""
    if dist.is_initialized():
        gc.collect()  # wrapped models in reference cycles hold the group's threads beyond its end
        dist.destroy_process_group()


def gather_objects(items: Sequence[T], processes: Distributed) -> list[T]:
    """The items of all processes, in order of rank, on every process. All processes must call it."""
    if processes.world_size == 1:
        return list(items)
    parts: list[list[T]] = [[] for _ in range(processes.world_size)]
    dist.all_gather_object(parts, list(items))
    return [item for part in parts for item in part]


def all_reduce_sums(sums: Mapping[str, float], processes: Distributed) -> dict[str, float]:
    """Sums by name over all processes, bit-identical on each; a name may be missing on some of them."""
    total: dict[str, float] = {}
    for part in gather_objects([dict(sums)], processes):
        for name, value in part.items():
            total[name] = total.get(name, 0) + value
    return total


def broadcast_object(value: T, processes: Distributed) -> T:
    """The main process's value, on every process."""
    if processes.world_size == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def barrier(processes: Distributed) -> None:
    """Wait for all processes."""
    gather_objects((), processes)


_TORCHRUN_VARIABLES = (("RANK", "0"), ("LOCAL_RANK", "0"), ("WORLD_SIZE", "1"))
