"""`clipbug weights import`: convert checkpoints of other projects to a model folder."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from clipbug.builders.task_model import TextParts, build_task_model, model_of
from clipbug.config import RunConfig
from clipbug.data.loading.tokenization import load_tokenizer, save_tokenizer
from clipbug.errors import CheckpointError, ConfigError
from clipbug.interop.clipbert_config import task_of_legacy
from clipbug.interop.model_card import ModelOrigin, model_card
from clipbug.interop.settings import import_settings, import_vocabulary
from clipbug.interop.sources import WeightsSource, read_sources
from clipbug.models.build import self_contained_config
from clipbug.models.weights.clipbert_keys import clipbert_key
from clipbug.models.weights.sizes import num_classes
from clipbug.models.weights.state import LoadReport, load_tensors
from clipbug.runtime.files import atomic_folder, atomic_write
from clipbug.runtime.seeding import seed_everything
from clipbug.runtime.tensors import save_tensors
from clipbug.tasks.base import Task
from clipbug.workspace.run_folder import RunFolder

logger = logging.getLogger(__name__)

UNUSED_FILE, ORIGIN_FILE = "unused.safetensors", "origin.json"
_HEAD = "head."
_NAMES_SHOWN = 6


@dataclass(frozen=True, slots=True)
class ImportResult:
    """The result of an import.

    Attributes:
        kinds: kinds of the files.
        classes: number of classes of the head; None without classes.
        unnamed_classes: number of classes without an answer in the vocabulary.
        removed: prefixes of wrappers that were removed from tensor names, and outer keys.
        not_used: keys and prefixes of other weights in the files, such as moving averages.
        counts: lengths of the lists below.
        unused: tensors that the other program writes but clipbug never needs.
        loaded: loaded tensors, by their name in clipbug.
        missing: tensors of the model that the files lack, by their name in clipbug.
        unexpected: tensors that the model lacks, by their name in the files.
        mismatched: tensors of another shape, by their name in clipbug.
    """

    model: str
    task: str
    files: tuple[str, ...]
    kinds: tuple[str, ...]
    parameters: int
    classes: int | None
    unnamed_classes: int
    removed: tuple[str, ...]
    not_used: tuple[str, ...]
    counts: Mapping[str, int]
    unused: tuple[str, ...]
    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
        return asdict(self)


def import_weights(
    paths: Sequence[Path],
    *,
    output: Path,
    task: str | None = None,
    answers: Path | None = None,
    tokenizer: str | None = None,
    step: int | None = None,
    overrides: Sequence[str] = (),
    allow_missing: Sequence[str] = (),
) -> ImportResult:
    """Create a model folder from weights of another program.

    Args:
        paths: weight files, BERT folders, or a ClipBERT run directory.
        output: the model folder; must be new or empty.
        task: task of the model; default: the task of the run directory.
        answers: vocabulary {answer: class}, for question answering.
        tokenizer: name or folder; default: the tokenizer next to the weights.
        step: checkpoint of a run directory; default: the newest.
        overrides: config overrides `a.b=c`.
        allow_missing: patterns of tensors, by their name in clipbug or ClipBERT, that may be initialized
            randomly.

    Returns:
        The loaded, missing and unused tensors.

    Raises:
        CheckpointError: the output exists, a file is unreadable, no tensor fits, or tensors other than the
            task head are missing.
        ConfigError: the task cannot be inferred.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise CheckpointError(f"{output} already exists", hint="choose a new folder with --output")
    source = read_sources(paths, step=step)
    task = task or (task_of_legacy(source.args) if source.args is not None else None)
    if task is None:
        raise ConfigError(
            "the task of the model cannot be inferred from the files", "give --task vqa, video-qa ..."
        )
    config = import_settings(source, task, tokenizer, overrides)
    words = load_tokenizer(config.tokenizer.path)  # type: ignore[union-attr]
    text = TextParts(words, import_vocabulary(source, task, answers))
    seed_everything(config.seed)  # for randomly initialized tensors
    module = build_task_model(config, text)
    report = load_tensors(
        module.model,
        source.weights.tensors,
        source=source.name,
        allow_missing=("*",),
        allow_unexpected=("*",),
    )
    _require_complete(report, source, allow_missing)
    summary = _summary(report, source, config, text, module, output)
    with atomic_folder(output) as folder:
        _write(folder, summary, source, config, text, module)
    return summary


