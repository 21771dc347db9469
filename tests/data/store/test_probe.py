"""What ingest learns of a file, and which files it refuses, each with a reason that a user understands."""

import hashlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from clipbug.data.decoding.content import count_missing_bytes, detect_content, gif_picture_count
from clipbug.data.decoding.open import open_media
from clipbug.data.store.probe import probe
from clipbug.errors import DecodeError
from tests.helpers.video_factory import draw_index, make_video, read_index

WHITE, RED, BLACK = (255, 255, 255), (255, 0, 0), (0, 0, 0)


def encode(suffix: str, picture: NDArray[Any], *options: int) -> bytes:
    """A picture file; `picture` is grey, RGB or RGBA."""
    order = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
    stored = picture if picture.ndim == 2 else cv2.cvtColor(picture, order[picture.shape[2]])
    return cv2.imencode(suffix, stored, list(options))[1].tobytes()


def only_picture(data: bytes) -> NDArray[np.uint8]:
    with open_media(data, media_id="shot") as decoder:
        assert decoder.pts_seconds.tolist() == [0]
        picture: NDArray[np.uint8] = decoder.frames_at([0]).data[0]
        return picture


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an EXIF block that holds only the orientation."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    block = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:]


def palette_png(colours: list[tuple[int, int, int]], alphas: list[int], pixels: list[list[int]]) -> bytes:
    """A PNG whose pixels are numbers of colours."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + bytes(row) for row in pixels)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", len(pixels[0]), len(pixels), 8, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes(value for colour in colours for value in colour))
        + (chunk(b"tRNS", bytes(alphas)) if alphas else b"")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_entry_of_a_recording(tmp_path: Path) -> None:
    data = make_video(
        tmp_path / "r.mp4", num_frames=30, options={"g": "10", "bf": "2"}, rotation=90
    ).read_bytes()
    entry = probe(data, media_id="crash", file_name="crash.mp4")
    assert (entry.media_id, entry.kind, entry.file_name, entry.codec) == (
        "crash",
        "video",
        "crash.mp4",
        "h264",
    )
    assert (entry.width, entry.height, entry.rotation_degrees) == (64, 160, 90)
    assert (entry.num_frames, entry.is_variable_rate) == (30, False)
    assert entry.duration_seconds == pytest.approx(3)
    assert entry.average_fps == pytest.approx(10)
    assert (entry.num_bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert entry.packets is not None
    assert len(entry.packets.pts) == 30
    assert sum(entry.packets.is_keyframe) == 3


def test_entry_of_a_picture() -> None:
    entry = probe(encode(".png", draw_index(3)), media_id="shot", file_name="shot.png")
    assert (entry.kind, entry.codec, entry.width, entry.height) == ("image", "png", 160, 64)
    assert (entry.num_frames, entry.duration_seconds, entry.packets) == (1, 0.0, None)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tiff", ".gif"])
def test_picture_formats(suffix: str) -> None:
    data = encode(suffix, draw_index(341))
    entry = probe(data, media_id="shot", file_name="misnamed.mp4")
    assert (entry.kind, entry.num_frames) == ("image", 1)
    assert entry.codec == {".jpg": "jpeg"}.get(suffix, suffix[1:])
    assert read_index(only_picture(data)) == 341


def test_grey_and_deep_pictures_become_rgb() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert np.array_equal(only_picture(encode(".png", grey)), np.repeat(grey[..., None], 3, axis=2))
    deep = grey.astype(np.uint16) * 257
    assert np.array_equal(only_picture(encode(".png", deep)), np.repeat(grey[..., None], 3, axis=2))


def test_palette() -> None:
    data = palette_png([WHITE, RED], [], [[0, 1], [1, 1]])
    assert only_picture(data).tolist() == [[[*WHITE], [*RED]], [[*RED], [*RED]]]


def test_transparency_shows_white() -> None:
    assert only_picture(palette_png([BLACK, RED], [0, 255], [[0, 1]])).tolist() == [[[*WHITE], [*RED]]]
    half = np.array([[[255, 0, 0, 0], [255, 0, 0, 255], [0, 0, 0, 128]]], np.uint8)
    assert only_picture(encode(".png", half)).tolist() == [[[*WHITE], [*RED], [127, 127, 127]]]
    deep = half.astype(np.uint16) * 257
    assert only_picture(encode(".png", deep)).tolist() == [[[*WHITE], [*RED], [127, 127, 127]]]


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, 3), (8, 1)])
def test_exif_orientation_is_applied(orientation: int, turns: int) -> None:
    upright = draw_index(77, (64, 160))
    stored = np.ascontiguousarray(np.rot90(upright, -turns))
    jpeg = with_orientation(encode(".jpg", stored, cv2.IMWRITE_JPEG_QUALITY, 95), orientation)
    picture = only_picture(jpeg)
    assert picture.shape == upright.shape
    assert read_index(picture) == 77
    entry = probe(jpeg, media_id="shot", file_name="shot.jpg")
    assert (entry.height, entry.width) == (64, 160)


def test_picture_scaled_and_repeated() -> None:
    with open_media(encode(".png", draw_index(9)), media_id="shot") as decoder:
        batch = decoder.frames_at([0, 0], size=(32, 80))
        assert batch.data.shape == (2, 32, 80, 3)
        assert [read_index(picture) for picture in batch.data] == [9, 9]
        assert batch.pts_seconds.tolist() == [0, 0]
        assert decoder.frames_at([0], size=(128, 320)).data.shape == (1, 128, 320, 3)
        assert decoder.frames_at([]).data.shape == (0, 64, 160, 3)
        with pytest.raises(ValueError, match="one frame"):
            decoder.frames_at([1])


def test_gif_of_several_pictures_is_a_recording(tmp_path: Path) -> None:
    for count, kind in ((1, "image"), (2, "video"), (9, "video")):
        data = make_video(tmp_path / f"{count}.gif", num_frames=count, codec="gif").read_bytes()
        assert gif_picture_count(data) == count
        entry = probe(data, media_id="g", file_name="g.gif")
        assert (entry.kind, entry.num_frames, entry.codec) == (kind, count, "gif")


def test_animated_png_is_a_recording(tmp_path: Path) -> None:
    data = make_video(tmp_path / "a.apng", num_frames=4, codec="apng", pixel_format="rgb24").read_bytes()
    entry = probe(data, media_id="a", file_name="a.png")
    assert (entry.kind, entry.num_frames) == ("video", 4)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("r.mp4", {"options": {"g": "8", "bf": "2"}}),
        ("r.gif", {"codec": "gif"}),
    ],
)
@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.9])
def test_cut_off_recordings_are_refused(
    name: str, arguments: dict[str, Any], share: float, tmp_path: Path
) -> None:
    whole = make_video(tmp_path / name, num_frames=40, **arguments).read_bytes()
    assert count_missing_bytes(whole) == 0
    with pytest.raises(DecodeError, match=r"^login: "):
        probe(whole[: int(len(whole) * share)], media_id="login", file_name=name)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".gif"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_cut_off_pictures_are_refused(suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    whole = encode(suffix, noise)
    assert count_missing_bytes(whole) == 0
    with pytest.raises(DecodeError, match=r"^login: "):
        probe(whole[: int(len(whole) * share)], media_id="login", file_name="login")


def test_end_mark_of_a_thumbnail_does_not_count() -> None:
    """Camera pictures carry a small JPEG, with an end mark of its own, in front of the main one."""
    jpeg, thumbnail = encode(".jpg", draw_index(1)), encode(".jpg", draw_index(1, (16, 40)))
    block = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    data = jpeg[:2] + block + jpeg[2:]
    assert count_missing_bytes(data) == 0
    assert count_missing_bytes(data[:-10]) > 0


def test_live_webm_without_length_is_whole(tmp_path: Path) -> None:
    """A browser's recorder does not know the length when it begins."""
    path = make_video(tmp_path / "r.webm", num_frames=10, codec="libvpx-vp9", container_options={"live": "1"})
    assert count_missing_bytes(path.read_bytes()) == 0
    assert probe(path.read_bytes(), media_id="r", file_name="r.webm").num_frames == 10


