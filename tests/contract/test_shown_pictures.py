"""Recordings as a screen shows them: upright, unmirrored, in the right colours, in the right shape.

Each recording shows four colours, one in each corner, so a picture tells by itself which way it lies.
"""

import io
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import product
from typing import cast

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from numpy.typing import NDArray

from clipbug.data.decoding.open import open_media
from clipbug.data.decoding.picture_sizes import _vp9_size, coded_sizes
from clipbug.data.decoding.prepared import PreparedDecoder
from clipbug.data.decoding.pyav import PyAvDecoder
from clipbug.data.media import MediaEntry
from clipbug.data.store.prepare import PrepareSettings, prepare
from clipbug.data.store.probe import probe
from clipbug.errors import DecodeError

Picture = NDArray[np.uint8]
Size = tuple[int, int]

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)
COLOURS = {"R": RED, "G": GREEN, "B": BLUE, "Y": YELLOW}
LANDSCAPE = (64, 96)
LOSSY = 8  # levels that coding at good quality and rounding to 8 bit YUV cost
BT709, BT601, BT2020 = 1, 5, 9
HLG, PQ = 18, 16
ONE = 1 << 16

Orientation = tuple[bool, bool, bool]
"""Transposed, then flipped left to right, then top to bottom."""
ORIENTATIONS: list[Orientation] = list(product((False, True), repeat=3))


@dataclass(frozen=True)
class Maker:
    """How a recording is made.

    Attributes:
        sizes: (height, width) of the pictures, one after the other; a run of equal ones has one encoder.
        tags: matrix, range and the like, written into the stream and the container.
    """

    codec: str = "libx264"
    container: str = "mp4"
    sizes: tuple[Size, ...] = (LANDSCAPE, LANDSCAPE)
    pixels: str = "yuv420p"
    options: dict[str, str] = field(default_factory=dict)
    orientation: Orientation | None = None
    pixel_aspect: Fraction | None = None
    tags: dict[str, int] = field(default_factory=dict)

    def make(self, pictures: Sequence[NDArray[np.uint8] | NDArray[np.uint16]] | None = None) -> bytes:
        """The file; shows the four corners unless `pictures` are given."""
        file = io.BytesIO()
        shown = pictures or [corners(size) for size in self.sizes]
        with av.open(file, "w", format=self.container) as container:
            stream = cast(av.VideoStream, container.add_stream(self.codec, rate=10))
            encoders = [cast(av.VideoCodecContext, stream.codec_context)]
            if self.orientation is not None:
                stream.set_display_matrix(matrix(self.orientation))
            if self.sizes != self.sizes[:1] * len(self.sizes):
                encoders = []
            self._set_up(stream.codec_context, self.sizes[0])
            before: Size | None = None if not encoders else self.sizes[0]
            packets: list[av.Packet] = []
            for index, (size, picture) in enumerate(zip(self.sizes, shown, strict=True)):
                if size != before:
                    packets += encoders[-1].encode(None) if encoders else []
                    encoders.append(cast(av.VideoCodecContext, av.CodecContext.create(self.codec, "w")))
                    self._set_up(encoders[-1], size)
                    before = size
                packets += encoders[-1].encode(self._frame(picture, index))
            for packet in packets + encoders[-1].encode(None):
                packet.stream, packet.time_base = stream, Fraction(1, 10)
                container.mux(packet)
        return file.getvalue()

    def _set_up(self, encoder: av.VideoCodecContext, size: Size) -> None:
        encoder.height, encoder.width = size
        encoder.pix_fmt, encoder.framerate, encoder.time_base = self.pixels, Fraction(10), Fraction(1, 10)
        encoder.thread_count = 1
        encoder.options = dict(self.options)
        if self.codec == "libx265":
            encoder.options = {"x265-params": "log-level=none:repeat-headers=1:bframes=0"}
        if self.pixel_aspect is not None:
            encoder.sample_aspect_ratio = self.pixel_aspect
        for name, value in self.tags.items():
            setattr(encoder, name, value)

    def _frame(self, picture: NDArray[np.uint8] | NDArray[np.uint16], index: int) -> av.VideoFrame:
        pixels = "rgb48le" if picture.dtype == np.uint16 else {3: "rgb24", 4: "rgba"}[picture.shape[2]]
        matrix_name = {BT709: "ITU709", BT601: "ITU601", BT2020: "BT2020"}.get(
            self.tags.get("colorspace", BT601)
        )
        frame = av.VideoFrame.from_ndarray(picture, format=pixels).reformat(
            format=self.pixels, dst_colorspace=matrix_name, dst_color_range=self.tags.get("color_range", 0)
        )
        for name, value in self.tags.items():
            setattr(frame, name, value)
        frame.pts, frame.time_base = index, Fraction(1, 10)
        return frame


