"""Generate synthetic recordings and screenshots of apps, with questions about them, for `demo` and tests."""
