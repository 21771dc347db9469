"""`--set` over the values of a file."""

from typing import Any

import pytest

from clipbug.config.loading import load_config
from tests.helpers.messages import message_of


def test_a_mapping_replaces_its_group(write: Any) -> None:
    name = write("task: {name: vqa}\nmodel: {backbone: {name: small, widths: [8, 16]}, grid_pool: 1}\n")
    config = load_config(name, overrides=["model.backbone={name: resnet, architecture: resnet18}"])
    assert config.model.backbone.name == "resnet"
    assert config.model.grid_pool == 1
    assert load_config(name, overrides=["model.backbone.blocks=2"]).model.backbone.model_dump()["widths"] == (
        8,
        16,
    )


def test_values_of_a_setting_are_yaml(write: Any) -> None:
    name = write("task: {name: vqa}\n")
    overrides = [
        "optim.transformer.learning_rate=5e-5",
        "data.val=[a.jsonl]",
        "train.augment=true",
        "train.max_steps=",
    ]
    config = load_config(name, overrides=overrides)
    assert config.optim.transformer.learning_rate == 5e-5
    assert config.data.val == ("a.jsonl",)
    assert config.train.augment is True
    assert config.train.max_steps is None
    with_equals = load_config(name, overrides=["data.answers=a=b.json"])
    assert with_equals.data.answers == "a=b.json"


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("seed", "seed: has no '='; write --set path=value  (--set)"),
        ("=3", "(empty): is not a dotted path such as train.batch_size  (--set =3)"),
        ("train..x=3", "train..x: is not a dotted path such as train.batch_size  (--set train..x=3)"),
        ("fps=[", "fps = [: is not valid YAML"),
        ("fps.x=3", "fps.x: cannot be set: fps is 1.0, not a group of keys  (--set fps.x=3)"),
        (
            "optim.betas.0=0.8",
            "optim.betas.0: cannot be set: optim.betas is [0.9, 0.99], not a group of keys",
        ),
        ("seed=x", 'seed = "x": must be an integer  (--set seed=x)'),
        ("seed=1.5", "seed = 1.5: must be an integer  (--set seed=1.5)"),
        ("train=3", "train = 3: must be a group of keys  (--set train=3)"),
        ("sampling.name=rnadom", "did you mean random?  (--set sampling.name=rnadom)"),
        ("sampling={}", "sampling.name: must be one of regular, random, clipbert, screen_changes  (--set"),
        ("task.name=video", "did you mean video_qa?  (--set task.name=video)"),
        ("data.val=[1]", "data.val.0 = 1: must be text  (--set data.val=[1])"),
        ("train.augment=perhaps", 'train.augment = "perhaps": must be true or false'),
        ("optim.epsilon=.nan", "optim.epsilon = NaN: must be greater than 0"),
        (
            "model.backbone.widths=[8]",
            "must have at least 2 items, got 1  (--set model.backbone.widths=[8])",
        ),
        (
            "model.backbone.name=resnet",
            "model.backbone.widths = [8, 16]: is a key of small, not of resnet; to change the kind, replace "
            "the group: --set 'model.backbone={name: resnet}'  (my.yaml:4)",
        ),
    ],
)
def test_bad_settings(override: str, expected: str, write: Any) -> None:
    text = "task: {name: vqa}\nfps: 1.0\noptim: {betas: [0.9, 0.99]}\n"
    name = write(f"{text}model: {{backbone: {{name: small, widths: [8, 16]}}}}\n")
    shown = message_of(name, overrides=[override, "padding=squarre"])
    assert expected in shown
    assert "padding = \"squarre\": must be 'batch' or 'square'" in shown
    assert shown.startswith("2 problems in config my.yaml:")


def test_what_is_replaced_has_no_line_any_more(write: Any) -> None:
    name = write("task: {name: vqa}\ndata:\n  val:\n  - a.jsonl\n  - b.jsonl\n")
    shown = message_of(name, overrides=["data.val=[c.jsonl, 3]"])
    assert "data.val.1 = 3: must be text  (--set data.val=[c.jsonl, 3])" in shown