def corners(size: Size = LANDSCAPE) -> Picture:
    """Red, green / blue, yellow."""
    picture = np.empty((*size, 3), np.uint8)
    height, width = size[0] // 2, size[1] // 2
    picture[:height, :width], picture[:height, width:] = RED, GREEN
    picture[height:, :width], picture[height:, width:] = BLUE, YELLOW
    return picture


def stripes(colours: Sequence[Sequence[float]], dtype: type = np.uint8) -> NDArray[np.uint8]:
    """Colours from left to right, 16 pixels each."""
    return np.repeat(np.repeat(np.array([colours], dtype), 16, axis=1), 64, axis=0)


def middles(picture: Picture) -> NDArray[np.int64]:
    """The colours of stripes."""
    return picture[32, 8::16].astype(np.int64)


def matrix(orientation: Orientation) -> list[int]:
    """The display matrix, in FFmpeg's order."""
    is_transposed, flips_x, flips_y = orientation
    x, y = -ONE if flips_x else ONE, -ONE if flips_y else ONE
    return [0, y, 0, x, 0, 0, 0, 0, 1 << 30] if is_transposed else [x, 0, 0, 0, y, 0, 0, 0, 1 << 30]


def laid(picture: Picture, orientation: Orientation) -> Picture:
    """What a player shows of the picture."""
    is_transposed, flips_x, flips_y = orientation
    upright = picture.swapaxes(0, 1) if is_transposed else picture
    upright = upright[:, ::-1] if flips_x else upright
    return upright[::-1] if flips_y else upright


