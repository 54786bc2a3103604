"""The bytes of a file (FORMAT): headers, block heads, trailers, and the sequence of them; bytes <-> checked records.

Knows no model and no coder, and does no I/O of its own.
"""
