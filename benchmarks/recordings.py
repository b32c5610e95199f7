"""What real recordings are like, and what simulated ones are: heads, noise of landmarks, light, repetitions, features.

    python benchmarks/recordings.py DATA --cache FOLDER [--only COLUMN] [--write]

DATA holds grid_faces, grid_people, grid_s1, grid33 and webcam_people. Needs FACEMOTION_ASSETS. Simulated people are
those of the `validation` part, which no table is tested on. What the front end saw of each column is kept in the cache;
with --write docs/results/recordings.md and .json are written, in which columns that aren't measured now stay. Version 2
of Synth-59 was fitted to the real columns by `recordings_fit.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from other_speakers import clips_of_speakers
from recording_measures import (
    RIGID_POINTS,
    Recorded,
    aspect,
    grouped,
    head_figures,
    rest_ratios,
    takes_ratio,
)
from recordings_page import write_page
from repetitions import repetition_figures
from speech_spans import speech_span

from facemotion.data.manifest import read_manifest
from facemotion.errors import AcquisitionError
from facemotion.face.blazeface import BlazeFace
from facemotion.features import load_extractor
from facemotion.features.mesh import POINTS, FaceMesh, align
from facemotion.media import load_clip
from facemotion.media.write import write_video
from facemotion.models import Models
from facemotion.synth.people.assets import Assets
from facemotion.synth.people.cast import PersonBuilder, default_cache, fit_portraits
from facemotion.synth.people.head import load_head
from facemotion.synth.sets.frozen import FIELD, STUDIO
from facemotion.synth.sets.plan import FACIAL, DatasetSettings, by_subject, make_performers, make_plan
from facemotion.synth.sets.produce import SessionRenderer, sensor_seed
from facemotion.types import ClipKind

EXTRACTORS = ("face-mesh", "sfe-l", "sfe-e")
EDGE = 0.1  # seconds round the begin and the end of speech that are neither rest nor motion
PHRASES, TAKES = 8, 6  # of grid_s1
SEED = 5
COLUMNS = ("GRID sentences", "GRID s1", "webcams", "version 1", "version 2", "grid33")


class Watcher:
    """The front end of every column."""

    def __init__(self) -> None:
        models = Models.configured()
        self._detector, self._mesh = BlazeFace(models), FaceMesh(models)
        self._extractors = {name: load_extractor(name, models) for name in EXTRACTORS if name != "face-mesh"}

    def watch(self, path: Path, subject: str, motion: str, rest: Sequence[tuple[float, float]] | None) -> Recorded:
        """See a video.

        Args:
            path: of the video.
            subject: who.
            motion: what.
            rest: begin and end of the motion; all of it is motion if None.
        Raises:
            AcquisitionError: no face in a frame.
        """
        clip = load_clip(path)
        rows: dict[str, list[np.ndarray]] = {name: [] for name in ("rigid", "boxes", "grey", *EXTRACTORS)}
        for frame in clip.frames:
            found = self._detector.detect(frame)
            if not len(found):
                raise AcquisitionError(f"No face in a frame of {path}.")
            box, keys = found.boxes[0], found.keypoints[0]
            points = self._mesh.landmarks(frame, box, keys)
            rows["rigid"].append(points[RIGID_POINTS, :2])
            rows["face-mesh"].append(align(points)[POINTS].ravel())
            for name, extractor in self._extractors.items():
                rows[name].append(extractor(frame, box, keys))
            rows["boxes"].append(np.float32(max(box[2] - box[0], box[3] - box[1])))
            left, top = np.maximum(box[:2] + (box[2:] - box[:2]) / 4, 0).astype(int)
            right, bottom = (box[2:] - (box[2:] - box[:2]) / 4).astype(int)
            rows["grey"].append(np.float32(frame[top:bottom, left:right].mean()))
        phase = np.ones(len(clip.times), np.int8)
        if rest is not None:
            ((begin, end),) = rest
            phase[(clip.times < begin + EDGE) | (clip.times > end - EDGE)] = -1
            phase[(clip.times < begin - EDGE) | (clip.times > end + EDGE)] = 0
        arrays = {name: np.array(values, np.float32) for name, values in rows.items()}
        features = {name: arrays.pop(name) for name in EXTRACTORS}
        return Recorded(subject, motion, clip.times, phase=phase, features=features, **arrays)


def sentences(data: Path, watcher: Watcher) -> Iterator[Recorded]:
    """Whole sentences of GRID speakers, with the rest before and after."""
    with (data / "grid_faces" / "clips.csv").open(newline="", encoding="utf-8") as file:
        rows = [(data / "grid_faces" / row["path"], row["subject"]) for row in csv.DictReader(file)]
    rows += [(path, name) for path, name in clips_of_speakers(data / "grid_people").items()]
    for path, subject in rows:
        yield watcher.watch(path, subject, path.stem, [speech_span(path)])


def phrases(data: Path, watcher: Watcher) -> Iterator[Recorded]:
    """Takes of phrases of one GRID speaker, cut to the words."""
    manifest = read_manifest(data / "grid_s1" / "manifest.csv").select(split="train")
    names = sorted({record.motion for record in manifest.records})
    chosen = set(np.random.default_rng(SEED).permutation(names)[:PHRASES].tolist())
    for record in manifest.records:
        if record.motion in chosen and record.repetition < TAKES:
            yield watcher.watch(manifest.file(record), record.subject, record.motion, None)


def webcams(data: Path) -> Iterator[Recorded]:
    """Meshes of webcam users; frames without a face are left out."""
    with (data / "webcam_people" / "clips.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for person in sorted({row["person"] for row in rows}):
        with np.load(data / "webcam_people" / f"{person}.npz") as stored:
            points = stored["points"][:, RIGID_POINTS, :2].astype(np.float32) / 32000
        seen = points.any(axis=(1, 2))
        scale = np.array([1.0, aspect(points[seen])], np.float32)
        for row in rows:
            if row["person"] != person:
                continue
            span = slice(int(row["first"]), int(row["first"]) + int(row["frames"]))
            kept = seen[span]
            if kept.mean() < 0.9:
                continue
            times = np.arange(len(kept), dtype=np.float64)[kept] / WEBCAM_RATE
            nothing = np.zeros(0, np.float32)
            own = points[span][kept] * scale
            yield Recorded(person, row["sign"], times, own, np.full(len(own), -1, np.int8), nothing, nothing, {})


WEBCAM_RATE = 30.0  # frames/s of most webcams; the files say none


def simulated(settings: DatasetSettings, watcher: Watcher) -> Iterator[Recorded]:
    """Renders of a few people of the `validation` part, through H.264, in one sitting."""
    assets = Assets.find()
    head = load_head(assets)
    builder = PersonBuilder(assets, head, fit_portraits(assets, default_cache()))
    small = few(settings)
    performers = make_performers(small)
    for clips in by_subject(make_plan(small)):
        performer = performers[clips[0].record.subject]
        renderer = SessionRenderer(head, builder.build(performer.recruit), performer.sessions[0], small)
        for clip in clips:
            shot, truth = renderer.shoot(clip, performer)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "clip.mp4"
                frames = renderer.frames(shot, sensor_seed(small, clip))
                write_video(zip(frames, shot.times, strict=True), path, small.quality)
                try:
                    seen = watcher.watch(path, clip.record.subject, clip.record.motion, None)
                except AcquisitionError:
                    continue
            yield replace(seen, phase=rest_or_motion(truth.times, truth.phase, seen.times))


def rest_or_motion(times: np.ndarray, phase: np.ndarray, moments: np.ndarray) -> np.ndarray:
    """(T,) int8 of Recorded.phase at moments (T,) that a reader keeps of a clip, from its ground truth."""
    moving = times[np.flatnonzero(phase > 0)]
    return ((moments >= moving[0] - 1e-3) & (moments <= moving[-1] + 1e-3)).astype(np.int8)


def few(settings: DatasetSettings) -> DatasetSettings:
    """A few people of a set's settings, whom no table is tested on, in one sitting."""
    return replace(
        settings, subjects=4, motions=3, lips=3, takes=4, sessions=1, later_takes=0, near_misses=0, reorders=0,
        mimics=0, part="validation", seed=21,
    )  # fmt: skip


