from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.extraction import fill_cache
from facemotion.data.manifest import Manifest
from facemotion.errors import AcquisitionError, DataError, ModelMismatchError, NoFaceError
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
