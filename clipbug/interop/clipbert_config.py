"""Convert configs of ClipBERT and ClipBugBERT (JSON presets and the args.json of runs)."""

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
class ImportedFlag:
    """The conversion of one flag.

    Attributes:
        key: the equivalent config key or option; "" if there is none.
        note: why a flag has no equivalent, or a remark.
    """

    flag: str
    value: Any
    status: Status
    key: str = ""
    note: str = ""


@dataclass(slots=True)
class LegacyConfig:
    """A converted ClipBERT config.

    Attributes:
        values: nested values for `RunConfig`.
        flags: the conversion of each flag in the file.
    """

    values: dict[str, Any] = field(default_factory=dict)
    flags: list[ImportedFlag] = field(default_factory=list)

    @property
    def unknown(self) -> list[str]:
        """Return the flags that neither ClipBERT nor ClipBugBERT has."""
        return [flag.flag for flag in self.flags if flag.status == "unknown"]

    def to_json(self) -> list[dict[str, Any]]:
        """Return the flags as the object that --json prints."""
        return [asdict(flag) for flag in self.flags]


def read_legacy_file(path: Path) -> dict[str, Any]:
    """Read the object in a JSON file.

    Args:
        path: path of the file.

    Returns:
        Flag -> value.

    Raises:
        ConfigError: the file cannot be read, or is not a JSON object.
    """
    try:
        content = read_json(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", "give a JSON config") from error
    except JsonError as error:
        raise ConfigError(f"{path}: {error}", "give a JSON config of ClipBERT") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{path} contains {type(content).__name__}, not an object", "give a JSON config")
    return content


def task_of_legacy(args: Mapping[str, Any], *, name: str = "") -> str:
    """Infer the task of a config from its flags, or else from words in its file name.

    Args:
        args: flag -> value.
        name: name of the file.

    Returns:
        The name of the clipbug task.

    Raises:
        ConfigError: the task cannot be inferred.
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
        "the task cannot be inferred: the config has none of task, use_mlm, itm_neg_size, ans2label_path",
        f"give it: --task {'|'.join(_RULES_OF_TASK)}",
    )


def import_legacy(
    args: Mapping[str, Any], *, task: str, model_config: Mapping[str, Any] | None = None
) -> LegacyConfig:
    """Convert a ClipBERT config.

    Args:
        args: flag -> value.
        task: name of the clipbug task.
        model_config: content of the file in `model_config`.

    Returns:
        The values of the equivalent clipbug config, and the conversion of every flag.
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
        imported = _apply(legacy.values, flag, value, rule, complete)
        if flag in args:
            legacy.flags.append(imported)
    if legacy.values["optim"]["algorithm"] in ("adam", "adamax"):
        legacy.values["optim"]["epsilon"] = 1e-8  # torch's default; ClipBERT does not set it
    return legacy


def encoder_values(model_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return `model.encoder` for a model_config.json, or for the config.json of a BERT."""
    return {ours: model_config[theirs] for theirs, ours in _SIZES.items() if theirs in model_config}


def _fixed_values(task: str) -> dict[str, Any]:
    """Return the values for behaviour of ClipBERT that no flag controls."""
    task_values: dict[str, dict[str, Any]] = {
        "pretraining": {"masking": "clipbert", "mlm_average": "all"},
        "vqa": {"every_row": True},
    }
    return {
        "task": {"name": task, **task_values.get(task, {})},
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
    """Return the rule for a flag of another task, which the program of this task ignores."""
    if any(flag in rules for rules in _RULES_OF_TASK.values()):
        return Dead("a flag of another task")
    return None


def _apply(
    values: dict[str, Any], flag: str, value: Any, rule: Rule | None, args: Mapping[str, Any]
) -> ImportedFlag:
    match rule:
        case None:
            guess = nearest(flag, [*SHARED, *PRETRAINING, *RETRIEVAL, *VQA, *VIDEO_QA])
            return ImportedFlag(flag, value, "unknown", note=f"did you mean {guess}?" if guess else "")
        case Dead(reason):
            if flag in _FIXED and value is not None and value != _FIXED[flag]:
                raise ConfigError(
                    f"{flag} is {value}; published ClipBERT models use {_FIXED[flag]}",
                    "clipbug reproduces only the published models; choose model.backbone yourself",
                )
            return ImportedFlag(flag, value, "dead", note=reason)
        case Option(option):
            return ImportedFlag(flag, value, "option", key=option)
        case Key():
            return _apply_key(values, flag, value, rule, args)


def _apply_key(
    values: dict[str, Any], flag: str, value: Any, rule: Key, args: Mapping[str, Any]
) -> ImportedFlag:
    note = rule.note
    if flag in ("train_datasets", "val_datasets") and values["task"]["name"] == "pretraining":
        _put(values, f"data.{flag}", [_dataset(dataset, training=flag[0] == "t") for dataset in value])
        return ImportedFlag(flag, value, "mapped", key=f"data.{flag}", note="with img and ratio of each")
    if flag in ("train_datasets", "val_datasets"):
        _put_datasets(values, rule.path, value, task=args.get("task"))
    elif flag in ("use_itm", "use_mlm"):
        losses = [name for name, key in (("mlm", "use_mlm"), ("matching", "use_itm")) if args.get(key)]
        _put(values, rule.path, losses)
    elif flag == "frm_sampling_strategy" and values["task"]["name"] != "retrieval":
        # Only retrieval reads it for a single clip; QA always takes the first one.
        note = "video QA ignores it; a single clip is taken from the start"
    elif flag == "cnn_step_decay_epochs" and args.get("cnn_lr_decay") != "multi_step":
        return ImportedFlag(flag, value, "dead", note="used only with cnn_lr_decay multi_step")
    elif flag not in ("model_config", "task") and value is not None:
        converted = rule.convert(value)
        if flag == "grad_norm" or converted is not None:
            _put(values, rule.path, converted)
    return ImportedFlag(flag, value, "mapped", key=rule.path, note=note)


def _dataset(dataset: Mapping[str, Any], *, training: bool) -> dict[str, Any]:
    """Return a data set of the pretraining mixture; `vis_format` is not needed, as the store knows it."""
    text, media = dataset.get("txt"), dataset.get("img")
    values = {
        "id": dataset.get("name"),
        "files": [text] if isinstance(text, str) else list(text or ()),
        "media": [] if media is None else [media],
    }
    return {**values, "ratio": dataset.get("ratio", 1)} if training else values


def _put_datasets(values: dict[str, Any], path: str, datasets: Any, *, task: Any) -> None:
    """Set the files and media of data sets; `txt` is a file, a list, or a file per task of video QA."""
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
    """Set the value at a dotted path."""
    *parents, last = path.split(".")
    group = values
    for parent in parents:
        group = group.setdefault(parent, {})
    group[last] = value
