"""Choose the clips and frames of a recording that a model sees."""
