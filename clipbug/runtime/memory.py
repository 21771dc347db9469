"""Measure peak and available memory.

Reads from the system directly, because psutil imports `resource`, which not every Python has.
"""

import ctypes
import os
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def peak_bytes(device: torch.device) -> int:
    """Return the peak memory use of the GPU, or of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return process_peak_bytes()


def process_peak_bytes() -> int:
    """Return the peak memory use of this process; 0 if the system does not record it."""
    high = _kilobytes(_STATUS, "VmHWM")
    if high is not None:
        return high
    if sys.platform == "win32":
        return _WindowsProcess.read().peak_working_set
    try:
        import resource  # Windows has no such module
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * unit


def process_bytes() -> int:
    """Return the current memory use of this process, or its peak if only that is known."""
    return _kilobytes(_STATUS, "VmRSS") or process_peak_bytes()


def available_memory() -> int | None:
    """Return the bytes available without swapping, within a container's limit; None if unknown."""
    free = _free_memory()
    limit, used = _number(_GROUP / "memory.max"), _number(_GROUP / "memory.current")
    if limit is not None and used is not None:  # limited by a container
        return min(limit - used, limit if free is None else free)
    return free


def _free_memory() -> int | None:
    if sys.platform == "win32":
        return _WindowsMemory.read().available
    if (available := _kilobytes(_MEMINFO, "MemAvailable")) is not None:
        return available
    try:  # macOS does not report free memory; half of the total is usually available
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return None


class _WindowsProcess(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of psapi.h."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("page_faults", ctypes.c_uint32),
        ("peak_working_set", ctypes.c_size_t),
        ("working_set", ctypes.c_size_t),
        ("others", ctypes.c_size_t * 6),
    )
    peak_working_set: int

    @classmethod
    def read(cls) -> "_WindowsProcess":
        """Query the memory counters of this process."""
        counters = cls(size=ctypes.sizeof(cls))
        kernel = ctypes.WinDLL("kernel32")  # type: ignore[attr-defined,unused-ignore]
        kernel.GetCurrentProcess.restype = ctypes.c_void_p
        handle = ctypes.c_void_p(kernel.GetCurrentProcess())
        kernel.K32GetProcessMemoryInfo(handle, ctypes.byref(counters), counters.size)
        return counters


class _WindowsMemory(ctypes.Structure):
    """MEMORYSTATUSEX of sysinfoapi.h."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        ("total", ctypes.c_uint64),
        ("available", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 5),
    )
    size: int
    available: int

    @classmethod
    def read(cls) -> "_WindowsMemory":
        """Query the memory status of the system."""
        status = cls(size=ctypes.sizeof(cls))
        ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined,unused-ignore]
        return status


def _kilobytes(path: Path, name: str) -> int | None:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except OSError:  # no /proc, or a container hides it
        return None
    lines = (line.split() for line in text.splitlines())
    return next((1024 * int(words[1]) for words in lines if words and words[0] == f"{name}:"), None)


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None  # "max" means no limit
