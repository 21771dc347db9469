"""How much a faster way of inference changes answers: some questions are asked exactly as well."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clipbug.data.records import Record
from clipbug.engine.predictor import predict
from clipbug.models.frame_encoder import FrameEncoder
from clipbug.recipes.assembly import model_of
from clipbug.recipes.batches import BatchBuilder
from clipbug.recipes.inference_inputs import InferenceInputs
from clipbug.recipes.inference_model import InferenceModel, load_inference_model
from clipbug.runtime.distributed import Distributed, gather_objects
from clipbug.tasks.base import Prediction


@dataclass(frozen=True, slots=True)
class AnswerCheck:
    """What fp32 with every distinct frame says to the same questions.

    Attributes:
        questions: asked both ways; those about recordings that cannot be read are not among them.
        same_answers: share of them whose top answer is the same.
        largest_difference: of pooled logits.
    """

    questions: int
    same_answers: float
    largest_difference: float


def check_answers(
    inputs: InferenceInputs,
    records: Sequence[Record],
    fast: InferenceModel,
    *,
    step: str,
    num_questions: int,
    near_duplicates: float,
    processes: Distributed,
) -> AnswerCheck:
    """Ask about some recordings, evenly spread over the file, with the model as it is used and exactly.

    Args:
        fast: the model in use.
        num_questions: at most so many.
        near_duplicates: as in use.

    Raises:
        CheckpointError: the weights cannot be loaded again.
    """
    some = spread(records, num_questions)
    exact = load_inference_model(inputs.folder, step=step, device=processes.device, precision="fp32")
    expected = _answers(inputs, some, exact, 0.0, processes)
    found = _answers(inputs, some, fast, near_duplicates, processes)
    pairs = [(found[record_id], answer) for record_id, answer in expected.items() if record_id in found]
    gathered = gather_objects(
        [(one.answer == other.answer, _difference(one, other)) for one, other in pairs], processes
    )
    same, differences = [pair[0] for pair in gathered], [pair[1] for pair in gathered]
    return AnswerCheck(
        questions=len(gathered),
        same_answers=float(np.mean(same)) if same else 0.0,
        largest_difference=max(differences, default=0.0),
    )


def spread(records: Sequence[Record], count: int) -> list[Record]:
    """All rows about recordings at equal distances in the file, `count` rows at most."""
    media = list(dict.fromkeys(record.media_id for record in records))
    num_media = max(1, min(len(media), count * len(media) // max(1, len(records))))
    chosen = {media[place * len(media) // num_media] for place in range(num_media)} if media else set()
    return [record for record in records if record.media_id in chosen][:count]


def _answers(
    inputs: InferenceInputs,
    records: Sequence[Record],
    model: InferenceModel,
    near_duplicates: float,
    processes: Distributed,
) -> dict[str, Prediction]:
    builder = BatchBuilder(inputs.config, inputs.media, model.text, model.task, processes)
    parts = predict(
        model.task,
        builder.inference(records),
        encode=FrameEncoder(model_of(model.task), near_duplicates=near_duplicates),
        device=model.device,
        precision=model.precision,
        description="check",
    )
    return {answer.record_id: answer for part in parts if isinstance(part, list) for answer in part}


def _difference(one: Prediction, other: Prediction) -> float:
    return float(np.abs(one.pooled_logits - other.pooled_logits).max())
