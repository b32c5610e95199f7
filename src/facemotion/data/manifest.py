"""A manifest: one CSV row per clip, read into `ClipRecord`s and checked before any training starts.

Columns: path (relative to the manifest's folder), subject, motion, kind, repetition, session, and optionally split,
onset and offset: seconds from the first frame between which the motion lies, both or neither. Other columns are left
alone.
Two conventions bind the harder impostors to what they imitate:

- A near miss (kind "near-miss") of the motion X has the name `X~something` and the same subject. Its name is `X~order`
  where it makes the same steps in another order. This module alone reads and makes such names: records carry what they
  say in `near_miss_of` and `reordered`.
- A mimic (kind "mimic") has the imitated motion's own name and the imitator as its subject. No other subject may use
  the name of a motion that is mimicked.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from facemotion.errors import ManifestError
from facemotion.system.files import file_sha256, write_whole
from facemotion.types import ClipKind, ClipRecord

MANIFEST = "manifest.csv"  # its name in a folder of clips
_REQUIRED = ("path", "subject", "motion", "kind", "repetition", "session")
COLUMNS = (*_REQUIRED, "split")
SPAN = ("onset", "offset")
ORDER = "order"  # variant of a near miss that makes the steps of its motion in another order
_MARK = "~"  # parts the name of a near miss into that of its motion and the variant
MOST_DIGITS = 9  # of the number of a take or session; Python itself refuses thousands
_SPLITS = ("train", "validation", "test", "")


@dataclass(frozen=True)
class Manifest:
    """The clips of a data set.

    Attributes:
        folder: that the paths of the records are relative to.
        records: one per clip, in the order of the file.
        programs: of a simulated set: the program of each motion by the motion's name, from `motions.csv`; else empty.
    """

    folder: Path
    records: tuple[ClipRecord, ...]
    programs: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.records)

    def file(self, record: ClipRecord) -> Path:
        """Where the clip of a record lies."""
        return self.folder / record.path

    def select(self, *, split: str | None = None, kinds: Iterable[str] | None = None) -> Manifest:
        """The records of one split and of some kinds, in the same order.

        Raises:
            ManifestError: no record is left.
        """
        wanted = set(ClipKind if kinds is None else kinds)
        kept = tuple(r for r in self.records if r.kind in wanted and split in (None, r.split))
        if not kept:
            part = f"of split {split!r} and " if split is not None else "of "
            raise ManifestError(f"{self.folder} has no clip {part}kind {' or '.join(sorted(wanted))}.")
        return replace(self, records=kept)

    def leave_out(self, subjects: Iterable[str] = (), motions: Iterable[str] = ()) -> Manifest:
        """The records of other subjects and of other motions, in the same order.

        Args:
            subjects: by name.
            motions: by name, whoever makes them.
        Raises:
            ManifestError: no record is left, or none has such a name.
        """
        left_out = {"subject": set(subjects), "motion": set(motions)}
        for what, names in left_out.items():
            missing = sorted(names - {getattr(r, what) for r in self.records})
            if missing:
                raise ManifestError(f"{self.folder} has no {what} {missing[0]} to leave out; check the name.")
        kept = tuple(r for r in self.records if not any(getattr(r, what) in left_out[what] for what in left_out))
        if not kept:
            raise ManifestError(f"Nothing of {self.folder} is left; leave out fewer subjects or motions.")
        return replace(self, records=kept)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest. The clips themselves are looked at by `check_manifest`.

    In a simulated set, a near miss whose program only reorders the steps of its motion gets the name `X~order`. If the
    motion has a near miss of that name already, in yet another order, it gets `X~order-near` (after its own variant).

    Raises:
        ManifestError: no such file, a missing column, bad rows (their lines are named) or no row at all.
    """
    records, problems = [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = [c for c in _REQUIRED if c not in (reader.fieldnames or ())]
            if missing:
                raise ManifestError(f"{path} lacks the column {missing[0]!r}; it needs {', '.join(_REQUIRED)}.")
            for row in reader:
                try:
                    records.append(read_row(row, f"{path}, line {reader.line_num}"))
                except ManifestError as error:
                    problems.append(str(error))
    except OSError as error:
        where = "" if path.is_absolute() else f" (seen from {Path.cwd()})"
        raise ManifestError(f"Can't read the manifest {path}{where}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} is not a CSV file in UTF-8: {error}.") from error
    _raise_first(problems)
    if not records:
        raise ManifestError(f"{path} names no clip; it needs one row per clip.")
    return _name_reordered(tuple(records), path.parent)


def write_manifest(path: Path, records: Iterable[ClipRecord]) -> None:
    """Write records as CSV; a reader sees the old file or the whole new one, never a part.

    The columns `onset` and `offset` are there where a record has a span.
    """
    records = tuple(records)
    spans = any(record.span for record in records)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *SPAN) if spans else COLUMNS)
    for record in records:
        span = (record.span or ("", "")) if spans else ()
        writer.writerow([*(getattr(record, column) for column in COLUMNS), *span])
    write_whole(path, text.getvalue())


