"""Extraction by several processes, with the real front end."""

from __future__ import annotations

import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest

from facemotion.config import Settings
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.extraction import fill_cache, fill_cache_by_processes
from facemotion.data.manifest import Manifest
from facemotion.errors import DataError, UnreadableMediaError
from facemotion.frontend import Frontend
from facemotion.types import ClipKind, ClipRecord

pytestmark = pytest.mark.long  # several processes a test, each with a front end of its own


@pytest.fixture(scope="module")
def frontend() -> Frontend:
    return Frontend.load(Settings())


def manifest_of(folder: Path, *names: str) -> Manifest:
    return Manifest(folder, tuple(ClipRecord(f"{n}.mp4", "ann", n, ClipKind.FACIAL, i, 1) for i, n in enumerate(names)))


def test_processes_extract_what_one_does_and_report_failures(clips: Path, frontend: Frontend, tmp_path: Path) -> None:
    manifest = manifest_of(clips, "talk1", "nobody", "talk2")
    alone = FeatureCache(tmp_path / "alone", frontend.extractor.frontend_id)
    shared = FeatureCache(tmp_path / "shared", frontend.extractor.frontend_id)
    one = list(fill_cache(alone, manifest, frontend.features))
    for _ in range(2):
        several = list(fill_cache_by_processes(shared, manifest, Settings(), 2))
        assert [r.record for r in several] == list(manifest.records)
        assert [r.failure for r in several] == [r.failure for r in one]
    acquired, sequences = read_features(shared, manifest)
    assert [r.path for r in acquired.records] == ["talk1.mp4", "talk2.mp4"]
    for made, wanted in zip(sequences, (one[0].features, one[2].features), strict=True):
        assert wanted is not None
        np.testing.assert_array_equal(made.values, wanted.values)
        np.testing.assert_array_equal(made.times, wanted.times)
    assert not list(shared.folder.rglob("*.part"))


def test_a_clip_that_cannot_be_read_is_named(clips: Path, frontend: Frontend, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    cache = FeatureCache(tmp_path / "cache", frontend.extractor.frontend_id)
    with pytest.raises(UnreadableMediaError):
        list(fill_cache_by_processes(cache, manifest_of(tmp_path, "text"), Settings(), 2))


def test_a_killed_process_is_told_and_its_work_kept(clips: Path, frontend: Frontend, tmp_path: Path) -> None:
    names = [f"talk{i}" for i in range(1, 5)]
    for number, name in enumerate(names):
        shutil.copy(clips / ("talk1.mp4" if number % 2 else "talk2.mp4"), tmp_path / f"{name}.mp4")
        with (tmp_path / f"{name}.mp4").open("ab") as file:
            file.write(bytes([number]))  # other bytes, so that each is extracted
    manifest = manifest_of(tmp_path, *names)
    cache = FeatureCache(tmp_path / "cache", frontend.extractor.frontend_id)
    results = fill_cache_by_processes(cache, manifest, Settings(), 2)
    next(results)
    multiprocessing.active_children()[0].kill()
    with pytest.raises(DataError, match="Run the command again with fewer jobs"):
        list(results)
    kept = len(list(cache.folder.rglob("*.npz")))
    assert kept >= 1
    assert all(not r.failure for r in fill_cache_by_processes(cache, manifest, Settings(), 2))
    assert len(list(cache.folder.rglob("*.npz"))) == len(names)
