"""Still and animated pictures as viewers and browsers show them."""
