"""Simulated people performing facial motions, with ground truth (extra: synth).

The story, in reading order: `assets` (what is needed on disk), `head` (the 3-D head), `fit` (a photograph becomes a
person), `person` (new people), `motion` and `lips` (what is performed), `takes` (how it is repeated), `scene` (pose and
light), `render` (pictures), `camera` (what an imperfect camera makes of them), `truth` (landmarks and weights a frame),
`dataset` (many clips, resumable).
"""
