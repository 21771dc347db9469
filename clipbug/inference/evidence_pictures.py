"""Pictures of the evidence for the worst answers of a report."""

import logging
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from clipbug.data.media import MediaSource
from clipbug.errors import ClipbugError
from clipbug.inference.answer_cards import strongest_picture
from clipbug.inference.loaded_model import EncodedMedia, LoadedModel, load_model
from clipbug.inference.occlusion import find_evidence
from clipbug.report.contents import Card
from clipbug.report.pictures import jpeg_uri
from clipbug.runtime.json_reading import read_note
from clipbug.runtime.progress import ProgressBar
from clipbug.tasks.question_answering import QuestionAnswering
from clipbug.workspace.run_folder import RunFolder

logger = logging.getLogger(__name__)


def with_evidence(
    cards: Sequence[Card], run: RunFolder, predictions: Path, media: MediaSource, *, count: int
) -> list[Card]:
    """Add a picture of the evidence to the worst `count` cards, and return all cards.

    Runs that do not answer free-form questions have none. A recording that cannot be read is named, and its
    card stays without a picture.

    Args:
        cards: of the report.
        run: that answered.
        predictions: file of its answers; inference.json next to it names checkpoint, clips and overrides.
        media: the recordings.
        count: how many.
    """
    note = predictions.with_name("inference.json")
    inferred = read_note(note)
    step = re.fullmatch(r"step-0*(\d+)", str(inferred.get("step")))  # a model folder has none
    overrides = inferred.get("overrides") or ()
    model = load_model(run.path, step=step[1] if step else "best", overrides=overrides)
    if not isinstance(model.task, QuestionAnswering):
        return list(cards)
    worst = sorted(cards, key=lambda card: card.rank)[:count]
    explained = {}
    with ProgressBar("evidence", len(worst), unit="answers") as bar:
        for card in worst:
            explained[card.record_id] = _explained(card, model, media, inferred.get("num_clips"))
            bar.update()
    return [explained.get(card.record_id, card) for card in cards]


def _explained(card: Card, model: LoadedModel, media: MediaSource, num_clips: int | None) -> Card:
    try:
        encoded: EncodedMedia = model.encode(media.read(card.media_id), num_clips=num_clips)
        evidence = find_evidence(model, encoded, card.question, answer=card.answer)
    except (ClipbugError, ValueError) as error:  # ValueError: the answer is from another vocabulary
        logger.warning("no evidence for %s: %s", card.record_id, error)
        return card
    picture = strongest_picture(evidence, encoded)
    return replace(card, evidence=jpeg_uri(picture))
