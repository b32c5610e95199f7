from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facemotion.config import FaceSettings, QualitySettings, Settings
from facemotion.data.cache import MADE_WITH, FeatureCache, SightingCache, read_features
from facemotion.data.extraction import fill_cache
from facemotion.data.manifest import Manifest
from facemotion.errors import AcquisitionError, DataError, ModelMismatchError, NoFaceError
from facemotion.frontend.sighting import Sighting
from facemotion.types import ClipKind, ClipRecord, FeatureSequence


def sequence(frontend_id: str = "front", length: int = 4) -> FeatureSequence:
    values = np.random.default_rng(length).normal(size=(length, 3)).astype(np.float32)
    return FeatureSequence(values, np.arange(length) / 25, frontend_id)


def counted(calls: list[Path]) -> Callable[[Path], FeatureSequence]:
    def extract(path: Path) -> FeatureSequence:
        calls.append(path)
        if path.read_bytes() == b"wall":
            raise NoFaceError("No face in the clip; face the camera.")
        return sequence()

    return extract


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", "front")


def test_a_clip_is_extracted_once_even_when_renamed(cache: FeatureCache, tmp_path: Path) -> None:
    calls: list[Path] = []
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"face")
    first = cache.get(clip, counted(calls))
    second = cache.get(clip.rename(tmp_path / "b.mp4"), counted(calls))
    assert len(calls) == 1
    np.testing.assert_array_equal(first.values, second.values)
    np.testing.assert_array_equal(first.times, second.times)
    assert second.frontend_id == "front"


def test_other_bytes_or_another_front_end_are_another_entry(cache: FeatureCache, tmp_path: Path) -> None:
    calls: list[Path] = []
    clip = tmp_path / "a.mp4"
    for content in (b"face", b"Face"):
        clip.write_bytes(content)
        cache.get(clip, counted(calls))
    assert len(calls) == 2
    other = FeatureCache(cache.folder, "other")
    with pytest.raises(ModelMismatchError, match="made by front, the cache is for other"):
        other.get(clip, counted(calls))


def test_a_damaged_file_is_made_again(cache: FeatureCache, tmp_path: Path) -> None:
    calls: list[Path] = []
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"face")
    cache.get(clip, counted(calls))
    (kept,) = cache.folder.rglob("*.npz")
    for content in (b"", kept.read_bytes()[:100], b"text"):
        kept.write_bytes(content)
        cache.get(clip, counted(calls))
    assert len(calls) == 4
    assert not list(cache.folder.rglob("*.part"))


def test_a_failure_to_acquire_is_remembered_and_left_out(cache: FeatureCache, tmp_path: Path) -> None:
    calls: list[Path] = []
    records = tuple(
        ClipRecord(f"{name}.mp4", "ann", "wink", ClipKind.FACIAL, i, 1) for i, name in enumerate(("face", "wall"))
    )
    for record in records:
        (tmp_path / record.path).write_bytes(record.path[:4].encode())
    manifest = Manifest(tmp_path, records)
    for _ in range(2):
        good, bad = fill_cache(cache, manifest, counted(calls))
        assert good.features is not None
        assert bad.features is None
        assert bad.failure == "No face in the clip; face the camera."
    assert len(calls) == 2
    with pytest.raises(AcquisitionError, match="face the camera"):
        cache.get(tmp_path / "wall.mp4", counted(calls))
    acquired, sequences = read_features(cache, manifest)
    assert acquired.records == records[:1]
    assert len(sequences) == 1
    with pytest.raises(DataError, match="No clip"):
        read_features(cache, Manifest(tmp_path, records[1:]))


def test_reading_never_extracts(cache: FeatureCache, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"face")
    manifest = Manifest(tmp_path, (ClipRecord("a.mp4", "ann", "wink", ClipKind.FACIAL, 0, 1),))
    with pytest.raises(DataError, match="run `facemotion features`"):
        read_features(cache, manifest)
    with pytest.raises(DataError, match="Can't read the clip"):
        cache.get(tmp_path / "none.mp4", lambda path: sequence())


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="Can't write features"):
        FeatureCache(tmp_path / "file" / "cache", "front").write("00", sequence())


def watched(calls: list[Path]) -> Callable[[Path], Sighting]:
    def watch(path: Path) -> Sighting:
        calls.append(path)
        rng, used = np.random.default_rng(0), np.array([False, True, True])
        values, points = rng.normal(size=(2, 3)).astype(np.float32), rng.normal(size=(2, 5, 2)).astype(np.float32)
        return Sighting(np.arange(3) / 25, used, ~used, ~used, used, values, points, "front")

    return watch


def test_what_was_seen_of_a_clip_is_kept_whole(tmp_path: Path) -> None:
    calls: list[Path] = []
    cache, clip = SightingCache(tmp_path / "cache", "front", Settings()), tmp_path / "a.mp4"
    clip.write_bytes(b"face")
    first, again = cache.get(clip, watched(calls)), cache.get(clip, watched(calls))
    assert len(calls) == 1
    for name in ("times", "found", "rivals", "small", "used", "values", "points", "frontend_id"):
        np.testing.assert_array_equal(getattr(again, name), getattr(first, name), err_msg=name)
    (file,) = (tmp_path / "cache").rglob("*.npz")
    file.write_bytes(file.read_bytes()[:100])
    cache.get(clip, watched(calls))
    assert len(calls) == 2, "a damaged file is made again"
    assert not list((tmp_path / "cache").rglob("*.part"))


def test_a_clip_is_seen_anew_where_faces_are_found_otherwise(tmp_path: Path) -> None:
    calls: list[Path] = []
    clip = tmp_path / "a.mp4"
    clip.write_bytes(b"face")
    for settings, times in (
        (Settings(), 1),
        (Settings(quality=QualitySettings(min_motion_energy=3.0)), 1),
        (Settings(face=FaceSettings(min_score=0.7)), 2),
        (Settings(quality=QualitySettings(near_face=0.2)), 3),
    ):
        SightingCache(tmp_path / "cache", "front", settings).get(clip, watched(calls))
        assert len(calls) == times
    SightingCache(tmp_path / "cache", "other front", Settings()).get(clip, watched(calls))
    assert len(calls) == 4


def test_features_made_with_other_settings_are_not_mixed(cache: FeatureCache) -> None:
    usual = Settings()
    strict = replace(usual, face=FaceSettings(min_score=0.8), runtime=replace(usual.runtime, detect_every=3))
    cache.claim(strict)
    cache.write("a" * 64, sequence())
    cache.claim(strict)
    cache.claim(replace(strict, media=replace(usual.media, decoder_threads=2)))  # is no other picture
    with pytest.raises(DataError, match=r"face\.min_score 0\.8, now 0\.5; runtime\.detect_every 3, now 1\)") as refused:
        cache.claim(usual)
    assert str(cache.folder) in str(refused.value)


def test_a_cache_that_notes_nothing_was_made_with_the_defaults(cache: FeatureCache) -> None:
    cache.write("a" * 64, sequence())
    with pytest.raises(DataError, match=r"face\.min_score 0\.5, now 0\.8"):
        cache.claim(Settings(face=FaceSettings(min_score=0.8)))
    cache.claim(Settings())
    (cache.folder / MADE_WITH).write_text("[1]")
    with pytest.raises(DataError, match="made_with.json is damaged"):
        cache.claim(Settings())
