"""Where in a recording somebody speaks, told by its sound: true rest, whatever the face does."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

WINDOW = 0.02  # seconds of sound of which one loudness is taken
LOUD_SHARE = 0.45  # of the way from the quietest to the loudest windows, in decibels, above which somebody speaks
PAUSE = 0.3  # seconds of quiet within a sentence, at most: a breath or a click that is further away isn't of it


def speech_span(path: Path) -> tuple[float, float]:
    """When speech begins and ends, seconds from the first picture.

    Raises:
        ValueError: the file has no sound, or nobody speaks in it.
    """
    with av.open(str(path)) as container:
        if not container.streams.audio:
            raise ValueError(f"{path} has no sound")
        start = next(container.decode(video=0)).time
    with av.open(str(path)) as container:
        pieces = list(container.decode(audio=0))
    rate, begin = pieces[0].sample_rate, pieces[0].time
    sound = np.concatenate(
        [piece.to_ndarray().astype(np.float64).reshape(-1, piece.samples) for piece in pieces], axis=1
    )
    length = round(WINDOW * rate)
    windows = sound[:, : sound.shape[1] // length * length].reshape(len(sound), -1, length)
    loudness = 10 * np.log10((windows**2).mean(axis=(0, 2)) + 1e-12)
    quiet, loud = np.percentile(loudness, [10, 95])
    speaks = np.flatnonzero(loudness > quiet + LOUD_SHARE * (loud - quiet))
    if not len(speaks):
        raise ValueError(f"nobody speaks in {path}")
    runs = np.split(speaks, np.flatnonzero(np.diff(speaks) > PAUSE / WINDOW) + 1)
    longest = max(runs, key=lambda run: run[-1] - run[0])
    return begin - start + longest[0] * WINDOW, begin - start + (longest[-1] + 1) * WINDOW
