"""Training of the sequence encoder."""
