"""Synth-59, both versions: what was frozen stays, what was changed is named, and takes differ as the settings say."""

from __future__ import annotations

import re
import shutil
from dataclasses import fields, replace

import numpy as np
import pytest

from facemotion.errors import DataError, FrozenSetError, SettingsError
from facemotion.synth.people import cast
from facemotion.synth.people.head import INDEX
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.sets import frozen, produce
from facemotion.synth.sets.frozen import FIELD, STUDIO, FrozenSet, check_engine, check_folder, frozen_set
from facemotion.synth.sets.plan import (
    DatasetSettings,
    Excerpt,
    make_performers,
    make_plan,
    perform,
    plan_digest,
    scene_digest,
)
from facemotion.types import ClipKind

STILL = {"take_intensity": 0.0, "step_intensity": 0.0, "shape_intensity": 0.0, "take_tempo": 0.0, "step_timing": 0.0}
CALM = {"flash": 0.0, "other_ending": 0.0, "other_intensity": 0.0, "inconsistent": 0.0, "unfinished": 0.0}
QUIET = {"tremor": 0.0, "stray": 0.0, "blinks": 0.0}
MANY = DatasetSettings(
    subjects=4,
    motions=5,
    lips=0,
    takes=40,
    sessions=1,
    near_misses=0,
    mimics=0,
    spreads=Spreads(**STILL, **CALM, **QUIET),
)
TINY = DatasetSettings(subjects=2, motions=1, lips=1, takes=2, sessions=1, later_takes=1, near_misses=0, mimics=0)


def freeze(settings: DatasetSettings, version: int) -> FrozenSet:
    return FrozenSet(version, f"Tiny {version}", settings, plan_digest(settings), scene_digest(settings))


@pytest.fixture
def tiny(monkeypatch):
    """Two versions of a tiny set in place of Synth-59."""
    sets = {1: freeze(TINY, 1), 2: freeze(replace(TINY, spreads=replace(TINY.spreads, take_tempo=0.05)), 2)}
    monkeypatch.setattr(frozen, "SETS", sets)
    return sets


def performances(settings: DatasetSettings):
    performers = make_performers(settings)
    for clip in make_plan(settings):
        yield clip, performers[clip.record.subject], *perform(settings, clip, performers[clip.record.subject])


def within_motions(values: dict[str, list[float]]) -> float:
    """Standard deviation of logarithms round their motion's mean."""
    logs = [np.log(own) - np.mean(np.log(own)) for own in values.values()]
    return float(np.sqrt(np.mean(np.square(np.concatenate(logs))) * 40 / 39))


def peaks(spreads: Spreads) -> dict[str, list[float]]:
    """Largest weight of the smile in every take of every motion, far from where weights are cut off."""
    sizes: dict[str, list[float]] = {}
    for clip, performer, take, _ in performances(replace(MANY, spreads=spreads)):
        shape = int(np.argmax(take.weights.max(axis=0) - performer.habits.rest))
        if "Blink" not in next(name for name, index in INDEX.items() if index == shape):
            sizes.setdefault(f"{clip.record.motion}/{shape}", []).append(float(take.weights[:, shape].max()))
    return {name: own for name, own in sizes.items() if len(own) == MANY.takes and max(own) < 1.0}


def test_the_size_of_takes_varies_as_set():
    assert within_motions(peaks(replace(MANY.spreads, take_intensity=0.1))) == pytest.approx(0.1, abs=0.02)
    assert within_motions(peaks(MANY.spreads)) < 0.02


def test_the_tempo_of_takes_varies_as_set():
    lengths: dict[str, list[float]] = {}
    for clip, _, take, _ in performances(replace(MANY, spreads=replace(MANY.spreads, take_tempo=0.1))):
        moving = np.flatnonzero(take.phase > 0)
        if len(clip.program().steps) == 1:  # people pause between steps by chance
            lengths.setdefault(clip.record.motion, []).append(float(moving[-1] - moving[0]))
    assert within_motions(lengths) == pytest.approx(0.1, abs=0.015)


def test_pose_size_and_light_of_takes_vary_as_set():
    scene = replace(MANY.scene, take_degrees=1.5, take_size=0.05, take_light=0.03)
    spreads = replace(MANY.spreads, head_degrees=0.0, nods=0.0)
    turns, sizes, lights = [], [], []
    for _, performer, _, moments in performances(replace(MANY, scene=scene, spreads=spreads)):
        turns.append(moments.turn[0] - performer.sessions[0].pose)
        sizes.append(np.log(moments.nearer))
        lights.append(np.log(moments.brighter))
    np.testing.assert_allclose(np.std(turns, axis=0), [1.5, 1.5, 0.9], rtol=0.08)
    assert np.std(sizes) == pytest.approx(0.05, rel=0.08)
    assert np.std(lights) == pytest.approx(0.03, rel=0.08)


