"""Recordings: what is taken of a clip, and whether it was seen before, whatever was done to it since."""
