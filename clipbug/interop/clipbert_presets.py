"""Flags of the ClipBERT presets that matter for published weights, for checkpoints without an args.json."""

from typing import Any

_QA: dict[str, Any] = {
    "max_txt_len": 100,
    "max_img_size": 448,
    "fps": 2,
    "num_frm": 2,
    "train_n_clips": 8,
    "score_agg_func": "lse",
    "max_n_example_per_group": 1,
    "train_batch_size": 16,
    "val_batch_size": 16,
    "num_train_epochs": 10,
    "learning_rate": 5e-5,
    "cnn_learning_rate": 5e-5,
    "grad_norm": 5.0,
}
# fmt: off
_TGIF: dict[str, Any] = {
    **_QA,
    "max_txt_len": 25, "max_img_size": 768, "fps": 1, "num_frm": 1, "train_n_clips": 1,
    "score_agg_func": "mean", "num_train_epochs": 15,
}
_IMAGES: dict[str, Any] = {**_QA, "fps": 1, "num_frm": 1, "train_n_clips": 1, "score_agg_func": "mean"}

PRESET_FLAGS: dict[str, dict[str, Any]] = {
    "video_qa": _QA,
    "retrieval": {**_QA, "num_train_epochs": 20},
    "multiple_choice": _TGIF,
    "count": _TGIF,
    "vqa": {
        **_IMAGES,
        "max_txt_len": 20, "max_img_size": 768, "max_n_example_per_group": 2, "train_batch_size": 32,
        "val_batch_size": 32, "num_train_epochs": 5, "learning_rate": 1e-4, "cnn_learning_rate": 1e-4,
        "grad_norm": 2.0,
    },
    "pretraining": {
        **_IMAGES,
        "max_txt_len": 30, "max_img_size": 768, "max_n_example_per_group": 2, "train_batch_size": 32,
        "val_batch_size": 32, "num_train_epochs": 40, "gradient_accumulation_steps": 2,
        "pixel_random_sampling_size": 100, "use_itm": 1, "use_mlm": 1,
    },
}
# fmt: on
"""Flags by clipbug task, from msrvtt_qa, msrvtt_ret, tgif_qa_action (twice), vqa and pretrain_image_text."""
