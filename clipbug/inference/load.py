"""A trained model as inference uses it: loaded, its graph prepared, on the device to compute on."""

from dataclasses import dataclass

import torch

from clipbug.builders.task_model import TextParts, build_task_model, model_of
from clipbug.config import RunConfig
from clipbug.config.inference import InferencePrecision
from clipbug.data.loading.tokenization import load_tokenizer
from clipbug.models.inference.prepare import prepare_for_inference
from clipbug.models.weights.state import load_weights
from clipbug.runtime.precision import Precision, resolve_precision
from clipbug.runtime.tensors import refuse_values
from clipbug.runtime.threads import share_cores
from clipbug.tasks.base import Task
from clipbug.workspace.run_folder import RunFolder

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class InferenceModel:
    """A trained task with everything that inference needs.

    Attributes:
        precision: what autocast computes in.
        folder: that it was loaded from, if any.
    """

    config: RunConfig
    task: Task
    text: TextParts
    device: torch.device
    precision: Precision
    folder: RunFolder | None = None


def load_inference_model(
    folder: RunFolder,
    *,
    step: str,
    device: torch.device,
    precision: InferencePrecision | None = None,
    config: RunConfig | None = None,
) -> InferenceModel:
    """Load the weights of `step` in a graph for inference.

    Args:
        folder: run or model folder.
        step: a number, "best" or "last".
        device: to compute on.
        precision: None: the config's.
        config: default: the run's own, see `RunFolder.self_contained_config`.

    Raises:
        CheckpointError: no such step, or damaged weights.
        ConfigError: a precision that the device does not have.
    """
    config = config or folder.self_contained_config()
    text = TextParts(load_tokenizer(folder.tokenizer), folder.answers())
    task = build_task_model(config, text)
    load_weights(task.model, folder.weights(step))
    model = model_of(task.eval())
    resolved = resolve_precision(precision or config.precision, device)
    share_cores()
    task.to(device)
    prepare_for_inference(model, dtype=_DTYPES[resolved])
    # A weight may be too large for half precision, alone or with the norm that was folded into it.
    refuse_values(dict(model.named_parameters()), source=f"{folder.path}, prepared to compute in {resolved},")
    return InferenceModel(config, task, text, device, resolved, folder)
