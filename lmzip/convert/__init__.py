"""Models of others, of the kinds of Llama, Qwen and Gemma, turned into lmzip's own weight files (TRANSFORMER 11)."""

from lmzip.convert.llama import DEFAULT_INT15, DEFAULT_WINDOW, import_model, suggested_name
from lmzip.tokenizers.kept import read_kept

__all__ = ["DEFAULT_INT15", "DEFAULT_WINDOW", "import_model", "read_kept", "suggested_name"]
