"""Models of the Llama family as others give them away, turned into lmzip's own weight files (ARITHMETIC 9.11)."""

from lmzip.models.importing.convert import DEFAULT_WIDE, DEFAULT_WINDOW, import_model, suggested_name

__all__ = ["DEFAULT_WIDE", "DEFAULT_WINDOW", "import_model", "suggested_name"]
