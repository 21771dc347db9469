"""What README and docs point at is there: links, anchors, commands with their options, tables that render."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
from typer.main import get_command

from clipbug.cli.main import build_app

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = [
    REPOSITORY / "README.md",
    REPOSITORY / "CHANGELOG.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
]
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|<(https?:[^>]*)>")
CODE_SPAN = re.compile(r"(`+)(.+?)\1", re.DOTALL)
FENCE = re.compile(r"^ *(```|~~~)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$")
USAGE_ERROR = typer.BadParameter.__bases__[0]  # of the click that typer brings or uses

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)


def prose_and_code(text: str) -> tuple[list[str], list[str]]:
    """Return the lines of prose and the lines of code blocks, with an empty line for each of the other kind.

    Code is what stands between fences, or is indented by four spaces after an empty line or after more code.
    """
    prose, code = [], []
    fenced, follows = False, True
    for line in text.splitlines():
        is_fence = FENCE.match(line) is not None
        is_code = (fenced or (line.startswith("    ") and follows)) and not is_fence
        code.append(line if is_code else "")
        prose.append("" if is_code or is_fence else line)
        follows = not line.strip() or is_code or is_fence
        fenced = fenced != is_fence
    return prose, code


def links(text: str) -> list[str]:
    """Return the targets of all links and pictures of a page, code left out."""
    prose = CODE_SPAN.sub("", "\n".join(prose_and_code(text)[0]))
    return [relative or absolute for relative, absolute in LINK.findall(prose)]


def anchors(text: str) -> set[str]:
    """Return the anchors that GitHub makes of the headings of a page."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in filter(None, map(HEADING.match, prose_and_code(text)[0])):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading[1]).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def problem_of_link(target: str, page: Path) -> str | None:
    """Return what is wrong with a link of a page."""
    url = urlsplit(target)
    if url.scheme:
        is_sound = url.scheme in ("http", "https") and re.fullmatch(r"[\w-]+(\.[\w-]+)+(:\d+)?", url.netloc)
        return None if is_sound else "not a well-formed address"
    file = (page.parent / url.path) if url.path else page
    if not file.exists():
        return "no such file"
    if url.fragment and url.fragment not in anchors(file.read_text(encoding="utf-8")):
        return "no such heading"
    return None


@every_document
def test_links_lead_somewhere(path: Path) -> None:
    problems = {target: problem_of_link(target, path) for target in links(path.read_text(encoding="utf-8"))}
    assert {target: problem for target, problem in problems.items() if problem} == {}


def test_broken_links_are_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One `two`, three\n\n# Same\n\n# Same\n\n    [code](none.md)\n")
    assert anchors(page.read_text()) == {"one-two-three", "same", "same-1"}
    text = '[a](none.md) ![b](page.md "title") [c](#same-1) [d](page.md#other) `[e](f)` <https://x>\n'
    assert links(text) == ["none.md", "page.md", "#same-1", "page.md#other", "https://x"]
    assert [problem_of_link(link, page) for link in links(text)] == [
        *("no such file", None, None, "no such heading", "not a well-formed address")
    ]
    assert links(page.read_text()) == []


# Tables


def tables(text: str) -> Iterator[list[list[str]]]:
    """Yield the cells of each run of lines that start with a bar; a bar in a cell is written `\\|`."""
    for is_row, lines in groupby(prose_and_code(text)[0], key=lambda line: line.lstrip().startswith("|")):
        if is_row:
            yield [re.split(r"(?<!\\)\|", line.strip())[1:] for line in lines]


def problems_of_table(rows: list[list[str]]) -> list[str]:
    """Return what keeps a table from rendering as it is meant."""
    problems = [f"no closing bar: {row}" for row in rows if row[-1].strip()]
    problems += [
        f"{len(row) - 1} cells, not {len(rows[0]) - 1}: {row}" for row in rows if len(row) != len(rows[0])
    ]
    if len(rows) < 2 or not all(re.fullmatch(r" *:?-+:? *", cell) for cell in rows[1][:-1]):
        problems.append(f"no line of dashes under the first: {rows[0]}")
    return problems


@every_document
def test_tables_have_a_heading_and_rows_of_one_length(path: Path) -> None:
    found = tables(path.read_text(encoding="utf-8"))
    assert [problem for rows in found for problem in problems_of_table(rows)] == []


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\n| --- | --- |\n| 1 |\n",
        "| a | b |\n| --- | --- |\n| 1 | 2 | 3 |\n",
        "| a | b |\n| --- | --- |\n| 1 | 2\n",
        "| a | b |\n| --- | --- |\n| 1 | 2 |\n\n| 3 | 4 |\n",  # an empty line ends a table
    ],
)
def test_broken_tables_are_noticed(text: str) -> None:
    assert any(problems_of_table(rows) for rows in tables(text))
    assert not any(problems_of_table(rows) for rows in tables("| a |\n|:-:|\n| 1 \\| 2 |\n"))


