"""Training of what the bases of pixels and of samples start from; see scripts/train_media.py."""
