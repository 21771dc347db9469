"""What the answers are, and what can be reached with those of the training files."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from clipbug.checks.dataset.findings import Finding, Part, by_family
from clipbug.config.task import task_of_family
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionOrChoice, QuestionRecord, Record
from clipbug.evaluation.baselines import choice_baselines, question_baselines
from clipbug.evaluation.scores import BaselineScores
from clipbug.metrics.answers import best_score, ceiling
from clipbug.metrics.text import fold
from clipbug.workspace.storage import Split

_LONG_TEXT = 30  # words; `data.max_text_tokens` cuts at 30 tokens by default


def check_answers(parts: Sequence[Part], vocabulary: AnswerVocabulary | None) -> Iterator[Finding]:
    """Findings about answers and captions; answers are compared within a family."""
    for of_family in by_family(parts):
        yield from _answers(of_family, vocabulary)
    for part in parts:
        yield from _unanswered(part)
        yield from _captions(part)


def _answers(parts: Sequence[Part], vocabulary: AnswerVocabulary | None) -> Iterator[Finding]:
    questions = [(part, row) for part in parts for row in part.records if isinstance(row, QuestionRecord)]
    yield from _twins([answer for _, row in questions for answer in row.labels])
    train = [row for part, row in questions if part.split == "train"]
    for split in ("val", "test"):
        yield from _unseen(train, [row for part, row in questions if part.split == split], split)
    if vocabulary is not None and questions:
        yield from _vocabulary(train, vocabulary)


def answer_statistics(part: Part) -> dict[str, Any]:
    """Counts of one file: rows, visuals, answers and their types."""
    records = part.records
    types = Counter(row.answer_type for row in records if isinstance(row, QuestionOrChoice))
    answers = Counter(
        answer for row in records if isinstance(row, QuestionRecord) for answer in map(fold, row.labels)
    )
    return {
        "file": part.name,
        "split": part.split,
        "format": part.file.family,
        "rows": len(records),
        "unreadable": len(part.file.problems),
        "media": len({row.media_id for row in records}),
        "texts": len({fold(row.text) for row in records}),
        "answers": len(answers),
        "types": dict(types.most_common()),
        "most_frequent": dict(answers.most_common(3)),
    }


def reachable_scores(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Of every validation and test part with answers: baselines and ceilings, from the training files."""
    splits: tuple[Split, ...] = ("val", "test")
    return [
        scores for of_family in by_family(parts) for split in splits if (scores := _scores(of_family, split))
    ]


def _scores(parts: Sequence[Part], split: Split) -> dict[str, Any]:
    train = [row for part in parts if part.split == "train" for row in part.records]
    rows = [row for part in parts if part.split == split for row in part.records]
    questions = [row for row in rows if isinstance(row, QuestionRecord) and row.labels]
    choices = [row for row in rows if isinstance(row, ChoiceRecord) and row.answer is not None]
    found: BaselineScores
    task = task_of_family(parts[0].file.family)
    if questions:
        learnt = [row for row in train if isinstance(row, QuestionRecord)]
        found = question_baselines(learnt, questions, task)
    elif choices:
        learnt_choices = [row for row in train if isinstance(row, ChoiceRecord)]
        found = choice_baselines(learnt_choices, choices, task)
    else:
        return {}
    kept = ("metric", "count", "oracle", "ceiling", "oov_share") if train else ("metric", "count", "oracle")
    scores = found.to_json()
    named = {key: scores[key] for key in kept if key in scores}
    return {"format": parts[0].file.family, "split": split, **named, **(found.baselines if train else {})}


def _twins(answers: Sequence[str]) -> Iterator[Finding]:
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for answer in answers:
        spellings["".join(answer.casefold().split())][answer] += 1
    merged = [list(names) for names in spellings.values() if len(names) > len({*map(fold, names)})]
    apart = [list(names) for names in spellings.values() if len({*map(fold, names)}) > 1]
    if merged:
        text = f"{len(merged)} answers are written in several ways that differ in case or space; they are one"
        yield Finding("info", "answer-twin", text, tuple(" = ".join(sorted(names)) for names in merged))
    if apart:
        text = f"{len(apart)} answers differ in a space only; they count as different answers"
        items = tuple(" | ".join(sorted({*map(fold, names)})) for names in apart)
        yield Finding("warning", "answer-twin", text, items)


def _unseen(train: Sequence[QuestionRecord], rows: Sequence[QuestionRecord], split: str) -> Iterator[Finding]:
    known = {fold(answer) for row in train for answer in row.labels}
    labelled = [row for row in rows if row.labels]
    unseen = [row for row in labelled if best_score(row.labels, known) == 0]
    if train and unseen:
        reachable = ceiling([row.labels for row in labelled], sorted(known))
        text = (
            f"{len(unseen)} of {len(labelled)} {split} rows have no answer that training has: they count as"
            f" wrong, and {100 * reachable:.1f} % is the best score"
        )
        answers = Counter(answer for row in unseen for answer in row.labels)
        yield Finding("warning", "unseen-answer", text, tuple(answers))


def _vocabulary(train: Sequence[QuestionRecord], vocabulary: AnswerVocabulary) -> Iterator[Finding]:
    known = {fold(answer) for row in train for answer in row.labels}
    foreign = [answer for answer in vocabulary.answers if fold(answer) not in known]
    absent = sorted({answer for row in train for answer in row.labels if vocabulary.index_of(answer) is None})
    if train and foreign:
        text = (
            f"{len(foreign)} of {len(vocabulary)} answers of the vocabulary are in no training row: a leak?"
        )
        yield Finding("warning", "vocabulary-leak", text, tuple(foreign))
    if absent:
        text = f"{len(absent)} training answers are not in the vocabulary: their rows are out of the loss"
        yield Finding("warning", "vocabulary-gap", text, tuple(absent))


def _unanswered(part: Part) -> Iterator[Finding]:
    rows = [row for row in part.records if isinstance(row, QuestionOrChoice)]
    empty = [row.record_id for row in rows if not _is_answered(row)]
    if empty and part.split != "test":
        text = f"{part.name}: {len(empty)} of {len(rows)} rows have no answer; they are out of loss and score"
        yield Finding("warning", "no-answer", text, tuple(empty))


def _is_answered(row: Record) -> bool:
    return bool(row.labels) if isinstance(row, QuestionRecord) else getattr(row, "answer", None) is not None


def _captions(part: Part) -> Iterator[Finding]:
    captions = [row for row in part.records if isinstance(row, CaptionRecord)]
    media: defaultdict[str, set[str]] = defaultdict(set)
    for row in captions:
        media[fold(row.caption)].add(row.media_id)
    shared = {text: ids for text, ids in media.items() if len(ids) > 1}
    if shared:
        best = sum(1 / len(media[fold(row.caption)]) for row in captions) / len(captions)
        text = (
            f"{part.name}: {len(shared)} captions describe several visuals, all of which count as right; with"
            f" one right visual per row the best R@1 would be {100 * best:.1f} %"
        )
        yield Finding(
            "info", "shared-caption", text, tuple(", ".join(sorted(ids)) for ids in shared.values())
        )
    long = [
        row.record_id for row in part.records if any(len(text.split()) > _LONG_TEXT for text in row.texts)
    ]
    if long:
        text = f"{part.name}: {len(long)} texts have more than {_LONG_TEXT} words (data.max_text_tokens cuts)"
        yield Finding("info", "long-text", text, tuple(long))
