"""Does the shipped encoder hear the order of steps, and what does motion spotting do to flash motions?

    python benchmarks/order.py [--people 12] [--seed 59] [--write]

Simulated people as mesh points without pictures (`synth.points.simulate`; needs FACEMOTION_ASSETS), none of whom it was
trained on. Order: every motion of several steps against the same steps in another order, within a person, by the
encoder, by the same encoder on clips robbed of their order, by features pooled over time, and by time warping.
Spotting: a set in which half of the takes are flash motions (over 70% of the frames neutral), with clips encoded whole
and cut to where the face moves. With --write the figures go to docs/results/order.json and docs/results/order.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np

from facemotion.encoder import Encoder
from facemotion.evaluation.controls import last_frame, peak_frame, pooled_vectors, shuffle_frames
from facemotion.evaluation.failures import FLASH_SHARE
from facemotion.evaluation.measures import average_precision, curve, equal_error_rate, prevalence
from facemotion.evaluation.report import kind_figures
from facemotion.evaluation.trials import matrix_trials, score_pairs, select_trials
from facemotion.models import Models
from facemotion.signals import dtw_scores, measure_cues, resample, spot_motion
from facemotion.synth.people.assets import Assets
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.points.simulate import SimulationSettings, simulate
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.types import ClipRecord, FeatureSequence, FloatArray, ScoredTrials, TrialKind

RESULTS = Path(__file__).parents[1] / "docs" / "results"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=12, help="simulated people")
    parser.add_argument("--seed", type=int, default=59, help="of people and motions")
    parser.add_argument("--encoder", default="encoder-mesh", help="encoder, by the name of its card")
    parser.add_argument("--write", action="store_true", help="write docs/results/order.json and .md")
    options = parser.parse_args()
    encoder = Encoder.load(options.encoder, Models.configured())
    planned = DatasetSettings(
        part="train",
        subjects=options.people,
        motions=5,
        lips=0,
        takes=5,
        near_misses=0,
        reorders=5,
        mimics=0,
        impostor_takes=5,
        seed=options.seed,
    )
    results = {
        "encoder": encoder.model_id,
        "people": options.people,
        "order": order(encoder, *simulate(SimulationSettings(planned), None, Assets.find(), encoder.frontend_id)),
        "spotting": spotting(encoder, planned),
    }
    text = markdown(results)
    print(text)
    if options.write:
        (RESULTS / "order.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")
        (RESULTS / "order.md").write_text(text, "utf-8")


def encode(encoder: Encoder, clips: list[FeatureSequence]) -> FloatArray:
    """(N, E) float32."""
    return np.stack([encoder(clip).vector for clip in clips])


def order(encoder: Encoder, records: list[ClipRecord], clips: list[FeatureSequence]) -> dict[str, dict[str, float]]:
    """Figures of genuine trials against reordered motions, of every system."""
    shuffled = [shuffle_frames(clip, np.random.default_rng(i)) for i, clip in enumerate(clips)]
    vectors = {
        "encoder": encode(encoder, clips),
        "control: frames shuffled": encode(encoder, shuffled),
        "control: last frame": encode(encoder, [last_frame(clip) for clip in clips]),
        "control: peak frame": encode(encoder, [peak_frame(clip) for clip in clips]),
        "control: maximum of features over time": pooled_vectors(clips, clips, "maximum"),
        "control: mean of features over time": pooled_vectors(clips, clips, "mean"),
    }
    figures = {name: of_order(score_pairs(own, records, "within-subject")) for name, own in vectors.items()}
    figures["time warping over all points"] = of_order(matrix_trials(warped(records, clips), records, "within-subject"))
    return figures


def warped(records: list[ClipRecord], clips: list[FeatureSequence]) -> FloatArray:
    """(N, N) scores of clips of one person; 0, which is never looked at, between two people."""
    scores = np.zeros((len(clips), len(clips)), np.float32)
    for subject in dict.fromkeys(r.subject for r in records):
        own = [i for i, r in enumerate(records) if r.subject == subject]
        scores[np.ix_(own, own)] = dtw_scores([resample(clips[i].values, clips[i].times) for i in own])
    return scores


def of_order(trials: ScoredTrials) -> dict[str, float]:
    """Genuine trials of motions with several steps against the same steps in another order."""
    return {
        key: round(value, 4) for key, value in dataclasses.asdict(kind_figures(trials, TrialKind.OTHER_ORDER)).items()
    }


def spotting(encoder: Encoder, planned: DatasetSettings) -> dict[str, dict[str, float]]:
    """AP and EER within a person, of trials with a flash clip on either side and of the others, whole and cut."""
    planned = dataclasses.replace(planned, reorders=0, seed=planned.seed + 1, spreads=Spreads(flash=0.5))
    records, clips = simulate(SimulationSettings(planned), None, Assets.find(), encoder.frontend_id)
    flash = np.array([measure_cues(clip).neutral_share > FLASH_SHARE for clip in clips])
    first, second = np.triu_indices(len(records), k=1)
    same = np.array([records[i].subject == records[j].subject for i, j in zip(first, second, strict=True)])
    touched = (flash[first] | flash[second])[same]
    figures = {}
    for name, chosen in {"whole clips": clips, "cut to the motion": [cut(clip) for clip in clips]}.items():
        trials = score_pairs(encode(encoder, chosen), records, "within-subject")
        for which, part in {"trials with a flash clip": touched, "other trials": ~touched}.items():
            accepted = curve(select_trials(trials, part))
            figures[f"{name}, {which}"] = {
                "trials": int(part.sum()),
                "prevalence": round(prevalence(accepted), 4),
                "average_precision": round(average_precision(accepted), 4),
                "eer": round(equal_error_rate(accepted)[0], 4),
            }
    return figures


def cut(clip: FeatureSequence) -> FeatureSequence:
    """Where the face moves."""
    values, times = spot_motion(clip.values, clip.times)
    return FeatureSequence(values.copy(), times.copy(), clip.frontend_id)


def markdown(results: dict[str, object]) -> str:
    """Both tables."""
    lines = [
        "# Order and spotting",
        "",
        f"`{results['encoder']}` on {results['people']} simulated people (mesh points without pictures, none trained "
        "on), pairs inside a person. Written by `benchmarks/order.py`.",
        "",
        "Every motion of several steps against the same steps in another order:",
    ]
    for key in ("order", "spotting"):
        if key == "spotting":
            lines += ["", "Half of the takes are flash motions; the encoder was trained on whole clips:"]
        counted = "impostor trials" if key == "order" else "trials"
        lines += ["", f"| system | {counted} | prevalence | AP | EER |", "|---|---|---|---|---|"]
        lines += [
            f"| {name} | {o['trials']} | {o['prevalence']:.3f} | {o['average_precision']:.3f} | {o['eer']:.3f} |"
            for name, o in results[key].items()  # type: ignore[attr-defined]
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
