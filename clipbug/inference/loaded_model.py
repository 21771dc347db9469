"""The Python interface: a trained model in memory, asked about files or frames, without stores."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from clipbug.builders.cut_texts import CutTexts
from clipbug.builders.task_model import clip_sampler_of, model_of
from clipbug.data.loading.batch import Batch
from clipbug.data.loading.collate import canvas_size
from clipbug.data.loading.frame_size import describe_narrow
from clipbug.data.loading.visuals import Visual, VisualReader
from clipbug.data.media import MediaKind
from clipbug.data.records import QuestionRecord
from clipbug.data.store.in_memory import LooseMedia, LooseVisual, loose_media
from clipbug.engine.predictor import NOT_FINITE, TEXTS_PER_CALL, inference
from clipbug.errors import CheckpointError, ClipbugError, DataError, DecodeError
from clipbug.inference.load import InferenceModel, load_inference_model
from clipbug.inference.model_fit import ModelFit
from clipbug.runtime.json_reading import has_surrogate
from clipbug.runtime.precision import autocast
from clipbug.tasks.base import Prediction
from clipbug.tasks.counting import Counting
from clipbug.tasks.question_answering import QuestionAnswering
from clipbug.workspace.run_folder import RunFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncodedVisual:
    """An image or recording after the backbone: what every question about it shares.

    Attributes:
        name: of the file.
        kind: "image" or "video".
        grid: (N, h, w, D) features of every clip, on the model's device.
        frames: (N, T, 3, H, W) uint8 RGB as the model saw them: scaled, and padded at the right and bottom.
        frame_size: (height, width) of the picture inside the padded frame.
        frame_seconds: (N, T) float64, seconds on a player's clock.
        clip_spans: (N, 2) float64, start and end of each clip in the same seconds.
        clip_positions: (N,) float32, place of each clip in the recording in [0, 1].
        notes: what people should know of the file, such as which part of it cannot be read.
    """

    name: str
    kind: MediaKind
    grid: Tensor
    frames: Tensor
    frame_size: tuple[int, int]
    frame_seconds: Tensor
    clip_spans: Tensor
    clip_positions: Tensor
    notes: tuple[str, ...] = ()


class LoadedModel:
    """A trained model, ready to be asked.

    Args:
        loaded: the model, on the device to compute on.
    """

    def __init__(self, loaded: InferenceModel) -> None:
        self.config = loaded.config
        self.task = loaded.task
        self.text = loaded.text
        self.model = model_of(loaded.task)
        self.device = loaded.device
        self._fit = None if loaded.folder is None else ModelFit.of(loaded.folder)
        self._precision = loaded.precision
        self._cut_questions = CutTexts(self.text.tokenizer, self.config, what="questions")
        if isinstance(self.task, QuestionAnswering):
            self.task.top_k = len(self.task.answers)  # `answer` cuts to what is asked for

    def encode(
        self, visual: LooseVisual, *, num_clips: int | None = None, fps: float | None = None
    ) -> EncodedVisual:
        """Choose clips, decode them, and run the backbone over their frames, once for all questions.

        Args:
            visual: an image, GIF or recording: a path, the bytes of a file, or frames (T, H, W, 3) uint8 RGB.
            num_clips: clips of a recording; default: as the run validated.
            fps: frames per second, for several frames.

        Raises:
            DataError: no such file.
            DecodeError: it is no picture and no recording, or damaged.
            ValueError: frames of another shape or type, or several without `fps`.
        """
        media = loose_media(visual, fps=fps)
        read = self._read(media, num_clips or self.config.eval.num_clips)
        entry = media.entry(media.name)
        if reason := describe_narrow(entry.height, entry.width, self.config.max_frame_size):
            logger.warning("%s is too long or too wide to be read: %s", media.name, reason)
        frames = self._padded(read.frames)
        with inference(self.task), autocast(self._precision, self.device):
            grid = self.model.encode_frames(frames[None])[0]
        entry = media.entry(media.name)
        return EncodedVisual(
            name=media.name,
            kind=entry.kind,
            grid=grid,
            frames=frames if frames.dtype == torch.uint8 else frames.round().to(torch.uint8),
            frame_size=(read.frames.shape[-2], read.frames.shape[-1]),
            frame_seconds=read.frame_seconds,
            clip_spans=read.clip_spans,
            clip_positions=read.clip_positions,
            notes=entry.notes,
        )

    def answer(
        self,
        visual: LooseVisual | EncodedVisual,
        questions: Sequence[str],
        *,
        num_clips: int | None = None,
        top_k: int = 5,
        fps: float | None = None,
    ) -> list[Prediction]:
        """A prediction for each question, in order.

        Args:
            visual: as of `encode`, or what it gave.
            questions: about this visual.
            num_clips, fps: as of `encode`.
            top_k: answers that a prediction lists.

        Raises:
            ClipbugError: the model answers no questions, or none about such a visual; or as of `encode`.
            ValueError: `questions` is one text instead of several.
        """
        if isinstance(questions, str):
            raise ValueError(f"questions must be a list of texts, got the text {questions!r}")
        self._refuse_other_task()
        if not questions:
            return []
        encoded = self._encoded(visual, num_clips, fps)
        if self._fit is not None:
            self._fit.refuse_other_medium(encoded.kind, encoded.name)
        return self.answer_encoded(encoded, questions, top_k=top_k)

    def answer_encoded(
        self, encoded: EncodedVisual, questions: Sequence[str], *, top_k: int = 5
    ) -> list[Prediction]:
        """As `answer`, about any visual, whatever the model was trained on.

        Raises:
            ClipbugError: the model answers no questions, or its scores are not finite.
        """
        self._refuse_other_task()
        self.warn_of_cut(questions)
        with inference(self.task), autocast(self._precision, self.device):
            parts = [
                self.task.predict(part) for part in self._batch(encoded, questions).portions(TEXTS_PER_CALL)
            ]
        predictions = [prediction for part in parts for prediction in part]
        if not all(prediction.is_finite for prediction in predictions):
            raise CheckpointError(
                f"{encoded.name}: {NOT_FINITE}", "take an earlier checkpoint, or train again"
            )
        return [replace(prediction, top=prediction.top[:top_k]) for prediction in predictions]

    def _refuse_other_task(self) -> None:
        if not isinstance(self.task, QuestionAnswering | Counting):
            raise ClipbugError(
                f"a model of task {self.config.task.name} answers no free questions",
                "load a run of clipbug finetune --task video-qa, vqa or count; rows with options and searches"
                " are for clipbug infer",
            )

    def warn_of_cut(self, questions: Sequence[str]) -> None:
        """Say once of each question that is too long for the model, so that it does not read its end.

        Raises:
            DataError: a question cannot be read at all.
        """
        half = next((question for question in questions if has_surrogate(question)), None)
        if half is not None:
            raise DataError(
                f"the question {half!r} holds half of a character, or a byte that is no UTF-8",
                "type it again, or set the terminal to UTF-8",
            )
        self._cut_questions.warn(questions)

    def embed(
        self, visual: LooseVisual | EncodedVisual, *, num_clips: int | None = None, fps: float | None = None
    ) -> NDArray[np.float32]:
        """(D,) of length 1: the features of a visual, averaged over grid and clips.

        Raises:
            ClipbugError, ValueError: as of `encode`.
        """
        grid = self._encoded(visual, num_clips, fps).grid.float().flatten(0, 2)
        embedding: NDArray[np.float32] = torch.nn.functional.normalize(grid.mean(dim=0), dim=0).cpu().numpy()
        return embedding

    def _encoded(
        self, visual: LooseVisual | EncodedVisual, num_clips: int | None, fps: float | None
    ) -> EncodedVisual:
        if isinstance(visual, EncodedVisual):
            return visual
        return self.encode(visual, num_clips=num_clips, fps=fps)

    def _read(self, media: LooseMedia, num_clips: int) -> Visual:
        config = self.config
        reader = VisualReader(
            media,
            clip_sampler=clip_sampler_of(config, random=False, num_clips=num_clips),
            max_frame_size=config.max_frame_size,
            exact_resize=config.sampling.name == "clipbert",
            augment=False,
        )
        generator = np.random.default_rng(config.seed)
        try:
            return reader.read(media.name, generator)
        except DecodeError:
            media.look_closely()
            return reader.read(media.name, generator)

    def _padded(self, frames: Tensor) -> Tensor:
        height, width = canvas_size(
            [(frames.shape[-2], frames.shape[-1])],
            padding=self.config.padding,
            max_frame_size=self.config.max_frame_size,
            frame_multiple=self.model.frame_multiple,
        )
        return torch.nn.functional.pad(frames, (0, width - frames.shape[-1], 0, height - frames.shape[-2]))

    def _batch(self, encoded: EncodedVisual, questions: Sequence[str]) -> Batch:
        tokenizer = self.text.tokenizer
        ids = [
            torch.tensor(
                tokenizer(question, truncation=True, max_length=self.config.data.max_text_tokens)["input_ids"]
            )
            for question in questions
        ]
        records = [
            QuestionRecord(str(number), str(number), encoded.name, question)
            for number, question in enumerate(questions, start=1)
        ]
        return Batch(
            media_ids=(encoded.name,),
            records=tuple(records),
            frames=encoded.grid[None],
            frame_seconds=encoded.frame_seconds[None],
            clip_spans=encoded.clip_spans[None],
            clip_positions=encoded.clip_positions[None],
            input_ids=pad_sequence(ids, batch_first=True, padding_value=tokenizer.pad_token_id),
            attention_mask=pad_sequence([torch.ones_like(row) for row in ids], batch_first=True),
            visual_index=torch.zeros(len(ids), dtype=torch.int64),
            targets={},
        ).to(self.device)


def load_model(path: Path | str, *, step: str = "best") -> LoadedModel:
    """The model of a run or model folder, on a GPU if there is one.

    Args:
        path: made by `clipbug finetune`, `pretrain` or `weights`.
        step: a checkpoint's number, "best" or "last".

    Raises:
        CheckpointError: no such folder or step, or a damaged one.
    """
    folder = RunFolder.open(Path(path).expanduser())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return LoadedModel(load_inference_model(folder, step=step, device=device))
