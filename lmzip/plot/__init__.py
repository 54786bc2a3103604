"""Pictures of what a model finds hard."""
