"""Low-level helpers: processes, precision, seeds, files, logging."""
