"""Triangles into pixels: the rasteriser, vertices under light, and resampling of pictures."""
