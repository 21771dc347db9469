"""The page of all keys is complete and fresh."""

from pathlib import Path

from clipbug.config.reference import configuration_page
from clipbug.config.schema import config_keys, submodels

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_page_is_fresh() -> None:
    shown = PAGE.read_text(encoding="utf-8")
    assert shown == configuration_page(), "run: python -m clipbug.config.reference > docs/configuration.md"


def test_every_key_is_described_on_the_page() -> None:
    page = configuration_page()
    for key in config_keys():
        if key.path.endswith(".name"):
            assert f"`{key.path.removesuffix('.name')}: {{name: {key.info.default}}}`" in page
        else:
            assert key.info.description, f"{key.path} has no description"
            assert f"| `{key.path}` |" in page


def test_keys_are_those_of_the_models() -> None:
    paths = {key.path for key in config_keys()}
    assert {
        "seed",
        "model.backbone.widths",
        "model.backbone.architecture",
        "optim.transformer.learning_rate",
    } <= paths
    for key in config_keys():
        for model in submodels(key.info.annotation):
            assert all(f"{key.path}.{name}" in paths for name in model.model_fields)
