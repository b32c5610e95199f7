"""What is done to a recording before it is judged: cut to its motion, rest held round it, frames left out.

Everything is done to what was seen of each frame (`Sighting`), which is the same for a frame that is held and for one
whose neighbours are left out. No clip is read twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facemotion.config import MediaSettings
from facemotion.frontend.sighting import Sighting
from facemotion.media import FrameGate
from facemotion.signals import SPOT_MARGIN

JITTER = 0.3  # share of the interval between two frames by which a busy machine takes one earlier or later, at most
ENOUGH = 0.85  # share of a condition's rate that a recording must have; cameras fall short of what they promise
RATES = (25, 15, 10, 8)  # frames/s


@dataclass(frozen=True)
class Condition:
    """One way to show the recordings.

    Attributes:
        name: of its line in the table.
        rest: seconds for which the first and the last face are held, before and after.
        rate: frames/s to which frames are left out, by their times and with JITTER; 0: as recorded.
        recorded: whether the whole recording is shown, of those alone whose motion is marked in them. Otherwise what is
            marked is cut to its motion and SPOT_MARGIN round it, as tight clips are; others are shown as they are.
    """

    name: str
    rest: float = 0.0
    rate: float = 0.0
    recorded: bool = False


TIGHT = Condition("tight")
CONDITIONS = (
    TIGHT,
    Condition("0.5 s of rest", rest=0.5),
    Condition("1.0 s of rest", rest=1.0),
    Condition("real rest", recorded=True),
    *(Condition(f"0.5 s of rest, {rate}/s", rest=0.5, rate=rate) for rate in RATES),
)


def arrange(
    sighting: Sighting, span: tuple[float, float] | None, condition: Condition, media: MediaSettings, seed: int
) -> Sighting | None:
    """A recording as a condition shows it.

    Args:
        sighting: what was seen of the recording.
        span: where its motion is marked, seconds from its first frame.
        condition: the condition.
        media: limits of a clip, which one with rest is held to as well.
        seed: of the jitter.
    Returns:
        None where the condition isn't one for this recording: it has fewer frames a second, or no marked motion.
    Raises:
        MediaLimitError: with its rest the clip is longer than is let in.
    """
    if condition.recorded:
        return sighting if span is not None else None
    shown = sighting if span is None else cut(sighting, span)
    if not shown.used.any():
        return shown  # without a face it is refused in any case
    if condition.rate and native_rate(sighting) < ENOUGH * condition.rate:
        return None
    if condition.rest:
        shown = hold(shown, condition.rest)
    if condition.rate:
        shown = thin(shown, condition.rate, np.random.default_rng(seed))
    gate = FrameGate(media)
    admitted = np.flatnonzero([gate.admit(float(seconds)) for seconds in shown.times])
    return shown.select(admitted, shown.times[admitted])


def native_rate(sighting: Sighting) -> float:
    """Frames/s of most of a recording; 0 of a single frame."""
    return 1 / float(np.median(np.diff(sighting.times))) if len(sighting) > 1 else 0.0


def cut(sighting: Sighting, span: tuple[float, float]) -> Sighting:
    """The motion alone, with SPOT_MARGIN on both sides where the recording has it.

    Args:
        sighting: of the recording.
        span: seconds from its first frame.
    """
    times = sighting.times - sighting.times[0]
    slack = 1e-6  # a frame just at the margin stays, whatever the last bit of its time stamp says
    inside = np.flatnonzero((times >= span[0] - SPOT_MARGIN - slack) & (times <= span[1] + SPOT_MARGIN + slack))
    return sighting.select(inside, sighting.times[inside])


def hold(sighting: Sighting, seconds: float) -> Sighting:
    """The same with its first and its last face held for so many seconds, before and after.

    Args:
        sighting: with a face in a frame at least.
        seconds: of the rest on each side.
    """
    rate = native_rate(sighting)
    count = round(seconds * rate)
    if not count:
        return sighting
    faces, steps = np.flatnonzero(sighting.used), np.arange(1, count + 1) / rate
    frames = np.r_[np.full(count, faces[0]), np.arange(len(sighting)), np.full(count, faces[-1])]
    times = np.concatenate([sighting.times[0] - steps[::-1], sighting.times, sighting.times[-1] + steps])
    return sighting.select(frames, times)


def thin(sighting: Sighting, rate: float, random: np.random.Generator) -> Sighting:
    """Frames left out, as a busy machine leaves them out: it takes what the camera shows when it has the time.

    Args:
        sighting: of more frames/s.
        rate: frames/s that are left on average, above 0.
        random: of the jitter.
    Returns:
        The frames nearest to moments that are 1 / rate apart, each up to JITTER of that earlier or later.
    """
    times = sighting.times
    count = int((times[-1] - times[0]) * rate + 1e-6) + 1
    moments = times[0] + (np.arange(count) + random.uniform(-JITTER, JITTER, count)) / rate
    frames = np.unique(np.abs(times[None] - moments[:, None]).argmin(axis=1))
    return sighting.select(frames, times[frames])
