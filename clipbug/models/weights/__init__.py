"""Read, map and write weights of models."""
