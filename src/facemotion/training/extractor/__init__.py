"""Training of the spatial feature extractor."""
