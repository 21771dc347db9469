"""Rotate and mirror frames as a player does, by the display matrix in the container or codec."""

from dataclasses import dataclass
from typing import Self, cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight orientations of an image: first transposed, then flipped.

    Attributes:
        is_transposed: Rows become columns.
        flips_x: Left and right are swapped.
        flips_y: Top and bottom are swapped.
    """

    is_transposed: bool = False
    flips_x: bool = False
    flips_y: bool = False

    @classmethod
    def from_rotation(cls, degrees: int, *, is_mirrored: bool) -> Self:
        """Return the orientation with this rotation and mirroring."""
        if degrees % 180:
            flips_x = degrees == 90
            return cls(is_transposed=True, flips_x=flips_x, flips_y=flips_x == is_mirrored)
        flips_y = degrees == 180
        return cls(flips_x=flips_y != is_mirrored, flips_y=flips_y)

    @property
    def is_mirrored(self) -> bool:
        """Return whether the image is mirrored, apart from any rotation."""
        return (self.is_transposed + self.flips_x + self.flips_y) % 2 == 1

    @property
    def rotation_degrees(self) -> int:
        """Return the clockwise rotation; of a mirrored image, the one to apply after swapping the sides."""
        if self.is_transposed:
            return 90 if self.flips_x else 270
        return 180 if self.flips_y else 0

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the displayed (height, width) for a stored size, or the reverse."""
        return (width, height) if self.is_transposed else (height, width)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the upright image (H, W, 3)."""
        if self == Orientation():
            return picture
        upright = picture.swapaxes(0, 1) if self.is_transposed else picture
        upright = upright[:: -1 if self.flips_y else 1, :: -1 if self.flips_x else 1]
        return np.ascontiguousarray(upright)


def orientation_of(frame: VideoFrame) -> Orientation | None:
    """Return the orientation of a decoded frame, rounded to a right angle; None if it has none."""
    side_data = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if side_data is None:
        return None
    # The matrix shows the point (x, y) of the frame at (a x + c y, b x + d y).
    a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(flips_x=a < 0, flips_y=d < 0)
    return Orientation(is_transposed=True, flips_x=c < 0, flips_y=b < 0)
