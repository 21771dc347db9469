"""`clipbug weights export`: export a run or model in the format of another project."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from clipbug.config import RunConfig
from clipbug.engine.checkpoint import STATE
from clipbug.errors import CheckpointError
from clipbug.interop.model_card import ModelOrigin, model_card
from clipbug.interop.onnx import export_onnx
from clipbug.models.weights.clipbert_keys import clipbert_key
from clipbug.recipes.weights_import import ORIGIN_FILE, UNUSED_FILE
from clipbug.runtime.files import atomic_file, atomic_folder, atomic_write
from clipbug.runtime.tensors import load_tensors, refuse_values
from clipbug.workspace.run_folder import RunFolder

Format = Literal["clipbert", "huggingface", "onnx"]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """The result of an export.

    Attributes:
        tensors: number of tensors written.
        bytes: size of the file, or of all files in the folder.
        notes: what users of the file should know.
    """

    output: str
    format: str
    run: str
    step: str
    tensors: int
    bytes: int
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Model:
    """The folder to export and the checkpoint in it."""

    folder: RunFolder
    weights: Path
    config: RunConfig

    def tensors(self) -> dict[str, Tensor]:
        tensors = load_tensors(self.weights)
        refuse_values(tensors, source=str(self.weights))
        return tensors

    def origin(self) -> Mapping[str, Any]:
        """Return the origin of imported weights; empty for a model that clipbug trained."""
        path = self.folder.path / ORIGIN_FILE
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def export_weights(run: Path, *, format: Format, output: Path, step: str = "best") -> ExportResult:
    """Export a model for other programs.

    Args:
        run: run directory or model folder.
        format: "clipbert": a file that ClipBERT loads (`e2e_weights_path`); "huggingface": a folder with
            weights, configs, tokenizer and model card; "onnx": a graph from frames and token ids to logits.
        output: file or folder to create; must not exist.
        step: checkpoint of a run directory: a number, "best" or "last".

    Returns:
        The size of the export and notes for its users.

    Raises:
        CheckpointError: the output exists, the model or step does not exist, or the format does not support
            the model.
        ClipbugError: the outputs of the ONNX file differ.
    """
    if output.exists():
        raise CheckpointError(f"{output} already exists", hint="choose a new file or folder with --output")
    folder = RunFolder.open(run)
    model = _Model(folder, folder.weights(step), folder.self_contained_config())
    write: Callable[[_Model, Path], tuple[int, tuple[str, ...]]] = {
        "clipbert": _to_clipbert,
        "huggingface": _to_huggingface,
        "onnx": _to_onnx,
    }[format]
    tensors, notes = write(model, output)
    files = [output] if output.is_file() else [path for path in output.rglob("*") if path.is_file()]
    return ExportResult(
        output=str(output),
        format=format,
        run=str(run),
        step=model.weights.parent.resolve().name,
        tensors=tensors,
        bytes=sum(file.stat().st_size for file in files),
        notes=notes,
    )


def _to_clipbert(model: _Model, output: Path) -> tuple[int, tuple[str, ...]]:
    """Write a ClipBERT state dict with its names and order, including imported tensors that it never uses."""
    if model.config.model.backbone.name != "clipbert":
        raise CheckpointError(
            f"{model.folder.path} has the backbone {model.config.model.backbone.name}; ClipBERT supports"
            " only its own ResNet-50",
            hint="export with --format huggingface or onnx, or train with model.backbone.name=clipbert",
        )
    named = {clipbert_key(name): tensor for name, tensor in model.tensors().items()}
    tensors = {name: tensor for name, tensor in named.items() if name is not None}
    unused, origin = model.folder.path / UNUSED_FILE, model.origin()
    notes: tuple[str, ...] = ()
    if unused.is_file():
        tensors |= load_tensors(unused)
    else:
        notes = (
            "without the detection heads and the second position table, which ClipBERT stores but never uses;"
            " it reports them as missing and loads the rest",
        )
    order = {name: index for index, name in enumerate(origin.get("tensor_order", ()))}
    names = sorted(tensors, key=lambda name: order.get(name, len(order)))
    dtypes = {name: getattr(torch, dtype) for name, dtype in origin.get("dtypes", {}).items()}
    used = {name: tensor for name, tensor in tensors.items() if name in named}
    refuse_values(used, source=str(model.weights), dtypes=dtypes)
    state = {name: tensors[name].to(dtypes.get(name, tensors[name].dtype)) for name in names}
    with atomic_file(output) as temporary, temporary.open("wb") as file:
        torch.save(state, file)
    return len(state), notes


def _to_huggingface(model: _Model, output: Path) -> tuple[int, tuple[str, ...]]:
    """Write a model folder with a config.json, a tokenizer in the root, and a model card."""
    answers, origin = model.folder.answers(), model.origin()
    state = model.weights.with_name(STATE)
    scores = json.loads(state.read_text(encoding="utf-8"))["scores"] if state.is_file() else {}
    source = ModelOrigin(
        tuple(origin.get("files", (str(model.weights),))), tuple(origin.get("kinds", ())), scores
    )
    with atomic_folder(output) as folder:
        for name in ("config.yaml", "answers.json", "training_answers.json"):
            if (model.folder.path / name).is_file():
                shutil.copyfile(model.folder.path / name, folder / name)
        atomic_write(folder / "model.json", model.config.model.model_dump_json(indent=1))
        shutil.copyfile(model.weights, folder / "model.safetensors")
        shutil.copytree(model.folder.tokenizer, folder / "tokenizer")
        shutil.copytree(model.folder.tokenizer, folder, dirs_exist_ok=True)
        config = _hub_config(model, None if answers is None else answers.answers)
        atomic_write(folder / "config.json", json.dumps(config, ensure_ascii=False, indent=1))
        atomic_write(folder / "README.md", model_card(model.config, source, answers=answers))
    return len(model.tensors()), ("the folder is also a model folder for clipbug infer --run",)


def _hub_config(model: _Model, answers: tuple[str, ...] | None) -> dict[str, Any]:
    """Return config.json: the sizes of BERT under their usual names, and the answers."""
    encoder = model.config.model.encoder
    words = model.tensors()["bert.embeddings.word_embeddings.weight"]
    config: dict[str, Any] = {
        "model_type": "clipbert",
        "architectures": ["ClipBert"],
        "library": "clipbug",
        "task": model.config.task.name,
        "vocab_size": len(words),
        "hidden_size": encoder.hidden_size,
        "num_hidden_layers": encoder.num_layers,
        "num_attention_heads": encoder.num_heads,
        "intermediate_size": encoder.intermediate_size,
        "max_position_embeddings": encoder.max_position_embeddings,
        "hidden_act": "gelu",
        "layer_norm_eps": 1e-12,
        "torch_dtype": "float32",
    }
    if answers is not None:
        config["id2label"] = dict(enumerate(answers))
        config["label2id"] = {answer: index for index, answer in enumerate(answers)}
    return config


def _to_onnx(model: _Model, output: Path) -> tuple[int, tuple[str, ...]]:
    return export_onnx(model.folder, model.weights, output)
