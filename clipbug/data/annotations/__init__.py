"""One parser per family of annotation files."""
