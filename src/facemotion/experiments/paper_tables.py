"""The figures of the paper's tables and of what it leaves out, from the held-out clips of every run."""

from __future__ import annotations

import dataclasses
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facemotion.errors import EvidenceError
from facemotion.evaluation.bootstrap import Metric, bootstrap_several
from facemotion.evaluation.enrolment_takes import enrolment_trials
from facemotion.evaluation.measures import average_precision, curve, equal_error_rate, fnmr_at_fmr, prevalence
from facemotion.evaluation.report import kind_figures
from facemotion.evaluation.trials import PairPolicy, join_trials, matrix_trials, pair_clips, select_trials
from facemotion.experiments.crossval import fold_figures
from facemotion.experiments.held_out import HeldOut
from facemotion.experiments.paper_plan import DTW, MAIN
from facemotion.types import IMPOSTOR_KINDS, ClipKind, ClipRecord, ScoredTrials, TrialKind

Json = dict[str, Any]
Held = Mapping[str, Sequence[HeldOut]]

# Rows of the paper (average precision, peak F1), by the run and the kind of clips tested on.
TABLE_1 = {
    "sfe-e, contrastive, trimmed": (0.967, 0.914),
    "sfe-e, contrastive, not trimmed": (0.966, 0.912),
    "sfe-e, n-pair, trimmed": (0.969, 0.918),
    "sfe-e, n-pair, not trimmed": (0.969, 0.914),
    MAIN: (0.988, 0.959),
    "sfe-l, contrastive, not trimmed": (0.987, 0.955),
    "sfe-l, n-pair, trimmed": (0.986, 0.957),
    "sfe-l, n-pair, not trimmed": (0.986, 0.955),
}
TABLE_2: dict[tuple[str, str], tuple[float, float]] = {
    ("lips", ClipKind.LIP): (0.819, 0.742),
    ("facial and lips", ClipKind.LIP): (0.816, 0.741),
    ("facial and lips", ClipKind.FACIAL): (0.984, 0.951),
}
FMR = 0.01  # at which FNMR is reported
FEATURES = (MAIN, "centred", "landmarks", "frame differences", "mesh")
NETWORKS = (MAIN, "gru", "tcn", "conformer", DTW)
INTERVALS: dict[str, Metric] = {
    "average_precision": average_precision,
    "eer": lambda accepted: equal_error_rate(accepted)[0],
}
OF_TWO_PEOPLE = (TrialKind.OTHER_PERSON, TrialKind.MIMIC)
# Clips that a kind of impostor trial needs beside facial motions.
ATTACKS = {
    TrialKind.MIMIC: (ClipKind.MIMIC,),
    TrialKind.NEAR_MISS: (ClipKind.NEAR_MISS,),
    TrialKind.OTHER_ORDER: (ClipKind.NEAR_MISS,),
}


def make_tables(held: Held, records: Sequence[ClipRecord], replicates: int, most_takes: int) -> Json:
    """Every figure that the runs at hand allow.

    Args:
        held: held-out clips of each fold, by the name of the run.
        records: of the whole manifest.
        replicates: of the bootstrap over subjects.
        most_takes: enrolment takes tried.
    Returns:
        Nested dicts of plain values, one entry per table.
    Raises:
        EvidenceError: a fold without genuine or impostor trials of the clips tested on.
    """
    ours = [name for name in held if name.startswith("ours")]

    def rows(cells: Mapping[tuple[str, str], tuple[float, float] | None]) -> list[Json]:
        return [_row(held[name], records, name, kind, paper, replicates) for (name, kind), paper in cells.items()
                if name in held]  # fmt: skip

    return {
        "clips": {kind: sum(r.kind == kind for r in records) for kind in dict.fromkeys(r.kind for r in records)},
        "tested": _tested(held, records),
        "subjects": len({r.subject for r in records}),
        "folds": len(next(iter(held.values()))),
        "table 1": rows({(name, ClipKind.FACIAL): paper for name, paper in TABLE_1.items()}),
        "table 2": rows(dict(TABLE_2)) if any(r.kind == ClipKind.LIP for r in records) else [],
        "features": rows({(name, ClipKind.FACIAL): None for name in FEATURES}),
        "networks": rows({(name, ClipKind.FACIAL): None for name in NETWORKS}),
        "ours": rows({(name, kind): None for name in ours for kind in _kinds_of(held[name], records)}),
        "stopped": [row for name in held if (row := _stopped(name, held[name]))],
        "cost": [row for name in held if (row := _cost(name, held[name]))],
        "impostors by kind": _by_kind(held, records, [MAIN, "gru", "tcn", "conformer", DTW, *ours]),
        "enrolment takes": {
            name: _enrolment(held[name], records, most_takes) for name in (MAIN, *ours) if name in held
        },
    }


