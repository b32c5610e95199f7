"""Tiny series that say what they show."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from facemotion.data.series.base import PointSeries
from facemotion.data.series.grid33 import NAMES

MOUTH = np.array([[-16, 55], [16, 55], [0, 54], [0, 57], [0, 92], [6, 54], [-6, 54], [6, 57], [-6, 57]], np.float32)
"""Where NAMES lie, in pixels from the middle between the eyes."""
WORDS = ("bin", "blue", "at", "f", "two", "now")


def mouth(seed: int, frames: int = 24) -> np.ndarray:
    """(frames, 9, 2) float32 of a mouth that opens and closes in a way of its own."""
    rng = np.random.default_rng(seed)
    opening = np.interp(np.arange(frames), np.linspace(0, frames, 6), rng.uniform(0, 8, 6))
    values = np.repeat(MOUTH[None], frames, axis=0)
    values[:, [3, 4, 7, 8], 1] += opening[:, None]
    return values + rng.normal(0, 0.05, values.shape).astype(np.float32)


def series(**changes) -> PointSeries:
    """One take of the motion "m" by "anna", 25 frames/s; any argument of PointSeries may be changed."""
    values = changes.pop("values", mouth(0))
    given = {"times": np.arange(len(values)) / 25, "names": NAMES, "unit": "pixel"}
    given |= {"subject": "anna", "motion": "m", "kind": "lip"} | changes
    return PointSeries(np.asarray(values, np.float32), **given)


def write_speaker(folder: Path, name: str, takes: int = 2, seed: int = 0, **changes: np.ndarray) -> Path:
    """One file of the format grid33: two phrases and two ends, so many takes of each; arrays may be replaced."""
    said = (WORDS, ("set", *WORDS[1:4], "six", WORDS[5]))
    sentences = [said[n % 2] for n in range(2 * takes)]
    points = np.concatenate([mouth(100 * seed + n, 32) for n in range(len(sentences))])
    arrays = {
        "points": np.round(points * 32).astype(np.int16),
        "clip": np.array([f"clip{n}" for n in range(len(sentences))]),
        "first": np.arange(len(sentences), dtype=np.int32) * 32,
        "words": np.array([(*words[:2], "sp", *words[2:], "") for words in sentences]),
        "frames": np.tile(np.array([6, 6, 2, 4, 4, 5, 5, 0], np.int16), (len(sentences), 1)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", **(arrays | changes))
    return folder / f"{name}.npz"


def write_list(folder: Path, *rows: tuple[str, str, str, int]) -> None:
    """clips.csv of (path, subject, motion, repetition)."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "subject", "motion", "kind", "repetition", "session"])
        writer.writerows([path, subject, motion, "facial", take, 1] for path, subject, motion, take in rows)
