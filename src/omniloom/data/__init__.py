"""Problems, data sources, and the readers and judges of answers."""