def kept(cache: Path, name: str, made: Iterator[Recorded]) -> list[Recorded]:
    """A column's recordings, from the cache where they lie there."""
    path = cache / f"{name}.npz"
    if not path.exists():
        found = list(made)
        cache.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray] = {"owner": np.array([[one.subject, one.motion] for one in found])}
        for number, one in enumerate(found):
            own = {"times": one.times, "rigid": one.rigid, "phase": one.phase, "boxes": one.boxes, "grey": one.grey}
            arrays |= {f"{number}/{key}": value for key, value in (own | one.features).items()}
        np.savez(path, **arrays)
    with np.load(path) as stored:
        fields = ("times", "rigid", "phase", "boxes", "grey")
        return [
            Recorded(
                str(subject),
                str(motion),
                *(stored[f"{number}/{key}"] for key in fields),
                features={name: stored[f"{number}/{name}"] for name in EXTRACTORS if f"{number}/{name}" in stored},
            )
            for number, (subject, motion) in enumerate(stored["owner"])
        ]


def figures(recordings: Sequence[Recorded]) -> dict[str, object]:
    """Everything that is measured of a column."""
    found: dict[str, object] = {
        "people": len(grouped(recordings)),
        "recordings": len(recordings),
        "frames": sum(len(one.times) for one in recordings),
        **head_figures(recordings),
    }
    if not recordings[0].features:
        return found
    facial = [one for one in recordings if FACIAL.letters in one.motion.partition("-")[2]]
    for kind, own in ((ClipKind.LIP, [one for one in recordings if one not in facial]), (ClipKind.FACIAL, facial)):
        for extractor in EXTRACTORS:
            takes, rest = takes_ratio(own, extractor), rest_ratios(own, extractor)
            if takes is not None:
                found[f"{extractor}, {kind}: motions over takes"] = takes["all"]
                found[f"{extractor}, {kind}: median component"] = takes["median"]
                found[f"{extractor}, {kind}: each component"] = takes["each"]
            if rest is not None:
                found[f"{extractor}, {kind}: motion over rest of other takes"] = rest[0]
                found[f"{extractor}, {kind}: motion over rest within a take"] = rest[1]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("features/recordings"))
    parser.add_argument("--only", action="append", help="measure this column alone; may be repeated")
    parser.add_argument("--write", action="store_true", help="write docs/results/recordings.md and .json")
    given = parser.parse_args()
    watcher = Watcher()
    columns = {
        "GRID sentences": lambda: sentences(given.data, watcher),
        "GRID s1": lambda: phrases(given.data, watcher),
        "webcams": lambda: webcams(given.data),
        "version 1": lambda: simulated(FIELD.settings, watcher),
        "version 2": lambda: simulated(STUDIO.settings, watcher),
    }
    results: dict[str, dict[str, object]] = {}
    for name, make in columns.items():
        if not given.only or name in given.only:
            results[name] = figures(kept(given.cache, name.replace(" ", "-"), make()))
            print(name, json.dumps(results[name], indent=1), flush=True)
    if not given.only or "grid33" in given.only:
        results["grid33"] = dict(repetition_figures(given.data / "grid33"))
        print("grid33", json.dumps(results["grid33"], indent=1))
    if given.write:
        write_page(results, COLUMNS)


if __name__ == "__main__":
    main()
