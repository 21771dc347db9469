"""Moments joined to screens: what a user would call the same page, however far it is scrolled."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from clipbug.perception.changes import Change, dimmed_box
from clipbug.perception.frames import FrameStore
from clipbug.perception.keyboard import keyboard_top
from clipbug.perception.moments import Moment
from clipbug.perception.plateaus import Motion
from clipbug.perception.text import Line
from clipbug.perception.timeline import Box, Screen, ScreenKind, TextLine, Theme

_SMALL_CHANGE = 0.12
_MANY_KEPT, _SOME_KEPT = 0.6, 0.34
_STATUS_BAR_SHARE, _TITLE_SHARE = 0.05, 0.24
_CLOCK = re.compile(r"(上午|下午)?\d{1,2}[:.]\d\d( ?[AP]M)?", re.IGNORECASE)
_ADDRESS = re.compile(r"^(https?://)?[\w-]+(\.[\w-]+)+(:\d+)?(/\S*)?$|^localhost")
_POINTER_BAR = re.compile(r"^(P: ?\d|[XY]v?: ?-?\d|d[XY]: ?-?\d|Prs: ?\d|Size: ?\d|[XY]v: ?)")
_PROMINENT, _CENTRAL = 0.8, 0.12
_BAR_SHARE, _MAX_TITLE_WORDS = 0.15, 5
_GONE_SHARE = 0.6
_OTHER_TITLE = 0.6
_SIDE_REACH, _EDGE_LEVELS, _MIN_EDGE_SHARE = 3, 8, 0.6
_BLACK_LEVEL = 14
_BLANK_CONTRAST = 5.0
_DARK_LEVEL = 105
_LOADING = re.compile(r"^(loading|please wait|wird geladen|chargement|cargando|加载中)\b", re.IGNORECASE)
_MAX_LOADING_TEXTS, _MAX_BLANK_TEXTS = 2, 2


@dataclass(frozen=True, slots=True)
class Stay:
    """A screen as moments `first` to `last`.

    Attributes:
        dialog: the box of the dialog that is open, in pixels of the recording.
    """

    first: int
    last: int
    kind: ScreenKind
    dialog: Box | None = None


def find_stays(
    frames: FrameStore, motion: Motion, moments: Sequence[Moment], changes: Sequence[Change]
) -> list[Stay]:
    """Return the screens in order, each as a span of moments."""
    stays: list[Stay] = []
    dialog: Box | None = None
    kinds: list[ScreenKind] = []
    dialogs: list[Box | None] = []
    for place in range(len(moments)):
        dialog = _dialog(frames, moments, changes[place - 1], dialog) if place else None
        dialogs.append(dialog)
        kinds.append(_kind(frames, motion, moments[place], dialog))
    for place, kind in enumerate(kinds):
        stay = stays[-1] if stays else None
        is_same = (
            stay is not None
            and stay.kind == kind
            and _is_same_screen(changes[place - 1], kind)
            and not _has_new_heading(moments[place - 1], moments[place], frames.height)
        )
        if stay is not None and is_same:
            stays[-1] = replace(stay, last=place)
        else:
            stays.append(Stay(place, place, kind, dialogs[place]))
    return stays


def make_screens(frames: FrameStore, moments: Sequence[Moment], stays: Sequence[Stay]) -> list[Screen]:
    """Return the screens of the timeline."""
    return [_screen(frames, moments, stays, number) for number in range(len(stays))]


def find_theme(frames: FrameStore) -> Theme:
    """Return whether most of what is shown is light or dark."""
    step = max(1, len(frames) // 20)
    levels = [float(np.median(frames.luma(index))) for index in range(0, len(frames), step)]
    return "dark" if float(np.median(levels)) < _DARK_LEVEL else "light"


def find_title(lines: Sequence[Line], height: float, dialog: Box | None = None) -> Line | None:
    """Return the heading: the topmost prominent line of the dialog, or of the bar at the top of the page."""
    if dialog is not None:
        inside = [line for line in lines if _is_inside(line, dialog) and not is_chrome(line, height)]
        top = [line for line in inside if line.box[1] < dialog[1] + 0.5 * (dialog[3] - dialog[1])]
        return top[0] if top else inside[0] if inside else None
    usual = float(np.median([line.height for line in lines])) if lines else 0.0
    lines = [line for line in lines if not is_chrome(line, height) and len(line.text) > 1]
    start = min((line.box[1] for line in lines), default=0.0)
    head = [line for line in lines if line.box[1] <= start + _TITLE_SHARE * height / 2]
    head = [line for line in head if line.box[1] < _TITLE_SHARE * height]
    if not head:
        return None
    left, right = min(line.box[0] for line in lines), max(line.box[2] for line in lines)
    tallest = max(line.height for line in head)
    tall = [line for line in head if line.height >= _PROMINENT * tallest]
    row = [line for line in head if abs(line.center[1] - tall[0].center[1]) < 0.5 * tall[0].height]
    central = [line for line in row if abs(2 * line.center[0] - left - right) < 2 * _CENTRAL * (right - left)]
    best = central[0] if central and len(row) > 1 else tall[0]
    words = len(best.text.split())
    is_bar = best.center[1] < _BAR_SHARE * height and words <= _MAX_TITLE_WORDS
    return best if is_bar or (tallest > 1.15 * usual and words <= 2 * _MAX_TITLE_WORDS) else None


def is_chrome(line: Line, height: float) -> bool:
    """Return whether a line belongs to the system or browser rather than to the app."""
    in_status_bar = line.center[1] < _STATUS_BAR_SHARE * height
    is_high = line.center[1] < 3 * _STATUS_BAR_SHARE * height
    return bool(
        (in_status_bar and (_CLOCK.search(line.text) or len(line.text) <= 3))
        or (is_high and (_ADDRESS.match(line.text) or _POINTER_BAR.match(line.text)))
    )


def _dialog(
    frames: FrameStore, moments: Sequence[Moment], change: Change, open_now: Box | None
) -> Box | None:
    before, after = moments[change.before], moments[change.after]
    if change.dims > 0:
        shares = dimmed_box(frames.luma(before.frame), frames.luma(after.frame))
        if shares is not None:
            x, y = float(frames.width), float(frames.height)
            return shares[0] * x, shares[1] * y, shares[2] * x, shares[3] * y
    if open_now is not None:
        inside = [line for line in before.texts if _is_inside(line, open_now)]
        gone = [line for line in inside if line in change.vanished]
        is_closed = change.dims < 0 or (len(inside) > 0 and len(gone) > _GONE_SHARE * len(inside))
        return None if is_closed else open_now
    return change.blob if _is_popup(frames, change, before, after) else None


def _is_popup(frames: FrameStore, change: Change, before: Moment, after: Moment) -> bool:
    """Return whether a part inside the screen has been covered by something with text of its own."""
    if change.blob is None or change.shift is not None or len(change.appeared) < 2:
        return False
    left, top, right, bottom = change.blob
    width, height = (right - left) / frames.width, (bottom - top) / frames.height
    margins = left > 0.02 * frames.width and right < 0.99 * frames.width and top > 0.03 * frames.height
    inside = [line for line in change.appeared if _is_inside(line, change.blob)]
    outside = [line for line in before.texts if not _is_inside(line, change.blob)]
    stayed = [line for line in outside if line not in change.vanished]
    return bool(
        margins
        and len(stayed) >= max(3, 0.75 * len(outside))
        and 0.35 < width < 0.95
        and height < 0.85
        and width * height > 0.06
        and change.share > 0.25 * width * height
        and len(inside) > 0.7 * len(change.appeared)
        and len(change.vanished) >= 2
        and _has_sides(frames.luma(after.frame), change.blob, frames.scale)
    )


def _has_sides(luma: NDArray[np.uint8], box: Box, scale: float) -> bool:
    """Return whether a box is drawn: its left and right sides are edges from top to bottom."""
    left, top, right, bottom = (round(value / scale) for value in box)
    rows = luma[max(0, top + 2) : bottom - 2].astype(np.int16)
    if len(rows) < 4:
        return False
    steps = np.abs(np.diff(rows, axis=1))
    for side in (left, right):
        near = steps[:, max(0, side - _SIDE_REACH) : side + _SIDE_REACH]
        if near.shape[1] == 0 or (near.max(axis=1) > _EDGE_LEVELS).mean() < _MIN_EDGE_SHARE:
            return False
    return True


def _kind(frames: FrameStore, motion: Motion, moment: Moment, dialog: Box | None) -> ScreenKind:
    luma = frames.luma(moment.frame)
    height = float(frames.height)
    inner = luma[luma.shape[0] // 14 : -luma.shape[0] // 14]
    texts = [line for line in moment.texts if not is_chrome(line, height)]
    if np.percentile(inner, 98) <= _BLACK_LEVEL and len(texts) <= 1:
        return "black"
    if dialog is not None:
        return "dialog"
    if keyboard_top(moment.texts, height) is not None:
        return "keyboard"
    low = [line for line in texts if line.center[1] > 0.14 * height]
    if any(_LOADING.match(line.text) for line in texts) and len(low) <= _MAX_LOADING_TEXTS:
        return "loading"
    body = luma[int(0.14 * luma.shape[0]) : int(0.9 * luma.shape[0])]
    flat = float(np.mean(np.abs(body.astype(np.int16) - np.median(body)) > _BLANK_CONTRAST))
    busy = float(motion.busy[moment.first : moment.last + 1].any(axis=0).mean())
    if not low and flat < 0.05 and 0 < busy < 0.06:
        return "loading"
    return "blank" if not low and flat < 0.004 and len(texts) <= _MAX_BLANK_TEXTS else "page"


def _is_same_screen(change: Change, kind: ScreenKind) -> bool:
    if change.shift is not None and change.shift.dy:
        return True
    if kind in ("black", "blank"):
        return True
    if kind == "dialog":
        return change.share < _SMALL_CHANGE or change.kept >= _MANY_KEPT
    if change.share < _SMALL_CHANGE:
        return change.kept >= _SOME_KEPT
    return change.kept >= _MANY_KEPT and len(change.vanished) + len(change.appeared) > 0


def _has_new_heading(before: Moment, after: Moment, height: float) -> bool:
    """Return whether another title stands in the bar at the top, which scrolling does not move."""
    old, new = (find_title(moment.texts, height) for moment in (before, after))
    if old is None or new is None or max(old.center[1], new.center[1]) > _BAR_SHARE * height:
        return False
    is_there = abs(old.center[1] - new.center[1]) < 0.3 * old.height
    return is_there and SequenceMatcher(None, old.text, new.text).ratio() < _OTHER_TITLE


def _screen(frames: FrameStore, moments: Sequence[Moment], stays: Sequence[Stay], number: int) -> Screen:
    stay = stays[number]
    members = moments[stay.first : stay.last + 1]
    start = float(frames.seconds[members[0].first]) if number else 0.0
    end = frames.end_of(members[-1].last)
    steadiest = max(members, key=lambda moment: moment.last - moment.first)
    title = None
    if stay.kind not in ("black", "blank"):
        titles = [find_title(moment.texts, frames.height, stay.dialog) for moment in members]
        title = next((line.text for line in titles if line is not None), None)
    return Screen(
        start_seconds=start,
        end_seconds=end,
        frame_seconds=float(frames.seconds[steadiest.frame]),
        title=title,
        kind=stay.kind,
        texts=_texts(frames, members),
    )


def _texts(frames: FrameStore, members: Sequence[Moment]) -> tuple[TextLine, ...]:
    """Return each line once, with the time during which it was visible and its first box."""
    found: dict[tuple[str, int], TextLine] = {}
    for moment in members:
        first, last = float(frames.seconds[moment.first]), frames.end_of(moment.last)
        count: dict[str, int] = {}
        for line in moment.texts:
            number = count[line.text] = count.get(line.text, 0) + 1
            key = (line.text, number)
            known = found.get(key)
            found[key] = (
                known.model_copy(update={"last_seconds": last})
                if known
                else TextLine(
                    text=line.text,
                    box=line.box,
                    confidence=line.confidence,
                    first_seconds=first,
                    last_seconds=last,
                )
            )
    return tuple(found.values())


def _is_inside(line: Line, box: Box) -> bool:
    x, y = line.center
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]
