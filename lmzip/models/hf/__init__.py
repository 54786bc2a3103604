"""Any causal language model that transformers runs, in floating point, as a predictor (docs/HF.md).

torch and transformers are imported by modules of this package only, and only where a model is used.
"""
