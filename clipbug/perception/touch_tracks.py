"""From marks in single frames to touches: linked over time, with beginning and end, false ones dropped."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import FrameStore
from clipbug.perception.touch_spots import Spot, patch

_GAP_SECONDS = 0.27
_LINK_SHARE = 0.21
_SAME_PLACE_SHARE = 0.06
_MIN_SCORE = 0.52
_STAYS_SECONDS = 3.0
_STAYS_AT_END_SECONDS = 1.2
_SEEN_SHARE = 0.4
_MIN_RADIUS, _MAX_RADIUS = 3.0, 22.0
_MIN_BEST_SCORE = 0.66
_MANY = 12
_COHERENT_SHARE = 0.35
_WEAK_SHARE, _WEAK_START_SHARE = 0.7, 0.65
_BLINK_PIXELS, _BLINK_SHARE = 1.5, 0.12
_HELD_SECONDS = 0.5
_MIN_HELD_SCORE = 0.78
_CLEAR_SHARE = 0.85
_SECOND_SHARE = 0.9
_STILL_SHARE = 0.03
_ANSWER_SHARE = 0.1
_ANSWER_SECONDS = 0.7
_ANSWER_HELD_SECONDS = 0.4
_MERGE_SECONDS = 0.08
_APART_SECONDS = 0.35
_AGREE_LEVELS = 35.0
_DIFFER_LEVELS = 100.0
_USUAL_SHARE = 0.7
_CLEAR_SCORE = 0.75
_AGREE = np.log(1.4)
_DIFFER = np.log(1.75)
_SURE = 0.9


@dataclass(frozen=True, slots=True)
class Track:
    """A touch as its mark shows it.

    Attributes:
        spots: at least one.
        first, last: the frames in which it begins and ends.
        stays: whether the mark stays on the screen, as no finger does.
    """

    spots: tuple[Spot, ...]
    first: int
    last: int
    stays: bool

    @property
    def score(self) -> float:
        """The network's, at best."""
        return max(spot.score for spot in self.spots)

    @property
    def best(self) -> Spot:
        """The spot that the network is the surest of."""
        return max(self.spots, key=lambda spot: spot.score)

    @property
    def clear(self) -> Spot:
        """The first spot that is nearly as clear as the best: the mark before the page answers."""
        return next(spot for spot in self.spots if spot.score >= _CLEAR_SHARE * self.score)

    @property
    def radius(self) -> float:
        """Of its first clear spots, before the page answers."""
        clear = [spot.radius for spot in self.spots if spot.score >= _CLEAR_SHARE * self.score]
        return float(np.median(clear[:2]))


def find_tracks(frames: FrameStore, spots: Sequence[Spot]) -> list[Track]:
    """Return the tracks of the spots, in order of time."""
    linked = _link(frames, spots)
    tracks = [
        track
        for group in linked
        if max(spot.score for spot in group) >= _MIN_SCORE
        for track in _timed(frames, group)
    ]
    return sorted(tracks, key=lambda track: track.first)


