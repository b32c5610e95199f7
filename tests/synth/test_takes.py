"""Takes, frames of takes, and plans: no assets needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from facemotion.config import read_toml, to_toml
from facemotion.data.manifest import find_problems, near_miss_name, read_manifest, write_manifest
from facemotion.errors import SettingsError
from facemotion.synth.filming.scene import SceneSettings, frame_times, make_session
from facemotion.synth.people.cast import PARTS, cast, parents
from facemotion.synth.people.head import INDEX
from facemotion.synth.performance.habits import make_habits
from facemotion.synth.performance.involuntary import TICK
from facemotion.synth.performance.lips import FIRST_SPEECH, SpeechSpreads, spell
from facemotion.synth.performance.motion import parse_program
from facemotion.synth.performance.priors import movements
from facemotion.synth.performance.spreads import Spreads
from facemotion.synth.performance.takes import RISE_SHARE, WHOLE, make_take
from facemotion.synth.sets.frozen import FIELD
from facemotion.synth.sets.plan import DatasetSettings, make_performers, make_plan, perform, plan_digest
from facemotion.types import ClipKind

CALM = Spreads(flash=0, other_ending=0, other_intensity=0, inconsistent=0, unfinished=0, blinks=0)


def habits(seed=0):
    return make_habits(np.random.default_rng(seed), CALM)


def test_a_take_has_onset_apex_and_offset_in_order():
    take = make_take(parse_program("smile"), habits(), CALM, np.random.default_rng(2))
    smile = take.weights[:, INDEX["mouthSmile_L"]]
    assert [int(p) for p in take.phase[np.r_[True, np.diff(take.phase) != 0]]] == [0, 1, 2, 3, 0]
    assert smile[take.phase == 2].min() > 3 * smile[0]
    assert smile[-1] < 0.25 * smile.max()


def test_no_two_takes_are_alike_but_their_median_is_the_program():
    random = np.random.default_rng(3)
    apexes = np.array([make_take(parse_program("jaw_open"), habits(), CALM, random).weights.max(0) for _ in range(60)])
    jaw = apexes[:, INDEX["jawOpen"]]
    assert len(np.unique(jaw)) == 60
    assert 0.12 < np.std(np.log(jaw)) < 0.45


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("flash", lambda take: (take.phase == 0).mean() > 0.7),
        ("other_ending", lambda take: take.weights[-1, INDEX["mouthSmile_L"]] > 0.3),
    ],
)
def test_failures_of_the_paper_can_be_asked_for(name, check):
    spreads = replace(CALM, **{name: 1.0})
    for seed in range(10):
        take = make_take(parse_program("smile"), habits(seed), spreads, np.random.default_rng(seed))
        assert take.flags == (name.replace("_", "-"),)
        assert check(take)


def test_an_inconsistent_take_changes_its_steps():
    spreads = replace(CALM, inconsistent=1.0)
    program = parse_program("wink_left > smile")
    usual = make_take(program, habits(), CALM, np.random.default_rng(5))
    order = np.argmax(usual.weights[:, INDEX["eyeBlink_L"]]) < np.argmax(usual.weights[:, INDEX["mouthSmile_R"]])
    assert order
    changed = 0
    for seed in range(12):
        take = make_take(program, habits(), spreads, np.random.default_rng(seed))
        wink, smile = take.weights[:, INDEX["eyeBlink_L"]], take.weights[:, INDEX["mouthSmile_R"]]
        changed += wink.max() < 0.3 or smile.max() < 0.4 or np.argmax(wink) > np.argmax(smile)
    assert changed == 12


def test_rises_and_falls_last_as_the_documents_say():
    """10% to 80% of an apex, measured on takes as on captures: a rise takes 0.68 of what the settings say."""
    even = replace(CALM, tremor=0, stray=0, person_companions=0)
    for onset, offset in ((0.23, 0.27), (0.35, 0.4)):
        spreads, random = replace(even, onset_seconds=onset, offset_seconds=offset), np.random.default_rng(0)
        rises, falls = [], []
        for _ in range(80):
            take = make_take(parse_program("smile"), make_habits(random, spreads), spreads, random)
            smile = take.weights[::2, INDEX["mouthSmile_L"]].astype(np.float64)  # at 60 frames/s
            for move in movements(smile - smile.min()):
                rises.append((move.reached - move.start) * 2 * TICK)
                falls.append((move.end - move.left) * 2 * TICK)
        assert len(rises) > 60
        assert np.median(rises) == pytest.approx(WHOLE * RISE_SHARE * onset, rel=0.12)
        # A held apex sags by 12% first, so that a fall reaches 80% of the apex sooner: it seems longer.
        assert 1.0 < np.median(falls) / (WHOLE * RISE_SHARE * offset) < 1.5


def test_rise_share_is_that_of_minimum_jerk():
    x = np.linspace(0, 1, 10001)
    curve = 10 * x**3 - 15 * x**4 + 6 * x**5
    assert x[np.searchsorted(curve, 0.8)] - x[np.searchsorted(curve, 0.1)] == pytest.approx(RISE_SHARE, abs=1e-3)


def test_lids_told_to_close_close():
    take = make_take(parse_program("wink_right"), habits(4), CALM, np.random.default_rng(1))
    assert take.weights[:, INDEX["eyeBlink_R"]].max() > 0.85
    assert take.weights[:, INDEX["eyeBlink_L"]].max() < 0.3


def spoken(manner, takes=6, phrase="blue moon music"):
    """Weights of takes of a phrase while it is spoken, in one length, and how long each was."""
    spreads, random = replace(CALM, speech=manner), np.random.default_rng(8)
    calm = replace(habits(3), lips=1.0, tempo=1.0, reach=np.ones_like(habits(3).reach))
    made = [make_take(phrase, calm, spreads, random) for _ in range(takes)]
    parts = [take.weights[take.phase > 0] for take in made]
    rows = [np.stack([part[int(k)] for k in np.linspace(0, len(part) - 1, 60)]) for part in parts]
    return np.stack(rows), np.array([len(part) for part in parts])


def test_speech_as_fitted_moves_the_upper_lip_and_differs_from_take_to_take():
    first, _ = spoken(FIRST_SPEECH)
    now, _ = spoken(SpeechSpreads())
    up, corner = INDEX["mouthUpperUp_L"], INDEX["mouthPucker"]
    assert now[..., up].max() > 4 * first[..., up].max()
    assert now[..., corner].mean() < 0.8 * first[..., corner].mean()
    differ = [np.square(rows - rows.mean(0)).sum() / np.square(rows).sum() for rows in (first, now)]
    assert differ[1] > 1.5 * differ[0]


def test_tempo_of_speech_has_a_spread_of_its_own():
    _, steady = spoken(SpeechSpreads(tempo=0), 12)
    _, uneven = spoken(SpeechSpreads(tempo=0.4), 12)
    assert np.std(np.log(uneven)) > 2 * np.std(np.log(steady))


def test_sounds_may_be_given_for_words():
    one, other = (make_take(m, habits(), CALM, np.random.default_rng(1)) for m in ("blue moon", spell("blue moon")))
    np.testing.assert_array_equal(one.weights, other.weights)


def test_frames_come_at_whole_milliseconds_and_in_order():
    settings = SceneSettings(jitter=0.4, dropped=0.2)
    for seed in range(20):
        random = np.random.default_rng(seed)
        times = frame_times(3.0, make_session(random, settings), settings, random)
        assert times[0] == 0
        assert (np.diff(times) > 0).all()
        np.testing.assert_allclose(times * 1000, np.round(times * 1000), atol=1e-9)


def test_nobody_has_parents_on_two_sides():
    sets = [set(names) for names in parents().values()]
    assert len(sets[0] | sets[1] | sets[2]) == sum(map(len, sets))
    for part in PARTS:
        for recruit in cast(150, part, 3):
            assert {recruit.first, recruit.second} <= set(parents()[part])
            assert recruit.first != recruit.second


def test_the_first_people_have_scenes_of_their_own():
    recruits = cast(59, "benchmark", 0)
    assert len({recruit.first for recruit in recruits}) == 59


def test_an_unknown_part_is_refused():
    with pytest.raises(SettingsError, match="benchmark"):
        cast(3, "test", 0)


def test_synth_59_has_the_clips_that_it_promises(tmp_path):
    plan = make_plan(FIELD.settings)
    kinds = [clip.record.kind for clip in plan]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        ClipKind.FACIAL: 59 * 5 * 10,
        ClipKind.LIP: 59 * 5 * 10,
        ClipKind.NEAR_MISS: 59 * 2 * 5,
        ClipKind.MIMIC: 59 * 2 * 5,
    }
    assert len({clip.record.path for clip in plan}) == len(plan)
    write_manifest(tmp_path / "manifest.csv", [clip.record for clip in plan])
    problems = [text for text in find_problems(read_manifest(tmp_path / "manifest.csv")) if "not in" not in text]
    assert problems == []


def test_mimics_are_performed_by_others():
    for clip in make_plan(replace(FIELD.settings, subjects=4)):
        assert (clip.record.subject == clip.of) == (clip.record.kind != ClipKind.MIMIC)
        assert clip.record.motion.startswith(clip.of)


def test_synth_59_is_frozen():
    """The first three performers; `make check` runs over all."""
    assert plan_digest(FIELD.settings, 3) == "ad65cbb71c38d5ad3bdf6d5e09f1c8fdfb4ea7c753ff8894c596b054d021ee7f"


@pytest.mark.slow
def test_all_of_synth_59_is_frozen():
    assert plan_digest(FIELD.settings) == "983a33a8d2b014dee2045a41a7a640c452694391da3660cfbb67d2e95a981de6"


def test_a_digest_sees_the_seed():
    assert plan_digest(replace(FIELD.settings, seed=1, subjects=2), 1) != plan_digest(
        replace(FIELD.settings, subjects=2), 1
    )


def test_another_part_has_other_motions_and_takes_not_other_faces_alone():
    parts = [replace(FIELD.settings, subjects=3, part=part) for part in PARTS]
    assert len({plan_digest(part, 1) for part in parts}) == len(PARTS)
    programs = [{clip.performed for clip in make_plan(part) if clip.record.kind == ClipKind.FACIAL} for part in parts]
    assert len(set.union(*programs)) == sum(map(len, programs))
    habits = [make_performers(part)["s001"].habits for part in parts]
    assert len({one.reach.tobytes() for one in habits}) == len(PARTS)


def test_the_people_of_the_shipped_encoder_never_meet_those_that_judge_it():
    folder = Path(__file__).parents[2] / "configs"
    train, judge = (read_toml(DatasetSettings, folder / f"{name}.toml") for name in ("people", "people_validation"))
    assert (train.part, judge.part) == ("train", "validation")
    assert train.reorders
    assert judge.reorders
    programs = [
        {clip.performed for clip in make_plan(one) if clip.record.kind == ClipKind.FACIAL} for one in (train, judge)
    ]
    assert len(programs[0] & programs[1]) < 0.2 * len(programs[1])


def test_clips_do_not_depend_on_each_other():
    """A clip of a small data set is the same clip in a larger one of the same people."""
    small = DatasetSettings(subjects=3, motions=3, lips=1, takes=2, near_misses=0, mimics=0)
    large = replace(small, takes=2, lips=3)
    one, two = make_plan(small)[0], make_plan(large)[0]
    first = perform(small, one, make_performers(small)["s001"])[1]
    second = perform(large, two, make_performers(large)["s001"])[1]
    np.testing.assert_array_equal(first.weights, second.weights)


def test_impossible_plans_are_refused():
    with pytest.raises(SettingsError):
        make_plan(DatasetSettings(motions=1, near_misses=2, mimics=0))
    with pytest.raises(SettingsError):
        make_plan(DatasetSettings(subjects=1))


def test_settings_are_documented(request):
    text = (request.config.rootpath / "docs" / "explanation" / "synth.md").read_text("utf-8")
    assert to_toml(FIELD.settings).strip() in text
    assert to_toml(SpeechSpreads()).strip() in text


def test_no_motion_has_two_names():
    settings = DatasetSettings(subjects=40, motions=4, lips=0, takes=2, near_misses=4, mimics=0, reorders=4)
    programs = {clip.record.motion: clip.performed for clip in make_plan(settings)}
    by_order = {clip.record.motion: clip.record.original for clip in make_plan(settings) if clip.record.reordered}
    assert len(by_order) > 40
    assert not [m for m, whose in by_order.items() if programs[m] == programs[near_miss_name(whose, "near")]]


def test_reorders_change_no_other_clip():
    settings = DatasetSettings(subjects=4, motions=4, lips=1, takes=2, near_misses=1, mimics=1, impostor_takes=2)
    plain, more = make_plan(settings), make_plan(replace(settings, reorders=2))
    added = [clip for clip in more if clip.record.reordered]
    assert [clip for clip in more if clip not in added] == plain
    assert 0 < len(added) <= 4 * 2 * 2
    programs = {clip.record.motion: clip.performed for clip in more}
    for clip in added:
        original = programs[clip.record.original]
        assert clip.performed != original
        assert sorted(clip.performed.split(" > ")) == sorted(original.split(" > "))
