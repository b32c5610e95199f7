"""The paper's tables and what it leaves out, from the held-out clips of every run: figures, then Markdown."""

from __future__ import annotations

import dataclasses
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from facemotion.errors import EvidenceError
from facemotion.evaluation.bootstrap import bootstrap
from facemotion.evaluation.enrolment_takes import enrolment_trials
from facemotion.evaluation.measures import average_precision, curve, equal_error_rate, fnmr_at_fmr, prevalence
from facemotion.evaluation.report import kind_figures
from facemotion.evaluation.trials import PairPolicy, join_trials, matrix_trials
from facemotion.experiments.crossval import fold_figures
from facemotion.experiments.held_out import HeldOut
from facemotion.experiments.paper_plan import CONTROLS, DTW, MAIN
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
FEATURES = (MAIN, "landmarks", "frame differences", "mesh")
NETWORKS = (MAIN, "gru", "tcn", "conformer", DTW)
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
    """Trials of each fold between clips of some kinds; system "" is the run's own, others are its controls."""
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
        intervals = {
            "average_precision": bootstrap(pooled, average_precision, replicates),
            "eer": bootstrap(pooled, lambda accepted: equal_error_rate(accepted)[0], replicates),
        }
        row[policy] = {
            "mean": {key: statistics.fmean(own[key] for own in figures) for key in figures[0]},
            "deviation": {key: statistics.stdev(own[key] for own in figures) for key in figures[0]},
            "pooled": {key: dataclasses.asdict(own) for key, own in intervals.items()},
            "fnmr": _fnmr(pooled),
        }
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


def write_markdown(tables: Json, source: str) -> str:
    """The tables as Markdown text.

    Args:
        tables: of `make_tables`. source: the data, in words.
    """
    lines = [
        "# Tables",
        "",
        f"{source}: {tables['subjects']} subjects, "
        + ", ".join(f"{n} {kind}" for kind, n in tables["clips"].items())
        + f" clips, of which {', '.join(f'{n} {kind}' for kind, n in tables['tested'].items())} could be acquired and "
        f"were tested; {tables['folds']} folds without a common subject. Average precision (AP), peak F1 and EER are "
        "means over folds, ± their standard deviation. A figure of all folds' trials together has its 95% interval "
        "over subjects; the networks stay the same in it. Pairs are inside a subject, as in the paper, unless a table "
        "says otherwise. Prevalence is the AP of a guess. No clip is both trained on and tested. The person who makes "
        "a mimic may have been trained on with other clips. `dtw` warps the points of `landmarks`. Written by "
        "`facemotion tables`.",
    ]
    titles = {
        "table 1": "The paper's Table 1: extractor, loss, trimming; facial motions",
        "table 2": "The paper's Table 2: trained on, tested on",
        "features": "What the encoder is given",
        "networks": "Networks, and time warping",
        "ours": "Other recipes",
    }
    for key, title in titles.items():
        if tables[key]:
            lines += ["", f"## {title}", "", *_rows(tables[key], lips=key in ("table 2", "ours"))]
    lines += ["", "## At one threshold", "", *_thresholds([row for key in titles for row in tables[key]])]
    if tables.get("stopped"):
        lines += ["", "## How long each was trained", "", *_lengths(tables["stopped"])]
    lines += ["", "## Impostors by kind", "", *_kinds(tables["impostors by kind"])]
    for name, rows in tables["enrolment takes"].items():
        if not rows:
            continue  # no motion has two takes
        lines += ["", f"## Number of enrolment takes ({name})", ""]
        lines += ["| takes | AP | EER | prevalence |", "|---|---|---|---|"]
        lines += [
            f"| {r['takes']} | {r['average_precision']:.3f} | {r['eer']:.3f} | {r['prevalence']:.3f} |" for r in rows
        ]
    return "\n".join(lines) + "\n"


def _rows(rows: Sequence[Json], *, lips: bool) -> list[str]:
    paper = any("paper" in row for row in rows)
    head = ["run", *(["tested on"] if lips else []), "AP", "AP of all folds together", "peak F1", "EER"]
    head += ["prevalence", "AP, all pairs"]
    head += ["paper's AP", "paper's F1"] if paper else []
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for row in rows:
        own, every = row["within-subject"], row.get("all")
        mean, deviation, pooled = own["mean"], own["deviation"], own["pooled"]["average_precision"]
        cells = [row["run"], *([row["tested on"]] if lips else [])]
        cells += [
            f"{mean['average_precision']:.3f} ± {deviation['average_precision']:.3f}",
            f"{pooled['value']:.3f} ({pooled['low']:.3f} to {pooled['high']:.3f})",
            f"{mean['peak_f1']:.3f}",
            f"{mean['eer']:.3f}",
            f"{mean['prevalence']:.3f}",
            f"{every['mean']['average_precision']:.3f}" if every else "not measured",
        ]
        if paper:
            told = row.get("paper")
            cells += [f"{told['average_precision']:.3f}", f"{told['peak_f1']:.3f}"] if told else ["", ""]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _thresholds(rows: Sequence[Json]) -> list[str]:
    lines = [
        "F1, FMR and FNMR are means over folds. The threshold of a fold is the one that gives the other folds together "
        f"their peak F1. The last column is the FNMR where all folds' trials together have an FMR of {FMR:.0%}.",
        "",
        f"| run | tested on | F1 | FMR | FNMR | FNMR at FMR {FMR:.0%} |",
        "|---|---|---|---|---|---|",
    ]
    for row in {(row["run"], row["tested on"]): row for row in rows}.values():
        mean, fnmr = row["within-subject"]["mean"], row["within-subject"]["fnmr"]
        cells = [f"{mean[name]:.3f}" for name in ("f1", "fmr", "fnmr")]
        cells.append("too few trials" if fnmr is None else f"{fnmr:.3f}")
        lines.append("| " + " | ".join([row["run"], row["tested on"], *cells]) + " |")
    return lines


def _lengths(rows: Sequence[Json]) -> list[str]:
    lines = [
        "Some of each fold's training people weren't trained on but watched. Training ended when they gained no more, "
        "and the weights with which they fared best were tested on the people held out. AP is that of the watched "
        "people, so it chose the weights.",
        "",
        "| run | steps, median | fewest | most | AP of the watched people |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        steps = row["steps"]
        cells = [f"{statistics.median(steps):.0f}", f"{min(steps)}", f"{max(steps)}", f"{row['best']:.3f}"]
        lines.append("| " + " | ".join([row["run"], *cells]) + " |")
    return lines


def _kinds(rows: Sequence[Json]) -> list[str]:
    kinds = [kind for kind in IMPOSTOR_KINDS if any(kind in row for row in rows)]
    lines = [
        "AP (EER) with impostors of one kind alone, against the genuine trials of the motions that they try. Clips "
        f"without their order ({', '.join(CONTROLS)}) go through the same encoder. Features pooled over time go "
        "through no encoder.",
        "",
        "| system | " + " | ".join(kinds) + " |",
        "|---|" + "---|" * len(kinds),
    ]
    for row in rows:
        cells = [
            f"{row[kind]['average_precision']:.3f} ({row[kind]['eer']:.3f})" if kind in row else "" for kind in kinds
        ]
        name = f"{row['run']}: {row['system']}" if row["system"] else row["run"]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    guess = next((row for row in rows if all(kind in row for kind in kinds)), None)
    if guess:
        lines.append("| a guess | " + " | ".join(f"{guess[kind]['prevalence']:.3f} (0.500)" for kind in kinds) + " |")
    return lines
