"""The Python interface: a trained model in memory that answers about files or frames, without stores."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from clipbug.builders.batches import collate_for
from clipbug.builders.cut_texts import CutTexts
from clipbug.builders.task_model import build_inference_dataset, model_of
from clipbug.config import RunConfig
from clipbug.data.loading.batch import Batch, Sample
from clipbug.data.loading.datasets import VisualGroup
from clipbug.data.loading.frame_size import describe_narrow
from clipbug.data.loading.text import TextEncoder
from clipbug.data.media import MediaKind
from clipbug.data.records import QuestionRecord
from clipbug.data.store.in_memory import LooseMedia, LooseVisual, loose_media
from clipbug.engine.predictor import NOT_FINITE, TEXTS_PER_CALL, inference
from clipbug.errors import CheckpointError, ClipbugError, DataError, DecodeError
from clipbug.inference.load import InferenceModel, load_inference_model
from clipbug.inference.model_fit import ModelFit
from clipbug.inference.settings import overridden_config
from clipbug.inference.vectors import RecordingVector, clip_vectors
from clipbug.runtime.json_reading import has_surrogate
from clipbug.runtime.precision import autocast
from clipbug.tasks.base import Prediction
from clipbug.tasks.counting import Counting
from clipbug.tasks.question_answering import QuestionAnswering
from clipbug.workspace.run_folder import RunFolder

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EncodedMedia:
    """An image or recording after the backbone: what all questions about it share.

    Attributes:
        name: of the file.
        kind: "image" or "video".
        grid: (N, h, w, D) features of every clip, on the model's device.
        frames: (N, T, 3, H, W) uint8 RGB as the model saw them: scaled, and padded at the right and bottom.
        frame_size: (height, width) of the picture inside the padded frame.
        frame_seconds: (N, T) float64, seconds on a player's clock.
        clip_spans: (N, 2) float64, start and end of each clip in the same seconds.
        clip_positions: (N,) float32, position of each clip in the recording in [0, 1].
        notes: what users should know about the file, such as a part that cannot be read.
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
    """A trained model, ready to answer.

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
        self._encode_text = TextEncoder(self.text.tokenizer, self.config.data.max_text_tokens)
        self._collate = collate_for(self.config, self.task, self.text)
        self._cut_questions = CutTexts(self.text.tokenizer, self.config, what="questions")
        if isinstance(self.task, QuestionAnswering):
            self.task.top_k = len(self.task.answers)  # `answer` returns as many as it is asked for

    def encode(
        self, media: LooseVisual, *, num_clips: int | None = None, fps: float | None = None
    ) -> EncodedMedia:
        """Choose clips, decode them, and run the backbone over their frames, once for all questions.

        Args:
            media: an image, GIF or recording: a path, the bytes of a file, or frames (T, H, W, 3) uint8 RGB.
            num_clips: clips of a recording; default: as the run validated.
            fps: frames per second, for several frames.

        Raises:
            DataError: no such file.
            DecodeError: it is neither an image nor a recording, or it is damaged.
            ValueError: frames of another shape or type, or several without `fps`.
        """
        source = loose_media(media, fps=fps)
        sample = self._read(source, num_clips or self.config.eval.num_clips)
        entry = source.entry(source.name)
        if reason := describe_narrow(entry.height, entry.width, self.config.max_frame_size):
            logger.warning("%s is too long or too wide to be read: %s", source.name, reason)
        frames = self._collate([sample]).frames
        with inference(self.task), autocast(self._precision, self.device):
            grid = self.model.encode_frames(frames)[0]
        return EncodedMedia(
            name=source.name,
            kind=entry.kind,
            grid=grid,
            frames=frames[0] if frames.dtype == torch.uint8 else frames[0].round().to(torch.uint8),
            frame_size=(sample.frames.shape[-2], sample.frames.shape[-1]),
            frame_seconds=sample.frame_seconds,
            clip_spans=sample.clip_spans,
            clip_positions=sample.clip_positions,
            notes=entry.notes,
        )

    def answer(
        self,
        media: LooseVisual | EncodedMedia,
        questions: Sequence[str],
        *,
        num_clips: int | None = None,
        top_k: int = 5,
        fps: float | None = None,
    ) -> list[Prediction]:
        """Return a prediction for each question, in order.

        Args:
            media: as for `encode`, or what `encode` returned.
            questions: about this media item.
            num_clips, fps: as for `encode`.
            top_k: number of answers in a prediction.

        Raises:
            ClipbugError: the model answers no questions, or none about such media; or as of `encode`.
            ValueError: `questions` is a single text.
        """
        if isinstance(questions, str):
            raise ValueError(f"questions must be a list of texts, got the text {questions!r}")
        self._refuse_other_task()
        if not questions:
            return []
        encoded = self._encoded(media, num_clips, fps)
        if self._fit is not None:
            self._fit.refuse_other_medium(encoded.kind, encoded.name)
        return self.answer_encoded(encoded, questions, top_k=top_k)

    def answer_encoded(
        self, encoded: EncodedMedia, questions: Sequence[str], *, top_k: int = 5
    ) -> list[Prediction]:
        """Return as `answer`, without a check that the model was trained on such media.

        Raises:
            ClipbugError: the model answers no questions.
            CheckpointError: its scores are not finite.
        """
        self._refuse_other_task()
        self.warn_of_cut(questions)
        with inference(self.task), autocast(self._precision, self.device):
            portions = [
                self.task.predict(portion)
                for portion in self._batch(encoded, questions).portions(TEXTS_PER_CALL)
            ]
        predictions = [prediction for portion in portions for prediction in portion]
        if not all(prediction.is_finite for prediction in predictions):
            raise CheckpointError(
                f"{encoded.name}: {NOT_FINITE}", "Choose an earlier checkpoint, or train again."
            )
        return [replace(prediction, top=prediction.top[:top_k]) for prediction in predictions]

    def _refuse_other_task(self) -> None:
        if not isinstance(self.task, QuestionAnswering | Counting):
            raise ClipbugError(
                f"the task {self.config.task.name} does not support free-form questions",
                "Load a run of clipbug finetune --task video-qa, vqa or count. Questions with options and"
                " rankings are for clipbug infer.",
            )

    def warn_of_cut(self, questions: Sequence[str]) -> None:
        """Warn once of each question that is too long for the model, which then does not read its end.

        Raises:
            DataError: a question holds something that is not text.
        """
        half = next((question for question in questions if has_surrogate(question)), None)
        if half is not None:
            raise DataError(
                f"the question {half!r} holds half of a character, or a byte that is not UTF-8",
                "Type it again, or set the terminal to UTF-8.",
            )
        self._cut_questions.warn(questions)

    def embed(
        self, media: LooseVisual | EncodedMedia, *, num_clips: int | None = None, fps: float | None = None
    ) -> RecordingVector:
        """Return the vector of a media item, (N, D) with one row per clip; see `clipbug.inference.vectors`.

        Raises:
            ClipbugError, ValueError: as of `encode`.
        """
        encoded = self._encoded(media, num_clips, fps)
        vector: RecordingVector = clip_vectors(encoded.grid).float().cpu().numpy()
        return vector

    def _encoded(
        self, media: LooseVisual | EncodedMedia, num_clips: int | None, fps: float | None
    ) -> EncodedMedia:
        if isinstance(media, EncodedMedia):
            return media
        return self.encode(media, num_clips=num_clips, fps=fps)

    def _read(self, source: LooseMedia, num_clips: int) -> Sample:
        """Read the sample that `clipbug infer` reads of a media item that is alone in its file."""
        dataset = build_inference_dataset(
            _with_clips(self.config, num_clips), [VisualGroup(source.name, ())], source, self.text
        )
        try:
            return dataset.sample(0, 0)
        except DecodeError:
            source.look_closely()
            return dataset.sample(0, 0)

    def _batch(self, encoded: EncodedMedia, questions: Sequence[str]) -> Batch:
        records = [
            QuestionRecord(str(number), str(number), encoded.name, question)
            for number, question in enumerate(questions, start=1)
        ]
        input_ids, attention_mask = self._encode_text.pad(self._encode_text.encode(questions))
        return Batch(
            media_ids=(encoded.name,),
            records=tuple(records),
            frames=encoded.grid[None],
            frame_seconds=encoded.frame_seconds[None],
            clip_spans=encoded.clip_spans[None],
            clip_positions=encoded.clip_positions[None],
            input_ids=input_ids,
            attention_mask=attention_mask,
            visual_index=torch.zeros(len(records), dtype=torch.int64),
            targets={},
        ).to(self.device)


def _with_clips(config: RunConfig, num_clips: int) -> RunConfig:
    evaluation = config.eval.model_copy(update={"num_clips": num_clips})
    return config.model_copy(update={"eval": evaluation})


def load_model(path: Path | str, *, step: str = "best", overrides: Sequence[str] = ()) -> LoadedModel:
    """Load the model of a run or model folder, on a GPU if there is one.

    Args:
        path: made by `clipbug finetune`, `pretrain` or `weights`.
        step: a checkpoint's number, "best" or "last".
        overrides: config values `a.b=c` that replace those of the run.

    Raises:
        CheckpointError: no such folder or step, or a damaged one.
        ConfigError: an override has an unknown key or a wrong value, or changes what training has fixed.
    """
    folder = RunFolder.open(Path(path).expanduser())
    config = overridden_config(folder, overrides)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return LoadedModel(load_inference_model(folder, step=step, device=device, config=config))
