"""Batches of S subjects x M motions x K takes, so every clip has a positive partner and hard negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from facemotion.config import option
from facemotion.errors import TrainingError
from facemotion.types import ClipRecord

T = TypeVar("T")


@dataclass(frozen=True)
class SamplerSettings:
    """Make-up of a batch."""

    subjects: int = option(8, "S, subjects in a batch; fewer where the set has fewer", minimum=1, maximum=1024)
    motions: int = option(5, "M, motions of each subject in a batch; fewer where it has fewer", minimum=2, maximum=1024)
    takes: int = option(2, "K, takes of each motion in a batch; fewer where it has fewer", minimum=2, maximum=256)
    together: bool = option(
        False, "a motion is drawn with its near misses, the hardest negatives that there are; they come on top of M"
    )
    alike: bool = option(
        False, "subjects are drawn with motions of the same names, so that people who do the same are distinguished"
    )
    splices: int = option(
        0, "made-up motions of each subject on top of M: the beginning of one and the end of another", minimum=0
    )


@dataclass(frozen=True, eq=False)
class Labels:
    """Numbers of the subject and of the motion of each clip. Motions of two subjects have two numbers, even with one
    name.

    Attributes:
        subjects, motions: (N,) int64.
        originals: (N,) int64; for a near miss, the motion that it comes near to.
        names: (N,) int64 numbers of the motions' names; motions of the same name share one.
    """

    subjects: NDArray[np.int64]
    motions: NDArray[np.int64]
    originals: NDArray[np.int64]
    names: NDArray[np.int64]


def number_labels(records: Sequence[ClipRecord]) -> Labels:
    """Number the subjects and motions of records in order of appearance."""
    subjects = {name: i for i, name in enumerate(dict.fromkeys(r.subject for r in records))}
    names = [(r.subject, r.motion) for r in records] + [(r.subject, r.original) for r in records]
    motions = {name: i for i, name in enumerate(dict.fromkeys(names))}
    shared = {name: i for i, name in enumerate(dict.fromkeys(r.original for r in records))}
    return Labels(
        np.array([subjects[r.subject] for r in records], dtype=np.int64),
        np.array([motions[r.subject, r.motion] for r in records], dtype=np.int64),
        np.array([motions[r.subject, r.original] for r in records], dtype=np.int64),
        np.array([shared[r.original] for r in records], dtype=np.int64),
    )


class BatchSampler:
    """Draws batches of positions.

    Subjects and motions are drawn evenly, takes without replacement. A motion of a single take is never drawn; nor is a
    subject with fewer than two motions left, since it has no negative pair inside itself.

    Args:
        labels: of the training clips.
        settings: S, M and K.
        offset: added to the positions, for a source that comes after others in a training set.
    Raises:
        TrainingError: no subject has two motions of two takes.
    """

    def __init__(self, labels: Labels, settings: SamplerSettings, offset: int = 0) -> None:
        self.settings = settings
        # Of each subject, families of motions that are drawn together; of each motion, positions of its takes.
        self.families: list[list[list[NDArray[np.int64]]]] = []
        self.names = labels.names
        self.offset = offset
        for subject in np.unique(labels.subjects):
            families: dict[int, list[NDArray[np.int64]]] = {}
            for motion in np.unique(labels.motions[labels.subjects == subject]):
                takes = np.flatnonzero(labels.motions == motion)
                if len(takes) >= 2:
                    key = int(labels.originals[takes[0]] if settings.together else motion)
                    families.setdefault(key, []).append(takes + offset)
            if sum(map(len, families.values())) >= 2:
                self.families.append(list(families.values()))
        if not self.families:
            raise TrainingError(
                "No subject has two motions of two takes each; record more takes or check the manifest."
            )

    def draw(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """(at most S * M * K,) int64 positions of clips; more where near misses come on top."""
        batch = []
        wanted = rng.permutation(self.names.max() + 1) if self.settings.alike else None
        for families in _some(rng, self.families, self.settings.subjects):
            for family in self._choose(rng, families, wanted):
                for takes in family:
                    batch.append(rng.permutation(takes)[: self.settings.takes])
        return np.concatenate(batch)

    def _choose(
        self, rng: np.random.Generator, families: list[list[NDArray[np.int64]]], wanted: NDArray[np.int64] | None
    ) -> list[list[NDArray[np.int64]]]:
        """M families of motions: any of them, or those whose names come first in an order that all subjects share."""
        if wanted is None:
            return _some(rng, families, self.settings.motions)
        places = [wanted[self.names[family[0][0] - self.offset]] for family in families]
        return [families[i] for i in np.argsort(places)[: self.settings.motions]]


def _some(rng: np.random.Generator, items: Sequence[T], count: int) -> list[T]:
    return [items[i] for i in rng.permutation(len(items))[:count]]
