"""A hint names only options that the command has on which it can appear."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from clipbug.cli.main import build_app

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "clipbug"
ERRORS = re.compile(r"\w*Error$|^BadFile$|^Finding$|^Mistake$|^Problem$|^Failure$")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
OTHER_PROGRAMS = re.compile(r"(?:torchrun|docker run|pip install|git \w+)(?: [^;,.:)]*)?")
HINT_ARGUMENTS = ("hint", "fix")


@dataclass(frozen=True)
class Hint:
    """A text of an error: where it is, and what it says."""

    module: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}"


@cache
def command_line() -> Any:
    """The root command."""
    return get_command(build_app())


@cache
def commands() -> dict[str, set[str]]:
    """Names of all commands, such as "weights import", with their options."""
    found: dict[str, set[str]] = {}

    def visit(command: Any, name: str) -> None:
        found[name] = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
        for child, below in getattr(command, "commands", {}).items():
            visit(below, f"{name} {child}".strip())

    visit(command_line(), "")
    return found


def text_of(node: ast.expr) -> str:
    """The literal text of an expression; a value that is filled in becomes a space."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return " "
    return " ".join(text_of(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))


def hints_in(tree: ast.AST, module: str) -> Iterator[Hint]:
    """Texts that are given to errors, as message or hint, and constants that are called hints."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if ERRORS.search(name):
                values = [*node.args, *(keyword.value for keyword in node.keywords)]
            else:
                values = [keyword.value for keyword in node.keywords if keyword.arg in HINT_ARGUMENTS]
            for value in values:
                yield Hint(module, node.lineno, text_of(value))
        elif isinstance(node, ast.Assign) and any(
            "hint" in getattr(target, "id", "").lower() for target in node.targets
        ):
            yield Hint(module, node.lineno, text_of(node.value))
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("_how_to"):
            yield Hint(module, node.lineno, text_of(ast.Tuple([*returned(node)], ast.Load())))


def returned(function: ast.FunctionDef) -> list[ast.expr]:
    """What a function returns."""
    return [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


@cache
def trees() -> dict[str, ast.AST]:
    return {module_name(path): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py")}


@cache
def imported(module: str) -> frozenset[str]:
    """Modules of the package that a module imports, in functions too."""
    names: set[str] = set()
    for node in ast.walk(trees()[module]):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return frozenset(name for name in names if name in trees())


@cache
def reachable(module: str) -> frozenset[str]:
    """The module, and all that it imports, directly or not."""
    found, left = {module}, [module]
    while left:
        for name in imported(left.pop()) - found:
            found.add(name)
            left.append(name)
    return frozenset(found)


@cache
def options_where_raised(module: str) -> frozenset[str]:
    """Options of the commands whose code can run a module's."""
    found: set[str] = set()

    def visit(command: Any, name: str) -> None:
        below = getattr(command, "commands", {})
        for child, one in below.items():
            visit(one, f"{name} {child}".strip())
        if not below and module in reachable(recipes_of(command)):
            found.update(commands()[name])

    visit(command_line(), "")
    return frozenset(found)


def recipes_of(command: Any) -> str:
    """The module where a command's function is written."""
    return str(getattr(command.callback, "__wrapped__", command.callback).__module__)


def named_commands(text: str) -> list[tuple[str, str]]:
    """(command, the words after it) for each `clipbug ...` of a text whose command is written out."""
    found = []
    for match in re.finditer(r"clipbug ((?:[a-z-]+ ?)+)?([^;`\n]*)", text):
        words = (match[1] or "").split()
        name = next(
            (" ".join(words[:size]) for size in (2, 1) if " ".join(words[:size]) in commands() and words), ""
        )
        if name:
            found.append((name, match[0]))
    return found


def problems(hint: Hint) -> list[str]:
    """What a hint says wrongly."""
    text = OTHER_PROGRAMS.sub(" ", hint.text)
    wrong = []
    for command, words in named_commands(text):
        unknown = set(OPTION.findall(words)) - commands()[command]
        wrong += [f"{hint}: clipbug {command} has no {option}: {hint.text!r}" for option in sorted(unknown)]
        text = text.replace(words, " ")
    own = set(OPTION.findall(text)) - options_where_raised(hint.module)
    return wrong + [
        f"{hint}: no command that runs this has {option}: {hint.text!r}" for option in sorted(own)
    ]


def all_hints() -> list[Hint]:
    return [
        hint
        for module, tree in sorted(trees().items())
        for hint in hints_in(tree, module)
        if OPTION.search(hint.text)
    ]


def test_hints_name_options_that_are_there() -> None:
    hints = all_hints()
    assert len(hints) > 50, "hints are found at all"
    assert [problem for hint in hints for problem in problems(hint)] == []


@pytest.mark.parametrize(
    ("module", "text", "says"),
    [
        ("clipbug.recipes.infer", "name one with --dada", "no command that runs this has --dada"),
        ("clipbug.recipes.ask", "give the file: --answers FILE", "no command that runs this has --answers"),
        (
            "clipbug.recipes.ask",
            "clipbug evaluate --run DIR --n-clips 3",
            "clipbug evaluate has no --n-clips",
        ),
        ("clipbug.recipes.ask", "clipbug weights import F --foo", "clipbug weights import has no --foo"),
    ],
)
def test_a_wrong_option_is_found(module: str, text: str, says: str) -> None:
    [problem] = problems(Hint(module, 1, text))
    assert says in problem


@pytest.mark.parametrize(
    "text",
    [
        "make one: clipbug finetune --task vqa (or video-qa)",
        "train one: clipbug finetune --task video-qa --train FILE.jsonl --media STORE; or: --model DIR",
        "torchrun --max-restarts 3 does so automatically",
    ],
)
def test_right_options_pass(text: str) -> None:
    assert problems(Hint("clipbug.recipes.ask", 1, text)) == []
