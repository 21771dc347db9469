"""What `clipbug report` gathers, part by part."""
