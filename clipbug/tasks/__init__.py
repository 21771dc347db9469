"""From model output to loss, predictions and score."""
