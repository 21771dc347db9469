"""Checks of what clipbug reads and writes: codecs, LMDB, presets, the storage folder."""

import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from clipbug.checks.environment.result import Finding

# Container, encoder to make a test file with, pixel format; what phones, browsers and emulators record.
_RECORDINGS = (
    ("mp4", "libx264", "yuv420p"),
    ("webm", "libvpx-vp9", "yuv420p"),
    ("avi", "mpeg4", "yuv420p"),
    ("gif", "gif", "rgb8"),
)
_DECODERS = ("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "gif", "png", "mjpeg")
_NUM_PICTURES = 6
_REINSTALL_AV = 'pip install --force-reinstall "av>=18,<19"'


def check_decoders() -> Iterator[Finding]:
    """Which codecs the decoder has, and that recordings made here come back picture by picture."""
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
                continue  # nothing to make a test file with says nothing about reading one
            problem = _round_trip(Path(folder) / f"test.{suffix}", encoder, pixel_format)
            (bad if problem else good).append(f"{suffix}: {problem}" if problem else suffix)
    if bad:
        yield Finding("decoding", "error", "; ".join(bad), _REINSTALL_AV)
    if good:
        yield Finding("decoding", "ok", f"recordings made and read back: {', '.join(good)}")


def check_lmdb(storage: Path) -> Iterator[Finding]:
    """That a store can be written and read where stores go (some network disks cannot map files)."""
    from clipbug.data.store.probe import probe
    from clipbug.data.store.store import StoreWriter, open_stores

    place = storage if storage.is_dir() else None
    with tempfile.TemporaryDirectory(prefix=".clipbug-doctor-", dir=place) as folder:
        data = _png()
        with StoreWriter(Path(folder) / "store") as writer:
            writer.put_many([(probe(data, media_id="test", file_name="test.png"), data)])
        is_same = open_stores([Path(folder) / "store"]).read("test") == data
    where = f"in {storage}" if place else "in the system's temporary folder"
    if is_same:
        yield Finding("lmdb", "ok", f"a store was written and read {where}")
    else:
        yield Finding("lmdb", "error", f"a store reads back other bytes {where}", "use a local disk")


def check_presets() -> Iterator[Finding]:
    """That every preset loads."""
    from clipbug.config.loading import load_config
    from clipbug.config.presets import preset_names

    names = preset_names()
    for name in names:
        load_config(name, overrides=())
    yield Finding("presets", "ok", f"{len(names)}: {', '.join(names)}")


def check_storage(root: Path) -> Iterator[Finding]:
    """What lies in the storage folder, and that every store opens."""
    from clipbug.data.store.store import open_stores
    from clipbug.errors import ClipbugError
    from clipbug.workspace.storage import Storage

    storage = Storage(root)
    if not root.is_dir():
        fix = f"clipbug demo --keep {root} fills one; --storage or CLIPBUG_STORAGE name another"
        yield Finding("storage", "ok", f"{root} does not exist yet", fix)
        return
    items, stores = 0, storage.stores()
    for store in stores:
        try:
            items += len(open_stores([store]))
        except ClipbugError as error:
            yield Finding("store", "error", error.message, error.hint)
    texts = len(list(storage.text.rglob("*.jsonl")))
    yield Finding(
        "storage",
        "ok",
        f"{root}: {items} recordings and screenshots in {len(stores)} stores, {texts} annotation files,"
        f" {len(storage.runs())} runs",
        "" if stores else "add recordings: clipbug ingest FOLDER --ext mp4 avi",
    )


def _round_trip(path: Path, encoder: str, pixel_format: str) -> str:
    """Make a recording whose pictures grow brighter, read it as clipbug does; what is wrong, or nothing."""
    import av
    import numpy as np

    from clipbug.data.decoding.open import open_media

    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=Fraction(10))
        assert isinstance(stream, av.VideoStream), "an encoder of pictures makes a video stream"
        stream.width, stream.height, stream.pix_fmt = 64, 64, pixel_format
        for number in range(_NUM_PICTURES):
            picture = np.full((64, 64, 3), 30 + 35 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with open_media(path.read_bytes(), media_id=path.name) as decoder:
        count = len(decoder.pts_seconds)
        means = decoder.frames_at(range(count)).data.mean(axis=(1, 2, 3))
    if count != _NUM_PICTURES:
        return f"{count} of {_NUM_PICTURES} pictures came back"
    return "" if (np.diff(means) > 10).all() else "the pictures are not those that were written"


def _png() -> bytes:
    import cv2
    import numpy as np

    return cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