def names(picture: Picture) -> str:
    """The colours of the corners, row by row."""
    height, width = picture.shape[:2]
    found = ""
    for y, x in product((height // 5, height * 4 // 5), (width // 5, width * 4 // 5)):
        colour = picture[y, x].astype(int)
        near = [name for name, wanted in COLOURS.items() if abs(colour - wanted).max() <= LOSSY]
        found += near[0] if near else "?"
    return found


def all_pictures(data: bytes, size: Size | None = None) -> NDArray[np.uint8]:
    with open_media(data, media_id="r") as decoder:
        return decoder.frames_at(range(decoder.metadata.num_frames), size=size).data


def looked_at(data: bytes) -> MediaEntry:
    return probe(data, media_id="r", file_name="r")


def prepared_pictures(data: bytes, longer_side: int) -> tuple[MediaEntry, NDArray[np.uint8]]:
    """What `ingest --prepare` keeps."""
    entry, form = prepare(data, looked_at(data), PrepareSettings(longer_side=longer_side))

    def read(slices: Iterable[tuple[int, int]]) -> list[bytes]:
        return [form[start:end] for start, end in slices]

    with PreparedDecoder(entry, read) as decoder:
        return entry, decoder.frames_at(range(decoder.metadata.num_frames)).data


WITH_MATRIX = [
    Maker("libx264", "mp4"),
    Maker("libx264", "mov"),
    Maker("libx264", "matroska"),
    Maker("libx265", "mp4"),
    Maker("libx265", "matroska"),
    Maker("libvpx", "webm"),
    Maker("libvpx-vp9", "webm"),
    Maker("libvpx-vp9", "mp4"),
    Maker("libsvtav1", "mp4"),
    Maker("libsvtav1", "matroska"),
    Maker("mpeg4", "mov"),
    Maker("mjpeg", "mov", pixels="yuvj420p"),
    Maker("qtrle", "mov", pixels="argb"),
]


def name_of(maker: Maker) -> str:
    return f"{maker.codec}-{maker.container}"


@pytest.mark.parametrize("maker", WITH_MATRIX, ids=name_of)
def test_all_orientations(maker: Maker) -> None:
    for orientation in ORIENTATIONS:
        data = replace(maker, orientation=orientation).make()
        expected = laid(corners(), orientation)
        entry = looked_at(data)
        assert (entry.height, entry.width) == expected.shape[:2]
        for picture in all_pictures(data):
            assert picture.shape == expected.shape
            assert names(picture) == names(expected), orientation


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_prepared_pictures_are_upright(orientation: Orientation) -> None:
    _, pictures = prepared_pictures(Maker(orientation=orientation).make(), longer_side=48)
    expected = laid(corners((32, 48)), orientation)
    assert pictures.shape[1:] == expected.shape
    assert {names(picture) for picture in pictures} == {names(expected)}


@pytest.mark.parametrize("container", ["matroska", "avi", "flv"])
def test_orientation_that_the_codec_gives(container: str) -> None:
    """H.264 can say it in its own stream: any container."""
    file = io.BytesIO()
    with av.open(io.BytesIO(Maker().make())) as source, av.open(file, "w", format=container) as target:
        stream = source.streams.video[0]
        change = BitStreamFilterContext("h264_metadata=display_orientation=insert:flip=horizontal", stream)
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            for changed in change.filter(packet) if packet.size else ():
                changed.stream = copy
                target.mux(changed)
    assert {names(picture) for picture in all_pictures(file.getvalue())} == {"GRYB"}


@pytest.mark.parametrize("colour_range", [0, 1, 2], ids=["no_range", "limited", "full"])
@pytest.mark.parametrize("colour_matrix", [2, BT709, BT601], ids=["no_matrix", "bt709", "bt601"])
@pytest.mark.parametrize(
    "maker",
    [
        Maker("libx264", "mp4"),
        Maker("libx264", "mpegts"),
        Maker("libx265", "mp4"),
        Maker("libvpx-vp9", "webm"),
        Maker("libsvtav1", "matroska"),
        Maker("libvpx", "webm"),
    ],
    ids=name_of,
)
def test_matrix_and_range_of_the_tags(maker: Maker, colour_matrix: int, colour_range: int) -> None:
    tags = {"colorspace": colour_matrix} if colour_matrix != 2 else {}
    tags |= {"color_range": colour_range} if colour_range else {}
    colours = [RED, GREEN, BLUE, YELLOW, (255, 255, 255), (0, 0, 0), (128, 128, 128), (0, 255, 255)]
    data = replace(maker, tags=tags, sizes=((64, 128),) * 2).make([stripes(colours)] * 2)
    shown = middles(all_pictures(data)[1])
    # VP8 at its usual rate spends few bits on colour where stripes meet.
    assert abs(shown - colours).max() <= (24 if maker.codec == "libvpx" else LOSSY)


SDR = [(255, 255, 255), (128, 128, 128), RED, GREEN, BLUE, YELLOW, (0, 0, 0), (64, 128, 192)]


def hdr_signal(transfer: int, colours: Sequence[Sequence[int]] = SDR) -> NDArray[np.uint16]:
    """Colours of an SDR screen within an HDR picture: white at 203 cd/m² or 75 % of HLG (ITU-R BT.2408)."""
    encoded = np.array(colours) / 255
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    light = light @ np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.088, 0.8956]]).T
    if transfer == PQ:
        power = (light * 203 / 10_000) ** 0.1593017578125
        signal = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = light * (np.exp((0.75 - c) / a) + b) / 12
        signal = np.where(
            scene <= 1 / 12, np.sqrt(3 * scene), a * np.log(np.maximum(12 * scene - b, 1e-9)) + c
        )
    return np.repeat(np.repeat(np.rint(signal[None] * 65535).astype(np.uint16), 16, axis=1), 64, axis=0)


@pytest.mark.parametrize("transfer", [HLG, PQ], ids=["hlg", "pq"])
@pytest.mark.parametrize(
    "maker",
    [
        Maker("libx265", "mp4", pixels="yuv420p10le"),
        Maker("libx265", "matroska", pixels="yuv420p10le"),
        Maker("libx264", "mov", pixels="yuv420p10le"),
        Maker("libx264", "mpegts", pixels="yuv420p10le"),
        Maker("libsvtav1", "webm", pixels="yuv420p10le"),
        Maker("libsvtav1", "mp4", pixels="yuv420p10le"),
        Maker("libvpx-vp9", "webm"),
        Maker("libvpx-vp9", "mp4"),
    ],
    ids=name_of,
)
def test_hdr_is_shown_in_sdr(maker: Maker, transfer: int) -> None:
    tags = {"color_trc": transfer, "color_primaries": 9, "colorspace": BT2020, "color_range": 1}
    signal = hdr_signal(transfer)
    data = replace(maker, tags=tags, sizes=((64, 128),) * 2).make(cast(list[Picture], [signal, signal]))
    shown = middles(all_pictures(data)[1])
    # Greys to a few levels (8 bit are coarse for PQ); near 0, coding errors of pure colours grow.
    assert abs(shown - SDR)[[0, 1, 6, 7]].max() <= 6
    assert abs(shown - SDR).max() <= 40
    _, kept = prepared_pictures(data, longer_side=64)
    assert abs(kept[1][16, 4::8].astype(int) - SDR)[[0, 1]].max() <= 12  # JPEG's share comes on top


