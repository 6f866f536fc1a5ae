"""`/v1/completions`: text that answers a text, and how likely given texts are."""
