"""Data sets of labelled stills, for training and validating spatial feature extractors.

On disk: shards, each an image file `NAME.npy` and a label file `NAME.npz`, and `people.csv`, one row a person. The
labels of a shard are written last, so a shard with labels is whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facemotion.data.npz import DAMAGE, open_npz, pack
from facemotion.errors import DataError
from facemotion.system.files import room_for, write_whole

EMOTIONS = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")
SPLITS = ("train", "validation", "benchmark")
PEOPLE = "people.csv"
POINTS = 68


@dataclass(frozen=True)
class StillPerson:
    """Who is on a still, for figures by group.

    Attributes:
        name: unique in the data set.
        parents: portraits that they were made from, parted by spaces; never in two splits.
        split: of SPLITS.
        sex: "female", "male" or "".
        age: years, 0 if unknown.
        tone: individual typology angle of the skin, degrees, lower is darker; Chardon et al. 1991.
    """

    name: str
    parents: str
    split: str
    sex: str = ""
    age: int = 0
    tone: float = 0.0


@dataclass(frozen=True, eq=False)
class Shard:
    """N stills of one size.

    Attributes:
        images: (N, S, S, 3) uint8 RGB, the whole face with room round it.
        boxes: (N, 4) float32 x0 y0 x1 y1 pixels of the detector.
        landmarks: (N, 68, 2) float32 pixels, pixel centres at half integers.
        known: (N, 68) bool, points that may be learned from: all points of renders, few points where a face mesh made
            the landmarks.
        weights: (N, W) float32 of the expression shapes, all 0 where unknown.
        emotions: (N, 7) float32 shares of EMOTIONS that sum to 1; zeros where the expression has no name.
        people: (N,) names.
    """

    images: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    known: NDArray[np.bool_]
    weights: NDArray[np.float32]
    emotions: NDArray[np.float32]
    people: NDArray[np.str_]

    def __post_init__(self) -> None:
        count = len(self.images)
        shapes = {
            "boxes": (count, 4),
            "landmarks": (count, POINTS, 2),
            "known": (count, POINTS),
            "emotions": (count, len(EMOTIONS)),
            "people": (count,),
        }
        if self.images.ndim != 4 or self.images.shape[3] != 3 or self.images.dtype != np.uint8:
            raise DataError("Images of stills must be (N, S, S, 3) uint8; write the shard again.")
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise DataError(
                    f"The {name} of a shard of {count} stills must have shape {shape}; write the shard again."
                )
        if self.weights.ndim != 2 or len(self.weights) != count:
            raise DataError(f"The weights of a shard of {count} stills must have as many rows; write the shard again.")
        for name in ("boxes", "landmarks", "weights", "emotions"):
            if not np.isfinite(getattr(self, name)).all():
                raise DataError(f"The {name} of a shard hold values that are no numbers; write the shard again.")

    def __len__(self) -> int:
        return len(self.images)


LABELS = tuple(field.name for field in fields(Shard) if field.name != "images")


def write_shard(folder: Path, name: str, shard: Shard) -> None:
    """Write one shard, its labels last; a kill at any moment leaves it whole or not there.

    Args:
        folder: of the data set, made if it isn't there.
        name: of the files, without suffix.
        shard: the stills.
    Raises:
        WriteError: it can't be written.
    """
    labels = {field: getattr(shard, field) for field in LABELS}
    with room_for(folder / name):
        folder.mkdir(parents=True, exist_ok=True)
        for suffix, content in ((".npy", _npy(shard.images)), (".npz", pack(**labels))):
            write_whole(folder / f"{name}{suffix}", content)


def write_people(folder: Path, people: Sequence[StillPerson]) -> None:
    """Write the list of people, whole or not at all.

    Raises:
        WriteError: it can't be written.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(StillPerson)])
    writer.writerows([p.name, p.parents, p.split, p.sex, p.age, f"{p.tone:.1f}"] for p in people)
    with room_for(folder / PEOPLE):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / PEOPLE, text.getvalue())


