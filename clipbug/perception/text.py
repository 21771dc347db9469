"""Reading the text of screens, each line once: what did not change is not read again."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.perception.frames import Picture
from clipbug.perception.ocr import OcrEngine, split_at_gaps, without_caret
from clipbug.perception.scripts import clean, is_look_alike, judge

_THUMB_HEIGHT = 16
_SAME_MEAN, _SAME_SPOT = 5.0, 40.0
_CHANGED_LEVELS = 20
_MAX_STRIP_SHARE = 0.6
_MAX_PAGES, _MAX_LINES = 24, 1500
_MIN_LOOK_ALIKE_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Line:
    """A run of text in a large picture; `box` is in its pixels. An unreadable one has no text."""

    text: str
    box: tuple[float, float, float, float]
    confidence: float
    is_readable: bool = True

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box."""
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def height(self) -> float:
        """Of the box."""
        return self.box[3] - self.box[1]

    def scaled(self, factor: float) -> "Line":
        """Return the line with its box in other pixels."""
        left, top, right, bottom = self.box
        return replace(self, box=(left * factor, top * factor, right * factor, bottom * factor))


@dataclass(frozen=True, slots=True)
class _Page:
    luma: Picture
    lines: tuple[Line, ...]


class TextReader:
    """Reads pictures of one recording, given in any order.

    Args:
        engine: the models.
    """

    def __init__(self, engine: OcrEngine) -> None:
        self._engine = engine
        self._pages: list[_Page] = []
        self._known: list[tuple[NDArray[np.float32], str, float]] = []
        self.num_lines_read = 0

    def read(self, picture: Picture) -> tuple[Line, ...]:
        """Return the lines of a large RGB picture (H, W, 3), from top to bottom."""
        luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        page, rows = self._nearest_page(luma)
        if page is not None and rows is None:
            return page.lines
        if page is None or rows is None:
            lines = self._read_region(picture, 0)
        else:
            top, bottom = _whole_lines(rows, page.lines, len(luma))
            kept = [line for line in page.lines if line.box[3] <= top or line.box[1] >= bottom]
            lines = [*kept, *self._read_region(picture[top:bottom], top)]
        found = _in_reading_order(_without_look_alikes(lines))
        self._pages = [*self._pages[-_MAX_PAGES + 1 :], _Page(luma, found)]
        return found

    def _nearest_page(self, luma: Picture) -> tuple[_Page | None, tuple[int, int] | None]:
        """Return the page that differs in the fewest rows, and these; no page if nearly all differ."""
        best: tuple[int, _Page, tuple[int, int] | None] | None = None
        for page in reversed(self._pages):
            rows = _changed_rows(page.luma, luma)
            count = 0 if rows is None else rows[1] - rows[0]
            if best is None or count < best[0]:
                best = count, page, rows
            if count == 0:
                break
        if best is None or best[0] > _MAX_STRIP_SHARE * len(luma):
            return None, None
        return best[1], best[2]

    def _read_region(self, picture: Picture, top: int) -> list[Line]:
        boxes = [part for box in self._engine.detect(picture) for part in _parts(picture, box)]
        crops = [without_caret(picture[y0:y1, x0:x1]) for x0, y0, x1, y1 in boxes]
        texts = self._texts(crops)
        lines = []
        for (x0, y0, x1, y1), (text, confidence) in zip(boxes, texts, strict=True):
            verdict = judge(text, confidence, x1 - x0, y1 - y0)
            readable = verdict == "text"
            cleaned = clean(text) if readable else ""
            if verdict == "icon" or (readable and not cleaned):
                continue
            box = (float(x0), float(y0 + top), float(x1), float(y1 + top))
            lines.append(Line(cleaned, box, confidence, readable))
        return lines

    def _texts(self, crops: list[Picture]) -> list[tuple[str, float]]:
        thumbs = [_thumb(crop) for crop in crops]
        texts = [self._recall(thumb) for thumb in thumbs]
        missing = [place for place, text in enumerate(texts) if text is None]
        found = self._engine.recognize([crops[place] for place in missing]) if missing else []
        self.num_lines_read += len(missing)
        for place, text in zip(missing, found, strict=True):
            texts[place] = text
            self._known.append((thumbs[place], *text))
        self._known = self._known[-_MAX_LINES:]
        return [text or ("", 0.0) for text in texts]

    def _recall(self, thumb: NDArray[np.float32]) -> tuple[str, float] | None:
        """Return what was read from the same pixels before, wherever they were."""
        width = thumb.shape[1]
        for other, text, confidence in reversed(self._known):
            if other.shape[1] != width:
                continue
            difference = np.abs(other - thumb)
            if difference.mean() < _SAME_MEAN and cv2.blur(difference, (3, 3)).max() < _SAME_SPOT:
                return text, confidence
        return None


def _parts(picture: Picture, box: NDArray[np.float64]) -> list[tuple[int, int, int, int]]:
    """Return the labels of a detected line as boxes of whole pixels inside the picture."""
    height, width = picture.shape[:2]
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 - x0 < 3 or y1 - y0 < 4:
        return []
    return [(x0 + a, y0, x0 + b, y1) for a, b in split_at_gaps(picture[y0:y1, x0:x1])]


def _thumb(crop: Picture) -> NDArray[np.float32]:
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    width = max(4, round(crop.shape[1] / crop.shape[0] * _THUMB_HEIGHT))
    return cv2.resize(luma, (width, _THUMB_HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32)


def _changed_rows(before: Picture, after: Picture) -> tuple[int, int] | None:
    """Return the first and the end of the rows that differ; None if none does."""
    if before.shape != after.shape:
        return 0, len(after)
    changed = cv2.blur(cv2.absdiff(before, after), (3, 3)) > _CHANGED_LEVELS
    rows = np.flatnonzero(np.count_nonzero(changed, axis=1) >= 2)
    return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else None


def _whole_lines(rows: tuple[int, int], lines: Iterable[Line], height: int) -> tuple[int, int]:
    """Return the rows widened to the full height of the lines that they cut."""
    top, bottom = rows[0] - 8, rows[1] + 8
    lines = list(lines)
    for _ in range(3):
        for line in lines:
            if line.box[3] > top and line.box[1] < bottom:
                top, bottom = min(top, int(line.box[1]) - 6), max(bottom, int(line.box[3]) + 7)
    return max(0, top), min(height, bottom)


def _without_look_alikes(lines: list[Line]) -> list[Line]:
    """Return the lines with those unreadable that another script on the same screen explains."""
    unreadable = sum(not line.is_readable for line in lines)
    if unreadable < 2 or unreadable < _MIN_LOOK_ALIKE_SHARE * len(lines):
        return lines
    return [replace(line, text="", is_readable=False) if is_look_alike(line.text) else line for line in lines]


def _in_reading_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Return the lines row by row, each row from the left."""
    rows: list[list[Line]] = []
    for line in sorted(lines, key=lambda line: line.center[1]):
        row = rows[-1] if rows else None
        if row is not None and line.center[1] - row[0].center[1] < 0.5 * min(line.height, row[0].height):
            row.append(line)
        else:
            rows.append([line])
    return tuple(line for row in rows for line in sorted(row, key=lambda line: line.box[0]))
