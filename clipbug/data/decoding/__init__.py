"""Frames by index from recordings and images."""
