"""A config from a preset or file, settings and flags; everything wrong is named at once."""

import re
from pathlib import Path
from typing import Any

import pytest

from clipbug.config import RunConfig
from clipbug.config.loading import dump_config, load_config
from clipbug.config.presets import preset_names
from clipbug.config.problems import _REASONS
from clipbug.errors import ConfigError
from tests.helpers.messages import message_of


def test_precedence(write: Any) -> None:
    name = write("task: {name: vqa}\nseed: 1\nfps: 1.0\nmax_frame_size: 100\n")
    overrides = ["fps=2", "max_frame_size=200", "fps=2.5"]
    config = load_config(name, overrides=overrides, flags={"max_frame_size": 300, "data.train": None})
    assert (config.padding, config.seed, config.fps, config.max_frame_size) == ("batch", 1, 2.5, 300)
    assert config.data.train == ()


@pytest.mark.parametrize(
    ("text", "resize"),
    [
        ("", "antialiased"),
        ("sampling: {name: regular}\n", "antialiased"),
        ("sampling: {name: clipbert}\n", "clipbert"),  # as configs without the key meant it
        ("sampling: {name: clipbert}\nresize: antialiased\n", "antialiased"),
        ("sampling: {name: regular}\nresize: clipbert\n", "clipbert"),
    ],
)
def test_resize_is_a_setting_of_its_own(write: Any, text: str, resize: str) -> None:
    assert load_config(write(f"task: {{name: video_qa}}\n{text}")).resize == resize


def test_presets_of_clipbert_say_their_resize() -> None:
    for name in preset_names():
        config = load_config(name)
        if config.sampling.name == "clipbert":
            assert load_config(name, overrides=["sampling={name: regular}"]).resize == "clipbert"


def test_nothing_but_the_task_gives_the_defaults(write: Any) -> None:
    config = load_config(write("task: {name: video-qa}\n"))
    assert config == RunConfig.model_validate({"task": {"name": "video_qa"}})


@pytest.mark.parametrize("preset", preset_names())
def test_dump_is_read_back(preset: str, write: Any) -> None:
    overrides = ["optim.epsilon=1e-7", "data.train=['a: b.jsonl', '5e-5', \"yes\"]", "data.answers='null'"]
    config = load_config(preset, overrides=overrides)
    assert load_config(write(dump_config(config))) == config
    assert config.data.answers == "null"


BAD = """\
task: {name: vqa}
seed: -1
sede: 3
fps: yes
precision: fp64
train:
  batch_size: 0
  learning_rate: 1e-3
  warmup: 5
optim:
  transforner: {learning_rate: 1}
  betas: [0.9]
data:
  train: a.jsonl
model:
  backbone: {name: resnt}
  encoder: {num_heads: 5, dropout: 1.0}
tokenizer: wordpiece
train: {}
"""
EXPECTED = [
    "train: is repeated, first on line 6  (my.yaml:19)",
    "seed = -1: must be at least 0  (my.yaml:2)",
    'fps = "yes": must be a number  (my.yaml:4)',
    "precision = \"fp64\": must be 'auto', 'fp32', 'bf16' or 'fp16'  (my.yaml:5)",
    'data.train = "a.jsonl": must be a list, such as [a, b]  (my.yaml:14)',
    'tokenizer = "wordpiece": must be a group of keys  (my.yaml:18)',
    'model.backbone.name = "resnt": must be one of resnet, clipbert, small; did you mean resnet?'
    "  (my.yaml:16)",
    "model.encoder.dropout = 1.0: must be less than 1  (my.yaml:17)",
    "optim.betas.1: is required  (my.yaml:12)",
    "optim.transforner: is not a known key; did you mean optim.transformer?  (my.yaml:11)",
    "train.batch_size = 0: must be greater than 0  (my.yaml:7)",
    "train.learning_rate = 0.001: is not a known key; did you mean optim.backbone.learning_rate"
    " or optim.transformer.learning_rate?  (my.yaml:8)",
    "train.warmup = 5: is not a known key; did you mean optim.warmup_ratio?  (my.yaml:9)",
    "sede = 3: is not a known key; did you mean seed?  (my.yaml:3)",
]


def test_all_errors_at_once(write: Any) -> None:
    heading, *lines = message_of(write(BAD)).splitlines()
    assert heading == f"{len(EXPECTED)} problems in config my.yaml:"
    assert sorted(line.strip() for line in lines) == sorted(EXPECTED)


def test_a_check_over_several_keys_names_all_places(write: Any) -> None:
    name = write("task: {name: vqa}\nmodel:\n  encoder: {hidden_size: 32}\n")
    shown = message_of(name, overrides=["model.encoder.num_heads=5"])
    assert "model.encoder: num_heads 5 must divide hidden_size 32" in shown
    assert "(my.yaml:3, --set model.encoder.num_heads=5)" in shown


def test_bad_flags_are_named_as_the_user_typed_them(write: Any) -> None:
    shown = message_of(write("task: {name: vqa}\n"), flags={"train.max_steps": 0, "data.val": ["a", 3]})
    assert "train.max_steps = 0: must be greater than 0  (--max-steps)" in shown
    assert "data.val.1 = 3: must be text  (--val)" in shown


def test_a_required_key_that_is_missing(write: Any) -> None:
    assert "task: is required  (my.yaml)" in message_of(write("seed: 1\n"))


def test_long_values_are_cut(write: Any) -> None:
    shown = message_of(write(f"task: {{name: vqa}}\nseed: {'x' * 500}\n"))
    assert max(map(len, shown.splitlines())) < 150


def test_the_hint_is_a_command() -> None:
    with pytest.raises(ConfigError) as raised:
        load_config(None, overrides=["sede=1"], task="vqa")
    assert raised.value.hint.endswith("clipbug config show gui_vqa")


@pytest.mark.parametrize("task", ["vqa", "video-qa", "video_qa", "pretraining"])
def test_a_task_alone_takes_its_preset(task: str) -> None:
    assert load_config(None, task=task).task.name == task.replace("-", "_")


def test_tasks_that_do_not_fit(write: Any) -> None:
    shown = message_of("gui_vqa", task="video-qa")
    assert re.search(r"gui_vqa\.yaml is for task vqa, not video_qa", shown)
    assert "'vqaa' is not a valid task; did you mean vqa?" in message_of(None, task="vqaa")
    assert message_of(None) == "neither a task nor a config is given"
    assert load_config(write("seed: 1\n"), task="vqa").task.name == "vqa"
    assert load_config(write("task: {name: video-qa}\n"), task="video_qa").task.name == "video_qa"


def test_unknown_names_and_files(write: Any) -> None:
    with pytest.raises(
        ConfigError, match="'gui_vq' is neither a preset nor a file; did you mean gui_vqa"
    ) as raised:
        load_config("gui_vq")
    for name in preset_names():
        assert name in raised.value.hint
    write("seed: 1\n")
    assert message_of("mine.yaml") == "cannot read config mine.yaml: No such file or directory"
    assert "task: is required" in message_of(Path("my.yaml"))


def test_a_file_without_suffix_is_a_file(write: Any) -> None:
    assert load_config(write("task: {name: vqa}\nseed: 7\n", "mine")).seed == 7


def test_every_reason_in_our_words_belongs_to_pydantic() -> None:
    from typing import get_args

    from pydantic_core.core_schema import ErrorType

    assert set(_REASONS) <= set(get_args(ErrorType))
