"""How real lips speak, and how the engine's do: what `synth.lips.SpeechSpreads` was fitted to.

    python benchmarks/speech.py DATA --cache FEATURES [--people 6] [--write]

DATA holds grid_s1 (one speaker, 30 training phrases of 12 to 16 takes; the test phrases aren't looked at) and
grid_people (ten speakers, s1 among them, a sentence or two each); FEATURES is the feature cache with the face-mesh
features of grid_s1 (`facemotion features`). Simulated people speak phrases of the same words, are drawn, and are seen
through the same front end: what the mesh smooths and jitters is on both sides. Needs FACEMOTION_ASSETS. With --write
the table goes to docs/explanation/synth.md and docs/results/speech.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from other_speakers import clips_of_speakers
from sections import write_section

from facemotion.config import Settings
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest
from facemotion.features import load_extractor
from facemotion.features.mesh import MOVING, POINTS
from facemotion.frontend import Acquirer, Frontend
from facemotion.media import load_clip
from facemotion.models import Models
from facemotion.signals import RATE, dtw_path
from facemotion.synth.filming.scene import Moments, SceneSettings, film, make_session, sample
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import PersonBuilder, cast, default_cache, fit_portraits
from facemotion.synth.people.head import load_head
from facemotion.synth.performance.habits import make_habits
from facemotion.synth.performance.lips import FIRST_SPEECH, SpeechSpreads, pronounce
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.performance.takes import make_take
from facemotion.synth.sets.plan import DatasetSettings
from facemotion.synth.sets.produce import SessionRenderer

ROOT = Path(__file__).parents[1]
WORDS = {
    "bin": "B IH N", "lay": "L EY", "place": "P L EY S", "set": "S EH T", "blue": "B L UW", "green": "G R IY N",
    "red": "R EH D", "white": "W AY T", "at": "AE T", "by": "B AY", "in": "IH N", "with": "W IH DH",
}  # fmt: skip
PHRASES = ("bin blue by", "lay green at", "place white with", "set red in", "bin white in", "lay blue with")
PLACE = {int(point): row for row, point in enumerate(POINTS)}
LIPS = [PLACE[point] for point in MOVING["lips"]]
QUIET = [PLACE[point] for group in ("nose", "left brow", "right brow") for point in MOVING[group]]
CALM = {"flash": 0.0, "other_ending": 0.0, "other_intensity": 0.0, "inconsistent": 0.0, "unfinished": 0.0}
SCENE = SceneSettings(slowest=RATE, fastest=RATE, jitter=0, dropped=0)
FloatArray = NDArray[np.floating]
Sequences = list[tuple[str, FloatArray]]  # phrase; (T, P, 3) at RATE, while the lips speak


def speak(manner: SpeechSpreads, people: int, phrases: int, takes: int) -> list[Sequences]:
    """Simulated people's sequences, as the front end sees them."""
    assets, frontend = Assets.find(), Frontend.load(Settings())
    head = load_head(assets)
    builder = PersonBuilder(assets, head, fit_portraits(assets, default_cache(assets)))
    settings = DatasetSettings(spreads=Spreads(speech=manner, **CALM), scene=SCENE)
    everyone = []
    for number, recruit in enumerate(cast(people, "train", 5)):
        random = np.random.default_rng([5, number])
        # How far and how fast a person speaks is no part of what is compared: the means of people are.
        own = make_habits(random, settings.spreads)
        habits = dataclasses.replace(own, tempo=1.0, slur=0.85, lips=1.0, reach=np.ones_like(own.reach))
        session = make_session(random, SCENE)
        person = builder.build(recruit)
        renderer = SessionRenderer(head, person, session, settings)
        found: Sequences = []
        for phrase, take in itertools.product(PHRASES[:phrases], range(takes)):
            speech = pronounce([sound for word in phrase.split() for sound in WORDS[word].split()])
            moments = sample(make_take(speech, habits, settings.spreads, random), session, SCENE, random)
            # GRID's clips are cut to their words.
            spoken = np.flatnonzero(moments.phase > 0)[2:-2]
            moments = Moments(
                moments.times[spoken] - moments.times[spoken[0]],
                moments.weights[spoken],
                moments.turn[spoken],
                moments.phase[spoken],
            )
            shot = film(moments, person, head, session, SCENE, random)
            live = Acquirer(frontend)
            for frame, seconds in zip(renderer.frames(shot, take), shot.times, strict=True):
                live.push(frame, float(seconds))
            found.append((phrase, points_of(live.sequence().values)))
        everyone.append(found)
    return everyone