# Commands


def commands(text: str) -> Iterator[tuple[list[str], bool]]:
    """Yield the words after each `clipbug`, and whether they stand in a block and so have to be complete."""
    prose, code = prose_and_code(text)
    for line in "\n".join(code).replace("\\\n", " ").splitlines():
        yield from ((words, True) for words in _commands_of_line(line))
    paragraphs = re.split(r"\n\s*\n", "\n".join(prose))
    for span in (span for paragraph in paragraphs for _, span in CODE_SPAN.findall(paragraph)):
        yield from ((words, False) for words in _commands_of_line(" ".join(span.split())))


def _commands_of_line(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="<>|&;")
    lexer.whitespace_split = True
    if not re.search(r"\bclipbug\b", line):
        return
    for is_end, group in groupby(lexer, key=lambda word: set(word) <= set("<>|&;")):
        words = list(group)
        position = words.index("clipbug") if "clipbug" in words and not is_end else None
        if position is not None and _starts_a_command(words[:position]):
            yield [word for word in words[position + 1 :] if word != "..."]


def _starts_a_command(before: list[str]) -> bool:
    """Return whether `clipbug` comes first, or after `torchrun ... -m`, `do` or an assignment."""
    return (
        not before or before[-1] in ("-m", "--", "do") or re.fullmatch(r"[A-Z_]+=.*", before[-1]) is not None
    )


@cache
def command_line() -> Any:
    """Return the whole command line."""
    return get_command(build_app())


def problem_of_command(words: list[str], *, is_complete: bool) -> str | None:
    """Return why the command line would not take these words; nothing of it runs."""
    command: Any = command_line()
    name, context = "clipbug", command.make_context("clipbug", [])
    try:
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            parent = context
            name, command, words = command.resolve_command(parent, list(words))
            context = command.make_context(name, [], parent=parent, resilient_parsing=True)
        is_group = hasattr(command, "commands")
        if is_complete and not is_group and "--help" not in words:
            command.make_context(name, list(words), parent=parent)
        else:  # the name of a command in a sentence, perhaps with some of its options
            words = list(words) if is_group else command._spread(context, list(words))
            context.resilient_parsing = False  # it would let unknown options pass
            command.make_parser(context).parse_args(words)
    except USAGE_ERROR as error:
        return f"{name} {' '.join(words)}: {error.format_message()}"
    return None


# The changelog names commands that are gone.
@pytest.mark.parametrize(
    "path", [path for path in DOCUMENTS if path.name != "CHANGELOG.md"], ids=lambda path: path.name
)
def test_commands_and_options_exist(path: Path) -> None:
    found = list(commands(path.read_text(encoding="utf-8")))
    problems = [problem_of_command(words, is_complete=is_complete) for words, is_complete in found]
    assert [problem for problem in problems if problem] == []


def test_pages_hold_the_commands_that_they_are_known_for() -> None:
    """The reader of pages sees blocks, fences, continued lines, loops, torchrun and code within sentences."""
    found = {
        path.name: [words for words, _ in commands(path.read_text(encoding="utf-8"))] for path in DOCUMENTS
    }
    assert ["finetune", "--task", "vqa"] in found["README.md"]
    assert ["doctor"] in found["README.md"]
    assert ["demo"] in found["README.md"]  # after `pip install . &&`
    assert any(words[:1] == ["finetune"] and "/shared/runs/a" in words for words in found["distributed.md"])
    assert any(
        words[:2] == ["data", "split"] and "txt/$task" in words for words in found["real-recordings.md"]
    )
    assert sum(map(len, found.values())) > 250


@pytest.mark.parametrize(
    "text",
    [
        "    clipbug find it\n",
        "`clipbug find`",
        "`clipbug ask FILE --nothing`",
        "```sh\nclipbug data split a.jsonl \\\n    --output b --nothing 1\n```\n",
        "    torchrun -m clipbug finetune --task vqa --nothing\n",
        "    clipbug finetune --task nothing\n",
        "    clipbug data get\n",
        "    clipbug ask a.mp4 < questions.txt && clipbug find it\n",
    ],
)
def test_commands_that_do_not_exist_are_noticed(text: str) -> None:
    problems = [problem_of_command(words, is_complete=is_complete) for words, is_complete in commands(text)]
    assert len(list(filter(None, problems))) == 1


def test_the_readme_has_exactly_two_commands_of_installation() -> None:
    """They are read from there and run on a new machine before anything lands."""
    lines = (REPOSITORY / "README.md").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.startswith("    pip install ")]) == 2
