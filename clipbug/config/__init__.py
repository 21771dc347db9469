"""Typed configs: pydantic models, YAML loading, presets and overrides. Imports no torch."""

from clipbug.config.run import RunConfig

__all__ = ["RunConfig"]
