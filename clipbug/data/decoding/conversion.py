"""Convert decoded frames to what a screen shows: upright, in sRGB, with the correct aspect ratio."""

from fractions import Fraction

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc, VideoReformatter
from numpy.typing import NDArray

from clipbug.data.decoding.orientation import Orientation, orientation_of
from clipbug.data.decoding.pixels import blend_on_white
from clipbug.data.decoding.tone_mapping import Primaries, Transfer, to_srgb
from clipbug.errors import DecodeError

_HDR_TRANSFERS: dict[int, Transfer] = {ColorTrc.SMPTE2084: "pq", ColorTrc.ARIB_STD_B67: "hlg"}
_WIDE_PRIMARIES: dict[int, Primaries] = {
    ColorPrimaries.BT2020: "bt2020",
    ColorPrimaries.SMPTE431: "p3",
    ColorPrimaries.SMPTE432: "p3",
}
_RESERVED_MATRIX, _UNSPECIFIED_MATRIX = 3, 2
_KNOWN_MATRICES = (
    0,
    1,
    _UNSPECIFIED_MATRIX,
    4,
    5,
    6,
    7,
    9,
)  # the matrices of ITU-T H.273 that swscale supports
_SAME_ASPECT = 0.99  # encoders round sizes to even numbers, so a frame that nearly fills the screen fills it
_MAX_PIXEL_ASPECT = 16  # no screen has such pixels, and frames would become huge


def shown_size(height: int, width: int, pixel_aspect: Fraction) -> tuple[int, int]:
    """Return the size in square pixels of a frame with a given pixel aspect ratio.

    The shorter side is stretched, so no pixel is lost.

    Args:
        height: Stored height.
        width: Stored width.
        pixel_aspect: Width of a stored pixel divided by its height.

    Returns:
        (height, width).
    """
    if pixel_aspect >= 1:
        return height, max(1, round(width * pixel_aspect))
    return max(1, round(height / pixel_aspect)), width


