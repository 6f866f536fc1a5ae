"""Tokens through a whole decoder: one row, many rows, or a prompt."""
