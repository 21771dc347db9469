"""The base of all config models: unknown keys are errors, values never change after loading."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A frozen model that refuses unknown keys. Fields carry a description: the docs are made of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
