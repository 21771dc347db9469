"""Animated pictures against a naive drawing of their parts, as browsers draw them."""

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from clipbug.data.decoding.open import open_media
from clipbug.data.store.prepare import PrepareSettings, prepare
from clipbug.data.store.probe import probe
from clipbug.errors import DecodeError
from tests.helpers.picture_files import PNG_START, on_white, png_chunk, saved

KEEP, CLEAR, RESTORE = "keep", "clear", "restore"
_TABLE = np.random.default_rng(5).integers(256, size=(16, 3), dtype=np.uint8)


@dataclass
class Drawn:
    """One part: its place, its pixels (H, W, 4), and what happens to it."""

    left: int
    top: int
    pixels: NDArray[np.uint8]
    delay: int = 10  # hundredths
    disposal: str = KEEP
    is_blended: bool = True
    transparent: int = -1


def drawn_naively(size: tuple[int, int], parts: Sequence[Drawn]) -> list[NDArray[np.uint8]]:
    canvas = Image.new("RGBA", size)
    shown = []
    for part in parts:
        before, image = canvas.copy(), Image.fromarray(part.pixels)
        if part.is_blended:
            canvas.alpha_composite(image, (part.left, part.top))
        else:
            canvas.paste(image, (part.left, part.top))
        shown.append(on_white(canvas))
        if part.disposal == CLEAR:
            canvas.paste(
                (0, 0, 0, 0), (part.left, part.top, part.left + image.width, part.top + image.height)
            )
        elif part.disposal == RESTORE:
            canvas = before
    return shown


def gif(size: tuple[int, int], parts: Sequence[Drawn]) -> bytes:
    """A GIF whose background entry is a colour of its own, which nobody should see."""
    data = b"GIF89a" + struct.pack("<HHBBB", *size, 0xF3, 3, 0) + _TABLE.tobytes()
    for part in parts:
        numbers = part.pixels[..., 0] // 16
        codes = saved(_with_palette(numbers), "GIF", optimize=False)
        start = codes.index(b",\0\0\0\0" + struct.pack("<HH", *numbers.shape[::-1]))
        flags = codes[start + 9]
        body = codes[start + 10 + (3 << (flags & 7) + 1 if flags & 0x80 else 0) : -1]
        packed = {KEEP: 1, CLEAR: 2, RESTORE: 3}[part.disposal] << 2 | (part.transparent >= 0)
        data += b"!\xf9\x04" + struct.pack("<BHBB", packed, part.delay, max(part.transparent, 0), 0)
        data += struct.pack("<c4HB", b",", part.left, part.top, *numbers.shape[::-1], flags & 0x40) + body
    return data + b";"


def _with_palette(numbers: NDArray[np.uint8]) -> Image.Image:
    image = Image.frombytes("P", numbers.shape[::-1], numbers.tobytes())
    image.putpalette(bytes(reversed(range(256))) * 3)
    return image


def as_in_gif(part: Drawn) -> Drawn:
    """The part with the colours that its numbers (a sixteenth of the first channel) stand for."""
    numbers = part.pixels[..., 0] // 16
    alpha = np.where(numbers == part.transparent, 0, 255).astype(np.uint8)
    pixels = np.dstack([_TABLE[numbers], alpha])
    return Drawn(part.left, part.top, pixels, part.delay, part.disposal)


def apng(size: tuple[int, int], parts: Sequence[Drawn], *, has_default: bool = False) -> bytes:
    """An animated PNG, whose default picture may be none of the animation's."""

    def packed(pixels: NDArray[np.uint8]) -> bytes:
        return zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))

    data = PNG_START + png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0))
    data += png_chunk(b"acTL", struct.pack(">II", len(parts), 0))
    data += png_chunk(b"IDAT", packed(np.full((*size[::-1], 4), 77, np.uint8))) if has_default else b""
    number = 0
    for index, part in enumerate(parts):
        box = (*part.pixels.shape[1::-1], part.left, part.top)
        ends = ((KEEP, CLEAR, RESTORE).index(part.disposal), part.is_blended)
        data += png_chunk(b"fcTL", struct.pack(">5I2H2B", number, *box, part.delay, 100, *ends))
        number += 1
        if index == 0 and not has_default:
            data += png_chunk(b"IDAT", packed(part.pixels))
            continue
        data += png_chunk(b"fdAT", struct.pack(">I", number) + packed(part.pixels))
        number += 1
    return data + png_chunk(b"IEND", b"")


