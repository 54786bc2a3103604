"""Training of the byte-level net: data, model, recurrence, optimisers.  Needs torch; nothing of it is in the package."""
