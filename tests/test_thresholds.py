"""Operating points by wanted FMR, and the refusal of figures without evidence."""

from __future__ import annotations

import doctest
import re
from dataclasses import asdict

import numpy as np
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

from facemotion import thresholds
from facemotion.errors import EvidenceError, ModelError, UnknownModelError, WriteError
from facemotion.models import Models
from facemotion.thresholds import find_operating_points, for_takes, operating_points, strictest_operating_points
from facemotion.types import OperatingPoint, ScoredTrials


def make_trials(genuine, impostor) -> ScoredTrials:
    """Every impostor trial is a pair of motions of its own."""
    scores = np.array([*genuine, *impostor], np.float32)
    labels = np.arange(len(scores)) < len(genuine)
    motions = np.stack([np.zeros(len(scores)), np.arange(len(scores)) * ~labels], axis=1).astype(np.int32)
    subjects = np.stack([np.zeros(len(scores)), np.arange(len(scores)) % 7], axis=1).astype(np.int32)
    return ScoredTrials(scores, labels, np.where(labels, 0, 1).astype(np.uint8), subjects, motions)


def test_examples():
    assert doctest.testmod(thresholds).failed == 0


def test_the_lowest_threshold_that_keeps_to_the_rate_with_its_evidence():
    impostor = np.linspace(-0.5, 0.49, 100)
    (point,) = find_operating_points(make_trials([0.3, 0.6, 0.7, 0.9], impostor), [0.05], "a hundred pairs")
    assert point.name == "fmr-5e-2"
    assert point.fmr == 0.05
    assert point.threshold == pytest.approx(0.45, abs=1e-6)
    assert point.fnmr == 0.25
    assert (point.genuine_trials, point.impostor_trials, point.subjects) == (4, 100, 7)
    assert point.source == "a hundred pairs"


@given(
    st.lists(st.floats(-1, 1, width=16), min_size=1, max_size=20),
    st.lists(st.floats(-1, 1, width=16), min_size=4, max_size=60),
    st.floats(0.01, 0.99),
)
def test_no_lower_score_that_occurred_keeps_to_the_rate(genuine, impostor, fmr):
    trials = make_trials(genuine, impostor)
    kept = [s for s in trials.scores if np.mean(trials.scores[~trials.labels] >= s) <= fmr]
    if fmr < 3 / len(impostor) or not kept:
        with pytest.raises(EvidenceError):
            find_operating_points(trials, [fmr], "drawn")
        return
    (point,) = find_operating_points(trials, [fmr], "drawn")
    assert point.threshold == min(kept)
    assert point.fmr == np.mean(trials.scores[~trials.labels] >= point.threshold)
    assert point.fnmr == np.mean(trials.scores[trials.labels] < point.threshold)


def test_a_rate_beyond_the_evidence_is_refused_and_says_what_would_do():
    trials = make_trials([0.9] * 5, np.linspace(-0.5, 0.5, 100))
    find_operating_points(trials, [0.03], "x")
    with pytest.raises(EvidenceError, match=r"100 independent.*ask for 0.03 or more"):
        find_operating_points(trials, [0.03, 0.01], "x")


def test_without_an_impostor_trial_no_rate_is_claimed():
    with pytest.raises(EvidenceError, match="0 independent impostor trials.*record more motions, 3 in all"):
        find_operating_points(make_trials([0.9, 0.8], []), [1.0], "x")


@given(st.integers(4, 5000))
def test_the_rate_that_a_refusal_names_is_then_accepted(independent):
    trials = make_trials([0.9], np.linspace(-0.5, 0.5, independent))
    with pytest.raises(EvidenceError) as refusal:
        find_operating_points(trials, [1e-4], "x")
    find_operating_points(trials, [float(re.search(r"ask for (\S+) or more", str(refusal.value))[1])], "x")


def test_a_hundred_scores_of_one_pair_are_one_trial():
    trials = make_trials([0.9], np.linspace(0, 0.5, 100))
    motions = np.minimum(trials.motions, 1)
    same = ScoredTrials(trials.scores, trials.labels, trials.kinds, trials.subjects, motions)
    with pytest.raises(EvidenceError, match="1 independent"):
        find_operating_points(same, [0.5], "x")


def test_no_genuine_trial_no_threshold():
    with pytest.raises(EvidenceError, match="genuine"):
        find_operating_points(make_trials([], np.linspace(0, 0.5, 100)), [0.1], "x")


def models_with(folder, points=(), default="", sha256="0" * 64) -> Models:
    """A deployment whose model "m" has these operating points on its card."""
    card = {"file": "m.onnx", "sha256": sha256, "default_point": default}
    (folder / "m.toml").write_text(tomlkit.dumps({"m": card | {"operating_points": [asdict(p) for p in points]}}))
    return Models(folder)


