"""Predictions and annotations to scores, baselines and intervals."""
