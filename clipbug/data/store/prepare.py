"""Make the prepared form of a recording, and measure how far it deviates from the recording."""

import hashlib
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.data.decoding.changes import change_between
from clipbug.data.decoding.open import RecordingDecoder, open_media
from clipbug.data.decoding.prepared import Picture, decode_picture, encode_picture, join_form
from clipbug.data.loading.frame_size import resized_size
from clipbug.data.media import MediaEntry, PreparedInfo

_ALMOST_A_CHECK = 0.999  # of the interval between checks, because timestamps are rounded


@dataclass(frozen=True, slots=True)
class PrepareSettings:
    """How to prepare recordings.

    Attributes:
        longer_side: Size in pixels; recordings are not enlarged.
        quality: JPEG quality; chroma keeps full resolution.
        checks_per_second: How many frames per second are compared; None for every frame. With fewer checks
            the form is smaller, but frames of a moving screen are up to 1 / `checks_per_second` old.
        tolerance: How many levels of 0 to 255 any pixel may drift before a new frame is kept.
    """

    longer_side: int = 448
    quality: int = 90
    checks_per_second: float | None = None
    tolerance: int = 12

    def are_met_by(self, entry: MediaEntry) -> bool:
        """Return whether an entry's prepared form equals what these settings would produce."""
        done = entry.prepared
        return done is not None and (
            (done.height, done.width) == self.size_of(entry)
            and (done.quality, done.checks_per_second) == (self.quality, self.checks_per_second)
        )

    def size_of(self, entry: MediaEntry) -> tuple[int, int]:
        """Return the (height, width) of the kept frames."""
        return resized_size(entry.height, entry.width, min(self.longer_side, max(entry.height, entry.width)))


def prepare(data: bytes, entry: MediaEntry, settings: PrepareSettings) -> tuple[MediaEntry, bytes]:
    """Make the prepared form of a recording.

    Args:
        data: The original file.
        entry: Manifest entry of the recording.
        settings: How to prepare it.

    Returns:
        The entry with `prepared` filled in, and the prepared form.

    Raises:
        DecodeError: A frame cannot be decoded.
    """
    with open_media(data, media_id=entry.media_id, packets=entry.packets) as decoder:
        assert isinstance(decoder, RecordingDecoder), "still images are not prepared"
        selector = _FrameSelector(settings)
        checked = _checked(decoder.pts_seconds, settings.checks_per_second)
        for index, picture in decoder.pictures(checked, size=settings.size_of(entry)):
            selector.add(index, picture)
        metadata, table = decoder.metadata, decoder.packets
    declared = asdict(metadata.declared) if metadata.declared else None
    extra = {"declared": declared, "declared_fps": metadata.declared_fps}
    form = join_form(selector.first, selector.jpegs, extra)
    # Measured differences are more reliable than those estimated from packet sizes.
    if settings.checks_per_second is None or not table.changes:
        changes = np.zeros(len(table.pts), np.int64)
        changes[np.array(table.shown_indices())[checked]] = selector.changes
        table = replace(table, changes=tuple(changes.tolist()))
    info = selector.info(settings, form, size=settings.size_of(entry))
    return replace(entry, packets=table, prepared=info), form


def _checked(pts_seconds: NDArray[np.float64], checks_per_second: float | None) -> list[int]:
    """Return the indices of frames to compare: the first, then each that is late enough after the last."""
    if checks_per_second is None:
        return list(range(len(pts_seconds)))
    chosen = [0]
    for index, time in enumerate(pts_seconds.tolist()):
        if (time - pts_seconds[chosen[-1]]) * checks_per_second >= _ALMOST_A_CHECK:
            chosen.append(index)
    return chosen


class _FrameSelector:
    """Receives frames in order and keeps those that differ from the last one kept."""

    def __init__(self, settings: PrepareSettings) -> None:
        self.first: list[int] = []
        self.jpegs: list[bytes] = []
        self.changes: list[int] = []
        self._settings = settings
        self._kept: Picture | None = None
        self._before: Picture | None = None
        self._shown: Picture | None = None
        self._max_difference = 0
        self._differences: list[float] = []

    def add(self, index: int, picture: Picture) -> None:
        """Keep the frame if a pixel has drifted from the last kept one; record the remaining difference."""
        self.changes.append(0 if self._before is None else change_between(self._before, picture))
        self._before = picture
        if self._kept is None or cv2.norm(picture, self._kept, cv2.NORM_INF) > self._settings.tolerance:
            self._kept = picture
            self.first.append(index)
            self.jpegs.append(encode_picture(picture, self._settings.quality))
            self._shown = decode_picture(self.jpegs[-1])
        assert self._shown is not None, "the first frame is always kept"
        difference = int(cv2.norm(picture, self._shown, cv2.NORM_INF))
        self._max_difference = max(self._max_difference, difference)
        self._differences.append(cv2.norm(picture, self._shown, cv2.NORM_L1) / picture.size)

    def info(self, settings: PrepareSettings, form: bytes, *, size: tuple[int, int]) -> PreparedInfo:
        """Return the description of the form for the manifest."""
        return PreparedInfo(
            height=size[0],
            width=size[1],
            num_pictures=len(self.jpegs),
            num_bytes=len(form),
            sha256=hashlib.sha256(form).hexdigest(),
            quality=settings.quality,
            checks_per_second=settings.checks_per_second,
            max_difference=self._max_difference,
            mean_difference=round(float(np.mean(self._differences)), 3),
        )
