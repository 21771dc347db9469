"""Read, map and write model weights."""
