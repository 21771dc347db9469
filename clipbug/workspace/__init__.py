"""The storage folder, run folders, where a run goes and where it came from."""
