"""App screens and recordings drawn from a script of actions, with their ground truth."""
