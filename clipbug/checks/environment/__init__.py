"""Checks of the machine and the storage, for `doctor`."""
