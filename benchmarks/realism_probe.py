"""Can a small classifier tell renders from real video? Both are cut to the same aligned inner face, so that clothes,
hair and background say nothing, and degraded the same way step by step.

    python benchmarks/realism_probe.py DATA SYNTH_MANIFEST PORTRAITS [--write]

DATA holds grid_s1 and grid_people. With --write the table goes into docs/explanation/synth.md.

Two controls say how much of the answer is the renderer's: the untouched portraits against the real video (other
people, other lamps, other lenses), and the portraits against the renders (the same people, other cameras).

A logistic regression on the spectrum, the noise and the colour of each crop; tested on real speakers and simulated
people that it was not trained on. .5 is chance; 1 means that renders give themselves away.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from other_speakers import clips_of_speakers
from PIL import Image, ImageFilter
from sections import write_section

from facemotion.data.manifest import read_manifest
from facemotion.face.blazeface import BlazeFace
from facemotion.features.mesh import FaceMesh
from facemotion.media import load_clip
from facemotion.media.warp import square_matrix, warp
from facemotion.models import Models

SIDE = 96
FRAMES = 6


def frames_of(path: Path) -> list[np.ndarray]:
    """Some frames of a clip, or a picture."""
    if path.suffix == ".jpg":
        with Image.open(path) as image:
            return [np.asarray(image.convert("RGB"))]
    clip = load_clip(path)
    return [clip.frames[index] for index in np.linspace(0, len(clip) - 1, FRAMES).astype(int)]


def crops(paths: list[tuple[str, Path]]) -> tuple[list[str], np.ndarray]:
    """Inner faces (N, 96, 96, 3) uint8, eyes to mouth, upright, and whose they are."""
    detector, mesh = BlazeFace(Models.configured()), FaceMesh(Models.configured())
    owners, pictures = [], []
    for owner, path in paths:
        for frame in frames_of(path):
            found = detector.detect(frame)
            if not len(found):
                continue
            points = mesh.landmarks(frame, found.boxes[0], found.keypoints[0])
            right, left = points[33, :2], points[263, :2]
            angle = float(np.arctan2(left[1] - right[1], left[0] - right[0]))
            middle = (right + left + points[17, :2]) / 3
            side = 1.35 * float(np.linalg.norm(left - right))
            matrix = square_matrix((float(middle[0]), float(middle[1])), side, angle, SIDE)
            pictures.append(warp(frame, matrix, SIDE))
            owners.append(owner)
    return owners, np.stack(pictures)


def degrade(picture: np.ndarray, level: int) -> np.ndarray:
    """0 as it is; 1 grey; 2 grey at 48 px; 3 grey at 32 px, blurred and JPEG 60; brightness and contrast evened."""
    image = Image.fromarray(picture)
    if level >= 1:
        image = image.convert("L").convert("RGB")
    if level >= 2:
        side = 48 if level == 2 else 32
        image = image.resize((side, side), Image.Resampling.BOX)
    if level >= 3:
        image = image.filter(ImageFilter.GaussianBlur(0.7))
    values = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float64)
    return (values - values.mean()) / (values.std() + 1e-6)


def features(values: np.ndarray) -> np.ndarray:
    """Radial and directional power spectrum, noise level, kurtosis of gradients, colour covariance."""
    grey = values.mean(-1)
    window = np.outer(np.hanning(SIDE), np.hanning(SIDE))
    power = np.abs(np.fft.fftshift(np.fft.fft2(grey * window))) ** 2
    y, x = np.indices(power.shape) - SIDE // 2
    radius, angle = np.hypot(x, y).astype(int), np.abs(np.arctan2(y, x))
    rings = [np.log(power[radius == r].mean() + 1e-9) for r in range(1, 46, 2)]
    sectors = [
        np.log(power[(radius > 8) & (radius < 40) & (np.abs(angle - a) < 0.3)].mean()) for a in (0.3, 0.8, 1.5, 2.3)
    ]
    laplace = 4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    edges = np.diff(grey, axis=1)
    shape = [np.log(np.median(np.abs(laplace)) + 1e-6), np.log(np.mean(edges**4) / np.mean(edges**2) ** 2)]
    colour = np.cov(values.reshape(-1, 3).T)[np.triu_indices(3)] if values.std(-1).max() > 1e-6 else np.zeros(6)
    return np.array([*rings, *sectors, *shape, *colour])


def logistic(x: np.ndarray, y: np.ndarray, rounds: int = 400) -> np.ndarray:
    """Weights of a ridge-regularised logistic regression, the classes weighed evenly."""
    weight = np.where(y > 0, 0.5 / y.mean(), 0.5 / (1 - y).mean())
    w = np.zeros(x.shape[1])
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        w -= 0.3 * (x.T @ (weight * (p - y)) / len(y) + 0.01 * w)
    return w


def accuracy(
    real: np.ndarray, fake: np.ndarray, real_owner: list[str], fake_owner: list[str]
) -> tuple[float, np.ndarray]:
    """Balanced accuracy over folds that part both real and simulated people; mean weights."""
    scores, weights = [], []
    for fold in range(4):
        held = [{o for i, o in enumerate(sorted(set(owners))) if i % 4 == fold} for owners in (real_owner, fake_owner)]
        tests = [np.array([o in held[0] for o in real_owner]), np.array([o in held[1] for o in fake_owner])]
        x = np.concatenate([real[~tests[0]], fake[~tests[1]]])
        y = np.concatenate([np.zeros((~tests[0]).sum()), np.ones((~tests[1]).sum())])
        mean, spread = x.mean(0), x.std(0) + 1e-6

        def bias(values: np.ndarray, mean: np.ndarray = mean, spread: np.ndarray = spread) -> np.ndarray:
            return np.concatenate([(values - mean) / spread, np.ones((len(values), 1))], 1)

        w = logistic(bias(x), y)
        scores.append(((bias(real[tests[0]]) @ w < 0).mean() + (bias(fake[tests[1]]) @ w > 0).mean()) / 2)
        weights.append(w)
    return float(np.mean(scores)), np.mean(weights, axis=0)


def main() -> None:
    """Print the accuracy at each level of degradation and what gives renders away."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("synth", type=Path, help="manifest of a rendered data set")
    parser.add_argument("portraits", type=Path, help="folder of the portraits that people are made from")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    data, synth, portraits = given.data, given.synth, given.portraits
    people = [(path.stem, path) for path in clips_of_speakers(data / "grid_people")]
    speaker = read_manifest(data / "grid_s1" / "manifest.csv")
    people += [("s1", speaker.file(record)) for record in speaker.records[::60]]
    manifest = read_manifest(synth)
    chosen: dict[str, int] = {}
    fakes = []
    for record in manifest.records:
        if chosen.setdefault(record.subject, 0) < 3:
            chosen[record.subject] += 1
            fakes.append((record.subject, manifest.file(record)))
    sets = {
        "real": crops(people),
        "renders": crops(fakes),
        "portraits": crops([(path.stem, path) for path in sorted(portraits.glob("*.jpg"))[::2]]),
    }
    names = [f"ring{r}" for r in range(1, 46, 2)] + ["sector"] * 4 + ["laplace", "kurtosis"] + ["colour"] * 6
    counts = [f"{len(pictures)} crops of {len(set(owners))} ({name})" for name, (owners, pictures) in sets.items()]
    lines = [
        f"{', '.join(counts)}:",
        "",
        "| crops | real or renders | real or untouched portraits | portraits or renders |",
        "|---|---|---|---|",
    ]
    for level, title in enumerate(("colour, 96 px", "grey, 96 px", "grey, 48 px", "grey, 32 px, blurred")):
        table = {k: np.array([features(degrade(picture, level)) for picture in sets[k][1]]) for k in sets}
        cells = []
        for a, b in (("real", "renders"), ("real", "portraits"), ("portraits", "renders")):
            score, weights = accuracy(table[a], table[b], sets[a][0], sets[b][0])
            most = ", ".join(f"{names[i]} {weights[i]:+.2f}" for i in np.argsort(-np.abs(weights[:-1]))[:4])
            print(f"{title}, {a} or {b}: {score:.3f}   ({most})", flush=True)
            cells.append(f"{score:.3f}")
        lines.append(f"| {title} | {' | '.join(cells)} |")
    if given.write:
        write_section(Path(__file__).parents[1] / "docs" / "explanation" / "synth.md", "probe", "\n".join(lines))


if __name__ == "__main__":
    main()
