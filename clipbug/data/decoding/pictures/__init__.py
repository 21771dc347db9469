"""Decode still and animated images as viewers and browsers show them."""
