"""What every decoder must do, on recordings whose pictures carry their number.

Numbers survive lossy coding, so they are compared exactly; so are pixels, because the reference is the same
library decoding every picture of the file in order, without plan, seek or leaving out.
"""

import io
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from clipbug.data.decoding.open import open_media
from clipbug.data.decoding.packet_reader import PacketReader
from clipbug.data.decoding.packets import read_packet_table
from clipbug.errors import DecodeError
from tests.helpers.video_factory import draw_index, make_video, read_index

H265 = {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=8:open-gop=1"}}
VARIABLE = [3 * index if index < 10 else 20 + index for index in range(24)]
FORMATS: dict[str, dict[str, Any]] = {
    "constant_rate.mp4": {"options": {"bf": "0", "g": "8"}},
    "b_frames.mp4": {"options": {"bf": "3", "g": "250"}},
    "b_frames_short_gops.mov": {"options": {"bf": "3", "g": "8"}},
    "open_gops.mkv": {"options": {"x264-params": "open-gop=1:keyint=8:bframes=3"}},
    "intra_refresh.mkv": {"options": {"x264-params": "intra-refresh=1:keyint=8:bframes=0"}},
    "variable_rate.mp4": {"fps": 30, "pts": VARIABLE, "options": {"g": "8"}},
    "late_start.mp4": {"first_pts": 30},
    "rate_29.97.mp4": {"fps": Fraction(30000, 1001)},
    "fragmented.mp4": {
        "options": {"bf": "3", "g": "8"},
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "transport_stream.ts": {"options": {"bf": "3", "g": "8"}},
    "hevc.mp4": H265,
    "hevc.ts": H265,
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}},
    "vp8.webm": {"codec": "libvpx", "options": {"g": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}},
    "av1.mp4": {"codec": "libsvtav1"},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2", "g": "8"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"bf": "2", "g": "8"}},
    "h264.avi": {"options": {"bf": "3", "g": "8"}},
    "motion_jpeg.avi": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
    "animation.gif": {"codec": "gif"},
    "odd_size.webm": {"codec": "libvpx-vp9", "size": (65, 161)},
    "odd_size.mp4": {"size": (63, 161), "pixel_format": "yuv444p"},
    "alpha.mov": {"codec": "qtrle", "pixel_format": "argb"},
    "h264.mov": {"options": {"bf": "3", "g": "8"}},
    "h264.mkv": {"options": {"bf": "3", "g": "8"}},
    "hevc.mov": H265,
    "hevc.mkv": H265,
    "vp9.mp4": {"codec": "libvpx-vp9", "options": {"g": "8"}},
    "vp9.mkv": {"codec": "libvpx-vp9", "options": {"g": "8", "auto-alt-ref": "1", "lag-in-frames": "16"}},
    "av1.mkv": {"codec": "libsvtav1"},
    "av1.webm": {"codec": "libsvtav1"},
    "mpeg4.mov": {"codec": "mpeg4", "options": {"bf": "2", "g": "8"}},
    "mpeg4.mkv": {"codec": "mpeg4", "options": {"bf": "2", "g": "8"}},
    "mpeg4.ts": {"codec": "mpeg4", "options": {"g": "8"}},
    "variable_rate.mkv": {"fps": 30, "pts": VARIABLE, "options": {"g": "8", "bf": "3"}},
    "variable_rate.webm": {"fps": 30, "pts": VARIABLE, "codec": "libvpx-vp9"},
    "variable_rate.ts": {"fps": 30, "pts": VARIABLE, "options": {"g": "8", "bf": "3"}},
    "variable_rate_hevc.mov": {"fps": 30, "pts": VARIABLE, **H265},
    "late_start.mkv": {"first_pts": 30, "options": {"bf": "3"}},
    "late_start.webm": {"first_pts": 30, "codec": "libvpx-vp9"},
    "fragmented_hevc.mp4": {**H265, "container_options": {"movflags": "frag_keyframe+empty_moov"}},
    "one_picture.mkv": {"num_frames": 1},
    "one_picture.ts": {"num_frames": 1},
    "one_picture.avi": {"num_frames": 1, "codec": "mpeg4"},
    "odd_size.mkv": {"size": (63, 161), "pixel_format": "yuv444p"},
    "one_picture.mp4": {"num_frames": 1},
    "one_picture.webm": {"num_frames": 1, "codec": "libvpx-vp9"},
}


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    """The file of a format, made once."""
    folder, made = tmp_path_factory.mktemp("recordings"), dict[str, bytes]()

    def recording(name: str) -> bytes:
        if name not in made:
            made[name] = make_video(folder / name, **{"num_frames": 24, **FORMATS[name]}).read_bytes()
        return made[name]

    return recording


