"""Store media items in LMDB: write, read, prepare, list, rewrite."""
