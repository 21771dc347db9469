"""The configs that ship with clipbug, by name."""

from pathlib import Path

from clipbug.config.problems import nearest
from clipbug.config.task import find_task
from clipbug.errors import ConfigError


def presets_folder() -> Path:
    """Return `clipbug/configs` of an installed wheel, or `configs` next to the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def preset_names() -> list[str]:
    """Return all presets, such as "gui_vqa" and "tiny/vqa"; those in subfolders last."""
    folder = presets_folder()
    names = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))
    return sorted(names, key=lambda name: (name.count("/"), name))


def preset_path(name: str) -> Path:
    """Return the file of a preset.

    Returns:
        Path of the YAML file.

    Raises:
        ConfigError: There is no preset of this name.
    """
    names = preset_names()
    if name not in names:
        guess = nearest(name, names)
        meant = f"; did you mean {guess}?" if guess else ""
        raise ConfigError(
            f"{name!r} is neither a preset nor a file{meant}", f"choose from {', '.join(names)}"
        )
    return presets_folder() / f"{name}.yaml"


def preset_command(name: str) -> str:
    """Return the command in a preset's first line."""
    return preset_path(name).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def default_preset(task: str) -> str:
    """Return the preset of a task that is used without --config.

    Returns:
        The name of the preset.

    Raises:
        ConfigError: The task is unknown.
    """
    return find_task(task).preset
