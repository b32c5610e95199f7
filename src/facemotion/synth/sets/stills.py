"""Single pictures with landmarks and an emotion, for pretraining feature extractors.

Emotions are recipes of action units: Ekman and Friesen, EMFACS-7, 1983, as tabulated in Du, Tao and Martinez, Compound
facial expressions of emotion, 2014. Each is varied in which units take part, how strongly, and how evenly.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facemotion.config import option
from facemotion.data.still_files import EMOTIONS
from facemotion.errors import DataError
from facemotion.synth.filming.camera import Camera
from facemotion.synth.filming.render import Renderer
from facemotion.synth.filming.scene import Moments, SceneSettings, film, framing, make_session
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import PersonBuilder, Recruit, cast, fit_portraits
from facemotion.synth.people.head import INDEX, SHAPES, FloatArray, load_head
from facemotion.synth.performance.habits import Habits, make_habits
from facemotion.synth.performance.motion import invent_program
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.sets.contact_sheets import save_picture
from facemotion.synth.sets.truth import Surveyor
from facemotion.system.files import room_for, write_whole
from facemotion.system.processes import Workers, name_killed, nothing, run_tasks

_UNITS: dict[int, dict[str, float]] = {
    1: {"browInnerUp_L": 0.8, "browInnerUp_R": 0.8},
    2: {"browOuterUp_L": 0.8, "browOuterUp_R": 0.8},
    4: {"browDown_L": 0.8, "browDown_R": 0.8},
    5: {"eyeWide_L": 0.9, "eyeWide_R": 0.9},
    6: {"cheekSquint_L": 0.7, "cheekSquint_R": 0.7, "eyeSquint_L": 0.3, "eyeSquint_R": 0.3},
    7: {"eyeSquint_L": 0.7, "eyeSquint_R": 0.7},
    9: {"noseSneer_L": 0.8, "noseSneer_R": 0.8},
    10: {"mouthUpperUp_L": 0.7, "mouthUpperUp_R": 0.7},
    12: {"mouthSmile_L": 0.8, "mouthSmile_R": 0.8},
    15: {"mouthFrown_L": 0.8, "mouthFrown_R": 0.8},
    16: {"mouthLowerDown_L": 0.6, "mouthLowerDown_R": 0.6},
    17: {"mouthShrugLower": 0.7},
    20: {"mouthStretch_L": 0.8, "mouthStretch_R": 0.8},
    23: {"mouthPress_L": 0.6, "mouthPress_R": 0.6, "mouthRollLower": 0.3, "mouthRollUpper": 0.2},
    25: {
        "mouthLowerDown_L": 0.3,
        "mouthLowerDown_R": 0.3,
        "mouthUpperUp_L": 0.2,
        "mouthUpperUp_R": 0.2,
        "jawOpen": 0.06,
    },
    26: {"jawOpen": 0.35},
}
# Units that make the emotion, and units that sometimes join.
RECIPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "neutral": ((), ()),
    "happiness": ((6, 12), (25, 26)),
    "sadness": ((1, 4, 15), (6, 17)),
    "surprise": ((1, 2, 5, 26), (25,)),
    "fear": ((1, 2, 4, 5, 20), (25, 26)),
    "anger": ((4, 7, 23), (5, 10, 17)),
    "disgust": ((9, 10), (15, 16, 17, 4)),
}


@dataclass(frozen=True)
class StillSettings:
    """What a set of stills holds."""

    people: int = option(100, "people", minimum=1, maximum=1000000)
    each: int = option(28, "pictures per person", minimum=1, maximum=10000)
    posed: float = option(
        0.5, "share of pictures with an emotion; the others show parts of motions", minimum=0, maximum=1
    )
    part: str = option("train", "portraits that people are made from", choices=("train", "validation", "benchmark"))
    seed: int = option(0, "seed of everything", minimum=0)
    quality: int = option(92, "JPEG quality of the files", minimum=30, maximum=100)


def emotion_weights(emotion: str, intensity: float, random: np.random.Generator) -> FloatArray:
    """Weights (S,) of an emotion.

    Args:
        emotion: one of EMOTIONS.
        intensity: 0..1.
        random: generator of the picture.
    """
    weights = np.zeros(len(SHAPES), np.float32)
    core, extra = RECIPES[emotion]
    units = list(core) + [unit for unit in extra if random.random() < 0.4]
    if len(core) > 2 and random.random() < 0.25:  # a person rarely shows the whole recipe
        units.remove(core[int(random.integers(len(core)))])
    for unit in units:
        strength = intensity * float(np.exp(random.normal(0, 0.25)))
        lean = float(random.normal(0, 0.12))
        for shape, weight in _UNITS[unit].items():
            side = 1 + lean if shape.endswith("_L") else 1 - lean if shape.endswith("_R") else 1.0
            weights[INDEX[shape]] = max(weights[INDEX[shape]], strength * weight * side)
    return np.clip(weights, 0, 1.2)


@dataclass(frozen=True)
class _Job:
    """One person's stills, and where they go."""

    out: Path
    assets: Path
    cache: Path
    recruit: Recruit
    settings: StillSettings
    scene: SceneSettings
    spreads: Spreads


