"""Each command hands exactly what the user said to its recipe."""

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest

from clipbug.cli.ingest import _store_name
from clipbug.config import RunConfig
from clipbug.config.inference import InferenceSettings
from clipbug.config.loading import load_config
from tests.helpers.fake_recipes import POSITIONS, FakeRecipes, exit_code_of

RECIPES = Path(__file__).parents[2] / "clipbug" / "recipes"


def test_ingest(recipes: FakeRecipes) -> None:
    Path("videos").mkdir()
    assert exit_code_of("ingest", "videos/", "--ext", "mp4", "--workers", "2", "--file-type", "video") == 0
    assert recipes.arguments == {
        "first": [Path("videos/")],
        "extensions": ["mp4"],
        "file_type": "video",
        "store": Path("storage/vis_db/videos"),
        "num_workers": 2,
        "prepare": None,
        "drop_original": False,
        "raw": False,
        "wait_seconds": 60.0,
    }


def test_ingest_that_prepares(recipes: FakeRecipes) -> None:
    Path("videos").mkdir()
    words = ("--prepare", "--prepare-size", "224", "--prepare-fps", "10", "--drop-original")
    assert exit_code_of("ingest", "videos/", *words) == 0
    settings = recipes.arguments["prepare"]
    assert (settings.longer_side, settings.checks_per_second) == (224, 10.0)
    assert recipes.arguments["drop_original"] is True
    assert exit_code_of("ingest", "videos/", "--raw", "--prepare") == 2


@pytest.mark.parametrize(
    ("words", "store"),
    [
        (["--name", "calls"], "storage/vis_db/calls"),
        (["--out", "/data/calls"], "/data/calls"),
        (["--storage", "/data"], "/data/vis_db/videos"),
    ],
)
def test_where_ingest_puts_the_store(words: list[str], store: str, recipes: FakeRecipes) -> None:
    Path("videos").mkdir()
    assert exit_code_of("ingest", "videos", *words) == 0
    assert recipes.arguments["store"] == Path(store)
    assert recipes.arguments["extensions"] == ()


def test_name_of_a_store(tmp_path: Path) -> None:
    (tmp_path / "calls").mkdir()
    (tmp_path / "taps").mkdir()
    files = [tmp_path / "calls" / name for name in ("a.mp4", "b.mp4")]
    assert _store_name([tmp_path / "calls"]) == "calls"
    assert _store_name([tmp_path / "calls" / ".." / "taps"]) == "taps"
    assert _store_name(files) == "calls"
    assert _store_name([tmp_path / "calls", tmp_path / "taps"]) == "media"


def test_storage_from_the_environment(recipes: FakeRecipes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIPBUG_STORAGE", "/data")
    assert exit_code_of("evaluate") == 0
    nothing = dict.fromkeys(("run", "predictions", "data", "data_format"))
    assert recipes.arguments == {"storage": Path("/data"), "media": (), **nothing}


def test_finetune_by_default(recipes: FakeRecipes) -> None:
    assert exit_code_of("finetune", "--task", "video-qa") == 0
    assert recipes.arguments == {
        "first": load_config("gui_video_qa"),
        "storage": Path("storage"),
        "output": None,
        "resume": "auto",
        "init": None,
        "accept_changes": False,
        "stop_after": None,
    }


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("55m", 3300), ("1h30m", 5400), ("90s", 90), ("2h", 7200), ("5", 300), ("0.5h", 1800)],
)
def test_stop_after_takes_durations(recipes: FakeRecipes, text: str, seconds: float) -> None:
    assert exit_code_of("finetune", "--task", "vqa", "--stop-after", text) == 0
    assert recipes.arguments["stop_after"] == seconds


@pytest.mark.parametrize(
    "words", [("--stop-after", "soon"), ("--stop-after", ""), ("--batch", "0"), ("--batch", "all")]
)
def test_what_is_no_duration_or_number_is_refused(recipes: FakeRecipes, words: tuple[str, str]) -> None:
    assert exit_code_of("pretrain", *words) == 2
    assert recipes.calls == []


def test_batch_and_skipped_steps_are_settings(recipes: FakeRecipes) -> None:
    assert exit_code_of("pretrain", "--batch", "3", "--max-skipped-steps", "2", "--accept-changes") == 0
    config: RunConfig = recipes.arguments["first"]
    assert (config.train.batch_size, config.train.max_skipped_steps) == (3, 2)
    assert recipes.arguments["accept_changes"] is True


