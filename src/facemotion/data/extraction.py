"""Clips of a manifest through the front end into the cache, by one process or by several."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from facemotion.config import Settings
from facemotion.data.cache import Extract, FeatureCache
from facemotion.data.manifest import Manifest
from facemotion.errors import AcquisitionError, DataError
from facemotion.frontend import Frontend
from facemotion.system.processes import Workers, name_killed, run_tasks
from facemotion.types import ClipRecord, FeatureSequence


@dataclass(frozen=True)
class Extraction:
    """What became of one clip: its features, or the reason why none could be acquired.

    `features` is None too where another process made them: they lie in the cache.
    """

    record: ClipRecord
    features: FeatureSequence | None
    failure: str = ""


def fill_cache(cache: FeatureCache, manifest: Manifest, extract: Extract) -> Iterator[Extraction]:
    """Extract every clip of a manifest that isn't kept yet; yields one result per clip, in order.

    A clip without a usable face is a failure to acquire: it is reported, not raised, and never becomes a score.

    Raises:
        DataError, MediaError: as in FeatureCache.get.
    """
    for record in manifest.records:
        try:
            yield Extraction(record, cache.get(manifest.file(record), extract))
        except AcquisitionError as error:
            yield Extraction(record, None, str(error))


def fill_cache_by_processes(
    cache: FeatureCache, manifest: Manifest, settings: Settings, jobs: Workers
) -> Iterator[Extraction]:
    """As `fill_cache` with the front end of the settings, by `jobs` processes with a front end each.

    Whatever was extracted is kept when the work is cut off, and costs nothing when it is run again.

    Args:
        cache: of that front end.
        manifest: clips to extract.
        settings: of the front end; its networks run on `runtime.threads` threads in each process.
        jobs: number of processes, at least 1, or a cluster.
    Yields:
        One result per clip, in order; the features themselves stay in the cache.
    Raises:
        DataError: a process was killed, or as in FeatureCache.get.
        MediaError: a clip can't be read.
    """
    files = [(manifest.file(record),) for record in manifest.records]
    with name_killed(DataError, "extracted features"):
        failures = run_tasks(_load, (cache, settings), _extract, files, jobs)
        for record, failure in zip(manifest.records, failures, strict=True):
            yield Extraction(record, None, failure)


def _load(cache: FeatureCache, settings: Settings) -> tuple[FeatureCache, Frontend]:
    return cache, Frontend.load(settings)


def _extract(shared: tuple[FeatureCache, Frontend], clip: Path) -> str:
    """Extract one clip into the cache; empty, or why nothing could be acquired."""
    cache, frontend = shared
    try:
        cache.get(clip, frontend.features)
    except AcquisitionError as error:
        return str(error)
    return ""
