"""Checks of the machine: Python, packages, device, precision, threads, memory, disk."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from clipbug.checks.environment.result import Finding, Status, gigabytes

OLDEST_PYTHON = (3, 11)
# fmt: off
_PACKAGES = (
    "torch", "torchvision", "transformers", "tokenizers", "safetensors", "av", "lmdb",
    "opencv-python-headless", "numpy", "pydantic", "typer", "rich",
)
# fmt: on
_EXTRAS = (
    ("serve", ("gradio",), "for clipbug serve"),
    ("onnx", ("onnx", "onnxruntime", "onnxscript"), "for clipbug weights export --format onnx"),
)
_SHARED_MEMORY = Path("/dev/shm")


def check_python() -> Iterator[Finding]:
    """Check the version of Python and name the platform."""
    found = f"{platform.python_version()}, {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        yield Finding("python", "error", found, f"create a virtual environment with Python {oldest} or newer")
    else:
        yield Finding("python", "ok", found)


def check_packages() -> Iterator[Finding]:
    """Check that every required package is installed."""
    wanted = _wanted_versions()
    missing, versions = [], []
    for name in _PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        packages = " ".join(f'"{name}{wanted.get(name, "")}"' for name in missing)
        yield Finding("packages", "error", f"missing: {', '.join(missing)}", f"pip install {packages}")
    if versions:
        yield Finding("packages", "ok", ", ".join(versions))


def check_extras() -> Iterator[Finding]:
    """Report the optional packages, which only some commands need."""
    for extra, packages, purpose in _EXTRAS:
        missing = [name for name in packages if find_spec(name) is None]
        found = f"missing ({purpose})" if missing else f"{', '.join(packages)} installed ({purpose})"
        yield Finding(f"extra: {extra}", "ok", found, f'pip install "clipbug[{extra}]"' if missing else "")


def check_device() -> Iterator[Finding]:
    """Check the device with a small computation, and report its precision and kernels."""
    import torch

    from clipbug.models.inference.onednn import can_fuse
    from clipbug.runtime.precision import resolve_precision, why_not_bf16

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    square = torch.ones(64, 64, device=device)
    if float((square @ square).sum()) != 64.0**3:
        yield Finding(
            "device", "error", f"{device} returns wrong results", "update the driver or the torch build"
        )
    yield _device_found(device.type)
    precision = resolve_precision("auto", device)
    reason = why_not_bf16(device) or f"the {device.type.upper()} computes in it natively"
    yield Finding("precision", "ok", f'"auto" is {precision} here: {reason}')
    if device.type == "cpu":
        dtype = torch.float32 if precision == "fp32" else torch.bfloat16
        by_onednn = "oneDNN, each layer in one operation with what follows it"
        by_torch = "single operations of torch: this processor or build of torch has no oneDNN for x86"
        operations = by_onednn if can_fuse(dtype) else by_torch
        used = torch.backends.cpu.get_cpu_capability()
        yield Finding("inference", "ok", f"{precision} by {operations}; torch uses {used} instructions")


def _device_found(kind: str) -> Finding:
    import torch

    if kind == "cuda":
        cards = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
        names = ", ".join(f"{card.name} ({gigabytes(card.total_memory)})" for card in cards)
        return Finding("device", "ok", f"{len(cards)} GPU: {names}; CUDA {torch.version.cuda}")
    if Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi"):
        build = "for CPUs only" if torch.version.cuda is None else f"for CUDA {torch.version.cuda}"
        fix = "install a torch that fits the driver: https://pytorch.org/get-started/locally"
        return Finding(
            "device", "warning", f"a GPU driver is installed, but torch ({build}) finds no GPU", fix
        )
    return Finding("device", "ok", "CPU (no GPU found; training larger models is slow)")


def check_threads() -> Iterator[Finding]:
    """Compare the processors available to this process with the number of torch threads."""
    import torch

    cores, threads = _num_processors(), torch.get_num_threads()
    found = f"{cores} processors, torch uses {threads} threads"
    if threads > cores:
        yield Finding("threads", "warning", found, f"export OMP_NUM_THREADS={cores}")
    elif threads == 1 and cores > 1 and os.environ.get("OMP_NUM_THREADS"):
        yield Finding("threads", "warning", f"{found} (OMP_NUM_THREADS is set)", "unset OMP_NUM_THREADS")
    else:
        yield Finding("threads", "ok", found)


def check_memory() -> Iterator[Finding]:
    """Check free memory, within the limit of the container, and shared memory for loader processes."""
    from clipbug.runtime.contained import limits_memory
    from clipbug.runtime.memory import available_memory

    free = available_memory()
    if free is not None:
        low: Status = "error" if free < 0.8e9 else "warning" if free < 3e9 else "ok"
        fix = "close other programs, or --set max_frame_size=224 --set train.batch_size=1"
        yield Finding("memory", low, f"{gigabytes(free)} free", "" if low == "ok" else fix)
    if not limits_memory():
        found = "this system cannot limit the memory of worker processes; a damaged file may use all of it"
        yield Finding("memory of workers", "ok", found)
    if _SHARED_MEMORY.is_dir():
        size = shutil.disk_usage(_SHARED_MEMORY).total
        if size < 0.5e9:
            fix = "docker run --shm-size 2g makes loader processes faster"
            yield Finding("shared memory", "warning", f"{gigabytes(size)} for loader processes", fix)
        else:
            yield Finding("shared memory", "ok", gigabytes(size))


def check_disk(storage: Path) -> Iterator[Finding]:
    """Check the free space for stores and runs."""
    folder = storage.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    low: Status = "error" if free < 0.2e9 else "warning" if free < 5e9 else "ok"
    fix = "free some space, or choose another folder with --storage"
    yield Finding("disk", low, f"{gigabytes(free)} free at {folder}", "" if low == "ok" else fix)


def _wanted_versions() -> dict[str, str]:
    """Return package -> required version range; empty if clipbug is not installed."""
    try:
        lines = requires("clipbug") or []
    except PackageNotFoundError:
        return {}
    matches = (re.match(r"([A-Za-z0-9._-]+)\s*([^;]*)", line) for line in lines if "extra ==" not in line)
    return {match[1].lower(): match[2].strip() for match in matches if match}


def _num_processors() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
