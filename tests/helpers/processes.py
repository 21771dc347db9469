"""Finding processes that a test wants to kill."""

from pathlib import Path


def worker_of_rank(launcher: int, rank: int) -> int:
    """Process id of a worker that torchrun has started."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            environment = (status.parent / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended meanwhile
            continue
        if parent == launcher and f"RANK={rank}".encode() in environment:
            return int(status.parent.name)
    raise LookupError(f"no worker of rank {rank}")
