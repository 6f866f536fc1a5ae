"""Any model on any problem of pairs: train, decode, average, export, and what a result is measured against."""
