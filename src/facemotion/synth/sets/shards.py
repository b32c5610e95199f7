"""Stills of simulated people in the form that `facemotion train sfe` reads: one shard a person.

Besides the emotions and motion steps of `stills`, these people speak, look about, close their eyes by any amount and
move parts at random, in wider ranges of pose and light: a landmark extractor must also see faces that nobody makes on
purpose. Pictures are drawn clean; the effects of cameras are added while training.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.still_files import (
    EMOTIONS,
    PEOPLE,
    POINTS,
    Shard,
    StillPerson,
    read_people,
    write_people,
    write_shard,
)
from facemotion.errors import DataError
from facemotion.face import BlazeFace
from facemotion.models import Models
from facemotion.synth.filming.render import Renderer
from facemotion.synth.filming.scene import PORTRAIT_LIGHT, rotation
from facemotion.synth.filming.view import Light, State, on_screen
from facemotion.synth.people.assets import PORTRAIT_LIST, Assets
from facemotion.synth.people.cast import PersonBuilder, Recruit, cast, fit_portraits
from facemotion.synth.people.head import INDEX, SHAPES, HeadModel, load_head
from facemotion.synth.people.person import Person
from facemotion.synth.performance.lips import lexicon, spell
from facemotion.synth.performance.motion import invent_program
from facemotion.synth.sets.stills import emotion_weights
from facemotion.synth.sets.truth import angles
from facemotion.system.processes import Workers, name_killed, run_tasks

SIDE = 160
FACE = 108  # detector's box, about, in pixels of the still
EYES_TO_BOX = 1.98  # side of that box over the distance between the outer eye corners, and
BELOW_EYES = 0.22  # its middle below them in box sides, both measured on faces before webcams
STEEPEST = 25.0  # degrees of yaw and pitch to the camera
Weights = NDArray[np.float64]


def expression(random: np.random.Generator) -> tuple[Weights, NDArray[np.float32]]:
    """Draw what a face does.

    Args:
        random: generator of the picture.
    Returns:
        Weights (S,) float64, and shares of the emotions (7,) float32, zeros where the expression has no name.
    """
    weights: NDArray[np.floating]
    shares = np.zeros(len(EMOTIONS), np.float32)
    kind = random.random()
    if kind < 0.36:
        emotion, intensity = int(random.integers(len(EMOTIONS))), random.uniform(0.3, 1.1)
        weights = emotion_weights(EMOTIONS[emotion], intensity, random).astype(np.float64)
        if random.random() < 0.25:
            weights += viseme(random) * random.uniform(0.2, 0.8)
        share = float(np.clip((intensity - 0.25) / 0.45, 0, 1))
        shares[emotion] += share
        shares[0] += 1 - share
    elif kind < 0.62:
        part = random.random()
        weights = (part * viseme(random) + (1 - part) * viseme(random)) * random.uniform(0.5, 1.5)
        weights *= np.exp(random.normal(0, 0.2, len(SHAPES)))
    elif kind < 0.86:
        steps = invent_program(random, set()).steps
        weights = steps[int(random.integers(len(steps)))].weights() * random.uniform(0.15, 1.15)
        if random.random() < 0.3:
            weights = weights + viseme(random) * random.uniform(0.2, 0.8)
    else:
        weights = np.zeros(len(SHAPES))
        weights[random.integers(len(SHAPES), size=int(random.integers(1, 7)))] = random.uniform(0.1, 1)
    return possible(lean(look_and_blink(np.asarray(weights, np.float64), random), random)), shares


def viseme(random: np.random.Generator) -> Weights:
    """Weights (S,) of one viseme of a word."""
    words = sorted(lexicon())
    targets = spell(words[int(random.integers(len(words)))]).targets
    return np.asarray(targets[int(random.integers(len(targets)))], np.float64)


def look_and_blink(weights: Weights, random: np.random.Generator) -> Weights:
    """Add a gaze to half of the faces, and to a fifth a lid that is part of the way down.

    Args:
        weights: (S,) weights, changed.
        random: generator of the picture.
    Returns:
        The same weights.
    """
    if random.random() < 0.22:
        shut = float(random.beta(1.2, 1.0))
        for side in "LR" if random.random() < 0.75 else random.choice(["L", "R"]):
            weights[INDEX[f"eyeBlink_{side}"]] = shut
    if random.random() < 0.5:
        x, y = random.normal(0, 0.35, 2)
        outer, inner = ("L", "R") if x > 0 else ("R", "L")
        weights[INDEX[f"eyeLookOut_{outer}"]] += abs(x)
        weights[INDEX[f"eyeLookIn_{inner}"]] += abs(x)
        for side in "LR":
            weights[INDEX[f"eyeLook{'Up' if y > 0 else 'Down'}_{side}"]] += 0.7 * abs(y)
    return weights


def lean(weights: Weights, random: np.random.Generator) -> Weights:
    """No face is even: one side does a little more."""
    for name in SHAPES:
        if name.endswith("_L"):
            factor = np.exp(random.normal(0, 0.1))
            weights[INDEX[name]] *= factor
            weights[INDEX[name[:-1] + "R"]] /= factor
    return weights


def possible(weights: Weights) -> Weights:
    """Remove combinations that one face can't make at once."""
    weights = np.clip(weights, 0, 1.15)
    for side in "LR":
        blink, down = INDEX[f"eyeBlink_{side}"], INDEX[f"eyeLookDown_{side}"]
        weights[INDEX[f"eyeWide_{side}"]] *= max(0.0, 1 - 1.5 * weights[blink])
        weights[blink] = min(weights[blink], max(0.0, 1.05 - 0.6 * weights[down]))
    weights[INDEX["mouthClose"]] = min(weights[INDEX["mouthClose"]], weights[INDEX["jawOpen"]])
    rounded = min(1.0, max(weights[INDEX["mouthPucker"]], weights[INDEX["mouthFunnel"]]))
    for name in ("mouthSmile", "mouthStretch", "mouthUpperUp", "mouthLowerDown"):
        weights[[INDEX[f"{name}_L"], INDEX[f"{name}_R"]]] *= 1 - 0.7 * rounded
    return weights


