"""Training of the byte-level net: data, model, recurrence, optimisers, weight files.  Needs torch."""
