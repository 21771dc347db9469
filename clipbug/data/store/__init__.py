"""Media in LMDB: write, read, prepare, list, rewrite."""
