"""Score files: scored trials on disk, as npz (exact, small) or CSV (for other tools). The suffix decides."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from facemotion.data.npz import DAMAGE, open_npz
from facemotion.errors import DataError
from facemotion.system.files import whole
from facemotion.types import TRIAL_KINDS, ScoredTrials, TrialKind

OF_ONE_PERSON = (TrialKind.GENUINE, TrialKind.SAME_PERSON, TrialKind.NEAR_MISS, TrialKind.OTHER_ORDER)
COLUMNS = ("score", "kind", "subject_a", "subject_b", "motion_a", "motion_b")


def write_scores(path: Path, trials: ScoredTrials) -> None:
    """Write trials to `path`, whose suffix is .npz or .csv, whole or not at all.

    Raises:
        DataError: another suffix, or the file can't be written.
    """
    check_suffix(path)
    try:
        with whole(path) as draft:
            if path.suffix == ".npz":
                with draft.open("wb") as file:
                    np.savez_compressed(
                        file, scores=trials.scores, kinds=trials.kinds, subjects=trials.subjects, motions=trials.motions
                    )
            else:
                with draft.open("w", newline="", encoding="utf-8") as text:
                    writer = csv.writer(text, lineterminator="\n")
                    writer.writerow(COLUMNS)
                    kinds = [TRIAL_KINDS[k] for k in trials.kinds]
                    sides = np.hstack([trials.subjects, trials.motions]).tolist()
                    writer.writerows(
                        [repr(float(score)), kind, *side]
                        for score, kind, side in zip(trials.scores, kinds, sides, strict=True)
                    )
    except OSError as error:
        raise DataError(f"Can't write the score file {path}: {error.strerror}.") from error


def check_suffix(path: Path) -> None:
    """See that the name is one of a score file.

    Raises:
        DataError: it isn't.
    """
    if path.suffix not in (".npz", ".csv"):
        raise DataError(f"A score file ends in .npz or .csv, not {path.suffix or 'nothing'}; rename {path}.")


def read_scores(path: Path) -> ScoredTrials:
    """Read a score file that `write_scores` or another tool wrote.

    A CSV has the columns score, kind (a value of `TrialKind`), subject_a, subject_b, motion_a and motion_b (whole
    numbers; motions of two subjects have two numbers).

    Raises:
        DataError: no such file, another suffix, a missing column, a bad value, or numbers that say another kind.
    """
    check_suffix(path)
    try:
        trials = _read_npz(path) if path.suffix == ".npz" else _read_csv(path)
        _check_sides(trials)
    except OSError as error:
        raise DataError(f"Can't read the score file {path}: {error.strerror or error}.") from error
    except (csv.Error, *DAMAGE) as error:
        raise DataError(
            f"{path} is not a score file: {error}; see docs/reference/commands.md, `facemotion evaluate`."
        ) from error
    return trials


def _check_sides(trials: ScoredTrials) -> None:
    one_person, one_motion = (sides[:, 0] == sides[:, 1] for sides in (trials.subjects, trials.motions))
    wrong = (one_person != np.isin(trials.kinds, [kind.code for kind in OF_ONE_PERSON])) | (one_motion != trials.labels)
    if wrong.any():
        place = int(np.argmax(wrong))
        people = "one person" if one_person[place] else "two people"
        motions = "one motion" if one_motion[place] else "two motions"
        kind = TRIAL_KINDS[trials.kinds[place]]
        raise ValueError(f"trial {place + 1} is called '{kind}', but by its numbers it is of {people} and {motions}")


def _read_npz(path: Path) -> ScoredTrials:
    with open_npz(path) as file:
        kinds = file["kinds"]
        return ScoredTrials(file["scores"], kinds == TrialKind.GENUINE.code, kinds, file["subjects"], file["motions"])


def _read_csv(path: Path) -> ScoredTrials:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"it lacks the column {missing[0]!r}")
        rows = [[row[c] for c in COLUMNS] for row in reader]
    kinds = np.array([TrialKind(row[1]).code for row in rows], dtype=np.uint8)
    sides = np.array([row[2:] for row in rows], dtype=np.int32).reshape(len(rows), 4)
    return ScoredTrials(
        np.array([row[0] for row in rows], dtype=np.float32),
        kinds == TrialKind.GENUINE.code,
        kinds,
        sides[:, :2].copy(),
        sides[:, 2:].copy(),
    )