def fold_trials(
    folds: Sequence[HeldOut],
    records: Sequence[ClipRecord],
    kinds: Sequence[str],
    system: str = "",
    policy: PairPolicy = "within-subject",
) -> list[ScoredTrials]:
    """Trials of each fold between clips of some kinds.

    Args:
        folds: of one run.
        records: of the whole manifest, by which subjects and motions are numbered.
        kinds: of clips, both sides of a trial.
        system: "" for the run's own vectors or scores, else a control of it.
        policy: which pairs are trials, as in `score_pairs`.
    Raises:
        DataError: a fold has fewer than two such clips.
    """
    parts = []
    for fold in folds:
        chosen = [k for k, place in enumerate(fold.places) if records[place].kind in kinds]
        own = [records[fold.places[k]] for k in chosen]
        if fold.scores is None:
            vectors = fold.vectors[system][chosen]
            scores = vectors @ vectors.T
        else:
            scores = fold.scores[np.ix_(chosen, chosen)]
        parts.append(matrix_trials(scores, own, policy, among=records))
    return parts


def _tested(held: Held, records: Sequence[ClipRecord]) -> dict[str, int]:
    """Clips that some run was tested on, by their kind: those that could be acquired."""
    places = {int(place) for folds in held.values() for fold in folds for place in fold.places}
    return dict(Counter(records[place].kind for place in sorted(places)))


def _fnmr(pooled: ScoredTrials) -> float | None:
    """At an FMR of `FMR`, if there are independent trials enough."""
    try:
        return fnmr_at_fmr(pooled, FMR)[0]
    except EvidenceError:
        return None


def _kinds_of(folds: Sequence[HeldOut], records: Sequence[ClipRecord]) -> list[str]:
    found = {records[place].kind for place in folds[0].places}
    return [kind for kind in (ClipKind.FACIAL, ClipKind.LIP) if kind in found]


def _row(
    folds: Sequence[HeldOut],
    records: Sequence[ClipRecord],
    name: str,
    kind: str,
    paper: tuple[float, float] | None,
    replicates: int,
) -> Json:
    row: Json = {"run": name, "tested on": kind}
    policies: tuple[PairPolicy, ...] = ("within-subject",) if name == DTW else ("within-subject", "all")
    for policy in policies:
        parts = fold_trials(folds, records, [kind], "", policy)
        figures = [dataclasses.asdict(own) for own in fold_figures(parts)]
        pooled = join_trials(parts)
        intervals = bootstrap_several(pooled, INTERVALS, replicates)
        row[policy] = {
            "mean": {key: statistics.fmean(own[key] for own in figures) for key in figures[0]},
            "deviation": {key: statistics.stdev(own[key] for own in figures) for key in figures[0]},
            "pooled": {key: dataclasses.asdict(own) for key, own in intervals.items()},
            "fnmr": _fnmr(pooled),
        }
    row["sittings"] = _sittings(folds, records, kind)
    if paper:
        row["paper"] = {"average_precision": paper[0], "peak_f1": paper[1]}
    return row


