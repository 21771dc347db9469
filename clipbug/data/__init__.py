"""Annotation files, stored media, decoding and data loading."""
