"""Series of points instead of clips: what a tracker saw, read, checked and written as a manifest with features."""
