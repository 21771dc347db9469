"""Configs of the original as ours: every flag has a place or a reason."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbug.cli.main import main
from clipbug.config.loading import config_from_values, load_config
from clipbug.config.schema import config_keys
from clipbug.errors import ConfigError
from clipbug.interop.clipbert_config import import_legacy, task_of_legacy
from clipbug.interop.clipbert_flags import DEFAULTS, PRETRAINING, RETRIEVAL, SHARED, VIDEO_QA, VQA, Key
from clipbug.recipes.config_import import import_config_file

TASKS = {
    **{"pretraining": PRETRAINING, "retrieval": RETRIEVAL, "vqa": VQA, "video_qa": VIDEO_QA},
    **{"multiple_choice": VIDEO_QA, "count": VIDEO_QA},
}
ONLY_IN_FILES = {"train_datasets", "val_datasets"}
VALUES: dict[str, Any] = {
    **DEFAULTS,
    **{"model_config": "base_model.json", "tokenizer_dir": "/pretrain/bert/", "output_dir": "/storage/x"},
    **{"img_pixel_mean": [123.675, 116.28, 103.53], "img_pixel_std": [1.0, 1.0, 1.0]},
    **{"img_input_format": "BGR", "frm_sampling_strategy": "rand", "num_valid": 20, "min_valid_steps": 100},
    **{"cnn_lr_decay": "multi_step", "cnn_step_decay_epochs": [4, 8], "bert_weights_path": "/b/model.bin"},
    **{"use_itm": 1, "use_mlm": 1, "task": "msrvtt_qa", "ans2label_path": "/txt/a.json"},
}


def test_there_are_73_flags() -> None:
    shared = set(SHARED) - ONLY_IN_FILES
    assert len(shared) == 60
    assert len(shared.union(*TASKS.values())) == 73


@pytest.mark.parametrize("task", TASKS)
def test_every_flag_has_a_place_or_a_reason(task: str) -> None:
    rules = {**SHARED, **TASKS[task]}
    keys = {key.path for key in config_keys()}
    args = {flag: VALUES.get(flag) for flag in rules}
    args |= {
        "train_datasets": [{"name": "coco", "txt": "/txt/train.jsonl", "img": "/img/a"}],
        "val_datasets": [],
    }
    legacy = import_legacy(args, task=task)
    assert [flag.flag for flag in legacy.flags] == list(args)
    for flag in legacy.flags:
        assert flag.status in ("mapped", "option", "dead")
        assert flag.key if flag.status != "dead" else flag.note
        if flag.status == "mapped":
            assert flag.key in keys
        if isinstance(rules[flag.flag], Key):
            assert flag.status == "mapped", f"{flag.flag} has lost its key"
    config = config_from_values(legacy.values, shown_as="all flags")
    assert config.task.name == task
    assert config.optim.backbone.milestones == (4, 8)
    datasets = config.data.train_datasets
    assert (datasets[0].media if datasets else config.data.media) == ("/img/a",)
    assert config.model.encoder.pretrained == "/b"


def test_values_reach_their_keys(tmp_path: Path) -> None:
    args = {
        **{"task": "msrvtt_qa", "score_agg_func": "lse", "fps": 2, "num_frm": 2, "train_n_clips": 8},
        **{"grad_norm": -1, "betas": ["0.8", "0.95"], "decay": "invsqrt", "transformer_lr_mul": 10.0},
        **{"transformer_lr_mul_prefix": "classifier", "cnn_learning_rate": 1e-4, "freeze_cnn": 1},
        **{"inference_n_clips": 16, "optim": "adamax", "warmup_ratio": 0.2, "fp16": 1, "max_img_size": 768},
        "train_datasets": [
            {"txt": {"action": "/a.jsonl", "msrvtt_qa": "/m.jsonl"}, "img": "/img"},
        ],
        "model_config": "/nowhere/base_model.json",
    }
    path = tmp_path / "args.json"
    path.write_text(json.dumps(args))
    (tmp_path / "model_config.json").write_text(json.dumps({"hidden_size": 96, "num_attention_heads": 6}))
    config = import_config_file(path).config
    assert (config.clip_aggregation, config.fps, config.num_frames_per_clip) == ("logsumexp", 2.0, 2)
    assert (config.train.num_clips, config.eval.num_clips, config.max_frame_size) == (8, 16, 768)
    assert config.optim.max_gradient_norm is None
    assert (config.optim.betas, config.optim.algorithm) == ((0.8, 0.95), "adamax")
    transformer = config.optim.transformer
    assert (transformer.schedule, transformer.multiplier, transformer.multiplied) == (
        "inverse_sqrt",
        10.0,
        "classifier",
    )
    assert config.optim.backbone.learning_rate == 1e-4
    assert config.data.train == ("/m.jsonl",)
    assert (config.model.encoder.hidden_size, config.model.encoder.num_heads) == (96, 6)
    assert config.model.backbone.model_dump()["frozen_stages"] == 5
    # what the original's programs take where nothing is said, not what ours do
    assert (config.train.batch_size, config.data.max_text_tokens) == (128, 20)


@pytest.mark.parametrize(
    ("args", "name", "task"),
    [
        ({"task": "action"}, "", "multiple_choice"),
        ({"task": "count"}, "", "count"),
        ({"task": "frameqa"}, "", "video_qa"),
        ({"use_mlm": 1}, "", "pretraining"),
        ({"itm_neg_size": 1}, "", "retrieval"),
        ({"ans2label_path": "x", "num_labels": 3129}, "", "vqa"),
        ({}, "didemo_ret_base_resnet50", "retrieval"),
    ],
)
def test_the_flags_tell_the_task(args: dict[str, Any], name: str, task: str) -> None:
    assert task_of_legacy(args, name=name) == task


def test_what_tells_no_task_is_refused() -> None:
    with pytest.raises(ConfigError, match="the task cannot be inferred"):
        task_of_legacy({"fps": 1})


def test_other_pixel_values_are_refused() -> None:
    with pytest.raises(ConfigError, match="img_pixel_std"):
        import_legacy({"img_pixel_std": [58.0, 57.0, 57.0]}, task="vqa")


@pytest.mark.parametrize("content", ["[]", "{", None])
def test_what_is_no_config_is_named(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=r"config\.json"):
        import_config_file(path)


def call(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return int(end.value.code or 0)


def test_the_command_writes_what_validate_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "msrvtt_qa.json", tmp_path / "mine.yaml"
    source.write_text(json.dumps({"task": "msrvtt_qa", "num_frm": 2, "dropout": 0.1, "nmu_frm": 2}))
    assert call("config", "import", source, "--output", target, "--json") == 3  # a flag that nobody knows
    report = json.loads(capsys.readouterr().out)
    assert report["unknown"] == ["nmu_frm"]
    by_name = {flag["flag"]: flag for flag in report["flags"]}
    assert by_name["nmu_frm"]["note"] == "did you mean num_frm?"
    assert by_name["dropout"]["status"] == "dead"
    assert by_name["num_frm"]["key"] == "num_frames_per_clip"
    assert call("config", "validate", target) == 0
    assert load_config(target).num_frames_per_clip == 2
    capsys.readouterr()
    assert call("config", "import", source, "--output", target) == 1
    assert "already exists" in capsys.readouterr().err
    call("config", "import", source)
    text = capsys.readouterr().out
    assert text.startswith("# clipbug finetune --task video-qa --config msrvtt_qa.yaml\n")
    assert "#   dropout = 0.1: unused, never read" in text
    (tmp_path / "printed.yaml").write_text(text)
    assert load_config(tmp_path / "printed.yaml") == load_config(target)


def test_diff_shows_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("task: {name: multiple_choice}\nseed: 7\n")
    (tmp_path / "other.yaml").write_text("task: {name: video_qa}\nseed: 8\n")
    assert call("config", "diff", path, tmp_path / "other.yaml", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["differences"]
    assert {row["key"]: (row["first"], row["second"]) for row in rows} == {
        "seed": (7, 8),
        "task.name": ("multiple_choice", "video_qa"),
    }
    assert call("config", "diff", path, path) == 0
    assert capsys.readouterr().out == "no differences\n"
