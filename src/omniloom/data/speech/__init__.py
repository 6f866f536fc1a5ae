"""Speech to learn from, synthesized and recorded, and the listener that judges speech out."""
