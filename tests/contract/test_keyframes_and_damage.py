"""A wrong picture is never given out: keyframes that are none, damage, and files that are cut off."""

import io
import random
import struct
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from clipbug.data.decoding.open import open_media
from clipbug.data.decoding.packets import read_packet_table
from clipbug.data.store.probe import probe
from clipbug.errors import DecodeError
from tests.contract.test_decoders import decode_everything
from tests.helpers.video_factory import draw_index, make_video, read_index

Picture = NDArray[np.uint8]
HEVC = {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=8"}}
MPEG4 = {"codec": "mpeg4", "options": {"g": "8"}}
FRONT = {"movflags": "faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
LYING: dict[str, dict[str, Any]] = {
    "mpeg4.mp4": MPEG4,
    "mpeg4.mov": MPEG4,
    "h264.mp4": {"options": {"g": "8", "bf": "2"}},
    "h264_long.mov": {"options": {"g": "250", "bf": "2"}},
    "intra_refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=8:bframes=0"}},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1:keyint=8:bframes=3"}},
    "hevc.mp4": HEVC,
    "vp9.mp4": {"codec": "libvpx-vp9", "options": {"g": "8"}},
    "h263.mov": {"codec": "h263", "size": (96, 128), "options": {"g": "8"}},
    "mpeg4.avi": MPEG4,
    "h264.avi": {"options": {"g": "8", "bf": "0"}},
    "mpeg4.mkv": MPEG4,
    "vp8.webm": {"codec": "libvpx", "options": {"g": "8"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "8"}},
    "h264.mkv": {"options": {"g": "8", "bf": "2"}},
}


def call_all_keyframes(data: bytes, name: str) -> bytes:
    """The file with a table of keyframes that is missing, or names every picture."""
    if name.endswith((".mp4", ".mov")):
        assert data.count(b"stss") == 1
        return data.replace(b"stss", b"free")
    changed = bytearray(data)
    if name.endswith(".avi"):
        start = data.rindex(b"idx1") + 8
        for at in range(start, len(data) - 15, 16):
            struct.pack_into("<I", changed, at + 4, 0x10)
        return bytes(changed)
    with av.open(io.BytesIO(data)) as container:
        for packet in container.demux(video=0):
            if packet.size:
                at = data.index(bytes(packet), packet.pos or 0)
                changed[at - 1] |= 0x80  # flags of a SimpleBlock
    return bytes(changed)


def name_other_keyframes(data: bytes) -> bytes:
    """An mp4 whose table of keyframes names other pictures than the right ones."""
    changed, at = bytearray(data), data.index(b"stss") + 8
    (count,) = struct.unpack_from(">I", data, at)
    assert count > 2
    struct.pack_into(f">{count}I", changed, at + 4, 1, *range(4, 3 * count, 3))
    return bytes(changed)


def check_at_random(data: bytes) -> None:
    """Any pictures are those that decoding from the start gives, with a manifest and without."""
    reference = decode_everything(data)
    draw = random.Random(0)
    entry = probe(data, media_id="r", file_name="r")
    assert entry.num_frames == len(reference)
    assert entry.notes == ()
    for packets in (entry.packets, None, read_packet_table(data, media_id="r")):
        with open_media(data, media_id="r", packets=packets) as decoder:
            for _ in range(5):
                wanted = draw.sample(range(len(reference)), 2)
                batch = decoder.frames_at(wanted, size=reference[0].shape[:2])  # as stored
                for index, picture in zip(wanted, batch.data, strict=True):
                    assert np.array_equal(picture, reference[index]), index


@pytest.mark.parametrize("name", LYING)
def test_keyframes_that_are_none(name: str, tmp_path: Path) -> None:
    data = make_video(tmp_path / name, num_frames=30, **LYING[name]).read_bytes()
    check_at_random(call_all_keyframes(data, name))


@pytest.mark.parametrize("name", ["mpeg4.mp4", "h264.mp4", "hevc.mp4", "vp9.mp4"])
def test_other_pictures_are_called_keyframes(name: str, tmp_path: Path) -> None:
    data = make_video(tmp_path / name, num_frames=30, **LYING[name]).read_bytes()
    check_at_random(name_other_keyframes(data))


