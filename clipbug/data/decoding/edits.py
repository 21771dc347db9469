"""Read edit lists of mp4 and mov that FFmpeg does not follow: held frames, or gaps in the middle."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

_LONGEST_LAST_PICTURE = Fraction(1, 8)  # seconds


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of an edit list.

    Attributes:
        start_seconds: When it starts in the presentation.
        seconds: How long it lasts.
        media_start: First time of the track that it shows, in the track's ticks; None if it shows nothing.
        is_dwell: Whether it holds the frame of that time.
        ticks_per_second: Time scale of the track.
    """

    start_seconds: Fraction
    seconds: Fraction
    media_start: int | None
    is_dwell: bool
    ticks_per_second: int

    def shown_at(self, pts: int, duration: int) -> Fraction | None:
        """Return when this edit starts to show the frame at these ticks; None if it does not."""
        if self.media_start is None:
            return None
        if self.is_dwell:
            return self.start_seconds if pts <= self.media_start < pts + duration else None
        end = self.media_start + self.seconds * self.ticks_per_second
        if pts >= end or pts + duration <= self.media_start:
            return None
        return self.start_seconds + Fraction(max(pts - self.media_start, 0), self.ticks_per_second)


def unusual_edits(data: bytes) -> list[Edit]:
    """Return the edits of the first video track if FFmpeg ignores them and they never go back in time."""
    for name, start, end in _boxes(data, 0, len(data)):
        if name == b"moov":
            try:
                edits = _edits_of_movie(data, start, end)
            except struct.error:
                return []
            return edits if _is_unusual(edits) and _goes_forward(edits) else []
    return []


def _is_unusual(edits: Sequence[Edit]) -> bool:
    return any(edit.is_dwell for edit in edits) or any(edit.media_start is None for edit in edits[1:])


def _goes_forward(edits: Sequence[Edit]) -> bool:
    """Return whether no frame is shown twice, except one that is held and then continues."""
    reached = Fraction(0)
    for edit in edits:
        if edit.media_start is None:
            continue
        # The last frame that was shown may be held; it begins before the end of the edit that showed it.
        slack = _LONGEST_LAST_PICTURE * edit.ticks_per_second if edit.is_dwell else 0
        if edit.media_start + slack < reached:
            return False
        length = 0 if edit.is_dwell else edit.seconds * edit.ticks_per_second
        reached = max(reached, edit.media_start + Fraction(length))
    return True


def _edits_of_movie(data: bytes, start: int, end: int) -> list[Edit]:
    movie_ticks = 0
    for name, inner, inner_end in _boxes(data, start, end):
        if name == b"mvhd":
            movie_ticks = _ticks_per_second(data, inner)
        if name == b"trak" and movie_ticks:
            boxes = dict(_descendants(data, inner, inner_end))
            if b"hdlr" not in boxes or data[boxes[b"hdlr"] + 8 : boxes[b"hdlr"] + 12] != b"vide":
                continue
            if b"elst" not in boxes or b"mdhd" not in boxes:
                return []
            return _entries(data, boxes[b"elst"], movie_ticks, _ticks_per_second(data, boxes[b"mdhd"]))
    return []


def _entries(data: bytes, at: int, movie_ticks: int, track_ticks: int) -> list[Edit]:
    layout = struct.Struct(">QqI" if data[at] else ">IiI")
    (count,) = struct.unpack_from(">I", data, at + 4)
    edits, now = [], Fraction(0)
    for number in range(min(count, 10_000)):
        length, media_start, rate = layout.unpack_from(data, at + 8 + number * layout.size)
        seconds = Fraction(length, movie_ticks)
        shown = None if media_start < 0 else media_start
        edits.append(Edit(now, seconds, shown, shown is not None and rate == 0, track_ticks))
        now += seconds
    return edits


def _ticks_per_second(data: bytes, at: int) -> int:
    """Return the time scale in the header of a movie or a track."""
    (ticks,) = struct.unpack_from(">I", data, at + (20 if data[at] else 12))
    return max(int(ticks), 1)


def _descendants(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    for name, inner, inner_end in _boxes(data, start, end):
        yield name, inner
        if name in (b"edts", b"mdia"):
            yield from _descendants(data, inner, inner_end)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, start and end of the content of each box."""
    while start + 8 <= min(end, len(data)):
        size, head = int.from_bytes(data[start : start + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[start + 8 : start + 16], "big"), 16
        elif size == 0:
            size = end - start
        if size < head:
            return
        yield data[start + 4 : start + 8], start + head, start + size
        start += size
