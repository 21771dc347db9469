"""Decode frames by index from recordings and images."""
