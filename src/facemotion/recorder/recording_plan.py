"""What is to be recorded: who makes which motion, how often. Read from a CSV file or asked for."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from facemotion.data.manifest import MOST_DIGITS, names_near_miss
from facemotion.errors import RecordingPlanError
from facemotion.types import ClipKind

COLUMNS = ("subject", "motion", "takes", "kind", "films")
NEEDED = COLUMNS[:2]
TAKES = 3
"""Takes of a motion where the plan says nothing: as many as an enrolment takes."""
MOST_TAKES = 99
LONGEST_NAME = 64
_FORBIDDEN = re.compile(r'[/\\:*?"<>|\x00-\x1f\x7f]')

_OF_A_FILE = re.compile(r"(?:manifest\.csv|consent(?:-[0-9a-f]*)?\.(?:csv|txt))(?:\.part)?", re.IGNORECASE)
"""Names of files that lie beside the folders of people."""


@dataclass(frozen=True)
class PlannedMotion:
    """One row of a plan.

    Attributes:
        subject: name of who performs.
        motion: name of the motion.
        takes: how many are recorded in this session.
        kind: what the clips show.
        films: names of the films that stand for the takes, in their order; none where a camera films, or where the
            names of the films say whose they are.
    Raises:
        RecordingPlanError: a name can't be that of a folder, the number of takes isn't 1 to MOST_TAKES, or the kind
            doesn't fit the motion's name.
    """

    subject: str
    motion: str
    takes: int = TAKES
    kind: ClipKind = ClipKind.FACIAL
    films: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name("subject", self.subject)
        check_name("motion", self.motion)
        if not 1 <= self.takes <= MOST_TAKES:
            raise RecordingPlanError(f"takes must be 1 to {MOST_TAKES}, got {self.takes}.")
        if names_near_miss(self.motion) != (self.kind is ClipKind.NEAR_MISS):
            raise RecordingPlanError(
                f"The motion {self.motion!r} is of kind {self.kind}: near misses, and no others, are named "
                "MOTION~VARIANT."
            )


def check_name(what: str, name: str) -> None:
    """Hold a name to what a folder can be called on every system.

    Raises:
        RecordingPlanError: empty, too long, with a sign that some systems refuse, or the name of a file in the same
            place.
    """
    if not name:
        raise RecordingPlanError(f"{what} is empty; give a name.")
    if len(name) > LONGEST_NAME:
        raise RecordingPlanError(f"{what} has {len(name)} characters; at most {LONGEST_NAME} may be.")
    if _FORBIDDEN.search(name) or name != name.strip() or name[0] == "." or name[-1] == ".":
        raise RecordingPlanError(
            f"{what} {name!r} can't be the name of a folder: use letters, digits, blanks, hyphens and underscores."
        )
    if _OF_A_FILE.fullmatch(name):
        raise RecordingPlanError(f"{what} {name!r} is the name of a file beside the clips; give another one.")


def read_plan(path: Path) -> tuple[PlannedMotion, ...]:
    """Read a plan: CSV with the columns subject, motion and perhaps takes (default 3, or as many as films are named),
    kind (default facial) and films (names with semicolons between them).

    Raises:
        RecordingPlanError: no such file, an unknown or missing column, a bad row (its line is named), the same motion
            twice, or no row at all.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or ())
            planned = tuple(_planned(row, f"{path}, line {reader.line_num}") for row in reader)
    except OSError as error:
        raise RecordingPlanError(f"Can't read the plan {path}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise RecordingPlanError(f"{path} is not a CSV file in UTF-8: {error}.") from error
    if not planned:
        raise RecordingPlanError(f"{path} plans nothing; it needs one row per motion.")
    seen = set[tuple[str, str]]()
    for motion in planned:
        if (motion.subject, motion.motion) in seen:
            raise RecordingPlanError(f"{path} plans {motion.motion} of {motion.subject} twice; add up the takes.")
        seen.add((motion.subject, motion.motion))
    return planned


def _check_columns(path: Path, columns: Collection[str]) -> None:
    for column in columns:
        if column not in COLUMNS:
            near = get_close_matches(column or "", COLUMNS, 1)
            remedy = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(COLUMNS)}."
            raise RecordingPlanError(f"{path} has an unknown column {column!r}; {remedy}")
    for column in NEEDED:
        if column not in columns:
            raise RecordingPlanError(f"{path} lacks the column {column!r}; it needs {' and '.join(NEEDED)}.")


def _planned(row: dict[str, str], where: str) -> PlannedMotion:
    if None in row:
        raise RecordingPlanError(f"{where}: more values than columns.")
    texts = {column: (row.get(column) or "").strip() for column in COLUMNS}
    films = tuple(name for part in texts["films"].split(";") if (name := part.strip()))
    takes, kind = texts["takes"] or str(len(films) or TAKES), texts["kind"] or ClipKind.FACIAL
    if not takes.isdecimal() or len(takes) > MOST_DIGITS:
        raise RecordingPlanError(f"{where}: takes must be a whole number, got {takes[:40]!r}.")
    if kind not in set(ClipKind):
        raise RecordingPlanError(f"{where}: kind must be one of {', '.join(ClipKind)}, got {kind!r}.")
    try:
        return PlannedMotion(texts["subject"], texts["motion"], int(takes), ClipKind(kind), films)
    except RecordingPlanError as error:
        raise RecordingPlanError(f"{where}: {error}") from error