def test_without_such_spreads_takes_are_what_they_were():
    """The digest of version 1 says so of a whole set; here it is said of what is drawn alone."""
    for _, performer, take, moments in performances(replace(MANY, subjects=1, takes=2)):
        assert (moments.nearer, moments.brighter) == (1, 1)
        np.testing.assert_allclose(moments.turn[0], take.head[0] + performer.sessions[0].pose, atol=1e-5)


def test_heads_that_neither_drift_nor_nod_stand_still():
    spreads = replace(MANY.spreads, head_degrees=0.0, nods=0.0)
    for _, _, take, _ in performances(replace(MANY, takes=2, spreads=spreads)):
        assert np.ptp(take.head, axis=0).max() == 0
    nodding = replace(spreads, nods=1.0)
    assert max(np.ptp(take.head) for _, _, take, _ in performances(replace(MANY, takes=2, spreads=nodding))) > 1


def test_failures_come_as_often_as_set():
    rates = {"other_ending": 0.2, "other_intensity": 0.1, "inconsistent": 0.05}
    flags = [take.flags for _, _, take, _ in performances(replace(MANY, spreads=replace(MANY.spreads, **rates)))]
    for name, rate in (
        ("other-ending", 0.2),
        ("intensity", 0.1),
        ("inconsistent", 0.05),
        ("flash", 0),
        ("unfinished", 0),
    ):
        assert np.mean([name in own for own in flags]) == pytest.approx(rate, abs=0.03)


def test_a_flash_motion_is_one_in_every_take_and_so_is_what_comes_near_it():
    settings = DatasetSettings(
        subjects=40, motions=3, lips=1, takes=2, near_misses=3, mimics=1, impostor_takes=1,
        spreads=Spreads(flash_motions=0.3, **CALM),
    )  # fmt: skip
    flashes: dict[str, set[bool]] = {}
    for clip, _, take, _ in performances(settings):
        if clip.record.kind == ClipKind.LIP:
            assert "flash" not in take.flags
            continue
        original = clip.record.near_miss_of or clip.record.motion
        flashes.setdefault(original, set()).add("flash" in take.flags)
        if "flash" in take.flags:
            assert np.mean(take.phase == 0) > 0.7
    assert all(len(found) == 1 for found in flashes.values())
    assert np.mean([found == {True} for found in flashes.values()]) == pytest.approx(0.3, abs=0.1)


def test_later_takes_are_of_a_session_of_their_own():
    settings = replace(TINY, takes=4, sessions=2, later_takes=3, near_misses=1)
    plan = make_plan(settings)
    sessions = [clip.record.session for clip in plan if clip.record.motion == "s001-fm1"]
    assert sessions == [1, 1, 2, 2, 3, 3, 3]
    assert {clip.record.session for clip in plan if clip.record.kind == ClipKind.NEAR_MISS} <= {1, 2}
    before, after = make_performers(replace(settings, later_takes=0)), make_performers(settings)
    for name, performer in before.items():
        assert len(performer.sessions) == 2
        assert [one.rate for one in after[name].sessions[:2]] == [one.rate for one in performer.sessions]
        assert len(after[name].sessions) == 3


def test_an_excerpt_is_what_was_asked_for():
    plan = make_plan(replace(TINY, subjects=3))
    chosen = Excerpt(people=2, kinds=("facial",), sessions=(1,)).of(plan)
    assert [clip.record.path for clip in chosen] == [
        clip.record.path
        for clip in plan
        if clip.record.subject != "s003" and clip.record.kind == ClipKind.FACIAL and clip.record.session == 1
    ]
    assert len(chosen) == 4
    with pytest.raises(SettingsError, match="mimic"):
        Excerpt(kinds=("mimic",)).of(plan)


def test_version_2_is_one_sitting_and_a_second_one_apart():
    plan = make_plan(STUDIO.settings)
    genuine = [clip.record for clip in plan if clip.record.kind in (ClipKind.FACIAL, ClipKind.LIP)]
    assert sum(record.session == 1 for record in genuine) == 59 * 10 * 10
    assert {record.session for record in genuine} == {1, 2}
    assert all(clip.record.session == 1 for clip in plan if clip.record.kind.is_attack)
    programs = {clip.record.motion: clip.performed for clip in make_plan(FIELD.settings)}
    assert all(programs.get(clip.record.motion, clip.performed) == clip.performed for clip in plan)


