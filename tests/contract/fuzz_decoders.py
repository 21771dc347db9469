"""Damaged files of every container through probe, decoder and prepared form, each in a contained process.

    python -m tests.contract.fuzz_decoders --count 2000 --seed 0 --workers 2

prints how many of `count` mutations of each file decode, are refused with a reason, and how many crashed
or hung their process (which the ingest survives, since it looks at files in the same way).
"""

import argparse
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from clipbug.data.decoding.open import open_media
from clipbug.data.store.prepare import PrepareSettings, prepare
from clipbug.data.store.probe import probe
from clipbug.errors import DecodeError
from clipbug.runtime.contained import ContainedPool, Lost
from clipbug.runtime.memory import process_peak_bytes
from tests.helpers.video_factory import draw_index, make_video

SECONDS_PER_FILE = 20.0
BYTES_PER_WORKER = 4 << 30
FILES: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": {"bf": "3", "g": "8"}},
    "h264.mov": {"options": {"g": "8"}},
    "fragmented.mp4": {
        "options": {"g": "8"},
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=8"}},
    "h264.mkv": {"options": {"bf": "3", "g": "8"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "8"}},
    "av1.mp4": {"codec": "libsvtav1"},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2", "g": "8"}},
    "h264.ts": {"options": {"bf": "3", "g": "8"}},
    "animation.gif": {"codec": "gif"},
}
PICTURES = (".png", ".jpg", ".webp")


def base_files(folder: Path) -> dict[str, bytes]:
    """The undamaged files by name."""
    files = {
        name: make_video(folder / name, num_frames=16, **options).read_bytes()
        for name, options in FILES.items()
    }
    for suffix in PICTURES:
        files[f"picture{suffix}"] = cv2.imencode(suffix, draw_index(77))[1].tobytes()
    return files


def mutate(data: bytes, others: list[bytes], draw: random.Random) -> bytes:
    """Bits flipped, the end cut off, or pieces of this or another file spliced in."""
    kind = draw.choice(("bits", "header bits", "cut", "splice", "foreign header", "zeros"))
    changed = bytearray(data)
    if kind in ("bits", "header bits"):
        limit = len(data) if kind == "bits" else min(len(data), 600)
        for _ in range(draw.choice((1, 2, 8, 40))):
            changed[draw.randrange(limit)] ^= 1 << draw.randrange(8)
    elif kind == "cut":
        del changed[draw.randrange(len(data)) :]
    elif kind == "splice":
        source, length = draw.choice([data, *others]), draw.randrange(1, 400)
        start, place = draw.randrange(len(source)), draw.randrange(len(data))
        changed[place : place + draw.choice((0, length))] = source[start : start + length]
    elif kind == "foreign header":
        length = draw.randrange(4, 200)
        changed[:length] = draw.choice(others)[:length]
    else:
        start = draw.randrange(len(data))
        changed[start : start + draw.randrange(1, 2000)] = bytes(draw.randrange(1, 2000))
    return bytes(changed)


def mutations(files: dict[str, bytes], count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged files of each, by turns; the same for the same seed."""
    draw = random.Random(seed)
    for _ in range(count):
        for name, data in files.items():
            others = [other for other_name, other in files.items() if other_name != name]
            yield name, mutate(data, others, draw)


def look(item: tuple[str, bytes]) -> tuple[str, int]:
    """What becomes of a file, and the peak memory of this process in bytes."""
    outcome = _outcome(item[1])
    return outcome, process_peak_bytes()


def _outcome(data: bytes) -> str:
    try:
        entry = probe(data, media_id="f", file_name="f")
        with open_media(data, media_id="f", packets=entry.packets) as decoder:
            decoder.frames_at(range(0, decoder.metadata.num_frames, 5), size=(32, 80))
        if entry.kind == "video":
            prepare(data, entry, PrepareSettings(80))
    except DecodeError as error:
        return "refused with a reason" if error.message.startswith("f: ") else f"no name: {error.message}"
    except MemoryError:
        return "refused for its size"
    except Exception as error:  # what no caller expects
        return f"defect: {type(error).__name__}: {error}"
    return "decoded"


def fuzz(
    count: int,
    seed: int,
    num_workers: int,
    examine: Callable[[tuple[str, bytes]], tuple[str, int]] = look,
    keep: Path | None = None,
) -> tuple[dict[str, Counter[str]], int]:
    """Outcomes by file, and the highest memory of a worker; files of what is neither are kept in `keep`."""
    outcomes: dict[str, Counter[str]] = {}
    highest = 0
    with tempfile.TemporaryDirectory() as folder:
        files = base_files(Path(folder))
    pool = ContainedPool(
        examine,
        num_workers=num_workers,
        seconds_per_item=SECONDS_PER_FILE,
        bytes_per_worker=BYTES_PER_WORKER,
    )
    damaged = mutations(files, count, seed)
    again = mutations(files, count, seed)
    for number, result in enumerate(pool.map(damaged)):
        name, data = next(again)
        outcome, memory = (result.reason, 0) if isinstance(result, Lost) else result
        outcomes.setdefault(name, Counter())[outcome] += 1
        highest = max(highest, memory)
        if keep is not None and outcome not in ("decoded", "refused with a reason"):
            (keep / f"{number}-{name}").write_bytes(data)
    return outcomes, highest


def main() -> None:
    """Print the outcomes."""
    parser = argparse.ArgumentParser(description=__doc__)
    for option, default in (("--count", 2000), ("--seed", 0), ("--workers", 2)):
        parser.add_argument(option, type=int, default=default)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    outcomes, highest = fuzz(
        arguments.count, arguments.seed, arguments.workers, partial(look), arguments.keep
    )
    print(json.dumps({"files": outcomes, "highest_worker_bytes": highest}, indent=1))
    print(dict(sum(outcomes.values(), Counter())))


if __name__ == "__main__":
    main()
