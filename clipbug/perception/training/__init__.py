"""How the touch detector is trained: marks of many kinds drawn over real and drawn screens."""
