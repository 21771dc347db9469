"""The command line: parse, call a recipe, print. No torch at import time."""
