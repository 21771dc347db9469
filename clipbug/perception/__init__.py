"""What a recording shows: its screens, their text, and what the user did."""
