"""Simulate a user: each action adds frames to the recording and a line to its script."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from clipbug.synthetic.drawing import DotColor, Touch, draw_screen
from clipbug.synthetic.screen import Drawing, Screen
from clipbug.synthetic.session_plan import Direction
from clipbug.synthetic.style import SCREEN_HEIGHT, SCREEN_WIDTH, Style

SPINNER_DEGREES_PER_SECOND = 400.0
TRAIL_LENGTH = 6
SWIPE_PIXELS = 180
LINGER_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Shot:
    """A sequence of equal frames."""

    screen: Screen
    num_frames: int
    touch: Touch | None = None
    spinner_angle: float | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """One line of the script; `seconds` is the time at which the finger appears."""

    seconds: float
    action: Literal["tap", "type", "scroll", "back"]
    target: str = ""
    text: str = ""
    direction: Direction | None = None
    x: int | None = None
    y: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the line for `actions.jsonl`: the time `t` first, without empty values."""
        rest = {key: value for key, value in asdict(self).items() if value not in (None, "")}
        return {"t": rest.pop("seconds"), **rest}


class Session:
    """A recording in progress. Set `screen` to change the state of the app."""

    def __init__(
        self, screen: Screen, style: Style, *, dot: DotColor, fps: int, generator: np.random.Generator
    ) -> None:
        self.screen = screen
        self.style = style
        self.fps = fps
        self.shots: list[Shot] = []
        self.actions: list[Action] = []
        self._dot: DotColor = dot
        self._generator = generator
        self._last_touch: Touch | None = None
        self._drawn: tuple[Screen, Drawing] | None = None

    @property
    def drawing(self) -> Drawing:
        """Return the current screen as drawn, without the finger."""
        if self._drawn is None or self._drawn[0] != self.screen:
            self._drawn = (self.screen, draw_screen(self.screen, self.style))
        return self._drawn[1]

    @property
    def num_frames(self) -> int:
        """Return the number of frames so far."""
        return sum(shot.num_frames for shot in self.shots)

    @property
    def seconds(self) -> float:
        """Return the duration so far."""
        return self.num_frames / self.fps

    def wait(self, seconds: float) -> None:
        """Record without input; a spinner turns, and the dot of the last tap stays visible briefly."""
        count = self._frames(seconds)
        lingering = min(count, self._frames(LINGER_SECONDS)) if self._last_touch is not None else 0
        if self.screen.fault == "endless spinner":
            degrees = SPINNER_DEGREES_PER_SECOND / self.fps
            for index in range(count):
                touch = self._last_touch if index < lingering else None
                self.shots.append(Shot(self.screen, 1, touch, spinner_angle=round(index * degrees, 1)))
        else:
            if lingering:
                self.shots.append(Shot(self.screen, lingering, self._last_touch))
            if count > lingering:
                self.shots.append(Shot(self.screen, count - lingering))
        self._last_touch = None

    def tap(
        self, region: str, target: str, seconds: float, *, action: Literal["tap", "back"] = "tap"
    ) -> None:
        """Touch an element for some time; only the button reacts, by looking pressed."""
        box = self.drawing.regions[region]
        shift = self._generator.integers(-min(12, box.width // 4), min(12, box.width // 4) + 1)
        x, y = box.center[0] + int(shift), box.center[1]
        self.actions.append(Action(round(self.seconds, 3), action, target, x=x, y=y))
        touch = Touch(self._dot, x, y)
        count = self._frames(seconds)
        pressed = replace(self.screen, is_pressed=region == "button")
        self.shots.append(Shot(pressed, count // 2, touch))
        self.shots.append(Shot(self.screen, count - count // 2, touch))
        self._last_touch = touch

    def type_text(self, field: int, text: str) -> None:
        """Type into a field letter by letter; the keyboard stays open."""
        self.screen = replace(self.screen, focus=(field, ""), has_keyboard=True)
        self.wait(0.5)
        self.actions.append(Action(round(self.seconds, 3), "type", text=text))
        for end in range(1, len(text) + 1):
            self.screen = replace(self.screen, focus=(field, text[:end]))
            self.wait(float(self._generator.uniform(0.08, 0.14)))

    def swipe(self, direction: Direction, seconds: float) -> None:
        """Scroll the content; the finger moves in the opposite direction and has a trail."""
        count, x = (
            self._frames(seconds),
            int(self._generator.integers(SCREEN_WIDTH // 3, SCREEN_WIDTH * 2 // 3)),
        )
        sign = 1 if direction == "down" else -1
        middle = SCREEN_HEIGHT // 2 + int(self._generator.integers(-20, 40))
        start, max_scroll = self.screen.scroll, self.drawing.max_scroll
        self.actions.append(
            Action(
                round(self.seconds, 3),
                "scroll",
                direction=direction,
                x=x,
                y=middle + sign * SWIPE_PIXELS // 2,
            )
        )
        points: list[tuple[int, int]] = []
        for index in range(count):
            moved = round(SWIPE_PIXELS * (index + 1) / count)
            y = middle + sign * (SWIPE_PIXELS // 2 - moved)
            scroll = min(max(start + sign * moved, 0), max_scroll)
            self.screen = replace(self.screen, scroll=scroll)
            self.shots.append(Shot(self.screen, 1, Touch(self._dot, x, y, tuple(points[-TRAIL_LENGTH:]))))
            points.append((x, y))

    def _frames(self, seconds: float) -> int:
        return max(1, round(seconds * self.fps))