def _stopped(name: str, folds: Sequence[HeldOut]) -> Json | None:
    """When the watched people of each fold fared best, and their curve over all folds; None where nobody was."""
    if not all(fold.looks for fold in folds):
        return None
    steps = sorted({step for fold in folds for step, _ in fold.looks})
    at = {step: [own for fold in folds for seen, own in fold.looks if seen == step] for step in steps}
    return {
        "run": name,
        "steps": [fold.steps for fold in folds],
        "best": statistics.fmean(max(own for _, own in fold.looks) for fold in folds),
        "curve": [{"step": s, "average_precision": statistics.fmean(own), "folds": len(own)} for s, own in at.items()],
    }


def _cost(name: str, folds: Sequence[HeldOut]) -> Json | None:
    """Processor seconds of each fold's training; None where they weren't kept of every fold."""
    seconds = [fold.seconds for fold in folds if fold.seconds is not None]
    return {"run": name, "cpu_seconds": seconds} if len(seconds) == len(folds) else None


def _sittings(folds: Sequence[HeldOut], records: Sequence[ClipRecord], kind: str) -> Json:
    """Pairs of a person's clips of one sitting, and of two, each alone; nothing where nobody came a second time, or
    nobody made a motion both times."""
    parts: dict[str, list[ScoredTrials]] = {"one": [], "two": []}
    for fold, trials in zip(folds, fold_trials(folds, records, [kind]), strict=True):
        own = [records[place] for place in fold.places if records[place].kind == kind]
        first, second, _ = pair_clips(own, "within-subject")
        sessions = np.array([record.session for record in own])
        same = sessions[first] == sessions[second]
        parts["one"].append(select_trials(trials, same))
        parts["two"].append(select_trials(trials, ~same))
    if not any(len(own) for own in parts["two"]):
        return {}
    told: Json = {}
    for name, own in parts.items():
        try:
            accepted = curve(join_trials(own))
        except EvidenceError:
            return {}
        told[name] = {
            "average_precision": average_precision(accepted),
            "eer": equal_error_rate(accepted)[0],
            "prevalence": prevalence(accepted),
        }
    return told


def _by_kind(held: Held, records: Sequence[ClipRecord], names: Sequence[str]) -> list[Json]:
    """Each kind of impostor alone, of the encoder, of whatever knows nothing of order, and of the other networks."""
    systems = [(name, "") for name in names if name in held]
    if MAIN in held:
        controls = [name for name in held[MAIN][0].vectors if name]
        systems[1:1] = [(MAIN, name) for name in controls]
    table = []
    for run, system in systems:
        row: Json = {"run": run, "system": system}
        for kind in IMPOSTOR_KINDS:
            if run == DTW and kind in OF_TWO_PEOPLE:
                continue
            clips = (ClipKind.FACIAL, *ATTACKS.get(kind, ()))
            policy: PairPolicy = "all" if kind in OF_TWO_PEOPLE else "within-subject"
            trials = join_trials(fold_trials(held[run], records, clips, system, policy))
            try:
                row[kind] = dataclasses.asdict(kind_figures(trials, kind))
            except EvidenceError:
                continue  # no such clip in this set, or no genuine trial beside it
        table.append(row)
    return table


def _enrolment(folds: Sequence[HeldOut], records: Sequence[ClipRecord], most: int) -> list[Json]:
    table = []
    parts = [
        enrolment_trials(fold.vectors[""], [records[place] for place in fold.places], most, among=records)
        for fold in folds
    ]
    for takes in range(1, min(map(len, parts)) + 1):
        accepted = curve(join_trials([own[takes - 1] for own in parts]))
        table.append(
            {
                "takes": takes,
                "average_precision": average_precision(accepted),
                "eer": equal_error_rate(accepted)[0],
                "prevalence": prevalence(accepted),
                "genuine": int(accepted.genuine[-1]),
                "impostor": int(accepted.impostor[-1]),
            }
        )
    return table
