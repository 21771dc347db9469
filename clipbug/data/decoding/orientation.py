"""How a player turns and mirrors pictures, by the display matrix that container or codec gives with them."""

from dataclasses import dataclass
from typing import Self, cast

import numpy as np
from av.sidedata.sidedata import SideData
from av.video.frame import VideoFrame
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to lay a picture on the screen: first transposed, then flipped.

    Attributes:
        is_transposed: rows become columns.
        flips_x: left and right change sides.
        flips_y: top and bottom change sides.
    """

    is_transposed: bool = False
    flips_x: bool = False
    flips_y: bool = False

    @classmethod
    def from_rotation(cls, degrees: int, *, is_mirrored: bool) -> Self:
        """The orientation of these properties."""
        if degrees % 180:
            flips_x = degrees == 90
            return cls(is_transposed=True, flips_x=flips_x, flips_y=flips_x == is_mirrored)
        flips_y = degrees == 180
        return cls(flips_x=flips_y != is_mirrored, flips_y=flips_y)

    @property
    def is_mirrored(self) -> bool:
        """Whether left and right change sides, besides turning."""
        return (self.is_transposed + self.flips_x + self.flips_y) % 2 == 1

    @property
    def rotation_degrees(self) -> int:
        """Clockwise; of a mirrored picture, what is left to turn once left and right have changed sides."""
        if self.is_transposed:
            return 90 if self.flips_x else 270
        return 180 if self.flips_y else 0

    def size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) as shown of a picture of this stored size, and the other way round."""
        return (width, height) if self.is_transposed else (height, width)

    def apply(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The upright picture (H, W, 3)."""
        if self == Orientation():
            return picture
        upright = picture.swapaxes(0, 1) if self.is_transposed else picture
        upright = upright[:: -1 if self.flips_y else 1, :: -1 if self.flips_x else 1]
        return np.ascontiguousarray(upright)


def orientation_of(frame: VideoFrame) -> Orientation | None:
    """The orientation that comes with a decoded picture, angles rounded to right ones; None without one."""
    side_data = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if side_data is None:
        return None
    # A point (x, y) of the picture is shown at (a x + c y, b x + d y).
    a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Orientation(flips_x=a < 0, flips_y=d < 0)
    return Orientation(is_transposed=True, flips_x=c < 0, flips_y=b < 0)
