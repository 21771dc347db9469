"""Drawn apps: recordings and questions for `demo`, tests and training from nothing."""