def random_parts(seed: int, *, first_is_whole: bool = False) -> tuple[tuple[int, int], list[Drawn]]:
    generator = np.random.default_rng(seed)
    width, height = (int(side) for side in generator.integers(3, 16, 2))
    parts = []
    for index in range(int(generator.integers(2, 8))):
        left, top, right, bottom = 0, 0, width, height
        if (index or not first_is_whole) and generator.random() < 0.7:
            left, top = int(generator.integers(width - 1)), int(generator.integers(height - 1))
            right, bottom = (
                int(generator.integers(left + 1, width + 1)),
                int(generator.integers(top + 1, height + 1)),
            )
        pixels = generator.integers(256, size=(bottom - top, right - left, 4), dtype=np.uint8)
        pixels[..., 3] = generator.choice([0, 80, 255], size=pixels.shape[:2])
        disposal = (KEEP, CLEAR, RESTORE)[generator.integers(3)]
        is_blended, transparent = bool(generator.integers(2)), int(generator.integers(-1, 16))
        delay = int(generator.integers(4))
        parts.append(Drawn(left, top, pixels, delay, disposal, is_blended, transparent if seed % 2 else -1))
    return (width, height), parts


def check(data: bytes, shown: Sequence[NDArray[np.uint8]], seconds: Sequence[float], tolerance: int) -> None:
    with open_media(data, media_id="a") as decoder:
        count = len(shown)
        pictures = decoder.frames_at(range(count)).data
        assert np.abs(pictures.astype(int) - np.array(shown)).max() <= tolerance
        order = [count - 1, 0, count // 2, 0]
        assert np.array_equal(decoder.frames_at(order).data, pictures[order])
        for index in range(count):
            assert np.array_equal(decoder.frames_at([index]).data[0], pictures[index])
        assert decoder.pts_seconds.tolist() == pytest.approx([0, *np.cumsum(seconds)[:-1]])
    entry = probe(data, media_id="a", file_name="a")
    assert (entry.kind, entry.num_frames) == ("video", count)
    assert entry.duration_seconds == pytest.approx(sum(seconds))
    assert (entry.height, entry.width) == shown[0].shape[:2]


def browser_seconds(parts: Sequence[Drawn]) -> list[float]:
    return [part.delay / 100 if part.delay > 1 else 0.1 for part in parts]


@pytest.mark.parametrize("seed", range(16))
def test_gif(seed: int) -> None:
    size, parts = random_parts(seed)
    shown = drawn_naively(size, [as_in_gif(part) for part in parts])
    check(gif(size, parts), shown, browser_seconds(parts), 0)


@pytest.mark.parametrize("disposal", [KEEP, CLEAR, RESTORE])
@pytest.mark.parametrize("transparent", [-1, 3])
def test_single_gif_that_covers_a_part(disposal: str, transparent: int) -> None:
    part = Drawn(1, 2, np.full((2, 3, 4), 255, np.uint8), 0, disposal, transparent=transparent)
    data = gif((6, 5), [part])
    with open_media(data, media_id="a") as decoder:
        picture = decoder.frames_at([0]).data[0]
    assert np.array_equal(picture, drawn_naively((6, 5), [as_in_gif(part)])[0])
    assert probe(data, media_id="a", file_name="a.gif").kind == "image"


def test_gif_without_a_canvas() -> None:
    part = Drawn(0, 0, np.full((4, 4, 4), 255, np.uint8))
    data = bytearray(gif((4, 4), [part, part]))
    data[6:10] = bytes(4)
    assert probe(bytes(data), media_id="a", file_name="a.gif").width == 4


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("has_default", [False, True])
def test_png(seed: int, has_default: bool) -> None:
    size, parts = random_parts(seed, first_is_whole=True)
    # alpha over alpha is rounded at other steps than Pillow's
    check(apng(size, parts, has_default=has_default), drawn_naively(size, parts), browser_seconds(parts), 3)


@pytest.mark.parametrize("options", [{"lossless": True, "exact": True}, {"quality": 100}])
def test_webp(options: dict[str, bool | int]) -> None:
    generator = np.random.default_rng(0)
    images = []
    for _ in range(6):
        pixels = generator.integers(256, size=(6, 8, 4), dtype=np.uint8)
        pixels[..., 3] = generator.choice([0, 128, 255], size=pixels.shape[:2])
        images.append(Image.fromarray(pixels).resize((48, 36)))
    milliseconds = [100, 5, 10, 11, 0, 40]
    data = saved(images[0], "WEBP", save_all=True, append_images=images[1:], duration=milliseconds, **options)
    shown = []
    with Image.open(io.BytesIO(data)) as animation:
        for index in range(6):
            animation.seek(index)
            shown.append(on_white(animation))
    check(data, shown, [0.1, 0.1, 0.1, 0.011, 0.1, 0.04], 3)


def test_avif_sequence() -> None:
    red, green = Image.new("RGBA", (32, 16), (255, 0, 0, 255)), Image.new("RGBA", (32, 16), (0, 255, 0, 128))
    options = {"save_all": True, "append_images": [green], "duration": [5, 300], "quality": 100}
    data = saved(red, "AVIF", **options)
    check(data, [on_white(red), on_white(green)], [0.1, 0.3], 3)  # AVIF loses a level or two


_IROT, _IMIR = (struct.pack(">I4s", 9, name) for name in (b"irot", b"imir"))


@pytest.mark.parametrize(
    ("properties", "orientation"),
    [
        (_IROT + b"\1", 8),
        (_IROT + b"\2", 3),
        (_IROT + b"\3", 6),
        (_IMIR + b"\0", 4),
        (_IMIR + b"\1", 2),
        (_IROT + b"\1" + _IMIR + b"\0", 5),
        (_IROT + b"\1" + _IMIR + b"\1", 7),
    ],
)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_turned_avif_sequence(properties: bytes, orientation: int, mode: str) -> None:
    pixels = np.zeros((16, 32, 4), np.uint8)
    pixels[:8, :16], pixels[:8, 16:], pixels[8:, :16] = (255, 0, 0, 255), (0, 255, 0, 128), (0, 0, 255, 255)
    image = Image.fromarray(pixels).convert(mode)
    options = {"save_all": True, "append_images": [image], "duration": 200, "quality": 100}
    data = saved(image, "AVIF", subsampling="4:4:4", **options)
    start = data.index(b"moov") - 4
    movie = data[start : start + int.from_bytes(data[start : start + 4])]
    # the new index goes to the end, so that no place of a picture changes
    data = data[: start + 4] + b"free" + data[start + 8 :] + _with_properties(movie, properties)
    image.getexif()[0x0112] = orientation
    upright = on_white(ImageOps.exif_transpose(image))
    check(data, [upright, upright], [0.2, 0.2], 4)  # AVIF loses a level or two


def _with_properties(box: bytes, properties: bytes) -> bytes:
    """A box of an index, with properties behind the description of each stream of AV1."""
    starts = dict.fromkeys((b"moov", b"trak", b"mdia", b"minf", b"stbl"), 8) | {b"stsd": 16, b"av01": 86}
    if (position := starts.get(box[4:8], 0)) == 0:
        return box
    grown = box[:position]
    while position < len(box):
        size = int.from_bytes(box[position : position + 4])
        grown += _with_properties(box[position : position + size], properties)
        position += size
    grown += properties if box[4:8] == b"av01" else b""
    return struct.pack(">I", len(grown)) + grown[4:]


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "AVIF"])
def test_prepared_form(file_format: str) -> None:
    images = [Image.new("RGB", (32, 16), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    data = saved(images[0], file_format, save_all=True, append_images=images[1:], duration=[100, 200, 300])
    entry, form = prepare(data, probe(data, media_id="a", file_name="a"), PrepareSettings(16))
    assert form
    assert entry.prepared is not None
    assert (entry.prepared.num_pictures, entry.prepared.height, entry.prepared.width) == (3, 8, 16)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_cut_off(file_format: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(256, size=(3, 16, 16, 3), dtype=np.uint8)
    images = [Image.fromarray(pixels) for pixels in noise]
    whole = saved(images[0], file_format, save_all=True, append_images=images[1:], duration=100)
    with pytest.raises(DecodeError, match=r"^login: "):
        probe(whole[: int(len(whole) * share)], media_id="login", file_name="login")


def test_damaged_part_is_named_by_its_time() -> None:
    size, parts = (8, 8), [Drawn(0, 0, np.full((8, 8, 4), 16 * index, np.uint8)) for index in range(3)]
    data = bytearray(gif(size, parts))
    last = data.rindex(b",\0\0\0\0")
    data[last + 10] = 31  # more bits in a code than there can be
    with pytest.raises(DecodeError, match=r"^login: the frame at 0\.200 s"):
        probe(bytes(data), media_id="login", file_name="login.gif")


def test_missing_pictures_of_a_png() -> None:
    size, parts = (8, 8), [Drawn(0, 0, np.full((8, 8, 4), 16 * index, np.uint8)) for index in range(3)]
    data = apng(size, parts).replace(
        png_chunk(b"acTL", struct.pack(">II", 3, 0)), png_chunk(b"acTL", struct.pack(">II", 4, 0))
    )
    with pytest.raises(DecodeError, match="declares 4 frames and has 3"):
        probe(data, media_id="login", file_name="login.png")


def test_huge_canvas() -> None:
    data = gif((65535, 65535), [Drawn(0, 0, np.zeros((2, 2, 4), np.uint8))] * 2)
    with pytest.raises(DecodeError, match="65535 x 65535 pixels"):
        probe(data, media_id="login", file_name="login.gif")