def points_of(values: FloatArray) -> FloatArray:
    """(T, P, 3) of feature values (T, 3 P)."""
    return values.reshape(len(values), -1, 3)


def opening(points: FloatArray) -> FloatArray:
    """(T,) gap between the lips."""
    pairs = ((82, 87), (13, 14), (312, 317))
    return np.mean([points[:, PLACE[low], 1] - points[:, PLACE[up], 1] for up, low in pairs], axis=0)


def width(points: FloatArray) -> FloatArray:
    """(T,) distance between the corners of the mouth, across."""
    return points[:, PLACE[291], 0] - points[:, PLACE[61], 0]


def centre_of_spectrum(curve: FloatArray) -> float:
    """Hz, up to 8, of a curve without its line."""
    times = np.arange(len(curve))
    curve = curve - np.polyval(np.polyfit(times, curve, 1), times)
    power = np.abs(np.fft.rfft(curve * np.hanning(len(curve)), 256)) ** 2
    rates = np.fft.rfftfreq(256, 1 / RATE)
    return float((rates * power)[rates <= 8].sum() / power[rates <= 8].sum())


def spread(values: list[float]) -> float:
    """Standard deviation, from the quartiles."""
    return 0.7413 * float(np.subtract(*np.percentile(values, [75, 25])))


def within(labels: list[str], values: list[float]) -> float:
    """Sigma of the logarithm of values round their label's median."""
    logs = np.log(np.maximum(values, 1e-6))
    names = np.array(labels)
    return spread([float(x) for name in set(labels) for x in logs[names == name] - np.median(logs[names == name])])


def describe(clips: Sequences, pairs: int = 150) -> dict[str, float]:
    """What one speaker's clips say."""
    labels, points = [name for name, _ in clips], [values for _, values in clips]
    gaps, widths = [opening(p) for p in points], [width(p) for p in points]
    moved = np.concatenate([p - p.mean(axis=0) for p in points]).std(axis=0)
    flat = [(p[:, LIPS, :2] - p[:, LIPS, :2].mean(axis=0)).reshape(len(p), -1) for p in points]
    _, sizes, axes = np.linalg.svd(np.concatenate(flat), full_matrices=False)
    share = np.square(sizes) / np.square(sizes).sum()
    reduced = [values @ axes[:10].T for values in flat]
    random = np.random.default_rng(0)
    differ: dict[bool, list[float]] = {True: [], False: []}
    bends = []
    everything = [(i, j) for i in range(len(clips)) for j in range(i)]
    for same in (True, False):
        rows = [(i, j) for i, j in everything if (labels[i] == labels[j]) == same]
        for row in random.permutation(len(rows))[:pairs]:
            i, j = rows[row]
            path = dtw_path(reduced[i], reduced[j])
            a, b = reduced[i][path[:, 0]], reduced[j][path[:, 1]]
            differ[same].append(float(np.square(a - b).sum() / (np.square(a).sum() + np.square(b).sum())))
            if same:
                straight = np.polyval(np.polyfit(path[:, 0], path[:, 1], 1), path[:, 0])
                bends.append(float((path[:, 1] - straight).std() / RATE))
    return {
        "opening, centre of its spectrum, Hz": float(np.median([centre_of_spectrum(gap) for gap in gaps])),
        "width, centre of its spectrum, Hz": float(np.median([centre_of_spectrum(w) for w in widths])),
        "length of a phrase, s": float(np.median([len(p) for p in points])) / RATE,
        "opening, standard deviation": float(np.median([gap.std() for gap in gaps])),
        "width, standard deviation": float(np.median([w.std() for w in widths])),
        "upper lip, up and down": float(moved[PLACE[13], 1]),
        "lower lip, up and down": float(moved[PLACE[14], 1]),
        "corners, across": float(moved[PLACE[291], 0]),
        "corners, up and down": float(moved[PLACE[291], 1]),
        "share of the first component of the lips": float(share[0]),
        "share of the second": float(share[1]),
        "takes: sigma of the opening's size": within(labels, [float(gap.std()) for gap in gaps]),
        "takes: sigma of the width's size": within(labels, [float(w.std()) for w in widths]),
        "takes: sigma of length": within(labels, [float(len(p)) for p in points]),
        "takes: bend of time, s": float(np.median(bends)),
        "takes of one phrase: difference after warping": float(np.median(differ[True])),
        "takes of two phrases: the same": float(np.median(differ[False])),
        **alignment([p - p.mean(axis=0) for p in points], np.concatenate(points).mean(axis=0)),
    }