def test_the_manifest_knows_the_true_keyframes(tmp_path: Path) -> None:
    data = make_video(tmp_path / "r.mp4", num_frames=32, **MPEG4).read_bytes()
    packets = probe(call_all_keyframes(data, "r.mp4"), media_id="r", file_name="r").packets
    assert packets is not None
    assert [place for place, is_start in enumerate(packets.is_keyframe) if is_start] == [0, 8, 16, 24]


def moving_pictures(count: int) -> list[Picture]:
    """Pictures with their number in the middle of something that moves, so that each needs those before."""
    texture = np.random.default_rng(0).integers(256, size=(24, 40, 3), dtype=np.uint8)
    pictures = []
    for number in range(count):
        picture = cv2.resize(np.roll(texture, number, axis=1), (160, 96)).astype(np.uint8)
        picture[16:80, :] = draw_index(number)
        pictures.append(picture)
    return pictures


def numbers_of(pictures: Picture) -> list[int]:
    return [read_index(picture[16:80]) for picture in pictures]


DAMAGED: dict[str, dict[str, Any]] = {
    "h264.mp4": {"options": {"g": "10", "bf": "2"}, "container_options": FRONT},
    "h264.mkv": {"options": {"g": "10", "bf": "2"}},
    "h264.ts": {"options": {"g": "10", "bf": "2"}},
    "h264.flv": {"options": {"g": "10"}},
    "h264.avi": {"options": {"g": "10", "bf": "0"}},
    "hevc.mkv": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=10"}},
    "hevc.ts": {"codec": "libx265", "options": {"x265-params": "log-level=none:keyint=10"}},
    "mpeg4.mp4": {"codec": "mpeg4", "options": {"g": "10"}, "container_options": FRONT},
    "vp8.webm": {"codec": "libvpx", "options": {"g": "10"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "10"}},
}


def check_what_is_left(data: bytes, whole: bytes) -> tuple[int, str]:
    """Pictures that are given out are those of the whole file at their times; their number, and the note."""
    entry = probe(data, media_id="r", file_name="r")
    with open_media(whole, media_id="r") as decoder:
        times = [round(seconds, 3) for seconds in decoder.pts_seconds.tolist()]
        reference = dict(zip(times, decoder.frames_at(range(len(times))).data, strict=True))
    with open_media(data, media_id="r", packets=entry.packets) as decoder:
        batch = decoder.frames_at(range(entry.num_frames))
        for seconds, picture in zip(batch.pts_seconds.tolist(), batch.data, strict=True):
            assert np.array_equal(picture, reference[round(seconds, 3)]), seconds
        backwards = range(entry.num_frames - 1, -1, -3)
        for index in backwards:  # alone, from its own keyframe
            assert np.array_equal(decoder.frames_at([index]).data[0], batch.data[index])
    return entry.num_frames, "; ".join(entry.notes)


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("share", [0.35, 0.6, 0.8])
def test_a_hole_in_the_middle(name: str, share: float, tmp_path: Path) -> None:
    """A block of the disk was never written. What is before it and behind the next keyframe is read."""
    arguments = {"num_frames": 40, "size": (96, 160), "pictures": moving_pictures(40), **DAMAGED[name]}
    whole = make_video(tmp_path / name, **arguments).read_bytes()
    start = int(len(whole) * share)
    damaged = whole[:start] + bytes(1024) + whole[start + 1024 :]
    count, note = check_what_is_left(damaged, whole)
    assert 5 <= count < 40
    assert "damaged" in note


@pytest.mark.parametrize(
    "name", [*DAMAGED, "fragments.mp4", "mpeg4.avi", "mpeg2.ts", "mpeg2.mpg", "wmv2.asf", "flv1.flv"]
)
@pytest.mark.parametrize("share", [0.6, 0.9])
def test_cut_off_recordings_are_read_to_their_last_picture(name: str, share: float, tmp_path: Path) -> None:
    more: dict[str, dict[str, Any]] = {
        "fragments.mp4": {"options": {"g": "10"}, "container_options": FRAGMENTS},
        "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "10", "bf": "2"}},
        "mpeg2.ts": {"codec": "mpeg2video", "fps": 25, "options": {"g": "10"}},
        "mpeg2.mpg": {"codec": "mpeg2video", "fps": 25, "options": {"g": "10"}},
        "wmv2.asf": {"codec": "wmv2", "options": {"g": "10"}},
        "flv1.flv": {"codec": "flv", "options": {"g": "10"}},
    }
    arguments = {"num_frames": 40, "size": (96, 160), "pictures": moving_pictures(40)}
    whole = make_video(tmp_path / name, **arguments, **{**DAMAGED, **more}[name]).read_bytes()
    end = int(len(whole) * share)
    end += end % 188 == 0  # a transport stream that ends with a packet looks whole
    count, note = check_what_is_left(whole[:end], whole)
    assert 40 * share * 0.3 < count < 40  # pictures differ in size, and there are headers and an index
    if not name.endswith(".mpg"):  # such streams have neither a length nor a mark of their end
        assert "cut off" in note


