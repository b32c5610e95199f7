"""The tables of a bench, for the terminal as for a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from facemotion.bench.condition_figures import ENROLLED, KINDS, ConditionFigures, Share
from facemotion.bench.conditions import TIGHT
from facemotion.bench.real_clips import RealBench

UNKNOWN = "-"
"""Stands where a figure can't be computed; the reason stands below the tables."""
EXPLAINED = 12
"""Clips that couldn't be read and are listed, at most."""


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    Attributes:
        title: what it is about.
        head: names of its columns.
        rows: as many cells each.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(bench: RealBench) -> Iterator[Table]:
    """Errors, impostors by kind, how near vectors stay to those of tight clips, and refusals where there are some; one
    row per condition. Figures that no condition has are left out."""
    measured = [own for own in bench.conditions if own.clips]
    if not measured:
        return
    takes = tuple(f"FNMR, {count} take{'s' if count > 1 else ''}" for count in ENROLLED)
    yield _filled(
        f"Errors at the operating point {bench.point.name} of {bench.model_id}",
        ("condition", "clips", "refused", "EER (95% interval)", "time warping", "ratio", *takes),
        [_errors(own) for own in measured],
    )
    kinds = list(dict.fromkeys((*KINDS, *(kind for own in measured for kind in own.fmr))))
    accepted = [(own.condition, *(_share(own.fmr.get(kind)) for kind in kinds)) for own in measured]
    yield _filled("Impostor trials accepted (FMR), one take enrolled", ("condition", *kinds), accepted)
    kept = [
        (own.condition, f"{own.kept.median:.3f}", f"{own.kept.lowest_tenth:.3f}", _share(own.kept.lost))
        for own in measured
        if own.kept is not None and own.condition != TIGHT.name
    ]
    if kept:
        head = ("condition", "median", "lowest tenth", "below the threshold")
        yield _filled("Cosine of each clip with the same clip, tight", head, kept)
    guards = sorted({name for own in measured for name in own.refused})
    if guards:
        refused = [(own.condition, *(_refused(own, name) for name in guards)) for own in measured]
        yield _filled("Clips refused, by the error that the user gets", ("condition", *guards), refused)


def _filled(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    """A table without the columns that hold nothing."""
    kept = [column for column in range(len(head)) if any(row[column] != UNKNOWN for row in rows)]
    return Table(title, tuple(head[c] for c in kept), tuple(tuple(row[c] for c in kept) for row in rows))


def notes(bench: RealBench) -> Iterator[str]:
    """What the tables rest on, and what is missing in them and why; a sentence or two each."""
    people = "1 person" if bench.subjects == 1 else f"{bench.subjects} people"
    yield (
        f"{bench.clips} clips, {bench.motions} motions, {people}. All pairs of clips that weren't refused are trials; "
        f"the threshold is {bench.point.threshold:.3f} with one take."
    )
    if len(bench.unread) < bench.clips:
        yield from _meanings(bench)
        yield from _gaps(bench)
    else:
        yield "Nothing was measured: no clip could be read."
    if bench.unread:
        yield f"{len(bench.unread)} of {bench.clips} clips couldn't be read:"
        for path, fault in list(bench.unread.items())[:EXPLAINED]:
            yield f"{path}: {fault}"
        if len(bench.unread) > EXPLAINED:
            yield f"and {len(bench.unread) - EXPLAINED} more."


def _meanings(bench: RealBench) -> Iterator[str]:
    """What the words of the tables mean."""
    marked = " or, where the motion is marked, cut to it and 0.2 s round it" if bench.marked else ""
    warped = any(own.warping is not None for own in bench.conditions)
    warping = " Time warping isn't trained; the ratio is the encoder's EER over that of time warping." if warped else ""
    yield (
        f"Tight: clips as they are{marked}. Rest is held: the first and the last frame are repeated. Rates are frames "
        f"a second, with jitter.{warping}"
    )
    if bench.marked:
        yield f"Real rest: the whole recordings of the {bench.marked} clips whose motion is marked."
    units = {own.eer.unit for own in bench.conditions if own.eer is not None}
    if "motions" in units:
        yield "Intervals are over the motions of one person: they say nothing about other people."
    elif units:
        yield "Intervals are over people."


def _gaps(bench: RealBench) -> Iterator[str]:
    """What isn't in the tables, and why."""
    measured = [own for own in bench.conditions if own.clips]
    if not any(own.refused for own in measured):
        yield "No clip was refused."
    for own in bench.conditions:
        if not own.clips:
            yield f"Not measured: {own.condition}. No clip has {'a marked motion' if own.marked else 'so many frames'}."
    reasons: dict[str, list[str]] = {}
    for own in measured:
        for figure, reason in own.missing.items():
            reasons.setdefault(f"{figure}: {reason.rstrip('.')}", []).append(own.condition)
    for reason, where in reasons.items():
        conditions = "" if len(where) == len(measured) else f" ({'; '.join(where)})"
        yield f"Missing: {reason}{conditions}."


def markdown(bench: RealBench) -> str:
    """The tables and notes as a section of a page."""
    parts = []
    for table in tables(bench):
        rows = [table.head, ("---",) * len(table.head), *table.rows]
        parts += [f"**{table.title}**", "", *(f"| {' | '.join(row)} |" for row in rows), ""]
    return "\n".join([*parts, *(f"- {note}" for note in notes(bench))]) + "\n"


def _errors(own: ConditionFigures) -> tuple[str, ...]:
    eer = own.eer
    cells = [own.condition, str(own.clips), _share(Share(sum(own.refused.values()), own.clips))]
    cells.append(UNKNOWN if eer is None else f"{eer.value:.3f} ({eer.low:.3f} to {eer.high:.3f})")
    cells.append(UNKNOWN if own.warping is None else f"{own.warping:.3f}")
    cells.append(UNKNOWN if own.ratio is None else f"{own.ratio:.2f}")
    return (*cells, *(_share(own.fnmr.get(count)) for count in ENROLLED))


def _refused(own: ConditionFigures, name: str) -> str:
    return _share(Share(own.refused.get(name, 0), own.clips))


def _share(share: Share | None) -> str:
    """A rate with its trials, such as "2.5% (1/40)"."""
    return UNKNOWN if share is None else f"{share.rate:.1%} ({share.wrong}/{share.trials})"
