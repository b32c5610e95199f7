"""The pictures of docs/explanation/synth.md."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from facemotion.synth.filming.camera import Frame
from facemotion.synth.performance.motion import near_miss, parse_program
from facemotion.synth.sets.contact_sheets import Preview, apex, clean, grid, save_picture, strip

MOTIONS = (
    "brow_raise > wink_left",
    "pout_right",
    "cheek_puff > smile",
    "jaw_left + eyes_wide",
    "smirk_left > smirk_right",
    "nose_wrinkle",
    "jaw_wide",
    "kiss > eyes_shut",
    "brow_left",
    "teeth",
    "look_left > look_right",
    "blue moon music",
)


def people_sheet(preview: Preview) -> Frame:
    """24 people, each at the apex of another motion, each before a camera of their own."""
    pictures = []
    for number, recruit in enumerate(preview.recruits(24, "benchmark")):
        person = preview.person(recruit)
        motion = MOTIONS[number % len(MOTIONS)] if number % 3 else "smile*0.05"
        frames, _, truth = preview.clip(person, recruit, motion, preview.session(number), 0)
        pictures.append(frames[apex(truth)])
    return grid(pictures, 6)


def motions_sheet(preview: Preview) -> Frame:
    """12 motions over time, by twelve people."""
    rows = []
    recruits = preview.recruits(36, "train")[24:]
    for number, (motion, recruit) in enumerate(zip(MOTIONS, recruits, strict=True)):
        session = replace(clean(preview.session(number)), size=0.58)
        frames, _, _ = preview.clip(preview.person(recruit), recruit, motion, session, 0)
        rows.append(strip(frames[int(len(frames) * 0.12) : int(len(frames) * 0.92)], 8))
    whole = Image.fromarray(np.concatenate(rows, axis=0))
    return np.asarray(whole.resize((whole.width * 2 // 3, whole.height * 2 // 3), Image.Resampling.LANCZOS))


def cameras_sheet(preview: Preview) -> Frame:
    """One take under four cameras and lights."""
    recruit = preview.recruits(8, "benchmark")[7]
    person = preview.person(recruit)
    rows = []
    for number in (3, 8, 15, 21):
        frames, _, _ = preview.clip(person, recruit, "brow_raise > wink_left > pout_right", preview.session(number), 0)
        rows.append(strip(frames, 8))
    return np.concatenate(rows, axis=0)


def near_miss_sheet(preview: Preview) -> Frame:
    """A motion, its repetition, a near miss and a mimic."""
    original = parse_program("wink_left > pout_right")
    miss = near_miss(original, np.random.default_rng(4))
    first, other = preview.recruits(12, "benchmark")[10:]
    rows = []
    session = replace(clean(preview.session(5)), size=0.58)
    for recruit, program, take in ((first, original, 0), (first, original, 1), (first, miss, 0), (other, original, 0)):
        frames, _, _ = preview.clip(preview.person(recruit), recruit, str(program), session, take)
        rows.append(strip(frames[int(len(frames) * 0.1) :], 8))
    return np.concatenate(rows, axis=0)


def write_documents(preview: Preview, folder: Path, progress: Callable[[int, int], None] | None = None) -> list[Path]:
    """Write all sheets.

    Args:
        preview: people, motions and cameras.
        folder: folder to write into.
        progress: called with the number of sheets written and the number of all.
    Returns:
        Paths of the sheets.
    """
    written: list[Path] = []
    sheets = (
        ("people", people_sheet),
        ("motions", motions_sheet),
        ("cameras", cameras_sheet),
        ("near-miss", near_miss_sheet),
    )
    for name, sheet in sheets:
        if progress is not None:
            progress(len(written), len(sheets))
        path = folder / f"{name}.jpg"
        save_picture(sheet(preview), path)
        written.append(path)
    return written
