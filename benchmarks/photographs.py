"""Photographs of people held before a camera: a printed portrait that is moved, tilted, brought near, waved or bent.

    python benchmarks/photographs.py PORTRAITS [--films 96] [--genuine NAME=FOLDER ...] [--every 1] [--write]

Each film is what a camera would see: the portrait lies on a plane (or a cylinder) in space that moves smoothly, the
camera projects it (an exact homography, where it is plane), blurs what moves, and adds noise; H.264 encodes it. Films
and every n-th clip of the folders of genuine ones go through the front end; how much moves, and how much of it no
photograph could, is noted in docs/results/photographs.json. What stands there isn't measured again: stop the script, or
let it stop after some seconds of processor time, and give the same command once more. With --write the figures go into
docs/results/security.md.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import av
import numpy as np
from PIL import Image, ImageDraw
from sections import write_section

from facemotion.config import Settings
from facemotion.errors import FacemotionError
from facemotion.features import FeatureExtractor
from facemotion.frontend import Acquirer, Frontend
from facemotion.media import Source, read_frames

PAGE = Path(__file__).parents[1] / "docs" / "results" / "security.md"
RESULTS = PAGE.with_name("photographs.json")

SIZE = (400, 300)
RATE = 25
REST_SECONDS = 1.0  # how long the first and the last frame are held, for the columns with rest

# Largest turns in degrees (about the vertical, the horizontal and the line of sight), shifts and change of distance in
# shares of the distance, and the least radius of a bent print in widths of it (0: plane).
WAYS: dict[str, tuple[float, float, float, float, float, float]] = {
    "held by hand": (1.5, 1.5, 1.0, 0.01, 0.01, 0),
    "moved": (2, 2, 2, 0.10, 0.02, 0),
    "brought near": (2, 2, 2, 0.02, 0.25, 0),
    "tilted": (30, 22, 8, 0.03, 0.03, 0),
    "waved": (25, 18, 15, 0.08, 0.12, 0),
    "bent": (8, 8, 4, 0.03, 0.03, 0.35),
}


def film(portrait: Image.Image, way: str, seed: int, seconds: float = 3.0) -> bytes:
    """An MP4 of a portrait (H, W) that is moved in one of WAYS.

    Args:
        portrait: RGB.
        way: key of WAYS.
        seed: decides the course, the camera's noise and the wall behind.
    """
    random = np.random.default_rng(seed)
    times = np.arange(round(seconds * RATE) + 1) / RATE
    yaw, pitch, roll, shift, near, bend = WAYS[way]
    turns = np.radians([_course(random, times, reach) for reach in (yaw, pitch, roll)])
    moves = np.array([_course(random, times, reach) for reach in (shift, shift, near)])
    bends = np.abs(_course(random, times, 1)) / bend if bend else np.zeros(len(times))
    size = random.uniform(0.8, 1.1)  # height of the print next to the picture's
    wall = Image.fromarray(random.integers(60, 200, (6, 8, 3), np.uint8)).resize(SIZE, Image.Resampling.BICUBIC)
    frames = []
    for k in range(len(times)):
        # Two moments of one exposure: what moves is blurred.
        exposed = np.zeros((*SIZE[::-1], 3), np.float32)
        for part in (0.0, 0.5):
            place = min(k + part, len(times) - 1)
            at = [np.interp(place, np.arange(len(times)), course) for course in (*turns, *moves, bends)]
            exposed += np.asarray(_see(portrait, wall, size, at), np.float32) / 2
        frames.append(exposed * (1 + 0.02 * np.sin(k / 9)) + random.normal(0, 2.5, (*SIZE[::-1], 1)))
    return _encode(np.clip(np.stack(frames), 0, 255).astype(np.uint8))


def _course(random: np.random.Generator, times: np.ndarray, reach: float) -> np.ndarray:
    """A smooth course of a hand: a few slow waves, its largest value `reach`."""
    waves = [
        random.normal() / rate * np.sin(2 * np.pi * (rate * times + random.uniform())) for rate in (0.3, 0.6, 1.0, 1.6)
    ]
    total = np.sum(waves, axis=0)
    return reach * total / max(float(np.abs(total).max()), 1e-9)


def _see(portrait: Image.Image, wall: Image.Image, size: float, at: list[float]) -> Image.Image:
    """What the camera sees: the print before the wall, cut into strips that are each plane (one strip, where it is)."""
    yaw, pitch, roll, right, down, near, bend = at
    width, height = SIZE
    focal = 1.1 * width
    turn = _turn(yaw, pitch, roll)
    # The print's middle is at distance 1 (less `near`); its half height fills `size` halves of the picture there.
    middle = np.array([right, down, 1 - near])
    tall = size * height / focal / 2
    wide = tall * portrait.width / portrait.height
    strips = 1 if bend < 1e-3 else 8
    seen = wall.copy()
    edges = np.linspace(-1, 1, strips + 1)
    for left, end in pairwise(edges):
        corners = np.array([[left, -1], [end, -1], [end, 1], [left, 1]]) * (wide, tall)
        if strips == 1:
            space = np.column_stack([corners, np.zeros(4)])
        else:  # on a cylinder about the print's vertical axis, its middle nearest to the camera
            radius = 2 * wide / bend
            angle = corners[:, 0] / radius
            space = np.column_stack([radius * np.sin(angle), corners[:, 1], radius * (1 - np.cos(angle))])
        points = space @ turn.T + middle
        places = points[:, :2] / points[:, 2:] * focal + np.array(SIZE) / 2
        pixels = (corners / (wide, tall) + 1) / 2 * portrait.size
        low = np.clip(np.floor(places.min(axis=0)), 0, SIZE).astype(int)
        high = np.clip(np.ceil(places.max(axis=0)), 0, SIZE).astype(int)
        if (high <= low).any():
            continue
        box = tuple((high - low).tolist())
        plane = homography(places - low, pixels).ravel()[:8].tolist()
        drawn = portrait.transform(box, Image.Transform.PERSPECTIVE, plane, Image.Resampling.BILINEAR)
        mask = Image.new("L", box)
        ImageDraw.Draw(mask).polygon([tuple(place) for place in places - low], fill=255)
        seen.paste(drawn, tuple(low.tolist()), mask)
    return seen


def homography(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3) the plane map, its last number 1, that takes four points (4, 2) to four others."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    return np.append(np.linalg.solve(np.array(rows), np.asarray(target).ravel()), 1).reshape(3, 3)


def _turn(yaw: float, pitch: float, roll: float) -> np.ndarray:
    c, s = np.cos([yaw, pitch, roll]), np.sin([yaw, pitch, roll])
    about_y = np.array([[c[0], 0, s[0]], [0, 1, 0], [-s[0], 0, c[0]]])
    about_x = np.array([[1, 0, 0], [0, c[1], -s[1]], [0, s[1], c[1]]])
    about_z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


def _encode(frames: np.ndarray) -> bytes:
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=RATE)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        video.options = {"crf": "21", "preset": "ultrafast"}
        for number, array in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = number * 1000 // RATE, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return out.getvalue()


def measure(frontend: Frontend, source: Source) -> dict[str, float] | str:
    """Energy of the motion, and of what no photograph could do, in percent of the distance between the eyes.

    Returns:
        `energy` and `own`; `energy with rest` and `own with rest`, the same with the first and the last frame held for
        REST_SECONDS; the name of the error where there is no sequence.
    """
    session = Acquirer(frontend)
    try:
        for frame, seconds in read_frames(source, frontend.settings.media):
            session.push(frame, seconds)
        sequence, points = session.sequence(), session.sighting().points
    except FacemotionError as error:
        return type(error).__name__
    return energies(frontend.extractor, sequence.values, points, sequence.times)


def energies(
    extractor: FeatureExtractor, values: np.ndarray, points: np.ndarray, times: np.ndarray
) -> dict[str, float]:
    """What `measure` says of features (T, D) and landmarks (T, N, 2) at times (T,), which begin with 0."""
    step = float(np.median(np.diff(times)))
    count = round(REST_SECONDS / step)
    held = np.pad(np.arange(len(times)), count, mode="edge")
    before, after = step * np.arange(-count, 0), times[-1] + step * np.arange(1, count + 1)
    rested = np.concatenate([before, times, after]) + count * step
    found = {
        "energy": extractor.motion_energy(values),
        "own": extractor.own_motion(points, times),
        "energy with rest": extractor.motion_energy(values[held]),
        "own with rest": extractor.own_motion(points[held], rested),
    }
    return {name: round(value, 3) for name, value in found.items()}


def sources(given: argparse.Namespace) -> Iterator[tuple[str, str, Source | tuple[Path, str, int]]]:
    """Kind, name and either a clip or what a film is made of, the kinds in turns."""
    portraits = sorted(given.portraits.glob("*.jpg"))
    for number in range(given.films):
        way = list(WAYS)[number % len(WAYS)]
        portrait = portraits[(number * 37) % len(portraits)]
        yield f"photograph {way}", f"{portrait.stem} {number}", (portrait, way, number)
    for pair in given.genuine:
        name, _, folder = pair.partition("=")
        clips = sorted(path for path in Path(folder).rglob("*") if path.suffix in (".mp4", ".mpg", ".webm"))
        for path in clips[:: given.every]:
            yield name, path.stem, path


def table(results: dict[str, dict[str, dict[str, float] | str]]) -> str:
    """Per kind: how many pass, as they are and with rest round them, and the least and the largest own motion."""
    limits = Settings().quality
    own_motion = "own motion: least, median, largest"
    columns = ["clips", "number", "pass by motion", "pass by own motion too", "the same with rest", own_motion]
    lines = [f"| {' | '.join(columns)} |"]
    lines.append("|---|---|---|---|---|---|")
    totals = {"all photographs": np.zeros(4, int), "all genuine clips": np.zeros(4, int)}
    for kind in sorted(results, key=lambda kind: (not kind.startswith("photograph"), kind)):
        found = [one for one in results[kind].values() if isinstance(one, dict)]
        own, rested = (np.array([one[name] for one in found]) for name in ("own", "own with rest"))
        moving = np.array([one["energy"] for one in found]) >= limits.min_motion_energy
        still_moving = np.array([one["energy with rest"] for one in found]) >= limits.min_motion_energy
        passing = moving & (own >= limits.min_own_motion)
        passing_rested = still_moving & (rested >= limits.min_own_motion)
        spread = f"{own.min():.2f}, {np.median(own):.2f}, {own.max():.2f}"
        counts = [len(results[kind]), moving.sum(), passing.sum(), passing_rested.sum()]
        lines.append(f"| {kind} | {' | '.join(map(str, counts))} | {spread} |")
        totals["all photographs" if kind.startswith("photograph") else "all genuine clips"] += counts
    for name, (number, moving, passing, passing_rested) in totals.items():
        if number:
            shares = [f"{count} ({count / number:.1%})" for count in (moving, passing, passing_rested)]
            lines.append(f"| **{name}** | {number} | {' | '.join(shares)} | |")
    return "\n".join(lines)


def main() -> int:
    """Measure what is missing, keep it, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=Path)
    parser.add_argument("--films", type=int, default=96)
    parser.add_argument("--genuine", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument("--every", type=int, default=1, help="take every n-th genuine clip")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so many seconds of processor time")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    frontend, left = Frontend.load(Settings()), 0
    for kind, name, source in sources(given):
        done = results.setdefault(kind, {})
        if name in done:
            continue
        if time.process_time() > given.seconds:
            left += 1
            continue
        if isinstance(source, tuple):
            portrait, way, seed = source
            source = film(Image.open(portrait).convert("RGB"), way, seed, 2.0)  # noqa: PLW2901
        done[name] = measure(frontend, source)
        RESULTS.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", "utf-8")
    text = table({kind: found for kind, found in results.items() if found})
    print(text, f"\n{left} left; the same command goes on.", flush=True)
    if given.write:
        write_section(PAGE, "photographs", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
