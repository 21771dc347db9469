"""Checks of codecs, LMDB, presets and the storage folder."""

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from clipbug.checks.environment.result import Finding

# Container, encoder and pixel format of test files: what phones, browsers and emulators record.
_RECORDINGS = (
    ("mp4", "libx264", "yuv420p"),
    ("webm", "libvpx-vp9", "yuv420p"),
    ("avi", "mpeg4", "yuv420p"),
    ("gif", "gif", "rgb8"),
)
_DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "gif", "png", "mjpeg")
_NUM_FRAMES = 6
_REINSTALL_AV = 'pip install --force-reinstall "av>=18,<19"'


def check_decoders() -> Iterator[Finding]:
    """Check which codecs are available, and that test recordings decode to the frames that were encoded."""
    import av

    missing = [name for name in _DECODERS if name not in av.codecs_available]
    found = ", ".join(f"{name}{' (missing)' if name in missing else ''}" for name in _DECODERS)
    found = f"PyAV {av.__version__}: {found}"
    yield Finding("codecs", "warning", found, _REINSTALL_AV) if missing else Finding("codecs", "ok", found)
    good: list[str] = []
    bad: list[str] = []
    with tempfile.TemporaryDirectory(prefix="clipbug-doctor-") as folder:
        for suffix, encoder, pixel_format in _RECORDINGS:
            if encoder not in av.codecs_available:
                continue  # without the encoder there is no test file; the decoder may still work
            problem = _round_trip(Path(folder) / f"test.{suffix}", encoder, pixel_format)
            (bad if problem else good).append(f"{suffix}: {problem}" if problem else suffix)
    if bad:
        yield Finding("decoding", "error", "; ".join(bad), _REINSTALL_AV)
    if good:
        yield Finding("decoding", "ok", f"recordings encoded and decoded: {', '.join(good)}")


def check_lmdb(storage: Path) -> Iterator[Finding]:
    """Check that a store can be written and read; some network file systems do not support memory mapping."""
    from clipbug.data.store.probe import probe
    from clipbug.data.store.store import StoreWriter, open_stores

    parent = storage if storage.is_dir() else None
    with tempfile.TemporaryDirectory(prefix=".clipbug-doctor-", dir=parent) as folder:
        data = _png()
        with StoreWriter(Path(folder) / "store") as writer:
            writer.put_many([(probe(data, media_id="test", file_name="test.png"), data)])
        is_same = open_stores([Path(folder) / "store"]).read("test") == data
    where = f"in {storage}" if parent else "in the system's temporary folder"
    if is_same:
        yield Finding("lmdb", "ok", f"wrote and read a store {where}")
    else:
        yield Finding(
            "lmdb", "error", f"a store returns different bytes than were written {where}", "use a local disk"
        )


def check_presets() -> Iterator[Finding]:
    """Check that every preset loads."""
    from clipbug.config.loading import load_config
    from clipbug.config.presets import preset_names

    names = preset_names()
    for name in names:
        load_config(name, overrides=())
    yield Finding("presets", "ok", f"{len(names)}: {', '.join(names)}")


def check_storage(root: Path) -> Iterator[Finding]:
    """Count the contents of the storage folder and check that every store opens."""
    from clipbug.data.store.store import open_stores
    from clipbug.errors import ClipbugError
    from clipbug.workspace.storage import Storage

    storage = Storage(root)
    if not root.is_dir():
        fix = f"create one with `clipbug demo --keep {root}`, or set --storage or CLIPBUG_STORAGE"
        yield Finding("storage", "ok", f"{root} does not exist yet", fix)
        return
    items, stores = 0, storage.stores()
    for store in stores:
        try:
            items += len(open_stores([store]))
        except ClipbugError as error:
            yield Finding("store", "error", error.message, error.hint)
    texts = len(list(storage.annotations_dir.rglob("*.jsonl")))
    yield Finding(
        "storage",
        "ok",
        f"{root}: {items} recordings and screenshots in {len(stores)} stores, {texts} annotation files,"
        f" {len(storage.runs())} runs",
        "" if stores else "add recordings: clipbug ingest FOLDER --ext mp4 avi",
    )


def _round_trip(path: Path, encoder: str, pixel_format: str) -> str:
    """Encode a recording whose frames get brighter and decode it; return the problem, or an empty text."""
    import av
    import numpy as np

    from clipbug.data.decoding.open import open_media

    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=Fraction(10))
        assert isinstance(stream, av.VideoStream), "a video encoder creates a video stream"
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixel_format
        for number in range(_NUM_FRAMES):
            pixels = np.full((64, 64, 3), 30 + 35 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with open_media(path.read_bytes(), media_id=path.name) as decoder:
        count = len(decoder.pts_seconds)
        means = decoder.frames_at(range(count)).data.mean(axis=(1, 2, 3))
    if count != _NUM_FRAMES:
        return f"decoded {count} of {_NUM_FRAMES} frames"
    return "" if (np.diff(means) > 10).all() else "the decoded frames differ from the encoded ones"


def _png() -> bytes:
    import cv2
    import numpy as np

    return cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
