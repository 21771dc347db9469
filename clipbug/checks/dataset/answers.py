"""Check answers and captions, and compute the scores that are reachable from the training files."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from clipbug.checks.dataset.findings import CheckedFile, Finding, by_family
from clipbug.config.task import task_of_family
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionOrChoice, QuestionRecord, Record
from clipbug.evaluation.baselines import choice_baselines, question_baselines
from clipbug.evaluation.scores import BaselineScores
from clipbug.metrics.answers import best_score, ceiling
from clipbug.metrics.text import fold
from clipbug.workspace.storage import Split

_LONG_TEXT = 30  # words; `data.max_text_tokens` cuts at 30 tokens by default


def check_answers(files: Sequence[CheckedFile], vocabulary: AnswerVocabulary | None) -> Iterator[Finding]:
    """Yield findings about answers and captions; answers are compared within a family."""
    for family_files in by_family(files):
        yield from _answers(family_files, vocabulary)
    for file in files:
        yield from _unanswered(file)
        yield from _captions(file)


def _answers(files: Sequence[CheckedFile], vocabulary: AnswerVocabulary | None) -> Iterator[Finding]:
    questions = [(file, row) for file in files for row in file.records if isinstance(row, QuestionRecord)]
    yield from _spelling_variants([answer for _, row in questions for answer in row.labels])
    train = [row for file, row in questions if file.split == "train"]
    for split in ("val", "test"):
        yield from _unseen(train, [row for file, row in questions if file.split == split], split)
    if vocabulary is not None and questions:
        yield from _vocabulary(train, vocabulary)


def answer_statistics(file: CheckedFile) -> dict[str, Any]:
    """Return the counts of one file: rows, media, answers and answer types."""
    records = file.records
    types = Counter(row.answer_type for row in records if isinstance(row, QuestionOrChoice))
    answers = Counter(
        answer for row in records if isinstance(row, QuestionRecord) for answer in map(fold, row.labels)
    )
    return {
        "file": file.name,
        "split": file.split,
        "format": file.annotations.family,
        "rows": len(records),
        "unreadable": len(file.annotations.problems),
        "media": len({row.media_id for row in records}),
        "texts": len({fold(row.text) for row in records}),
        "answers": len(answers),
        "types": dict(types.most_common()),
        "most_frequent": dict(answers.most_common(3)),
    }


def reachable_scores(files: Sequence[CheckedFile]) -> list[dict[str, Any]]:
    """Return baselines and ceilings of each validation and test split, computed from the training files."""
    splits: tuple[Split, ...] = ("val", "test")
    return [
        scores
        for family_files in by_family(files)
        for split in splits
        if (scores := _scores(family_files, split))
    ]


def _scores(files: Sequence[CheckedFile], split: Split) -> dict[str, Any]:
    train = [row for file in files if file.split == "train" for row in file.records]
    rows = [row for file in files if file.split == split for row in file.records]
    questions = [row for row in rows if isinstance(row, QuestionRecord) and row.labels]
    choices = [row for row in rows if isinstance(row, ChoiceRecord) and row.answer is not None]
    found: BaselineScores
    task = task_of_family(files[0].annotations.family)
    if questions:
        train_questions = [row for row in train if isinstance(row, QuestionRecord)]
        found = question_baselines(train_questions, questions, task)
    elif choices:
        learnt_choices = [row for row in train if isinstance(row, ChoiceRecord)]
        found = choice_baselines(learnt_choices, choices, task)
    else:
        return {}
    kept = ("metric", "count", "oracle", "ceiling", "oov_share") if train else ("metric", "count", "oracle")
    scores = found.to_json()
    named = {key: scores[key] for key in kept if key in scores}
    family = files[0].annotations.family
    return {"format": family, "split": split, **named, **(found.baselines if train else {})}


def _spelling_variants(answers: Sequence[str]) -> Iterator[Finding]:
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for answer in answers:
        spellings["".join(answer.casefold().split())][answer] += 1
    merged = [list(names) for names in spellings.values() if len(names) > len({*map(fold, names)})]
    apart = [list(names) for names in spellings.values() if len({*map(fold, names)}) > 1]
    if merged:
        text = (
            f"{len(merged)} answers have several spellings that differ only in case or space; they are merged"
        )
        yield Finding("info", "answer-twin", text, tuple(" = ".join(sorted(names)) for names in merged))
    if apart:
        text = f"{len(apart)} answers differ only in a space; they count as different answers"
        items = tuple(" | ".join(sorted({*map(fold, names)})) for names in apart)
        yield Finding("warning", "answer-twin", text, items)


def _unseen(train: Sequence[QuestionRecord], rows: Sequence[QuestionRecord], split: str) -> Iterator[Finding]:
    known = {fold(answer) for row in train for answer in row.labels}
    labelled = [row for row in rows if row.labels]
    unseen = [row for row in labelled if best_score(row.labels, known) == 0]
    if train and unseen:
        reachable = ceiling([row.labels for row in labelled], sorted(known))
        text = (
            f"{len(unseen)} of {len(labelled)} {split} rows have no answer that occurs in training and"
            f" will be wrong, so the best reachable score is {100 * reachable:.1f} %"
        )
        answers = Counter(answer for row in unseen for answer in row.labels)
        yield Finding("warning", "unseen-answer", text, tuple(answers))


def _vocabulary(train: Sequence[QuestionRecord], vocabulary: AnswerVocabulary) -> Iterator[Finding]:
    known = {fold(answer) for row in train for answer in row.labels}
    foreign = [answer for answer in vocabulary.answers if fold(answer) not in known]
    absent = sorted({answer for row in train for answer in row.labels if vocabulary.index_of(answer) is None})
    if train and foreign:
        text = f"{len(foreign)} of {len(vocabulary)} vocabulary answers occur in no training row (a leak?)"
        yield Finding("warning", "vocabulary-leak", text, tuple(foreign))
    if absent:
        text = (
            f"{len(absent)} training answers are not in the vocabulary; their rows are excluded from the loss"
        )
        yield Finding("warning", "vocabulary-gap", text, tuple(absent))


def _unanswered(file: CheckedFile) -> Iterator[Finding]:
    rows = [row for row in file.records if isinstance(row, QuestionOrChoice)]
    empty = [row.record_id for row in rows if not _is_answered(row)]
    if empty and file.split != "test":
        text = f"{file.name}: {len(empty)} of {len(rows)} rows have no answer and are not used"
        yield Finding("warning", "no-answer", text, tuple(empty))


def _is_answered(row: Record) -> bool:
    return bool(row.labels) if isinstance(row, QuestionRecord) else getattr(row, "answer", None) is not None


def _captions(file: CheckedFile) -> Iterator[Finding]:
    captions = [row for row in file.records if isinstance(row, CaptionRecord)]
    media: defaultdict[str, set[str]] = defaultdict(set)
    for row in captions:
        media[fold(row.caption)].add(row.media_id)
    shared = {text: ids for text, ids in media.items() if len(ids) > 1}
    if shared:
        best = sum(1 / len(media[fold(row.caption)]) for row in captions) / len(captions)
        text = (
            f"{file.name}: {len(shared)} captions describe several media items, all of which count as"
            f" relevant; with one relevant item per row the best R@1 would be {100 * best:.1f} %"
        )
        yield Finding(
            "info", "shared-caption", text, tuple(", ".join(sorted(ids)) for ids in shared.values())
        )
    long = [
        row.record_id for row in file.records if any(len(text.split()) > _LONG_TEXT for text in row.texts)
    ]
    if long:
        text = f"{file.name}: {len(long)} texts over {_LONG_TEXT} words may be cut (data.max_text_tokens)"
        yield Finding("info", "long-text", text, tuple(long))
