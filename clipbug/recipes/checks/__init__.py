"""What `clipbug data check` looks for, one module per thing that is looked at."""
