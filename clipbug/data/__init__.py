"""From annotation files and stored media to batches."""
