"""A trained model at work: load it, answer, rank, show evidence, keep results that resume."""
