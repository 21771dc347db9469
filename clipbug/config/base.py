"""Base class of config models: unknown keys are errors, values never change after loading."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """A frozen model that rejects unknown keys. The docs are generated from the fields' descriptions."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
