"""Render a report as one self-contained HTML page that needs no network and is readable without scripts."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from clipbug._version import __version__
from clipbug.evaluation.scores import Scores
from clipbug.report.charts import learning_curve, score_ruler
from clipbug.report.confusion import confusion_of
from clipbug.report.contents import Card, Filmstrip, ReportContents

_BASELINES = {"majority": "majority answer", "question_only": "question only"}
_FRAME_PIXELS, _SMALL_FRAME_PIXELS, _MANY_FRAMES = 190, 130, 8  # initial height of frames


def render_page(contents: ReportContents) -> bytes:
    """Render the page of a report.

    Everything that comes from data is escaped, and a content security policy blocks network access.

    Args:
        contents: the contents of the page.

    Returns:
        The HTML in UTF-8.
    """
    environment = _environment()
    cards = sorted(contents.cards, key=lambda card: card.rank)
    frames = max((len(strip.frame_seconds) for strip in contents.filmstrips.values()), default=1)
    strips = {media_id: number for number, media_id in enumerate(contents.filmstrips)}
    script = _template_text("script.js")
    text = environment.get_template("report.html").render(
        contents=contents,
        cards=cards,
        rankings=sorted(contents.rankings, key=lambda ranking: ranking.order),
        strips=strips,
        frame_pixels=_FRAME_PIXELS if frames <= _MANY_FRAMES else _SMALL_FRAME_PIXELS,
        verdicts=_counts(cards),
        confusion=confusion_of(cards),
        ruler=None if contents.scores is None else _ruler(contents.scores),
        charts=[(curve.name, learning_curve(curve)) for curve in contents.curves],
        style=Markup(_template_text("style.css")),
        script=Markup(script),
        policy=_policy(script),
        version=__version__,
    )
    return text.encode("utf-8", "replace")


def render_answers(
    cards: Sequence[Card], filmstrips: Mapping[str, Filmstrip], *, title: str = "", model: str = ""
) -> bytes:
    """Return a page with only the cards, in their order; without a title, it is meant to be embedded."""
    text = (
        _environment()
        .get_template("answers.html")
        .render(
            cards=cards,
            filmstrips=filmstrips,
            strips={media_id: number for number, media_id in enumerate(filmstrips)},
            title=title,
            model=model,
            style=Markup(_template_text("style.css")),
            policy=_policy(""),
            version=__version__,
        )
    )
    return text.encode("utf-8", "replace")


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("clipbug.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=_percent, seconds=_seconds)
    return environment


def _template_text(name: str) -> str:
    return files("clipbug.report").joinpath("templates", name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """Return a content security policy that allows only this script and images inside the page."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"


def _ruler(scores: Scores) -> Markup:
    marks = {_BASELINES.get(key, key.replace("_", " ")): value for key, value in scores.baselines.items()}
    known = {name: value for name, value in marks.items() if value is not None}
    return score_ruler(scores.score, scores.interval, {**known, "ceiling": scores.ceiling})


def _counts(cards: Sequence[Card]) -> dict[str, int]:
    counts = dict.fromkeys(("wrong", "partial", "right", "unscored"), 0)
    for card in cards:
        counts[card.verdict] += 1
    return counts


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _seconds(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{rest:.1f}" if not minutes else f"{minutes:.0f}:{rest:04.1f}"
