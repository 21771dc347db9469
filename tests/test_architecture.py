"""Enforce the layering that docs/architecture.md draws, sizes of files, and a command line without torch."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "clipbug"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
MAX_FILE_LINES = 400  # longer ones hold two subjects; see docs/contributing.md
MAX_YAML_LINES = 40

# The floors of the house, the lowest first: each may import those below it, unless ALLOWED says less.
FLOORS = (
    ("errors", "_version"),
    ("runtime",),
    ("config",),
    ("metrics",),
    ("data", "models", "perception", "synthetic"),
    ("tasks",),
    ("engine", "evaluation"),
    ("workspace",),
    ("report", "checks"),
    ("builders",),
    ("interop", "inference"),
    ("recipes",),
    ("benchmarks",),
    ("cli",),
)
BELOW = {
    part: {other for lower in FLOORS[:number] for other in lower}
    for number, floor in enumerate(FLOORS)
    for part in floor
}
# Parts that may import less than all floors below them.
ALLOWED = BELOW | {
    "runtime": {"errors"},
    "metrics": {"errors"},
    "data": {"errors", "config", "runtime"},
    "models": {"errors", "config", "runtime"},
    "perception": {"errors", "config", "runtime"},
    "synthetic": {"errors", "runtime"},
    "tasks": {"errors", "config", "runtime", "metrics", "data", "models"},
    "engine": {"errors", "config", "runtime", "metrics", "data", "tasks"},
    "evaluation": {"errors", "config", "runtime", "metrics", "data", "tasks", "engine"},
    "report": {
        "errors",
        "_version",
        "config",
        "runtime",
        "metrics",
        "data",
        "perception",
        "tasks",
        "evaluation",
        "workspace",
    },
    "cli": {
        *("errors", "_version", "config", "runtime", "metrics", "data", "perception", "evaluation"),
        *("workspace", "report", "recipes", "benchmarks"),
    },
}
# Where a part may use a few modules of another part only.
NARROW = {
    ("tasks", "data"): {
        "clipbug.data.loading.batch",
        "clipbug.data.records",
        # what tasks/build.py chooses from
        "clipbug.data.annotations.answers",
        "clipbug.data.loading.datasets",
        "clipbug.data.loading.pretraining_dataset",
        "clipbug.data.loading.retrieval_dataset",
        "clipbug.data.loading.targets",
    },
    ("tasks", "models"): {"clipbug.models.outputs", "clipbug.models.aggregation"},
    ("engine", "tasks"): {"clipbug.tasks.base"},
    ("engine", "data"): {"clipbug.data.loading.batch", "clipbug.data.loading.text", "clipbug.data.records"},
    ("report", "evaluation"): {"clipbug.evaluation.scores"},
    ("cli", "evaluation"): {"clipbug.evaluation.scores"},
    ("cli", "metrics"): {"clipbug.metrics.groups", "clipbug.metrics.ranking"},
    ("cli", "workspace"): {"clipbug.workspace.storage"},
    ("cli", "data"): {"clipbug.data.ingest.arguments", "clipbug.data.ingest.load_files"},
    ("cli", "perception"): {"clipbug.perception.timeline"},
    ("cli", "report"): {"clipbug.report.timeline_words"},
}
# These must answer without torch, so nothing of it, nor of what brings it, at module level.
LIGHT = ("cli", "config", "errors", "metrics")
HEAVY = {
    "torch",
    "torchvision",
    "transformers",
    "tokenizers",
    "safetensors",
    "cv2",
    "av",
    "lmdb",
    "tensorboard",
}


def imported_names(node: ast.AST) -> list[str]:
    """The modules that a statement imports; `from clipbug.data import media` gives "clipbug.data.media"."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [_module_of(node.module or "", alias.name) for alias in node.names]
    return []


def _module_of(module: str, name: str) -> str:
    path = REPOSITORY.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.with_suffix(".py").exists() or path.is_dir() else module


def all_imports(path: Path) -> list[str]:
    """Everywhere in a file, functions included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [name for node in ast.walk(tree) for name in imported_names(node)]


def module_level_imports(path: Path) -> list[str]:
    """What importing the file imports: not inside functions, nor under `if TYPE_CHECKING`."""
    return list(_level(ast.parse(path.read_text(encoding="utf-8")).body))


def _level(statements: list[ast.stmt]) -> Iterator[str]:
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types(statement):
            continue
        yield from imported_names(statement)
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            yield from _level(getattr(statement, block, []))


def _is_for_types(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test)


def part_of(path: Path) -> str:
    """The folder directly under the package, or the name of a file there."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def parts_imported(path: Path) -> set[tuple[str, str]]:
    """(part, module) for each import from the package."""
    names = (name for name in all_imports(path) if name.startswith("clipbug."))
    return {(name.split(".")[1], name) for name in names}


