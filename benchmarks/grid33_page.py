"""docs/results/grid33.md, from the figures of benchmarks/grid33.py."""

from __future__ import annotations

from typing import Any

PAPER = {"AP": 0.819, "peak F1": 0.742}  # table 2 of the paper, lip movements
NAMES = {
    "paper": "the paper's recipe (transformer, contrastive loss)",
    "paper-n-pair": "the paper's recipe with its other loss (N-pair), not trimmed",
    "ours": "ours (configs/grid33.toml)",
    "time warping": "time warping, nothing learned",
}


def page(results: dict[str, Any]) -> str:
    """Every table, as Markdown."""
    return "\n".join([*_head(results), *_protocol(results), *_kinds(results), *_enrolment(results)]) + "\n"


def _head(results: dict[str, Any]) -> list[str]:
    tested = [name for group in results["tested on"] for name in group]
    trained = results["trained on"]
    steps = ", ".join(f"{_called(name)} {count} steps" for name, count in results["steps"].items())
    runs = results["folds run"]
    if not results["folds"]:
        how = f"One network of each recipe is trained on {len(trained[0])} speakers and tested on {len(tested)} others."
    elif runs < results["folds"]:
        how = (
            f"{runs} of {results['folds']} folds by speaker {'were' if runs > 1 else 'was'} run: "
            f"{'each' if runs > 1 else 'one'} network is trained on {len(trained[0])} speakers and tested on "
            f"{len(tested) // runs} others. The other folds weren't run."
        )
    else:
        how = f"{runs} folds by speaker: every speaker is scored by a network that never saw them."
    return [
        "# Lips of real people, never seen",
        "",
        f"Nine lip points of speakers of the GRID corpus, {results['clips tested']} takes of three-word phrases by "
        f"{len(tested)} speakers ({', '.join(tested)}). {how} One seed; {steps}. Each speaker was recorded in one "
        "session, so what tells two people apart here may in part be their camera. Written by `benchmarks/grid33.py`; "
        "the data is described in [data.md](../reference/data.md).",
        "",
    ]


def _protocol(results: dict[str, Any]) -> list[str]:
    systems = results["protocol"]
    first = next(iter(systems.values()))
    rows = [
        f"| {_called(name)} | {own['AP']:.3f} | {own['AP interval'][0]:.3f} to {own['AP interval'][1]:.3f} "
        f"| {', '.join(f'{ap:.3f}' for ap in own['AP of each draw'])} | {own['peak F1']:.3f} | {own['EER']:.3f} |"
        for name, own in sorted(systems.items(), key=lambda item: -item[1]["AP"])
    ]
    return [
        "## The paper's protocol",
        "",
        "A draw has five phrases of each speaker, chosen by a fixed seed, and ten takes of each; pairs inside a "
        f"speaker: {first['genuine']} genuine and {first['impostor']} impostor trials a draw, prevalence "
        f"{first['prevalence']:.3f}. Mean of five draws; the 95% interval is over speakers, all draws together.",
        "",
        "| system | AP | interval | each draw | peak F1 | EER |",
        "|---|---|---|---|---|---|",
        f"| what the paper reports of lip movements, on its own speakers | {PAPER['AP']:.3f} |  |  "
        f"| {PAPER['peak F1']:.3f} |  |",
        *rows,
        "",
    ]


def _kinds(results: dict[str, Any]) -> list[str]:
    lines = [
        "## Impostors by kind",
        "",
        "All 64 phrases are made of the same twelve words. Two phrases that share two of three words are near misses. "
        "Somebody else who says the same phrase is a real mimic of the words. FNMR at an FMR is given if the number of "
        "different pairs of motions supports that FMR (rule of 3). All figures are of the speakers named above alone.",
        "",
        "| system | impostors | EER | interval | AP (prevalence) | FNMR at FMR 1% | FNMR at FMR 0.1% | trials |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, kinds in results["kinds"].items():
        for kind, own in kinds.items():
            low, high = own["EER interval"]
            lines.append(
                f"| {_called(name)} | {kind} | {own['EER']:.3f} | {low:.3f} to {high:.3f} "
                f"| {own['AP']:.3f} ({own['prevalence']:.3f}) | {_rates(own)} | {own['impostor']} |"
            )
    return [*lines, ""]


def _enrolment(results: dict[str, Any]) -> list[str]:
    lines = [
        "## Enrolment takes",
        "",
        "The first takes of each of the 64 phrases are enrolled. The probes are later takes of that phrase and of the "
        "speaker's other phrases; they are the same for every number of takes. The score is the mean cosine.",
        "",
        "| system | takes | EER | AP (prevalence) | FNMR at FMR 1% | FNMR at FMR 0.1% |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in results["enrolment"].items():
        lines += [
            f"| {_called(name)} | {own['takes']} | {own['EER']:.3f} | {own['AP']:.3f} ({own['prevalence']:.3f}) "
            f"| {_rates(own)} |"
            for own in rows
        ]
    return lines


def _rates(own: dict[str, Any]) -> str:
    told = (own[f"FNMR at FMR {fmr:g}"] for fmr in (0.01, 0.001))
    return " | ".join("not supported" if rate is None else f"{rate:.3f}" for rate in told)


def _called(name: str) -> str:
    prefix, colon, rest = name.partition(": ")
    if colon and prefix == "control":
        return f"control: {rest}"
    return NAMES.get(name, name)
