"""How the clips of a manifest are cut into training and test sets."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import DataError
from facemotion.types import ClipKind, ClipRecord


@dataclass(frozen=True, eq=False)
class Fold:
    """Positions of records: train (N,) and test (M,) int64, both rising. No position is in both.

    If a motion is held out, clips that imitate it by a person who isn't held out are in neither.
    """

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def subject_folds(records: Sequence[ClipRecord], count: int = 10, seed: int = 0) -> list[Fold]:
    """Folds without a common subject: what verification asks for, since its users were never trained on.

    A mimic goes with the subject who imitates, like every other clip of that subject.

    Args:
        records: of a manifest.
        count: number of folds, at least 2.
        seed: of the order in which subjects are dealt out.
    Raises:
        DataError: fewer than two folds, or fewer subjects than folds.
    """
    owners = _owners(records)

    def imitated(record: ClipRecord) -> str:
        return owners[record.motion][0] if record.kind == ClipKind.MIMIC and record.motion in owners else record.subject

    return _folds(records, lambda r: r.subject, imitated, count, seed, "subjects")


def motion_folds(records: Sequence[ClipRecord], count: int = 10, seed: int = 0) -> list[Fold]:
    """Folds without a common motion; a subject's other motions may be trained on.

    This is the paper's policy as far as can be known. Section 4 isolates one fold of ten and doesn't say what is
    divided. It can hardly be clips: with ten takes a motion, a fold of clips would have hardly a positive pair to test
    on. Figures measured this way flatter a system whose users are new to it; `subject_folds` doesn't. Near misses and
    mimics of a motion go with it.

    Args:
        records, count, seed: as in `subject_folds`.
    Raises:
        DataError: fewer than two folds, or fewer motions than folds.
    """
    owners = _owners(records)

    def motion(record: ClipRecord) -> Hashable:
        performed = (record.subject, record.original)
        return owners.get(record.motion, performed) if record.kind == ClipKind.MIMIC else performed

    return _folds(records, motion, motion, count, seed, "motions")


FOLD_POLICIES: dict[str, Callable[[Sequence[ClipRecord], int, int], list[Fold]]] = {
    "subject": subject_folds,
    "paper": motion_folds,
}


def _owners(records: Sequence[ClipRecord]) -> dict[str, tuple[str, str]]:
    """(subject, motion) by the name of each motion that may be mimicked. No other subject uses such a name."""
    return {r.motion: (r.subject, r.motion) for r in records if r.kind != ClipKind.MIMIC}


def _folds(
    records: Sequence[ClipRecord],
    unit: Callable[[ClipRecord], Hashable],
    imitated: Callable[[ClipRecord], Hashable],
    count: int,
    seed: int,
    name: str,
) -> list[Fold]:
    """Folds of units. A fold trains on a clip if it holds out neither the clip's unit nor the unit that the clip
    imitates."""
    units = list(dict.fromkeys(unit(r) for r in records))
    if count < 2:
        raise DataError(f"Cross-validation needs at least 2 folds, got {count}.")
    if len(units) < count:
        raise DataError(
            f"{count} folds need at least {count} {name}, the manifest has {len(units)}; ask for fewer folds."
        )
    order = np.random.default_rng(seed).permutation(len(units))
    fold_of = {units[i]: place % count for place, i in enumerate(order)}
    folds = np.array([fold_of[unit(r)] for r in records])
    others = np.array([fold_of[imitated(r)] for r in records])
    return [Fold(np.flatnonzero((folds != k) & (others != k)), np.flatnonzero(folds == k)) for k in range(count)]
