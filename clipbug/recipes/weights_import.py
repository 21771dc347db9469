"""`clipbug weights import`: checkpoints of other projects as a model folder."""

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
class ImportReport:
    """What an import tells.

    Attributes:
        kinds: of the files.
        classes: of the head; None where it has none.
        unnamed_classes: without an answer in the vocabulary.
        removed: wrappers' names that were taken off the tensors' names, and outer keys.
        not_used: keys and prefixes of further weights in the files, such as averages.
        counts: of the lists below.
        unused: tensors that the other program writes and clipbug never needs.
        loaded, missing, unexpected, mismatched: names here, but those in the files for `unexpected`.
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
        """The object that --json prints."""
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
) -> ImportReport:
    """Make a model folder of weights that another program wrote.

    Args:
        paths: weight files, BERT folders, or the run folder of an original run.
        output: the model folder; must not exist, or be empty.
        task: what the model is for; a run folder tells it itself.
        answers: vocabulary {answer: class}, for question answering.
        tokenizer: name or folder; default: the one beside the weights.
        step: of a run folder's checkpoint; default: the newest.
        overrides: texts `a.b=c` over the original's preset.
        allow_missing: patterns, of our names or the original's, of tensors that may start at random.

    Raises:
        ClipbugError: unreadable files; nothing that fits; something other than a task head is missing.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise CheckpointError(f"{output} exists already", hint="name a new folder with --output")
    source = read_sources(paths, step=step)
    task = task or (task_of_legacy(source.args) if source.args is not None else None)
    if task is None:
        raise ConfigError(
            "the files do not tell which task the model is for", "give --task vqa, video-qa ..."
        )
    config = import_settings(source, task, tokenizer, overrides)
    words = load_tokenizer(config.tokenizer.path)  # type: ignore[union-attr]
    text = TextParts(words, import_vocabulary(source, task, answers))
    seed_everything(config.seed)  # for what starts at random
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
    """Only a task head may start at random, unless the user allows more."""
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
        f"{_mismatches(report)}; {len(lacking)} that are no task head would start at random: {shown}{more}",
        hint=f"add the file that holds them; or let them start at random: {flags}",
    )


def _mismatches(report: LoadReport) -> str:
    return f" ({'; '.join(report.mismatched[:_NAMES_SHOWN])})" if report.mismatched else ""


def _is_allowed(name: str, patterns: Sequence[str]) -> bool:
    names = [name, clipbert_key(name) or name]
    return any(fnmatchcase(candidate, pattern) for candidate in names for pattern in patterns)


def _pattern(name: str) -> str:
    """The part of the model that a tensor belongs to, as a pattern."""
    parts = name.split(".")
    return ".".join(parts[:2]) + ".*" if len(parts) > 2 else name


def _summary(
    report: LoadReport, source: WeightsSource, config: RunConfig, text: TextParts, task: Task, output: Path
) -> ImportReport:
    weights = source.weights
    unused = tuple(name for name in weights.unused if name not in weights.unknown)
    unexpected = (*(weights.origins[name] for name in report.unexpected), *weights.unknown)
    return ImportReport(
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
    summary: ImportReport,
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
