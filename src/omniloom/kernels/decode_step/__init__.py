"""One token through a whole decoder for one row."""