class PictureConverter:
    """Converts the frames of one recording.

    Args:
        media_id: For messages.
        shown_size: Height and width of the recording as shown, upright and in square pixels.
        pixel_aspect: Width of a stored pixel divided by its height.
        orientation: Orientation of frames that precede any frame with its own.
        colours: Matrix and range (ITU-T H.273) from the container, which override the decoder's.

    Raises:
        DecodeError: The pixel aspect ratio is implausible.
    """

    def __init__(
        self,
        media_id: str,
        shown_size: tuple[int, int],
        pixel_aspect: Fraction,
        orientation: Orientation,
        colours: tuple[int, int] | None = None,
    ) -> None:
        if not Fraction(1, _MAX_PIXEL_ASPECT) <= pixel_aspect <= _MAX_PIXEL_ASPECT:
            raise DecodeError(
                f"{media_id}: implausible pixel aspect ratio in the header: {float(pixel_aspect):.3g}",
                "Correct the header: ffmpeg -i FILE -vf setsar=1 NEW.mp4",
            )
        self._media_id = media_id
        self._shown_size = shown_size
        self._pixel_aspect = pixel_aspect
        self._first_orientation = self._orientation = orientation
        self._matrix, self._range = colours or (_UNSPECIFIED_MATRIX, ColorRange.UNSPECIFIED)
        self._reformatter = VideoReformatter()

    def restart(self) -> None:
        """Reset the orientation before decoding restarts at a keyframe."""
        self._orientation = self._first_orientation

    def follow(self, frame: VideoFrame) -> None:
        """Track the orientation over all decoded frames: H.264 stores it at keyframes only."""
        if frame.key_frame:  # a frame whose side data was read stays in memory until a garbage collection
            self._orientation = orientation_of(frame) or self._orientation

    def convert(
        self, frame: VideoFrame, size: tuple[int, int], alpha: NDArray[np.uint8] | None = None
    ) -> NDArray[np.uint8]:
        """Convert the last frame given to `follow` to RGB at `size`, in one pass of swscale.

        A frame of another aspect ratio than the recording's first one is letterboxed with black bars.

        Args:
            frame: Decoded frame.
            size: (height, width) of the result.
            alpha: (H, W) at the frame's stored size, if alpha is stored in a separate stream.

        Returns:
            RGB image.

        Shape:
            The result is (height, width, 3).

        Raises:
            DecodeError: The frame has a colour model that cannot be converted.
        """
        orientation = self._orientation
        height, width = self._size_within(orientation.size(*self._square(frame)), size)
        picture = orientation.apply(self._to_rgb(frame, *orientation.size(height, width), alpha))
        if (height, width) == size:
            return picture
        framed = np.zeros((*size, 3), np.uint8)
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        framed[top : top + height, left : left + width] = picture
        return framed

    def _square(self, frame: VideoFrame) -> tuple[int, int]:
        return shown_size(frame.height, frame.width, self._pixel_aspect)

    def _size_within(self, shape: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        """Return the area of `size` that a frame of this shape fills if `size` shows the whole screen."""
        if shape == self._shown_size:
            return size
        ratios = [own / whole for own, whole in zip(shape, self._shown_size, strict=True)]
        shares = [ratio / max(ratios) for ratio in ratios]
        height, width = (
            side if share >= _SAME_ASPECT else max(1, round(share * side))
            for share, side in zip(shares, size, strict=True)
        )
        return height, width

    def _to_rgb(
        self, frame: VideoFrame, height: int, width: int, alpha: NDArray[np.uint8] | None
    ) -> NDArray[np.uint8]:
        self._correct_tags(frame)
        transfer, primaries = _HDR_TRANSFERS.get(frame.color_trc), _WIDE_PRIMARIES.get(frame.color_primaries)
        is_standard = transfer is None and primaries is None
        has_alpha = frame.format.name == "pal8" or any(part.is_alpha for part in frame.format.components)
        pixels = "rgba" if has_alpha else "rgb24"
        if not is_standard:
            pixels = "rgba64le" if has_alpha else "rgb48le"
        picture = self._reformatter.reformat(frame, width, height, pixels).to_ndarray()
        if is_standard:
            colours = picture[..., :3].astype(np.uint8, copy=False)
        else:  # SDR transfer curves differ from sRGB less than screens do from each other
            wide = picture[..., :3].astype(np.uint16, copy=False)
            colours = to_srgb(wide, transfer=transfer or "srgb", primaries=primaries or _primaries(frame))
        if has_alpha:
            alpha = (picture[..., 3] // (1 if is_standard else 257)).astype(np.uint8)
        elif alpha is not None:
            alpha = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
        return colours if alpha is None else blend_on_white(np.dstack((colours, alpha)))

    def _correct_tags(self, frame: VideoFrame) -> None:
        """Set the frame's tags to how its colours are stored.

        Without tags they are BT.601 in limited range, FFmpeg's default: recorders that use another matrix tag
        it.

        Raises:
            DecodeError: The colour matrix is not supported.
        """
        if self._matrix != _UNSPECIFIED_MATRIX:
            frame.colorspace = self._matrix
        if self._range != ColorRange.UNSPECIFIED:
            frame.color_range = self._range
        if frame.colorspace == _RESERVED_MATRIX:
            frame.colorspace = _UNSPECIFIED_MATRIX
        if frame.colorspace not in _KNOWN_MATRICES:
            raise DecodeError(
                f"{self._media_id}: unsupported colour matrix {frame.colorspace} (ITU-T H.273)",
                "Convert it: ffmpeg -i FILE -vf zscale=matrix=709 -c:v libx264 NEW.mp4",
            )


def _primaries(frame: VideoFrame) -> Primaries:
    """Return the primaries of an HDR frame that is not tagged as BT.2020 or P3; untagged HDR is BT.2020."""
    return "bt709" if frame.color_primaries == ColorPrimaries.BT709 else "bt2020"