def test_the_note_names_the_last_picture(tmp_path: Path) -> None:
    path = make_video(tmp_path / "r.mkv", num_frames=40, options={"g": "8", "bf": "0"})
    data = path.read_bytes()
    entry = probe(data[: len(data) * 3 // 4], media_id="r", file_name="r")
    last = (entry.num_frames - 1) / 10
    assert len(entry.notes) == 1
    assert f"the last frame is at {last:.3f} s" in entry.notes[0]
    assert entry.duration_seconds == pytest.approx(last + 0.1)  # not the length of the header


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("r.mp4", {}, r"cut off.*index \(moov\) is missing"),
        ("r.mkv", {"options": {"g": "250"}}, "cut off"),
        ("r.webm", {"codec": "libvpx-vp9"}, "cut off"),
    ],
)
def test_cut_off_before_the_first_picture(
    name: str, arguments: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    whole = make_video(tmp_path / name, num_frames=20, size=(96, 160), **arguments).read_bytes()
    with pytest.raises(DecodeError, match=f"^login: .*{reason}") as caught:
        probe(whole[: len(whole) // 5], media_id="login", file_name=name)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("r.ts", {"options": {"g": "250", "bf": "0"}}),
        ("r.mkv", {"codec": "mpeg4", "options": {"g": "250"}}),
        ("r.webm", {"codec": "libvpx", "options": {"g": "250"}}),
        ("r.mp4", {**HEVC, "options": {"x265-params": "log-level=none:keyint=250"}}),
    ],
)
def test_a_recording_without_its_keyframe(name: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    path = make_video(tmp_path / f"whole_{name}", num_frames=20, **arguments)
    without_first(path, tmp_path / name, 2)
    with pytest.raises(DecodeError, match=r"^login: .*no keyframe"):
        probe((tmp_path / name).read_bytes(), media_id="login", file_name=name)


def test_a_capture_that_begins_anywhere(tmp_path: Path) -> None:
    """What is before the first keyframe is left out, and said."""
    path = make_video(tmp_path / "whole.ts", num_frames=24, options={"g": "8", "bf": "0"})
    without_first(path, tmp_path / "r.ts", 3)
    data = (tmp_path / "r.ts").read_bytes()
    entry = probe(data, media_id="r", file_name="r.ts")
    assert entry.num_frames == 16
    assert entry.notes == ("the first 5 frames precede the first keyframe and are left out",)
    with open_media(data, media_id="r", packets=entry.packets) as decoder:
        assert [read_index(picture) for picture in decoder.frames_at(range(16)).data] == list(range(8, 24))
        assert decoder.pts_seconds[0] == pytest.approx(0.5)


def without_first(source: Path, target: Path, count: int) -> None:
    """Copy a recording without its first packets."""
    with av.open(str(source)) as container, av.open(str(target), "w") as output:
        stream = output.add_stream_from_template(container.streams.video[0])
        for number, packet in enumerate(packet for packet in container.demux(video=0) if packet.size):
            if number >= count:
                packet.stream = stream
                output.mux(packet)


def test_a_compression_that_nobody_knows(tmp_path: Path) -> None:
    data = make_video(tmp_path / "r.mp4", num_frames=3).read_bytes().replace(b"avc1", b"evc1")
    with pytest.raises(DecodeError, match=r"^login: no decoder for .*\(evc1\)") as caught:
        probe(data, media_id="login", file_name="r.mp4")
    assert "ffmpeg" in (caught.value.hint or "")
