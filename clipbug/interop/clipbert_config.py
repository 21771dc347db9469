"""Configs of ClipBERT and ClipBugBERT (JSON presets, and args.json of their runs) as ours."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from clipbug.config.problems import nearest
from clipbug.errors import ConfigError
from clipbug.interop.clipbert_flags import (
    DEFAULTS,
    PIXEL_FORMAT,
    PIXEL_MEAN,
    PIXEL_STD,
    PRETRAINING,
    RETRIEVAL,
    SHARED,
    VIDEO_QA,
    VQA,
    WRITTEN_AT_RUN_TIME,
    Dead,
    Key,
    Option,
    Rule,
)
from clipbug.runtime.json_reading import JsonError, read_json

_RULES_OF_TASK: Mapping[str, Mapping[str, Rule]] = {
    "pretraining": PRETRAINING,
    "retrieval": RETRIEVAL,
    "vqa": VQA,
    "video_qa": VIDEO_QA,
    "multiple_choice": VIDEO_QA,
    "count": VIDEO_QA,
}
_TASK_OF_VIDEO_QA = {"action": "multiple_choice", "transition": "multiple_choice", "count": "count"}
_FIXED = {"img_pixel_mean": PIXEL_MEAN, "img_pixel_std": PIXEL_STD, "img_input_format": PIXEL_FORMAT}
_SIZES = {
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_position_embeddings",
    "hidden_dropout_prob": "dropout",
    "vocab_size": "vocabulary_size",
}

Status = Literal["mapped", "option", "dead", "unknown"]


@dataclass(frozen=True, slots=True)
class FlagReport:
    """What became of one flag.

    Attributes:
        key: the key or option that takes it over; "" if none does.
        note: the reason why a flag is dead, or a remark.
    """

    flag: str
    value: Any
    status: Status
    key: str = ""
    note: str = ""


@dataclass(slots=True)
class LegacyConfig:
    """A config of the original as ours.

    Attributes:
        values: nested, for `RunConfig`.
        flags: one report for each flag of the file.
    """

    values: dict[str, Any] = field(default_factory=dict)
    flags: list[FlagReport] = field(default_factory=list)

    @property
    def unknown(self) -> list[str]:
        """Flags that no version of the original has."""
        return [flag.flag for flag in self.flags if flag.status == "unknown"]

    def to_json(self) -> list[dict[str, Any]]:
        """The flags as the object that --json prints."""
        return [asdict(flag) for flag in self.flags]


def read_legacy_file(path: Path) -> dict[str, Any]:
    """The object of a JSON file.

    Raises:
        ConfigError: no such file, or no JSON object.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "name a JSON config") from error
    except JsonError as error:
        raise ConfigError(f"{path}: {error}", "name a JSON config of ClipBERT") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} holds {type(content).__name__}, not an object", "name a JSON config")
    return content


def task_of_legacy(args: Mapping[str, Any], *, name: str = "") -> str:
    """The task that a config is for: by its flags, else by words in its file name.

    Raises:
        ConfigError: neither tells.
    """
    if isinstance(task := args.get("task"), str):
        return _TASK_OF_VIDEO_QA.get(task, "video_qa")
    if args.keys() & {"use_mlm", "use_itm", "itm_neg_prob", "pixel_random_sampling_size"}:
        return "pretraining"
    if args.keys() & {"itm_neg_size", "margin", "eval_retrieval_batch_size"}:
        return "retrieval"
    if "ans2label_path" in args or args.get("loss_type") == "bce":
        return "vqa"
    words = {"pretrain": "pretraining", "ret": "retrieval", "vqa": "vqa", "qa": "video_qa"}
    for word, task in words.items():
        if word in name.lower():
            return task
    raise ConfigError(
        "the config does not tell its task: none of task, use_mlm, itm_neg_size, ans2label_path is there",
        f"say it: --task {'|'.join(_RULES_OF_TASK)}",
    )


def import_legacy(
    args: Mapping[str, Any], *, task: str, model_config: Mapping[str, Any] | None = None
) -> LegacyConfig:
    """Our values for a config of the original, and what became of every flag.

    Args:
        args: flag -> value.
        task: ours.
        model_config: content of the file that `model_config` names.
    """
    rules = {**SHARED, **WRITTEN_AT_RUN_TIME, **_RULES_OF_TASK[task]}
    legacy = LegacyConfig(_fixed_values(task))
    if model_config is not None:
        legacy.values["model"]["encoder"] |= encoder_values(model_config)
        legacy.values["model"]["head_dropout"] = model_config.get("hidden_dropout_prob", 0.1)
    defaults = {flag: value for flag, value in DEFAULTS.items() if flag in rules and flag not in args}
    complete = {**args, **defaults}
    for flag, value in complete.items():
        rule = rules.get(flag) or _rule_of_any_task(flag)
        report = _apply(legacy.values, flag, value, rule, complete)
        if flag in args:
            legacy.flags.append(report)
    if legacy.values["optim"]["algorithm"] in ("adam", "adamax"):
        legacy.values["optim"]["epsilon"] = 1e-8  # torch's own; the original gives none
    return legacy


