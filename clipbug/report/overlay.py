"""Draw evidence: the relevant regions of a frame stay bright, the rest is darkened."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_DARK, _GLOW = 0.35, 0.12
_MARGIN, _GAP, _TEXT, _FRAME_HEIGHT = 28, 16, 17, 420
_PAPER, _INK, _SOFT, _ACCENT = (250, 248, 244), (32, 29, 26), (107, 101, 93), (43, 95, 117)
_MARK = np.array([255, 196, 61], np.float32)


def spotlight(
    picture: NDArray[np.uint8], drops: NDArray[np.float64], *, padded_size: tuple[int, int], largest: float
) -> NDArray[np.uint8]:
    """Return a frame in which the cells stay bright whose occlusion lowers the probability of the answer.

    Args:
        picture: (H, W, 3) RGB, without padding.
        drops: (h, w) drop in probability for each cell of the grid over the padded frame.
        padded_size: (height, width) of the padded frame, in pixels of the frame.
        largest: the drop that is shown at full brightness; shared by all frames of one answer.

    Returns:
        (k H, k W, 3) RGB; small frames are enlarged k times for viewing.
    """
    scale = max(1, -(-_FRAME_HEIGHT // picture.shape[0]))
    height, width = picture.shape[0] * scale, picture.shape[1] * scale
    large = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    light = np.clip(drops / largest, 0.0, 1.0) if largest > 0 else np.zeros_like(drops)
    canvas = (padded_size[1] * scale, padded_size[0] * scale)
    smooth = cv2.resize(light.astype(np.float32), canvas, interpolation=cv2.INTER_LINEAR)[:height, :width]
    dim = _DARK * (0.5 * large + 0.5 * large.mean(axis=2, keepdims=True))
    lit = dim + smooth[..., None] * (large + _GLOW * _MARK - dim)
    edges, _ = cv2.findContours((smooth > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    lit = cv2.drawContours(np.ascontiguousarray(lit), edges, -1, _MARK.tolist(), 2, cv2.LINE_AA)
    result: NDArray[np.uint8] = np.clip(lit, 0, 255).astype(np.uint8)
    return result


def evidence_sheet(
    title: str, subtitle: str, pictures: Sequence[NDArray[np.uint8]], captions: Sequence[str], best: int
) -> bytes:
    """Return a PNG of the images in a grid below a title, each with its caption; the best has a border."""
    frames = [_scaled(picture) for picture in pictures]
    columns = max(1, min(len(frames), 6))
    rows = -(-len(frames) // columns)
    cell_width = max(max(frame.width for frame in frames), 150) + _GAP
    cell_height = _FRAME_HEIGHT + 3 * _TEXT + _GAP
    width = max(2 * _MARGIN + columns * cell_width, 640)
    top = _MARGIN + 70
    sheet = Image.new("RGB", (width, top + rows * cell_height + _MARGIN), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN - 6), title, _INK, ImageFont.load_default(24))
    draw.text((_MARGIN, _MARGIN + 28), subtitle, _SOFT, ImageFont.load_default(_TEXT - 1))
    for number, (frame, caption) in enumerate(zip(frames, captions, strict=True)):
        left = _MARGIN + (number % columns) * cell_width
        upper = top + (number // columns) * cell_height
        sheet.paste(frame, (left, upper))
        if number == best and len(frames) > 1:
            box = (left - 4, upper - 4, left + frame.width + 3, upper + frame.height + 3)
            draw.rectangle(box, outline=_ACCENT, width=3)
        draw.multiline_text(
            (left, upper + frame.height + 8), caption, _INK, ImageFont.load_default(_TEXT - 2), spacing=3
        )
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _scaled(picture: NDArray[np.uint8]) -> Image.Image:
    """Return the image scaled to the height of a row, or less if it is wide."""
    height, width = picture.shape[:2]
    scale = min(_FRAME_HEIGHT / height, 2 * _FRAME_HEIGHT / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
