"""Write questions and captions in the formats of real data sets, with answers known from the script."""

from typing import Any

import numpy as np

from clipbug.synthetic.screen import Screen
from clipbug.synthetic.script import Truth
from clipbug.synthetic.session_plan import NO_PROBLEM
from clipbug.synthetic.stills import Still
from clipbug.synthetic.style import Style, pick

Row = dict[str, Any]

ORDINALS = ("first", "second", "third")
EMPTY_PAGES = ("blank page", "endless spinner")
PROBLEM_DIALOGS = {"crash": "crash", "error": "error message"}
CAPTIONS: dict[str, tuple[str, ...]] = {
    "crash": ("the app crashes when {button} is tapped", "tapping {button} closes the app with a crash"),
    "error message": ("an error appears after tapping {button}", "{button} only gives an error message"),
    "blank page": ("blank page after {button}", "nothing but an empty page once {button} is tapped"),
    "endless spinner": ("the app loads forever after {button}", "endless spinner when {button} is tapped"),
    "frozen button": ("{button} does not react", "nothing happens when {button} is tapped several times"),
    "overlapping text": (
        "text overlaps on the page after {button}",
        "labels are drawn over each other after {button}",
    ),
    "wrong counter": ("the number of items is wrong after {button}", "wrong counter once {button} is tapped"),
    "duplicate item": ("{button} adds the item twice", "duplicate item in the list after {button}"),
    "done": ("{button} works as expected", "the user taps {button} and all is well"),
    "confirm": ("{button} asks for confirmation", "the app asks whether the user is sure after {button}"),
    "permission": ("{button} asks for a permission", "a permission is requested when {button} is tapped"),
}
DIALOG_TAPS: dict[str, tuple[str, ...]] = {
    "information": ("ok",),
    "error": ("ok",),
    "confirm": ("ok", "cancel"),
    "permission": ("allow", "deny"),
    "crash": ("close app",),
}
SCREEN_TAPS: dict[str, tuple[str, ...]] = {
    "list": ("list item", "button"),
    "form": ("text field",),
    "settings": ("switch",),
    "gallery": ("picture", "button"),
}


def video_rows(video_id: str, truth: Truth, app: str) -> list[Row]:
    """Return the questions about a recording, in the format of TANGO and MSRVTT-QA."""
    plan = truth.plan
    answers = {
        "what is the problem in this recording?": truth.problem,
        "what dialog appears?": truth.dialog,
        "what color is the touch dot?": plan.dot,
        "what screen is shown first?": plan.start_kind,
        "what screen is shown last?": truth.end_kind,
        "where is the first tap?": truth.first_tap,
        "where is the last tap?": truth.last_tap,
        "which way does the user scroll?": plan.scroll,
        "is something typed?": _yes(bool(truth.typed)),
        "is the app in dark mode?": _yes(plan.is_dark),
    }
    return [
        {
            "video_id": video_id,
            "question": question,
            "answer": answer,
            "answer_type": question.split()[0],
            "app": app,
        }
        for question, answer in answers.items()
        if answer is not None
    ]


def caption_row(video_id: str, truth: Truth, generator: np.random.Generator) -> Row:
    """Return the caption of a recording, in the format of retrieval data."""
    sentence = pick(generator, CAPTIONS[truth.plan.outcome]).format(button=truth.button)
    steps = []
    if truth.typed:
        steps.append(f"typing {truth.typed}")
    if truth.plan.scroll is not None:
        steps.append(f"scrolling {truth.plan.scroll}")
    before = f"after {' and '.join(steps)}, " if steps else ""
    assert (truth.problem == "nothing") == (truth.plan.outcome in NO_PROBLEM)
    return {"caption": before + sentence, "clip_name": video_id}


def image_rows(image_id: int, still: Still) -> list[Row]:
    """Return the questions about a screenshot, in the format of VQA and RICO: labels are answer weights."""
    screen = still.screen
    answers: dict[str, tuple[str, ...]] = {
        "Is a dialog open": (_yes(screen.dialog is not None),),
        "Is the dark theme on": (_yes(still.style.theme.is_dark),),
        "Is the keyboard shown": (_yes(screen.has_keyboard),),
        "What is the problem": (_problem(screen),),
        "What will be your tap": _plausible_taps(screen),
    }
    if screen.dialog is not None:
        answers["What dialog is open"] = (screen.dialog,)
    else:
        answers |= _content_answers(screen, still.style)
    return [
        _image_row(image_id, number, *item, app=screen.app_name)
        for number, item in enumerate(answers.items())
    ]


def _content_answers(screen: Screen, style: Style) -> dict[str, tuple[str, ...]]:
    """Return the answers to questions about the visible content of a screen."""
    answers: dict[str, tuple[str, ...]] = {}
    if screen.tabs and not (screen.has_keyboard and style.layout.has_tabs_below):
        answers["Which tab is selected"] = (ORDINALS[screen.selected_tab],)
    if screen.fault in EMPTY_PAGES:
        return answers
    answers["What screen is this"] = (screen.kind,)
    if not screen.has_keyboard:
        answers["Where is the button"] = (screen.button_position,)
        if screen.kind == "list":
            answers["How many items are in the list"] = (str(len(screen.labels)),)
    return answers


def _problem(screen: Screen) -> str:
    if screen.dialog in PROBLEM_DIALOGS:
        return PROBLEM_DIALOGS[screen.dialog]
    return screen.fault or "nothing"


def _image_row(image_id: int, number: int, question: str, answers: tuple[str, ...], *, app: str) -> Row:
    answer_type = "number" if question.startswith("How many") else "other"
    if answers[0] in ("yes", "no"):
        answer_type = "yes/no"
    return {
        "image_id": image_id,
        "file_id": image_id,
        "labels": {answer: 1.0 / len(answers) for answer in answers},
        "question_id": image_id * 100 + number,
        "answer_type": answer_type,
        "question_type": question.split()[0].lower(),
        "question": question,
        "app": app,
    }


def _plausible_taps(screen: Screen) -> tuple[str, ...]:
    """Return the elements that a user may plausibly tap next, all equally likely."""
    if screen.dialog is not None:
        return DIALOG_TAPS[screen.dialog]
    if screen.fault in EMPTY_PAGES:
        return ("back",)
    return ("keyboard",) if screen.has_keyboard else SCREEN_TAPS[screen.kind]


def _yes(is_true: bool) -> str:
    return "yes" if is_true else "no"
