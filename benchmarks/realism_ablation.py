"""Where the mark lies by which `realism_probe.py` tells renders from portraits: the same people, drawn step by step
away from their portraits, against those portraits cut to the same place and size.

    python benchmarks/realism_ablation.py [--people 60]

Needs FACEMOTION_ASSETS; writes its section of docs/explanation/synth.md. Each step adds to the one above: drawn at
rest in the portrait's own pose, turned, at the apex of a motion, before a camera. The classifier and its features are
the probe's, on grey pictures; .5 is chance.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from realism_probe import SIDE, accuracy, degrade, features
from sections import write_section

from facemotion.synth.filming.camera import Camera
from facemotion.synth.filming.render import Renderer
from facemotion.synth.filming.scene import SceneSettings, make_session, rotation
from facemotion.synth.filming.view import Light, State
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import PersonBuilder, default_cache, fit_portraits, parents
from facemotion.synth.people.head import SHAPES, load_head
from facemotion.synth.performance.motion import invent_program

FRAME = 224
FACE = 0.5  # brows to chin, over the frame's height
STEPS = ("at rest", "turned", "moved", "filmed")


def main() -> None:
    """Print and write the accuracy at each step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=60, help="portraits of the benchmark part")
    count = parser.parse_args().people
    assets = Assets.find()
    head = load_head(assets)
    builder = PersonBuilder(assets, head, fit_portraits(assets, default_cache(assets)))
    crops: dict[str, list[np.ndarray]] = {name: [] for name in ("portrait", *STEPS)}
    used: list[str] = []
    names = parents()["benchmark"][:count]
    ones = np.ones(3, np.float32)
    for number, name in enumerate(names):
        random = np.random.default_rng([3, number])
        person = builder.portrait(name)
        marks = person.places[head.landmarks]
        zoom = FRAME * FACE / float(np.ptp(marks[:, 1]))
        half = FRAME / 2 / zoom
        centre = np.clip(marks[27:].mean(0), half, np.maximum(np.array(person.size) - half, half))
        if min(person.size) < 2 * half:
            continue
        used.append(name)
        box = tuple(float(value) for value in (*(centre - half), *(centre + half)))
        portrait = Image.fromarray(person.layers.open).resize((FRAME, FRAME), Image.Resampling.LANCZOS, box=box)
        crops["portrait"].append(np.asarray(portrait))
        renderer = Renderer(head, person, FRAME, FRAME, zoom)
        light = Light(float(person.light[0]), person.light[1:], ones, ones)
        still, turn = np.zeros(len(SHAPES), np.float32), random.normal(0, [4, 8, 3])
        apex = invent_program(random, set()).steps[0].weights()
        for step, weights, turned in (("at rest", still, np.zeros(3)), ("turned", still, turn), ("moved", apex, turn)):
            state = State(weights, rotation(turned), np.zeros(3, np.float32), light, zoom, centre.astype(np.float32))
            picture = renderer.draw(state)
            crops[step].append(np.clip(picture + 0.5, 0, 255).astype(np.uint8))
        camera = Camera(make_session(random, SceneSettings(softness=0)), FRAME, FRAME, number)
        crops["filmed"].append(camera.expose(picture, random.normal(0, 8, 2).astype(np.float32), 1.0))
    cut = slice((FRAME - SIDE) // 2, (FRAME + SIDE) // 2)
    lines = ["| against the untouched portraits | 96 px | 48 px | 32 px, blurred |", "|---|---|---|---|"]
    for step in STEPS:
        cells = []
        for level in (1, 2, 3):
            tables = [
                np.array([features(degrade(np.ascontiguousarray(p[cut, cut]), level)) for p in crops[kind]])
                for kind in ("portrait", step)
            ]
            cells.append(f"{accuracy(*tables, used, used)[0]:.3f}")
        lines.append(f"| {step} | {' | '.join(cells)} |")
    print("\n".join(lines))
    write_section(Path(__file__).parents[1] / "docs" / "explanation" / "synth.md", "ablation", "\n".join(lines))


if __name__ == "__main__":
    main()
