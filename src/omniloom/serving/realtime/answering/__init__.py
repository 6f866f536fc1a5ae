"""Responses: what is asked of the model, and what of it is told, in which voice."""
