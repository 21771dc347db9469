"""2-D networks over frames."""
