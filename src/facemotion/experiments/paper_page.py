"""The paper's tables as a page of Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from facemotion.experiments.paper_plan import CONTROLS, DTW
from facemotion.experiments.paper_tables import FMR, TABLE_1, TABLE_2, Json
from facemotion.types import IMPOSTOR_KINDS, ClipKind

PaperRows = Mapping[tuple[str, str], tuple[float, float]]  # AP and peak F1, by the run and the kind of clips tested on


def write_markdown(tables: Json, source: str, title: str = "Tables", head: Sequence[str] = ()) -> str:
    """The tables as Markdown text.

    Args:
        tables: of `make_tables`.
        source: the data, in words.
        title: of the page.
        head: lines between the title and what all tables have in common.
    """
    lines = [
        f"# {title}",
        "",
        *head,
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
    papers: dict[str, PaperRows] = {
        "table 1": {(name, ClipKind.FACIAL): told for name, told in TABLE_1.items()},
        "table 2": TABLE_2,
    }
    for key, heading in titles.items():
        if tables[key] or key in papers:
            rows = _rows(tables[key], papers.get(key, {}), lips=key in ("table 2", "ours"))
            lines += ["", f"## {heading}", "", *rows]
    if seated := [row for key in titles for row in tables[key] if row.get("sittings")]:
        lines += ["", "## One sitting, and two", "", *_sittings(seated)]
    lines += ["", "## At one threshold", "", *_thresholds([row for key in titles for row in tables[key]])]
    if tables.get("stopped"):
        lines += ["", "## How long each was trained", "", *_lengths(tables["stopped"])]
    lines += ["", "## What each cost", "", *_costs(tables, [row["run"] for key in titles for row in tables[key]])]
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


def _rows(rows: Sequence[Json], paper: PaperRows, *, lips: bool) -> list[str]:
    """A table: the paper's rows in its order, whether they were trained or not, then whatever else there is."""
    head = ["run", *(["tested on"] if lips else []), "AP", "AP of all folds together", "peak F1", "EER"]
    head += ["prevalence", "AP, all pairs"]
    head += ["paper's AP", "paper's F1"] if paper else []
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    found = {(row["run"], row["tested on"]): row for row in rows}
    for name, kind in dict.fromkeys([*paper, *found]):
        row = found.get((name, kind))
        cells = [name, *([kind] if lips else []), *(_figures(row) if row else ["not trained", *[""] * 5])]
        if paper:
            cells += [f"{told:.3f}" for told in paper[name, kind]]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _figures(row: Json) -> list[str]:
    own, every = row["within-subject"], row.get("all")
    mean, deviation, pooled = own["mean"], own["deviation"], own["pooled"]["average_precision"]
    return [
        f"{mean['average_precision']:.3f} ± {deviation['average_precision']:.3f}",
        f"{pooled['value']:.3f} ({pooled['low']:.3f} to {pooled['high']:.3f})",
        f"{mean['peak_f1']:.3f}",
        f"{mean['eer']:.3f}",
        f"{mean['prevalence']:.3f}",
        f"{every['mean']['average_precision']:.3f}" if every else "not measured",
    ]


def _sittings(rows: Sequence[Json]) -> list[str]:
    lines = [
        "All folds' trials together: pairs of clips of one sitting, as the paper recorded them, and pairs of clips of "
        "two sittings, between which light, pose and camera changed. The tables above have both kinds of pairs.",
        "",
        "| run | tested on | AP, one sitting | EER | prevalence | AP, two sittings | EER | prevalence |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in {(row["run"], row["tested on"]): row for row in rows}.values():
        names = ("average_precision", "eer", "prevalence")
        cells = [f"{row['sittings'][sitting][name]:.3f}" for sitting in ("one", "two") for name in names]
        lines.append("| " + " | ".join([row["run"], row["tested on"], *cells]) + " |")
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


def _costs(tables: Json, names: Sequence[str]) -> list[str]:
    lines = [
        "Processor time of the trainings, all threads together. Features of the clips were there before.",
        "",
        "| run | a fold, median, minutes | least | most | all folds, minutes |",
        "|---|---|---|---|---|",
    ]
    kept = {row["run"]: [seconds / 60 for seconds in row["cpu_seconds"]] for row in tables.get("cost", [])}
    for name in dict.fromkeys(names):
        if name == DTW:
            cells = ["nothing is trained", "", "", ""]
        elif name in kept:
            minutes = kept[name]
            cells = [f"{own:.1f}" for own in (statistics.median(minutes), min(minutes), max(minutes), sum(minutes))]
        else:
            cells = ["wasn't kept", "", "", ""]
        lines.append("| " + " | ".join([name, *cells]) + " |")
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
