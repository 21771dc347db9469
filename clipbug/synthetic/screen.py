"""What an app shows at one moment, as plain data: two equal screens are the same picture."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from numpy import uint8
from numpy.typing import NDArray

from clipbug.synthetic.canvas import Rect
from clipbug.synthetic.style import SCREEN_HEIGHT

Kind = Literal["list", "form", "settings", "gallery"]
Place = Literal["top", "middle", "bottom"]
DialogKind = Literal["information", "error", "confirm", "permission", "crash"]
Fault = Literal["blank page", "endless spinner", "overlapping text"]

KINDS: tuple[Kind, ...] = ("list", "form", "settings", "gallery")
PLACES: tuple[Place, ...] = ("top", "middle", "bottom")


@dataclass(frozen=True, slots=True)
class Screen:
    """One state of an app.

    Attributes:
        labels: texts of the rows, fields, options or pictures.
        has_search: a search field comes before the rows.
        counter: what a list says about its number of rows.
        new_rows: how many rows at the top of a list are marked as new.
        scroll: pixels that the content has moved up.
        focus: the field that is written into, and its text.
        checked: options or pictures that are on.
        message: text of the dialog and of the note at the foot.
        has_note: a note at the foot says that all went well.
        has_bar: False where even the app bar is gone.
    """

    kind: Kind
    app_name: str
    clock: str
    title: str
    labels: tuple[str, ...]
    button: str
    button_place: Place
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
        regions: what can be touched, by name: "back", "button", "tab 0", "row 0", "field 0", "dialog 0" ...
        max_scroll: pixels of content below the view when scrolled to the top.
    """

    image: NDArray[uint8]
    regions: dict[str, Rect]
    max_scroll: int


def place_of(y: int) -> Place:
    """The third of the screen that a row of pixels lies in."""
    return PLACES[min(2, y * 3 // SCREEN_HEIGHT)]
