"""How many threads a process computes with."""

import os

import torch


def share_cores() -> None:
    """Give this process its share of the cores it may use, where several processes share a machine.

    torchrun starts each process with one thread, whatever the machine, unless OMP_NUM_THREADS says otherwise;
    alone, torch takes the cores that the system shows, of which a container may have fewer.
    """
    local_processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    asked = os.environ.get("OMP_NUM_THREADS")
    if asked is None or (local_processes > 1 and asked == "1"):
        torch.set_num_threads(max(1, usable_cores() // local_processes))


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