class Stills:
    """The stills of one split, images on disk and labels in memory.

    Attributes:
        boxes, landmarks, known, emotions, people: as in Shard, over all shards, in the order of their names.
        persons: by name, those of the split.
    """

    def __init__(self, folder: Path, split: str) -> None:
        """Open a data set.

        Args:
            folder: written by write_shard and write_people.
            split: of SPLITS.
        Raises:
            DataError: no such folder, no still of that split, a damaged or half-written shard, a person without a row
                in people.csv, or a parent in two splits.
        """
        if split not in SPLITS:
            raise DataError(f"The split must be one of {', '.join(SPLITS)}, got {split!r}.")
        people = read_people(folder)
        self.persons = {person.name: person for person in people if person.split == split}
        names = sorted(path.stem for path in folder.glob("*.npz"))
        everyone = {person.name for person in people}
        self._images: list[NDArray[np.uint8]] = []
        self._places: list[tuple[int, int]] = []
        kept: list[dict[str, NDArray[np.generic]]] = []
        for name in names:
            images, labels = _read_shard(folder, name)
            strangers = set(labels["people"].tolist()) - everyone
            if strangers:
                raise DataError(
                    f"{folder / PEOPLE} lacks {sorted(strangers)[0]!r} of the shard {name}; write it again."
                )
            rows = np.flatnonzero([str(person) in self.persons for person in labels["people"]])
            if len(rows):
                self._places += [(len(self._images), int(row)) for row in rows]
                self._images.append(images)
                kept.append({field: values[rows] for field, values in labels.items()})
        if not kept:
            raise DataError(f"{folder} holds no stills of the split {split!r}; render some or name another folder.")
        self.boxes = np.concatenate([part["boxes"] for part in kept]).astype(np.float32)
        self.landmarks = np.concatenate([part["landmarks"] for part in kept]).astype(np.float32)
        self.known = np.concatenate([part["known"] for part in kept]).astype(np.bool_)
        self.emotions = np.concatenate([part["emotions"] for part in kept]).astype(np.float32)
        self.weights = np.concatenate([part["weights"] for part in kept]).astype(np.float32)
        self.people = np.concatenate([part["people"] for part in kept]).astype(np.str_)

    def __len__(self) -> int:
        return len(self._places)

    def image(self, index: int) -> NDArray[np.uint8]:
        """(S, S, 3) uint8 RGB of one still."""
        shard, row = self._places[index]
        return np.asarray(self._images[shard][row])

    def emotion_count(self) -> int:
        """How many of the emotions are labelled."""
        return len(self._named_emotions())

    def _named_emotions(self) -> NDArray[np.int_]:
        named = self.emotions.sum(axis=1) > 0
        return np.unique(self.emotions[named].argmax(axis=1))

    def check_emotions(self) -> None:
        """Hold the labels to what a classifier needs.

        Raises:
            DataError: fewer than two emotions are labelled.
        """
        classes = self._named_emotions()
        if len(classes) < 2:
            emotions = EMOTIONS[int(classes[0])] if len(classes) else "none"
            raise DataError(
                f"Learning emotions takes stills of two or more of {', '.join(EMOTIONS)}; this set has only {emotions}."
            )


def read_people(folder: Path) -> list[StillPerson]:
    """The people of a data set.

    Raises:
        DataError: no list, a row that can't be read, or a parent in two splits.
    """
    path = folder / PEOPLE
    if not path.is_file():
        raise DataError(f"{folder} is no data set of stills: it has no {PEOPLE}.")
    people = []
    with path.open(newline="", encoding="utf-8") as file:
        for line, row in enumerate(csv.DictReader(file), 2):
            try:
                person = StillPerson(
                    row["name"], row["parents"], row["split"], row["sex"], int(row["age"]), float(row["tone"])
                )
            except (KeyError, ValueError, TypeError) as error:
                raise DataError(f"{path}, line {line}, isn't a person ({error}); write the list again.") from error
            if person.split not in SPLITS:
                raise DataError(f"{path}, line {line}: the split must be one of {', '.join(SPLITS)}.")
            people.append(person)
    splits: dict[str, str] = {}
    for person in people:
        for parent in person.parents.split():
            if splits.setdefault(parent, person.split) != person.split:
                raise DataError(f"{path} has the parent {parent!r} in two splits; one person would be on both sides.")
    return people


def _read_shard(folder: Path, name: str) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.generic]]]:
    try:
        images = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        with open_npz(folder / f"{name}.npz") as file:
            labels = {field: file[field] for field in LABELS}
    except KeyError as error:
        raise DataError(f"{folder / name}.npz lacks a part ({error}); write the shard again.") from error
    except (OSError, *DAMAGE) as error:
        raise DataError(f"The shard {folder / name} is damaged or half of it is missing; write it again.") from error
    Shard(images, **labels)
    return images, labels


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()
