"""What benchmarks/recordings.py measures, on recordings whose answers are known, and the rule that follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from recording_measures import (
    EYES,
    TEMPLATE,
    Recorded,
    aspect,
    head_figures,
    heads,
    rest_ratios,
    takes_ratio,
    within_windows,
)
from recordings import rest_or_motion
from recordings_fit import failures, head, response
from repetitions import repetition_figures

from facemotion.synth.filming.scene import rotation

TIMES = np.arange(75) / 25
NOTHING = np.zeros(0, np.float32)


def seen(turns: np.ndarray, size: float = 60.0, noise: float = 0.0) -> np.ndarray:
    """(T, 31, 2) points of heads so turned, x to the right and y down, `size` pixels between the eyes."""
    random = np.random.default_rng(0)
    points = np.stack([(TEMPLATE @ rotation(turn).T)[:, :2] for turn in turns]) * [1, -1] * size + [180, 140]
    return (points + random.normal(0, noise * size, points.shape)).astype(np.float32)


def recorded(rigid: np.ndarray, **more: Any) -> Recorded:
    own = Recorded("anna", "wink", TIMES[: len(rigid)], rigid, np.ones(len(rigid), np.int8), NOTHING, NOTHING, {})
    return replace(own, **more)


def test_a_turned_head_is_found_where_it_is():
    turns = np.random.default_rng(1).normal(0, 5, (20, 3))
    found = heads(seen(turns))
    np.testing.assert_allclose(found.turn, turns, atol=0.01)
    np.testing.assert_allclose(np.exp(found.size), 60, rtol=1e-4)
    assert np.abs(found.rest).max() < 1e-4
    nearer = heads(seen(turns, 66.0))
    np.testing.assert_allclose(nearer.size - found.size, np.log(1.1), atol=1e-4)
    eyes = np.linalg.norm(TEMPLATE[EYES[0]] - TEMPLATE[EYES[1]])
    assert eyes == pytest.approx(1.0, abs=0.01)  # the unit of all that is told


def test_drift_is_taken_within_windows_and_a_jump_between_them_does_not_count():
    values = np.where(TIMES < 1, 0.0, 7.0)[:, None] + np.tile([1.0, -1.0], 38)[: len(TIMES), None]
    assert within_windows(TIMES, values)[0] == pytest.approx(1.0, rel=0.01)


def test_figures_of_heads_are_those_that_were_put_in():
    random = np.random.default_rng(2)
    drift = np.tile([1.5, -1.5], 38)[:75, None] * [1.0, 0.5, 0.2]
    nod = np.where(TIMES > 1.5, 3.0, 0.0)[:, None] * [1.0, 0.0, 0.0]
    phase = (TIMES > 1.5).astype(np.int8)
    clips = [
        recorded(seen(drift + nod + random.normal(0, 2, 3), noise=0.003), phase=phase, grey=100 + 5 * phase)
        for _ in range(60)
    ]
    clips = [replace(one, boxes=np.full(75, 120.0), grey=one.grey.astype(np.float32)) for one in clips]
    figures = head_figures(clips)
    assert figures["head, yaw within 1 s, degrees"] == pytest.approx(0.75, rel=0.05)
    assert figures["head, pitch of the motion against rest, degrees"] == pytest.approx(3.0, rel=0.05)
    assert figures["head, roll of the motion against rest, degrees"] == pytest.approx(0.0, abs=0.05)
    assert figures["head, yaw between recordings, degrees"] == pytest.approx(2.0, rel=0.25)
    assert figures["landmark noise, eye distances"] == pytest.approx(0.003, rel=0.15)
    assert figures["landmark noise lasts, s"] < 0.02
    assert figures["side of the face's box, px"] == 120
    assert figures["light, sigma within a recording"] == pytest.approx(np.log(1.05) / 2, rel=0.02)


def test_shares_of_a_wide_picture_are_told_from_those_of_a_square_one():
    square = seen(np.zeros((5, 3)))
    assert aspect(square / [640, 640]) == pytest.approx(1.0, rel=0.01)
    assert aspect(square / [640, 480]) == pytest.approx(0.75, rel=0.01)


def takes(signal: float, noise: float, rest: float) -> list[Recorded]:
    """Eight takes of six motions of three people: features of the given deviations between motions, between takes, and
    between the faces at rest."""
    random = np.random.default_rng(3)
    phase = ((TIMES > 0.6) & (TIMES < 2.4)).astype(np.int8)
    found, still = [], seen(np.zeros((75, 3)))
    for person in "abc":
        for motion in range(6):
            own = random.normal(0, signal, (75, 16))
            for _ in range(8):
                values = own * phase[:, None] + random.normal(0, rest, 16) + random.normal(0, noise, (75, 16))
                one = recorded(still, phase=phase, subject=person, motion=f"{person}-fm{motion}")
                found.append(replace(one, features={"x": values.astype(np.float32)}))
    return found


def test_signal_over_noise_of_takes_is_a_ratio_of_variances():
    loud, faint, none = (takes_ratio(takes(size, 1.0, 0.0), "x") for size in (2.0, 1.0, 0.0))
    assert loud is not None
    assert faint is not None
    assert none is not None
    assert loud["all"] == pytest.approx(4.0, rel=0.15)
    assert faint["all"] == pytest.approx(1.0, rel=0.15)
    assert none["all"] is not None
    assert none["all"] < 0.05
    alone = [one for one in takes(1.0, 1.0, 0.0) if one.motion.endswith("fm0")]
    assert takes_ratio(alone, "x") is None


def test_rest_is_compared_between_takes_and_within_one():
    found = rest_ratios(takes(2.0, 0.5, 1.0), "x")
    assert found is not None
    between, within = found
    assert between == pytest.approx((4 + 0.25) / 1.0, rel=0.1)
    assert within == pytest.approx((4 + 0.25) / 0.25, rel=0.15)
    assert rest_ratios([replace(one, phase=np.ones(75, np.int8)) for one in takes(1.0, 1.0, 1.0)], "x") is None


def test_frames_that_a_reader_drops_keep_their_phase():
    phase = np.array([0, 0, 1, 0, 2, 0, 0], np.uint8)
    times = np.arange(7) / 10
    assert rest_or_motion(times, phase, times[[0, 2, 3, 6]]).tolist() == [0, 1, 1, 0]


def test_repetitions_give_back_what_was_drawn(tmp_path):
    random = np.random.default_rng(4)
    points, words, frames, first = [], [], [], [0]
    for _ in range(40 * 16):
        phrase = ["bin", "blue", "at", "f"]
        lengths = np.round(20 * np.exp(random.normal(0, 0.06) + random.normal(0, 0.15, 3))).astype(int)
        size = np.exp(random.normal(0, 0.1))
        curve = np.concatenate([np.sin(np.pi * np.arange(n) / n) for n in lengths]) * 8 * size
        own = np.zeros((len(curve) + 4, 9, 2))
        own[: len(curve), 3, 1] = curve
        own[: len(curve), 1, 0] = 40 + curve
        points.append(own)
        words.append([*phrase, "", "", "", ""])
        frames.append([*lengths, 4, 0, 0, 0, 0])
        first.append(first[-1] + len(own))
    np.savez(
        tmp_path / "s1.npz",
        points=np.round(np.concatenate(points) * 32).astype(np.int16),
        words=np.array(words),
        frames=np.array(frames, np.int16),
        first=np.array(first[:-1], np.int32),
    )
    figures = repetition_figures(tmp_path)
    assert figures["groups"] == 1
    assert figures["sigma of the opening's size"] == pytest.approx(0.1, rel=0.12)
    assert figures["sigma of the opening's size that the words of a take share"] == pytest.approx(0.1, rel=0.12)
    assert figures["sigma of tempo, which the words of a take share"] == pytest.approx(0.06, rel=0.2)
    assert figures["sigma of each word's own length"] == pytest.approx(0.15, rel=0.1)


def test_failures_make_up_the_errors_that_the_paper_reports():
    rates = failures()
    wrong = rates["other_ending"] + rates["other_intensity"] + rates["inconsistent"]
    assert 2 * wrong * (1 - wrong) == pytest.approx(1 - 0.959)
    genuine, impostor = 5 * 45, 50 * 49 // 2 - 5 * 45
    assert rates["flash_motions"] ** 2 * impostor == pytest.approx((1 - 0.959) * genuine)


def test_the_rule_finds_the_drift_of_simulated_heads_again():
    told = response(0.8, 0.0)
    names = ("within 1 s", "of the motion against rest")
    figures = {
        f"head, {axis} {what}, degrees": float(told[key][k])
        for what, key in zip(names, ("within", "moved"), strict=True)
        for k, axis in enumerate(("pitch", "yaw", "roll"))
    }
    drift, nods = head(figures)
    assert drift == pytest.approx(0.8, rel=0.02)
    assert nods < 0.15
