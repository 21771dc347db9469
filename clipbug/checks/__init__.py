"""What `doctor` and `data check` inspect."""
