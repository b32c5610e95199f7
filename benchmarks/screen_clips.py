"""Clips of real and of rendered people, filmed again, and what is noted of them; kept, so that nothing is done twice.

Nobody is in both parts. What is drawn for the part that is reported on is drawn from ranges half as wide again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from screen_films import KINDS, Draws, Shown, masked, printed, screen, straight
from screen_fit import GENUINE

from facemotion.config import Settings, VerifierSettings
from facemotion.data.manifest import read_manifest
from facemotion.frontend import Acquirer, Frontend
from facemotion.media import Source, read_frames
from facemotion.presentation.traces import Traces, TraceTaker

Part = Literal["fit", "report", "further"]
"""To fit, to report on, and further clips of real people, which aren't filmed again."""
FRAMES = 45
REACH = {"fit": 1.0, "report": 1.5}
SAME_SPEAKER = "bbaf2n.mpg"
"""Of the folder of ten speakers, a sentence of s1."""
FIT_RENDERED, REPORT_RENDERED = 12, 12
ATTACKS = (*KINDS, "print, moved and bent", "mask with holes")
FILM_VERSION = 3
"""Raise it when films change."""


@dataclass(frozen=True)
class SourceClip:
    """A clip of one person: the part it belongs to, who, whether they are real, the file."""

    part: Part
    person: str
    real: bool
    path: Path


@dataclass(frozen=True, eq=False)
class Noted:
    """What was noted of one film.

    Attributes:
        source: of the clip.
        family: one of GENUINE or ATTACKS.
        traces: of the film.
        points: (T, N, 2) landmarks.
        times: (T,) seconds.
        face_share: of frames with a face.
    """

    source: SourceClip
    family: str
    traces: Traces
    points: NDArray[np.float32]
    times: NDArray[np.float64]
    face_share: float


def sources(data: Path, rendered: Path) -> Iterator[SourceClip]:
    """All clips: of s1, s2 and twelve rendered people to fit; of s4, ten speakers and twelve others to report on; and
    further ones of s1, s2 and s4."""
    manifest = read_manifest(data / "grid_s1" / "manifest.csv")
    spoken = {record.motion: manifest.file(record) for record in manifest.records if record.split == "train"}
    for path in [spoken[name] for name in sorted(spoken)[:5]]:
        yield SourceClip("fit", "s1", True, path)
    for path in sorted((data / "grid_faces").glob("s2_*.mpg"))[:5]:
        yield SourceClip("fit", "s2", True, path)
    for path in sorted((data / "grid_faces").glob("s4_*.mpg"))[:4]:
        yield SourceClip("report", "s4", True, path)
    for path in sorted((data / "grid_people").glob("*.mpg")):
        if path.name != SAME_SPEAKER:
            yield SourceClip("report", path.stem, True, path)
    people = sorted(path for path in rendered.iterdir() if path.is_dir())[: FIT_RENDERED + REPORT_RENDERED]
    for number, folder in enumerate(people):
        takes = sorted(folder.glob("*-fm*-*.mp4"))
        part: Part = "fit" if number < FIT_RENDERED else "report"
        yield SourceClip(part, folder.name, False, takes[(7 * number) % len(takes)])
    for path in [spoken[name] for name in sorted(spoken)[5:]]:
        yield SourceClip("further", "s1", True, path)
    for name, first in (("s2", 5), ("s4", 4)):
        for path in sorted((data / "grid_faces").glob(f"{name}_*.mpg"))[first:]:
            yield SourceClip("further", name, True, path)


class ScreenClips:
    """Films of clips and what was noted of them.

    Args:
        data: with grid_s1, grid_faces and grid_people.
        rendered: a folder of folders of clips of rendered people.
        cache: where notes are kept.

    Attributes:
        sources: all clips.
        frontend: that looks, and doesn't judge.
    """

    def __init__(self, data: Path, rendered: Path, cache: Path) -> None:
        self.sources = list(sources(data, rendered))
        self._cache = cache
        self.frontend = Frontend.load(Settings(verifier=VerifierSettings(presentation="off")))
        cache.mkdir(parents=True, exist_ok=True)

    def all(self) -> Iterator[Noted]:
        """Every film of every clip, source by source."""
        for number, source in enumerate(self.sources):
            for family in GENUINE[:1] if source.part == "further" else (*GENUINE, *ATTACKS):
                yield self.noted(number, source, family)

    def noted(self, number: int, source: SourceClip, family: str) -> Noted:
        """What was noted of a film of the clip of that number."""
        about = f"{FILM_VERSION} {source.path.name} {source.path.stat().st_size} {family} {source.part} {number}"
        path = self._cache / f"{hashlib.sha256(about.encode()).hexdigest()[:24]}.npz"
        if not path.exists():
            film: Source = source.path if family == GENUINE[0] else self._film(number, source, family)
            _keep(path, *self._look(film))
        with np.load(path) as stored:
            traces = Traces(*(stored[name] for name in Traces.__dataclass_fields__))
            return Noted(source, family, traces, stored["points"], stored["times"], float(stored["face_share"]))

    def _film(self, number: int, source: SourceClip, family: str) -> bytes:
        shown = self._shown(number)
        draws = Draws(1000 * number + (*GENUINE, *ATTACKS).index(family), REACH[source.part])
        if family in KINDS:
            return screen(shown, KINDS[family], draws)
        if family in GENUINE:
            return straight(shown, draws, by_hand=family == GENUINE[2])
        if family == ATTACKS[-2]:
            return printed(shown, draws)
        others = [
            place
            for place, other in enumerate(self.sources)
            if other.part == source.part and other.person != source.person
        ]
        return masked(shown, self._shown(others[number % len(others)]), draws)

    def _shown(self, number: int) -> Shown:
        path = self.sources[number].path
        seen = self.noted(number, self.sources[number], GENUINE[0])
        whole = Shown.read(path, FRAMES)
        at = np.searchsorted(seen.times, whole.times - 1e-6).clip(max=len(seen.times) - 1)
        return Shown(whole.frames, whole.times, seen.points[at])

    def _look(self, film: Source) -> tuple[Traces, NDArray[np.float32], NDArray[np.float64], float]:
        acquirer, taker = Acquirer(self.frontend, attacks=False), TraceTaker()
        for number, (frame, seconds) in enumerate(read_frames(film, self.frontend.settings.media)):
            if number >= FRAMES:
                break
            answer = acquirer.push_admitted(frame, seconds)
            if answer.used and answer.box is not None:
                taker.push(frame, answer.box, acquirer._points[-1], seconds)
        seen = acquirer.sighting()
        return taker.traces(), seen.points, seen.times[seen.used], float(seen.found.mean())


def _keep(path: Path, traces: Traces, points: NDArray[np.float32], times: NDArray[np.float64], share: float) -> None:
    arrays = {name: getattr(traces, name) for name in Traces.__dataclass_fields__}
    np.savez_compressed(path, points=points, times=times, face_share=share, **arrays)