def encoder_values(model_config: Mapping[str, Any]) -> dict[str, Any]:
    """`model.encoder` of a model_config.json, or of a BERT's config.json."""
    return {ours: model_config[theirs] for theirs, ours in _SIZES.items() if theirs in model_config}


def _fixed_values(task: str) -> dict[str, Any]:
    """What the original does without a flag for it."""
    ways: dict[str, dict[str, Any]] = {
        "pretraining": {"masking": "clipbert", "mlm_average": "all"},
        "vqa": {"every_row": True},
    }
    return {
        "task": {"name": task, **ways.get(task, {})},
        "sampling": {"name": "clipbert", "single_clip": "middle" if task == "retrieval" else "start"},
        "resize": "clipbert",
        "padding": "square",
        "tokenizer": {"name": "pretrained", "path": "bert-base-uncased"},
        "model": {"backbone": {"name": "clipbert"}, "encoder": {}},
        "optim": {
            "algorithm": "clipbert_adamw",
            "backbone": {"multiplied": "grid_encoder"},
            "transformer": {},
        },
        "data": {},
        "train": {"loss_normalization": "micro_batch"},
        "eval": {},
    }


def _rule_of_any_task(flag: str) -> Rule | None:
    """Of a flag that belongs to another task: the file has it, its program does not."""
    if any(flag in rules for rules in _RULES_OF_TASK.values()):
        return Dead("a flag of another task")
    return None


def _apply(
    values: dict[str, Any], flag: str, value: Any, rule: Rule | None, args: Mapping[str, Any]
) -> FlagReport:
    match rule:
        case None:
            guess = nearest(flag, [*SHARED, *PRETRAINING, *RETRIEVAL, *VQA, *VIDEO_QA])
            return FlagReport(flag, value, "unknown", note=f"did you mean {guess}?" if guess else "")
        case Dead(reason):
            if flag in _FIXED and value is not None and value != _FIXED[flag]:
                raise ConfigError(
                    f"{flag} is {value}; the published layout has {_FIXED[flag]}",
                    "clipbug reproduces the published layout only; choose model.backbone yourself",
                )
            return FlagReport(flag, value, "dead", note=reason)
        case Option(option):
            return FlagReport(flag, value, "option", key=option)
        case Key():
            return _apply_key(values, flag, value, rule, args)


def _apply_key(
    values: dict[str, Any], flag: str, value: Any, rule: Key, args: Mapping[str, Any]
) -> FlagReport:
    note = rule.note
    if flag in ("train_datasets", "val_datasets") and values["task"]["name"] == "pretraining":
        _put(values, f"data.{flag}", [_dataset(dataset, training=flag[0] == "t") for dataset in value])
        return FlagReport(flag, value, "mapped", key=f"data.{flag}", note="with img and ratio of each")
    if flag in ("train_datasets", "val_datasets"):
        _put_datasets(values, rule.path, value, task=args.get("task"))
    elif flag in ("use_itm", "use_mlm"):
        losses = [name for name, key in (("mlm", "use_mlm"), ("matching", "use_itm")) if args.get(key)]
        _put(values, rule.path, losses)
    elif flag == "frm_sampling_strategy" and values["task"]["name"] != "retrieval":
        # Only retrieval looks at it with a single clip; QA always takes the first of one.
        note = "video QA ignores it with one clip (its start is taken) and with several"
    elif flag == "cnn_step_decay_epochs" and args.get("cnn_lr_decay") != "multi_step":
        return FlagReport(flag, value, "dead", note="counts with cnn_lr_decay multi_step only")
    elif flag not in ("model_config", "task") and value is not None:
        converted = rule.convert(value)
        if flag == "grad_norm" or converted is not None:
            _put(values, rule.path, converted)
    return FlagReport(flag, value, "mapped", key=rule.path, note=note)


def _dataset(dataset: Mapping[str, Any], *, training: bool) -> dict[str, Any]:
    """One of the data sets that pre-training mixes; the store knows `vis_format`."""
    text, media = dataset.get("txt"), dataset.get("img")
    found = {
        "id": dataset.get("name"),
        "files": [text] if isinstance(text, str) else list(text or ()),
        "media": [] if media is None else [media],
    }
    return {**found, "ratio": dataset.get("ratio", 1)} if training else found


def _put_datasets(values: dict[str, Any], path: str, datasets: Any, *, task: Any) -> None:
    """`txt` is a file, a list of files, or a file for each task of video QA."""
    files: list[str] = []
    for dataset in datasets:
        text = dataset.get("txt")
        if isinstance(text, Mapping):
            text = [text[task]] if task in text else list(text.values())
        files += [text] if isinstance(text, str) else list(text or ())
        if dataset.get("img") is not None:
            media = values["data"].setdefault("media", [])
            media += [dataset["img"]] if dataset["img"] not in media else []
    _put(values, path, files)


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted path."""
    *parents, last = path.split(".")
    group = values
    for parent in parents:
        group = group.setdefault(parent, {})
    group[last] = value