def test_damaged_end_is_found(tmp_path: Path) -> None:
    """The pictures at the end are overwritten, as in a download that stopped in a file of full size."""
    path = make_video(
        tmp_path / "r.mp4", num_frames=40, options={"g": "8"}, container_options={"movflags": "faststart"}
    )
    data = path.read_bytes()
    cut = len(data) * 3 // 4
    entry = probe(data[:cut] + bytes(len(data) - cut), media_id="login", file_name="r")
    assert 8 <= entry.num_frames < 30
    assert "damaged" in entry.notes[0]


def test_picture_that_never_comes_out(tmp_path: Path) -> None:
    """The last packet of a VP9 recording is made one that is not shown; the container still counts it."""
    data = bytearray(
        make_video(
            tmp_path / "r.webm", num_frames=10, codec="libvpx-vp9", options={"lag-in-frames": "0"}
        ).read_bytes()
    )
    with av.open(io.BytesIO(bytes(data)), "r") as container:
        last = [bytes(packet) for packet in container.demux(video=0) if packet.size][-1]
    data[data.rindex(last)] &= ~0x02  # the bit that shows it
    entry = probe(bytes(data), media_id="r", file_name="r.webm")
    assert entry.num_frames == 9
    with open_media(bytes(data), media_id="r", packets=entry.packets) as decoder:
        assert [read_index(picture) for picture in decoder.frames_at(range(9)).data] == list(range(9))


@pytest.mark.parametrize(
    ("data", "content"),
    [
        (b"# a text\n", "text"),
        ("ein längerer Text über 日本".encode() * 100, "text"),
        (b"\xef\xbb\xbfwith mark", "text"),
        (b"\0\0\0\x18ftypisom", "video"),
        (b"BM as text begins", "text"),
        (b"\x00\x01\x02", "video"),
    ],
)
def test_content(data: bytes, content: str) -> None:
    assert detect_content(data) == content
