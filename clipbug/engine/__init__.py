"""Training, evaluation, prediction and checkpoints. Knows tasks by their base class only."""
