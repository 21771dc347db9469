"""Backbones: 2-D networks over single frames."""
