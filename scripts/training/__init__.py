"""Training of the byte-level net: data, model, recurrence, optimisers.  Needs torch; the package has none of it."""