def passing(frames: FrameStore, tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks without what stays on the screen, and without what blinks or turns at one place."""
    return [
        track
        for track in tracks
        if not track.stays and not _is_weakly_held(frames, track) and not _blinks(frames, track, tracks)
    ]


def _is_weakly_held(frames: FrameStore, track: Track) -> bool:
    held = float(frames.seconds[track.last] - frames.seconds[track.spots[-1].frame])
    return held > _HELD_SECONDS and track.score < _MIN_HELD_SCORE


def _blinks(frames: FrameStore, track: Track, tracks: Sequence[Track]) -> bool:
    """Whether marks come back at one place, evenly or again and again, and none of them clear."""
    here = track.best
    same = [
        other for other in tracks if np.hypot(other.best.x - here.x, other.best.y - here.y) < _BLINK_PIXELS
    ]
    steps = np.diff([float(frames.seconds[other.first]) for other in same])
    if len(steps) < 2:
        return False
    is_even = len(steps) >= 3 or float(np.ptp(steps)) < _BLINK_SHARE * float(np.median(steps))
    return is_even and float(np.median([other.score for other in same])) < _MIN_HELD_SCORE


def agreeing(tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks with marks like most others, as those of one recorder are.

    The weaker a track is, the more it must be like the others.
    """
    if len(tracks) < 2:
        return list(tracks)
    sizes, tints = _sizes(tracks), _tints(tracks)
    scores = np.array([track.score for track in tracks])
    agree = _agreement(tracks)
    model = int(np.argmax((agree * (scores * (sizes < np.log(_MAX_RADIUS))) ** 2).sum(axis=1)))
    is_common = int(agree[model].sum()) >= 3
    usual = float(np.median(scores[agree[model]]))
    apart = np.linalg.norm(tints - tints[model], axis=1)
    differs = np.abs(sizes - sizes[model]) > _DIFFER
    differs |= is_common & (apart > _DIFFER_LEVELS) & (scores < _CLEAR_SCORE)
    kept = ~differs | (scores >= (1.1 if is_common else _SURE))
    kept &= agree[model] | (scores >= _USUAL_SHARE * usual)
    return [track for track, is_kept in zip(tracks, kept, strict=True) if is_kept]


def is_indicator(tracks: Sequence[Track]) -> bool:
    """Return whether tracks are those of a recorder's marks, rather than of whatever an app lights up."""
    if not any(track.score >= _MIN_BEST_SCORE for track in tracks):
        return False
    return len(tracks) < _MANY or float(_agreement(tracks).mean(axis=1).max()) >= _COHERENT_SHARE


def _sizes(tracks: Sequence[Track]) -> NDArray[np.float64]:
    return np.log([max(track.radius, _MIN_RADIUS) for track in tracks])


def _tints(tracks: Sequence[Track]) -> NDArray[np.float64]:
    return np.array([track.clear.tint for track in tracks])


def _agreement(tracks: Sequence[Track]) -> NDArray[np.bool_]:
    """Return (T, T) which tracks have marks of one size and colour."""
    sizes, tints = _sizes(tracks), _tints(tracks)
    apart = np.linalg.norm(tints[:, None] - tints[None], axis=2)
    agree: NDArray[np.bool_] = (np.abs(sizes[:, None] - sizes[None]) < _AGREE) & (apart < _AGREE_LEVELS)
    return agree


def one_at_a_time(frames: FrameStore, tracks: Sequence[Track]) -> list[Track]:
    """Return the tracks of one finger: in one place, and what the page shows under it is no second one."""
    near = _ANSWER_SHARE * min(frames.sizes.small)
    kept: list[Track] = []
    for track in sorted(tracks, key=lambda track: -track.score - 0.03 * min(len(track.spots), 5)):
        if not any(_excludes(frames, other, track, near) for other in kept):
            kept.append(track)
    return sorted(kept, key=lambda track: track.first)


def _excludes(frames: FrameStore, kept: Track, track: Track, near: float) -> bool:
    """Whether a track cannot be a touch as well as a stronger one."""
    first, last = (float(frames.seconds[index]) for index in (track.spots[0].frame, track.spots[-1].frame))
    start, end = (float(frames.seconds[index]) for index in (kept.spots[0].frame, kept.spots[-1].frame))
    if first <= end + _MERGE_SECONDS and last >= start - _MERGE_SECONDS:
        return True
    here, there = track.spots[0], kept.spots[-1]
    is_here = np.hypot(here.x - there.x, here.y - there.y) < near
    held = float(frames.seconds[track.last]) - last
    is_weak = track.score < _SECOND_SHARE * kept.score or held > _ANSWER_HELD_SECONDS
    return is_here and is_weak and -_ANSWER_SECONDS / 2 < first - end < _ANSWER_SECONDS


def _link(frames: FrameStore, spots: Sequence[Spot]) -> list[list[Spot]]:
    groups: list[list[Spot]] = []
    reach = _LINK_SHARE * min(frames.sizes.small)
    for spot in sorted(spots, key=lambda spot: (spot.frame, -spot.score)):
        best: tuple[float, list[Spot]] | None = None
        for group in groups[-12:]:
            last = group[-1]
            if last.frame == spot.frame or not _is_soon(frames, last.frame, spot.frame):
                continue
            distance = float(np.hypot(spot.x - last.x, spot.y - last.y))
            if distance < reach and (best is None or distance < best[0]) and not _let_go(frames, last, spot):
                best = distance, group
        if best is None:
            groups.append([spot])
        else:
            best[1].append(spot)
    return groups


def _is_soon(frames: FrameStore, first: int, second: int) -> bool:
    return second - first == 1 or float(frames.seconds[second] - frames.seconds[first]) <= _GAP_SECONDS


def _let_go(frames: FrameStore, last: Spot, spot: Spot) -> bool:
    """Whether at some time no mark is seen between two spots: two taps, not one touch that moves."""
    if spot.frame - last.frame < 2:
        return False
    radius = max(last.radius, 3.0)
    middle = (last.x + spot.x) / 2, (last.y + spot.y) / 2
    reach = max(abs(last.x - spot.x), abs(last.y - spot.y)) / 2 + radius
    still = patch(frames.small(last.before), *middle, reach)
    seen = np.count_nonzero(np.abs(patch(frames.small(last.frame), *middle, reach) - still).max(axis=2) > 12)
    return any(
        np.count_nonzero(np.abs(patch(frames.small(index), *middle, reach) - still).max(axis=2) > 12)
        < 0.2 * seen
        for index in range(last.frame + 1, spot.frame)
    )


def _timed(frames: FrameStore, linked: Sequence[Spot]) -> list[Track]:
    """Return the track of linked spots; or two, where a second tap at its place was linked to the first.

    Its weak end is left out: there, what the touch did to the page is taken for the mark.
    """
    best = max(spot.score for spot in linked)
    strong = [index for index, spot in enumerate(linked) if spot.score >= _WEAK_SHARE * best]
    first = next(index for index, spot in enumerate(linked) if spot.score >= _WEAK_START_SHARE * best)
    spots = linked[first : strong[-1] + 1]
    start = next(index for index, spot in enumerate(spots) if spot.score >= _CLEAR_SHARE * best)
    rest: Sequence[Spot] = ()
    end = spots[-1].frame
    for index in range(start, len(spots)):
        if index + 1 < len(spots) and np.hypot(
            spots[index].x - spots[index + 1].x, spots[index].y - spots[index + 1].y
        ) > _STILL_SHARE * min(frames.sizes.small):
            start = index + 1  # it moves
            continue
        if index + 1 == len(spots) or spots[index + 1].frame > _last_frame(frames, spots[start]):
            end = max(_last_frame(frames, spots[start]), spots[index].frame)
            spots, rest = spots[: index + 1], linked[first + index + 1 :]
            break
    held = float(frames.seconds[end] - frames.seconds[spots[-1].frame])
    is_at_end = end == len(frames) - 1
    stays = held >= _STAYS_SECONDS or (is_at_end and held >= _STAYS_AT_END_SECONDS)
    track = Track(tuple(spots), _first_frame(frames, spots[0]), end, stays)
    if rest and max(spot.score for spot in rest) >= _SECOND_SHARE * best:
        begin = next(index for index, spot in enumerate(rest) if spot.score >= _CLEAR_SHARE * best)
        if _is_second(frames, track, rest[begin]):
            return [track, *_timed(frames, rest[begin:])]
    return [track]


def _is_second(frames: FrameStore, track: Track, spot: Spot) -> bool:
    """Whether a spot after a touch at its place is a touch of its own: the mark was away in between."""
    if frames.seconds[spot.frame] - frames.seconds[track.last] >= _APART_SECONDS:
        return True
    last = track.spots[-1]
    still = patch(frames.small(last.before), last.x, last.y, last.radius)
    full = np.abs(patch(frames.small(last.frame), last.x, last.y, last.radius) - still).mean()
    return any(
        np.abs(patch(frames.small(index), last.x, last.y, last.radius) - still).mean() < 0.3 * full
        for index in range(track.last + 1, spot.frame)
    )


def _first_frame(frames: FrameStore, spot: Spot) -> int:
    """Return the frame in which the mark appeared; the network sees not every frame."""
    still = patch(frames.small(spot.before), spot.x, spot.y, spot.radius)
    full = np.abs(patch(frames.small(spot.frame), spot.x, spot.y, spot.radius) - still).mean()
    index = spot.frame
    while index - 1 > spot.before:
        earlier = patch(frames.small(index - 1), spot.x, spot.y, spot.radius)
        if np.abs(earlier - still).mean() < _SEEN_SHARE * full:
            break
        index -= 1
    return index


def _last_frame(frames: FrameStore, spot: Spot) -> int:
    """Return the last frame in which the mark is still as it was."""
    seen = patch(frames.small(spot.frame), spot.x, spot.y, spot.radius)
    still = patch(frames.small(spot.before), spot.x, spot.y, spot.radius)
    full = np.abs(seen - still).mean()
    index = spot.frame
    while index + 1 < len(frames):
        later = patch(frames.small(index + 1), spot.x, spot.y, spot.radius)
        gone = np.abs(later - seen).mean()
        if gone > 0.5 * full or gone > np.abs(later - still).mean():
            break
        index += 1
    return index
