"""docs/results/recordings.md, from the figures of benchmarks/recordings.py."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from recordings_fit import fitted

from facemotion.synth.sets.frozen import SETS

PAGE = Path(__file__).parents[1] / "docs" / "results" / "recordings.md"
VERSIONS = PAGE.with_name("versions.json")
HEAD = (
    "# Recordings, real and simulated",
    "",
    "This page compares what the front end sees in real recordings and in renders. `GRID sentences`: whole sentences "
    "of speakers of the GRID corpus who sit before a camera and read, with the rest before and after. `GRID s1`: takes "
    "of phrases of one of them, cut to the words, all of one sitting. `webcams`: webcam users who sign words; only "
    "their meshes were kept. `version 1` and `version 2`: the settings of Synth-59, drawn for people of the "
    "`validation` part and stored as H.264. For each person the root mean square over their recordings is taken. A "
    "figure is the median of these over the people of its column. Written by `benchmarks/recordings.py`. [The data "
    "engine](../explanation/synth.md) says by which rule version 2 was fitted to these figures.",
    "",
)
FEATURES = (
    "## Features",
    "",
    "All figures are ratios. `motions over takes`: the variance between the motions of one person over the variance "
    "between takes of one motion. Both are of the means of twelve segments of the motion, all features together. "
    "`median component`: the same ratio for the middle one of the first 32 principal components. `motion over rest of "
    "other takes`: how far the features get from the face at rest, over how far the face at rest differs between the "
    "takes of a sitting. `motion over rest within a take`: the same, over how far the face at rest wanders within a "
    "take. Phrases of GRID share words, and so do lip movements of one simulated person.",
    "",
)
REPETITIONS = (
    "## Repetitions",
    "",
    "Lips of real speakers (`grid33`), in groups of takes of one phrase by one speaker. Sigma is the standard "
    "deviation of the logarithm; the figure is its median over the groups. A word's length is counted in whole frames: "
    "the spread that this rounding adds is taken out.",
    "",
)
TOLD_APART = (
    "## Told apart",
    "",
    "AP and EER (genuine trials, prevalence) on pairs of facial takes within a person and a sitting "
    "(`benchmarks/versions.py`). No system was trained on either version. The rows with the engine's own weights are "
    "of people of the benchmark, and nothing is drawn; of version 1 only five takes of a motion are of one session. "
    "The other rows are of the recordings in the columns above: four people, three motions, four takes each.",
    "",
)
RULE = (
    "## What the rule gives",
    "",
    "`benchmarks/recordings_fit.py`, from the columns above; version 2 has these values with two or three digits, and "
    "was frozen before anything was trained on it.",
    "",
)


def write_page(measured: Mapping[str, Mapping[str, object]], order: Sequence[str]) -> None:
    """Write the page and the figures.

    Args:
        measured: figures of columns, `grid33` among them; others stay as they were written last.
        order: of all columns.
    """
    results = json.loads(PAGE.with_suffix(".json").read_text("utf-8")) if PAGE.with_suffix(".json").exists() else {}
    results |= measured
    results = {name: results[name] for name in order if name in results}
    columns = {name: own for name, own in results.items() if name != "grid33"}
    names = list(dict.fromkeys(name for own in columns.values() for name in own if "each component" not in name))
    plain = [name for name in names if ": " not in name]
    featured = sorted(name for name in names if ": " in name)
    lines = [*HEAD, *_table(columns, plain), "", *FEATURES, *_table(columns, featured), "", *REPETITIONS]
    lines += _table({"grid33": results["grid33"]}, list(results["grid33"]))
    versions = {one.version: one.settings for one in SETS.values()}
    lines += [
        "",
        *RULE,
        f"| setting | the rule | {' | '.join(f'version {n}' for n in versions)} |",
        "|---|---|---|---|",
    ]
    for name, value in fitted(results).items():
        drawn = [vars(own.spreads).get(name, vars(own.scene).get(name)) for own in versions.values()]
        lines.append(f"| `{name}` | {value:.4f} | {' | '.join(f'{own:g}' for own in drawn)} |")
    if VERSIONS.exists():
        told: dict[str, dict[str, dict[str, float]]] = json.loads(VERSIONS.read_text("utf-8"))
        lines += ["", *TOLD_APART, f"| | {' | '.join(told)} |", "|---" * (len(told) + 1) + "|"]
        for name in next(iter(told.values())):
            rows = [own[name] for own in told.values()]
            cells = [f"{r['AP']:.3f}, {r['EER']:.3f} ({r['genuine']:.0f}, {r['prevalence']:.3f})" for r in rows]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    PAGE.write_text("\n".join(lines) + "\n", "utf-8")
    PAGE.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")


def _table(columns: Mapping[str, Mapping[str, object]], names: list[str]) -> list[str]:
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name in names:
        cells = [_figure(own[name]) if name in own else "" for own in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _figure(value: object) -> str:
    if isinstance(value, int) or (isinstance(value, float) and value == int(value) and value >= 10):
        return str(int(value))
    return f"{value:.3g}"
