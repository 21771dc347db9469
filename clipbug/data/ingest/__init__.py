"""Find and read the files that `ingest` copies into a store."""
