"""Figures from scores: what a score file says about a system. Nothing here needs a model."""
