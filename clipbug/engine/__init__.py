"""Training, prediction, checkpoints. Knows tasks by their base class only."""
