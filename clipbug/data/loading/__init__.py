"""Records and frames to batches of tensors."""
