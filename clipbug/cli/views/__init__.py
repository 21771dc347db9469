"""Tables that commands print in a terminal."""