def alignment(centred: list[FloatArray], mean: FloatArray) -> dict[str, float]:
    """The error that nose and brows share, as moves, turns and growth of the whole face, and what each has of its
    own."""
    places = mean[QUIET]
    moves = [np.broadcast_to(axis, places.shape) for axis in np.eye(3)]
    turns = [np.cross(axis, places) for axis in np.eye(3)]
    basis = np.stack([mode.ravel() for mode in (*moves, *turns, places)], axis=1)
    quiet = np.concatenate([p[:, QUIET].reshape(len(p), -1) for p in centred])
    modes = np.linalg.lstsq(basis, quiet.T, rcond=None)[0].T
    own = (quiet - modes @ basis.T).reshape(len(quiet), -1, 3)
    ends = np.cumsum([len(p) for p in centred])[:-1]
    parts = np.split(modes, ends)
    again = sum(float((p[1:] * p[:-1] / np.square(modes).mean(axis=0)).mean(axis=1).sum()) for p in parts)
    names = ("across", "down", "deep", "pitch", "yaw", "roll", "size")
    found = {f"alignment, {name}": float(value) for name, value in zip(names, modes.std(axis=0), strict=True)}
    own_sizes = {f"a point's own, {name}": float(v) for name, v in zip(names, own.std(axis=(0, 1)), strict=False)}
    return {**found, **own_sizes, "alignment, correlation from frame to frame": again / (len(quiet) - len(parts))}


def mean_of(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means over people."""
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def real(data: Path, cache: Path) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """What the speaker of grid_s1 says, and the sizes of the speakers of grid_people."""
    store = FeatureCache(cache, load_extractor("face-mesh", Models.configured()).frontend_id)
    manifest, sequences = read_features(store, read_manifest(data / "grid_s1" / "manifest.csv").select(split="train"))
    clips = [(r.motion, points_of(s.values)) for r, s in zip(manifest.records, sequences, strict=True)]
    frontend = Frontend.load(Settings())
    others: dict[str, dict[str, float]] = {}
    for path in clips_of_speakers(data / "grid_people"):
        live, clip = Acquirer(frontend), load_clip(path)
        for frame, seconds in zip(clip.frames, clip.times, strict=True):
            live.push(frame, float(seconds))
        points = points_of(live.sequence().values)[8:-8]  # the sentence, without the rest at its ends
        moved = points.std(axis=0)
        others[path.stem] = {
            "opening, standard deviation": float(opening(points).std()),
            "width, standard deviation": float(width(points).std()),
            "upper lip, up and down": float(moved[PLACE[13], 1]),
            "lower lip, up and down": float(moved[PLACE[14], 1]),
            "corners, across": float(moved[PLACE[291], 0]),
            "corners, up and down": float(moved[PLACE[291], 1]),
        }
    return describe(clips, 400), others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--phrases", type=int, default=4)
    parser.add_argument("--takes", type=int, default=6)
    parser.add_argument("--speech", default="", help="settings of the speech instead of the defaults: lift=2,slur=0.5")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    changes = {
        name: float(value) for name, _, value in (part.partition("=") for part in options.speech.split(",") if part)
    }
    columns: dict[str, dict[str, float]] = {}
    columns["grid_s1"], others = real(options.data, options.cache)
    columns["grid_people"] = {
        name: float(np.median([row[name] for row in others.values()])) for name in next(iter(others.values()))
    }
    manners = {"version 1": FIRST_SPEECH, "now": dataclasses.replace(SpeechSpreads(), **changes)}
    for name, manner in manners.items():
        spoken = speak(manner, options.people, options.phrases, options.takes)
        columns[name] = mean_of([describe(clips) for clips in spoken])
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name in columns["grid_s1"]:
        cells = [f"{column[name]:.3g}" if name in column else "" for column in columns.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    print("\n".join(lines))
    if options.write:
        write_section(ROOT / "docs" / "explanation" / "synth.md", "speech", "\n".join(lines))
        results = {"columns": columns, "others": others, "people": options.people, "takes": options.takes}
        (ROOT / "docs" / "results" / "speech.json").write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
