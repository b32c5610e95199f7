"""Make the directions along which recordings are compared (`facemotion.service.guard.likeness`).

    python -m tools.replay_directions DATA --cache CACHE

DATA is the folder that `benchmarks/replays.py` takes; the phrases and people that it reports on are left out. Fitted
are the directions in which takes move most next to what coding does to their landmarks: the generalised eigenvectors of
both covariances. Run it again when the front end changes, and `benchmarks/replays.py` after it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from replay_clips import FIT_TAKES, ReplayClips, Seen

from facemotion.service.guard.likeness import PACKAGED, mirror, placed
from facemotion.signals import resample

Floats = NDArray[np.float64]

CODED = ("crf 28", "crf 35", "size 0.5, crf 28", "size 2, crf 23", "cropped by a tenth on each side")
"""What is done to the clips to see what coding does; none changes times."""
COUNT = 6
"""Directions kept: with more, what coding does to the last ones costs more than they tell."""
SHRINKAGE = 1.0
"""Times the mean variance that is added to that of coding, which few clips show in every direction."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("sightings"))
    parser.add_argument("--out", type=Path, default=PACKAGED)
    given = parser.parse_args()
    clips = ReplayClips(given.data, given.cache)
    takes = [_centred(clips.seen(take)) for phrase in clips.fit for take in phrase[:FIT_TAKES]]
    takes += [_centred(clips.seen(take)) for take in clips.fit_people]
    coding = [
        _apart(clips.seen(take), clips.seen(take, name))
        for take in [*(phrase[FIT_TAKES - 1] for phrase in clips.fit), *clips.fit_people]
        for name in CODED
    ]
    directions = fit(_covariance(coding), _covariance(takes))[:, :COUNT].astype(np.float32)
    places = np.mean([_course(clips.seen(take)).mean(axis=0) for phrase in clips.fit for take in phrase[:1]], axis=0)
    mirrored = mirror(directions, places.reshape(-1, 2))
    np.savez(given.out, frontend_id=np.array(clips.frontend_id), directions=directions, mirrored=mirrored)
    print(f"{given.out}: {directions.shape[1]} directions, {given.out.stat().st_size / 1000:.0f} kB")


def fit(coding: Floats, takes: Floats) -> Floats:
    """Directions in which takes vary most, next to what coding does.

    Args:
        coding, takes: (D, D) covariances.
    Returns:
        (D, D) float64, a direction a column, the best first, each with variance 1 of coding.
    """
    values, axes = np.linalg.eigh(coding)
    whitened = axes / np.sqrt(values + SHRINKAGE * values.mean())
    _, turned = np.linalg.eigh(whitened.T @ takes @ whitened)
    return whitened @ turned[:, ::-1]


def _covariance(courses: list[Floats]) -> Floats:
    joined = np.concatenate(courses)
    return joined.T @ joined / len(joined)


def _course(seen: Seen | None) -> Floats:
    if seen is None:
        raise SystemExit("A clip to fit shows no face; this front end can't be fitted.")
    return resample(placed(seen.points), seen.features.times).astype(np.float64)


def _centred(seen: Seen | None) -> Floats:
    course = _course(seen)
    return course - course.mean(axis=0)


def _apart(original: Seen | None, replay: Seen | None) -> Floats:
    one, other = _course(original), _course(replay)
    length = min(len(one), len(other))
    apart = other[:length] - one[:length]
    return apart - apart.mean(axis=0)


if __name__ == "__main__":
    main()
