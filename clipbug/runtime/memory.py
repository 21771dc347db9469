"""How much memory this process has used at most, and how much there is left."""

import sys
from contextlib import suppress
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_GROUP = Path("/sys/fs/cgroup")


def peak_bytes(device: torch.device) -> int:
    """Most bytes used since the last `reset_peak`: of the GPU's memory, or of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return process_peak_bytes()


def process_peak_bytes() -> int:
    """Return the most memory that this process has used, or uses now where the system keeps no record."""
    high = _kilobytes(_STATUS, "VmHWM")
    if high is not None:
        return high
    if sys.platform == "darwin":
        import resource  # Windows has no such module

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    import psutil

    used = psutil.Process().memory_info()
    return int(getattr(used, "peak_wset", used.rss))


def reset_peak(device: torch.device) -> None:
    """Let `peak_bytes` begin anew; where the system cannot do that it keeps the peak of the whole time."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif _CLEAR.exists():
        with suppress(OSError):  # a container may forbid it
            _CLEAR.write_text(_RESET_PEAK, encoding="ascii")


def available_bytes(device: torch.device) -> int | None:
    """Bytes that could still be used; None where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return available_memory()


def available_memory() -> int | None:
    """Return the bytes that can be had without swapping, within a container's limit; None if unknown."""
    try:
        import psutil  # here, since it needs modules and files of the system that may be missing

        free: int | None = psutil.virtual_memory().available
    except (ImportError, OSError, RuntimeError):  # for instance where /proc is hidden
        free = None
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
