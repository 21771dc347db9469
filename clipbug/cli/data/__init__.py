"""The subcommands of `clipbug data`."""
