"""The storage folder, run directories, and the provenance of runs and predictions."""
