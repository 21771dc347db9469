"""The command line: parse arguments, call a recipe, print the result. Does not import torch."""
