"""What was said: the items as the client sees them, and as the model remembers them."""
