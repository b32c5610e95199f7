"""Data sets on disk: truth, resuming, cameras; needs the assets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facemotion.config import MediaSettings, Settings, from_table
from facemotion.data.cache import FeatureCache
from facemotion.data.manifest import check_manifest, read_manifest
from facemotion.errors import DataError, ManifestError, SettingsError
from facemotion.frontend import Frontend
from facemotion.media import load_clip
from facemotion.media.write import write_video
from facemotion.models import Models
from facemotion.synth.filming.camera import Camera
from facemotion.synth.filming.scene import SceneSettings, make_session
from facemotion.synth.people import cast
from facemotion.synth.sets import produce
from facemotion.synth.sets.plan import DatasetSettings, Excerpt, make_plan
from facemotion.synth.sets.probes import probe
from facemotion.synth.sets.produce import ToFeatures
from facemotion.synth.sets.truth import digest, load_truth
from facemotion.system.files import file_sha256

TINY = DatasetSettings(
    subjects=2, motions=0, lips=1, takes=2, near_misses=0, mimics=0, scene=SceneSettings(width=128, height=128)
)


@pytest.fixture(autouse=True)
def three_portraits(monkeypatch, fits):
    """People are made of three portraits, so that the tests need not fit two hundred."""
    monkeypatch.setattr(cast, "parents", lambda: {part: tuple(fits) for part in cast.PARTS})
    monkeypatch.setattr(produce, "fit_portraits", lambda assets, cache, progress=None: fits)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return tmp_path_factory.mktemp("whole") / "set"


def make(out: Path, assets, fits_file, settings=TINY, **options) -> int:
    return produce.produce(out, assets, fits_file, settings, **options)


def ground_truth(folder: Path) -> str:
    return digest([folder / "manifest.csv", folder / "motions.csv", *sorted((folder / "truth").rglob("*.npz"))])


def test_a_broken_run_taken_up_again_equals_an_unbroken_one(tmp_path, whole, assets, fits_file):
    assert make(whole, assets, fits_file) == 4
    clips = []

    class KilledError(Exception):
        pass

    def stop(done, total):
        clips.append(done)
        if done == 2:
            raise KilledError

    broken = tmp_path / "set"
    with pytest.raises(KilledError):
        make(broken, assets, fits_file, progress=stop)
    assert not (broken / "manifest.csv").exists()
    half = next(broken.glob("clips/*/*.mp4"))
    half.with_name("s002-lm1-00.mp4.part").write_bytes(b"half a file")
    assert make(broken, assets, fits_file) == 2
    assert ground_truth(broken) == ground_truth(whole)
    assert make(broken, assets, fits_file) == 0
    names = sorted(path.relative_to(whole) for path in whole.rglob("*.mp4"))
    frames = [load_clip(folder / names[-1]).frames for folder in (broken, whole)]
    np.testing.assert_array_equal(*frames)


def test_clips_fit_their_manifest_and_truth(whole, assets, fits_file):
    make(whole, assets, fits_file)
    manifest = read_manifest(whole / "manifest.csv")
    check_manifest(manifest)
    for record in manifest.records:
        clip = load_clip(manifest.file(record))
        truth = load_truth(whole / f"truth/{record.path.removeprefix('clips/').removesuffix('.mp4')}.npz")
        assert clip.frames.shape[1:] == (128, 128, 3)
        assert truth.landmarks.shape == (len(truth.times), 68, 2)
        # The reader skips frames that follow too fast; the others are where the truth says.
        assert len(clip) > 0.7 * len(truth.times)
        assert set(np.round(clip.times * 1000)) <= set(np.round(truth.times * 1000))
        assert -20.1 <= truth.pose[:, 1].min() <= truth.pose[:, 1].max() <= 20.1
        assert (truth.landmarks[:, 30] > 20).all()
        assert (truth.landmarks[:, 30] < 108).all()


def test_renders_are_faces_that_do_as_the_truth_says(whole, assets, fits_file):
    make(whole, assets, fits_file)
    report = probe(whole / "manifest.csv", 4, Models.shipped())
    assert report.detected == 1
    assert report.landmarks < 12
    assert report.mouth > 0.8


def test_another_data_set_is_not_overwritten(whole, assets, fits_file):
    make(whole, assets, fits_file)
    settings = whole / "settings.toml"
    text = settings.read_text()
    assert text.startswith("# data engine 1")
    settings.write_text("# data engine 0" + text[15:])
    with pytest.raises(DataError, match="another version of the data engine"):
        make(whole, assets, fits_file)
    settings.write_text(text)
    with pytest.raises(DataError, match="other settings"):
        make(whole, assets, fits_file, replace(TINY, seed=5))


def test_without_video_only_truth_is_written(tmp_path, assets, fits_file, whole):
    make(whole, assets, fits_file)
    make(tmp_path / "dry", assets, fits_file, video=False)
    assert not list(tmp_path.rglob("*.mp4"))
    assert ground_truth(tmp_path / "dry") == ground_truth(whole)


def test_some_takes_first_and_the_rest_later_equal_all_at_once(tmp_path, assets, fits_file):
    settings = replace(TINY, takes=4)
    assert make(tmp_path / "set", assets, fits_file, settings, video=False, excerpt=Excerpt(takes=2)) == 4
    records = read_manifest(tmp_path / "set" / "manifest.csv").records
    assert [(r.subject, r.repetition, r.session) for r in records] == [
        (subject, take, session) for subject in ("s001", "s002") for take, session in ((0, 1), (2, 2))
    ]
    assert make(tmp_path / "set", assets, fits_file, settings, video=False) == 4
    assert make(tmp_path / "at once", assets, fits_file, settings, video=False, excerpt=Excerpt(takes=9)) == 8
    assert ground_truth(tmp_path / "set") == ground_truth(tmp_path / "at once")


def test_features_need_no_video(tmp_path, assets, fits_file):
    folder, cache = tmp_path / "set", tmp_path / "features"
    few = replace(TINY, subjects=1, takes=2)
    assert make(folder, assets, fits_file, few, features=ToFeatures(cache, Settings())) == 2
    manifest = read_manifest(folder / "manifest.csv")
    check_manifest(manifest)
    store = FeatureCache(cache, Frontend.load().extractor.frontend_id)
    for record in manifest.records:
        found = store.read(file_sha256(manifest.file(record)))
        truth = load_truth(folder / f"truth/{record.path.removeprefix('clips/').removesuffix('.json')}.npz")
        assert len(found) > 0.7 * len(truth.times)
        assert set(np.round(found.times * 1000)) <= set(np.round(truth.times * 1000))
    assert not list(folder.rglob("*.mp4"))
    assert make(folder, assets, fits_file, few, features=ToFeatures(cache, Settings())) == 0

    values = store.read(file_sha256(manifest.file(manifest.records[0]))).values
    # What isn't in the cache is extracted, whatever lies in the data set: another cache, or one that lost a file.
    recipe = manifest.file(manifest.records[0])
    recipe.write_text(recipe.read_text() + " ")  # as another version put it
    store.write(file_sha256(recipe), store.read(file_sha256(manifest.file(manifest.records[1]))))
    assert make(folder, assets, fits_file, few, features=ToFeatures(cache, Settings())) == 0
    first = store.path(file_sha256(recipe))
    first.unlink()
    assert make(folder, assets, fits_file, few, features=ToFeatures(cache, Settings())) == 1
    np.testing.assert_array_equal(store.read(file_sha256(recipe)).values, values)
    assert make(folder, assets, fits_file, few, features=ToFeatures(tmp_path / "other", Settings())) == 2
    assert len(list((tmp_path / "other").rglob("*.npz"))) == 2


def test_landmarks_need_no_drawing(assets, fits_file, whole):
    make(whole, assets, fits_file)
    plan, truths = produce.survey(assets, fits_file, TINY)
    arrays = produce.landmark_arrays(plan, truths)
    assert [clip.record for clip in plan] == [clip.record for clip in make_plan(TINY)]
    assert arrays["landmarks"].shape == (arrays["start"][-1], 68, 2)
    saved = load_truth(whole / plan[2].truth)
    np.testing.assert_allclose(arrays["landmarks"][arrays["start"][2] : arrays["start"][3]], saved.landmarks, atol=0.04)


def test_what_is_no_truth_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"x")
    with pytest.raises(ManifestError, match="ground truth"):
        load_truth(tmp_path / "x.npz")


def test_time_stamps_survive_the_file(tmp_path):
    times = np.array([0, 0.033, 0.1, 0.141, 0.6])
    frames = [np.full((64, 64, 3), 40 * k, np.uint8) for k in range(5)]
    write_video(zip(frames, times, strict=True), tmp_path / "a.mp4")
    clip = load_clip(tmp_path / "a.mp4")
    np.testing.assert_allclose(clip.times - clip.times[0], times, atol=2e-3)


def test_a_camera_adds_its_noise_and_repeats_itself():
    session = replace(
        make_session(np.random.default_rng(0), SceneSettings()),
        noise=6.0, sharpness=1.0, quality=0, vignette=0.0, shutter=0.0, readout=0.0,
    )  # fmt: skip
    grey = np.full((96, 96, 3), 128, np.float32)
    still = np.zeros(2, np.float32)
    first, again = (Camera(session, 96, 96, 7).expose(grey, still, 1.0) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert 4 < first.std() < 8
    assert first.mean() == pytest.approx(128, abs=1)
    blurred = Camera(replace(session, noise=0.0, shutter=0.02), 96, 96, 7)
    edge = np.where(np.arange(96)[None, :, None] < 48, 0, 255).astype(np.float32).repeat(96, 0).repeat(3, 2)
    row = blurred.expose(edge, np.array([300, 0], np.float32), 1.0)[48, :, 0]
    assert 3 <= ((row > 5) & (row < 250)).sum() <= 9


def test_a_take_longer_than_the_front_end_takes_is_a_failure_of_its_own(tmp_path):
    frontend = Frontend.load(Settings(media=MediaSettings(max_seconds=1.0)))
    cache = FeatureCache(tmp_path / "features", frontend.extractor.frontend_id)
    recipe = tmp_path / "clip.json"
    recipe.write_text("{}")
    times = np.arange(40) / 25
    produce._extract(
        cache, frontend, recipe, (np.zeros((64, 64, 3), np.uint8) for _ in times), SimpleNamespace(times=times)
    )
    assert "longer than 1 s" in cache.read_failure(file_sha256(recipe))


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"scene": {"slowest": 30.0, "fastest": 15.0}}, "fastest must not lie below slowest"),
        ({"scene": {"nearest": 0.3, "farthest": 0.6}}, "nearest must not lie below farthest"),
        ({"motions": 0, "lips": 0, "near_misses": 0, "mimics": 0}, "holds no clip; set one of them above 0"),
        ({"motions": 1}, "near_misses and mimics must not exceed motions"),
        ({"subjects": 1}, "Mimics need at least two subjects"),
    ],
)
def test_a_set_that_can_not_be_planned_is_named(table, told):
    with pytest.raises(SettingsError, match=told):
        make_plan(from_table(DatasetSettings, table))
