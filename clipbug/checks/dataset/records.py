"""What is odd about the rows of one file: how they were read, and what is in them twice."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

from clipbug.checks.dataset.findings import Finding, Part, place
from clipbug.data.annotations.fields import ID_FIELDS, is_used
from clipbug.data.annotations.media_ids import fold_id
from clipbug.data.annotations.option_columns import find_option_columns
from clipbug.data.records import UNKNOWN_TYPE, ChoiceRecord, QuestionOrChoice, QuestionRecord, Record
from clipbug.metrics.text import fold

_SPREADSHEET_ERRORS = ("#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#ERROR!")
_MASS_TOLERANCE = 1e-6  # of a sum of weights that were written as decimals


def check_rows(part: Part) -> Iterator[Finding]:
    """Findings about one file alone."""
    if part.file.problems:
        yield Finding(
            "error",
            "unreadable-row",
            f"{part.name}: {len(part.file.problems)} rows cannot be used; a run would stop at them",
            part.file.problems,
        )
    yield from _answer_types(part)
    yield from _spaces_and_fields(part)
    yield from _spreadsheet_errors(part)
    yield from _ids(part)
    yield from _repetitions(part)
    yield from _label_mass(part)
    yield from _options(part)


def same_row(record: Record) -> Hashable:
    """What two rows have in common that say the same about the same visual."""
    media = fold_id(record.media_id)
    if isinstance(record, QuestionRecord):
        labels = tuple(sorted((fold(answer), weight) for answer, weight in record.labels.items()))
        return media, fold(record.question), labels
    if isinstance(record, ChoiceRecord):
        return media, fold(record.question), tuple(map(fold, record.options)), record.answer
    return media, fold(record.text)


def _answer_types(part: Part) -> Iterator[Finding]:
    types: Counter[tuple[str, str]] = Counter()
    for fields, record in part.file.rows:
        given = fields.get("answer_type")
        if isinstance(record, QuestionOrChoice) and given is not None and given != record.answer_type:
            types[given, record.answer_type] += 1
    if types:
        text = f"{part.name}: {types.total()} answer types were normalized"
        items = tuple(_normalized(given, kept, count) for (given, kept), count in types.most_common())
        yield Finding("warning", "answer-type", text, items)


def _normalized(given: str, kept: str, count: int) -> str:
    reason = " (blank)" if kept == UNKNOWN_TYPE and not given.strip() else ""
    return f'"{given}"{reason} -> {kept}: {count} rows'


def _spaces_and_fields(part: Part) -> Iterator[Finding]:
    names = ("caption", "summary", "description", "answer", "labels")
    spaced = [
        place(record)
        for fields, record in part.file.rows
        if any(_is_padded(fields.get(name)) for name in names)
    ]
    if spaced:
        text = f"{part.name}: the space around the texts of {len(spaced)} rows was taken away"
        yield Finding("info", "space", text, tuple(spaced))
    unused = {name for fields, _ in part.file.rows for name in fields if not is_used(name)}
    if unused:
        yield Finding("info", "unused-field", f"{part.name}: fields that are not used", tuple(sorted(unused)))


def _spreadsheet_errors(part: Part) -> Iterator[Finding]:
    items = [
        f"{place(record)}: {name} is {value}"
        for fields, record in part.file.rows
        for name, value in fields.items()
        if is_used(name) and isinstance(value, str) and value.strip() in _SPREADSHEET_ERRORS
    ]
    if items:
        text = f"{part.name}: {len(items)} texts are what a spreadsheet writes where a formula has failed"
        yield Finding("warning", "spreadsheet-error", text, tuple(items))


def _is_padded(value: object) -> bool:
    texts = value if isinstance(value, Mapping) else (value,)
    return any(isinstance(text, str) and text != text.strip() for text in texts)


def _ids(part: Part) -> Iterator[Finding]:
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    disagreeing = []
    for fields, record in part.file.rows:
        given = {name: fields[name] for name in ID_FIELDS if fields.get(name) is not None}
        for name, value in given.items():
            kinds[name]["texts" if isinstance(value, str) else "numbers"] += 1
        both = {fold_id(str(given[name])) for name in ("image_id", "file_id") if name in given}
        if len(both) > 1:
            disagreeing.append(f"{place(record)}: {' and '.join(sorted(both))}")
    mixed = [
        f"{name}: {counts['numbers']} numbers, {counts['texts']} texts"
        for name, counts in kinds.items()
        if len(counts) > 1
    ]
    if mixed:
        text = f"{part.name}: ids are partly numbers, partly texts; all are read as text"
        yield Finding("info", "id-type", text, tuple(mixed))
    if disagreeing:
        text = f"{part.name}: image_id and file_id differ in {len(disagreeing)} rows; image_id is used"
        yield Finding("warning", "two-ids", text, tuple(disagreeing))


def _repetitions(part: Part) -> Iterator[Finding]:
    first: dict[Hashable, Record] = {}
    doubled, question_ids = list[str](), Counter[str]()
    answers: dict[Hashable, dict[Hashable, Record]] = {}
    for record in part.records:
        key = same_row(record)
        if key in first:
            doubled.append(f"{place(record)} = {place(first[key])}")
        first.setdefault(key, record)
        if isinstance(record, QuestionOrChoice):
            question_ids[record.question_id] += 1
        if isinstance(record, QuestionRecord) and record.labels:
            answers.setdefault((fold_id(record.media_id), fold(record.question)), {}).setdefault(key, record)
    if doubled:
        text = f"{part.name}: {len(doubled)} rows say the same as an earlier row"
        yield Finding("warning", "duplicate-row", text, tuple(doubled))
    repeated = [f"{name}: {count} rows" for name, count in question_ids.items() if count > 1]
    if repeated:
        text = f"{part.name}: {len(repeated)} question ids are used more than once; rows are renumbered"
        yield Finding("warning", "question-id", text, tuple(repeated))
    yield from _contradictions(part, [list(rows.values()) for rows in answers.values() if len(rows) > 1])


def _contradictions(part: Part, groups: Sequence[Sequence[Record]]) -> Iterator[Finding]:
    if groups:
        items = tuple(" and ".join(map(place, rows)) for rows in groups)
        text = f"{part.name}: {len(groups)} questions about a visual are asked twice and answered differently"
        yield Finding("warning", "contradiction", text, items)


def _label_mass(part: Part) -> Iterator[Finding]:
    masses: Counter[float] = Counter()
    for record in part.records:
        if isinstance(record, QuestionRecord) and record.labels:
            mass = sum(record.labels.values())
            if abs(mass - 1) > _MASS_TOLERANCE:
                masses[round(mass, 4)] += 1
    if masses:
        text = f"{part.name}: the weights of {masses.total()} rows do not sum to 1; they are used as they are"
        items = tuple(f"{mass:g}: {count} rows" for mass, count in sorted(masses.items()))
        yield Finding("info", "label-mass", text, items)


def _options(part: Part) -> Iterator[Finding]:
    columns = Counter(find_option_columns(fields) for fields, _ in part.file.rows)
    columns.pop((), None)
    if columns:
        text = (
            f"{part.name}: the options of {columns.total()} rows are in columns; `answer` is read as the"
            " number of one, from 0 on, or as its text"
        )
        items = tuple(f"{', '.join(names)}: {count} rows" for names, count in columns.items())
        yield Finding("info", "option-columns", text, items)
    repeated = [
        place(record)
        for record in part.records
        if isinstance(record, ChoiceRecord) and len(set(map(fold, record.options))) < len(record.options)
    ]
    if repeated:
        text = f"{part.name}: {len(repeated)} rows offer the same option twice"
        yield Finding("warning", "repeated-option", text, tuple(repeated))
