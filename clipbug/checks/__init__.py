"""The checks of `clipbug doctor` and `clipbug data check`."""
