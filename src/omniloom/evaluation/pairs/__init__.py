"""Models of pairs measured: what a translation must beat."""
