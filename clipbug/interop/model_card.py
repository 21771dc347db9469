"""Write the model card: the README.md of a model folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clipbug.config import RunConfig
from clipbug.data.annotations.answers import AnswerVocabulary

_PIPELINES = {"vqa": "visual-question-answering", "video_qa": "video-text-to-text"}
_CHECKPOINTS = {
    "clipbert": "a ClipBERT checkpoint",
    "detectron2": "a detectron2 ResNet",
    "bert": "a BERT",
    "torchvision": "a torchvision ResNet",
}
_NUM_ANSWERS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ModelOrigin:
    """The origin of weights.

    Attributes:
        files: the files that they were read from.
        kinds: kinds of these files; empty for a model trained with clipbug.
        scores: validation scores of the checkpoint.
    """

    files: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    scores: Mapping[str, Any] = field(default_factory=dict)


def model_card(config: RunConfig, origin: ModelOrigin, *, answers: AnswerVocabulary | None) -> str:
    """Return the model card as Markdown, with the metadata that the Hugging Face Hub reads."""
    sections = [
        _metadata(config),
        f"# A clipbug model for {config.task.name.replace('_', ' ')}",
        _origin_text(origin),
        _use_text(config),
        _model_text(config),
    ]
    if answers is not None:
        sections.append(_answers_text(answers))
    if origin.scores:
        lines = [f"| {name} | {value:.4g} |" for name, value in origin.scores.items()]
        sections.append("\n".join(["## Validation scores", "", "| | |", "| --- | --- |", *lines]))
    sections.append(
        "## Limitations\n\nThe model knows only what it was trained on. Check the probabilities of its"
        " answers, and evaluate it on your own recordings (`clipbug evaluate`) before you rely on it."
    )
    return "\n\n".join(sections) + "\n"


def _metadata(config: RunConfig) -> str:
    lines = ["---", "library_name: clipbug", "tags: [clipbert, clipbug, video-question-answering]"]
    pipeline = _PIPELINES.get(config.task.name)
    return "\n".join([*lines, *([f"pipeline_tag: {pipeline}"] if pipeline else []), "---"])


def _origin_text(origin: ModelOrigin) -> str:
    kinds = " and ".join(_CHECKPOINTS[kind] for kind in origin.kinds)
    verb = f"imported from {kinds}" if kinds else "trained with clipbug"
    files = "\n".join(f"- `{file}`" for file in origin.files)
    return f"The weights were {verb}:\n\n{files}\n\nThey have the licence of their source."


def _use_text(config: RunConfig) -> str:
    task = config.task.name.replace("_", "-")
    lines = [
        "    clipbug infer --run . --data questions.jsonl --media STORE",
        *([f"    clipbug finetune --task {task} --init ."] if task != "pretraining" else []),
    ]
    return "## Usage\n\nRun in this folder:\n\n" + "\n".join(lines)


def _model_text(config: RunConfig) -> str:
    encoder = config.model.encoder
    rows = {
        "backbone": config.model.backbone.name,
        "encoder": f"{encoder.num_layers} layers, width {encoder.hidden_size}, {encoder.num_heads} heads",
        "frames": f"{config.num_frames_per_clip} per clip at {config.fps:g} per second,"
        f" longer side {config.max_frame_size} pixels, padding {config.padding}",
        "clips": f"sampling {config.sampling.name}, aggregated by {config.clip_aggregation}",
        "text": f"at most {config.data.max_text_tokens} tokens",
    }
    lines = [f"| {name} | {value} |" for name, value in rows.items()]
    return "\n".join(["## Model", "", "| | |", "| --- | --- |", *lines])


def _answers_text(answers: AnswerVocabulary) -> str:
    named = len(answers) - answers.num_unnamed
    shown = ", ".join(answers.answers[: min(named, _NUM_ANSWERS_SHOWN)])
    more = f" ... ({named} in total)" if named > _NUM_ANSWERS_SHOWN else ""
    unnamed = (
        f"\n\n{answers.num_unnamed} classes of the head have no answer; they are named"
        " `[class N has no answer]`."
        if answers.num_unnamed
        else ""
    )
    return f"## Answers\n\n{shown}{more}{unnamed}"
