"""The measurements of `clipbug benchmark`, and reimplementations of ClipBERT to compare with."""
