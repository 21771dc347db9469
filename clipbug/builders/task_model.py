"""Build text parts, model, task and data set from a config, for training, inference and the dry run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from clipbug.config import RunConfig
from clipbug.config.model import WordPieceConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.loading.datasets import (
    DatasetSettings,
    VisualDataset,
    VisualGroup,
    VisualTextDataset,
    group_records,
)
from clipbug.data.loading.targets import no_targets
from clipbug.data.loading.text import TextEncoder
from clipbug.data.loading.tokenization import load_tokenizer, train_wordpiece
from clipbug.data.media import MediaSource
from clipbug.data.records import QuestionRecord, Record
from clipbug.data.sampling.clip_sampling import ClipSampler, build_clip_sampler
from clipbug.models.build import build_model
from clipbug.models.clipbert import ClipBert
from clipbug.tasks.base import Task
from clipbug.tasks.build import TaskParts, task_parts


@dataclass(frozen=True, slots=True)
class TextParts:
    """What turns text into numbers: the tokenizer and, for tasks that have one, the answer vocabulary."""

    tokenizer: PreTrainedTokenizerBase
    answers: AnswerVocabulary | None


def build_text_parts(config: RunConfig, records: Sequence[Record]) -> TextParts:
    """Make tokenizer and answer vocabulary from the training rows, or load what the config names."""
    if isinstance(config.tokenizer, WordPieceConfig):
        texts = [text for record in records for text in record.texts]
        tokenizer = train_wordpiece(texts, vocabulary_size=config.tokenizer.vocabulary_size)
    else:
        tokenizer = load_tokenizer(config.tokenizer.path)
    return TextParts(tokenizer, build_answers(config, records))


def build_answers(config: RunConfig, records: Sequence[Record]) -> AnswerVocabulary | None:
    """Return the answer vocabulary of the training rows or the config's file; None for tasks without one."""
    if not config.task.has_vocabulary:
        return None
    if config.data.answers is not None:
        return AnswerVocabulary.load(Path(config.data.answers))
    questions = [record for record in records if isinstance(record, QuestionRecord)]
    return AnswerVocabulary.from_records(questions, min_count=config.data.min_answer_count)


def build_task_model(config: RunConfig, text: TextParts) -> Task:
    """Build the task with a newly initialized model."""
    parts = _parts_of(config, text)
    model = build_model(
        config.model,
        head=parts.head,
        num_classes=parts.num_outputs,
        vocabulary_size=len(text.tokenizer),
        sampled_tokens=config.train.visual_tokens,
    )
    return parts.make_task(model)


def _parts_of(config: RunConfig, text: TextParts) -> TaskParts:
    return task_parts(
        config.task,
        answers=text.answers,
        clip_aggregation=config.clip_aggregation,
        label_smoothing=config.train.label_smoothing,
        max_text_tokens=config.data.max_text_tokens,
    )


def model_of(task: Task) -> ClipBert:
    """Return the model of a task that `build_task_model` made."""
    assert isinstance(task.model, ClipBert), "tasks know their model by its outputs only; it is always this"
    return task.model


def clip_sampler_of(config: RunConfig, *, random: bool, num_clips: int) -> ClipSampler:
    """Build the clip sampler that a config describes."""
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
    parts = _parts_of(config, text)
    make = (parts.make_training_dataset if training else None) or parts.make_dataset
    return make(groups, **settings)


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