def make_stills(
    out: Path,
    assets: Assets,
    cache: Path,
    settings: StillSettings,
    scene: SceneSettings,
    spreads: Spreads,
    *,
    workers: Workers = 1,
) -> Iterator[int]:
    """Make a set of stills, or continue one that was broken off.

    The files don't depend on the number of `workers` (processes).

    Writes out/images/PERSON/NN.jpg, out/labels/PERSON.csv (path, subject, emotion, intensity, pitch, yaw, roll) and
    out/landmarks/PERSON.npz (landmarks (N, 68, 2) float32 pixels, weights (N, S) float32).

    Args:
        out: folder of the set.
        assets: of the data engine.
        cache: file of fitted portraits, see `cast.fit_portraits`.
        settings: what the set holds.
        scene: spreads of light and cameras.
        spreads: how people differ.
        workers: processes, or a cluster.
    Yields:
        The number of people done.
    Raises:
        AssetError: an asset is missing.
        DataError: a process was killed.
        WriteError: a file can't be written.
    """
    fit_portraits(assets, cache)  # once, and not by each process
    everyone = list(cast(settings.people, settings.part, settings.seed))
    todo = [recruit for recruit in everyone if not (out / "labels" / f"{recruit.name}.csv").exists()]
    jobs = [_Job(out, assets.folder, cache, recruit, settings, scene, spreads) for recruit in todo]
    done = len(everyone) - len(todo)
    if done:
        yield done
    with name_killed(DataError, "drew stills"):
        made = run_tasks(nothing, (), _one_person, [(job,) for job in jobs], workers, in_order=False)
        for number, _ in enumerate(made, done + 1):
            yield number


def _one_person(_nothing: None, job: _Job) -> None:
    out, recruit, settings, scene, spreads = job.out, job.recruit, job.settings, job.scene, job.spreads
    assets = Assets(job.assets)
    head = load_head(assets)
    builder = PersonBuilder(assets, head, fit_portraits(assets, job.cache))
    random = np.random.default_rng(np.random.SeedSequence([settings.seed, 41, recruit.seed]))
    person = builder.build(recruit)
    habits = make_habits(random, spreads)
    surveyor = Surveyor(head, person, scene.width, scene.height)
    rows, marks, weights = [], [], []
    for index in range(settings.each):
        session = make_session(random, scene)
        emotion, intensity, shown = _draw_expression(settings.posed, habits, random)
        turn = np.clip(session.pose * 1.6 + random.normal(0, 3, 3), -scene.most_degrees, scene.most_degrees)
        moments = Moments(
            np.zeros(1), shown[None].astype(np.float32), turn[None].astype(np.float32), np.full(1, 2, np.uint8)
        )
        shot = film(moments, person, head, session, scene, random)
        truth = surveyor.survey(shot, session, ())
        zoom, _ = framing(person, head, session, scene)
        camera = Camera(session, scene.width, scene.height, int(random.integers(2**31)))
        width, height = camera.seen
        renderer = Renderer(head, person, width, height, zoom * width / scene.width)
        state = shot.states[0]
        picture = renderer.draw(replace(state, zoom=state.zoom * width / scene.width))
        frame = camera.expose(picture, random.normal(0, 8, 2).astype(np.float32), 1.0)
        name = f"images/{recruit.name}/{index:03d}.jpg"
        save_picture(frame, out / name, settings.quality)
        rows.append([name, recruit.name, emotion, f"{intensity:.3f}", *(f"{v:.2f}" for v in truth.pose[0])])
        marks.append(truth.landmarks[0])
        weights.append(truth.weights[0])
    points = out / "landmarks" / f"{recruit.name}.npz"
    with room_for(out):
        points.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(points, landmarks=np.stack(marks), weights=np.stack(weights))
        _write_labels(out / "labels" / f"{recruit.name}.csv", rows)  # last: a person with labels is whole


def _draw_expression(posed: float, habits: Habits, random: np.random.Generator) -> tuple[str, float, FloatArray]:
    """An emotion ("" for a part of a motion), its intensity, and the weights (S,) that show it."""
    emotion, intensity = "", 0.0
    if random.random() < posed:
        emotion = EMOTIONS[int(random.integers(len(EMOTIONS)))]
        intensity = float(random.uniform(0.35, 1.0))
        shown = emotion_weights(emotion, intensity, random) * habits.reach
    else:
        step = invent_program(random, set()).steps[0]
        shown = step.weights() * habits.reach * float(random.uniform(0.1, 1.1))
    shown = np.clip(shown + habits.rest, 0, 1.2)
    if random.random() < 0.05:
        shown[[INDEX["eyeBlink_L"], INDEX["eyeBlink_R"]]] = random.uniform(0.3, 1)
    return emotion, intensity, shown


def _write_labels(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "subject", "emotion", "intensity", "pitch", "yaw", "roll"])
    writer.writerows(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.getvalue())
