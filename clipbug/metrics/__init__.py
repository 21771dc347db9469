"""Scores as pure functions without I/O."""