FILES_IN_PARTS = [path for path in FILES if part_of(path) not in ("__init__", "__main__")]


def name_of(path: Path) -> str:
    """How messages name a file."""
    return path.relative_to(REPOSITORY).as_posix()


def wrong_directions(path: Path) -> Iterator[str]:
    """Yield each import of a file that its part may not have."""
    part = part_of(path)
    if part not in ALLOWED:
        yield f"{part} is a new part: say in ALLOWED what it may import"
        return
    for other, module in sorted(parts_imported(path)):
        is_allowed = other == part or other in ALLOWED[part]
        if not is_allowed or module not in NARROW.get((part, other), {module}):
            yield f"{name_of(path)} must not import {module}"


def test_direction_of_imports() -> None:
    assert [problem for path in FILES_IN_PARTS for problem in wrong_directions(path)] == []


def test_layers_have_no_circle() -> None:
    """Every part may import only parts that stand above it in ALLOWED, so no two can import each other."""
    order = [part for floor in FLOORS for part in floor]
    assert set(order) == set(ALLOWED)
    for part, others in ALLOWED.items():
        assert all(order.index(other) < order.index(part) for other in others)


def test_light_parts_import_nothing_heavy() -> None:
    light = [path for path in FILES_IN_PARTS if part_of(path) in LIGHT]
    heavy = {
        name_of(path): {name.split(".")[0] for name in module_level_imports(path)} & HEAVY for path in light
    }
    assert light
    assert {path: names for path, names in heavy.items() if names} == {}


def test_cli_imports_recipes_inside_functions_only() -> None:
    imports = {
        name_of(path): [name for name in module_level_imports(path) if name.startswith("clipbug.recipes")]
        for path in FILES
        if part_of(path) == "cli"
    }
    assert imports
    assert {path: names for path, names in imports.items() if names} == {}


def num_lines(path: Path) -> int:
    """The length of a file."""
    return len(path.read_text(encoding="utf-8").splitlines())


def test_size_of_files() -> None:
    assert {name_of(path): num_lines(path) for path in FILES if num_lines(path) > MAX_FILE_LINES} == {}


def test_size_of_configs() -> None:
    configs = sorted((REPOSITORY / "configs").rglob("*.yaml"))
    assert configs
    assert {name_of(path): num_lines(path) for path in configs if num_lines(path) > MAX_YAML_LINES} == {}


def test_bodies_of_commands_are_short() -> None:
    """At most 12 statements, docstring and imports included: parse, call a recipe, print."""
    folder = PACKAGE / "cli"
    commands = (
        "ingest",
        "pretrain",
        "finetune",
        "infer",
        "evaluate",
        "demo",
        "config",
        "doctor",
        "report",
        "ask",
    )
    commands = (*commands, "weights", "benchmark", "timeline")
    for path in (folder / f"{name}.py" for name in commands):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef):
                statements = [
                    inner for inner in ast.walk(node) if isinstance(inner, ast.stmt) and inner is not node
                ]
                assert len(statements) <= 12, f"{name_of(path)}: {node.name} has {len(statements)} statements"


@pytest.mark.parametrize(
    ("source", "at_module_level"),
    [
        ("import torch", True),
        ("from torch import nn", True),
        ("try:\n    import torch\nexcept ImportError:\n    pass", True),
        ("match 1:\n    case 1:\n        import torch", True),
        ("class A:\n    import torch", True),
        ("def f():\n    import torch", False),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch", False),
    ],
)
def test_the_reader_of_imports_sees_them(source: str, at_module_level: bool, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(source, encoding="utf-8")
    assert any(name.startswith("torch") for name in module_level_imports(path)) == at_module_level
    assert any(name.startswith("torch") for name in all_imports(path))


def test_a_wrong_direction_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    path = PACKAGE / "engine" / "trainer.py"
    assert list(wrong_directions(path)) == []
    monkeypatch.setitem(ALLOWED, "engine", {"errors"})
    assert f"{name_of(path)} must not import clipbug.tasks.base" in list(wrong_directions(path))


def test_the_reader_of_imports_finds_submodules(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from clipbug.data import media\nfrom clipbug.data.records import Record\n", encoding="utf-8"
    )
    assert all_imports(path) == ["clipbug.data.media", "clipbug.data.records"]
