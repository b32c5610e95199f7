"""The service's rule on what the front end saw of recordings, and what single parts of it would tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from replay_clips import Seen

from facemotion.service.replays.comparison import Comparison, compare, compare_surfaces
from facemotion.service.replays.directions import Directions
from facemotion.service.replays.memory import is_doubtful, is_replay
from facemotion.service.replays.surface import SurfaceReader
from facemotion.service.settings import ReplaySettings
from facemotion.types import FloatArray

Courses = tuple[tuple[FloatArray, FloatArray], ...]


@dataclass(frozen=True, eq=False)
class Compared:
    """A recording with earlier ones: where its landmarks lie, and how its face looks."""

    placed: Comparison
    surface: Comparison

    def by_landmarks(self) -> Compared:
        """What would be known without the look of the face."""
        return Compared(self.placed, _nothing(self.surface))

    def by_look(self) -> Compared:
        """What would be known without the landmarks."""
        return Compared(_nothing(self.placed), self.surface)

    def by_single_ones(self) -> Compared:
        """What would be known, were short pieces looked for in one recording at a time."""
        return Compared(*(replace(one, joined=0.0) for one in (self.placed, self.surface)))


def _nothing(found: Comparison) -> Comparison:
    nothing = np.zeros_like(found.whole)
    return replace(found, whole=nothing - 1, pieces=nothing, joined=0.0, share=0.0, warped=nothing)


class Rule:
    """The service's rule; its comparison of features has no part in it.

    Args:
        frontend_id: of the front end that saw the recordings.
        settings: of replays.
    """

    def __init__(self, frontend_id: str, settings: ReplaySettings) -> None:
        directions, reader = Directions.packaged(frontend_id), SurfaceReader.packaged(frontend_id)
        if directions is None or reader is None:
            raise SystemExit("There are no directions for this front end; run tools/replay_directions.py.")
        self._directions, self._reader = directions, reader
        self._settings = settings

    def compared(self, seen: Seen, before: Sequence[Seen]) -> Compared:
        """A recording with earlier ones."""
        return self._compared(self._courses(seen), [self._courses(earlier) for earlier in before])

    def within(self, takes: Sequence[Seen]) -> list[Compared]:
        """Takes of one motion, each but the first compared with those before it."""
        courses = [self._courses(seen) for seen in takes]
        return [self._compared(one, courses[:number]) for number, one in enumerate(courses) if number]

    def is_replay(self, found: Compared) -> bool:
        """Whether a recording counts as a replay."""
        return is_replay(found.placed, found.surface, self._settings)

    def is_doubtful(self, found: Compared) -> bool:
        """Whether a step is asked for of a recording that isn't called a replay."""
        return is_doubtful(found.surface, self._settings)

    def _courses(self, seen: Seen) -> Courses:
        """Of the landmarks, of how the face changes and of how it looks, each as the picture is and mirrored."""
        times = seen.features.times
        return self._directions.courses(seen.points, times), *self._reader.courses(seen.surface, times)

    @staticmethod
    def _compared(one: Courses, others: Sequence[Courses]) -> Compared:
        placed, changes, looks = ([other[part][0] for other in others] for part in range(3))
        return Compared(compare(one[0], placed), compare_surfaces(one[1], one[2], changes, looks))
