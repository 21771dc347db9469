"""The equivalent config key of every flag of ClipBERT and ClipBugBERT, or the reason why there is none.

Functions convert the values; `clipbug.interop.clipbert_config` applies the table to a file.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

PIXEL_MEAN, PIXEL_STD, PIXEL_FORMAT = [123.675, 116.28, 103.53], [1.0, 1.0, 1.0], "BGR"


def _same(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Key:
    """A flag with an equivalent config key.

    Attributes:
        path: dotted path of the key.
        convert: converts the value of the flag; a result of None keeps the default.
        note: a remark for the user.
    """

    path: str
    convert: Callable[[Any], Any] = _same
    note: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """A flag with an equivalent command-line option."""

    option: str


@dataclass(frozen=True, slots=True)
class Dead:
    """A flag without an equivalent."""

    reason: str


Rule = Key | Option | Dead


def _positive(value: Any) -> Any:
    return value if value and value > 0 else None


def _folder_of_file(value: Any) -> str:
    """Return the folder of BERT weights, as `pretrained` expects a folder."""
    path = PurePosixPath(str(value))
    return str(path.parent) if path.suffix in (".bin", ".safetensors", ".pt") else str(path)


def _schedule(value: Any) -> Any:
    return "inverse_sqrt" if value == "invsqrt" else value


def _optimizer(value: Any) -> Any:
    return "clipbert_adamw" if value == "adamw" else value


def _sampling(value: Any) -> dict[str, str]:
    position = value if value in ("start", "end", "uniform") else "middle"
    return {"name": "clipbert", "single_clip": position}


def _aggregation(value: Any) -> Any:
    return "logsumexp" if value == "lse" else value


def _floats(value: Any) -> list[float]:
    return [float(item) for item in value]


_FIXED = "fixed in the backbone `clipbert`; other values do not match published weights"
_RUNTIME = "computed by ClipBERT at run time; derived here from the data and the other settings"

SHARED: Mapping[str, Rule] = {
    "config": Dead("path of the file itself"),
    "debug": Dead("stops ClipBERT after a few steps; use --max-steps"),
    "data_ratio": Dead("use a smaller annotation file, e.g. from `clipbug data split`"),
    "model_config": Key("model.encoder", note="sizes are read from that file if it exists"),
    "tokenizer_dir": Key("tokenizer", lambda value: {"name": "pretrained", "path": value}),
    "output_dir": Option("--output"),
    "max_txt_len": Key("data.max_text_tokens"),
    "max_img_size": Key("max_frame_size"),
    "img_pixel_mean": Dead(_FIXED),
    "img_pixel_std": Dead(_FIXED),
    "img_input_format": Dead(_FIXED),
    "max_n_example_per_group": Key("data.texts_per_visual"),
    "fps": Key("fps"),
    "num_frm": Key("num_frames_per_clip"),
    "frm_sampling_strategy": Key("sampling", _sampling, "rand: random clips in training, else the middle"),
    "train_n_clips": Key("train.num_clips"),
    "score_agg_func": Key("clip_aggregation", _aggregation),
    "random_sample_clips": Key("train.random_clips", bool),
    "train_batch_size": Key("train.batch_size"),
    "val_batch_size": Key("eval.batch_size"),
    "gradient_accumulation_steps": Key("train.accumulation_steps"),
    "learning_rate": Key("optim.transformer.learning_rate"),
    "num_valid": Dead("depends on the number of steps; use train.eval_every"),
    "min_valid_steps": Dead("belongs to num_valid; use train.eval_every"),
    "save_steps_ratio": Dead("depends on the number of steps; use train.save_every"),
    "num_train_epochs": Key("train.num_epochs"),
    "optim": Key("optim.algorithm", _optimizer),
    "betas": Key("optim.betas", _floats, "ClipBERT keeps values from the command line as text"),
    "decay": Key("optim.transformer.schedule", _schedule),
    "dropout": Dead("never read; ClipBERT uses the dropout in model_config"),
    "weight_decay": Key("optim.transformer.weight_decay"),
    "grad_norm": Key("optim.max_gradient_norm", _positive, "-1: no clipping"),
    "warmup_ratio": Key("optim.warmup_ratio"),
    "transformer_lr_mul": Key("optim.transformer.multiplier"),
    "transformer_lr_mul_prefix": Key("optim.transformer.multiplied"),
    "step_decay_epochs": Dead("needs decay multi_step, which `decay` does not offer"),
    "cnn_optim": Dead("never read; the optimizer `optim` updates all parameters"),
    "cnn_learning_rate": Key("optim.backbone.learning_rate"),
    "cnn_weight_decay": Key("optim.backbone.weight_decay"),
    "cnn_sgd_momentum": Dead("never read, like cnn_optim"),
    "cnn_lr_mul": Key("optim.backbone.multiplier"),
    "cnn_lr_mul_prefix": Key("optim.backbone.multiplied"),
    "cnn_lr_decay": Key("optim.backbone.schedule", _schedule),
    "cnn_step_decay_epochs": Key("optim.backbone.milestones", note="only for cnn_lr_decay multi_step"),
    "freeze_cnn": Key("model.backbone.frozen_stages", lambda value: 5 if value else None),
    "detectron2_model_cfg": Dead("the only one (R-50-grid) is the backbone `clipbert`"),
    "e2e_weights_path": Option("--init, after `clipbug weights import FILE`"),
    "detectron2_weights_path": Key("model.backbone.weights"),
    "bert_weights_path": Key("model.encoder.pretrained", _folder_of_file),
    "inference_model_step": Option("infer --step"),
    "do_inference": Option("infer"),
    "inference_split": Dead("only controls whether answers are scored; use `infer`, then `evaluate`"),
    "inference_txt_db": Option("infer --data"),
    "inference_img_db": Option("infer --media"),
    "inference_batch_size": Option("infer --batch-size"),
    "inference_n_clips": Key("eval.num_clips"),
    "seed": Key("seed"),
    "fp16": Key(
        "precision", lambda value: "auto" if value else "fp32", "auto: bf16 if the hardware supports it"
    ),
    "n_workers": Key("data.num_workers"),
    "pin_mem": Dead("memory is always pinned if there is a GPU"),
    "train_datasets": Key("data.train", note="img goes to data.media"),
    "val_datasets": Key("data.val"),
}
_HEAD_OPTIONS: Mapping[str, Rule] = {
    "classifier": Dead("never read; the head always has two layers"),
    "cls_hidden_scale": Dead("never read; the hidden layer of the head always has twice the width"),
}
PRETRAINING: Mapping[str, Rule] = {
    "itm_neg_prob": Key("task.mismatch_probability"),
    "use_itm": Key("task.losses", note="both losses, or one"),
    "use_mlm": Key("task.losses", note="both losses, or one"),
    "pixel_random_sampling_size": Key("train.visual_tokens", _positive, "0: all"),
}
RETRIEVAL: Mapping[str, Rule] = {
    **_HEAD_OPTIONS,
    "itm_neg_size": Key("task.negatives_per_text"),
    "margin": Key("task.margin"),
    "loss_type": Key("task.loss"),
    "eval_retrieval_batch_size": Dead("texts are batched per recording as memory allows"),
}
VQA: Mapping[str, Rule] = {
    **_HEAD_OPTIONS,
    "ans2label_path": Key("data.answers"),
    "loss_type": Dead("image QA always trains with bce"),
    "num_labels": Dead("the head has one class per answer of the vocabulary; imported weights keep theirs"),
}
VIDEO_QA: Mapping[str, Rule] = {
    **_HEAD_OPTIONS,
    "task": Key("task"),
    "ans2label_path": Key("data.answers"),
    "loss_type": Dead("ClipBERT overwrites it with ce (count: mse)"),
    "max_n_example_per_group": Dead("ClipBERT overwrites it with 1; use data.texts_per_visual"),
    "random_sample_clips": Dead("ignored by ClipBERT; clips are always random in training"),
    "num_labels": Dead("the head has one class per answer of the vocabulary; imported weights keep theirs"),
}
# fmt: off
DEFAULTS: Mapping[str, Any] = {
    "max_txt_len": 20, "max_img_size": 448, "max_n_example_per_group": 2, "fps": 1, "num_frm": 3,
    "train_n_clips": 3, "score_agg_func": "mean", "random_sample_clips": 1, "inference_n_clips": 1,
    "train_batch_size": 128, "val_batch_size": 128, "gradient_accumulation_steps": 1,
    "num_train_epochs": 10, "optim": "adamw", "betas": [0.9, 0.98], "grad_norm": 2.0, "warmup_ratio": 0.1,
    "learning_rate": 5e-5, "weight_decay": 1e-3, "decay": "linear", "transformer_lr_mul": 1.0,
    "cnn_learning_rate": 5e-5, "cnn_weight_decay": 1e-3, "cnn_lr_decay": "linear", "cnn_lr_mul": 1.0,
    "cnn_lr_mul_prefix": "grid_encoder", "seed": 42, "fp16": 0, "n_workers": 4,
    "itm_neg_prob": 0.5, "use_itm": 0, "use_mlm": 0, "pixel_random_sampling_size": 0,
    "itm_neg_size": 1, "margin": 0.2, "loss_type": "ce",
}
# fmt: on
"""Defaults of ClipBERT for flags that neither the file nor the command line sets."""

WRITTEN_AT_RUN_TIME: Mapping[str, Rule] = {
    **dict.fromkeys(("n_gpu", "num_train_steps", "num_classes", "task_type", "cls_name"), Dead(_RUNTIME)),
    "valid_steps": Key("train.eval_every"),
    "save_steps": Key("train.save_every", lambda value: max(1, int(value))),
}
"""Values in the `args.json` of a run that are not flags."""
