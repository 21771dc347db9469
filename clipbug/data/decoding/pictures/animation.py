"""Decode animated images (GIF, PNG, WebP, AVIF) by drawing their parts on a canvas, as browsers do."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.base import DeclaredTiming, FrameBatch, InMemory, VideoMetadata, check_indices
from clipbug.data.decoding.changes import changes_by_size
from clipbug.data.decoding.pictures.containers import Part, split_animation
from clipbug.data.decoding.pictures.decoder import resize
from clipbug.data.decoding.pixels import apply_exif_orientation, blend_on_white
from clipbug.data.media import PacketTable
from clipbug.errors import DecodeError

_TICKS_PER_SECOND = 100_000  # represents milliseconds and most APNG fractions exactly
_GIF_TICKS_PER_SECOND = 100
_VARIABLE_SHARE = 0.05


class AnimationDecoder(InMemory):
    """Decoder of an animated image in memory. Holds at most three canvases, whatever the length.

    Args:
        data: The whole file.
        name: Format name from `image_format`.
        media_id: For messages.

    Raises:
        DecodeError: The file is damaged or has no frames.
    """

    def __init__(self, data: bytes, name: str, *, media_id: str) -> None:
        self._media_id = media_id
        self._animation = split_animation(data, name, media_id=media_id)
        parts = self._animation.parts
        rate = _GIF_TICKS_PER_SECOND if name == "gif" else _TICKS_PER_SECOND
        ticks = [0, *accumulate(round(part.seconds * rate) for part in parts)]
        self.pts_seconds: NDArray[np.float64] = np.array(ticks[:-1]) / rate
        self._starts = self._find_starts()
        is_start = [start == index for index, start in enumerate(self._starts)]
        changes = changes_by_size([part.num_bytes for part in parts], is_start)
        self.packets = PacketTable(
            time_base=(1, rate),
            pts=tuple(ticks[:-1]),
            is_keyframe=tuple(is_start),
            is_shown=(True,) * len(parts),
            end_pts=ticks[-1],
            rotation_degrees=0,
            has_container_times=True,
            changes=tuple(changes.tolist()),
        )
        steps = np.diff(ticks[:-1])
        is_turned = self._animation.orientation >= 5
        size = (self._animation.height, self._animation.width)
        height, width = size[::-1] if is_turned else size
        self.metadata = VideoMetadata(
            codec=name,
            width=width,
            height=height,
            num_frames=len(parts),
            duration_seconds=ticks[-1] / rate,
            average_fps=len(parts) * rate / ticks[-1],
            rotation_degrees=0,
            is_variable_rate=len(steps) > 1
            and bool(np.ptp(steps) > 2 + _VARIABLE_SHARE * float(np.median(steps))),
            # For a GIF, FFmpeg counts the frames and ClipBERT treats the result as the header's.
            declared=DeclaredTiming((1, rate), len(parts), ticks[-1]) if name == "gif" else None,
        )

    @property
    def changes(self) -> NDArray[np.uint8]:
        """Return `VideoDecoder.changes`."""
        return np.array(self.packets.changes, np.uint8)

    def frames_at(self, indices: Sequence[int], *, size: tuple[int, int] | None = None) -> FrameBatch:
        """Decode the frames at `indices`; see `VideoDecoder.frames_at`."""
        check_indices(indices, self.metadata.num_frames, media_id=self._media_id)
        size = size or (self.metadata.height, self.metadata.width)
        data = np.empty((len(indices), *size, 3), np.uint8)
        rows = np.array(indices)
        for index, picture in self.pictures(set(indices), size=size):
            data[rows == index] = picture
        return FrameBatch(data, self.pts_seconds[list(indices)])

    def pictures(
        self, indices: Iterable[int], *, size: tuple[int, int]
    ) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield index and image of many frames in display order, holding only one in memory.

        Yields:
            Index and RGB image (H, W, 3).

        Raises:
            DecodeError: A frame cannot be decoded.
        """
        for index, canvas in self._canvases(sorted(set(indices))):
            upright = apply_exif_orientation(blend_on_white(canvas), self._animation.orientation)
            yield index, resize(np.ascontiguousarray(upright), size)

    def _canvases(self, wanted: Sequence[int]) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield index and RGBA canvas of the wanted frames; the canvas is reused after the caller resumes."""
        parts = self._animation.parts
        canvas = np.zeros((self._animation.height, self._animation.width, 4), np.uint8)
        before = canvas
        drawn = -1  # the last part drawn and not yet disposed of; -1 for none
        for index in wanted:
            first = drawn + 1
            if self._starts[index] > drawn:
                canvas, drawn, first = np.zeros_like(canvas), -1, self._starts[index]
            for number in range(first, index + 1):
                if drawn >= 0:
                    canvas = self._dispose(canvas, before, parts[drawn])
                if parts[number].disposal == "restore":
                    before = canvas.copy()
                self._draw(canvas, number)
                drawn = number
            yield index, canvas

    def _find_starts(self) -> list[int]:
        """Return for each frame the last part up to it that does not depend on what was drawn before."""
        parts = self._animation.parts
        starts = [0]
        for number in range(1, len(parts)):
            part, previous = parts[number], parts[number - 1]
            hides_all = self._covers(part) and not part.is_blended and part.disposal != "restore"
            is_on_blank = previous.disposal == "clear" and self._covers(previous)
            starts.append(number if hides_all or is_on_blank else starts[-1])
        return starts

    def _covers(self, part: Part) -> bool:
        left, top, width, height = part.box
        return (left, top) == (0, 0) and width >= self._animation.width and height >= self._animation.height

    def _draw(self, canvas: NDArray[np.uint8], number: int) -> None:
        part = self._animation.parts[number]
        left, top, width, height = part.box
        region = canvas[top : top + height, left : left + width]
        if not region.size:
            return
        time = f"the frame at {self.pts_seconds[number]:.3f} s"
        try:
            pixels = part.read()
        except DecodeError as error:
            reason = error.message.removeprefix(f"{self._media_id}: ")
            raise DecodeError(f"{self._media_id}: {time}: {reason}", error.hint) from error
        if pixels.shape[:2] != (height, width):
            raise DecodeError(f"{self._media_id}: {time} differs in size from what the file declares")
        _paint(region, pixels[: region.shape[0], : region.shape[1]], is_blended=part.is_blended)

    @staticmethod
    def _dispose(canvas: NDArray[np.uint8], before: NDArray[np.uint8], part: Part) -> NDArray[np.uint8]:
        """Return the canvas after a part has been shown."""
        if part.disposal == "restore":
            return before
        if part.disposal == "clear":
            left, top, width, height = part.box
            canvas[top : top + height, left : left + width] = 0
        return canvas


def _paint(region: NDArray[np.uint8], pixels: NDArray[np.uint8], *, is_blended: bool) -> None:
    """Draw pixels (H, W, 3 or 4) on a region of the canvas (H, W, 4)."""
    if pixels.shape[2] == 3:
        region[..., :3], region[..., 3] = pixels, 255
        return
    alpha = pixels[..., 3:]
    if not is_blended:
        region[:] = pixels
    elif np.isin(alpha, (0, 255)).all():
        np.copyto(region, pixels, where=alpha == 255)
    else:
        upper = alpha.astype(np.float32) / 255
        lower = region[..., 3:].astype(np.float32) / 255 * (1 - upper)
        colours = pixels[..., :3] * upper + region[..., :3] * lower
        region[..., :3] = np.rint(colours / np.maximum(upper + lower, 1e-6))
        region[..., 3:] = np.rint((upper + lower) * 255)