def test_display_p3_is_shown_in_srgb() -> None:
    """The red of an SDR screen, stored in the wider colours of Apple's displays."""
    red_in_p3 = (234, 51, 35)
    maker = Maker(
        "libx264", "mov", ((64, 128),), "yuv444p", tags={"colorspace": BT709, "color_primaries": 12}
    )
    shown = middles(all_pictures(maker.make([stripes([red_in_p3] * 8)]))[0])
    assert abs(shown[0] - RED).max() <= LOSSY


def test_colours_that_cannot_be_converted_are_named() -> None:
    data = Maker(tags={"colorspace": 14}).make()  # ICtCp
    with (
        open_media(data, media_id="r") as decoder,
        pytest.raises(DecodeError, match="unsupported colour matrix 14"),
    ):
        decoder.frames_at([0])


TURNED = ((64, 96),) * 3 + ((96, 64),) * 3 + ((128, 192),) * 2
CHANGING = [
    Maker("libx264", "mp4", TURNED),
    Maker("libx264", "matroska", TURNED),
    Maker("libx264", "mpegts", TURNED),
    Maker("libx265", "matroska", TURNED),
    Maker("libx265", "mpegts", TURNED),
    Maker("libvpx", "webm", TURNED),
    Maker("libvpx", "matroska", TURNED),
    Maker("libvpx-vp9", "webm", TURNED),
    Maker("libvpx-vp9", "mp4", TURNED),
    Maker("libsvtav1", "webm", TURNED),
    Maker("mpeg4", "avi", TURNED),
    Maker("mjpeg", "matroska", TURNED, "yuvj420p"),
]


@pytest.mark.parametrize("maker", CHANGING, ids=name_of)
def test_pictures_of_another_shape_keep_it(maker: Maker) -> None:
    data = maker.make()
    entry = looked_at(data)
    assert (entry.width, entry.height) == (96, 64)
    assert entry.other_sizes == ((64, 96), (192, 128))
    pictures = all_pictures(data)
    assert [names(pictures[index]) for index in (0, 2, 6, 7)] == ["RGBY"] * 4  # the last ones fill it too
    for picture in pictures[3:6]:
        # 64 x 96 in a height of 64 is 43 wide, in the middle
        assert names(picture[:, 26:69]) == "RGBY"
        assert picture[:, :24].max() == picture[:, 71:].max() == 0
    half = all_pictures(data, size=(32, 48))[4]
    assert names(half[:, 13:34]) == "RGBY"
    assert half[:, :12].max() == half[:, 36:].max() == 0


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9", "libsvtav1"])
def test_size_is_that_of_the_first_picture(codec: str) -> None:
    """Recorders of calls write a header before they know the size."""
    data = Maker(codec, "webm").make()
    wrong = data.replace(b"\xb0\x81\x60\xba\x81\x40", b"\xb0\x81\x20\xba\x81\x30", 1)
    assert wrong != data
    entry = looked_at(wrong)
    assert (entry.width, entry.height, entry.other_sizes) == (96, 64, ())
    assert {names(picture) for picture in all_pictures(wrong)} == {"RGBY"}


def test_prepared_pictures_of_another_shape_keep_it() -> None:
    entry, pictures = prepared_pictures(Maker("libvpx", "webm", TURNED).make(), longer_side=96)
    assert entry.other_sizes == ((64, 96), (192, 128))
    # JPEG's blocks of 8 pixels blur the edge of the bars
    assert pictures[4][:, :20].max() <= LOSSY
    assert pictures[4][12, 37].tolist() == pytest.approx(RED, abs=2 * LOSSY)


@pytest.mark.parametrize("maker", WITH_MATRIX, ids=name_of)
def test_one_size_is_no_change(maker: Maker) -> None:
    assert looked_at(maker.make()).other_sizes == ()


def test_size_within_a_turned_recording() -> None:
    """The sizes that are told are those that are shown."""
    maker = Maker("libx264", "mp4", orientation=(True, True, False))
    data = replace(maker, sizes=(LANDSCAPE,) * 2).make()
    with PyAvDecoder(data, media_id="r") as decoder:
        assert (decoder.metadata.width, decoder.metadata.height) == (64, 96)
        assert decoder.other_sizes() == ()
    assert coded_sizes(data, media_id="r") == []  # H.264 in mp4 says it in the file's header only


