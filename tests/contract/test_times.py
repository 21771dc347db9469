"""When pictures are shown, and for how long: a player's clock, whatever clock the file has."""

import io
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from clipbug.data.decoding.open import open_media
from clipbug.data.store.probe import probe
from tests.helpers.video_factory import draw_index, make_video, read_index

CLOCK_SECONDS = 2**33 / 90_000  # after which the clock of MPEG streams begins at 0 again
HEVC = {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=8"}}
MPEG2 = {"codec": "mpeg2video", "fps": 25}
TICK = 1e-3  # Matroska and FLV round times to it


def check(data: bytes, *, numbers: list[int], seconds: list[float], duration: float) -> None:
    """Pictures, times and length, by the manifest and without one."""
    entry = probe(data, media_id="r", file_name="r")
    assert entry.notes == ()
    assert entry.duration_seconds == pytest.approx(duration, abs=TICK)
    for packets in (entry.packets, None):
        with open_media(data, media_id="r", packets=packets) as decoder:
            pictures = decoder.frames_at(range(len(numbers)))
            assert [read_index(picture) for picture in pictures.data] == numbers
            np.testing.assert_allclose(pictures.pts_seconds, seconds, atol=TICK)
            assert decoder.metadata.num_frames == len(numbers)
            assert decoder.metadata.duration_seconds == pytest.approx(duration, abs=TICK)


def with_sound(
    path: Path, *, start: float, sound_seconds: float, video: str = "libx264", sound: str = "aac"
) -> bytes:
    """Ten pictures, 0.1 s each, from `start` on, and sound from 0 on."""
    with av.open(str(path), "w") as container:
        pictures = container.add_stream(video, rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 160, 64, "yuv420p"
        audio = container.add_stream(sound, rate=48_000)
        for number in range(10):
            frame = av.VideoFrame.from_ndarray(draw_index(number), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number + round(start * 10), Fraction(1, 10)
            container.mux(pictures.encode(frame))
        container.mux(pictures.encode())
        layout = ("s16", np.int16) if sound == "libopus" else ("fltp", np.float32)
        for number in range(round(sound_seconds * 50)):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 960), layout[1]), layout[0], "mono")
            samples.sample_rate, samples.pts, samples.time_base = 48_000, number * 960, Fraction(1, 48_000)
            container.mux(audio.encode(samples))
        container.mux(audio.encode())
    return path.read_bytes()


def with_empty_chunks(data: bytes, counts: dict[int, int]) -> bytes:
    """An AVI with so many empty chunks, which repeat the picture before, behind pictures by number."""
    start, index = data.index(b"movi") + 4, data.rindex(b"idx1")
    chunks = []
    while data[start : start + 4] == b"00dc" and start < index:
        size = struct.unpack_from("<I", data, start + 4)[0]
        chunks.append(data[start : start + 8 + size + size % 2])
        start += len(chunks[-1])
    out, rows, offset = [], [], 4
    for number, chunk in enumerate(chunks):
        flags = struct.unpack_from("<I", data, index + 12 + 16 * number)[0]
        for piece, piece_flags in [(chunk, flags)] + [(b"00dc" + bytes(4), 0)] * counts.get(number, 0):
            rows.append(struct.pack("<4sIII", b"00dc", piece_flags, offset, len(piece) - 8 - len(piece) % 2))
            out.append(piece)
            offset += len(piece)
    head = bytearray(data[: data.index(b"movi") - 4])
    struct.pack_into("<I", head, head.index(b"avih") + 24, len(out))
    struct.pack_into("<I", head, head.index(b"strh") + 40, len(out))
    body, table = b"movi" + b"".join(out), b"".join(rows)
    new = bytes(head) + struct.pack("<I", len(body)) + body + b"idx1" + struct.pack("<I", len(table)) + table
    return new[:4] + struct.pack("<I", len(new) - 8) + new[8:]