def append_record(path: Path, record: ClipRecord) -> None:
    """Add a row to a manifest, made if it isn't there. What it holds stays as it is, further columns too.

    Raises:
        ManifestError: what is there can't be read.
        OSError: as `write_whole`.
    """
    try:
        before = path.read_bytes().decode("utf-8-sig") if path.exists() else ""
        columns = next(csv.reader(io.StringIO(before)), None) or list(COLUMNS)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"{path} is not a CSV file in UTF-8: {error}.") from error
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    if not before:
        writer.writeheader()
    elif not before.endswith(("\n", "\r")):
        text.write("\n")
    span = dict(zip(SPAN, record.span or ("", ""), strict=True))  # left out where the file has no such columns
    writer.writerow({column: getattr(record, column) for column in COLUMNS} | span)
    write_whole(path, before + text.getvalue())


def near_miss_name(motion: str, variant: str) -> str:
    """Name of a near miss.

    Args:
        motion: name of the motion that it comes near to.
        variant: what tells it from other near misses of the motion; `ORDER` for the same steps in another order.
    """
    return f"{motion}{_MARK}{variant}"


def names_near_miss(motion: str) -> bool:
    """Whether a name is that of a near miss."""
    return _MARK in motion


def _names_order(motion: str) -> bool:
    return motion.partition(_MARK)[2].partition("-")[0] == ORDER


def _name_reordered(records: tuple[ClipRecord, ...], folder: Path) -> Manifest:
    programs = _read_programs(folder)
    steps = {motion: [step.strip() for step in program.split(">")] for motion, program in programs.items()}
    taken, names = {record.motion for record in records}, dict[str, str]()
    for record in records:
        performed, original = steps.get(record.motion, []), steps.get(record.original, [])
        differs = performed != original and sorted(performed) == sorted(original)
        if record.kind != ClipKind.NEAR_MISS or not differs or record.reordered or record.motion in names:
            continue
        variant = record.motion.partition(_MARK)[2]
        name = near_miss_name(record.original, ORDER)
        if name in taken:
            name = f"{name}-{variant}"
        names[record.motion] = name
        taken.add(name)
        programs[name] = programs[record.motion]
    return Manifest(folder, tuple(_renamed(record, names) for record in records), programs)


def _renamed(record: ClipRecord, names: Mapping[str, str]) -> ClipRecord:
    if record.motion not in names:
        return record
    return replace(record, motion=names[record.motion], reordered=record.kind == ClipKind.NEAR_MISS)


