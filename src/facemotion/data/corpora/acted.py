"""Data sets of people who act emotions, some of them while they speak."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from facemotion.data.corpora.base import Corpus, Take, files
from facemotion.types import ClipKind

MUG_RATE = 19.0  # pictures a second
RAVDESS_CHANNELS = {1: "speech", 2: "song"}
RAVDESS_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
RAVDESS_WHOLE, RAVDESS_SILENT = 1, 2  # modalities: video with sound and without; 3 is sound alone


def crema_d(folder: Path) -> list[Take]:
    """CREMA-D: twelve sentences, each said with several emotions; a motion is a sentence.

    Args:
        folder: holds `VideoFlash/1001_IEO_ANG_HI.flv`: actor, sentence, emotion and its intensity.
    """
    takes = []
    for path in files(folder, "*.flv", "*.mp4"):
        match = re.fullmatch(r"(1\d{3})_([A-Z]{3})_[A-Z]{3}_(?:LO|MD|HI|XX|X)", path.stem)
        if match:
            takes.append(Take(path, match[1], match[2], ClipKind.LIP))
    return takes


def ravdess(folder: Path) -> list[Take]:
    """RAVDESS: two statements, spoken and sung with emotions of two intensities, twice each.

    A performance is there with sound and without; the one with sound is taken where both are.

    Args:
        folder: holds `Actor_01/01-01-05-02-01-02-01.mp4`: modality, channel, emotion, intensity, statement, repetition
            and actor.
    """
    found: dict[tuple[int, ...], tuple[int, Path]] = {}
    for path in files(folder, "*.mp4"):
        if not re.fullmatch(r"\d\d-0[12]-0[1-8]-\d\d-\d\d-\d\d-\d\d", path.stem):
            continue
        modality, *performance = (int(part) for part in path.stem.split("-"))
        known = found.get(tuple(performance))
        if modality in (RAVDESS_WHOLE, RAVDESS_SILENT) and (known is None or modality < known[0]):
            found[tuple(performance)] = (modality, path)
    takes = []
    for (channel, emotion, intensity, statement, _, actor), (_, path) in sorted(found.items()):
        strength = "strong " if intensity == 2 else ""
        words = f"{RAVDESS_CHANNELS[channel]} {statement} {strength}{RAVDESS_EMOTIONS[emotion - 1]}"
        takes.append(Take(path, f"Actor_{actor:02d}", words, ClipKind.LIP))
    return takes


def mead(folder: Path) -> list[Take]:
    """MEAD, the frontal camera: a motion is a sentence with an emotion, and its takes differ in their level.

    Args:
        folder: holds `M003/video/front/angry/level_1/001.mp4`: actor, view, emotion, level and sentence.
    """
    takes = []
    for path in files(folder, "*.mp4"):
        match = re.search(r"([MW]\d+)/video/front/(\w+)/level_[123]/(\d+)\.mp4$", path.resolve().as_posix())
        if match:
            takes.append(Take(path, match[1], f"{match[2]} {match[3]}", ClipKind.LIP))
    return takes


def mug(folder: Path) -> list[Take]:
    """MUG: expressions of the six basic emotions, several takes each, as folders of pictures.

    Args:
        folder: holds `subjects3/001/happiness/take000/img_0000.jpg`: subject, expression and take.
    """
    takes = []
    for place, _ in groupby(files(folder, "img_*.jpg"), key=lambda path: path.parent):
        match = re.search(r"/(\d{3})/(\w+)/take\d+$", place.resolve().as_posix())
        if match:
            takes.append(Take(place, match[1], match[2], ClipKind.FACIAL, pictures="img_*.jpg", rate=MUG_RATE))
    return takes


ACTED = {
    "crema-d": Corpus("CREMA-D", "VideoFlash/1001_IEO_ANG_HI.flv", crema_d),
    "ravdess": Corpus("RAVDESS", "Actor_01/01-01-05-02-01-02-01.mp4", ravdess),
    "mead": Corpus("MEAD", "M003/video/front/angry/level_1/001.mp4", mead),
    "mug": Corpus("MUG", "subjects3/001/happiness/take000/img_0000.jpg", mug),
}
"""By the name that `facemotion data import` takes."""