def decode_everything(data: bytes) -> list[NDArray[np.uint8]]:
    """All pictures in the order of showing, by the plainest code."""
    with av.open(io.BytesIO(data), "r") as container:
        frames = container.decode(container.streams.video[0])
        return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in frames]


def expected_seconds(name: str) -> list[float]:
    """When the pictures were meant to be shown, in seconds from the first."""
    arguments = FORMATS[name]
    ticks = arguments.get("pts") or range(arguments.get("num_frames", 24))
    return [float(tick / Fraction(arguments.get("fps", 10))) for tick in ticks]


@pytest.mark.parametrize("name", FORMATS)
def test_all_pictures_in_order_with_their_times(name: str, recordings: Callable[[str], bytes]) -> None:
    with open_media(recordings(name), media_id=name) as decoder:
        count = FORMATS[name].get("num_frames", 24)
        batch = decoder.frames_at(range(count))
        assert [read_index(picture) for picture in batch.data] == list(range(count))
        assert decoder.metadata.num_frames == count
        assert np.array_equal(batch.pts_seconds, decoder.pts_seconds)
        # 1 ms: Matroska rounds times to it; the other containers are finer.
        if name.endswith((".avi", ".gif", ".webm")) and not name.startswith("late_start"):
            assert decoder.pts_seconds[0] == 0
        shown = decoder.pts_seconds - decoder.pts_seconds[0]
        np.testing.assert_allclose(shown, expected_seconds(name), atol=1e-3)
        assert decoder.metadata.is_variable_rate == name.startswith("variable_rate")


@pytest.mark.parametrize("name", FORMATS)
def test_some_pictures_are_those_of_decoding_everything(
    name: str, recordings: Callable[[str], bytes]
) -> None:
    data = recordings(name)
    reference = decode_everything(data)
    random = np.random.default_rng(0)
    with open_media(data, media_id=name) as decoder:
        for num_wanted in (1, 2, 3, 7):
            indices = random.integers(len(reference), size=num_wanted).tolist()  # any order, repeats
            batch = decoder.frames_at(indices)
            for picture, index in zip(batch.data, indices, strict=True):
                assert np.array_equal(picture, reference[index]), indices


