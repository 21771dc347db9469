"""Configs and weights of other projects, and exports for them."""
