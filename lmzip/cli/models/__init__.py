"""The program lmzip-models: what is here of models, and how more come."""
