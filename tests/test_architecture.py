"""The house stands: directions of imports, sizes of files, no torch where the command line starts."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "clipbug"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
MAX_FILE_LINES = 300  # DESIGN.md section 4
MAX_YAML_LINES = 40

# Which parts of the package each part may import; itself is always allowed. The lowest layer comes first.
ALLOWED = {
    "errors": set(),
    "config": {"errors"},
    "metrics": {"errors"},
    "runtime": {"errors", "config"},
    "data": {"errors", "config", "runtime"},
    "models": {"errors", "config", "runtime"},
    "perception": {"errors", "config", "runtime"},
    "tasks": {"errors", "config", "runtime", "metrics", "data", "models"},
    "engine": {"errors", "config", "runtime", "metrics", "data", "tasks"},
    "report": {"errors", "config", "runtime", "metrics", "data", "perception", "tasks"},
    "recipes": {
        *("errors", "config", "runtime", "metrics", "data", "models", "perception", "tasks", "engine"),
        "report",
    },
    "benchmarks": {"errors", "config", "runtime", "metrics", "data", "models", "tasks", "engine", "recipes"},
    "cli": {"errors", "config", "runtime", "recipes", "report", "benchmarks"},
}
# Where a part may look at a few modules of another part only.
NARROW = {
    ("tasks", "data"): {"clipbug.data.batch", "clipbug.data.records"},
    ("tasks", "models"): {"clipbug.models.outputs", "clipbug.models.aggregation"},
    ("engine", "tasks"): {"clipbug.tasks.base"},
    ("engine", "data"): {"clipbug.data.batch", "clipbug.data.records"},
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
    """The modules that a statement imports; `from clipbug.data import batch` gives "clipbug.data.batch"."""
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
    """For the test's id."""
    return path.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("path", FILES_IN_PARTS, ids=name_of)
def test_direction_of_imports(path: Path) -> None:
    part = part_of(path)
    assert part in ALLOWED, f"{part} is a new part: say in ALLOWED what it may import"
    for other, module in parts_imported(path):
        assert other == part or other in ALLOWED[part], f"{part} must not import {module}"
        if (part, other) in NARROW:
            assert module in NARROW[part, other], f"{part} must not import {module}"


def test_layers_have_no_circle() -> None:
    """Every part may import only parts that stand above it in ALLOWED, so no two can import each other."""
    order = list(ALLOWED)
    for part, others in ALLOWED.items():
        assert all(order.index(other) < order.index(part) for other in others)


@pytest.mark.parametrize("path", [path for path in FILES_IN_PARTS if part_of(path) in LIGHT], ids=name_of)
def test_light_parts_import_nothing_heavy(path: Path) -> None:
    assert {name.split(".")[0] for name in module_level_imports(path)} & HEAVY == set()


@pytest.mark.parametrize("path", [path for path in FILES if part_of(path) == "cli"], ids=name_of)
def test_cli_imports_recipes_inside_functions_only(path: Path) -> None:
    assert [name for name in module_level_imports(path) if name.startswith("clipbug.recipes")] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_size_of_files(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", sorted((REPOSITORY / "configs").rglob("*.yaml")), ids=name_of)
def test_size_of_configs(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_YAML_LINES


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


def test_the_reader_of_imports_finds_submodules(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "from clipbug.data import batch\nfrom clipbug.data.records import Record\n", encoding="utf-8"
    )
    assert all_imports(path) == ["clipbug.data.batch", "clipbug.data.records"]
