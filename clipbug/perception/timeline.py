"""The timeline of a recording: the contract between the reader and everything that comes after it.

Times are seconds as a player shows them (the first frame is at 0). Points and boxes are pixels of the upright
picture; a box is (left, top, right, bottom).
"""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clipbug.errors import DataError

SCHEMA_VERSION = 1
READER_NAME = "clipbug"
READER_VERSION = 2
"""Rises with every change that can alter a timeline; kept timelines of other versions are made again."""

Box = tuple[float, float, float, float]
ScreenKind = Literal["page", "dialog", "keyboard", "blank", "black", "loading"]
EventKind = Literal["tap", "double_tap", "long_press", "swipe", "scroll", "type", "key", "back"]
Direction = Literal["up", "down", "left", "right"]
Indicator = Literal["disc", "ring", "cursor", "other", "none"]
Theme = Literal["light", "dark"]


class _Part(BaseModel):
    """Fields that a newer minor version added are ignored; what is missing or of a wrong type is not."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Reader(_Part):
    """Which reader made a timeline."""

    name: str = READER_NAME
    version: int = READER_VERSION


class TextLine(_Part):
    """A run of text on a screen; labels that are set apart on one line are lines of their own."""

    text: str
    box: Box
    confidence: float
    first_seconds: float
    last_seconds: float


class Screen(_Part):
    """A screen while it is shown, with all of its text, in whatever part of it was scrolled into view.

    Attributes:
        frame_seconds: a time at which the screen is complete and still.
        title: the heading of the page or dialog.
    """

    start_seconds: float
    end_seconds: float
    frame_seconds: float
    title: str | None = None
    kind: ScreenKind = "page"
    texts: tuple[TextLine, ...] = ()


class Event(_Part):
    """Something that the user did.

    Attributes:
        x, y: where it began; None if that cannot be told.
        direction: of a scroll, where the view travels; of a swipe, where the finger moves.
        target: name of what was touched, or of the field that was typed into.
        text: what was typed.
        screen: index of the screen on which it happened.
        changed: whether the screen changed after it.
    """

    time_seconds: float
    end_seconds: float
    kind: EventKind
    x: float | None = None
    y: float | None = None
    direction: Direction | None = None
    target: str | None = None
    target_kind: str | None = None
    target_box: Box | None = None
    text: str | None = None
    screen: int = 0
    changed: bool = True
    confidence: float = 1.0


class Unreadable(_Part):
    """Text in a script that the models do not read."""

    start_seconds: float
    box: Box
    script: str


class Problem(_Part):
    """What went wrong, with the evidence in words."""

    kind: str
    time_seconds: float
    reason: str
    confidence: float


class Timeline(_Part):
    """What a recording or screenshot shows.

    Attributes:
        content_box: the app's part where a phone or a window is drawn round it, else the whole picture.
        pointer: (time, x, y) of a mouse pointer, thinned out; None where none is shown.
    """

    version: int = SCHEMA_VERSION
    media_id: str
    file: str
    duration_seconds: float
    width: int
    height: int
    reader: Reader = Field(default_factory=Reader)
    content_box: Box
    indicator: Indicator = "none"
    indicator_color: str | None = None
    theme: Theme = "light"
    screens: tuple[Screen, ...] = ()
    events: tuple[Event, ...] = ()
    pointer: tuple[tuple[float, float, float], ...] | None = None
    unreadable: tuple[Unreadable, ...] = ()
    problem: Problem | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object of the contract; `pointer` is left out where no pointer is shown."""
        row = _rounded(self.model_dump(mode="python"))
        if self.pointer is None:
            del row["pointer"]
        return dict(row)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Self:
        """Return the timeline of an object that `to_json` made.

        Raises:
            DataError: it is no timeline, or of a later version of the schema.
        """
        version = row.get("version")
        if version != SCHEMA_VERSION:
            raise DataError(
                f"a timeline of version {version!r} cannot be read, only of version {SCHEMA_VERSION}",
                "Make it again with `clipbug timeline`, or update clipbug.",
            )
        try:
            return cls.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise DataError(
                f"not a valid timeline: {where}: {first['msg']}", "Make it again with `clipbug timeline`."
            ) from error


def _rounded(value: Any) -> Any:
    """Return the value with milliseconds and thousandths: more would be noise in a file that people read."""
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return value
