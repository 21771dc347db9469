"""Import weights of other projects: detect the kind of a file and map its tensor names to clipbug's."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from clipbug.errors import CheckpointError
from clipbug.models.weights.clipbert_keys import rename_clipbert_key, rename_detectron2_key

Kind = Literal["clipbert", "detectron2", "bert", "torchvision"]

_DETECTRON2 = re.compile(r"^(?:backbone\.(?:bottom_up\.)?)?((?:stem|res[2-5])\..+)$")
_TORCHVISION = re.compile(r"^(?:conv1\.weight|bn1\.\w+|layer[1-4]\.\d+\..+)$")
_BERT = re.compile(r"^(?:bert\.)?((?:embeddings|encoder|pooler)\..+)$")
_BERT_HEADS = re.compile(r"^cls\.(.+)$")
_UNUSED_OF_DETECTRON2 = ("proposal_generator.", "roi_heads.", "pixel_mean", "pixel_std")
_OLD_NORM_NAMES = {"gamma": "weight", "beta": "bias"}


@dataclass(frozen=True, slots=True)
class ForeignWeights:
    """Tensors of one or several files, with clipbug's names.

    Attributes:
        tensors: clipbug's name -> tensor.
        origins: clipbug's name -> name in the file.
        unused: Name in the file -> tensor without a counterpart in clipbug.
        unknown: Unused names that no known program writes.
        names: All names, in the order of the files.
        kinds: Kinds of the files.
        removed: Outer keys and prefixes of training frameworks that were removed.
        not_used: Keys and prefixes of further weights in the files, such as averages.
    """

    tensors: dict[str, Tensor] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    unused: dict[str, Tensor] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    removed: tuple[str, ...] = ()
    not_used: tuple[str, ...] = ()

    def joined_with(self, other: "ForeignWeights") -> "ForeignWeights":
        """Return the union of two sets of weights.

        Returns:
            The union.

        Raises:
            CheckpointError: Both contain the same tensor.
        """
        twice = sorted(self.tensors.keys() & other.tensors.keys())
        if twice:
            raise CheckpointError(
                f"two of the files contain {twice[0]} ({len(twice)} tensors in all)",
                hint="give a backbone and a BERT, or a single ClipBERT checkpoint",
            )
        return ForeignWeights(
            tensors={**self.tensors, **other.tensors},
            origins={**self.origins, **other.origins},
            unused={**self.unused, **other.unused},
            unknown=(*self.unknown, *other.unknown),
            names=(*self.names, *other.names),
            kinds=(*self.kinds, *other.kinds),
            removed=(*self.removed, *other.removed),
            not_used=(*self.not_used, *other.not_used),
        )


def foreign_weights(tensors: Mapping[str, Tensor], *, source: str) -> ForeignWeights:
    """Map the tensors of one file to clipbug's names.

    Args:
        tensors: Tensors from `read_tensors`.
        source: Name of the file, for errors.

    Returns:
        The mapped tensors.

    Raises:
        CheckpointError: The names match no known kind of file.
    """
    kind = kind_of(tensors)
    if kind is None:
        some = ", ".join(list(tensors)[:3])
        raise CheckpointError(
            f"{source} is not a checkpoint of a known kind: its tensors are named {some} ...",
            hint="known kinds: ClipBERT (cnn.*, transformer.*), detectron2 ResNet (backbone.res2.* ...), BERT"
            " (bert.embeddings.* ...), torchvision ResNet (conv1.weight, layer1.* ...)",
        )
    kept: dict[str, Tensor] = {}
    origins: dict[str, str] = {}
    unknown = []
    for name in tensors:
        try:
            ours = _RENAME[kind](name)
        except ValueError:
            unknown.append(name)
            continue
        if ours in kept:
            raise CheckpointError(
                f"{source} contains {ours} twice, as {origins[ours]} and as {name}",
                hint="keep only one of the two in the file",
            )
        if ours is not None:
            kept[ours], origins[ours] = tensors[name], name
    used = set(origins.values())
    return ForeignWeights(
        tensors=kept,
        origins=origins,
        unused={name: tensor for name, tensor in tensors.items() if name not in used},
        unknown=tuple(unknown),
        names=tuple(tensors),
        kinds=(kind,),
    )


def kind_of(names: Iterable[str]) -> Kind | None:
    """Return the kind of a file by its tensor names."""
    names = list(names)
    if any(name.startswith(("cnn.", "transformer.")) for name in names):
        return "clipbert"
    if any(_DETECTRON2.match(name) for name in names):
        return "detectron2"
    if any(_BERT.match(name) for name in names):
        return "bert"
    if any(_TORCHVISION.match(name) for name in names):
        return "torchvision"
    return None


# Each returns clipbug's name, or None for a tensor that is known to be unused here.


def _from_detectron2(name: str) -> str | None:
    if name.startswith(_UNUSED_OF_DETECTRON2):
        return None
    match = _DETECTRON2.match(name)
    if match is None:
        raise ValueError(f"{name} is not a tensor name of a detectron2 ResNet")
    return f"visual.backbone.{rename_detectron2_key(match[1])}"


def _from_torchvision(name: str) -> str | None:
    if name.endswith(".num_batches_tracked") or name.startswith("fc."):
        return None
    if not _TORCHVISION.match(name):
        raise ValueError(f"{name} is not a tensor name of a torchvision ResNet")
    return f"visual.backbone.{name}"


def _from_bert(name: str) -> str | None:
    # BERT's TensorFlow release named the norms' parameters gamma and beta, and old files still do.
    stem, _, leaf = name.rpartition(".")
    name = f"{stem}.{_OLD_NORM_NAMES.get(leaf, leaf)}"
    if match := _BERT.match(name):
        return None if leaf == "position_ids" else f"bert.{match[1]}"
    if match := _BERT_HEADS.match(name):
        return f"head.{match[1]}"
    raise ValueError(f"{name} is not a tensor name of a BERT")


_RENAME: dict[Kind, Callable[[str], str | None]] = {
    "clipbert": rename_clipbert_key,
    "detectron2": _from_detectron2,
    "bert": _from_bert,
    "torchvision": _from_torchvision,
}
