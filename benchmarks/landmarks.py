"""How well extractors find landmarks: on rendered people whose points are known, and on real people beside the mesh.

    python benchmarks/landmarks.py STILLS DATA [--models FOLDER] [--picture docs/images/landmarks.jpg] NAME...

NAME is face-mesh or the card of an extractor of landmarks, emotions or both (shipped, or with its card in --models).
STILLS is a data set of stills with validation and benchmark people; DATA holds grid_s1 and grid_people. Writes
docs/results/landmarks.json and docs/results/landmarks.md, and the figures of a shipped model into its card.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from other_speakers import clips_of_speakers
from PIL import Image

from facemotion.data.still_files import EMOTIONS, StillPerson, Stills
from facemotion.face import BlazeFace
from facemotion.face.mark import mark_face
from facemotion.features import FaceMesh, SpatialLandmarks
from facemotion.features.landmarks68 import MESH_POINTS, MOVING, align_68
from facemotion.media import read_frames
from facemotion.media.warp import crop_matrix, warp
from facemotion.models import Models

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
JAW = 17
CROP = 112
GROUPS: dict[str, Callable[[StillPerson], str]] = {
    "sex": lambda p: p.sex or "unknown",
    "age": lambda p: "18-39" if p.age < 40 else "40-59" if p.age < 60 else "60-89",
    # Classes of Del Bino and Bernerd 2013, joined in pairs so that each holds enough people.
    "skin": lambda p: "light (ITA > 28)" if p.tone > 28 else "tan, brown" if p.tone > -30 else "dark (ITA < -30)",
}
OPENINGS = {"right lid": ((37, 38), (41, 40)), "left lid": ((43, 44), (47, 46)), "lips": ((61, 62, 63), (67, 66, 65))}
Finder = Callable[[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]]


def finder(name: str, models: Models) -> Finder:
    """(68, 2) pixels of a frame, from its box and keypoints."""
    if name == "face-mesh":
        mesh = FaceMesh(models)
        return lambda frame, box, keypoints: mesh.landmarks(frame, box, keypoints)[MESH_POINTS, :2]
    return SpatialLandmarks(name, models).landmarks


def errors(found: NDArray[np.floating], wanted: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, 68) distances over that of the outer eye corners, percent."""
    scale = np.linalg.norm(wanted[:, 36] - wanted[:, 45], axis=1)
    return 100 * np.linalg.norm(found.astype(np.float64) - wanted, axis=2) / scale[:, None]