class StillRenderer:
    """One person, drawn at the zooms that come up."""

    def __init__(self, head: HeadModel, person: Person) -> None:
        self.head, self.person = head, person
        self._renderers: dict[int, Renderer] = {}
        self._pose = np.array(angles(person.rotation))
        marks = person.places[head.landmarks]
        eyes = float(np.linalg.norm(marks[36] - marks[45])) / max(np.cos(np.radians(self._pose[1])), 0.7)
        self._zoom = FACE / (EYES_TO_BOX * eyes)

    def shoot(
        self, weights: Weights, random: np.random.Generator
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
        """Take a picture.

        Args:
            weights: (S,) what the face does.
            random: generator of pose, light and framing.
        Returns:
            The picture (160, 160, 3) uint8, its landmarks (68, 2) float32 pixels and its weights (S,) float32 as drawn.
        """
        person, head = self.person, self.head
        turn = np.clip(random.normal(0, [6, 9, 5]), -20, 20)
        turn[:2] = np.clip(self._pose[:2] + turn[:2], -STEEPEST, STEEPEST) - self._pose[:2]
        direction = random.normal(size=3) * [1, 0.7, 0.4]
        direction *= random.uniform(0, 0.45) / np.linalg.norm(direction)
        colour = np.exp(random.normal(0, 0.1) + random.normal(0, 0.06, 3)).astype(np.float32)
        light = Light(
            ambient=float(person.light[0]) * float(np.clip(random.normal(0.95, 0.09), 0.65, 1.15)),
            direction=(person.light[1:] * np.float32(PORTRAIT_LIGHT) + direction).astype(np.float32),
            colour=colour,
            background=(colour * np.exp(random.normal(0, 0.15))).astype(np.float32),
        )
        zoom = max(self._zoom * float(np.exp(random.normal(0, 0.05))), SIDE / min(person.size))
        middle = person.places[head.landmarks].mean(axis=0)
        state = State(
            weights=weights.astype(np.float32),
            rotation=rotation(turn.astype(np.float32)),
            offset=np.zeros(3, np.float32),
            light=light,
            zoom=zoom,
            centre=middle.astype(np.float32),
        )
        rest = on_screen(person, np.ascontiguousarray(person.neutral[head.landmarks]), state, SIDE, SIDE)[:, :2]
        wanted = rest[[36, 45]].mean(axis=0) + np.array([0, BELOW_EYES * FACE]) - SIDE / 2
        half = SIDE / (2 * zoom)
        centre = middle + wanted / zoom + random.normal(0, 0.03, 2) * 2 * half
        centre = np.clip(centre, half, np.maximum(np.array(person.size) - half, half)).astype(np.float32)
        state = replace(state, centre=centre)
        step = round(float(np.log(zoom)) * 10)
        if step not in self._renderers:
            self._renderers[step] = Renderer(head, person, SIDE, SIDE, zoom)
        renderer = self._renderers[step]
        picture = np.clip(renderer.draw(state) + 0.5, 0, 255).astype(np.uint8)
        return picture, renderer.geometry(state)[1][head.landmarks, :2].copy(), state.weights


def skin_tone(head: HeadModel, person: Person) -> float:
    """Individual typology angle of the cheeks and the nose as the portrait shows them.

    Args:
        head: the model.
        person: whose skin it is.
    Returns:
        Degrees; higher is lighter.
    """
    count, picture = head.faces_count, person.layers.open
    use = (head.rim[:count] > 3) & (person.normals[:, 2] > 0.5) & (head.neutral[:count, 1] < 3)
    places = (person.places[:count][use] * picture.shape[1] / person.size[0]).astype(int)
    colours = picture[
        np.clip(places[:, 1], 0, picture.shape[0] - 1), np.clip(places[:, 0], 0, picture.shape[1] - 1)
    ].astype(np.float64)
    linear = np.where(colours > 10.3, ((colours / 255 + 0.055) / 1.055) ** 2.4, colours / 255 / 12.92)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    roots = linear @ matrix.T / np.array([0.9505, 1.0, 1.089])
    roots = np.where(roots > 0.008856, np.cbrt(roots), 7.787 * roots + 16 / 116)
    lightness, yellow = 116 * np.median(roots[:, 1]) - 16, 200 * np.median(roots[:, 1] - roots[:, 2])
    return float(np.degrees(np.arctan2(lightness - 50, max(yellow, 1e-3))))


def shoot_person(
    renderer: StillRenderer, name: str, each: int, detector: BlazeFace, random: np.random.Generator
) -> Shard | None:
    """Take stills on which the detector fires.

    Args:
        renderer: draws the person.
        name: name of the person.
        each: number of stills.
        detector: what must find the face.
        random: generator of the stills.
    Returns:
        The stills; None if the detector fires on too few.
    """
    rows: list[tuple[NDArray[np.generic], ...]] = []
    for _ in range(2 * each):
        if len(rows) == each:
            break
        weights, shares = expression(random)
        picture, landmarks, drawn = renderer.shoot(weights, random)
        faces = detector.detect(picture)
        if len(faces):
            rows.append((picture, faces.boxes[0], landmarks, drawn, shares))
    if len(rows) < each:
        return None
    pictures, boxes, landmarks, drawn, shares = (np.stack(column) for column in zip(*rows, strict=True))
    known = np.ones((each, POINTS), np.bool_)
    return Shard(
        images=pictures,
        boxes=boxes,
        landmarks=landmarks,
        known=known,
        weights=drawn,
        emotions=shares,
        people=np.full(each, name),
    )


@dataclass(frozen=True)
class _Job:
    """One person's shard."""

    recruit: Recruit
    name: str
    part: str
    seed: int
    each: int


def make_shards(
    out: Path, assets: Assets, cache: Path, *, people: int, each: int, part: str, seed: int, workers: Workers = 1
) -> Iterator[tuple[int, str]]:
    """Make a set of shards, or continue one that was broken off.

    The files don't depend on the number of `workers` (processes). Other parts and seeds go into the same folder.

    Args:
        out: folder of the shards.
        assets: of the data engine.
        cache: file of fitted portraits, see `cast.fit_portraits`.
        people: number of people.
        each: number of stills of each person.
        part: one of `cast.PARTS`.
        seed: seed of everything.
        workers: processes, or a cluster.
    Yields:
        The number of people done, and the name of a person who is left out because the detector found the face too
        rarely, or "".
    Raises:
        AssetError: an asset is missing.
        DataError: a process was killed.
        WriteError: a file can't be written.
    """
    fit_portraits(assets, cache)  # once, and not by each process
    everyone = [(f"{part}-{seed}-{recruit.name}", recruit) for recruit in cast(people, part, seed)]
    jobs = [_Job(recruit, name, part, seed, each) for name, recruit in everyone if not (out / f"{name}.npz").exists()]
    done = len(everyone) - len(jobs)
    if done:
        yield done, ""
    with name_killed(DataError, "drew stills"):
        shots = run_tasks(_load, (assets.folder, cache), _shoot, [(job,) for job in jobs], workers)
        for number, (job, (row, shard)) in enumerate(zip(jobs, shots, strict=True), done + 1):
            if shard is not None:
                known = read_people(out) if (out / PEOPLE).exists() else []
                # Before the shard: a shard of somebody who isn't in the list would be a fault, the reverse is none.
                write_people(out, [*(person for person in known if person.name != row.name), row])
                write_shard(out, row.name, shard)
            yield number, "" if shard is not None else job.name


def _load(folder: Path, cache: Path) -> tuple[Assets, HeadModel, PersonBuilder]:
    assets = Assets(folder)
    head = load_head(assets)
    return assets, head, PersonBuilder(assets, head, fit_portraits(assets, cache))


def _shoot(shared: tuple[Assets, HeadModel, PersonBuilder], job: _Job) -> tuple[StillPerson, Shard | None]:
    assets, head, builder = shared
    recruit = job.recruit
    person = builder.build(recruit)
    random = np.random.default_rng([job.seed, 61, recruit.seed])
    shard = shoot_person(StillRenderer(head, person), job.name, job.each, BlazeFace(Models.shipped()), random)
    with assets.file(PORTRAIT_LIST).open(newline="", encoding="utf-8") as file:
        prompts = {Path(row["file"]).stem: row["prompt"] for row in csv.DictReader(file)}
    age = re.search(r"(\d+)-year-old", prompts[recruit.first])
    row = StillPerson(
        name=job.name,
        parents=f"{recruit.first} {recruit.second}",
        split=job.part,
        sex=recruit.first.split("_")[0],
        age=int(age[1]) if age else 0,
        tone=skin_tone(head, person),
    )
    return row, shard
