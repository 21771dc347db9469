"""Questions, randomly initialized models and media sources for the inference benchmark."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedTokenizerBase

from clipbug.config.model import ClipBertResNetConfig, EncoderConfig, ModelConfig, SmallConvConfig
from clipbug.data.annotations.answers import AnswerVocabulary
from clipbug.data.decoding.base import VideoDecoder
from clipbug.data.decoding.prepared import PreparedDecoder
from clipbug.data.loading.collate import collate
from clipbug.data.loading.datasets import VisualTextDataset, group_records
from clipbug.data.loading.inference_batches import InferenceBatches
from clipbug.data.loading.text import TextEncoder
from clipbug.data.loading.tokenization import train_wordpiece
from clipbug.data.media import MediaEntry
from clipbug.data.records import QuestionRecord
from clipbug.data.sampling.clip_sampling import build_clip_sampler
from clipbug.data.store.in_memory import LooseMedia, loose_media
from clipbug.data.store.prepare import PrepareSettings, prepare
from clipbug.models.build import build_model
from clipbug.models.clipbert import ClipBert
from clipbug.tasks.question_answering import QuestionAnswering

ModelSize = Literal["base", "tiny"]

QUESTIONS = (
    "what is tapped first?",
    "what is tapped just before the bug?",
    "which dialog appears after the tap on save?",
    "how many times is delete tapped?",
    "which screen is shown at the end of the recording?",
    "does the list show the new item?",
)
FPS, FRAMES_PER_CLIP, FRAME_SIZE = 2.0, 2, 448
NUM_ANSWERS, VOCABULARY_SIZE = 1500, 30522  # of MSRVTT-QA, and of BERT
_TINY = ModelConfig(
    backbone=SmallConvConfig(widths=(16, 32, 64, 128)),
    encoder=EncoderConfig(hidden_size=128, num_layers=3, num_heads=4, intermediate_size=256),
)


class FileMedia:
    """Files as a media source. Their packet tables are read in advance, as `clipbug ingest` does."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = dict(files)
        self._media: dict[Path, LooseMedia] = {path: loose_media(path) for path in set(files.values())}
        self._entries = {path: media.entry(media.name) for path, media in self._media.items()}

    def __contains__(self, media_id: object) -> bool:
        return media_id in self._files

    def __len__(self) -> int:
        return len(self._files)

    def ids(self) -> Iterator[str]:
        """Return all ids, sorted."""
        return iter(sorted(self._files))

    def entry(self, media_id: str) -> MediaEntry:
        """Return the manifest entry of a file."""
        return self._entries[self._files[media_id]]

    def read(self, media_id: str) -> bytes:
        """Return the bytes of a file."""
        return self._media[self._files[media_id]].read(media_id)

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """Return a decoder of the file."""
        return self._media[self._files[media_id]].open(media_id, longer_side=longer_side)


class PreparedMedia(FileMedia):
    """Prepared forms of files in memory, as `clipbug ingest --prepare` stores them."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        super().__init__(files)
        settings = PrepareSettings(longer_side=FRAME_SIZE)
        entries = {name: super(PreparedMedia, self).entry(name) for name in files}
        self._forms = {name: prepare(self.read(name), entry, settings) for name, entry in entries.items()}

    def entry(self, media_id: str) -> MediaEntry:
        """Return the manifest entry of a file with its prepared form."""
        return self._forms[media_id][0]

    def open(self, media_id: str, *, longer_side: int | None = None) -> VideoDecoder:
        """Return a decoder of the prepared form."""
        entry, form = self._forms[media_id]
        return PreparedDecoder(entry, lambda slices: [form[start:end] for start, end in slices])


def build_tokenizer() -> PreTrainedTokenizerBase:
    """Return a tokenizer trained on the questions."""
    return train_wordpiece(QUESTIONS, vocabulary_size=400)


def build_task(size: ModelSize) -> QuestionAnswering:
    """Return a task whose model has the sizes of ClipBERT ("base") or of a model for laptops ("tiny")."""
    torch.manual_seed(0)
    config = ModelConfig(backbone=ClipBertResNetConfig()) if size == "base" else _TINY
    model = build_model(
        config, head="classification", num_classes=NUM_ANSWERS, vocabulary_size=VOCABULARY_SIZE
    )
    answers = AnswerVocabulary([str(number) for number in range(NUM_ANSWERS)])
    task = QuestionAnswering(model, answers=answers, clip_aggregation="logsumexp", soft_labels=False)
    task.eval()
    return task


def model_of(task: QuestionAnswering) -> ClipBert:
    """Return the model of `build_task`."""
    assert isinstance(task.model, ClipBert), "created by build_task"
    return task.model


def build_dataset(
    files: Mapping[str, Path],
    tokenizer: PreTrainedTokenizerBase,
    *,
    is_strict: bool,
    num_clips: int,
    is_prepared: bool = False,
) -> VisualTextDataset:
    """Return all questions about every file, with the frames that ClipBERT samples or the default ones."""
    records = [
        QuestionRecord(f"{name}-{number}", str(number), name, question)
        for name in files
        for number, question in enumerate(QUESTIONS)
    ]
    return VisualTextDataset(
        group_records(records, texts_per_visual=None),
        media=PreparedMedia(files) if is_prepared else FileMedia(files),
        clip_sampler=build_clip_sampler(
            "clipbert" if is_strict else "regular",
            random=False,
            num_clips=num_clips,
            num_frames_per_clip=FRAMES_PER_CLIP,
            fps=FPS,
        ),
        max_frame_size=FRAME_SIZE,
        resize="clipbert" if is_strict else "antialiased",
        text=TextEncoder(tokenizer, 100),
        seed=0,
        encode_targets=lambda record: {},
    )


def build_batches(
    dataset: VisualTextDataset, tokenizer: PreTrainedTokenizerBase, model: ClipBert, *, is_strict: bool
) -> InferenceBatches:
    """Return batches of one recording each, with the next one loaded in the background."""
    return InferenceBatches(
        dataset,
        batch_size=1,
        rank=0,
        world_size=1,
        num_threads=1,
        collate=partial(
            collate,
            padding="square" if is_strict else "batch",
            max_frame_size=FRAME_SIZE,
            frame_multiple=model.frame_multiple,
            pad_token_id=tokenizer.pad_token_id,
        ),
    )


def count_flops(size: ModelSize, *, frame_size: tuple[int, int], num_text_tokens: int) -> tuple[float, float]:
    """Return the operations of the backbone per frame, and of the encoder per text and clip."""
    with torch.device("meta"), torch.inference_mode():
        model = model_of(build_task(size))
        with FlopCounterMode(display=False) as per_frame:
            grid = model.visual(torch.zeros(1, 3, *frame_size))
        ids = torch.ones(1, num_text_tokens, dtype=torch.int64)
        with FlopCounterMode(display=False) as per_pair:
            model.bert(grid, ids, torch.ones_like(ids))
    return float(per_frame.get_total_flops()), float(per_pair.get_total_flops())
