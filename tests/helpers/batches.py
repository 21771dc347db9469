"""Batches and tiny models for tests of tasks, made without loaders, tokenizers and media."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from clipbug.config.model import EncoderConfig, ModelConfig, SmallConvConfig
from clipbug.config.task import TaskConfig
from clipbug.data.loading.batch import Batch
from clipbug.data.records import CaptionRecord, ChoiceRecord, QuestionRecord
from clipbug.models.aggregation import ClipAggregation
from clipbug.models.build import build_model
from clipbug.tasks.base import Task
from clipbug.tasks.build import build_task

VOCABULARY_SIZE = 40
ANSWERS = ("save", "cancel", "back", "menu")
NUM_TOKENS = 7
ROWS_OF_VISUAL = (2, 1, 3)


class AnswerList:
    """An answer vocabulary in memory."""

    def __init__(self, answers: tuple[str, ...] = ANSWERS) -> None:
        self.answers = answers

    def __len__(self) -> int:
        return len(self.answers)

    def answer_at(self, index: int) -> str:
        return self.answers[index]


class FixedOutput(nn.Module):
    """A model that gives the same output whatever it sees."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, *inputs: Tensor) -> object:
        return self.output


def question_batch(targets: Mapping[str, Tensor], *, num_clips: int = 2, seed: int = 0) -> Batch:
    """Three recordings with two, one and three questions. Clip k of visual v starts at 10 k + v seconds."""
    generator = torch.Generator().manual_seed(seed)
    visual_index = torch.tensor([visual for visual, rows in enumerate(ROWS_OF_VISUAL) for _ in range(rows)])
    num_rows, num_visuals = len(visual_index), len(ROWS_OF_VISUAL)
    starts = 10.0 * torch.arange(num_clips, dtype=torch.float64) + torch.arange(num_visuals)[:, None]
    mask = torch.ones(num_rows, NUM_TOKENS, dtype=torch.int64)
    mask[1, 4:] = 0
    return Batch(
        media_ids=tuple(f"video{visual}" for visual in range(num_visuals)),
        records=tuple(
            QuestionRecord(f"row{row}", f"q{row}", f"video{visual}", f"question {row}?")
            for row, visual in enumerate(visual_index.tolist())
        ),
        frames=torch.randint(0, 256, (num_visuals, num_clips, 2, 3, 32, 16), generator=generator).to(
            torch.uint8
        ),
        frame_seconds=torch.stack([starts, starts + 1.0], dim=-1),
        clip_spans=torch.stack([starts, starts + 2.0], dim=-1),
        clip_positions=torch.linspace(0, 1, num_clips).expand(num_visuals, -1),
        input_ids=torch.randint(5, VOCABULARY_SIZE, (num_rows, NUM_TOKENS), generator=generator) * mask,
        attention_mask=mask,
        visual_index=visual_index,
        targets=targets,
    )


def caption_batch(targets: Mapping[str, Tensor], *, num_clips: int = 2) -> Batch:
    """As `question_batch`, with captions."""
    batch = question_batch(targets, num_clips=num_clips)
    captions = tuple(
        CaptionRecord(row.record_id, row.media_id, f"caption of {row.record_id}") for row in batch.records
    )
    return replace(batch, records=captions)


def split_by_visual(batch: Batch) -> list[Batch]:
    """One batch for each visual."""
    parts = []
    for visual, media_id in enumerate(batch.media_ids):
        rows = batch.visual_index == visual
        records = [number for number, index in enumerate(batch.visual_of_records()) if index == visual]
        one = slice(visual, visual + 1)
        parts.append(
            Batch(
                media_ids=(media_id,),
                records=tuple(batch.records[record] for record in records),
                frames=batch.frames[one],
                frame_seconds=batch.frame_seconds[one],
                clip_spans=batch.clip_spans[one],
                clip_positions=batch.clip_positions[one],
                input_ids=batch.input_ids[rows],
                attention_mask=batch.attention_mask[rows],
                visual_index=torch.zeros(int(rows.sum()), dtype=torch.int64),
                targets={name: target[records] for name, target in batch.targets.items()},
                texts_per_record=tuple(batch.num_texts[record] for record in records),
            )
        )
    return parts


