"""`clipbug config import`: a JSON config of the original as a YAML file of ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.config.loading import config_from_values
from clipbug.config.run import RunConfig
from clipbug.config.yaml_text import dump_values
from clipbug.interop.clipbert_config import (
    FlagReport,
    LegacyConfig,
    import_legacy,
    read_legacy_file,
    task_of_legacy,
)


@dataclass(frozen=True, slots=True)
class ImportedConfig:
    """A file of the original, converted.

    Attributes:
        values: what differs from our defaults or was said in the file, nested.
        config: the same, complete.
        legacy: with what became of each flag.
    """

    source: Path
    values: dict[str, Any]
    config: RunConfig
    legacy: LegacyConfig

    def to_yaml(self) -> str:
        """A config file whose first lines say what became of every flag."""
        command = self.config.task.training_command()
        lines = [
            f"# clipbug {command} --config {self.source.stem}.yaml",
            f"# From {self.source.name} of ClipBERT: every flag, and what takes it over here.",
        ]
        lines += [f"#   {_line(flag)}" for flag in self.legacy.flags]
        return "\n".join(lines) + "\n" + dump_values(self.values)

    def to_json(self) -> dict[str, Any]:
        """The object that --json prints."""
        return {
            "task": self.config.task.name,
            "config": self.config.model_dump(mode="json"),
            "flags": self.legacy.to_json(),
            "unknown": self.legacy.unknown,
            "yaml": self.to_yaml(),
        }


def import_config_file(path: Path, *, task: str | None = None) -> ImportedConfig:
    """Convert a preset (`src/configs/*.json`) or the args.json of a run.

    Args:
        task: ours; default: as the flags tell.

    Raises:
        ConfigError: no such file, no JSON; a task that cannot be told; a value that no config here takes.
    """
    args = read_legacy_file(path)
    task = task or task_of_legacy(args, name=path.stem)
    legacy = import_legacy(args, task=task, model_config=_model_config(args, path))
    values = {key: value for key, value in legacy.values.items() if value != {}}
    config = config_from_values(values, shown_as=f"what {path} says")
    return ImportedConfig(path, values, config, legacy)


def _model_config(args: Mapping[str, Any], path: Path) -> dict[str, Any] | None:
    """The file that `model_config` names, where the original looks for it or beside the file."""
    named = Path(str(args.get("model_config") or "model_config.json"))
    for place in (named, path.with_name(named.name), path.with_name("model_config.json")):
        if place.is_file() and place.suffix == ".json":
            return read_legacy_file(place)
    return None


def _line(flag: FlagReport) -> str:
    value = json.dumps(flag.value, ensure_ascii=False)
    note = f" ({flag.note})" if flag.note else ""
    match flag.status:
        case "mapped" | "option":
            return f"{flag.flag} = {value} -> {flag.key}{note}"
        case "dead":
            return f"{flag.flag} = {value}: dead, {flag.note}"
        case "unknown":
            return f"{flag.flag} = {value}: UNKNOWN, no flag of ClipBERT or ClipBugBERT{note}"