def test_version_2_is_frozen():
    """The first three performers; `make check` runs over all."""
    assert plan_digest(STUDIO.settings, 3) == "04a4942c8dcbcb12c3d09ce99eee029b7bb70975d8d44e04247a0a7facd4a2e4"
    assert scene_digest(STUDIO.settings) == STUDIO.scenes
    assert scene_digest(FIELD.settings) == FIELD.scenes


@pytest.mark.slow
def test_both_versions_are_frozen():
    for version in (1, 2):
        check_engine(frozen_set(version))


def differences(one: object, other: object) -> dict[str, object]:
    """What `other` has otherwise than `one`, by name; of speech only that it differs."""
    found: dict[str, object] = {}
    for item in fields(one):
        before, after = getattr(one, item.name), getattr(other, item.name)
        if before != after:
            found |= differences(before, after) if item.name in ("spreads", "scene") else {item.name: after}
    return found


def test_every_difference_of_version_2_stands_in_the_docs(request):
    """And what the rule gave, in the page of results, is what was frozen."""
    docs = request.config.rootpath / "docs"
    rows = re.findall(
        r"^\| (`.*?) \| .* \| (.*?) \| .* \|$", (docs / "explanation" / "synth.md").read_text("utf-8"), re.M
    )
    told = {
        name: float(value)
        for names, values in rows
        for name, value in zip(re.findall(r"`(\w+)`", names), re.findall(r"[\d.]+", values), strict=False)
    }
    differing = differences(FIELD.settings, STUDIO.settings)
    differing.pop("speech")
    assert len(differing) > 20
    assert {name: told.get(name) for name in differing} == differing
    page = (docs / "results" / "recordings.md").read_text("utf-8")
    ruled = {name: float(value) for name, value in re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", page, re.M)}
    assert {"take_degrees", "take_intensity", "flash_motions"} <= ruled.keys()
    for name, value in ruled.items():
        frozen_value = vars(STUDIO.settings.spreads).get(name, vars(STUDIO.settings.scene).get(name))
        assert frozen_value == pytest.approx(value, rel=0.04, abs=6e-4), name


def test_a_changed_set_is_named_by_its_digests(tiny):
    changed = replace(tiny[2], settings=replace(tiny[2].settings, spreads=replace(TINY.spreads, take_tempo=0.06)))
    with pytest.raises(FrozenSetError) as error:
        check_engine(changed)
    assert tiny[2].digest in str(error.value)
    assert plan_digest(changed.settings) in str(error.value)
    noisier = replace(tiny[2], settings=replace(tiny[2].settings, scene=replace(TINY.scene, noise=4.0)))
    with pytest.raises(FrozenSetError, match=tiny[2].scenes):
        check_engine(noisier)


def test_there_is_no_third_version():
    with pytest.raises(SettingsError, match="versions 1, 2"):
        frozen_set(3)


@pytest.fixture
def folders(tiny, tmp_path, monkeypatch, fits, assets, fits_file):
    """Both tiny versions on disk, without pictures."""
    monkeypatch.setattr(cast, "parents", lambda: {part: tuple(fits) for part in cast.PARTS})
    monkeypatch.setattr(produce, "fit_portraits", lambda assets, cache, progress=None: fits)
    places = {version: tmp_path / str(version) for version in tiny}
    for version, place in places.items():
        produce.produce(place, assets, fits_file, tiny[version].settings, video=False)
    return places


def test_clips_of_another_version_are_named(folders, tiny):
    assert check_folder(folders[2], tiny[2]) == 12
    with pytest.raises(
        FrozenSetError, match=f"is of Tiny 1 .*{tiny[1].digest}.*Tiny 2 has the digest {tiny[2].digest}"
    ):
        check_folder(folders[1], tiny[2])
    own = "truth/s001/s001-fm1-01.npz"
    shutil.copy(folders[1] / own, folders[2] / own)
    with pytest.raises(FrozenSetError, match=r"s001-fm1-01\.mp4.* is of Tiny 1"):
        check_folder(folders[2], tiny[2])
    shutil.copy(folders[1] / "truth/s001/s001-fm1-00.npz", folders[2] / own)
    with pytest.raises(FrozenSetError, match=r"s001-fm1-01\.mp4.* was altered"):
        check_folder(folders[2], tiny[2])


def test_a_clip_that_was_never_planned_is_named(folders, tiny):
    manifest = folders[2] / "manifest.csv"
    manifest.write_text(manifest.read_text("utf-8").replace("s001-fm1-01.mp4", "s001-fm9-01.mp4"), "utf-8")
    with pytest.raises(FrozenSetError, match="s001-fm9-01"):
        check_folder(folders[2], tiny[2])


def test_one_version_is_not_made_over_another(folders, tiny, assets, fits_file):
    with pytest.raises(DataError, match="other settings"):
        produce.produce(folders[1], assets, fits_file, tiny[2].settings, video=False)
