"""Leaf helpers: processes, precision, seeds, logging."""
