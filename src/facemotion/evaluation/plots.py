"""Curves of scored trials and a map of embeddings, as pictures (extra: train)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facemotion.evaluation.metrics import average_precision, curve, equal_error_rate, prevalence
from facemotion.evaluation.tsne import tsne
from facemotion.types import TRIAL_KINDS, ClipRecord, FloatArray, ScoredTrials


def plot_scores(trials: ScoredTrials, path: Path) -> None:
    """Precision and recall, DET, and a histogram of scores per kind of trial, side by side.

    Args:
        trials: with genuine and impostor trials.
        path: picture to write; its suffix decides the format.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    accepted = curve(trials)
    figure = Figure(figsize=(15, 4.6), layout="constrained")
    precision_recall, det, histogram = figure.subplots(1, 3)

    precision_recall.plot(accepted.recall, accepted.precision)
    precision_recall.axhline(prevalence(accepted), color="0.6", linestyle=":", label="a guess (prevalence)")
    precision_recall.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    precision_recall.set_title(f"average precision {average_precision(accepted):.3f}")
    precision_recall.legend(loc="upper right")

    shown = (accepted.impostor > 0) & (accepted.fnmr > 0)
    det.loglog(accepted.fmr[shown], accepted.fnmr[shown])
    rate = equal_error_rate(accepted)[0]
    if rate > 0:
        det.plot([rate], [rate], "o", color="C3", label=f"EER {rate:.3f}")
        det.legend(loc="lower left")
    det.set(xlabel="false match rate", ylabel="false non-match rate", title="DET")
    det.grid(which="both", alpha=0.25)
    percent = FuncFormatter(lambda rate, _: f"{100 * rate:g}%")
    det.xaxis.set_major_formatter(percent)
    det.yaxis.set_major_formatter(percent)

    bins = np.linspace(float(trials.scores.min()), float(trials.scores.max()), 60)
    for number, kind in enumerate(TRIAL_KINDS):
        scores = trials.scores[trials.kinds == number]
        if len(scores):
            histogram.hist(scores, bins, density=True, histtype="step", label=f"{kind} ({len(scores)})")
    histogram.set(xlabel="score", ylabel="density", title="scores")
    histogram.legend(loc="upper left", fontsize="small")
    figure.savefig(path, dpi=120)


def plot_embeddings(
    vectors: FloatArray, records: Sequence[ClipRecord], path: Path, subjects: int = 5, motions: int = 5
) -> None:
    """t-SNE of the first subjects' first motions: a colour per motion, a mark per subject (Fig. 9 of the paper).

    Args:
        vectors: (N, E) float32, rows of norm 1. records: labels of the N clips.
        path: picture to write.
        subjects, motions: how many are shown at most; where there is one subject, four times as many motions.
    Raises:
        EvidenceError: fewer than four clips.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(r.subject for r in records))[:subjects]
    limit = motions if len(names) > 1 else 4 * motions
    groups = [
        (subject, motion)
        for subject in names
        for motion in list(dict.fromkeys(r.motion for r in records if r.subject == subject))[:limit]
    ]
    chosen = [i for i, r in enumerate(records) if (r.subject, r.motion) in groups]
    places = tsne(vectors[chosen])
    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplots()
    for number, (subject, motion) in enumerate(groups):
        own = [k for k, i in enumerate(chosen) if (records[i].subject, records[i].motion) == (subject, motion)]
        mark = "osD^vP*X"[names.index(subject) % 8]
        label = f"{subject}, {motion}" if len(names) > 1 else motion
        axes.scatter(places[own, 0], places[own, 1], s=26, marker=mark, color=_colour(number), label=label)
    axes.set(xticks=[], yticks=[], title="t-SNE of the embeddings")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="x-small")
    figure.savefig(path, dpi=120)


def _colour(number: int) -> tuple[float, float, float]:
    """Hues far apart for neighbouring numbers (golden ratio), in two brightnesses."""
    from matplotlib.colors import hsv_to_rgb

    red, green, blue = hsv_to_rgb((number * 0.618 % 1, 0.75, 0.85 if number % 2 else 0.6))
    return float(red), float(green), float(blue)
