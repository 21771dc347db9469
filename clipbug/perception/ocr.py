"""The text models: PP-OCRv6 of the package rapidocr, whose wheel holds the weights. Nothing is downloaded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from clipbug.errors import ClipbugError
from clipbug.perception.frames import Picture

_DETECTION_PORTRAIT, _DETECTION_LANDSCAPE = 960, 1600
_MIN_DETECTION_SIDE = 64
_GAP_SHARE = 0.75  # of a line's height; spaces between words are a third of it
_INK_LEVELS = 36
_MAX_CARET_COLUMNS, _CARET_FILL = 3, 0.9
_MIN_COLUMNS = 4
_NEAR_SHARE = 1.2  # of a line's height
_BORDER_SHARE = 0.6


class OcrEngine(Protocol):
    """Finds and reads lines of text. Tests use one of their own."""

    def detect(self, picture: Picture) -> list[NDArray[np.float64]]:
        """Return the boxes (left, top, right, bottom) of runs of text in an RGB picture (H, W, 3)."""
        ...

    def recognize(self, crops: Sequence[Picture]) -> list[tuple[str, float]]:
        """Return text and confidence of RGB crops of one line each."""
        ...


@dataclass(frozen=True, slots=True)
class OcrModels:
    """Model files of the user's own, for other scripts; None for those of the package."""

    detection: Path | None = None
    recognition: Path | None = None


class RapidOcr:
    """PP-OCRv6 on one thread; the models are loaded when the first picture comes.

    Args:
        models: files to use instead.
    """

    def __init__(self, models: OcrModels | None = None) -> None:
        self._models = models or OcrModels()
        self._engine: Any = None

    def detect(self, picture: Picture) -> list[NDArray[np.float64]]:
        """See `OcrEngine.detect`; large pictures are scaled down, since lines are found at any size."""
        height, width = picture.shape[:2]
        limit = _DETECTION_LANDSCAPE if width > height else _DETECTION_PORTRAIT
        factor = min(1.0, max(limit / max(height, width), _MIN_DETECTION_SIDE / min(height, width)))
        bgr = _bgr(picture)
        if factor < 1:
            size = max(1, round(width * factor)), max(1, round(height * factor))
            bgr = cv2.resize(bgr, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        found = self._loaded()(bgr, use_det=True, use_cls=False, use_rec=False)
        if found is None or getattr(found, "boxes", None) is None:
            return []
        corners = [np.asarray(box, np.float64) / factor for box in found.boxes]
        return [np.concatenate([box.min(axis=0), box.max(axis=0)]) for box in corners]

    def recognize(self, crops: Sequence[Picture]) -> list[tuple[str, float]]:
        """See `OcrEngine.recognize`; one by one, since a batch is padded to its widest line."""
        return [self._recognize(_bgr(crop)) for crop in crops]

    def _recognize(self, crop: Picture) -> tuple[str, float]:
        found = self._loaded()(crop, use_det=False, use_cls=False, use_rec=True)
        texts, scores = getattr(found, "txts", None), getattr(found, "scores", None)
        return (str(texts[0]), float(scores[0])) if texts and scores else ("", 0.0)

    def _loaded(self) -> Any:
        if self._engine is None:
            try:
                from rapidocr import RapidOCR
            except ImportError as error:
                raise ClipbugError(
                    f"reading text needs the package rapidocr: {error}", "pip install rapidocr onnxruntime"
                ) from error
            settings: dict[str, Any] = {
                "Global.use_cls": False,
                "Global.log_level": "error",
                "Global.text_score": 0.0,
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
                "EngineConfig.onnxruntime.inter_op_num_threads": 1,
                "Det.limit_type": "min",
                "Det.limit_side_len": _MIN_DETECTION_SIDE,
                "Rec.rec_batch_num": 1,
                # The narrowest picture that is computed; the default pads a short word to 320 pixels.
                "Rec.rec_img_shape": [3, 48, 96],
            }
            for key, path in (("Det", self._models.detection), ("Rec", self._models.recognition)):
                if path is not None:
                    settings[f"{key}.model_path"] = str(path)
            self._engine = RapidOCR(params=settings)
        return self._engine


def split_at_gaps(crop: Picture) -> list[tuple[int, int]]:
    """Return the column spans of labels that are set apart in the crop (h, w, 3) of one line."""
    height, width = crop.shape[:2]
    if width < 2 * height:
        return [(0, width)]
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.int16)
    paper = np.median(luma)
    inner = slice(height // 8, max(height - height // 8, height // 8 + 1))
    ink = (np.abs(luma - paper) > _INK_LEVELS)[inner].any(axis=0)
    columns = np.flatnonzero(ink)
    if len(columns) == 0:
        return [(0, width)]
    breaks = np.flatnonzero(np.diff(columns) > _GAP_SHARE * height)
    starts = np.concatenate([columns[:1], columns[breaks + 1]])
    ends = np.concatenate([columns[breaks], columns[-1:]])
    margin = max(2, height // 6)
    return [
        (int(max(0, start - margin)), int(min(width, end + 1 + margin)))
        for start, end in zip(starts, ends, strict=True)
    ]


def without_caret(crop: Picture) -> Picture:
    """Return the crop (h, w, 3) of one line without a caret or border at its ends, which reads as a letter.

    It is a thin upright stroke, taller than any letter of the line.
    """
    width = crop.shape[1]
    luma = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.int16)
    ink = np.abs(luma - np.median(luma)) > _INK_LEVELS
    ink[ink.mean(axis=1) > _BORDER_SHARE] = False  # the outline of a field
    columns = np.flatnonzero(ink.any(axis=0))
    if len(columns) < _MIN_COLUMNS:
        return crop
    cleaned = crop
    for end in (columns, columns[::-1]):
        stroke = _caret_columns(ink, end)
        if stroke is not None:
            cleaned = cleaned.copy() if cleaned is crop else cleaned
            margin = slice(max(0, min(stroke)), min(width, max(stroke) + 2))
            cleaned[:, margin] = np.median(crop.reshape(-1, 3), axis=0).astype(np.uint8)
    return cleaned


def _caret_columns(ink: NDArray[np.bool_], columns: NDArray[np.int64]) -> list[int] | None:
    """Return the columns of a caret at an end of the text; None if there is none.

    Args:
        ink: (h, w) where there is ink.
        columns: those with ink, the end to look at first.
    """
    direction = 1 if columns[-1] > columns[0] else -1
    for width in range(_MAX_CARET_COLUMNS, 0, -1):
        stroke = [int(column) for column in columns if (column - columns[0]) * direction < width]
        distances = (columns - columns[0]) * direction
        others = columns[(distances > width) & (distances < _NEAR_SHARE * len(ink))]
        if len(others) < 2:
            return None
        rows = np.flatnonzero(ink[:, stroke].any(axis=1))
        letters = np.flatnonzero(ink[:, others].any(axis=1))
        is_stroke = ink[rows[0] : rows[-1] + 1, stroke].all(axis=1).mean() > _CARET_FILL
        if is_stroke and rows[0] < letters[0] and rows[-1] > letters[-1]:
            return stroke
    return None


def _bgr(picture: Picture) -> Picture:
    return np.ascontiguousarray(picture[:, :, ::-1])