@pytest.mark.parametrize(
    ("bits", "size"),
    [
        ("10 00 0 0 1 0" + f"{0x498342:024b}" + "001 0" + f"{95:016b}{63:016b}", (64, 96)),
        ("10 00 0 1 1 0 00 00000000 000000000000 000" + f"{319:016b}{179:016b}", (180, 320)),
        ("10 00 0 1 1 0 00 00000000 000000000000 01" + f"{319:016b}{179:016b}", None),
        ("10 00 0 1 0 0 1 00" + f"{0x498342:024b}" + "00000000" + f"{31:016b}{15:016b}", (16, 32)),
        ("10 00 1 000", None),
        ("10 00 0 0 1 0" + f"{0x498342:024b}" + "001 0", None),
    ],
    ids=["keyframe", "new_size", "size_of_another", "intra", "repeats_another", "cut_off"],
)
def test_size_in_a_vp9_header(bits: str, size: Size | None) -> None:
    """VP9 may change its size at any picture, which the encoder at hand never does."""
    digits = bits.replace(" ", "")
    digits += "0" * (-len(digits) % 8)
    assert _vp9_size(int(digits, 2).to_bytes(len(digits) // 8, "big")) == size


WIDE = Fraction(2)
WITH_ASPECT = [
    Maker("libx264", "mp4"),
    Maker("libx264", "mov"),
    Maker("libx264", "matroska"),
    Maker("libx264", "mpegts"),
    Maker("libx264", "avi"),
    Maker("libx264", "flv"),
    Maker("libx265", "mp4"),
    Maker("libx265", "mpegts"),
    Maker("libvpx-vp9", "mp4"),
    Maker("libsvtav1", "mp4"),
    Maker("mpeg4", "avi"),
    Maker("mpeg4", "matroska"),
    Maker("mjpeg", "avi", pixels="yuvj420p"),
    Maker("prores_ks", "mov", pixels="yuv422p10le"),
]


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(Fraction(2), (64, 192)), (Fraction(1, 2), (128, 96)), (Fraction(4, 3), (64, 128))],
    ids=["2_to_1", "1_to_2", "4_to_3"],
)
@pytest.mark.parametrize("maker", WITH_ASPECT, ids=name_of)
def test_pixels_that_are_not_square(maker: Maker, aspect: Fraction, size: Size) -> None:
    data = replace(maker, pixel_aspect=aspect).make()
    entry = looked_at(data)
    assert (entry.height, entry.width) == size
    pictures = all_pictures(data)
    assert pictures.shape[1:3] == size
    assert {names(picture) for picture in pictures} == {"RGBY"}


def test_display_width_of_matroska() -> None:
    data = Maker("libx264", "matroska").make()
    with_width = data.replace(b"\x54\xb2\x81\x04", b"\x54\xb0\x81\xc0", 1)  # in place of an unknown unit
    entry = looked_at(with_width)
    assert (entry.width, entry.height) == (192, 64)
    assert names(all_pictures(with_width)[1]) == "RGBY"


@pytest.mark.parametrize("codec", ["libvpx", "mpeg4", "mjpeg"])
def test_aspect_in_the_header_of_avi(codec: str) -> None:
    """The chunk `vprp` says that the recording is shown as 3 to 1."""
    data = bytearray(Maker(codec, "avi", pixels="yuvj420p" if codec == "mjpeg" else "yuv420p").make())
    place = data.index(b"JUNK")
    values = (0, 0, 0, 96, 64, 3 << 16 | 1, 96, 64, 1)
    data[place : place + 4] = b"vprp"
    struct.pack_into("<9I", data, place + 8, *values)
    entry = looked_at(bytes(data))
    assert (entry.width, entry.height) == (192, 64)
    assert names(all_pictures(bytes(data))[1]) == "RGBY"


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9", "libsvtav1"])
def test_display_width_of_webm(codec: str) -> None:
    """Its colours make room for it in the header: 192 shown of 96 stored."""
    data = Maker(codec, "webm", tags={"colorspace": BT601}).make()
    with_width = data.replace(b"\x55\xb0\x84\x55\xb1\x81", b"\x54\xb0\x81\xc0\xec\x81", 1)
    if with_width == data:  # more colours are written of this codec
        place = data.index(b"\x55\xb0")
        room = 3 + (data[place + 2] & 0x7F)
        with_width = data[:place] + bytes.fromhex("54b081c0ec") + bytes([0x80 | room - 6]) + data[place + 6 :]
    entry = looked_at(with_width)
    assert (entry.width, entry.height) == (192, 64)
    assert names(all_pictures(with_width)[1]) == "RGBY"


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_pixels_that_are_not_square_in_a_turned_recording(orientation: Orientation) -> None:
    data = Maker("libx264", "mp4", orientation=orientation, pixel_aspect=WIDE).make()
    expected = laid(corners((64, 192)), orientation)
    picture = all_pictures(data)[0]
    assert picture.shape == expected.shape
    assert names(picture) == names(expected)