def test_finetune_with_everything(recipes: FakeRecipes) -> None:
    words = (
        "--task vqa --config tiny/vqa --answers a.json --init model --output out --max-steps 5 --seed 3 "
        "--resume never --storage s --set seed=2 train.batch_size=4"
    )
    assert exit_code_of("finetune", *words.split()) == 0
    config: RunConfig = recipes.arguments["first"]
    assert (config.seed, config.train.max_steps, config.train.batch_size) == (3, 5, 4)
    assert config.data.answers == "a.json"
    assert recipes.arguments["init"] == Path("model")
    assert recipes.arguments["output"] == Path("out")
    assert recipes.arguments["resume"] == "never"


def test_pretrain(recipes: FakeRecipes) -> None:
    assert exit_code_of("pretrain", "--train", "captions.jsonl", "--max-steps", "7") == 0
    config: RunConfig = recipes.arguments["first"]
    assert config.task.name == "pretraining"
    assert config.data.train == ("captions.jsonl",)
    assert config.train.max_steps == 7


def test_a_config_of_another_task_is_refused(
    recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of("pretrain", "--config", "gui_vqa") == 1
    assert "is for task vqa, not pretraining" in capsys.readouterr().err
    assert exit_code_of("finetune") == 1
    assert "--task vqa" in capsys.readouterr().err
    assert not recipes.calls


@pytest.mark.parametrize("command", [["finetune", "--task", "vqa"], ["pretrain"]])
def test_dry_run_only_plans(
    command: list[str], recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(*command, "--dry-run", "--storage", "s", "--json") == 0
    assert [call[:2] for call in recipes.calls] == [("dry_run", "plan_run")]
    assert recipes.arguments["storage"] == Path("s")
    assert json.loads(capsys.readouterr().out) == recipes.report.payload


def test_printed_config_is_a_config(recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "finetune",
        "--task",
        "vqa",
        "--train",
        "a: b.jsonl",
        "--set",
        "optim.epsilon=1e-7",
        "--print-config",
    ]
    assert exit_code_of(*words) == 0
    Path("printed.yaml").write_text(capsys.readouterr().out, encoding="utf-8")
    config = load_config("printed.yaml")
    assert config.data.train == ("a: b.jsonl",)
    assert config.optim.epsilon == 1e-7
    assert exit_code_of(*words, "--json") == 0
    assert RunConfig.model_validate(json.loads(capsys.readouterr().out)) == config
    assert not recipes.calls


def test_infer(recipes: FakeRecipes) -> None:
    words = "--run r --step 20000 --data d.jsonl --media s1 s2 --n-clips 16 --batch-size 3"
    reading = "--format video-qa --aliases a.json --allow-missing"
    outputs = ("--output", "o", "--scores", "f.npz")
    speed = "--precision bf16 --set fps=1 sampling.name=regular"
    assert exit_code_of("infer", *words.split(), *reading.split(), *outputs, *speed.split()) == 0
    assert recipes.arguments == {
        "first": InferenceSettings(
            run=Path("r"),
            step="20000",
            data=Path("d.jsonl"),
            media=(Path("s1"), Path("s2")),
            data_format="video_qa",
            aliases=Path("a.json"),
            allow_missing=True,
            num_clips=16,
            batch_size=3,
            precision="bf16",
            overrides=("fps=1", "sampling.name=regular"),
        ),
        "storage": Path("storage"),
        "output": Path("o"),
        "scores": Path("f.npz"),
    }


def test_demo(recipes: FakeRecipes) -> None:
    assert exit_code_of("demo", "--keep", "k", "--quick", "--seed", "5") == 0
    assert recipes.arguments == {"keep": Path("k"), "quick": True, "seed": 5}


def test_data_check(recipes: FakeRecipes) -> None:
    Path("a_train.jsonl").touch()
    words = (
        "--media s1 s2 a_train.jsonl b.jsonl --test c.jsonl --format vqa --aliases n.json --answers v.json"
    )
    assert exit_code_of("data", "check", *words.split()) == 0
    assert recipes.arguments == {
        "first": [Path("a_train.jsonl"), Path("b.jsonl")],
        "train": (),
        "val": (),
        "test": [Path("c.jsonl")],
        "media": [Path("s1"), Path("s2")],
        "aliases": Path("n.json"),
        "answers": Path("v.json"),
        "data_format": "vqa",
    }


def test_data_check_with_errors_leaves_with_three(recipes: FakeRecipes) -> None:
    recipes.report.payload["errors"] = 2
    assert exit_code_of("data", "check", "a.jsonl") == 3


def test_data_vocab(recipes: FakeRecipes) -> None:
    words = "a.jsonl b.jsonl --output v.json --min-count 3 --answers first-token"
    assert exit_code_of("data", "vocab", *words.split()) == 0
    assert recipes.arguments == {
        "first": [Path("a.jsonl"), Path("b.jsonl")],
        "output": Path("v.json"),
        "min_count": 3,
        "form": "first-token",
        "data_format": None,
    }


def test_data_convert_takes_tables_or_issues(recipes: FakeRecipes) -> None:
    assert exit_code_of("data", "convert", "q.csv", "--output", "q.jsonl", "--answers", "short") == 0
    issues = "issues --output c.jsonl --videos videos more"
    recipes.report.bad = ("video9",)
    assert exit_code_of("data", "convert", *issues.split()) == 3
    (table, _, of_table), (other, _, of_issues) = recipes.calls
    assert (table, of_table["form"], of_table["output"]) == ("data_convert", "short", Path("q.jsonl"))
    assert (other, of_issues["videos"]) == ("data_convert_issues", [Path("videos"), Path("more")])


def test_baseline(recipes: FakeRecipes) -> None:
    words = "--train a.jsonl b.jsonl --data c.jsonl --documents d.jsonl --task retrieval"
    assert exit_code_of("baseline", *words.split()) == 0
    assert recipes.arguments == {
        "first": [Path("c.jsonl")],
        "train": [Path("a.jsonl"), Path("b.jsonl")],
        "documents": [Path("d.jsonl")],
        "task": "retrieval",
        "data_format": None,
    }


CALLS = [
    ("baseline", "--data", "a.jsonl"),
    ("data", "check", "a.jsonl"),
    ("data", "vocab", "a.jsonl", "--output", "v.json"),
    ("data", "convert", "a.csv", "--output", "a.jsonl"),
    ("data", "convert", "issues", "--videos", "videos", "--output", "a.jsonl"),
    ("ingest", "videos"),
    ("finetune", "--task", "vqa"),
    ("finetune", "--task", "vqa", "--dry-run"),
    ("infer",),
    ("evaluate",),
    ("demo",),
]


@pytest.mark.parametrize("words", CALLS, ids=" ".join)
def test_real_recipes_take_what_the_fakes_are_given(words: tuple[str, ...], recipes: FakeRecipes) -> None:
    """Read from the source, because importing a recipe takes torch."""
    assert exit_code_of(*words) == 0
    ((module, function, given),) = recipes.calls
    required, allowed, num_positional = _parameters(module, function)
    positional = [name for name in given if name in POSITIONS]
    named = set(given) - set(POSITIONS)
    assert len(positional) <= len(num_positional)
    assert named <= allowed
    assert required <= named | set(num_positional[: len(positional)])


def _parameters(module: str, function: str) -> tuple[set[str], set[str], list[str]]:
    """(names without default, all names, names that may be given by position) of a recipe."""
    tree = ast.parse((RECIPES / f"{module}.py").read_text(encoding="utf-8"))
    (definition,) = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == function
    ]
    arguments: Any = definition.args
    by_position = [argument.arg for argument in arguments.args]
    with_default = set(by_position[len(by_position) - len(arguments.defaults) :])
    by_name = {
        argument.arg: default
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    }
    with_default |= {name for name, default in by_name.items() if default is not None}
    allowed = {*by_position, *by_name}
    return allowed - with_default, allowed, by_position


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize(
    "words",
    [
        ("finetune", "--task", "vqa", "--train", "pipe"),
        ("infer", "--data", "pipe"),
        ("infer", "--media", "pipe"),
        ("evaluate", "--predictions", "pipe"),
        ("data", "check", "pipe"),
        ("data", "ls", "pipe"),
        ("explain", "pipe", "what?"),
        ("weights", "import", "pipe", "--task", "vqa", "--output", "model"),
        ("data", "vocab", "rows.jsonl", "--output", os.devnull),
    ],
    ids=" ".join,
)
def test_pipes_and_devices_are_refused_at_once(
    words: tuple[str, ...], recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("pipe")
    assert exit_code_of(*words) == 1
    assert ", not a file" in capsys.readouterr().err
    assert recipes.calls == []