def test_points_of_a_card_are_found_by_name(tmp_path):
    points = [OperatingPoint(name, 0.5, 0.1, 0.1, 10, 10, 2, "x") for name in ("fmr-1e-1", "fmr-1e-2")]
    models = models_with(tmp_path, points, "fmr-1e-2")
    assert operating_points(models, "m") == (points[1],)
    assert operating_points(models, "m", "fmr-1e-1") == (points[0],)
    with pytest.raises(UnknownModelError, match="fmr-1e-1, fmr-1e-2"):
        operating_points(models, "m", "fmr-1e-9")


def test_a_model_without_points_is_to_be_calibrated(tmp_path):
    with pytest.raises(ModelError, match="calibrate"):
        operating_points(models_with(tmp_path), "m")


def test_a_template_is_judged_by_the_point_measured_with_as_many_takes(tmp_path):
    thresholds = {3: 0.4, 1: 0.6, 2: 0.5}
    points = [OperatingPoint("p", t, 0.1, 0.1, 10, 10, 2, "x", takes) for takes, t in thresholds.items()]
    strict = OperatingPoint("strict", 0.9, 0.01, 0.5, 10, 1000, 2, "x")
    models = models_with(tmp_path, (*points, strict), "p")
    found = operating_points(models, "m")
    assert [point.takes for point in found] == [1, 2, 3]
    assert [for_takes(found, takes).threshold for takes in (1, 2, 3, 5)] == [0.6, 0.5, 0.4, 0.4]
    assert for_takes(operating_points(models, "m", "strict"), 5) == strict
    assert strictest_operating_points(models, "m") == (strict,)


def test_points_of_several_takes_alone_are_refused(tmp_path):
    point = OperatingPoint("p", 0.4, 0.1, 0.1, 10, 10, 2, "x", takes=3)
    with pytest.raises(ModelError, match="--takes 1"):
        operating_points(models_with(tmp_path, [point], "p"), "m")


def test_a_deployments_own_points_are_kept_found_and_bound_to_the_model(tmp_path):
    models = models_with(tmp_path)
    points = find_operating_points(
        make_trials([0.9, 0.4], np.linspace(-0.5, 0.49, 100)), [0.05, 0.1], 'our "door" camera'
    )
    path = models.keep_operating_points("m", points)
    (found,) = operating_points(models, "m", "own-fmr-5e-2")
    assert (found.threshold, found.fmr, found.source) == (points[0].threshold, 0.05, 'our "door" camera')
    models.keep_operating_points("m", points[:1])
    with pytest.raises(UnknownModelError, match="to one of own-fmr-5e-2"):
        operating_points(models, "m", "own-fmr-1e-1")
    path.write_text(path.read_text("utf-8").replace("m@000000000000", "m@999999999999"), "utf-8")
    with pytest.raises(ModelError, match="was calibrated for m@9.*run `facemotion calibrate` again"):
        operating_points(models, "m", "own-fmr-5e-2")
    path.write_text("half a fi")
    with pytest.raises(ModelError, match="Run `facemotion calibrate` again"):
        operating_points(models, "m", "own-fmr-5e-2")


def test_calibrating_the_next_version_of_an_encoder_leaves_the_one_that_runs_its_points(tmp_path):
    first, second = (OperatingPoint(name, 0.5, 0.1, 0.1, 10, 10, 2, "x") for name in ("fmr-1e-1", "fmr-1e-2"))
    before = models_with(tmp_path)
    before.keep_operating_points("m", [first])
    after = models_with(tmp_path, [second], "fmr-1e-2", sha256="1" * 64)
    with pytest.raises(UnknownModelError, match=r"one of fmr-1e-2, or run `facemotion calibrate --keep` for 'm'"):
        operating_points(after, "m", "own-fmr-1e-1")
    assert operating_points(after, "m") == (second,)
    after.keep_operating_points("m", [second])
    assert operating_points(after, "m", "own-fmr-1e-2")[0].threshold == second.threshold
    assert operating_points(models_with(tmp_path), "m", "own-fmr-1e-1")[0].threshold == first.threshold


def test_points_that_version_0_1_calibrated_are_found_for_the_encoder_of_then_alone(tmp_path):
    point = OperatingPoint("fmr-1e-1", 0.5, 0.1, 0.1, 10, 10, 2, "x")
    path = models_with(tmp_path).keep_operating_points("m", [point])
    path.rename(path.with_name("m.toml"))
    assert [each.name for each in models_with(tmp_path).operating_points("m")] == ["own-fmr-1e-1"]
    assert not models_with(tmp_path, sha256="1" * 64).operating_points("m")


def test_own_points_that_can_not_be_kept_are_named(tmp_path):
    models = models_with(tmp_path)
    (tmp_path / "operating-points").write_text("a file")
    with pytest.raises(WriteError, match="Can't write"):
        models.keep_operating_points("m", [])
