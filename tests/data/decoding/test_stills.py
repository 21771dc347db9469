"""Still pictures are read as viewers show them: each compared with Pillow's answer or the format's rule."""

import io
import itertools
import struct
import zlib

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from clipbug.data.decoding.open import open_media
from clipbug.data.store.probe import probe
from clipbug.errors import DecodeError
from tests.helpers.picture_files import PNG_START, bmp, on_white, png, png_chunk, saved, tiff

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 160, 0), (0, 0, 255), (255, 255, 0)
P3_RED = (234, 51, 35)  # of Display P3: what sRGB's red is in it
_ORIENTATION = 0x0112
_LOSSLESS = {"WEBP": {"lossless": True, "exact": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}


def only_picture(data: bytes) -> NDArray[np.int64]:
    with open_media(data, media_id="shot") as decoder:
        return decoder.frames_at([0]).data[0].astype(np.int64)


def corners(mode: str = "RGBA") -> Image.Image:
    """24 x 16 with another colour and alpha in each corner."""
    pixels = np.zeros((16, 24, 4), np.uint8)
    pixels[:8, :12], pixels[:8, 12:] = (*RED, 255), (*GREEN, 128)
    pixels[8:, :12], pixels[8:, 12:] = (*BLUE, 40), (*YELLOW, 255)
    image = Image.fromarray(pixels)
    if mode == "P":
        return image.convert("RGB").quantize(8)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image if mode == "RGBA" else image.convert("LA" if mode == "LA" else "RGB").convert(mode)


def display_p3() -> bytes:
    """An ICC profile of Display P3: lcms makes sRGB's, whose colours are then exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    columns = {  # XYZ under D50, from Apple's profile
        b"rXYZ": (0.51512, 0.2412, -0.00105),
        b"gXYZ": (0.29198, 0.69225, 0.04189),
        b"bXYZ": (0.1571, 0.06657, 0.78407),
    }
    for number in range(int.from_bytes(profile[128:132])):
        name, start, _ = struct.unpack_from(">4sII", profile, 132 + 12 * number)
        if name in columns:
            struct.pack_into(">3i", profile, start + 8, *(round(value * 65536) for value in columns[name]))
    return bytes(profile)


def linear_grey() -> bytes:
    """An ICC profile of grey values that are light itself."""
    tags = {
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),  # D50
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">I", 0),
    }
    body, table = b"", struct.pack(">I", len(tags))
    for name, data in tags.items():
        table += struct.pack(">4sII", name, 128 + 4 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    header = struct.pack(
        ">I4sI4s4s4s12s4s", size, b"lcms", 0x02100000, b"mntr", b"GRAY", b"XYZ ", b"", b"acsp"
    )
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + body


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("file_format", "mode"),
    [
        *(("PNG", mode) for mode in ("RGBA", "RGB", "LA", "L", "P", "I;16")),
        *(("WEBP", mode) for mode in ("RGBA", "RGB")),
        *(("TIFF", mode) for mode in ("RGBA", "RGB", "LA", "L", "P", "I;16")),
        *(("AVIF", mode) for mode in ("RGBA", "RGB")),  # Pillow writes irot and imir
        *(("JPEG", mode) for mode in ("RGB", "L")),
    ],
)
def test_orientation(file_format: str, mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, **_LOSSLESS}.get(file_format, {})
    data = saved(corners(mode), file_format, exif=exif, **options)
    stored = corners("L" if mode == "I;16" else mode)
    stored.getexif()[_ORIENTATION] = orientation
    expected = on_white(ImageOps.exif_transpose(stored))
    picture = only_picture(data)
    assert picture.shape == expected.shape
    # JPEG and AVIF lose some levels at the edges; alpha of half a level is rounded differently
    assert np.abs(picture - expected).max() <= {"JPEG": 8, "AVIF": 6}.get(file_format, 1)
    entry = probe(data, media_id="shot", file_name="shot")
    assert (entry.height, entry.width) == expected.shape[:2]


def test_damaged_exif_is_no_orientation() -> None:
    data = saved(corners("RGB"), "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert np.array_equal(only_picture(data), on_white(corners("RGB")))


@pytest.mark.parametrize("header_size", [40, 52, 56, 64, 108, 124])
@pytest.mark.parametrize("is_top_down", [False, True])
def test_bmp_without_alpha_mask_is_opaque(header_size: int, is_top_down: bool) -> None:
    rgb = np.asarray(corners("RGB")).astype(np.uint32)
    for shifts in itertools.permutations((0, 8, 16, 24), 3):
        (left_over,) = {0, 8, 16, 24} - {*shifts}
        for filling in (0, 0x7F, 0xFF):
            pixels = (rgb << np.array(shifts, np.uint32)).sum(axis=2, dtype=np.uint32)
            pixels |= np.uint32(filling << left_over)
            masks = [0xFF << shift for shift in shifts]
            data = bmp(pixels, masks, header_size=header_size, is_top_down=is_top_down)
            assert np.array_equal(only_picture(data), rgb)


def test_bmp_masks() -> None:
    rgba = np.asarray(corners()).astype(np.uint32)
    red, green, blue, alpha = np.moveaxis(rgba, 2, 0)
    pixels = alpha << 24 | red << 16 | green << 8 | blue
    masks = [0xFF0000, 0xFF00, 0xFF, 0xFF000000]
    blended = on_white(corners())
    assert np.abs(only_picture(bmp(pixels, masks, header_size=124)) - blended).max() <= 1  # rounding
    assert np.abs(only_picture(bmp(pixels, masks, compression=6)) - blended).max() <= 1
    forgotten = bmp(pixels & 0xFFFFFF, masks, header_size=108)
    assert np.array_equal(only_picture(forgotten), rgba[..., :3])
    uncompressed = bmp(pixels, masks, header_size=124, compression=0)
    assert np.array_equal(only_picture(uncompressed), rgba[..., :3])
    deep = (red * 1023 // 255) << 20 | (green * 1023 // 255) << 10 | blue * 1023 // 255
    assert np.abs(only_picture(bmp(deep, [0x3FF00000, 0xFFC00, 0x3FF])) - rgba[..., :3]).max() <= 1
    small = ((red >> 3) << 11 | (green >> 2) << 5 | blue >> 3).astype(np.uint16)
    # five bits hold steps of 8 levels
    assert np.abs(only_picture(bmp(small, [0xF800, 0x7E0, 0x1F])) - rgba[..., :3]).max() <= 8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_alpha(dtype: type[np.unsignedinteger]) -> None:
    highest = int(np.iinfo(dtype).max)
    for mode, photometric in (("RGBA", 2), ("LA", 1)):
        plain = np.asarray(corners(mode)).astype(np.uint64) * (highest // 255)
        multiplied = plain.copy()
        multiplied[..., :-1] = (plain[..., :-1] * plain[..., -1:] + highest // 2) // highest
        expected = on_white(corners(mode))
        for samples, extra in ((plain, 2), (multiplied, 1)):
            picture = only_picture(tiff(samples.astype(dtype), photometric, extra=extra))
            assert np.abs(picture - expected).max() <= 1, (mode, extra)  # rounding
    inverted = np.asarray(corners("LA")).astype(np.uint64) * (highest // 255)
    inverted[..., 0] = highest - inverted[..., 0]
    picture = only_picture(tiff(inverted.astype(dtype), 0, extra=2))
    assert np.abs(picture - on_white(corners("LA"))).max() <= 1
    white_is_zero = highest - np.asarray(corners("L")).astype(np.uint64)[..., None] * (highest // 255)
    assert np.array_equal(only_picture(tiff(white_is_zero.astype(dtype), 0)), on_white(corners("L")))


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_transparent_grey_of_png(depth: int) -> None:
    num_levels = 1 << depth
    per_byte = 8 // depth
    levels = list(range(num_levels)) * (per_byte if num_levels < per_byte else 1)
    row = bytes(
        sum(level << 8 - depth * (place + 1) for place, level in enumerate(levels[start : start + per_byte]))
        for start in range(0, len(levels), per_byte)
    )
    for key in range(0, num_levels, 1 if depth < 8 else 17):
        picture = only_picture(png(0, depth, len(levels), [row], (b"tRNS", struct.pack(">H", key))))
        expected = [255 if level == key else level * 255 // (num_levels - 1) for level in levels]
        assert picture[0].tolist() == [[level] * 3 for level in expected]


def test_transparent_colours_of_deep_png() -> None:
    grey = png(0, 16, 3, [struct.pack(">3H", 513, 514, 40000)], (b"tRNS", struct.pack(">H", 514)))
    assert only_picture(grey)[0].tolist() == [[2] * 3, [255] * 3, [156] * 3]
    samples = struct.pack(">6H", 513, 514, 515, 513, 514, 516)
    colour = png(2, 16, 2, [samples], (b"tRNS", struct.pack(">3H", 513, 514, 515)))
    assert only_picture(colour)[0].tolist() == [[255] * 3, [2] * 3]  # eight bits of both are the same
    small = png(2, 8, 2, [bytes((1, 2, 3, 1, 2, 4))], (b"tRNS", struct.pack(">3H", 1, 2, 3)))
    assert only_picture(small)[0].tolist() == [[255] * 3, [1, 2, 4]]


@pytest.mark.parametrize(
    ("file_format", "mode"),
    [
        *itertools.product(("PNG", "TIFF"), ("RGB", "RGBA", "P")),
        *itertools.product(("WEBP", "AVIF"), ("RGB", "RGBA")),
        ("JPEG", "RGB"),
    ],
)
def test_profiles(file_format: str, mode: str) -> None:
    image = Image.new("RGB", (32, 32), P3_RED)
    if mode == "RGBA":
        image.putalpha(128)
    image = image.quantize(4) if mode == "P" else image
    options = {"JPEG": {"quality": 100, "subsampling": 0}, **_LOSSLESS}.get(file_format, {})
    picture = only_picture(saved(image, file_format, icc_profile=display_p3(), **options))
    expected = (255, 127, 127) if mode == "RGBA" else RED
    # the profile's numbers have five digits; JPEG and AVIF are off by a level or two, which P3 enlarges
    assert np.abs(picture - expected).max() <= (6 if file_format in ("JPEG", "AVIF") else 2)


@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "JPEG"])
def test_grey_profiles(file_format: str) -> None:
    light = Image.new("L", (16, 16), 55)  # 0.2159 of white, sRGB's middle grey
    picture = only_picture(saved(light, file_format, icc_profile=linear_grey()))
    assert np.abs(picture - 128).max() <= 2  # eight bits of light are coarse
    if file_format != "JPEG":
        light.putalpha(0)
        assert only_picture(saved(light, file_format, icc_profile=linear_grey())).min() == 255
    coloured = only_picture(saved(corners("RGB"), "PNG", icc_profile=linear_grey()))
    assert np.array_equal(coloured, on_white(corners("RGB")))  # made for another kind of picture


def test_profiles_of_other_kinds() -> None:
    rgb, plain = corners("RGB"), on_white(corners("RGB"))
    assert np.array_equal(only_picture(saved(rgb, "PNG", icc_profile=b"nonsense")), plain)
    assert np.array_equal(only_picture(saved(rgb, "PNG", icc_profile=display_p3()[:200])), plain)
    lab_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert np.array_equal(only_picture(saved(rgb, "PNG", icc_profile=lab_profile)), plain)
    grey = only_picture(saved(corners("L"), "PNG", icc_profile=display_p3()))
    assert np.abs(grey - on_white(corners("L"))).max() <= 1  # grey is grey in all RGB profiles
    cmyk = rgb.convert("CMYK")
    expected = np.asarray(cmyk.convert("RGB")).astype(int)
    assert np.array_equal(only_picture(saved(cmyk, "TIFF")), expected)
    assert np.array_equal(only_picture(saved(cmyk, "TIFF", icc_profile=display_p3())), expected)
    sRGB = ImageCms.createProfile("sRGB")  # noqa: N806
    muted = Image.new("RGB", (8, 8), (150, 100, 90))
    lab = ImageCms.profileToProfile(muted, sRGB, ImageCms.createProfile("LAB"), outputMode="LAB")
    assert lab is not None
    for options in ({}, {"icc_profile": lab_profile}):
        # Lab has eight bits here, and its steps are larger than those of RGB
        assert np.abs(only_picture(saved(lab, "TIFF", **options)) - (150, 100, 90)).max() <= 4


@pytest.mark.parametrize(
    ("code_points", "signal", "expected"),
    [
        ((9, 18), 0.75, 253),  # SDR white in HLG and PQ, just below the end of the range
        ((9, 18), 0.4144, 128),
        ((9, 16), 0.5807, 253),
        ((9, 16), 1.0, 255),
        ((1, 13), 0.5, 128),
        ((1, 8), 0.2159, 128),
    ],
)
def test_code_points_of_png(code_points: tuple[int, int], signal: float, expected: int) -> None:
    chunk = (b"cICP", bytes((*code_points, 0, 1)))
    level = round(signal * 65535)
    for color_type, samples in ((2, [level] * 3), (6, [level] * 3 + [65535])):
        data = png(color_type, 16, 1, [struct.pack(f">{len(samples)}H", *samples)], chunk)
        assert np.abs(only_picture(data) - expected).max() <= 1  # rounding of the signal
    if code_points != (1, 8):  # eight bits are too few for light
        small = png(2, 8, 1, [bytes([round(signal * 255)] * 3)], chunk)
        assert np.abs(only_picture(small) - expected).max() <= 4  # a step of PQ is four levels of sRGB


def test_code_points_go_before_a_profile() -> None:
    p3 = png(2, 8, 1, [bytes(P3_RED)], (b"cICP", bytes((12, 13, 0, 1))))
    assert np.abs(only_picture(p3) - RED).max() <= 1
    profile = saved(Image.new("RGB", (1, 1)), "PNG", icc_profile=display_p3())
    start = profile.index(b"iCCP")
    body = profile[start + 4 : start + 4 + int.from_bytes(profile[start - 4 : start])]
    both = png(2, 8, 1, [bytes(P3_RED)], (b"cICP", bytes((1, 13, 0, 1))), (b"iCCP", body))
    assert only_picture(both)[0, 0].tolist() == [*P3_RED]


def test_code_points_of_avif() -> None:
    def with_code_points(data: bytes, primaries: int, transfer: int) -> bytes:
        start = data.index(b"colrnclx") + 8
        return data[:start] + struct.pack(">HH", primaries, transfer) + data[start + 4 :]

    p3 = saved(Image.new("RGB", (32, 32), P3_RED), "AVIF", **_LOSSLESS["AVIF"])
    assert np.abs(only_picture(with_code_points(p3, 12, 13)) - RED).max() <= 6  # AVIF's own loss, enlarged
    options = [cv2.IMWRITE_AVIF_DEPTH, 10, cv2.IMWRITE_AVIF_QUALITY, 100]
    for level, expected in ((767, 253), (424, 128)):
        deep = cv2.imencode(".avif", np.full((32, 32, 3), level, np.uint16), options)[1].tobytes()
        assert np.abs(only_picture(with_code_points(deep, 9, 18)) - expected).max() <= 2  # AVIF's own loss


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "format heic"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(50), "format heic"),
        (b"\xff\x0a" + bytes(50), "format jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(50), "format jxl"),
        (saved(Image.new("RGB", (8, 8)), "JPEG2000"), "format jp2"),
        (saved(Image.new("RGB", (16, 16)), "ICO"), "format ico"),
        (saved(Image.new("F", (4, 4)), "TIFF"), "samples of type F"),
        (png(2, 8, 60000, [b""] * 2)[:16] + struct.pack(">II", 60000, 60000), "cut off|large"),
        (png(2, 8, 0, [b""]), "header|damaged"),
        (
            bmp(np.zeros((9, 9), np.uint32), [0xFF, 0xFF00, 0xFF0000])[:-9],
            "cut off",
        ),
    ],
)
def test_unreadable_pictures_are_named(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=rf"^login: .*({reason})") as error:
        probe(data, media_id="login", file_name="login")
    assert error.value.hint


def test_decompression_bomb() -> None:
    with pytest.raises(DecodeError, match="too large"):
        only_picture(png(0, 1, 1 << 20, [b""] * (1 << 10)))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 95}])
def test_jpeg_with_a_hole_is_refused(options: dict[str, int | bool]) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8))
    whole = saved(noise, "JPEG", **options)
    probe(whole, media_id="shot", file_name="shot.jpg")
    scan = whole.rindex(b"\xff\xda")
    with pytest.raises(DecodeError, match=r"^login: .*damaged or missing"):
        probe(whole[: (scan + len(whole)) // 2] + b"\xff\xd9", media_id="login", file_name="login.jpg")


@pytest.mark.parametrize("is_interlaced", [False, True])
@pytest.mark.parametrize(("color_type", "depth"), [(0, 1), (0, 16), (2, 8), (3, 4), (4, 8), (6, 16)])
def test_png_with_too_few_rows_is_refused(color_type: int, depth: int, is_interlaced: bool) -> None:
    """Its stream of packed rows ends, well-formed, in the middle of the picture."""
    stride = -(-13 * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color_type] // 8)
    palette = [(b"PLTE", bytes(48))] if color_type == 3 else []
    data = png(color_type, depth, 13, [bytes(stride)] * 11, *palette)
    if not is_interlaced:
        assert probe(data, media_id="shot", file_name="shot.png").height == 11
    # The same rows are too few for a taller picture; as passes of an interlaced one they are, too.
    header = data[16:24] + data[24:28] + bytes([is_interlaced])
    taller = struct.pack(">II", 13, 22) + header[8:]
    data = data.replace(data[12:33], b"IHDR" + taller + struct.pack(">I", zlib.crc32(b"IHDR" + taller)))
    with pytest.raises(DecodeError, match=r"^login: .*(damaged|missing)"):
        probe(data, media_id="login", file_name="login.png")


def test_interlaced_png_is_whole() -> None:
    for width, height in ((1, 1), (2, 3), (5, 5), (8, 8), (13, 9)):
        passes = (
            (0, 0, 8, 8),
            (4, 0, 8, 8),
            (0, 4, 4, 8),
            (2, 0, 4, 4),
            (0, 2, 2, 4),
            (1, 0, 2, 2),
            (0, 1, 1, 2),
        )
        pixels = np.arange(width * height, dtype=np.uint8).reshape(height, width)
        parts = [pixels[top::row_step, left::step] for left, top, step, row_step in passes]
        rows = b"".join(b"\0" + row.tobytes() for part in parts for row in part if row.size)
        header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
        data = PNG_START + b"".join(png_chunk(name, body) for name, body in chunks)
        assert probe(data, media_id="shot", file_name="shot.png").width == width
        assert np.array_equal(only_picture(data)[..., 0], pixels)


def test_jpeg_with_odd_metadata_is_whole() -> None:
    jpeg = saved(corners("RGB"), "JPEG", comment=b"by hand")
    block = b"Exif\0\0II*\0\xff\xff\xff\xff"
    odd = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:] + b"behind the end"
    assert probe(odd, media_id="shot", file_name="shot.jpg").width == 24


def test_png_with_a_wrong_checksum_is_refused() -> None:
    data = bytearray(saved(corners("RGB"), "PNG"))
    data[data.index(b"IDAT") + 10] ^= 1
    with pytest.raises(DecodeError, match="its IDAT chunk has a wrong checksum"):
        probe(bytes(data), media_id="login", file_name="login.png")


def test_pictures_of_many_rows() -> None:
    """Blending goes by stripes."""
    image = Image.new("RGBA", (2, 700), (255, 0, 0, 128))
    assert np.unique(only_picture(saved(image, "PNG")).reshape(-1, 3), axis=0).tolist() == [[255, 127, 127]]


def test_first_of_several_tiff_pages() -> None:
    pages = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    assert only_picture(buffer.getvalue())[0, 0].tolist() == [*RED]
