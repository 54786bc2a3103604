"""What is learned from one's own files before they are compressed."""
