"""clipbug: questions, search and duplicates over recordings of app bugs."""

__version__ = "0.1.0"
