"""What scripts/make_share.py writes, a module for each kind."""
