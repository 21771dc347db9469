"""The config of a run with what the settings of an inference change."""

from collections.abc import Sequence

from clipbug.config import RunConfig
from clipbug.config.inference import InferenceSettings
from clipbug.config.loading import config_from_values
from clipbug.errors import ConfigError
from clipbug.workspace.run_folder import RunFolder

_FIXED_BY_TRAINING = ("task", "model", "tokenizer", "train", "optim")


def run_config(folder: RunFolder, settings: InferenceSettings) -> RunConfig:
    """Return the config of a run with what the settings change: first `overrides`, then the named settings.

    Raises:
        ConfigError: an override has an unknown key or a wrong value, or changes what training has fixed.
    """
    config = overridden_config(folder, settings.overrides)
    evaluation = {
        "num_clips": settings.num_clips or config.eval.num_clips,
        "batch_size": settings.batch_size or config.eval.batch_size,
    }
    data = {
        "media": tuple(map(str, settings.media)) or config.data.media,
        "format": settings.data_format or config.data.format,
        "aliases": config.data.aliases if settings.aliases is None else str(settings.aliases),
        "allow_missing": settings.allow_missing or config.data.allow_missing,
    }
    return config.model_copy(
        update={
            "eval": config.eval.model_copy(update=evaluation),
            "data": config.data.model_copy(update=data),
        }
    )


def overridden_config(folder: RunFolder, overrides: Sequence[str]) -> RunConfig:
    """Return the config of a run with `--set` values.

    Raises:
        ConfigError: as of `run_config`.
    """
    config = folder.self_contained_config()
    if not overrides:
        return config
    for override in overrides:
        path = override.partition("=")[0].strip()
        if path.partition(".")[0] in _FIXED_BY_TRAINING:
            raise ConfigError(
                f"--set {override}: {path} cannot be changed after training",
                "Change how frames and texts are read: sampling, resize, fps, num_frames_per_clip,"
                " max_frame_size, padding, clip_aggregation, precision, seed, eval.* or data.*",
            )
    return config_from_values(
        config.model_dump(mode="json"), overrides=overrides, shown_as=f"the config of {folder.path}"
    )
