"""Series of points become a manifest and a feature cache, as if their takes had been filmed."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import MANIFEST, check_manifest, read_manifest, write_manifest
from facemotion.data.series.base import PointSeries
from facemotion.data.series.checks import check_series, check_set
from facemotion.data.series.expressions import read_expressions
from facemotion.data.series.grid33 import read_ends, read_phrases
from facemotion.data.series.plain import pack_series, read_described, read_listed
from facemotion.data.series.trackers import read_live_link, read_mediapipe, read_openface
from facemotion.errors import SeriesFormatError
from facemotion.system.files import room_for, write_whole
from facemotion.types import ClipRecord

LIST = "clips.csv"  # of a folder, in the columns of a manifest
FEATURES, CLIPS, ABOUT = "features", "clips", "series.json"


@dataclass(frozen=True)
class Imported:
    """What an import wrote.

    Attributes:
        frontend_id: what the features are called, for `extractor` in training settings.
        clips, subjects, motions: how many; motions of two subjects are two.
        left_out: takes of motions that were made only once, which nothing can be learned from.
        rate: frames/s, median over the takes.
        unit: of the points.
        names: of the points.
    """

    frontend_id: str
    clips: int
    subjects: int
    motions: int
    left_out: int
    rate: float
    unit: str
    names: tuple[str, ...]


def _listed(read: Callable[[Path, ClipRecord], PointSeries]) -> Callable[[Path], list[PointSeries]]:
    def read_folder(folder: Path) -> list[PointSeries]:
        manifest = read_manifest(folder / LIST)
        return [read(manifest.file(record), record) for record in manifest.records]

    return read_folder


def _read_plain(folder: Path) -> list[PointSeries]:
    """Takes whose labels stand in a list of clips, or npz files that hold their own labels."""
    if (folder / LIST).is_file():
        return _listed(read_listed)(folder)
    files = sorted(folder.rglob("*.npz"))
    if not files:
        raise SeriesFormatError(f"{folder} holds neither {LIST} nor an npz file; see docs/reference/data.md.")
    return [read_described(path) for path in files]


FORMATS: dict[str, Callable[[Path], list[PointSeries]]] = {
    "series": _read_plain,
    "grid33": read_phrases,
    "grid33-ends": read_ends,
    "mediapipe": _listed(read_mediapipe),
    "openface": _listed(read_openface),
    "livelink": _listed(read_live_link),
    "expressions": read_expressions,
}
"""By name, what reads all takes of a folder."""


def read_series(form: str, source: Path) -> list[PointSeries]:
    """All takes of a folder, each checked, and all of them against each other.

    Args:
        form: of FORMATS.
        source: folder.
    Raises:
        SeriesFormatError: no such format or folder.
        SeriesError: what is wrong, by name.
        ManifestError: clips.csv.
    """
    if form not in FORMATS:
        raise SeriesFormatError(f"There is no format {form!r}; choose among {', '.join(FORMATS)}.")
    if not source.is_dir():
        raise SeriesFormatError(f"There is no folder {source}; name the one that holds the series.")
    everything = FORMATS[form](source)
    for series in everything:
        check_series(series)
    check_set(everything)
    return everything


def import_series(
    form: str,
    source: Path,
    out: Path,
    progress: Callable[[int, int], None] | None = None,
    *,
    features: Path | None = None,
) -> Imported:
    """Write `manifest.csv`, one small npz file a take, and their features; everything is checked before.

    Args:
        form: of FORMATS.
        source: folder of the series.
        out: folder to write, which may hold an earlier import.
        progress: called with the number of takes written, and of all.
        features: folder of the feature cache; default: `features` in `out`.
    Raises:
        SeriesError, ManifestError: see `read_series`; labels that contradict each other.
        WriteError, DataError: the place can't be written.
    """
    everything = read_series(form, source)
    takes = Counter((series.subject, series.motion) for series in everything)
    kept = [series for series in everything if takes[series.subject, series.motion] > 1]
    if not kept:
        raise SeriesFormatError(f"{source}: every motion was made only once; record each at least twice.")
    about = Imported(
        kept[0].frontend_id,
        len(kept),
        len({series.subject for series in kept}),
        len({(series.subject, series.motion) for series in kept}),
        len(everything) - len(kept),
        round(sorted(series.rate for series in kept)[len(kept) // 2], 3),
        kept[0].unit,
        kept[0].names,
    )
    cache = FeatureCache(features or out / FEATURES, about.frontend_id)
    sequences = [series.features() for series in kept]  # before anything is written: points may be missing for long
    records = make_records(kept)
    with room_for(out):
        for number, (series, record, sequence) in enumerate(zip(kept, records, sequences, strict=True), 1):
            path, content = out / record.path, pack_series(series)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, content)
            cache.write(hashlib.sha256(content).hexdigest(), sequence)
            if progress:
                progress(number, len(kept))
        write_whole(out / ABOUT, json.dumps(asdict(about) | {"format": form}, indent=1) + "\n")
        write_manifest(out / MANIFEST, records)
    check_manifest(read_manifest(out / MANIFEST))
    return about


def make_records(kept: Sequence[PointSeries]) -> list[ClipRecord]:
    """A manifest row for each take, in their order; file names hold no sign that a file system may not know."""
    records, taken = [], set()
    for series in kept:
        words = [re.sub(r"[^\w~-]+", "-", text) for text in (series.subject, series.motion)]
        name = f"{CLIPS}/{words[0]}/{words[1]}_{series.session}_{series.repetition:03d}"
        path = next(path for path in (f"{name}{'+' * more}.npz" for more in range(len(kept))) if path not in taken)
        taken.add(path)
        records.append(
            ClipRecord(
                path,
                series.subject,
                series.motion,
                series.kind,
                series.repetition,
                series.session,
                series.split,
            )
        )
    return records
