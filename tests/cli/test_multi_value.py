"""Several values after one option, and nothing swallowed that belongs elsewhere."""

from pathlib import Path

import pytest

from tests.helpers.fake_recipes import FakeRecipes, exit_code_of


@pytest.mark.parametrize(
    "words",
    [
        ["videos", "--ext", "mp4", "avi"],
        ["videos", "--ext", "mp4", "--ext", "avi"],
        ["--ext", "mp4", "avi", "--", "videos"],
        ["--ext", "mp4", "avi", "videos"],
        ["--ext", "mp4", "avi", "./videos"],
        ["--ext", "mp4", "--ext", "avi", "videos"],
        ["videos", "--ext", "mp4,avi"],
        ["videos", "--ext=mp4", "avi"],
        ["videos", "--ext", ".MP4", "*.Avi"],
        ["videos", "--ext", "mp4", "avi", "mp4", "--workers", "0"],
        ["--ext", "mp4", "avi", "videos", "--json"],
    ],
    ids=" ".join,
)
def test_extensions(words: list[str], recipes: FakeRecipes) -> None:
    Path("videos").mkdir()
    assert exit_code_of("ingest", *words) == 0
    assert [path.name for path in recipes.arguments["first"]] == ["videos"]
    assert recipes.arguments["extensions"] == ["mp4", "avi"]


def test_a_path_after_extensions_that_does_not_exist_is_still_a_path(recipes: FakeRecipes) -> None:
    assert exit_code_of("ingest", "--ext", "mp4", "missing/folder", "recordings") == 0
    assert recipes.arguments["first"] == [Path("missing/folder"), Path("recordings")]
    assert recipes.arguments["extensions"] == ["mp4"]


@pytest.mark.parametrize("words", [["videos/", "--ext", "videos/"], ["videos", "--ext", "a.mp4"]])
def test_what_cannot_be_an_extension_is_refused(
    words: list[str], recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of("ingest", *words) == 2
    assert f"'{words[-1]}' is not a file extension" in capsys.readouterr().err
    assert not recipes.calls


def test_files_of_training(recipes: FakeRecipes) -> None:
    files = ["--train", "a.jsonl", "b.jsonl", "--val", "c.jsonl", "--val", "d.jsonl", "--media", "s1", "s2"]
    settings = ["--set", "seed=1", "fps=3", "--set", "padding=square"]
    assert exit_code_of("finetune", "--task", "vqa", *files, *settings) == 0
    config = recipes.arguments["first"]
    assert config.data.train == ("a.jsonl", "b.jsonl")
    assert config.data.val == ("c.jsonl", "d.jsonl")
    assert config.data.media == ("s1", "s2")
    assert (config.seed, config.fps, config.padding) == (1, 3.0, "square")


def test_settings_before_a_positional_word(recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of("config", "show", "--set", "seed=1", "fps=3", "tiny/vqa") == 0
    text = capsys.readouterr().out
    assert "seed: 1\n" in text
    assert "fps: 3" in text


@pytest.mark.parametrize(
    "words",
    [
        ["infer", "--run", "--json"],
        ["ingest", "videos", "--ext", "--workers", "2"],
        ["finetune", "--train", "--val", "a"],
        ["infer", "--run", "--json=1"],
        ["infer", "--run"],
    ],
    ids=" ".join,
)
def test_an_option_is_never_the_value_of_another(words: list[str], recipes: FakeRecipes) -> None:
    assert exit_code_of(*words) == 2
    assert not recipes.calls


@pytest.mark.parametrize(
    "words",
    [
        ["infer", "--outpt", "y"],
        ["infer", "y"],
        ["finetune", "--task", "vqa", "--max-step", "3"],
        ["ingest", "videos", "--extt", "mp4"],
    ],
    ids=" ".join,
)
def test_unknown_words_are_errors(words: list[str], recipes: FakeRecipes) -> None:
    assert exit_code_of(*words) == 2
    assert not recipes.calls


@pytest.mark.parametrize("word", ["x" * 300, "日本語" * 100, "a/" * 3000])
def test_words_that_no_file_can_be_called(word: str, recipes: FakeRecipes) -> None:
    assert exit_code_of("data", "check", "a.jsonl", "--media", "store", word) == 0
    assert recipes.arguments["media"] == [Path("store"), Path(word)]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("infer --n-clips many", "'many' must be a valid integer"),
        ("infer --n-clips=0", "'0' must be greater than or equal to 1"),
        ("infer --step foo", "'foo' is not a valid step; give a number, 'best' or 'last'"),
        ("infer --precision half", "'half' is not one of"),
        ("serve --port 99999", "'99999' must be less than or equal to 65535"),
        ("finetune --task vqa --seed -1", "'-1' must be"),
    ],
)
def test_the_value_that_is_wrong_is_said(
    words: str, says: str, recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(*words.split()) == 2
    printed = capsys.readouterr().err
    option = next(word for word in words.split() if word.startswith("--") and word != "--task")
    assert f"{option.partition('=')[0]}': {says}" in printed


@pytest.mark.parametrize(
    "words", [["ingest", ""], ["infer", "--run", ""], ["infer", "--run="], ["ask", "a.mp4", ""]]
)
def test_an_empty_argument_is_not_the_current_folder(
    words: list[str], recipes: FakeRecipes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(*words) == 2
    assert "is empty" in capsys.readouterr().err
    assert not recipes.calls