def tiny_model_config() -> ModelConfig:
    """A model of some ten thousand weights, without dropout so that equal inputs give equal losses."""
    return ModelConfig(
        backbone=SmallConvConfig(widths=(8, 16)),
        encoder=EncoderConfig(
            hidden_size=48,
            num_layers=2,
            num_heads=2,
            intermediate_size=96,
            max_position_embeddings=16,
            dropout=0.0,
        ),
        grid_pool=1,
        head_dropout=0.0,
    )


def tiny_task(config: TaskConfig, clip_aggregation: ClipAggregation, *, seed: int = 0) -> Task:
    """The task around a tiny model of fixed weights."""
    torch.manual_seed(seed)
    answers = AnswerList() if config.name in ("vqa", "video_qa") else None
    model = build_model(
        tiny_model_config(),
        head="pretraining" if config.name == "pretraining" else "classification",
        num_classes=num_outputs(config),
        vocabulary_size=VOCABULARY_SIZE,
    )
    return build_task(
        config,
        model,
        answers=answers,
        clip_aggregation=clip_aggregation,
        label_smoothing=0.0,
    )


def num_outputs(config: TaskConfig) -> int | None:
    """Outputs of the head per text, as the task needs them."""
    if config.name == "retrieval":
        return 2 if config.loss == "ce" else 1
    return {"vqa": len(ANSWERS), "video_qa": len(ANSWERS), "pretraining": None}.get(config.name, 1)


MakeBatch = Callable[[], Batch]


def single_label_batch() -> Batch:
    """Open-ended QA; row 3 has no known answer."""
    return question_batch({"labels": torch.tensor([0, 1, 2, -100, 3, 1])})


def soft_label_batch() -> Batch:
    """Image QA; row 3 has no answer of the vocabulary."""
    labels = torch.tensor(
        [[1, 0, 0, 0], [0, 0.6, 0.3, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0.3, 0.7], [0, 1, 0, 0]]
    )
    return question_batch({"labels": labels}, num_clips=1)


def choice_batch() -> Batch:
    """Rows with three, two, two, four, three and two options; the right one of row 3 is not known."""
    numbers, answers = (3, 2, 2, 4, 3, 2), (2, 0, 1, None, 1, 0)
    batch = question_batch({"labels": torch.tensor([-100 if one is None else one for one in answers])})
    records = tuple(
        ChoiceRecord(row.record_id, row.question_id, row.media_id, row.text, ANSWERS[:number], answer)
        for row, number, answer in zip(batch.records, numbers, answers, strict=True)
        if isinstance(row, QuestionRecord)
    )
    texts = [row for row, number in enumerate(numbers) for _ in range(number)]
    generator = torch.Generator().manual_seed(7)
    options = torch.randint(5, VOCABULARY_SIZE, (len(texts), 1), generator=generator)
    return replace(
        batch,
        records=records,
        input_ids=torch.cat([options, batch.input_ids[texts]], dim=1),
        attention_mask=torch.cat([torch.ones_like(options), batch.attention_mask[texts]], dim=1),
        visual_index=batch.visual_index[texts],
        texts_per_record=numbers,
    )


def retrieval_batch() -> Batch:
    """Rows of three texts each, of which the first belongs to the visual; row 3 does not know which."""
    batch = choice_batch()
    labels = torch.tensor([0, 0, 0, -100, 0, 0])
    return replace(batch, targets={"labels": labels})


def count_batch() -> Batch:
    """Numbers of the range, one beyond its end (row 5); that of row 3 is not known."""
    return question_batch({"count": torch.tensor([1, 3, 10, -100, 2, 12])})


def pretraining_batch() -> Batch:
    """Captions with two hidden tokens (row 1: one, row 5: none); half of them belong to another visual."""
    mlm = torch.full((6, NUM_TOKENS), -100)
    mlm[:5, 2], mlm[[0, 2, 3, 4], 4] = torch.arange(5) + 8, torch.arange(4) + 20
    return caption_batch({"mlm": mlm, "matching": torch.tensor([1, 0, 1, 0, 0, 1])})
