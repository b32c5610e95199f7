"""Real clips to be replayed, and what the front end sees of them and of their replays, kept so that it looks once.

Of GRID's speaker s1: takes of phrases cut to their words, about a second each. Of ten other speakers: 1.2 s of one
sentence each. Of s2 and s4: whole sentences of three seconds that begin with the same words. Some phrases and people
are for fitting and choosing, the others for reporting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from replay_changes import CHANGES, Change, Shown, changed

from facemotion.data.manifest import read_manifest
from facemotion.frontend import Frontend
from facemotion.service.replays.surface import Geometry, SurfaceTaker
from facemotion.system.files import file_sha256
from facemotion.types import FeatureSequence

FIT_PHRASES, FIT_TAKES, FIT_PEOPLE, LEARNED_PHRASES = 8, 6, 4, 10
SPOKEN = (0.6, 1.8)
"""Seconds of a sentence that are taken of the ten other people."""
PLAIN = "crf 23"
SAME_SPEAKER = "bbaf2n.mpg"
"""Of the folder of other people, a sentence of s1."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What the front end saw: landmarks (T, N, 2) float32 pixels, how the face looks (T, H, W), features with times."""

    points: NDArray[np.float32]
    surface: NDArray[np.float32]
    features: FeatureSequence


@dataclass(frozen=True)
class Take:
    """A clip, or some seconds of it."""

    path: Path
    span: tuple[float, float] | None = None
    then: Take | None = None

    def shown(self) -> Shown:
        """Its frames; where another take follows, the first half of this one and the second half of that."""
        whole = Shown.read(self.path)
        if self.then:
            other = Shown.read(self.then.path)
            half = Shown(other.frames[len(other.frames) // 2 :], other.times[len(other.frames) // 2 :])
            return Shown(whole.frames[: len(whole.frames) // 2], whole.times[: len(whole.frames) // 2]).followed(half)
        return whole.between(*self.span) if self.span else whole


class ReplayClips:
    """Clips of the data folder, by what they are for.

    Args:
        data: with grid_s1, grid_people and grid_faces.
        cache: where sightings are kept.

    Attributes:
        fit, choose, report: takes of s1's phrases, phrase by phrase.
        learn: those of `fit` and further ones, which the network of the look is trained on (tools/train_look.py).
        fit_people, report_people: one take of each person.
        sentences: of s2 and of s4.
        frontend: which looks.
        geometry: of the pictures of faces; the service's unless another one is set.
    """

    def __init__(self, data: Path, cache: Path) -> None:
        manifest = read_manifest(data / "grid_s1" / "manifest.csv")
        phrases: dict[tuple[str, str], list[Take]] = {}
        for record in manifest.records:
            phrases.setdefault((record.split, record.motion), []).append(Take(manifest.file(record)))
        others = [takes for (split, _), takes in phrases.items() if split == "train"]
        self.fit, self.learn = others[:FIT_PHRASES], others[: FIT_PHRASES + LEARNED_PHRASES]
        self.choose = others[FIT_PHRASES + LEARNED_PHRASES :]
        self.report = [takes for (split, _), takes in phrases.items() if split == "test"]
        people = [path for path in sorted((data / "grid_people").glob("*.mpg")) if path.name != SAME_SPEAKER]
        takes = [Take(path, SPOKEN) for path in people]
        self.fit_people, self.report_people = takes[:FIT_PEOPLE], takes[FIT_PEOPLE:]
        faces = sorted((data / "grid_faces").glob("*.mpg"))
        self.sentences = [[Take(path) for path in faces if path.name.startswith(who)] for who in ("s2", "s4")]
        self._cache = cache
        self.frontend = Frontend.load()

    @property
    def frontend_id(self) -> str:
        """Of the front end that looks."""
        return self.frontend.extractor.frontend_id

    @cached_property
    def geometry(self) -> Geometry:
        """See the class."""
        geometry = Geometry.packaged(self.frontend_id)
        if geometry is None:
            raise SystemExit("There are no directions for this front end; run tools/replay_directions.py.")
        return geometry

    def seen(self, take: Take, name: str = "") -> Seen | None:
        """What the front end sees of a take, changed as CHANGES says; None where it finds no face.

        A replay whose times alone are changed is the one of PLAIN with frames left out or times multiplied.
        """
        if not name:
            return self._look(take, None)
        change = CHANGES[name]
        if not change.timing_alone:
            return self._look(take, change)
        plain = self._look(take, CHANGES[PLAIN])
        if plain is None:
            return None
        count = len(plain.points)
        kept = slice(round(change.first * count), count - round(change.last * count))
        times = plain.features.times[kept] - plain.features.times[kept][0]
        features = FeatureSequence(plain.features.values[kept], times * change.pace, plain.features.frontend_id)
        return Seen(plain.points[kept], plain.surface[kept], features)

    def all_seen(self, takes: Sequence[Take]) -> list[Seen]:
        """What the front end sees of takes, without those that show no face."""
        return [seen for take in takes if (seen := self.seen(take)) is not None]

    def _look(self, take: Take, change: Change | None) -> Seen | None:
        # Without a change the file is what was sent first; seconds out of a file are encoded with care.
        how = change or (CHANGES["crf 18"] if take.span else None)
        about = f"{file_sha256(take.path)} {take.span} {how} {self.frontend_id} {self.geometry.places.tobytes().hex()}"
        if take.then:
            about += f" then {file_sha256(take.then.path)}"
        path = self._cache / f"{hashlib.sha256(about.encode()).hexdigest()}.npz"
        if path.exists():
            with np.load(path) as stored:
                points, surface, values, times = (stored[name] for name in ("points", "surface", "values", "times"))
        else:
            taker = SurfaceTaker(self.geometry)
            seen = self.frontend.watch(changed(take.shown(), how) if how else take.path, watcher=taker)
            points, values, times = seen.points, seen.values, seen.times[seen.used]
            surface = taker.pictures(times).astype(np.float16)
            self._cache.mkdir(parents=True, exist_ok=True)
            np.savez(path, points=points, surface=surface, values=values, times=times)
        if len(times) < 2:
            return None
        return Seen(points, surface.astype(np.float32), FeatureSequence(values, times - times[0], self.frontend_id))
