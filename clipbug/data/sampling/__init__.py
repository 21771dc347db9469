"""Which clips and frames of a recording a model sees."""
