"""Make the directions along which recordings are compared (`directions` and `surface` of `facemotion.service.replays`).

    python -m tools.replay_directions DATA --cache CACHE

DATA is the folder that `benchmarks/replays.py` takes; the phrases and people that it reports on are left out. Fitted
are the directions in which takes move most next to what coding does to their landmarks: the generalised eigenvectors of
both covariances. Also made is where the landmarks of a close-up of the face lie. Run it again when the front end
changes, then `tools/train_look.py`, and `benchmarks/replays.py` after it. Recordings that services remember were
compared along the old directions: they are known by their frames alone from then on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from replay_changes import CHANGES, changed
from replay_clips import FIT_TAKES, ReplayClips, Seen, Take

from facemotion.features.mesh import POINTS, SEEN
from facemotion.service.replays import surface
from facemotion.service.replays.directions import CORNERS, PACKAGED, mirror, placed
from facemotion.service.replays.surface import EYES, MIDDLE, Geometry
from facemotion.signals import resample

Floats = NDArray[np.float64]

CODED = ("crf 28", "crf 35", "size 0.5, crf 28", "size 2, crf 23", "cropped by a tenth on each side")
"""What is done to the clips to see what coding does; none changes times."""
COUNT = 6
"""Directions kept: with more, what coding does to the last ones costs more than they tell."""
SHRINKAGE = 1.0
"""See fit."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("sightings"))
    given = parser.parse_args()
    clips = ReplayClips(given.data, given.cache)
    clips.geometry = geometry(clips)
    takes = [take for phrase in clips.fit for take in phrase[:FIT_TAKES]] + clips.fit_people
    altered = [phrase[FIT_TAKES - 1] for phrase in clips.fit] + clips.fit_people

    moving = _covariance([_about(_course(clips.seen(take))) for take in takes])
    coding = _covariance(_apart(clips, altered, CODED))
    directions = fit(coding, moving)[:, :COUNT].astype(np.float32)
    places = np.mean([_course(clips.seen(take)).mean(axis=0) for phrase in clips.fit for take in phrase[:1]], axis=0)
    mirrored = mirror(directions, places.reshape(-1, 2))
    named = np.array(clips.frontend_id)
    np.savez(PACKAGED, frontend_id=named, directions=directions, mirrored=mirrored)
    still, places = clips.geometry.still, clips.geometry.places
    np.savez(surface.PACKAGED, frontend_id=named, still=still, places=places)
    for path in (PACKAGED, surface.PACKAGED):
        print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def geometry(clips: ReplayClips) -> Geometry:
    """Where the landmarks that expressions hardly move lie on the mean of a few takes and of their mirror images."""
    moving = set(POINTS.tolist())
    still = [number for number, point in enumerate(SEEN) if point not in moving or number in CORNERS]
    shown = [changed(phrase[0].shown(), CHANGES[how]) for phrase in clips.fit for how in ("crf 18", "mirrored")]
    watched = [clips.frontend.watch(clip).points for clip in shown]
    mean = np.mean([placed(points).mean(axis=0) for points in watched], axis=0, dtype=np.float64).reshape(-1, 2)
    return Geometry(np.array(still), EYES * mean[still] + MIDDLE)


def fit(coding: Floats, takes: Floats, shrinkage: float = SHRINKAGE) -> Floats:
    """Directions in which takes vary most, next to what coding does.

    Args:
        coding, takes: (D, D) covariances.
        shrinkage: times the mean variance of coding that is added to it, which few clips show in every direction.
    Returns:
        (D, D) float64, a direction a column, the best first, each with variance 1 of coding.
    """
    values, axes = np.linalg.eigh(coding)
    whitened = axes / np.sqrt(values + shrinkage * values.mean())
    _, turned = np.linalg.eigh(whitened.T @ takes @ whitened)
    return whitened @ turned[:, ::-1]


def _covariance(courses: list[Floats]) -> Floats:
    joined = np.concatenate(courses)
    return joined.T @ joined / len(joined)


def _course(seen: Seen | None) -> Floats:
    """(L, 2N) where the landmarks lie."""
    seen = _found(seen)
    return resample(placed(seen.points), seen.features.times).astype(np.float64)


def _found(seen: Seen | None) -> Seen:
    if seen is None:
        raise SystemExit("A clip to fit shows no face; this front end can't be fitted.")
    return seen


def _about(course: Floats) -> Floats:
    return course - course.mean(axis=0)


def _apart(clips: ReplayClips, takes: Sequence[Take], names: Sequence[str]) -> list[Floats]:
    """What changes do to the courses of takes."""
    found = []
    for take in takes:
        for name in names:
            one, other = _course(clips.seen(take)), _course(clips.seen(take, name))
            length = min(len(one), len(other))
            found.append(_about(other[:length] - one[:length]))
    return found


if __name__ == "__main__":
    main()
