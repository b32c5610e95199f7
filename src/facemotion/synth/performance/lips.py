"""Lip movements from words: pronunciation, visemes, coarticulation.

Reference: Cohen and Massaro, Modeling coarticulation in synthetic visual speech, 1993 (dominance functions). Visemes
and durations are ours; how they are spoken, `SpeechSpreads`, was fitted to real lips (`benchmarks/speech.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources

import numpy as np

from facemotion.config import option
from facemotion.errors import MotionProgramError
from facemotion.synth.people.head import INDEX, SHAPES, FloatArray

# Targets of each viseme; dominance: how strongly it holds its own against its neighbours; seconds: median length.
_VISEMES: dict[str, tuple[str, float, float, dict[str, float]]] = {
    "closed": ("P B M", 1.0, 0.085, {"mouthRollLower": 0.28, "mouthRollUpper": 0.22, "mouthPress": 0.35}),
    "teeth": ("F V", 0.9, 0.095, {"mouthRollLower": 0.5, "mouthUpperUp": 0.22, "jawOpen": 0.05}),
    "tongue": ("TH DH", 0.5, 0.08, {"jawOpen": 0.12, "mouthLowerDown": 0.2, "mouthUpperUp": 0.1}),
    "front": ("T D N L", 0.3, 0.07, {"jawOpen": 0.1, "mouthLowerDown": 0.16, "mouthStretch": 0.06}),
    "back": ("K G NG HH", 0.22, 0.075, {"jawOpen": 0.14, "mouthLowerDown": 0.1}),
    "hiss": ("S Z", 0.6, 0.1, {"jawOpen": 0.03, "mouthStretch": 0.24, "mouthLowerDown": 0.28, "mouthSmile": 0.1}),
    "hush": ("SH CH JH ZH", 0.75, 0.105, {"jawOpen": 0.06, "mouthFunnel": 0.6, "mouthPucker": 0.25}),
    "glide": ("W", 0.9, 0.08, {"mouthPucker": 0.85, "mouthFunnel": 0.15, "jawOpen": 0.04}),
    "r": ("R", 0.5, 0.075, {"mouthPucker": 0.4, "mouthFunnel": 0.2, "jawOpen": 0.1}),
    "y": ("Y", 0.4, 0.06, {"mouthStretch": 0.2, "mouthSmile": 0.2, "jawOpen": 0.06}),
    "ee": ("IY", 0.55, 0.12, {"mouthSmile": 0.32, "mouthStretch": 0.3, "jawOpen": 0.08, "mouthLowerDown": 0.12}),
    "ih": ("IH", 0.4, 0.085, {"mouthSmile": 0.15, "mouthStretch": 0.15, "jawOpen": 0.15, "mouthLowerDown": 0.12}),
    "eh": ("EH EY", 0.5, 0.115, {"mouthSmile": 0.16, "mouthStretch": 0.22, "jawOpen": 0.26, "mouthLowerDown": 0.2}),
    "ae": ("AE", 0.65, 0.14, {"mouthStretch": 0.24, "mouthSmile": 0.1, "jawOpen": 0.38, "mouthLowerDown": 0.22}),
    "aa": ("AA AY", 0.7, 0.145, {"jawOpen": 0.48, "mouthLowerDown": 0.14}),
    "ah": ("AH", 0.4, 0.08, {"jawOpen": 0.26, "mouthLowerDown": 0.1}),
    "ao": ("AO OY", 0.7, 0.135, {"jawOpen": 0.36, "mouthFunnel": 0.42, "mouthPucker": 0.12}),
    "ow": ("OW", 0.75, 0.13, {"jawOpen": 0.2, "mouthFunnel": 0.5, "mouthPucker": 0.4}),
    "oo": ("UW UH", 0.8, 0.12, {"jawOpen": 0.08, "mouthPucker": 0.8, "mouthFunnel": 0.3}),
    "aw": ("AW", 0.7, 0.15, {"jawOpen": 0.42, "mouthFunnel": 0.25}),
    "er": ("ER", 0.55, 0.115, {"jawOpen": 0.14, "mouthFunnel": 0.3, "mouthPucker": 0.25}),
}  # fmt: skip
# Seconds from rest to the first sound, and from the last one to rest. Lengths and dominance of both rests. A shorter
# sound pulls on its neighbours as one of SHORTEST seconds. Then the form of the fall of dominance. All are ours, like
# the visemes.
BEFORE, AFTER, REST_LENGTHS, REST_DOMINANCE, SHORTEST = 0.12, 0.14, (0.16, 0.18), 0.8, 0.04
FALL_POWER, FALL_RATE = 1.4, 1.2
# Second halves of diphthongs.
_GLIDES = {"AY": "ih", "EY": "ih", "OY": "ih", "AW": "oo", "OW": "oo"}
_OF_PHONEME = {phoneme: name for name, row in _VISEMES.items() for phoneme in row[0].split()}


@dataclass(frozen=True)
class SpeechSpreads:
    """How visemes are spoken, and how that differs from take to take; sigmas are of the logarithm."""

    pace: float = option(1.2, "lengths of sounds, relative to the table of visemes", minimum=0.3, maximum=3)
    slur: float = option(0.45, "how far a sound reaches into its neighbours, relative", minimum=0.1, maximum=2)
    opening: float = option(0.6, "how far jaw and lower lip move, relative", minimum=0, maximum=2)
    lift: float = option(
        1.8, "how far the upper lip rises where a sound opens or spreads the mouth", minimum=0, maximum=3
    )
    corners: float = option(0.45, "how far the corners of the mouth move, relative", minimum=0, maximum=2)
    size: float = option(0.1, "share of the take's size that reaches the lips", minimum=0, maximum=1)
    tempo: float = option(0.05, "sigma of a take's tempo", minimum=0, maximum=1)
    take: float = option(0.2, "sigma of a shape's size within a take", minimum=0, maximum=1)
    sound: float = option(0.33, "sigma of a shape's size within a sound", minimum=0, maximum=1)


# Version 1, before it was fitted to real lips; Synth-59 is spoken so.
FIRST_SPEECH = SpeechSpreads(
    pace=1.0, slur=1.0, opening=1.0, lift=0.0, corners=1.0, size=0.4, tempo=0.16, take=0.0, sound=0.0
)


_CORNERS = [
    INDEX[name] for name in SHAPES if name.startswith(("mouthStretch", "mouthSmile", "mouthPucker", "mouthFunnel"))
]

_OPENING = [INDEX[name] for name in ("jawOpen", "mouthLowerDown_L", "mouthLowerDown_R")]


@dataclass(frozen=True, eq=False)
class Speech:
    """The P visemes of a phrase, in order.

    Attributes:
        targets: (P, S) float32 weights.
        dominance: (P,) float32, how strongly each holds its own against its neighbours.
        seconds: (P,) float32 median lengths.
        names: name of each.
    """

    targets: FloatArray
    dominance: FloatArray
    seconds: FloatArray
    names: tuple[str, ...]


@lru_cache(maxsize=1)
def lexicon() -> dict[str, tuple[str, ...]]:
    """Word -> ARPAbet phonemes, of the packaged dictionary."""
    text = resources.files("facemotion.synth.performance").joinpath("lexicon.txt").read_text("utf-8")
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return {row[0]: tuple(row[1:]) for row in rows}


@lru_cache(maxsize=1)
def _table() -> dict[str, FloatArray]:
    table = {}
    for name, (_, _, _, shapes) in _VISEMES.items():
        weights = np.zeros(len(SHAPES), np.float32)
        for shape, value in shapes.items():
            for full in (shape, shape + "_L", shape + "_R"):
                if full in INDEX:
                    weights[INDEX[full]] = value
        table[name] = weights
    return table


def spell(phrase: str) -> Speech:
    """The visemes of a phrase.

    Args:
        phrase: words of the packaged dictionary, parted by spaces; letter case doesn't matter.
    Raises:
        MotionProgramError: there is no word, or one isn't in the dictionary.

    >>> spell("blue moon").names
    ('closed', 'front', 'oo', 'closed', 'oo', 'front')
    """
    phonemes: list[str] = []
    for word in phrase.lower().split():
        if word not in lexicon():
            raise MotionProgramError(
                f"The word {word!r} isn't in the packaged dictionary (facemotion/synth/performance/lexicon.txt)."
            )
        phonemes += lexicon()[word]
    if not phonemes:
        raise MotionProgramError("Give at least one word of the packaged dictionary.")
    return pronounce(phonemes)


def pronounce(phonemes: Sequence[str]) -> Speech:
    """The visemes of sounds.

    Args:
        phonemes: ARPAbet, without stress marks; at least one.
    """
    names: list[str] = []
    seconds: list[float] = []
    for phoneme in phonemes:
        name = _OF_PHONEME[phoneme]
        glide = _GLIDES.get(phoneme)
        length = _VISEMES[name][2]
        names.append(name)
        seconds.append(length * (0.65 if glide else 1.0))
        if glide:
            names.append(glide)
            seconds.append(length * 0.5)
    table = _table()
    return Speech(
        np.stack([table[name] for name in names]),
        np.array([_VISEMES[name][1] for name in names], np.float32),
        np.array(seconds, np.float32),
        tuple(names),
    )


def vary(speech: Speech, spreads: SpeechSpreads, random: np.random.Generator) -> Speech:
    """The visemes as one take makes them: of the sizes that real lips have, and no two takes alike.

    Args:
        speech: visemes of the table.
        spreads: how they are spoken.
        random: generator of the take.
    """
    targets = speech.targets.copy()
    targets[:, _CORNERS] *= np.float32(spreads.corners)
    targets[:, _OPENING] *= np.float32(spreads.opening)
    if spreads.take or spreads.sound:
        logs = random.normal(0, spreads.take, len(SHAPES)) + random.normal(0, spreads.sound, targets.shape)
        targets *= np.exp(logs).astype(np.float32)
    # What opens or spreads the mouth raises the upper lip too; the table of visemes moves the lower one alone.
    opened = targets[:, INDEX["jawOpen"]] + 0.5 * targets[:, INDEX["mouthLowerDown_L"]]
    spread = targets[:, INDEX["mouthStretch_L"]] + targets[:, INDEX["mouthSmile_L"]]
    for name in ("mouthUpperUp_L", "mouthUpperUp_R"):
        targets[:, INDEX[name]] += np.float32(spreads.lift) * (opened + np.float32(0.7) * spread)
    return replace(speech, targets=targets)


def articulate(
    speech: Speech, seconds: FloatArray, start: float, times: FloatArray, spread: float, effort: FloatArray
) -> FloatArray:
    """Weights over time: each viseme pulls with a dominance that falls off exponentially on both sides of it.

    Args:
        speech: P visemes.
        seconds: (P,) float32 length of each in this take.
        start: seconds at which the first one begins.
        times: (T,) seconds at which weights are wanted.
        spread: how far dominance reaches, in lengths of a viseme; larger slurs more, about 0.6..1.2.
        effort: (P,) float32 factors on the targets.
    Returns:
        (T, S) float32; 0 well before and after the phrase.
    """
    ends = start + np.cumsum(seconds)
    middles = ends - seconds / 2
    rest_before, rest_after = start - BEFORE, float(ends[-1]) + AFTER
    centres = np.concatenate([[rest_before], middles, [rest_after]])
    lengths = np.concatenate([[REST_LENGTHS[0]], np.maximum(seconds, SHORTEST), [REST_LENGTHS[1]]])
    weight = np.concatenate([[REST_DOMINANCE], speech.dominance, [REST_DOMINANCE]])
    targets = np.concatenate([np.zeros((1, len(SHAPES))), speech.targets * effort[:, None], np.zeros((1, len(SHAPES)))])
    gap = np.abs(np.asarray(times)[:, None] - centres[None])
    gap[:, 0] = np.maximum(np.asarray(times) - rest_before, 0)
    gap[:, -1] = np.maximum(rest_after - np.asarray(times), 0)
    pull = weight * np.exp(-((gap / (spread * lengths)) ** FALL_POWER) * FALL_RATE) + 1e-9
    blended = (pull @ targets) / pull.sum(1, keepdims=True)
    return np.asarray(blended, np.float32)


def invent_phrases(random: np.random.Generator, count: int) -> list[str]:
    """Phrases of one person: two or three words each.

    The words come from a small vocabulary of the person's, so that phrases share words and a verifier must listen to
    all of a phrase.

    Args:
        random: generator of the person's own.
        count: number of phrases.
    """
    words = sorted(lexicon())
    vocabulary = [words[i] for i in random.choice(len(words), size=max(4, count + 1), replace=False)]
    phrases: list[str] = []
    while len(phrases) < count:
        length = int(random.choice([2, 3], p=[0.55, 0.45]))
        phrase = " ".join(vocabulary[i] for i in random.choice(len(vocabulary), size=length, replace=False))
        if phrase not in phrases:
            phrases.append(phrase)
    return phrases