def test_prepared_pictures_have_the_shape_that_is_shown() -> None:
    _, pictures = prepared_pictures(Maker(pixel_aspect=WIDE).make(), longer_side=96)
    assert pictures.shape[1:3] == (32, 96)
    assert names(pictures[0]) == "RGBY"


def test_pixels_of_no_shape_are_named() -> None:
    data = bytearray(Maker(pixel_aspect=WIDE).make())
    place = data.index(b"pasp") + 4
    data[place : place + 8] = (200).to_bytes(4, "big") + (1).to_bytes(4, "big")
    with pytest.raises(DecodeError, match="implausible pixel aspect ratio"):
        open_media(bytes(data), media_id="r")


ALPHA = [
    Maker("libvpx", "webm", options={"auto-alt-ref": "0", "g": "8"}),
    Maker("libvpx", "matroska", options={"auto-alt-ref": "0", "g": "8"}),
    Maker("libvpx-vp9", "webm", options={"auto-alt-ref": "0", "g": "8"}),
    Maker("libvpx-vp9", "webm", options={"auto-alt-ref": "1", "lag-in-frames": "16", "g": "8"}),
    Maker("libvpx-vp9", "matroska", options={"g": "8"}),
]


def alpha_pictures() -> list[Picture]:
    """Green of more and more alpha in the left half, opaque red in the right one."""
    pictures = []
    for index in range(20):
        picture = np.full((*LANDSCAPE, 4), (255, 0, 0, 255), np.uint8)
        picture[:, :48] = (0, 255, 0, index * 10)
        pictures.append(picture)
    return pictures


@pytest.mark.parametrize(
    "maker", ALPHA, ids=lambda maker: "-".join((name_of(maker), *maker.options.values()))
)
def test_alpha_of_webm_is_blended_on_white(maker: Maker) -> None:
    data = replace(maker, pixels="yuva420p", sizes=(LANDSCAPE,) * 20).make(alpha_pictures())
    pictures = all_pictures(data)
    for index, picture in enumerate(pictures):
        assert picture[32, 24].tolist() == pytest.approx([255 - 10 * index, 255, 255 - 10 * index], abs=LOSSY)
        assert picture[32, 72].tolist() == pytest.approx(RED, abs=LOSSY)
    with open_media(data, media_id="r") as decoder:
        for index in (19, 3, 9, 8, 16, 0, 11):  # keyframes are found by going back and forth
            assert np.array_equal(decoder.frames_at([index]).data[0], pictures[index])
        assert decoder.frames_at([0], size=(16, 24)).data[0, 8, 6].tolist() == [255, 255, 255]


def test_alpha_whose_keyframes_are_elsewhere() -> None:
    """Colours may start anew where alpha does not: then it takes a longer way, never another alpha."""
    makers = [replace(ALPHA[2], options={"auto-alt-ref": "0", "g": group}) for group in ("5", "100")]
    files = [
        replace(maker, pixels="yuva420p", sizes=(LANDSCAPE,) * 20).make(alpha_pictures()) for maker in makers
    ]
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(files[0])) as colours,
        av.open(io.BytesIO(files[1])) as alphas,
        av.open(file, "w", format="webm") as target,
    ):
        stream = target.add_stream_from_template(colours.streams.video[0])
        for packet, other in zip(colours.demux(video=0), alphas.demux(video=0), strict=True):
            if packet.size:
                packet.set_sidedata(other.get_sidedata("matroska_block_additional"))
                packet.stream = stream
                target.mux(packet)
    with open_media(file.getvalue(), media_id="r") as decoder:
        assert isinstance(decoder, PyAvDecoder)
        assert sum(decoder.packets.is_keyframe) == 4
        for index in (12, 19, 6):
            level = 255 - 10 * index
            shown = decoder.frames_at([index]).data[0, 32, 24].tolist()
            assert shown == pytest.approx([level, 255, level], abs=LOSSY)
