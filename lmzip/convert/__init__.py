"""Models of the Llama family as others give them away, turned into lmzip's own weight files (TRANSFORMER 11)."""

from lmzip.convert.llama import DEFAULT_INT15, DEFAULT_WINDOW, import_model, suggested_name

__all__ = ["DEFAULT_INT15", "DEFAULT_WINDOW", "import_model", "suggested_name"]
