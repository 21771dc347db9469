"""The state of an app as plain data; equal states are drawn as equal images."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from numpy import uint8
from numpy.typing import NDArray

from clipbug.synthetic.canvas import Rect
from clipbug.synthetic.style import SCREEN_HEIGHT

Kind = Literal["list", "form", "settings", "gallery"]
Position = Literal["top", "middle", "bottom"]
DialogKind = Literal["information", "error", "confirm", "permission", "crash"]
Fault = Literal["blank page", "endless spinner", "overlapping text"]

KINDS: tuple[Kind, ...] = ("list", "form", "settings", "gallery")
POSITIONS: tuple[Position, ...] = ("top", "middle", "bottom")


@dataclass(frozen=True, slots=True)
class Screen:
    """One state of an app.

    Attributes:
        labels: texts of the rows, fields, options or pictures.
        has_search: whether there is a search field before the rows.
        counter: text that gives the number of rows of a list.
        new_rows: number of rows at the top of a list that are marked as new.
        scroll: number of pixels that the content has moved up.
        focus: index of the focused field, and its text.
        checked: options or pictures that are selected.
        message: text of the dialog and of the snackbar.
        has_note: whether a snackbar confirms success.
        has_bar: False if even the app bar is missing.
    """

    kind: Kind
    app_name: str
    clock: str
    title: str
    labels: tuple[str, ...]
    button: str
    button_position: Position
    tabs: tuple[str, ...] = ()
    selected_tab: int = 0
    has_search: bool = False
    counter: str = ""
    new_rows: int = 0
    scroll: int = 0
    focus: tuple[int, str] | None = None
    has_keyboard: bool = False
    checked: frozenset[int] = frozenset()
    is_pressed: bool = False
    message: str = ""
    dialog: DialogKind | None = None
    has_note: bool = False
    fault: Fault | None = None
    has_bar: bool = True


class Drawing(NamedTuple):
    """A drawn screen.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        regions: boxes of elements that can be touched, by name: "back", "button", "tab 0", "row 0",
            "field 0", "dialog 0" ...
        max_scroll: pixels of content below the view when scrolled to the top.
    """

    image: NDArray[uint8]
    regions: dict[str, Rect]
    max_scroll: int


def position_of(y: int) -> Position:
    """Return the third of the screen that contains a row of pixels."""
    return POSITIONS[min(2, y * 3 // SCREEN_HEIGHT)]
