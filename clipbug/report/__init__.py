"""Results made for people to look at."""