@pytest.mark.parametrize(
    ("name", "before_wrap", "arguments"),
    [
        ("r.ts", 0.5, {}),
        ("r.ts", 0.05, {"options": {"bf": "3"}}),
        ("r.ts", 0.65, HEVC),
        ("r.ts", 5.0, {}),  # all of it before the wrap
        ("r.m2ts", 0.5, {}),
        ("r.ts", 1.9, MPEG2),
        ("r.mpg", 1.0, MPEG2),
    ],
)
def test_clocks_that_begin_again(
    name: str, before_wrap: float, arguments: dict[str, Any], tmp_path: Path
) -> None:
    options = {"output_ts_offset": str(CLOCK_SECONDS - before_wrap)}
    data = make_video(tmp_path / name, num_frames=30, container_options=options, **arguments).read_bytes()
    fps = arguments.get("fps", 10)
    times = [number / fps for number in range(30)]
    if name == "r.mpg":  # what this container's demuxer makes of the wrap is one picture off
        entry = probe(data, media_id="r", file_name="r")
        assert (entry.num_frames, entry.notes) == (30, ())
        assert entry.duration_seconds == pytest.approx(30 / fps, abs=2 / fps)
    else:
        check(data, numbers=list(range(30)), seconds=times, duration=30 / fps)


@pytest.mark.parametrize("first_offset", [0, 100])
def test_recordings_joined_to_one(first_offset: int, tmp_path: Path) -> None:
    """The clock of the second one is behind that of the first: its pictures follow."""
    options = {"output_ts_offset": str(first_offset)}
    first = make_video(tmp_path / "a.ts", num_frames=10, container_options=options).read_bytes()
    second = make_video(tmp_path / "b.ts", num_frames=10).read_bytes()
    check(
        first + second,
        numbers=[*range(10), *range(10)],
        seconds=[number / 10 for number in range(20)],
        duration=2,
    )


def test_times_below_zero_are_shown_unless_an_edit_list_hides_them(tmp_path: Path) -> None:
    options = {"movflags": "negative_cts_offsets", "use_editlist": "0"}
    path = make_video(tmp_path / "r.mp4", num_frames=20, options={"bf": "3"}, container_options=options)
    check(path.read_bytes(), numbers=list(range(20)), seconds=[n / 10 for n in range(20)], duration=2)


@pytest.mark.parametrize(
    ("name", "codecs"),
    [
        ("r.mp4", {}),
        ("r.mov", {}),
        ("r.mkv", {}),
        ("r.webm", {"video": "libvpx-vp9", "sound": "libopus"}),
        ("r.ts", {}),
        ("r.flv", {}),
    ],
)
def test_sound_that_begins_before_the_pictures_and_goes_on_behind_them(
    name: str, codecs: dict[str, str], tmp_path: Path
) -> None:
    data = with_sound(tmp_path / name, start=5.0, sound_seconds=9.0, **codecs)
    entry = probe(data, media_id="r", file_name=name)
    # Priming of AAC and Opus: up to 1024 samples before the first one, and as many behind the last.
    assert entry.duration_seconds == pytest.approx(9.0, abs=0.05)
    with open_media(data, media_id="r", packets=entry.packets) as decoder:
        assert decoder.pts_seconds == pytest.approx([5 + n / 10 for n in range(10)], abs=0.03)


@pytest.mark.parametrize("name", ["r.mp4", "r.mov", "r.mkv", "r.webm"])
def test_nothing_to_see_at_first(name: str, tmp_path: Path) -> None:
    codec = {"codec": "libvpx-vp9"} if name == "r.webm" else {}
    data = make_video(tmp_path / name, num_frames=10, first_pts=50, **codec).read_bytes()
    check(data, numbers=list(range(10)), seconds=[5 + n / 10 for n in range(10)], duration=6)


def test_last_picture_held_by_the_length_in_the_header(tmp_path: Path) -> None:
    data = bytearray(make_video(tmp_path / "r.webm", num_frames=10, codec="libvpx-vp9").read_bytes())
    at = data.index(b"\x44\x89\x88") + 3  # Duration, 8 bytes
    assert struct.unpack_from(">d", data, at)[0] == 1000
    struct.pack_into(">d", data, at, 12_000)
    check(bytes(data), numbers=list(range(10)), seconds=[n / 10 for n in range(10)], duration=12)


@pytest.mark.parametrize("name", ["r.mp4", "r.mov"])
def test_last_picture_held_by_its_own_length(name: str, tmp_path: Path) -> None:
    """The last but one picture of the file stays for 9 s; its time and that of the last one are exchanged."""
    ticks = [*range(9), 98]
    path = make_video(tmp_path / name, num_frames=10, pts=ticks, options={"bf": "0"})
    data = bytearray(path.read_bytes())
    at = data.index(b"stts") + 12
    runs = [8, 1024, 1, 90 * 1024, 1, 1024]
    assert struct.unpack_from(">6I", data, at) == tuple(runs)
    struct.pack_into(">6I", data, at, 8, 1024, 1, 1024, 1, 90 * 1024)
    check(bytes(data), numbers=list(range(10)), seconds=[n / 10 for n in range(10)], duration=9.9)


