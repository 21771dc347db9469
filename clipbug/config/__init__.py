"""Typed configs: pydantic models, YAML loading, presets and overrides. Does not import torch."""

from clipbug.config.run import RunConfig

__all__ = ["RunConfig"]