def _require_complete(report: LoadReport, source: WeightsSource, allowed: Sequence[str]) -> None:
    """Raise CheckpointError if tensors other than the task head and the allowed ones are missing."""
    kept = [name.partition(" ")[0] for name in (*report.missing, *report.mismatched)]
    lacking = [name for name in kept if not name.startswith(_HEAD) and not _is_allowed(name, allowed)]
    if not lacking:
        return
    shown = ", ".join(lacking[:_NAMES_SHOWN])
    more = f" and {len(lacking) - _NAMES_SHOWN} more" if len(lacking) > _NAMES_SHOWN else ""
    flags = " ".join(
        f"--allow-missing '{pattern}'" for pattern in sorted({_pattern(name) for name in lacking})
    )
    raise CheckpointError(
        f"{source.name}: {len(report.loaded)} tensors fit, {len(report.missing)} are missing,"
        f" {len(report.unexpected)} unexpected and {len(report.mismatched)} of another shape"
        f"{_mismatches(report)}; {len(lacking)} outside the task head would be initialized randomly:"
        f" {shown}{more}",
        hint=f"add the file that contains them, or allow random initialization: {flags}",
    )


def _mismatches(report: LoadReport) -> str:
    return f" ({'; '.join(report.mismatched[:_NAMES_SHOWN])})" if report.mismatched else ""


def _is_allowed(name: str, patterns: Sequence[str]) -> bool:
    names = [name, clipbert_key(name) or name]
    return any(fnmatchcase(candidate, pattern) for candidate in names for pattern in patterns)


def _pattern(name: str) -> str:
    """Return a pattern for the module that a tensor belongs to."""
    names = name.split(".")
    return ".".join(names[:2]) + ".*" if len(names) > 2 else name


def _summary(
    report: LoadReport, source: WeightsSource, config: RunConfig, text: TextParts, task: Task, output: Path
) -> ImportResult:
    weights = source.weights
    unused = tuple(name for name in weights.unused if name not in weights.unknown)
    unexpected = (*(weights.origins[name] for name in report.unexpected), *weights.unknown)
    return ImportResult(
        model=str(output),
        task=config.task.name,
        files=tuple(map(str, source.files)),
        kinds=weights.kinds,
        parameters=sum(parameter.numel() for parameter in task.parameters()),
        classes=num_classes(model_of(task).state_dict()),
        unnamed_classes=0 if text.answers is None else text.answers.num_unnamed,
        removed=weights.removed,
        not_used=weights.not_used,
        counts={
            "loaded": len(report.loaded),
            "missing": len(report.missing),
            "unexpected": len(unexpected),
            "mismatched": len(report.mismatched),
            "unused": len(unused),
        },
        unused=unused,
        loaded=report.loaded,
        missing=report.missing,
        unexpected=unexpected,
        mismatched=report.mismatched,
    )


def _write(
    folder: Path,
    summary: ImportResult,
    source: WeightsSource,
    config: RunConfig,
    text: TextParts,
    task: Task,
) -> None:
    weights = source.weights
    model = self_contained_config(config.model, model_of(task))
    RunFolder(folder).write_start(config, model=model, answers=text.answers, statistics=None)
    save_tokenizer(text.tokenizer, folder / "tokenizer")
    save_tensors(folder / "model.safetensors", task.model.state_dict())
    if weights.unused:
        save_tensors(folder / UNUSED_FILE, weights.unused)
    origin = {
        **summary.to_json(),
        "tensor_order": weights.names,
        "dtypes": {
            weights.origins[name]: str(tensor.dtype).removeprefix("torch.")
            for name, tensor in weights.tensors.items()
            if tensor.is_floating_point() and str(tensor.dtype) != "torch.float32"
        },
    }
    atomic_write(folder / ORIGIN_FILE, json.dumps(origin, indent=1))
    card = model_card(config, ModelOrigin(summary.files, summary.kinds), answers=text.answers)
    atomic_write(folder / "README.md", card)
