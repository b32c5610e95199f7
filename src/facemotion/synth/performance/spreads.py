"""How far people and takes differ."""

from __future__ import annotations

from dataclasses import dataclass, field

from facemotion.config import option
from facemotion.synth.performance.lips import SpeechSpreads


@dataclass(frozen=True)
class Spreads:
    """Spreads of people and takes; sigmas are of the logarithm."""

    onset_seconds: float = option(
        0.23,
        "median rise of a step as captured, 10% to 80%; simulated ones take 0.68 of it",
        unit="s",
        minimum=0.05,
        maximum=1,
    )
    offset_seconds: float = option(
        0.27,
        "median fall of a step as captured, 80% to 10%; simulated ones take 0.68 of it",
        unit="s",
        minimum=0.05,
        maximum=1,
    )
    person_tempo: float = option(0.2, "sigma of a person's tempo", minimum=0, maximum=1)
    person_reach: float = option(0.22, "sigma of how far a person moves a shape", minimum=0, maximum=1)
    person_asymmetry: float = option(0.16, "sigma of left against right", minimum=0, maximum=1)
    person_companions: int = option(4, "shapes that move along with others", minimum=0, maximum=20)
    take_intensity: float = option(0.2, "sigma of a take's size", minimum=0, maximum=1)
    step_intensity: float = option(0.14, "sigma of a step's size within a take", minimum=0, maximum=1)
    shape_intensity: float = option(0.12, "sigma of a shape's size within a step", minimum=0, maximum=1)
    take_tempo: float = option(0.16, "sigma of a take's tempo", minimum=0, maximum=1)
    step_timing: float = option(0.2, "sigma of each length within a take", minimum=0, maximum=1)
    tremor: float = option(0.023, "standard deviation of a held weight, relative", minimum=0, maximum=0.2)
    stray: float = option(0.025, "mean size of movements that mean nothing", minimum=0, maximum=0.2)
    blinks: float = option(0.22, "spontaneous blinks", unit="1/s", minimum=0, maximum=2)
    head_degrees: float = option(
        2.2, "standard deviation of the head's drift within a take", unit="degrees", minimum=0, maximum=10
    )
    nods: float = option(1.0, "how far the head goes along with a motion, relative", minimum=0, maximum=3)
    flash: float = option(0.05, "share of takes of over 70% neutral", minimum=0, maximum=1)
    flash_motions: float = option(
        0.0, "share of facial motions all takes of which are over 70% neutral", minimum=0, maximum=1
    )
    other_ending: float = option(0.05, "share of takes that stop at the apex", minimum=0, maximum=1)
    other_intensity: float = option(0.05, "share of takes much weaker or stronger", minimum=0, maximum=1)
    inconsistent: float = option(
        0.04, "share of takes with a step left out, repeated or out of order", minimum=0, maximum=1
    )
    unfinished: float = option(0.04, "share of steps that reach half their size", minimum=0, maximum=1)
    speech: SpeechSpreads = field(default_factory=SpeechSpreads)
