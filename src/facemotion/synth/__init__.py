"""Simulated people who perform facial motions, with ground truth (extra: synth).

Six floors; each knows those below alone: `drawing` (triangles into pixels), `people` (heads fitted to portraits),
`performance` (what a face does, and how takes differ), `filming` (pose, light and camera), `sets` (many clips with
their truth, resumable), `points` (people without pictures).
"""
