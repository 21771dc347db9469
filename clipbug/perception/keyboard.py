"""The keyboard on the screen."""

from collections.abc import Sequence

from clipbug.perception.text import Line

_KEYS = {"space", "return", "?123", "123", "ABC", "Done", "Go", "Next", "空格", "换行", "=\\<"}
_MIN_KEYS = 9
_LOWEST_SHARE = 0.4


def keyboard_top(lines: Sequence[Line], height: float) -> float | None:
    """Return the upper edge of the letters of a keyboard at the bottom of the screen; None if there is none.

    Args:
        lines: what is on the screen.
        height: of the screen, in the pixels of the lines' boxes.
    """
    keys = [line for line in lines if line.center[1] > _LOWEST_SHARE * height and len(line.text) == 1]
    keys = [line for line in keys if line.text.isalpha()]
    letters = {line.text.lower() for line in keys}
    named = [line for line in lines if line.text in _KEYS and line.center[1] > 0.6 * height]
    if len(letters) + 2 * len(named) < _MIN_KEYS or len(letters) < 6:
        return None
    rows: dict[int, int] = {}
    for line in keys:
        row = round(line.center[1] / (0.03 * height))
        rows[row] = rows.get(row, 0) + 1
    full = [row for row in rows if rows[row] + rows.get(row + 1, 0) + rows.get(row - 1, 0) >= 4]
    if not full:
        return None
    top = min(full) * 0.03 * height
    return top - 0.035 * height
