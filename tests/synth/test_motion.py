"""Motion programs and words: no assets needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facemotion.errors import MotionProgramError
from facemotion.synth.people.head import INDEX, SHAPES
from facemotion.synth.performance.lips import _OF_PHONEME, articulate, invent_phrases, lexicon, spell
from facemotion.synth.performance.motion import (
    GROUPS,
    POSES,
    Program,
    Step,
    invent_program,
    near_miss,
    parse_program,
    reorder,
)


def test_every_pose_is_made_of_known_shapes_and_has_a_group_or_a_twin():
    for weights in POSES.values():
        assert set(weights) <= set(SHAPES)
        assert all(0 < weight <= 1 for weight in weights.values())
    assert {name for names in GROUPS.values() for name in names} == set(POSES)


def test_sides_are_the_subjects_own():
    wink = parse_program("wink_left").steps[0].weights()
    assert wink[INDEX["eyeBlink_L"]] == 1
    assert wink[INDEX["eyeBlink_R"]] == 0
    assert parse_program("jaw_right").steps[0].weights()[INDEX["jawRight"]] > 0.5


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_a_program_survives_its_text(seed):
    random = np.random.default_rng(seed)
    program = invent_program(random, set())
    assert parse_program(str(program)) == program
    other = near_miss(program, random)
    assert other != program
    assert parse_program(str(other)) == other
    assert len(other.steps) == len(program.steps)


def test_programs_of_a_person_differ():
    random, taken = np.random.default_rng(1), set()
    programs = [str(invent_program(random, taken)) for _ in range(30)]
    assert len(set(programs)) == 30


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wink_lefft", "wink_left"),
        ("smile*7", "strength"),
        ("smile*nan", "strength"),
        ("smile@-1", "hold"),
        ("", "Unknown"),
        ("smile >", "Unknown"),
        ("mouthSmile", "Unknown"),
    ],
)
def test_a_wrong_program_is_named(text, said):
    with pytest.raises(MotionProgramError, match=said):
        parse_program(text)


def test_shapes_of_the_head_are_poses_too():
    assert parse_program("mouthSmile_L*0.5").steps[0].weights()[INDEX["mouthSmile_L"]] == pytest.approx(0.5)


def test_weights_stay_in_range():
    step = Step((("smile", 1.5), ("grin", 1.5)))
    assert step.weights().max() <= 1.5
    assert str(Program((step,))) == "smile*1.5 + grin*1.5"


def test_the_dictionary_can_be_spoken():
    assert len(lexicon()) > 250
    assert {phoneme for word in lexicon().values() for phoneme in word} <= set(_OF_PHONEME)


def test_lips_close_for_b_and_m_and_round_for_oo():
    speech = spell("blue moon")
    times = np.arange(0, 1.6, 1 / 120)
    weights = articulate(speech, speech.seconds, 0.4, times, 0.8, np.ones(len(speech.names)))
    ends = 0.4 + np.cumsum(speech.seconds)
    middles = ends - speech.seconds / 2

    def at(index, shape):
        return weights[round(float(middles[index]) * 120), INDEX[shape]]

    assert at(0, "mouthRollLower") > 3 * at(2, "mouthRollLower")  # b against oo
    assert at(3, "mouthRollLower") > 3 * at(4, "mouthRollLower")  # m against oo
    assert at(2, "mouthPucker") > 0.5
    assert weights[0].max() < 0.02
    assert weights[-1].max() < 0.02


def test_slurring_blends_neighbours():
    speech = spell("beautiful")
    times = np.arange(0, 1.6, 1 / 120)
    effort = np.ones(len(speech.names))
    crisp = articulate(speech, speech.seconds, 0.3, times, 0.5, effort)
    slurred = articulate(speech, speech.seconds, 0.3, times, 1.4, effort)
    assert np.abs(np.diff(crisp, axis=0)).max() > np.abs(np.diff(slurred, axis=0)).max()


@pytest.mark.parametrize("phrase", ["", "blue xylophonic"])
def test_unknown_words_are_named(phrase):
    with pytest.raises(MotionProgramError):
        spell(phrase)


def test_phrases_of_a_person_share_words():
    phrases = invent_phrases(np.random.default_rng(0), 5)
    assert len(set(phrases)) == 5
    words = [word for phrase in phrases for word in phrase.split()]
    assert len(set(words)) < len(words)


@pytest.mark.parametrize("text", ["wink_left > pout", "wink_left > pout > grin@0.9", "wink_left > pout > wink_left"])
def test_a_reordered_motion_has_the_same_steps(text):
    program = parse_program(text)
    for seed in range(8):
        other = reorder(program, np.random.default_rng(seed))
        assert [step.poses for step in other.steps] != [step.poses for step in program.steps]
        assert sorted(map(str, other.steps)) == sorted(map(str, program.steps))


def test_a_motion_of_one_pose_has_no_other_order():
    for text in ("grin", "grin > grin@0.9"):
        assert reorder(parse_program(text), np.random.default_rng(0)) is None


@pytest.mark.once
def test_a_sixth_of_the_invented_steps_are_compound():
    random = np.random.default_rng(4)
    steps = [step for _ in range(1500) for step in invent_program(random, set()).steps]
    assert np.mean([len(step.poses) == 2 for step in steps]) == pytest.approx(1 / 6, abs=0.02)
