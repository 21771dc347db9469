"""What is said about a bad config."""

from typing import Any

import pytest

from clipbug.config.loading import load_config
from clipbug.errors import ConfigError


def message_of(*arguments: Any, **named: Any) -> str:
    """What is said about a bad config."""
    with pytest.raises(ConfigError) as raised:
        load_config(*arguments, **named)
    return raised.value.message
