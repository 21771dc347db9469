"""Load weights into a model: strictly unless told otherwise, and with a report of what was loaded."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from torch import Tensor, nn

from clipbug.errors import CheckpointError
from clipbug.models.weights.files import read_tensors
from clipbug.runtime.tensors import group_shared_names, refuse_values

NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class LoadReport:
    """Result of a load, by tensor name.

    Attributes:
        loaded: Copied into the model.
        missing: In the model, not in the file.
        unexpected: In the file, not in the model.
        mismatched: In both, with different shapes (shown after the name); not copied.
    """

    loaded: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]


def load_weights(
    model: nn.Module, path: Path, *, allow_missing: Sequence[str] = (), allow_unexpected: Sequence[str] = ()
) -> LoadReport:
    """Copy a file's tensors into the model by name.

    Args:
        model: Modified in place; unchanged if this raises.
        path: .safetensors file or PyTorch state dict.
        allow_missing: Patterns (`head.*`) of names that may keep their value, also on different shapes.
        allow_unexpected: Patterns of names in the file that may remain unused.

    Returns:
        What was loaded.

    Raises:
        CheckpointError: The file does not exist or is not a weights file, names or shapes differ more than
            allowed, or values are not finite.
    """
    return load_tensors(
        model,
        read_tensors(path),
        source=str(path),
        allow_missing=allow_missing,
        allow_unexpected=allow_unexpected,
    )


def load_tensors(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    source: str,
    allow_missing: Sequence[str] = (),
    allow_unexpected: Sequence[str] = (),
) -> LoadReport:
    """Load tensors like `load_weights`, but from memory; errors name `source`."""
    report = _compare(model.state_dict(), tensors)
    problems = {
        "missing": _not_matching(report.missing, allow_missing),
        "unexpected": _not_matching(report.unexpected, allow_unexpected),
        "with a different shape": _not_matching(report.mismatched, allow_missing),
    }
    if any(problems.values()) or not report.loaded:
        raise CheckpointError(
            f"the weights in {source} do not fit ({len(report.loaded)} tensors do): {_summary(problems)}",
            hint="use the config that the weights were trained with, or another weights file",
        )
    state = model.state_dict()
    found = {name: tensors[name] for name in report.loaded}
    refuse_values(found, source=source, dtypes={name: state[name].dtype for name in found})
    model.load_state_dict(found, strict=False)
    return report


def _compare(state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> LoadReport:
    loaded = [name for name in state if name in tensors and state[name].shape == tensors[name].shape]
    covered = {
        name for names in group_shared_names(state) if not set(names).isdisjoint(loaded) for name in names
    }
    return LoadReport(
        loaded=tuple(loaded),
        missing=tuple(name for name in state if name not in tensors and name not in covered),
        unexpected=tuple(name for name in tensors if name not in state),
        mismatched=tuple(
            f"{name} {tuple(tensors[name].shape)} for {tuple(state[name].shape)}"
            for name in state
            if name in tensors and state[name].shape != tensors[name].shape
        ),
    )


def _not_matching(names: Iterable[str], patterns: Sequence[str]) -> list[str]:
    return [
        name for name in names if not any(fnmatchcase(name.split(" ")[0], pattern) for pattern in patterns)
    ]


def _summary(problems: Mapping[str, Sequence[str]]) -> str:
    parts = []
    for what, names in problems.items():
        if names:
            more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            parts.append(f"{len(names)} {what}: {', '.join(names[:NAMES_SHOWN])}{more}")
    return "; ".join(parts) or "no tensor in common"
