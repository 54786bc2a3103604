"""Traces of what a decoder computes, for the specifications; written by scripts/make_trace.py."""
