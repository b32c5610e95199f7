"""How often a step that is asked for is missed, and how often a recording shows it by chance, on simulated people.

    python benchmarks/steps.py [--people 59] [--write]

Heads of random shape show each step as far as people are assumed to (TURNED, GAPE), seen in perspective with noise of
the mesh; and heads that make motions of the data engine, as a recording that is played on does, are asked for each
step. It needs the data engine's assets (FACEMOTION_ASSETS). With --write the figures go into docs/results/security.md.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from attacks import interval
from sections import write_section

from facemotion.features.mesh import SEEN
from facemotion.presentation.steps import Seen, Step, step_is_shown
from facemotion.synth.filming.scene import rotation
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.head import IDENTITIES, INDEX, SHAPES, load_head
from facemotion.synth.sets.plan import DatasetSettings, make_performers, make_plan, perform

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
TURNED = {Step.LEFT: (32.0, 6.0), Step.RIGHT: (32.0, 6.0), Step.UP: (22.0, 5.0)}
"""Mean and standard deviation of how far people turn their heads, degrees; assumed."""
GAPE = (0.7, 0.15)
"""The same of how far they open their mouths, 1 is as far as can be; assumed."""
NOISE = 0.006
"""Of a landmark, in distances between the outer eye corners."""
DISTANCE = 7.0
"""Of the camera from the head, in distances between the outer eye corners; about 65 cm."""
RATE = 15.0
"""Frames/s of a camera."""
SIZE = 90.0
"""Pixels between the outer eye corners."""
SECONDS = 3.5
"""Of a step: it begins within the first second, takes about half a second each way and is held for about as long."""


class Head:
    """The head model of one person, as the mesh sees it."""

    def __init__(self, assets: Assets, random: np.random.Generator) -> None:
        model, count = load_head(assets), len(SEEN)
        places = np.concatenate([model.mesh, np.zeros(478 - len(model.mesh), np.int32)])[SEEN]
        identity = (0.8 * random.standard_normal(IDENTITIES)).astype(np.float32)
        rest = model.neutral[places] + np.tensordot(identity, model.identity[:, places], axes=1)
        # Irises lie nowhere on the head; nothing here looks at them.
        corners = [int(np.flatnonzero(point == SEEN)[0]) for point in (33, 263)]
        self._size = float(np.linalg.norm(rest[corners[0]] - rest[corners[1]]))
        self._rest = (rest - rest[corners].mean(axis=0)) / self._size
        self._expression = model.expression[:, places] / self._size
        self._random, self._count = random, count

    def seen(self, weights: np.ndarray, turns: np.ndarray, times: np.ndarray) -> Seen:
        """The landmarks of frames with such weights (T, S) and turns (T, 3) in degrees."""
        neck = np.array([0.0, -0.8, -0.9])  # a head turns about its neck, which lies lower and behind
        spots = self._rest + np.tensordot(weights, self._expression, axes=1) - neck
        turned = np.stack([place @ rotation(turn).T for place, turn in zip(spots, turns, strict=True)]) + neck
        flat = turned[..., :2] / (1 - turned[..., 2:] / DISTANCE)
        noisy = flat + NOISE * self._random.standard_normal(flat.shape)
        return Seen((noisy * (SIZE, -SIZE) + (320, 240)).astype(np.float32), times)

    def step(self, step: Step, begin: float) -> Seen:
        """A step, shown as people are assumed to."""
        random, times = self._random, np.arange(0, SECONDS, 1 / RATE)
        start, rise, hold = random.uniform(0.4, 1.0), random.uniform(0.3, 0.7), random.uniform(0.3, 0.9)
        course = np.interp(times, start + np.cumsum([0, rise, hold, rise]), [0, 1, 1, 0])
        weights, turns = (
            np.zeros((len(times), len(SHAPES)), np.float32),
            random.normal(0, 1, 3) * np.ones((len(times), 3)),
        )
        if step is Step.MOUTH:
            weights[:, INDEX["jawOpen"]] = course * max(0.0, random.normal(*GAPE))
        else:
            reach = max(0.0, random.normal(*TURNED[step]))
            turns[:, 0 if step is Step.UP else 1] += course * (-reach if step is Step.RIGHT else reach)
        return self.seen(weights, turns.astype(np.float32), begin + times)


def tried(people: int, assets: Assets) -> dict[Step, list[int]]:
    """Of each step: times it was shown, times it was missed then, recordings, recordings that pass for it."""
    settings = DatasetSettings(subjects=people, motions=3, lips=0, takes=2, near_misses=0, mimics=0)
    performers, counts = make_performers(settings), {step: [0, 0, 0, 0] for step in Step}
    heads: dict[str, Head] = {}
    for number, clip in enumerate(make_plan(settings)):
        random = np.random.default_rng([7, number])
        head = heads.setdefault(clip.record.subject, Head(assets, random))
        _, moments = perform(settings, clip, performers[clip.record.subject])
        motion = head.seen(moments.weights, moments.turn, moments.times)
        begin = float(moments.times[-1]) + 0.4
        again = head.seen(moments.weights, moments.turn, begin + moments.times - moments.times[0])
        for step, count in counts.items():
            count[0] += 1
            count[1] += not step_is_shown(step, motion, head.step(step, begin))
            count[2] += 1
            count[3] += step_is_shown(step, motion, again)
    return counts


def table(counts: dict[Step, list[int]]) -> str:
    """One row a step, and one for all."""
    lines = ["| step | shown | missed | recordings of a motion played on | pass |", "|---|---|---|---|---|"]
    total = np.sum([*counts.values()], axis=0).tolist()
    for name, (shown, missed, played, passed) in [*((step.value, counts[step]) for step in Step), ("**all**", total)]:
        lines.append(f"| {name} | {shown} | {interval(missed, shown)} | {played} | {interval(passed, played)} |")
    return "\n".join(lines)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=59)
    parser.add_argument("--assets", type=Path, default=os.environ.get("FACEMOTION_ASSETS"))
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    text = table(tried(given.people, Assets(given.assets)))
    print(text)
    if given.write:
        write_section(PAGE, "steps", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
