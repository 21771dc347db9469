"""SVG charts, coloured by the style sheet of the page so that they follow its light or dark theme."""

import math
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from clipbug.report.contents import Curve

_RULER_WIDTH, _RULER_MARGIN, _LINE_HEIGHT = 860, 24, 17
_LETTER_WIDTH = 7.0  # average of the label font; overlapping labels move to the next line
_CURVE_WIDTH, _CURVE_HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 400, 170, 52, 24, 12, 14
_MAX_POINTS = 400


def score_ruler(score: float, interval: tuple[float, float], marks: Mapping[str, float]) -> Markup:
    """Draw a scale from 0 to 100 % with the score and its interval above, and reference scores below.

    Args:
        score: score of the model, in [0, 1].
        interval: 95 % confidence interval of the score.
        marks: name -> reference score, such as a baseline or the ceiling.

    Returns:
        The SVG element.
    """
    low, high = interval
    lines = _label_lines([(name, _ruler_x(value), _percent(value)) for name, value in marks.items()])
    height = 74 + _LINE_HEIGHT * (1 + max((line for *_, line in lines), default=0))
    named = "; ".join(f"{name} {_percent(value)}" for name, value in marks.items())
    elements = [
        _open(
            _RULER_WIDTH,
            height,
            f"score {_percent(score)}, between {_percent(low)} and {_percent(high)}; {named}",
        ),
        Markup('<rect class="track" x="{}" y="50" width="{}" height="8" rx="4"/>').format(
            _RULER_MARGIN, _RULER_WIDTH - 2 * _RULER_MARGIN
        ),
        Markup('<rect class="fill" x="{}" y="50" width="{:.1f}" height="8" rx="4"/>').format(
            _RULER_MARGIN, max(_ruler_x(score) - _RULER_MARGIN, 4)
        ),
        Markup('<rect class="interval" x="{:.1f}" y="44" width="{:.1f}" height="20" rx="10"/>').format(
            _ruler_x(low), max(_ruler_x(high) - _ruler_x(low), 2)
        ),
        Markup('<circle class="dot" cx="{:.1f}" cy="54" r="9"/>').format(_ruler_x(score)),
        _text(_ruler_x(score), 30, _percent(score), "value", _anchor(_ruler_x(score))),
    ]
    for name, x, value, line in lines:
        bottom = 72 + _LINE_HEIGHT * line
        elements.append(
            Markup('<line class="mark" x1="{0:.1f}" x2="{0:.1f}" y1="46" y2="{1}"/>').format(x, bottom)
        )
        elements.append(_text(x, bottom + 13, f"{name} {value}", "label", _anchor(x)))
    return Markup("").join([*elements, Markup("</svg>")])


def learning_curve(curve: Curve) -> Markup:
    """Draw one metric over the training steps, labelled with its last value."""
    points = _thin([point for point in curve.points if math.isfinite(point[1])])
    if not points:
        return Markup("")
    steps, values = [step for step, _ in points], [value for _, value in points]
    low, high = _rounded_range(min(values), max(values))
    first, last = min(steps), max(steps)

    def position(step: float, value: float) -> tuple[float, float]:
        x = _LEFT + (_CURVE_WIDTH - _LEFT - _RIGHT) * (
            (step - first) / (last - first) if last > first else 0.5
        )
        y = _CURVE_HEIGHT - _BOTTOM - (_CURVE_HEIGHT - _TOP - _BOTTOM) * (value - low) / (high - low)
        return x, y

    path = " ".join(
        f"{'ML'[index > 0]}{x:.1f} {y:.1f}" for index, (x, y) in enumerate(map(position, steps, values))
    )
    end_x, end_y = position(last, values[-1])
    described = f"{curve.name}: from {_short(values[0])} to {_short(values[-1])} over {last:,.0f} steps"
    return Markup("").join(
        [
            _open(_CURVE_WIDTH, _CURVE_HEIGHT, described),
            *(_gridline(value, position(first, value)[1]) for value in (low, (low + high) / 2, high)),
            _text(_LEFT, _CURVE_HEIGHT - 6, f"{first:,.0f}", "label", "start"),
            _text(_CURVE_WIDTH - _RIGHT, _CURVE_HEIGHT - 6, f"step {last:,.0f}", "label", "end"),
            Markup('<path class="curve" d="{}"/>').format(path),
            Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="4"/>').format(end_x, end_y),
            _text(end_x - 6, max(end_y - 8, 12), _short(values[-1]), "last", "end"),
            Markup("</svg>"),
        ]
    )


def _open(width: int, height: int, description: str) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(width, height, description)


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        kind, x, y, anchor, text
    )


def _gridline(value: float, y: float) -> Markup:
    line = Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>').format(
        _LEFT, _CURVE_WIDTH - _RIGHT, y, y
    )
    return line + _text(_LEFT - 7, y + 4, _short(value), "label", "end")


def _ruler_x(share: float) -> float:
    return _RULER_MARGIN + (_RULER_WIDTH - 2 * _RULER_MARGIN) * min(max(share, 0.0), 1.0)


def _anchor(x: float) -> str:
    """Return the text anchor that keeps a label inside the image."""
    if x < 0.12 * _RULER_WIDTH:
        return "start"
    return "end" if x > 0.88 * _RULER_WIDTH else "middle"


def _label_lines(labels: Sequence[tuple[str, float, str]]) -> list[tuple[str, float, str, int]]:
    """Return each label with the first line on which it overlaps no other label."""
    ends: list[float] = []
    placed = []
    for name, x, value in sorted(labels, key=lambda label: label[1]):
        width = _LETTER_WIDTH * len(f"{name} {value}")
        left = {"start": x, "middle": x - width / 2, "end": x - width}[_anchor(x)]
        line = next((number for number, end in enumerate(ends) if end < left), len(ends))
        ends[line : line + 1] = [left + width + 12]
        placed.append((name, x, value, line))
    return placed


def _thin(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return at most `_MAX_POINTS` + 1 of the points, including the last one."""
    stride = max(1, math.ceil(len(points) / _MAX_POINTS))
    return [*points[:-1:stride], *points[-1:]]


def _rounded_range(low: float, high: float) -> tuple[float, float]:
    """Return a range that contains the values and whose ends have few digits."""
    if low == high:
        return low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    unit = 10 ** math.floor(math.log10(high - low)) / 2
    return math.floor(low / unit) * unit, math.ceil(high / unit) * unit


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _short(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
