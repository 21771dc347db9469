"""The configs that travel with clipbug, by name."""

from pathlib import Path

from clipbug.config.problems import nearest
from clipbug.errors import ConfigError

_DEFAULTS = {
    "vqa": "gui_vqa",
    "video_qa": "gui_video_qa",
    "multiple_choice": "gui_multiple_choice",
    "count": "gui_count",
    "retrieval": "gui_retrieval",
    "pretraining": "gui_pretraining",
}


def presets_folder() -> Path:
    """`clipbug/configs` in an installed wheel, `configs` beside the package in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "configs"
    return installed if installed.is_dir() else package.parent / "configs"


def preset_names() -> list[str]:
    """All presets, e.g. "gui_vqa" and "tiny/vqa"; those of subfolders last."""
    folder = presets_folder()
    names = (path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))
    return sorted(names, key=lambda name: (name.count("/"), name))


def preset_path(name: str) -> Path:
    """The file of a preset.

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
    """The command in a preset's first line."""
    return preset_path(name).read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")


def task_key(task: str) -> str:
    """A task's name as configs spell it: `video-qa` and `video_qa` are one.

    Raises:
        ConfigError: no task has this name.
    """
    key = task.replace("-", "_")
    if key not in _DEFAULTS:
        guess = nearest(key, _DEFAULTS)
        meant = f"; did you mean {guess}?" if guess else ""
        raise ConfigError(f"no task is called {task!r}{meant}", f"tasks: {', '.join(_DEFAULTS)}")
    return key


def default_preset(task: str) -> str:
    """The preset that a task takes when no config is named."""
    return _DEFAULTS[task_key(task)]
