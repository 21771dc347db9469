"""Perform a plan as a session, and record the ground truth."""

from dataclasses import dataclass, replace

import numpy as np

from clipbug.synthetic.pools import Pool
from clipbug.synthetic.screen import DialogKind, Fault, Kind, Position, position_of
from clipbug.synthetic.session import SWIPE_PIXELS, Session
from clipbug.synthetic.session_plan import NO_PROBLEM, RecordingPlan
from clipbug.synthetic.style import draw_style
from clipbug.synthetic.writing import NUM_ROWS_TO_SCROLL, Writer

DIALOGS: dict[str, DialogKind] = {
    "confirm": "confirm",
    "permission": "permission",
    "error message": "error",
    "crash": "crash",
}
FAULTS: dict[str, Fault] = {
    "blank page": "blank page",
    "endless spinner": "endless spinner",
    "overlapping text": "overlapping text",
}
ALWAYS_LIST = ("wrong counter", "duplicate item")


@dataclass(frozen=True, slots=True)
class Truth:
    """The ground truth of a scripted recording.

    Attributes:
        problem: the injected bug, or "nothing".
        end_kind: kind of the last screen; None if it is hidden or missing.
        bug_seconds: when the bug becomes visible; None without a bug.
    """

    plan: RecordingPlan
    problem: str
    dialog: str
    first_tap: Position
    last_tap: Position
    button: str
    typed: str
    end_kind: Kind | None
    bug_seconds: float | None


def perform(plan: RecordingPlan, pool: Pool, generator: np.random.Generator) -> tuple[Session, Truth]:
    """Perform a plan in an app made from the pool, and return the session and its ground truth."""
    writer = Writer(pool, generator)
    style = draw_style(pool, generator, is_dark=plan.is_dark)
    num_rows = None if plan.scroll is None else NUM_ROWS_TO_SCROLL[plan.start_kind]
    screen = writer.screen(plan.start_kind, plan.button_position, num_rows=num_rows, has_tabs=plan.has_tabs)
    if plan.is_typed and plan.start_kind != "form":
        screen = replace(screen, has_search=True)
    session = Session(screen, style, dot=plan.dot, fps=plan.fps, generator=generator)
    if plan.scroll == "up":
        session.screen = replace(screen, scroll=min(session.drawing.max_scroll, SWIPE_PIXELS))
    session.wait(float(generator.uniform(0.5, 0.7)))
    typed = _prepare(session, plan, writer, generator)
    button = session.screen.button.lower()
    _tap_button(session, button, generator)
    bug_seconds = None if plan.outcome in NO_PROBLEM else round(session.seconds, 3)
    end_kind = _react(session, plan, writer, button, generator)
    taps = [
        position_of(action.y)
        for action in session.actions
        if action.action != "scroll" and action.y is not None
    ]
    truth = Truth(
        plan=plan,
        problem="nothing" if plan.outcome in NO_PROBLEM else plan.outcome,
        dialog=DIALOGS.get(plan.outcome, "none"),
        first_tap=taps[0],
        last_tap=taps[-1],
        button=button,
        typed=typed,
        end_kind=end_kind,
        bug_seconds=bug_seconds,
    )
    return session, truth


def _prepare(session: Session, plan: RecordingPlan, writer: Writer, generator: np.random.Generator) -> str:
    """Type, scroll, or else tap somewhere; return the typed text."""
    typed = writer.word() if plan.is_typed else ""
    if plan.scroll == "up":
        _scroll(session, plan, generator)
    if typed:
        _type(session, plan, typed, generator)
    if plan.scroll == "down":
        _scroll(session, plan, generator)
    if not typed and plan.scroll is None:
        _tap_around(session, plan, writer, generator)
    return typed


def _scroll(session: Session, plan: RecordingPlan, generator: np.random.Generator) -> None:
    assert plan.scroll is not None
    session.swipe(plan.scroll, float(generator.uniform(0.6, 0.8)))
    session.wait(float(generator.uniform(0.2, 0.3)))


def _type(session: Session, plan: RecordingPlan, text: str, generator: np.random.Generator) -> None:
    region = _nearest(session, ("field",), plan.first_position)
    assert region is not None
    index = int(region.split()[1])
    target = "search" if session.screen.has_search else session.screen.labels[index].lower()
    session.tap(region, target, float(generator.uniform(0.65, 0.9)))
    session.type_text(index, text)
    session.wait(0.4)
    session.screen = replace(session.screen, has_keyboard=False)
    session.wait(0.2)


def _tap_around(
    session: Session, plan: RecordingPlan, writer: Writer, generator: np.random.Generator
) -> None:
    """Tap a row (which opens a page, then go back), a switch, a picture or a tab."""
    region = _nearest(session, ("row", "switch", "picture", "tab"), plan.first_position)
    if region is None:
        session.wait(0.9)
        return
    kind, number = region.split()
    index, before = int(number), session.screen
    target = (before.tabs if kind == "tab" else before.labels)[index].lower()
    session.tap(region, target, float(generator.uniform(0.65, 0.9)))
    if kind == "row":
        session.screen = writer.screen("settings", plan.button_position, has_tabs=False)
        session.wait(float(generator.uniform(0.4, 0.6)))
        session.tap("back", "back", float(generator.uniform(0.5, 0.7)), action="back")
        session.screen = before
    elif kind == "tab":
        session.screen = replace(before, selected_tab=index, labels=writer.phrases(len(before.labels)))
    else:
        session.screen = replace(before, checked=before.checked ^ {index})
    session.wait(float(generator.uniform(0.4, 0.7)))


def _nearest(session: Session, kinds: tuple[str, ...], position: Position) -> str | None:
    """Return an element of these kinds, preferably in a third of the screen; None if none is visible."""
    regions = session.drawing.regions
    names = [name for name in regions if name.split()[0] in kinds]
    wanted = [name for name in names if position_of(regions[name].center[1]) == position]
    return next(iter(wanted or names), None)


def _tap_button(session: Session, target: str, generator: np.random.Generator) -> None:
    session.tap("button", target, float(generator.uniform(0.6, 0.8)))


def _react(
    session: Session, plan: RecordingPlan, writer: Writer, button: str, generator: np.random.Generator
) -> Kind | None:
    """Perform the reaction of the app to the button; return the kind of the last screen if fully visible."""
    if plan.outcome == "frozen button":
        for _ in range(2):
            session.wait(0.4)
            _tap_button(session, button, generator)
        session.wait(0.3)
        return session.screen.kind
    end_kind: Kind = "list" if plan.outcome in ALWAYS_LIST else plan.end_kind
    dialog, fault = DIALOGS.get(plan.outcome), FAULTS.get(plan.outcome)
    if dialog is not None:
        session.screen = replace(session.screen, dialog=dialog, message=writer.phrases(1)[0])
    else:
        screen = replace(writer.screen(end_kind, plan.button_position, has_tabs=plan.has_tabs), fault=fault)
        if plan.outcome == "wrong counter":
            screen = replace(screen, counter=writer.wrong_counter())
        if plan.outcome == "duplicate item" or (plan.outcome == "done" and end_kind == "list"):
            screen = writer.with_new_row(screen, times=2 if plan.outcome == "duplicate item" else 1)
        if fault == "blank page":
            screen = replace(screen, has_bar=bool(generator.integers(2)))
        session.screen = replace(screen, has_note=plan.outcome == "done", message=f"{screen.title} saved")
    session.wait(float(generator.uniform(2.3, 2.6)))
    is_hidden = dialog is not None or fault in ("blank page", "endless spinner")
    return None if is_hidden else end_kind