def _read_programs(folder: Path) -> dict[str, str]:
    try:
        with (folder / "motions.csv").open(newline="", encoding="utf-8") as file:
            rows = [(row["motion"], row["program"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error):
        return {}
    return {motion: program for motion, program in rows if program is not None}


def find_problems(manifest: Manifest, *, labelled: bool = True) -> Iterator[str]:
    """One sentence per fault: missing files, the same take twice, the same bytes twice (both rows are named), motions
    of a single take, mimics and near misses of nothing. Without `labelled`, for tasks that look at no label, only the
    files are looked at."""
    if labelled:
        yield from _label_problems(manifest.records)
    seen: dict[str, ClipRecord] = {}
    for record in manifest.records:
        if not manifest.file(record).is_file():
            yield f"The clip {record.path} is in the manifest but not in {manifest.folder}; restore it or drop its row."
            continue
        first = seen.setdefault(file_sha256(manifest.file(record)), record)
        if first is not record:
            yield (
                f"{first.path} ({first.subject}, {first.motion}) and {record.path} ({record.subject}, {record.motion}) "
                "are the same bytes; keep one."
            )


def check_manifest(manifest: Manifest, *, labelled: bool = True) -> None:
    """Hold a manifest to `find_problems`.

    Raises:
        ManifestError: the first fault, and how many more there are.
    """
    _raise_first(list(find_problems(manifest, labelled=labelled)))


def _raise_first(problems: Sequence[str]) -> None:
    if problems:
        more = f" ({len(problems) - 1} more; see `facemotion data check`)" if len(problems) > 1 else ""
        raise ManifestError(problems[0] + more, problems=tuple(problems))


def read_row(row: Mapping[str, str], where: str) -> ClipRecord:
    """The record of one row.

    Args:
        row: texts by column.
        where: the row is, for messages.
    Raises:
        ManifestError: a value is missing, or isn't what its column holds.
    """
    texts = {name: (row.get(name) or "").strip() for name in COLUMNS}
    for name in ("path", "subject", "motion"):
        if not texts[name]:
            raise ManifestError(f"{where}: {name} is empty.")
    if texts["kind"] not in set(ClipKind):
        raise ManifestError(f"{where}: kind must be one of {', '.join(ClipKind)}, got {texts['kind']!r}.")
    kind = ClipKind(texts["kind"])
    original, mark, _ = texts["motion"].partition(_MARK)
    near_miss = kind == ClipKind.NEAR_MISS and bool(mark)
    if texts["split"] not in _SPLITS:
        raise ManifestError(f"{where}: split must be train, validation, test or empty, got {texts['split']!r}.")
    numbers = {}
    for name in ("repetition", "session"):
        if not texts[name].isdecimal() or len(texts[name]) > MOST_DIGITS:
            raise ManifestError(f"{where}: {name} must be a whole number, got {texts[name][:40]!r}.")
        numbers[name] = int(texts[name])
    return ClipRecord(
        path=texts["path"],
        subject=texts["subject"],
        motion=texts["motion"],
        kind=kind,
        split=texts["split"],
        near_miss_of=original if near_miss else "",
        reordered=near_miss and _names_order(texts["motion"]),
        span=_span(row, where),
        **numbers,
    )


def _span(row: Mapping[str, str], where: str) -> tuple[float, float] | None:
    onset, offset = ((row.get(name) or "").strip() for name in SPAN)
    if not onset and not offset:
        return None
    try:
        span = (float(onset), float(offset))
    except ValueError:
        span = (math.nan, math.nan)
    if not 0 <= span[0] < span[1] < math.inf:
        raise ManifestError(
            f"{where}: onset and offset must be seconds from the first frame, the offset later, got {onset!r} and "
            f"{offset!r}; leave both empty where the motion isn't marked."
        )
    return span


def _label_problems(records: Sequence[ClipRecord]) -> Iterator[str]:
    for path, times in Counter(r.path for r in records).items():
        if times > 1:
            yield f"The clip {path} stands in {times} rows; keep one."
    takes = defaultdict(list)
    for record in records:
        takes[record.subject, record.motion].append(record)
    for (subject, motion), group in takes.items():
        if len(group) == 1:
            yield f"{subject} makes the motion {motion} only once ({group[0].path}); record it again or drop its row."
        for repetition, times in Counter(r.repetition for r in group).items():
            if times > 1:
                yield f"{subject} has {times} clips of {motion} with repetition {repetition}; number the takes apart."
    yield from find_kind_problems(records)


def find_kind_problems(records: Iterable[ClipRecord]) -> Iterator[str]:
    """One sentence for each motion of which clips are of several kinds, and each mimic or near miss of nothing."""
    takes, owners = defaultdict(list), defaultdict(set)
    for record in records:
        takes[record.subject, record.motion].append(record)
        if record.kind != ClipKind.MIMIC:
            owners[record.motion].add(record.subject)
    for (subject, motion), group in takes.items():
        if len({r.kind for r in group}) > 1:
            yield f"The motion {motion} of {subject} has clips of several kinds; give each kind a name of its own."
        kind = group[0].kind
        if kind == ClipKind.MIMIC and len(owners[motion] - {subject}) != 1:
            yield f"{subject} mimics {motion}, which must be a motion of exactly one other subject."
        if kind == ClipKind.NEAR_MISS and (subject, group[0].original) not in takes:
            yield f"{motion} of {subject} is a near miss of no motion that {subject} makes; call it MOTION~VARIANT."
