"""`clipbug benchmark store`: what ingest, opening and drawing cost, and how that grows with a store."""

import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from clipbug.benchmarks.recordings import write_recording
from clipbug.data.probe import probe
from clipbug.data.store import MediaStore, StoreWriter
from clipbug.recipes.ingest import ingest
from clipbug.runtime.memory import process_peak_bytes

_DRAWS = 200
_BATCH = 10_000


@dataclass(frozen=True, slots=True)
class StoreBenchmark:
    """What was measured.

    Attributes:
        opening: a row per number of items: seconds to open the store, and for one item to be looked up and
            decoded (medians of 200 at random).
        ingest: a row per way to take the same files into a store, with the rate against copying them with
            fsync; `peak_bytes` is the highest memory of the process that writes.
    """

    opening: tuple[dict[str, Any], ...]
    ingest: tuple[dict[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """For --json."""
        return {"opening": list(self.opening), "ingest": list(self.ingest)}


def measure_store(
    *,
    num_items: Sequence[int],
    num_recordings: int,
    num_pictures: Sequence[int],
    num_workers: int,
    folder: Path,
) -> StoreBenchmark:
    """Measure in a temporary folder under `folder`, on the disk that is to be measured.

    Args:
        num_items: sizes of the stores that are opened.
        num_recordings: recordings of 20 s to copy and to ingest.
        num_pictures: numbers of small pictures to ingest.
        num_workers: processes that look at files.
    """
    with tempfile.TemporaryDirectory(prefix="clipbug-benchmark-", dir=folder) as name:
        root = Path(name)
        opening = tuple(_opening(root / "opening", count) for count in num_items)
        ingests = (
            list(_recordings(root / "recordings", num_recordings, num_workers)) if num_recordings else []
        )
        ingests += [row for count in num_pictures for row in _pictures(root / "pictures", count, num_workers)]
    return StoreBenchmark(opening, tuple(ingests))


def _opening(folder: Path, count: int) -> dict[str, Any]:
    data = _picture(0)
    entry = probe(data, media_id="x", file_name="x.png")
    with StoreWriter(folder) as writer:
        for start in range(0, count, _BATCH):
            numbers = range(start, min(start + _BATCH, count))
            writer.put_many((replace(entry, media_id=f"item{number:08}"), data) for number in numbers)
    draw = random.Random(0)
    names = [f"item{draw.randrange(count):08}" for _ in range(_DRAWS)]
    started = time.perf_counter()
    store = MediaStore(folder)
    assert names[0] in store
    opened = time.perf_counter() - started
    seconds = []
    for name in names:
        started = time.perf_counter()
        store.open(name, longer_side=32).frames_at([0])
        seconds.append(time.perf_counter() - started)
    store.close()
    size = (folder / "data.mdb").stat().st_size
    shutil.rmtree(folder)
    return {
        "num_items": count,
        "num_bytes": size,
        "open_seconds": opened,
        "draw_seconds": statistics.median(seconds),
    }


def _recordings(folder: Path, count: int, num_workers: int) -> Iterator[dict[str, Any]]:
    source = folder / "source"
    write_recording(source / "0000.mp4", seconds=20, width=720, height=1280, motion="still", seed=0)
    data = (source / "0000.mp4").read_bytes()
    for number in range(count):
        (source / f"{number:04}.mp4").write_bytes(data)
    yield from _rows(folder, source, f"{count} recordings", num_workers, has_raw=True)


def _pictures(folder: Path, count: int, num_workers: int) -> Iterator[dict[str, Any]]:
    source = folder / "source"
    for number in range(count):
        place = source / f"{number // 1000:04}"
        if number % 1000 == 0:
            place.mkdir(parents=True)
        (place / f"{number:07}.png").write_bytes(_picture(number))
    yield from _rows(folder, source, f"{count} pictures", num_workers, has_raw=False)
    shutil.rmtree(folder)


def _rows(
    folder: Path, source: Path, what: str, num_workers: int, *, has_raw: bool
) -> Iterator[dict[str, Any]]:
    files = sorted(source.rglob("*.*"))
    num_bytes = sum(file.stat().st_size for file in files)
    os.sync()
    ways: dict[str, dict[str, Any] | None] = {"copy with fsync": None}
    ways |= {"ingest --raw": {"raw": True}} if has_raw else {}
    ways |= {f"ingest --workers {num_workers}": {"num_workers": num_workers}}
    copied = 0.0
    for name, options in ways.items():
        target = folder / "target"
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            seconds, peak = pool.submit(_run, source, target, options).result()
        copied = copied or seconds
        shutil.rmtree(target)
        yield {
            "files": what,
            "way": name,
            "seconds": seconds,
            "bytes_per_second": num_bytes / seconds,
            "of_copying": copied / seconds,
            "peak_bytes": peak,
        }


def _run(source: Path, target: Path, options: dict[str, Any] | None) -> tuple[float, int]:
    """Seconds, and the highest memory of this process."""
    started = time.perf_counter()
    if options is None:
        target.mkdir()
        for file in sorted(source.rglob("*.*")):
            with file.open("rb") as reading, (target / file.name).open("wb") as writing:
                shutil.copyfileobj(reading, writing)
                writing.flush()
                os.fsync(writing.fileno())
    else:
        ingest([source], extensions=(), file_type="auto", store=target, **options)
    return time.perf_counter() - started, process_peak_bytes()


def _picture(number: int) -> bytes:
    grey = np.full((48, 32, 3), number % 256, np.uint8)
    return cv2.imencode(".png", grey)[1].tobytes()
