"""What tests/vectors consists of; written by scripts/make_vectors.py."""
