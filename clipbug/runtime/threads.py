"""Number of computing threads."""

import os

import torch


def share_cores() -> None:
    """Limit torch to this process's share of the usable cores if several processes share a machine.

    torchrun starts each process with one thread, whatever the machine, unless OMP_NUM_THREADS is set. A
    single process uses all cores that the system shows, although a container may have fewer.
    """
    local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    requested = os.environ.get("OMP_NUM_THREADS")
    if requested is None or (local_processes > 1 and requested == "1"):
        torch.set_num_threads(max(1, usable_cores() // local_processes))


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
