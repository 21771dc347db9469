"""What `clipbug benchmark` measures, and our re-statements of the original's way to measure against."""