@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_empty_chunks_of_avi_hold_the_picture_before(codec: str, tmp_path: Path) -> None:
    pixels = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_video(tmp_path / "r.avi", num_frames=10, codec=codec, pixel_format=pixels)
    check(
        with_empty_chunks(path.read_bytes(), {3: 10, 9: 20}),
        numbers=list(range(10)),
        seconds=[n / 10 if n < 4 else 1 + n / 10 for n in range(10)],
        duration=4,
    )


@pytest.mark.parametrize("name", ["r.mp4", "r.mkv"])
def test_many_pictures_per_second(name: str, tmp_path: Path) -> None:
    data = make_video(tmp_path / name, num_frames=30, fps=120, options={"bf": "3"}).read_bytes()
    check(data, numbers=list(range(30)), seconds=[n / 120 for n in range(30)], duration=0.25)


def test_two_pictures_at_one_time(tmp_path: Path) -> None:
    """Both are there, in order; none gets a time that the file does not give."""
    ticks = [0, 100, 200, 300, 301, 400]
    path = make_video(
        tmp_path / "r.mkv", num_frames=6, pts=ticks, time_base=Fraction(1, 1000), options={"bf": "0"}
    )
    data = bytearray(path.read_bytes())
    with av.open(io.BytesIO(bytes(data))) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    at = data.index(packets[4], data.index(packets[3]) + 1)
    assert struct.unpack_from(">h", data, at - 3)[0] == 301
    struct.pack_into(">h", data, at - 3, 300)
    check(bytes(data), numbers=list(range(6)), seconds=[0, 0.1, 0.2, 0.3, 0.3, 0.4], duration=0.5)


def with_edits(data: bytes, edits: list[tuple[int, int, int]]) -> bytes:
    """An mp4, pictures in front, with an edit list of (length in 1/1000 s, picture or -1, rate)."""
    at = data.index(b"elst") - 4
    assert data.index(b"mdat") < data.index(b"moov")
    offset = struct.unpack_from(">i", data, at + 20)[0]  # the first picture's time
    rows = [
        struct.pack(">IiHH", length, number if number < 0 else offset + number * 1024, rate, 0)
        for length, number, rate in edits
    ]
    table = struct.pack(">I4sII", 16 + 12 * len(rows), b"elst", 0, len(rows)) + b"".join(rows)
    size = struct.unpack_from(">I", data, at)[0]
    changed = bytearray(data[:at] + table + data[at + size :])
    for name in (b"edts", b"trak", b"moov"):
        box = changed.index(name) - 4
        struct.pack_into(">I", changed, box, struct.unpack_from(">I", changed, box)[0] + len(table) - size)
    return bytes(changed)


@pytest.mark.parametrize(
    ("edits", "numbers", "times", "duration"),
    [
        ([(2000, -1, 1), (4000, 0, 1)], [*range(40)], [2 + n / 10 for n in range(40)], 6),
        ([(2700, 13, 1)], [*range(13, 40)], [n / 10 for n in range(27)], 2.7),
        ([(2000, 0, 1)], [*range(20)], [n / 10 for n in range(20)], 2),
        ([(1000, 0, 1), (1000, 25, 1)], [*range(10), *range(25, 35)], [n / 10 for n in range(20)], 2),
        (  # picture 10 is held for 3 s
            [(1000, 0, 1), (3000, 10, 0), (3000, 10, 1)],
            [*range(40)],
            [n / 10 if n <= 10 else 3 + n / 10 for n in range(40)],
            7,
        ),
        ([(4000, 0, 1), (3000, 39, 0)], [*range(40)], [n / 10 for n in range(40)], 7),
        (  # nothing new for 2 s
            [(1000, 0, 1), (2000, -1, 1), (3000, 10, 1)],
            [*range(40)],
            [n / 10 if n < 10 else 2 + n / 10 for n in range(40)],
            6,
        ),
    ],
)
def test_edit_lists(
    edits: list[tuple[int, int, int]],
    numbers: list[int],
    times: list[float],
    duration: float,
    tmp_path: Path,
) -> None:
    path = make_video(tmp_path / "r.mp4", num_frames=40, options={"g": "8", "bf": "2"})
    check(with_edits(path.read_bytes(), edits), numbers=numbers, seconds=times, duration=duration)
