"""`clipbug config import`: convert a JSON config of ClipBERT to YAML."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbug.config.loading import config_from_values
from clipbug.config.run import RunConfig
from clipbug.config.yaml_text import dump_values
from clipbug.interop.clipbert_config import (
    ImportedFlag,
    LegacyConfig,
    import_legacy,
    read_legacy_file,
    task_of_legacy,
)


@dataclass(frozen=True, slots=True)
class ImportedConfig:
    """A converted config file of ClipBERT.

    Attributes:
        source: the JSON file.
        values: the nested values that the file sets or that differ from the defaults.
        config: the complete config.
        legacy: the conversion of each flag.
    """

    source: Path
    values: dict[str, Any]
    config: RunConfig
    legacy: LegacyConfig

    def to_yaml(self) -> str:
        """Return the config as YAML, with a comment at the top that lists the conversion of every flag."""
        command = self.config.task.training_command()
        lines = [
            f"# clipbug {command} --config {self.source.stem}.yaml",
            f"# Converted from {self.source.name} of ClipBERT. Its flags and their equivalents:",
        ]
        lines += [f"#   {_line(flag)}" for flag in self.legacy.flags]
        return "\n".join(lines) + "\n" + dump_values(self.values)

    def to_json(self) -> dict[str, Any]:
        """Return the object that --json prints."""
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
        path: the JSON file.
        task: name of the clipbug task; default: inferred from the flags.

    Returns:
        The converted config.

    Raises:
        ConfigError: the file is missing or not valid JSON, the task is unknown, or a value is invalid.
    """
    args = read_legacy_file(path)
    task = task or task_of_legacy(args, name=path.stem)
    legacy = import_legacy(args, task=task, model_config=_model_config(args, path))
    values = {key: value for key, value in legacy.values.items() if value != {}}
    config = config_from_values(values, shown_as=f"the values of {path}")
    return ImportedConfig(path, values, config, legacy)


def _model_config(args: Mapping[str, Any], path: Path) -> dict[str, Any] | None:
    """Return the content of the file in `model_config`, searched as ClipBERT does and next to the config."""
    named = Path(str(args.get("model_config") or "model_config.json"))
    for candidate in (named, path.with_name(named.name), path.with_name("model_config.json")):
        if candidate.is_file() and candidate.suffix == ".json":
            return read_legacy_file(candidate)
    return None


def _line(flag: ImportedFlag) -> str:
    value = json.dumps(flag.value, ensure_ascii=False)
    note = f" ({flag.note})" if flag.note else ""
    match flag.status:
        case "mapped" | "option":
            return f"{flag.flag} = {value} -> {flag.key}{note}"
        case "dead":
            return f"{flag.flag} = {value}: unused, {flag.note}"
        case "unknown":
            return f"{flag.flag} = {value}: UNKNOWN, not a flag of ClipBERT or ClipBugBERT{note}"
