"""Joins config, data, model and task: the steps that training, inference and the plan share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor
from transformers import PreTrainedTokenizerBase

from clipbug.config import RunConfig
from clipbug.config.model import WordPieceConfig
from clipbug.config.task import CountConfig, RetrievalConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.datasets import (
    DatasetSettings,
    VisualDataset,
    VisualGroup,
    VisualTextDataset,
    group_records,
)
from clipbug.data.loading.pretraining_dataset import PretrainingDataset
from clipbug.data.loading.retrieval_dataset import RetrievalDataset
from clipbug.data.loading.targets import (
    choice_targets,
    count_targets,
    no_targets,
    single_label_targets,
    soft_label_targets,
)
from clipbug.data.loading.text import TextEncoder
from clipbug.data.loading.tokenization import load_tokenizer, train_wordpiece
from clipbug.data.media import MediaSource
from clipbug.data.records import QuestionRecord, Record
from clipbug.data.sampling.clip_sampling import ClipSampler, build_clip_sampler
from clipbug.models.build import build_model
from clipbug.models.clipbert import ClipBert
from clipbug.tasks.base import Task
from clipbug.tasks.build import build_task

EncodeTargets = Callable[[Record], Mapping[str, Tensor]]

_WITH_VOCABULARY = ("vqa", "video_qa")  # tasks that choose an answer of a list made from training rows


@dataclass(frozen=True, slots=True)
class TextParts:
    """What turns text into numbers: the tokenizer and, where one is chosen from, the answer vocabulary."""

    tokenizer: PreTrainedTokenizerBase
    answers: AnswerVocabulary | None


def build_text_parts(config: RunConfig, records: Sequence[Record]) -> TextParts:
    """Tokenizer and answer vocabulary from the training rows (or from the files that the config names)."""
    if isinstance(config.tokenizer, WordPieceConfig):
        texts = [text for record in records for text in record.texts]
        tokenizer = train_wordpiece(texts, vocabulary_size=config.tokenizer.vocabulary_size)
    else:
        tokenizer = load_tokenizer(config.tokenizer.path)
    return TextParts(tokenizer, build_answers(config, records))


def build_answers(config: RunConfig, records: Sequence[Record]) -> AnswerVocabulary | None:
    """The answer vocabulary of the training rows (or of the file that the config names); None without one."""
    if config.task.name not in _WITH_VOCABULARY:
        return None
    if config.data.answers is not None:
        return AnswerVocabulary.load(Path(config.data.answers))
    questions = [record for record in records if isinstance(record, QuestionRecord)]
    return AnswerVocabulary.from_records(questions, min_count=config.data.min_answer_count)


def build_task_model(config: RunConfig, text: TextParts) -> Task:
    """The task around a newly initialized model."""
    model = build_model(
        config.model,
        head=_head(config),
        num_classes=_num_outputs(config, text),
        vocabulary_size=len(text.tokenizer),
        sampled_tokens=config.train.visual_tokens,
    )
    return build_task(
        config.task,
        model,
        answers=text.answers,
        clip_aggregation=config.clip_aggregation,
        label_smoothing=config.train.label_smoothing,
        max_text_tokens=config.data.max_text_tokens,
    )


def _head(config: RunConfig) -> Literal["classification", "pretraining", "regression"]:
    if isinstance(config.task, CountConfig) and config.task.head == "clipbert":
        return "regression"
    return "pretraining" if config.task.name == "pretraining" else "classification"


def _num_outputs(config: RunConfig, text: TextParts) -> int | None:
    """Outputs of the head per text: one for each answer, or one score."""
    if config.task.name == "pretraining":
        return None
    if isinstance(config.task, RetrievalConfig):
        return 2 if config.task.loss == "ce" else 1
    return 1 if text.answers is None else len(text.answers)


def model_of(task: Task) -> ClipBert:
    """The model of a task that `build_task_model` made."""
    assert isinstance(task.model, ClipBert), "tasks know their model by its outputs only; it is always this"
    return task.model


def _encode_targets(config: RunConfig, answers: AnswerVocabulary | None) -> EncodeTargets:
    if config.task.name in ("multiple_choice", "retrieval"):
        return choice_targets()
    if config.task.name == "count":
        return count_targets()
    assert answers is not None, "the other tasks have an answer vocabulary"
    return soft_label_targets(answers) if config.task.name == "vqa" else single_label_targets(answers)


def clip_sampler_of(config: RunConfig, *, random: bool, num_clips: int) -> ClipSampler:
    """The sampler that a config describes."""
    return build_clip_sampler(
        config.sampling.name,
        random=random,
        num_clips=num_clips,
        num_frames_per_clip=config.num_frames_per_clip,
        fps=config.fps,
        single_clip=config.sampling.single_clip if config.sampling.name == "clipbert" else "start",
    )


def build_dataset(
    config: RunConfig,
    records: Sequence[Record],
    media: MediaSource,
    text: TextParts,
    *,
    training: bool,
) -> VisualDataset:
    """Return samples of the rows with targets: drawn again each epoch in training, else always the same."""
    groups = group_records(records, texts_per_visual=config.data.texts_per_visual if training else None)
    settings = _dataset_settings(config, media, text, training=training)
    if config.task.name == "pretraining":
        return PretrainingDataset(
            groups,
            **settings,
            mlm_probability=config.task.mlm_probability,
            mismatch_probability=config.task.mismatch_probability,
            masks_special_tokens=config.task.masking == "clipbert",
        )
    if isinstance(config.task, RetrievalConfig) and training:
        return RetrievalDataset(groups, **settings, negatives_per_text=config.task.negatives_per_text)
    return VisualTextDataset(groups, **settings, encode_targets=_encode_targets(config, text.answers))


def build_inference_dataset(
    config: RunConfig, groups: Sequence[VisualGroup], media: MediaSource, text: TextParts
) -> VisualTextDataset:
    """Return samples as in validation, of whatever rows (or none): inference knows no targets."""
    settings = _dataset_settings(config, media, text, training=False)
    return VisualTextDataset(groups, **settings, encode_targets=no_targets)


def _dataset_settings(
    config: RunConfig, media: MediaSource, text: TextParts, *, training: bool
) -> DatasetSettings:
    return {
        "media": media,
        "clip_sampler": clip_sampler_of(
            config,
            random=training and config.train.random_clips,
            num_clips=(config.train if training else config.eval).num_clips,
        ),
        "max_frame_size": config.max_frame_size,
        "resize": config.resize,
        "text": TextEncoder(text.tokenizer, config.data.max_text_tokens),
        "seed": config.seed,
        "augment": training and config.train.augment,
    }
