"""Portraits of faker-js, as published, cut to the face and made smaller."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facemotion.errors import AssetError
from facemotion.synth.people.assets import PORTRAIT_LIST, PORTRAITS
from facemotion.synth.sources.repositories import Repository, packaged_table
from facemotion.system.files import room_for, write_whole

LONGEST = 640  # px, longer side of a portrait that is written
QUALITY = 90  # of JPEG
LEAST_SHARE = 1e-3  # smaller shares of a source pixel in a target pixel are left out


@dataclass(frozen=True)
class Crop:
    """Where the face of a portrait lies.

    Attributes:
        name: of the portrait, such as female_12.
        box: left, top, right and bottom, pixels of the published picture.
        frontal: the face is turned to the camera, its mouth closed.
    """

    name: str
    box: tuple[int, int, int, int]
    frontal: bool

    @property
    def picture(self) -> str:
        """Path of the published picture in its repository."""
        kind, _, number = self.name.partition("_")
        return f"{kind}/512/{number}.jpg"  # the folder is called so; the pictures have 1,024 pixels a side

    @property
    def about(self) -> str:
        """Path of what the published picture was made from."""
        kind, _, number = self.name.partition("_")
        return f"{kind}/metadata/{number}.json"


@lru_cache(maxsize=1)
def crops() -> tuple[Crop, ...]:
    """All portraits that the engine uses, by name."""
    return tuple(
        Crop(
            row["name"],
            (int(row["left"]), int(row["top"]), int(row["right"]), int(row["bottom"])),
            row["frontal"] == "1",
        )
        for row in packaged_table("crops.csv")
    )


@lru_cache(maxsize=1)
def portrait_repository() -> Repository:
    """The repository of the portraits, with the files that `cut_portraits` reads."""
    return Repository(
        name="assets-person-portrait",
        address="https://github.com/faker-js/assets-person-portrait.git",
        commit="63aef57b5a839aebe3ad913ec7c76469aabbb6c5",
        licence="CC0-1.0",
        files={row["path"]: row["sha256"] for row in packaged_table("portrait_files.csv")},
    )


def cut_portraits(
    source: Path, out: Path, report: Callable[[int, int], None] = lambda *_: None, wanted: Sequence[Crop] | None = None
) -> None:
    """Write the portraits and their list; portraits that are there already are kept.

    Args:
        source: a copy of assets-person-portrait.
        out: the assets folder; gets `portraits/NAME.jpg` and `portraits.csv`, the list last.
        report: told how many portraits are done, and of how many.
        wanted: portraits to write; all of them if not given.
    Raises:
        AssetError: a file of the copy can't be read.
        WriteError: the folder can't be written.
    """
    chosen = crops() if wanted is None else wanted
    rows = io.StringIO()
    table = csv.writer(rows)
    table.writerow(("file", "prompt", "frontal_closed_mouth"))
    with room_for(out):
        (out / PORTRAITS).mkdir(parents=True, exist_ok=True)
    for number, crop in enumerate(chosen):
        path = out / PORTRAITS / f"{crop.name}.jpg"
        try:
            prompt = json.loads((source / crop.about).read_text("utf-8"))["prompt"]
            content = b"" if path.exists() else _cut(source / crop.picture, crop)
        except (OSError, ValueError, KeyError) as error:
            raise AssetError(f"{source} can't be read as assets-person-portrait: {error}.") from error
        table.writerow((path.name, prompt, int(crop.frontal)))
        if content:
            with room_for(path):
                write_whole(path, content)
        report(number + 1, len(chosen))
    with room_for(out / PORTRAIT_LIST):
        write_whole(out / PORTRAIT_LIST, rows.getvalue())


def _cut(path: Path, crop: Crop) -> bytes:
    with Image.open(path) as image:
        face = np.asarray(image.convert("RGB").crop(crop.box))
    content = io.BytesIO()
    Image.fromarray(shrink(face, min(1.0, LONGEST / max(face.shape[:2])))).save(content, "JPEG", quality=QUALITY)
    return content.getvalue()


def shrink(picture: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Make a picture smaller; each pixel is the mean of the area that it covers.

    Args:
        picture: (H, W, 3) uint8.
        factor: sides over the sides now, at most 1.
    Returns:
        (h, w, 3) uint8, sides rounded to whole pixels.
    """
    if factor >= 1:
        return picture
    across = _shares(picture.shape[1], factor)
    down = _shares(picture.shape[0], factor)
    return np.clip(np.rint(_mixed(_mixed(picture.astype(np.float32), across, 1), down, 0)), 0, 255).astype(np.uint8)


def _shares(size: int, factor: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Which source pixels (n, K) each target pixel covers, and the share of each; 0 where it covers fewer."""
    step = 1 / factor
    begin = np.arange(round(size * factor)) * step
    cell = np.minimum(step, size - begin)
    first = np.floor(begin).astype(np.int64)
    number = first[:, None] + np.arange(int(np.ceil(step)) + 1)
    covered = np.minimum(number + 1, np.minimum(begin + step, size)[:, None]) - np.maximum(number, begin[:, None])
    shares = np.where(covered > LEAST_SHARE, covered / cell[:, None], 0)
    return np.minimum(number, size - 1), shares.astype(np.float32)


def _mixed(
    values: NDArray[np.float32], table: tuple[NDArray[np.int64], NDArray[np.float32]], axis: int
) -> NDArray[np.float32]:
    """Weighted sums along an axis, one tap after the other in float32, so that they round alike everywhere."""
    numbers, shares = table
    wide = [1, 1, 1]
    wide[axis] = len(numbers)
    total = np.take(values, numbers[:, 0], axis) * shares[:, 0].reshape(wide)
    for tap in range(1, numbers.shape[1]):
        total += np.take(values, numbers[:, tap], axis) * shares[:, tap].reshape(wide)
    return np.asarray(total, np.float32)
