"""Checks of annotation files and their media, for `data check`."""
