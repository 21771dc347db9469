"""Export a model as an ONNX file and verify its outputs."""

import importlib
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clipbug.builders.task_model import TextParts, build_task_model, model_of
from clipbug.config import RunConfig
from clipbug.data.loading.tokenization import load_tokenizer
from clipbug.errors import ClipbugError
from clipbug.interop.onnx_graph import INPUTS, OnnxGraph
from clipbug.models.weights.state import load_weights
from clipbug.runtime.files import atomic_file
from clipbug.workspace.run_folder import RunFolder

TOLERANCE = 1e-3
"""Maximum difference of logits: libraries sum float32 in different orders; about 1e-5 on full-size models."""

_INSTALL = "pip install 'clipbug[onnx]'"
_OPSET = 18
_AXES = {
    "frames": ("visuals", "clips", "frames", None, "height", "width"),
    "input_ids": ("rows", "tokens"),
    "attention_mask": ("rows", "tokens"),
    "visual_index": ("rows",),
    "clip_positions": ("visuals", "clips"),
}


def export_onnx(folder: RunFolder, weights: Path, output: Path) -> tuple[int, tuple[str, ...]]:
    """Export a model and compare the file with it before keeping the file.

    Args:
        folder: run directory or model folder.
        weights: weights of the checkpoint.
        output: path of the ONNX file.

    Returns:
        The number of weights in the file, and notes for the user.

    Raises:
        ClipbugError: packages are missing, the file cannot be written, or its outputs differ.
    """
    for package in ("onnx", "onnxscript"):
        _require(package)
    config = folder.self_contained_config()
    text = TextParts(load_tokenizer(folder.tokenizer), folder.answers())
    task = build_task_model(config, text)
    load_weights(task.model, weights)
    graph = OnnxGraph(model_of(task), config.clip_aggregation).eval()
    with atomic_file(output) as temporary:
        num_weights = _write(graph, _example(config, visuals=2, clips=2), temporary)
        examples = [_example(config, visuals=3, clips=3), _example(config, visuals=1, clips=1)]
        note = _compare(graph, examples, temporary)
    return num_weights, (note, f"inputs: {', '.join(INPUTS)}; outputs: {', '.join(graph.outputs)}")


def _require(package: str) -> Any:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ClipbugError(f"the package {package} is not installed", _INSTALL) from error


def _example(config: RunConfig, *, visuals: int, clips: int) -> dict[str, Tensor]:
    """Return random inputs with more texts than media items; the exporter would make sizes of 1 static."""
    generator = torch.Generator().manual_seed(visuals)
    rows, tokens, side = 2 * visuals - 1, 7 + visuals, 64 * (visuals + clips)
    words = config.model.encoder.vocabulary_size or 5
    mask = torch.ones(rows, tokens, dtype=torch.int64)
    mask[0, tokens // 2 :] = 0
    inputs = {
        "frames": torch.rand(visuals, clips, 2 if clips == 2 else 1, 3, side, side - 64, generator=generator)
        * 255,
        "input_ids": torch.randint(0, words, (rows, tokens), generator=generator),
        "attention_mask": mask,
        "visual_index": torch.arange(rows) % visuals,
    }
    if config.model.clip_position_embedding:
        inputs["clip_positions"] = torch.rand(visuals, clips, generator=generator)
    return inputs


def _write(graph: OnnxGraph, inputs: dict[str, Tensor], path: Path) -> int:
    shapes = tuple(
        {
            index: torch.export.Dim.DYNAMIC if axis is not None else torch.export.Dim.STATIC
            for index, axis in enumerate(_AXES[name])
        }
        for name in inputs
    )
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # internal warnings of the exporter
        program = torch.onnx.export(
            graph,
            tuple(inputs.values()),
            dynamo=True,
            opset_version=_OPSET,
            input_names=list(inputs),
            output_names=list(graph.outputs),
            dynamic_shapes=shapes,
            verbose=False,
        )
    assert program is not None, "the dynamo exporter always returns the program"
    program.save(str(path), external_data=False)
    return len(program.model.graph.initializers)


@torch.no_grad()
def _compare(graph: OnnxGraph, examples: list[dict[str, Tensor]], path: Path) -> str:
    """Compare the outputs of model and file on inputs whose sizes differ from those of the export."""
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError:
        return f"not compared with the model: onnxruntime is not installed ({_INSTALL})"
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
    difference = 0.0
    for inputs in examples:
        theirs = session.run(None, {name: tensor.numpy() for name, tensor in inputs.items()})
        ours = [output.numpy() for output in graph(*inputs.values())]
        pairs = zip(ours, theirs, strict=True)
        difference = max(difference, *(float(np.abs(a - b).max()) for a, b in pairs))
    if not difference <= TOLERANCE:
        raise ClipbugError(
            f"the outputs of the ONNX file differ from the model's by {difference:.2g}, over {TOLERANCE:g}",
            "the file was deleted; report this with the versions of torch, onnxscript and onnxruntime",
        )
    return f"outputs in onnxruntime differ from the model's by at most {difference:.1g}"
