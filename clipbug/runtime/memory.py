"""How much memory this process has used at most, and how much there is left."""

import resource
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def peak_bytes(device: torch.device) -> int:
    """Most bytes used since the last `reset_peak`: of the GPU's memory, or of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    high = _kilobytes(_STATUS, "VmHWM")
    if high is not None:
        return high
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def reset_peak(device: torch.device) -> None:
    """Let `peak_bytes` begin anew; where the system cannot do that it keeps the peak of the whole time."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR.exists():
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")


def available_bytes(device: torch.device) -> int | None:
    """Bytes that could still be used; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free = _kilobytes(_MEMINFO, "MemAvailable")
    limit, used = _number(_GROUP / "memory.max"), _number(_GROUP / "memory.current")
    if limit is not None and used is not None:  # a container's share
        return min(limit - used, limit if free is None else free)
    return free


def _kilobytes(path: Path, name: str) -> int | None:
    if not path.exists():
        return None
    lines = (line.split() for line in path.read_text(encoding="ascii", errors="replace").splitlines())
    return next((1024 * int(words[1]) for words in lines if words and words[0] == f"{name}:"), None)


def _number(path: Path) -> int | None:
    text = path.read_text(encoding="ascii").strip() if path.exists() else ""
    return int(text) if text.isdecimal() else None  # "max" is no limit
