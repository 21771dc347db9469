"""The tables that commands print in a terminal."""