@pytest.mark.parametrize("name", ["b_frames_short_gops.mov", "open_gops.mkv", "fragmented.mp4", "vp9.webm"])
def test_seeking_gives_the_same_pictures(
    name: str, recordings: Callable[[str], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipbug.data.decoding.packet_reader._MIN_PACKETS_FOR_SEEK", 1)
    opened: list[PacketReader] = []
    original = PacketReader._open

    def counting(reader: PacketReader) -> None:
        opened.append(reader)
        original(reader)

    monkeypatch.setattr(PacketReader, "_open", counting)
    reference = decode_everything(recordings(name))
    with open_media(recordings(name), media_id=name) as decoder:
        for index in (23, 12, 22, 17, 23):  # forward and back
            assert np.array_equal(decoder.frames_at([index]).data[0], reference[index])
        assert len(opened) == 1, "it went there by seeking"
        assert np.array_equal(decoder.frames_at([0]).data[0], reference[0])


@pytest.mark.parametrize("name", ["b_frames.mp4", "mpeg4.avi", "animation.gif"])
def test_scaled_to_the_wanted_size(name: str, recordings: Callable[[str], bytes]) -> None:
    with open_media(recordings(name), media_id=name) as decoder:
        batch = decoder.frames_at([9, 2], size=(32, 96))
        assert batch.data.shape == (2, 32, 96, 3)
        assert [read_index(picture) for picture in batch.data] == [9, 2]


@pytest.mark.parametrize("indices", [[24], [-1], [0, 100]])
def test_index_outside(indices: list[int], recordings: Callable[[str], bytes]) -> None:
    with (
        open_media(recordings("b_frames.mp4"), media_id="r") as decoder,
        pytest.raises(ValueError, match="24 frames"),
    ):
        decoder.frames_at(indices)


def test_no_pictures_wanted(recordings: Callable[[str], bytes]) -> None:
    with open_media(recordings("b_frames.mp4"), media_id="r") as decoder:
        assert decoder.frames_at([]).data.shape == (0, 64, 160, 3)


def test_reads_only_the_packets_that_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four wanted pictures in a recording of 600 in groups of 20: their groups at most, and one open."""
    data = make_video(tmp_path / "r.mp4", num_frames=600, options={"g": "20", "bf": "3"}).read_bytes()
    read: list[int] = []
    original = PacketReader.packets

    def counting(reader: PacketReader, first: int, last: int) -> Any:
        for place, packet in original(reader, first, last):
            read.append(place)
            yield place, packet

    monkeypatch.setattr(PacketReader, "packets", counting)
    with open_media(data, media_id="r") as decoder:
        assert [read_index(picture) for picture in decoder.frames_at([590, 3, 301, 310]).data] == [
            590,
            3,
            301,
            310,
        ]
    assert len(read) == len(set(read)) <= 60


def test_hidden_by_an_edit_list(tmp_path: Path) -> None:
    """The first 13 pictures are cut off by the edit list: decoded where others need them, but never shown."""
    path = make_video(tmp_path / "r.mp4", num_frames=40, options={"g": "8", "bf": "3"})
    data = bytearray(path.read_bytes())
    entry = data.index(b"elst") + 12
    duration, start = struct.unpack_from(">Ii", data, entry)
    struct.pack_into(
        ">Ii", data, entry, duration - 13 * 100, start + 13 * 1024
    )  # clocks of 1000 and 10240 Hz
    with open_media(bytes(data), media_id="r") as decoder:
        assert [read_index(picture) for picture in decoder.frames_at(range(27)).data] == list(range(13, 40))
        assert [read_index(picture) for picture in decoder.frames_at([1, 26]).data] == [14, 39]
        assert decoder.metadata.num_frames == 27
        assert decoder.metadata.duration_seconds == pytest.approx(2.7)
        assert decoder.pts_seconds[0] == 0


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(degrees: int, tmp_path: Path) -> None:
    data = make_video(tmp_path / "r.mp4", num_frames=3, rotation=degrees).read_bytes()
    with open_media(data, media_id="r") as decoder:
        metadata = decoder.metadata
        assert metadata.rotation_degrees == degrees
        assert (metadata.height, metadata.width) == ((160, 64) if degrees != 180 else (64, 160))
        for size in (None, (metadata.height // 2, metadata.width // 2)):
            pictures = decoder.frames_at([0, 1, 2], size=size).data
            upright = [np.rot90(picture, degrees // 90) for picture in pictures]  # turned back
            assert [read_index(picture) for picture in upright] == [0, 1, 2]


def test_alpha_is_blended_on_white(tmp_path: Path) -> None:
    picture = np.zeros((16, 32, 4), np.uint8)
    picture[:, 16:] = (200, 100, 0, 255)
    path = make_video(
        tmp_path / "r.mov",
        num_frames=1,
        size=(16, 32),
        codec="qtrle",
        pixel_format="argb",
        pictures=[picture],
    )
    with open_media(path.read_bytes(), media_id="r") as decoder:
        shown = decoder.frames_at([0]).data[0]
    assert (shown[:, :16] == 255).all()
    assert (shown[:, 16:] == (200, 100, 0)).all()


def test_length_includes_the_last_picture(recordings: Callable[[str], bytes]) -> None:
    for name in ("b_frames.mp4", "vp9.webm", "mpeg4.avi", "animation.gif", "transport_stream.ts"):
        with open_media(recordings(name), media_id=name) as decoder:
            assert decoder.metadata.duration_seconds == pytest.approx(2.4), name
            assert decoder.metadata.average_fps == pytest.approx(10), name


def test_length_includes_a_long_last_picture(recordings: Callable[[str], bytes]) -> None:
    """A still screen makes no new pictures: the last one may stay for long."""
    data = bytearray(recordings("animation.gif"))
    delay = data.rindex(b"\x21\xf9\x04") + 4
    struct.pack_into("<H", data, delay, 500)
    with open_media(bytes(data), media_id="r") as decoder:
        assert decoder.metadata.duration_seconds == pytest.approx(2.3 + 5)


def test_packets_that_are_not_shown(recordings: Callable[[str], bytes]) -> None:
    """VP8 may keep pictures that only help to decode others: packet 20 is made one by its header's bit."""
    data = bytearray(recordings("vp8.webm"))
    with av.open(io.BytesIO(bytes(data)), "r") as container:
        packets = [bytes(packet) for packet in container.demux(video=0)]
    assert data.count(packets[20]) == 1
    data[data.index(packets[20])] &= ~0x10
    reference = decode_everything(bytes(data))
    assert [read_index(picture) for picture in reference] == [*range(20), 21, 22, 23]
    with open_media(bytes(data), media_id="r") as decoder:
        assert decoder.metadata.num_frames == 23
        for index in (22, 5, 20):
            assert np.array_equal(decoder.frames_at([index]).data[0], reference[index])


def test_known_packets_give_the_same_pictures(recordings: Callable[[str], bytes]) -> None:
    for name in ("b_frames.mp4", "mpeg4.avi", "vp8.webm"):
        data = recordings(name)
        table = read_packet_table(data, media_id=name)
        with (
            open_media(data, media_id=name, packets=table) as known,
            open_media(data, media_id=name) as unknown,
        ):
            assert known.metadata == unknown.metadata
            assert np.array_equal(known.frames_at([7, 3]).data, unknown.frames_at([7, 3]).data)


def test_size_that_changes_in_the_middle(tmp_path: Path) -> None:
    """A phone that is turned while it records: later pictures are fitted into the first one's size."""
    first = make_video(tmp_path / "a.ts", num_frames=5, size=(64, 160)).read_bytes()
    second = make_video(tmp_path / "b.ts", num_frames=5, size=(160, 96), first_pts=5).read_bytes()
    with open_media(first + second, media_id="r") as decoder:
        pictures = decoder.frames_at(range(decoder.metadata.num_frames)).data
    numbers = [read_index(picture) for picture in pictures[:5]]
    numbers += [read_index(picture[:, 61:99]) for picture in pictures[5:]]  # 96 x 160 in a height of 64
    assert numbers == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html><body>404 not found</body></html>", "text file.*404"),
        (b"\x00\x01\x02\x03" * 1000, "not a recording"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(40), "not a recording"),
        (b"RIFF\x00\x01\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00", "cut off"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "text file"),
        (b"YUV4MPEG2 W8 H8 F10:1\nFRAME\n" + bytes(96), "not a recording"),
        (b"\xffffconcat version 1.0\nfile /etc/hostname\n", "not a recording"),
    ],
    ids=["empty", "html", "garbage", "header", "webp", "playlist", "y4m", "hidden_playlist"],
)
def test_what_is_no_recording(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=f"login_bug: .*{reason}"):
        open_media(data, media_id="login_bug")


def test_sound_without_pictures(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "r.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(DecodeError, match="no video stream"):
        open_media((tmp_path / "r.mp4").read_bytes(), media_id="r")


def test_cut_off_recording_names_the_time_and_keeps_what_is_there(tmp_path: Path) -> None:
    """Index in front, a third missing: early pictures come, a late one is an error, never another picture."""
    path = make_video(
        tmp_path / "r.mp4", num_frames=80, options={"g": "8"}, container_options={"movflags": "faststart"}
    )
    whole = path.read_bytes()
    table = read_packet_table(whole, media_id="r")
    with open_media(whole[: len(whole) * 2 // 3], media_id="login_bug", packets=table) as decoder:
        assert [read_index(picture) for picture in decoder.frames_at([0, 9]).data] == [0, 9]
        with pytest.raises(DecodeError, match=r"login_bug: .*7\.700"):
            decoder.frames_at([0, 77])


def test_draw_index_and_read_index() -> None:
    assert [read_index(draw_index(index, (20, 50))) for index in range(1024)] == list(range(1024))
