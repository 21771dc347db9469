"""The configs that ship with clipbug, by name."""

from pathlib import Path

from clipbug.config.problems import nearest
from clipbug.config.task import find_task
from clipbug.errors import ConfigError


def presets_folder() -> Path:
    """Return `clipbug/configs` in an installed wheel, `configs` next to the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def preset_names() -> list[str]:
    """Return the names of all presets, e.g. "gui_vqa" and "tiny/vqa"; those in subfolders last."""
    folder = presets_folder()
    names = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))
    return sorted(names, key=lambda name: (name.count("/"), name))


def preset_path(name: str) -> Path:
    """Return the file of a preset.

    Raises:
        ConfigError: no preset has this name.
    """
    names = preset_names()
    if name not in names:
        guess = nearest(name, names)
        meant = f"; did you mean {guess}?" if guess else ""
        raise ConfigError(f"no preset and no file is called {name!r}{meant}", f"presets: {', '.join(names)}")
    return presets_folder() / f"{name}.yaml"


def preset_command(name: str) -> str:
    """Return the command in the first line of a preset."""
    return preset_path(name).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def default_preset(task: str) -> str:
    """Return the preset that is used for a task when no config is named.

    Raises:
        ConfigError: no task has this name.
    """
    return find_task(task).preset
