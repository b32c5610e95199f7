"""Curves of scored trials and a map of embeddings, as pictures (extra: train)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facemotion.evaluation.measures import average_precision, curve, equal_error_rate, prevalence
from facemotion.evaluation.tsne import tsne
from facemotion.types import ClipRecord, FloatArray, ScoredTrials, TrialKind

RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # ticks of the DET plot


def plot_scores(trials: ScoredTrials, path: Path, about: str = "") -> None:
    """Precision and recall, DET, and a histogram of scores per kind of trial, side by side.

    Args:
        trials: with genuine and impostor trials.
        path: picture to write; its suffix decides the format.
        about: what was scored, for the title.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    accepted = curve(trials)
    figure = Figure(figsize=(15, 4.9), layout="constrained")
    genuine = int(trials.labels.sum())
    figure.suptitle(f"{about}: {genuine} genuine and {len(trials) - genuine} impostor trials".removeprefix(": "))
    precision_recall, det, histogram = figure.subplots(1, 3)
    rate, threshold = equal_error_rate(accepted)

    precision_recall.plot(accepted.recall, accepted.precision, clip_on=False)
    precision_recall.axhline(prevalence(accepted), color="0.6", linestyle=":", label="a guess (prevalence)")
    precision_recall.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    precision_recall.set_title(f"average precision {average_precision(accepted):.3f}")
    precision_recall.legend(loc="lower left")

    shown = (accepted.impostor > 0) & (accepted.fnmr > 0)
    det.loglog(accepted.fmr[shown], accepted.fnmr[shown])
    if rate > 0:
        det.plot([rate], [rate], "o", color="C3", label=f"EER {rate:.3f}")
        det.legend(loc="lower left")
    det.set(xlabel="false match rate", ylabel="false non-match rate", title="DET, both axes logarithmic")
    det.grid(alpha=0.25)
    det.tick_params(labelsize="x-small")
    for axis, least in ((det.xaxis, det.get_xlim()[0]), (det.yaxis, det.get_ylim()[0])):
        axis.set_ticks([tick for tick in RATES if tick >= least])
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:g}%"))

    bins = np.linspace(float(trials.scores.min()), float(trials.scores.max()), int(np.clip(genuine / 4, 12, 60)))
    for kind in TrialKind:
        scores = trials.scores[trials.kinds == kind.code]
        if len(scores):
            how = {"histtype": "stepfilled", "alpha": 0.35} if kind == TrialKind.GENUINE else {"histtype": "step"}
            histogram.hist(scores, bins, density=True, label=f"{kind} ({len(scores)})", **how)
    histogram.axvline(threshold, color="C3", linestyle=":", label=f"threshold of the EER, {threshold:.2f}")
    histogram.set(xlabel="score", ylabel="density", title="scores")
    histogram.legend(loc="upper left", fontsize="small")
    figure.savefig(path, dpi=120)


def plot_embeddings(
    vectors: FloatArray, records: Sequence[ClipRecord], path: Path, subjects: int = 5, motions: int = 5
) -> None:
    """t-SNE of the first subjects' first motions: a colour per motion, a mark per subject (Fig. 9 of the paper).

    Args:
        vectors: (N, E) float32, rows of norm 1.
        records: labels of the N clips.
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
        takes = [k for k, i in enumerate(chosen) if (records[i].subject, records[i].motion) == (subject, motion)]
        mark = "osD^vP*X"[names.index(subject) % 8]
        label = f"{subject}, {motion}" if len(names) > 1 else motion
        axes.scatter(places[takes, 0], places[takes, 1], s=26, marker=mark, color=_colour(number), label=label)
    axes.set(xticks=[], yticks=[], title="t-SNE of the embeddings")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize="x-small")
    figure.savefig(path, dpi=120)


def _colour(number: int) -> tuple[float, float, float]:
    """Hues far apart for neighbouring numbers (golden ratio), in two brightnesses."""
    from matplotlib.colors import hsv_to_rgb

    red, green, blue = hsv_to_rgb((number * 0.618 % 1, 0.75, 0.85 if number % 2 else 0.6))
    return float(red), float(green), float(blue)