def on_renders(find: Finder, stills: Stills, detector: BlazeFace) -> dict[str, object]:
    """Error over all people and by group; lids and lips against the truth; jitter of a still face."""
    found, kept = [], []
    for index in range(len(stills)):
        faces = detector.detect(stills.image(index))
        if len(faces):
            found.append(find(stills.image(index), stills.boxes[index], faces.keypoints[0]))
            kept.append(index)
    points, wanted = np.stack(found), stills.landmarks[kept]
    people = [stills.persons[str(name)] for name in stills.people[kept]]
    missed = errors(points, wanted)
    inner = missed[:, JAW:].mean(axis=1)
    groups: dict[str, dict[str, object]] = {}
    for title, of in GROUPS.items():
        rows = np.array([of(person) for person in people])
        groups[title] = {
            group: {
                "people": len({p.name for p, row in zip(people, rows, strict=True) if row == group}),
                "nme_51": round(float(inner[rows == group].mean()), 3),
            }
            for group in sorted(set(rows))
        }
    worst = max(entry["nme_51"] for table in groups.values() for entry in table.values())
    return {
        "stills": len(kept),
        "people": len({p.name for p in people}),
        "nme_68": round(float(missed.mean()), 3),
        "nme_51": round(float(inner.mean()), 3),
        "nme_51_by_part": {part: round(float(missed[:, list(own)].mean()), 3) for part, own in MOVING.items()},
        "groups": groups,
        "worst_group_over_mean": round(float(worst / inner.mean()), 3),
        "openings": openings(points, wanted, np.array([p.name for p in people])),
        "jitter_px": round(still_jitter(find, stills, detector, kept[:: max(1, len(kept) // 40)]), 3),
    }


def openings(points: NDArray[np.floating], wanted: NDArray[np.floating], names: NDArray[np.str_]) -> dict[str, object]:
    """Correlation and gain (slope of found on true) of lid and lip opening within people."""
    told: dict[str, object] = {}
    for part, (upper, lower) in OPENINGS.items():
        pair = []
        for faces in (points, wanted):
            scale = np.linalg.norm(faces[:, 36] - faces[:, 45], axis=1)
            gap = np.linalg.norm(faces[:, upper] - faces[:, lower], axis=2).mean(axis=1) / scale
            for name in np.unique(names):
                gap[names == name] -= gap[names == name].mean()
            pair.append(gap)
        seen, true = pair
        told[part] = {
            "correlation": round(float(np.corrcoef(seen, true)[0, 1]), 3),
            "gain": round(float(seen @ true / (true @ true)), 3),
        }
    return told


def still_jitter(find: Finder, stills: Stills, detector: BlazeFace, chosen: Sequence[int], copies: int = 12) -> float:
    """Standard deviation of a landmark, pixels of the crop, over copies of one still under new sensor noise (3 grey
    levels) and a box that moves as the detector's does on a still head (0.3% centre, 1% side)."""
    rng = np.random.default_rng(0)
    spreads = []
    for index in chosen:
        image, box = stills.image(index), stills.boxes[index]
        keypoints = detector.detect(image).keypoints[0]
        side = float((box[2:] - box[:2]).max())
        seen = []
        for _ in range(copies):
            noisy = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
            shift, grow = rng.normal(0, 0.003, 2) * side, rng.normal(0, 0.01) * side / 2
            moved = (box.reshape(2, 2) + shift + np.array([[-grow], [grow]])).ravel().astype(np.float32)
            seen.append(find(noisy, moved, keypoints) * CROP / (1.1 * side))
        spreads.append(np.stack(seen).std(axis=0)[JAW:].mean())
    return float(np.mean(spreads))


def on_grid(find: Finder, mesh: Finder, clips: Sequence[Path], every: int, detector: BlazeFace) -> dict[str, object]:
    """Distance to the mesh on real frames; noise in time of aligned points."""
    pairs, noise = [], []
    for path in clips:
        aligned = []
        for number, (frame, _) in enumerate(read_frames(path)):
            if number % every and number > 11:
                continue
            faces = detector.detect(frame)
            if not len(faces):
                continue
            box, keypoints = faces.boxes[0], faces.keypoints[0]
            points = find(frame, box, keypoints)
            if number % every == 0:
                pairs.append((points, mesh(frame, box, keypoints)))
            if number <= 11:  # before the first word; slow drift drops out of the second difference
                scale = np.linalg.norm(points[36] - points[45]) * CROP / (1.1 * float((box[2:] - box[:2]).max()))
                aligned.append(align_68(points) * scale)
        if len(aligned) > 6:
            noise.append((np.diff(np.stack(aligned), n=2, axis=0).std(axis=0) / np.sqrt(6))[JAW:].mean())
    found, wanted = (np.stack(side) for side in zip(*pairs, strict=True))
    missed = errors(found, wanted)
    lips = list(MOVING["lips"])
    rest = [k for k in range(JAW, 68) if k not in lips]
    # The two schemes don't agree where a point is: what is the same on every face is no error.
    free = np.stack([align_68(f) for f in found]) - np.stack([align_68(w) for w in wanted])
    free = 100 * np.linalg.norm(free - free.mean(axis=0), axis=2)
    return {
        "clips": len(clips),
        "frames": len(found),
        "median_51_to_mesh": round(float(np.median(missed[:, JAW:].mean(axis=1))), 3),
        "median_51_without_lips": round(float(np.median(missed[:, rest].mean(axis=1))), 3),
        "median_lips": round(float(np.median(missed[:, lips].mean(axis=1))), 3),
        "median_51_after_mean_offset": round(float(np.median(free[:, JAW:].mean(axis=1))), 3),
        "frame_noise_px": round(float(np.mean(noise)), 3),
    }


def emotions(session: InferenceSession, stills: Stills) -> dict[str, object]:
    """Accuracy, over all named emotions and by group, and confusion (rows: true)."""
    chosen = np.flatnonzero(stills.emotions.max(axis=1) > 0.5)
    true, found = stills.emotions[chosen].argmax(axis=1), []
    for index in chosen:
        face = warp(stills.image(index), crop_matrix(stills.boxes[index], CROP), CROP)
        tensor = np.ascontiguousarray(face.transpose(2, 0, 1)[None].astype(np.float32) / 255)
        found.append(session.run(["emotions"], {"faces": tensor})[0].argmax())
    confusion = np.zeros((len(EMOTIONS), len(EMOTIONS)), int)
    np.add.at(confusion, (true, np.array(found)), 1)
    right = true == np.array(found)
    people = [stills.persons[str(name)] for name in stills.people[chosen]]
    groups = {
        title: {
            group: round(float(right[[of(person) == group for person in people]].mean()), 4)
            for group in sorted({of(person) for person in people})
        }
        for title, of in GROUPS.items()
    }
    return {
        "stills": len(chosen),
        "accuracy": round(float(right.mean()), 4),
        "groups": groups,
        "confusion": confusion.tolist(),
    }


def milliseconds(
    find: Finder, frame: NDArray[np.uint8], box: NDArray[np.float32], keypoints: NDArray[np.float32]
) -> float:
    """Least wall time of a frame, one thread, crop included."""
    spent = []
    for _ in range(60):
        start = time.perf_counter()
        find(frame, box, keypoints)
        spent.append(time.perf_counter() - start)
    return round(1000 * min(spent), 2)


def picture(
    path: Path, find: Finder, clips: Sequence[Path], stills: Stills, detector: BlazeFace, side: int = 240
) -> None:
    """One frame of every clip and as many rows of renders, landmarks drawn."""
    tiles = []
    for clip in clips:
        frames = [frame for frame, _ in read_frames(clip)]
        frame = frames[len(frames) // 2]
        faces = detector.detect(frame)
        tiles.append(_tile(frame, faces.boxes[0], find(frame, faces.boxes[0], faces.keypoints[0]), side))
    for index in np.linspace(0, len(stills) - 1, 24).astype(int):
        image = stills.image(index)
        keypoints = detector.detect(image).keypoints[0]
        tiles.append(_tile(image, stills.boxes[index], find(image, stills.boxes[index], keypoints), side))
    tiles = tiles[: len(tiles) // 6 * 6]
    rows = [np.concatenate(tiles[k : k + 6], axis=1) for k in range(0, len(tiles), 6)]
    Image.fromarray(np.concatenate(rows)).save(path, quality=88)


def _tile(
    frame: NDArray[np.uint8], box: NDArray[np.float32], points: NDArray[np.float32], side: int
) -> NDArray[np.uint8]:
    wide = box + np.array([-1, -1, 1, 1]) * 0.2 * float((box[2:] - box[:2]).max())
    matrix = crop_matrix(wide.astype(np.float32), 2 * side)
    enlarged = warp(frame, matrix, 2 * side)
    local = (points - matrix[:, 2]) / matrix[0, 0]
    return np.asarray(
        Image.fromarray(mark_face(enlarged, None, local, 5.0)).resize((side, side), Image.Resampling.LANCZOS)
    )


def table(every: dict[str, dict[str, dict[str, object]]]) -> str:
    """The figures in Markdown."""
    results = {name: own for name, own in every.items() if "benchmark" in own}
    lines = [
        "# Landmarks",
        "",
        "Written by `benchmarks/landmarks.py`. NME is the mean error of the points, divided by the distance between "
        "the outer eye corners. The head of each rendered person was fitted to the mesh's points on a portrait, which "
        "favours the mesh on renders.",
        "",
    ]
    lines += [
        "| model | people | NME 68 | NME inner 51 | worst group | jitter | lids: r, gain | lips: r, gain | ms a frame |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for name, result in results.items():
        for split in ("validation", "benchmark"):
            r = result[split]
            lid, lips = r["openings"]["left lid"], r["openings"]["lips"]
            lines.append(
                f"| {name} | {r['people']} rendered, {split} | {r['nme_68']}% | {r['nme_51']}% | "
                f"{r['worst_group_over_mean']} x mean | {r['jitter_px']} px | {lid['correlation']}, {lid['gain']} | "
                f"{lips['correlation']}, {lips['gain']} | {result['milliseconds']} |"
            )
    lines += ["", "Real frames, GRID, against the face mesh's points:", ""]
    lines += [
        "| model | clips | median inner 51 | without lips | lips | inner 51 less the mean offset | noise in time |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        for title, g in result["grid"].items():
            if name == "face-mesh":  # its own distance to itself says nothing
                lines.append(f"| {name} | {title} | - | - | - | - | {g['frame_noise_px']} px |")
                continue
            lines.append(
                f"| {name} | {title} | {g['median_51_to_mesh']}% | {g['median_51_without_lips']}% | "
                f"{g['median_lips']}% | "
                f"{g['median_51_after_mean_offset']}% | {g['frame_noise_px']} px |"
            )
    lines += [
        "",
        "Inner NME by group of rendered benchmark people:",
        "",
        "| model | group | people | NME inner 51 |",
        "|---|---|---|---|",
    ]
    for name, result in results.items():
        for title, groups in result["benchmark"]["groups"].items():
            lines += [f"| {name} | {title}: {g} | {e['people']} | {e['nme_51']}% |" for g, e in groups.items()]
    for name, own in every.items():
        if own.get("emotions"):
            lines += emotion_table(name, own["emotions"])
    return "\n".join(lines) + "\n"


def emotion_table(name: str, figures: dict[str, object]) -> list[str]:
    """Accuracy by group and confusion in Markdown."""
    groups = [f"{group} {value:.2f}" for own in figures["groups"].values() for group, value in own.items()]
    lines = [
        "",
        f"Emotions by {name}, {figures['stills']} stills of rendered validation people: accuracy "
        f"{figures['accuracy']} (chance 0.14); by group: {', '.join(groups)}. Rows are the emotion that was "
        "rendered, columns what was found:",
        "",
        f"| | {' | '.join(EMOTIONS)} |",
        f"|{'---|' * (len(EMOTIONS) + 1)}",
    ]
    rows = zip(EMOTIONS, figures["confusion"], strict=True)
    return [*lines, *(f"| {emotion} | {' | '.join(map(str, row))} |" for emotion, row in rows)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stills", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--models", type=Path, help="folder of further cards and files")
    parser.add_argument("--picture", type=Path, help="also draw the last NAME's landmarks to this file")
    arguments = parser.parse_args()
    models = Models(arguments.models) if arguments.models else Models.configured()
    detector = BlazeFace(models)
    with (arguments.data / "grid_s1" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    s1 = [arguments.data / "grid_s1" / row["path"] for row in rows[::10]]
    people = list(clips_of_speakers(arguments.data / "grid_people"))
    splits = {split: Stills(arguments.stills, split) for split in ("validation", "benchmark")}
    path = RESULTS / "landmarks.json"
    results = json.loads(path.read_text("utf-8")) if path.exists() else {}
    mesh = finder("face-mesh", models)
    for name in arguments.names:
        session = models.open(name)
        outputs = {output.name for output in session.get_outputs()}
        figures: dict[str, object] = {}
        if name == "face-mesh" or "landmarks" in outputs:
            find = finder(name, models)
            figures = {split: on_renders(find, own, detector) for split, own in splits.items()}
            figures["grid"] = {
                "s1, test phrases": on_grid(find, mesh, s1, 6, detector),
                "grid_people": on_grid(find, mesh, people, 6, detector),
            }
            image = splits["validation"].image(0)
            figures["milliseconds"] = milliseconds(
                find, image, splits["validation"].boxes[0], detector.detect(image).keypoints[0]
            )
        if "emotions" in outputs:
            figures["emotions"] = emotions(session, splits["validation"])
        results[name] = figures
        print(name, json.dumps(figures, indent=1))
    RESULTS.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    (RESULTS / "landmarks.md").write_text(table(results), "utf-8")
    if arguments.picture:
        picture(arguments.picture, find, [*people, s1[0]], splits["benchmark"], detector)


if __name__ == "__main__":
    main()
