"""Predictors by name and digest; they know nothing of containers and streams."""
