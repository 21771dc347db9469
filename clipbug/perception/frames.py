"""The frames of a recording, passed through once: small copies of all, large ones of the still moments."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

_READING_SHORT, _READING_LONG = 720, 1920
_SMALL_SHORT, _SMALL_LANDSCAPE = 192, 640
_SAME_LEVELS = 8
_CHANGED_LEVELS = 16
_STILL_SHARE = 0.0006
_SECONDS_BETWEEN_PICTURES = 0.4
_BUDGET_BYTES = 130_000_000


class FrameSource(Protocol):
    """A recording that can be passed through once, such as a decoder of `clipbug.data` bound by a recipe."""

    @property
    def width(self) -> int:
        """Pixels of the upright picture."""
        ...

    @property
    def height(self) -> int:
        """Pixels of the upright picture."""
        ...

    @property
    def duration_seconds(self) -> float:
        """Length as a player shows it; 0 for a picture."""
        ...

    def frames(self, size: tuple[int, int]) -> Iterator[tuple[float, Picture]]:
        """Yield the time since the first frame and the RGB picture of `size` (height, width), in order."""
        ...


@dataclass(frozen=True, slots=True)
class Sizes:
    """The two sizes (height, width) at which a recording is kept."""

    reading: tuple[int, int]
    small: tuple[int, int]

    @classmethod
    def of(cls, height: int, width: int) -> "Sizes":
        """Return them for a picture: letters of a phone's or desktop's text must survive, no more."""
        short, long = sorted((height, width))
        reading = min(1.0, _READING_SHORT / short if height > width else _READING_LONG / long)
        if long * reading > 2 * _READING_LONG:  # a long strip, such as a screenshot of a whole page
            reading = 2 * _READING_LONG / long
        small = _SMALL_SHORT / short
        if width > height:
            small = max(small, _SMALL_LANDSCAPE / long)
        small = min(1.0, small, 4 * _SMALL_LANDSCAPE / long)
        return cls(_scaled(height, width, reading), _scaled(height, width, small))


class FrameStore:
    """What is kept of a recording: bounded in memory, whatever its length.

    Attributes:
        width, height: pixels of the recording; all places that the reader reports are in these.
        duration_seconds: its length.
        seconds: (F,) times of the kept frames, from 0 on.
        changed: (F,) share of the small picture's pixels that differ from the frame before.
        sizes: of the kept pictures.
    """

    def __init__(self, source: FrameSource, *, budget_bytes: int = _BUDGET_BYTES) -> None:
        self.width, self.height = source.width, source.height
        self.duration_seconds = source.duration_seconds
        self.sizes = Sizes.of(self.height, self.width)
        self._small: list[Picture] = []
        self._luma: list[Picture] = []
        self._pictures: dict[int, NDArray[np.uint8]] = {}
        self._times: list[float] = []
        self._changes: list[float] = []
        self._budget = budget_bytes
        self._step = 0.0
        self._spent = 0
        self._read(source)
        if not self._small:
            raise ValueError("the recording has no frame")
        self.seconds = np.array(self._times)
        self.changed = np.array(self._changes)

    @property
    def scale(self) -> float:
        """Pixels of the recording per pixel of a small picture."""
        return self.width / self.sizes.small[1]

    @property
    def reading_scale(self) -> float:
        """Pixels of the recording per pixel of a large picture."""
        return self.width / self.sizes.reading[1]

    def __len__(self) -> int:
        return len(self._small)

    def small(self, index: int) -> Picture:
        """Return the small RGB picture (h, w, 3) of a frame."""
        return self._small[index]

    def luma(self, index: int) -> Picture:
        """Return the luma (h, w) of the small picture of a frame."""
        return self._luma[index]

    def end_of(self, index: int) -> float:
        """Return the time at which a frame stops being shown."""
        if index + 1 < len(self.seconds):
            return float(self.seconds[index + 1])
        return max(self.duration_seconds, float(self.seconds[-1]))

    def index_at(self, seconds: float) -> int:
        """Return the frame that is shown at a time."""
        place = int(np.searchsorted(self.seconds, seconds + 1e-6)) - 1
        return min(max(place, 0), len(self) - 1)

    def picture_index(self, index: int) -> int:
        """Return the frame that is kept large and is the most like frame `index`: the nearest of these."""
        return min(
            self._pictures,
            key=lambda kept: (
                round(share_changed(self._luma[index], self._luma[kept]), 3),
                abs(kept - index),
            ),
        )

    def pictures_between(self, first: int, last: int) -> list[int]:
        """Return the frames from `first` to `last` that are kept large."""
        return sorted(index for index in self._pictures if first <= index <= last)

    def picture(self, index: int) -> Picture:
        """Return the large RGB picture (H, W, 3) of a frame that `picture_index` gave."""
        bgr = cv2.imdecode(self._pictures[index], cv2.IMREAD_COLOR)
        assert bgr is not None, "it was packed here"
        return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)

    def _read(self, source: FrameSource) -> None:
        height, width = self.sizes.small
        previous: Picture | None = None
        for seconds, picture in source.frames(self.sizes.reading):
            if self._times and seconds < self._times[-1] + self._step:
                continue
            small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)
            self._add(seconds, small, previous)
            previous = picture
            self._keep_within_budget()
        if previous is not None:
            self._keep_picture(len(self) - 1, previous)

    def _add(self, seconds: float, small: Picture, previous: Picture | None) -> None:
        """Add a frame; the large picture before it is kept where a still moment ends."""
        luma = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        share = 0.0
        if self._small:
            share = share_changed(self._luma[-1], luma)
            colour = cv2.absdiff(small, self._small[-1])
            if int(colour.max()) <= _SAME_LEVELS:
                small, luma = self._small[-1], self._luma[-1]
            assert previous is not None, "there is a frame before"
            self._keep_if_still(share, seconds, previous)
        self._small.append(small)
        self._luma.append(luma)
        self._times.append(seconds)
        self._changes.append(share)

    def _keep_if_still(self, share: float, seconds: float, previous: Picture) -> None:
        last = len(self) - 1
        is_end = share > _STILL_SHARE and (last == 0 or self._changes[-1] <= _STILL_SHARE)
        kept = max(self._pictures, default=None)
        since = seconds - (self._times[kept] if kept is not None else 0.0)
        if is_end or (since > _SECONDS_BETWEEN_PICTURES and share > 0):
            self._keep_picture(last, previous)

    def _keep_picture(self, index: int, picture: Picture) -> None:
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        done, data = cv2.imencode(".png", bgr, (cv2.IMWRITE_PNG_COMPRESSION, 1))
        assert done, "a picture in memory can be packed"
        self._pictures[index] = data

    def _keep_within_budget(self) -> None:
        """Halve the rate of frames that move once the budget is spent; still ones share their pixels."""
        if len(self) < 2 or self._small[-1] is not self._small[-2]:
            self._spent += self._small[-1].nbytes * 4 // 3
        if self._spent <= self._budget:
            return
        step = float(np.median(np.diff(self._times)))
        self._step = 2 * max(step, self._step)
        last = len(self) - 1
        kept = [i for i in range(last + 1) if i % 2 == 0 or i in self._pictures or i == last]
        self._pictures = {kept.index(i): data for i, data in self._pictures.items()}
        self._small = [self._small[i] for i in kept]
        self._luma = [self._luma[i] for i in kept]
        self._times = [self._times[i] for i in kept]
        self._changes = [0.0, *(share_changed(a, b) for a, b in pairwise(self._luma))]
        self._spent = sum(
            small.nbytes * 4 // 3 for small in {id(small): small for small in self._small}.values()
        )


def share_changed(before: Picture, after: Picture) -> float:
    """Return the share of pixels that clearly differ between two luma pictures."""
    if before is after:
        return 0.0
    return float(np.count_nonzero(cv2.absdiff(before, after) > _CHANGED_LEVELS)) / before.size


def _scaled(height: int, width: int, factor: float) -> tuple[int, int]:
    return max(2, round(height * factor)), max(2, round(width * factor))
