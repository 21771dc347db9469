"""Import configs and weights of other projects, and export models for them."""
