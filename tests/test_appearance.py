"""The second factor: alignment, the choice of pictures, and both factors together."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from tests.service.conftest import running

import facemotion as fm
from facemotion.appearance import KEPT, PLACES, SIZE, Portraits, Recogniser, alignment, frontality
from facemotion.config import QualitySettings, RuntimeSettings, Settings, VerifierSettings
from facemotion.errors import (
    DuplicateFaceError,
    EnrolmentError,
    MissingModelError,
    ModelMismatchError,
    SettingsError,
    UnknownUserError,
)
from facemotion.features import load_extractor
from facemotion.media.warp import apply
from facemotion.models import Models
from facemotion.store import open_store

pytestmark = pytest.mark.long  # clips whose faces are decoded, aligned and embedded


@given(st.floats(0.2, 9), st.floats(-3, 3), st.floats(-500, 500), st.floats(-500, 500))
def test_alignment_finds_any_turn_size_and_place(scale, angle, right, down):
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    keypoints = np.concatenate([PLACES @ turn.T + [right, down], np.zeros((2, 2))]).astype(np.float32)
    np.testing.assert_allclose(apply(alignment(keypoints), PLACES), keypoints[:4], atol=1e-2)


def test_a_head_turned_aside_counts_less_whatever_its_tilt():
    frontal = np.concatenate([PLACES, np.zeros((2, 2))]).astype(np.float32)
    aside = frontal.copy()
    aside[2, 0] += 10
    tilt = np.array([[0.8, -0.6], [0.6, 0.8]], np.float32)
    assert frontality(frontal) > 0.99
    assert frontality(aside) < 0.2
    assert frontality(aside @ tilt.T) == pytest.approx(frontality(aside), abs=1e-5)


def test_the_best_pictures_are_kept_best_first():
    keypoints = np.concatenate([PLACES, np.zeros((2, 2))]).astype(np.float32)
    portraits = Portraits()
    assert portraits.best().shape == (0, SIZE, SIZE, 3)
    for sharpness in (5, 90, 20, 70, 60):
        portraits.push(np.full((150, 150, 3), sharpness, np.uint8), keypoints, sharpness)
    assert portraits.best()[:, 50, 50, 0].tolist() == [90, 70, 60][:KEPT]


def write_model(folder: Path, name: str, role: str, nodes, weights, shapes, extra: str) -> None:
    """A small network of our own as a card and a file."""
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(shapes[0], TensorProto.FLOAT, shapes[1])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    raw = onnx.checker.check_model(model) or model.SerializeToString()
    (folder / f"{name}.onnx").write_bytes(raw)
    point = (
        'name = "p"\nfmr = 0.1\nfnmr = 0.1\ngenuine_trials = 9\nimpostor_trials = 90\nsubjects = 3\nsource = "made up"'
    )
    (folder / f"{name}.toml").write_text(
        f'[{name}]\nfile = "{name}.onnx"\nsha256 = "{hashlib.sha256(raw).hexdigest()}"\nbytes = {len(raw)}\n'
        f'role = "{role}"\ndefault_point = "p"\n{extra}\n[[{name}.operating_points]]\n{point}\n'
    )


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    """An encoder that takes every motion for the same, and a recogniser that goes by the colours of the picture."""
    folder = tmp_path_factory.mktemp("models")
    extractor = load_extractor("face-mesh", Models.shipped())
    rng = np.random.default_rng(0)
    normal = helper.make_node("LpNormalization", ["raw"], ["embedding"], axis=1, p=2)
    write_model(
        folder,
        "flat",
        "encoder",
        [
            helper.make_node("ReduceMax", ["values"], ["most"], axes=[1], keepdims=0),
            helper.make_node("Mul", ["most", "none"], ["nothing"]),
            helper.make_node("MatMul", ["nothing", "w"], ["zero"]),
            helper.make_node("Add", ["zero", "one"], ["raw"]),
            normal,
        ],
        {
            "w": rng.normal(size=(extractor.dimension, 8)).astype(np.float32),
            "none": np.zeros(1, np.float32),
            "one": np.ones(8, np.float32),
        },
        ("values", [1, "T", extractor.dimension]),
        f'frontend = "{extractor.frontend_id}"\n',
    )
    (folder / "flat.toml").write_text((folder / "flat.toml").read_text() + "threshold = 0.5\n")
    write_model(
        folder,
        "colours",
        "recogniser",
        [
            helper.make_node("AveragePool", ["data"], ["pooled"], kernel_shape=[28, 28], strides=[28, 28]),
            helper.make_node("Flatten", ["pooled"], ["row"]),
            helper.make_node("Sub", ["row", "grey"], ["centred"]),
            helper.make_node("MatMul", ["centred", "w"], ["raw"]),
            normal,
        ],
        {"grey": np.full(1, 110, np.float32), "w": rng.normal(size=(48, 8)).astype(np.float32)},
        ("data", [1, 3, 112, 112]),
        "",
    )
    (folder / "colours.toml").write_text((folder / "colours.toml").read_text() + "threshold = 0.93\n")
    runtime = RuntimeSettings(models_folder=str(folder))
    # Drawn faces move less by themselves than people do.
    quality = QualitySettings(min_own_motion=0.5)
    return Settings(runtime=runtime, quality=quality, verifier=VerifierSettings(encoder="flat", recogniser="colours"))


@pytest.fixture(scope="module")
def drawn(talking_frames, encode) -> dict[str, bytes]:
    """Three takes of one drawn person and two of another, whose skin is of another colour."""
    other = np.ascontiguousarray(talking_frames[..., ::-1])
    return {
        "anna 1": encode(talking_frames),
        "anna 2": encode(talking_frames[2:]),
        "anna 3": encode(talking_frames[1:]),
        "ben": encode(other),
        "ben 2": encode(other[2:]),
    }


@pytest.fixture(scope="module")
def taken(settings, drawn):
    frontend = fm.Frontend.load(settings)
    return {name: frontend.acquire(clip) for name, clip in drawn.items()}


def test_both_factors_must_pass(settings, drawn, taken):
    verifier = fm.Verifier.load(settings)
    same = verifier.verify(drawn["anna 1"], taken["anna 2"])
    other = verifier.verify(taken["anna 1"], taken["ben"])
    assert [result.factor for result in same.factors] == ["motion", "appearance"]
    assert same.accepted
    assert [result.accepted for result in other.factors] == [True, False]
    assert not other.accepted


def test_enrolment_keeps_both_and_a_check_needs_both(settings, taken, tmp_path):
    verifier = fm.Verifier.load(settings)
    anna = [taken["anna 1"], taken["anna 2"]]
    with open_store(tmp_path / "s.db") as store:
        verifier.enrol_acquired(store, "anna", anna)
        assert store.factors("anna") == ("appearance", "motion")
        assert verifier.check_acquired(store, "anna", taken["anna 2"]).accepted
        assert not verifier.check_acquired(store, "anna", taken["ben"]).accepted
        with pytest.raises(EnrolmentError, match="Take 3 shows another face"):
            verifier.enrol_acquired(store, "mixed", [*anna, taken["ben"]])
        assert store.factors("mixed") == ()


def test_a_user_without_a_face_is_not_checked_by_motion_alone(settings, taken, tmp_path):
    alone = dataclasses.replace(settings, verifier=VerifierSettings(encoder="flat"))
    with open_store(tmp_path / "s.db") as store:
        fm.Verifier.load(alone).enrol_acquired(store, "anna", [taken["anna 1"], taken["anna 2"]])
        assert len(fm.Verifier.load(alone).check_acquired(store, "anna", taken["anna 2"]).factors) == 1
        both = fm.Verifier.load(settings)
        assert both.model_ids == {"motion": both.encoder.model_id, "appearance": both.appearance.recogniser.model_id}
        with pytest.raises(UnknownUserError, match="appearance"):
            both.check_acquired(store, "anna", taken["anna 2"])
        both.enrol_acquired(store, "anna", [taken["anna 1"], taken["anna 2"]])
        assert store.factors("anna") == ("appearance", "motion")
        fm.Verifier.load(alone).enrol_acquired(store, "anna", [taken["anna 1"], taken["anna 2"]])
        assert store.factors("anna") == ("motion",)  # not a face of earlier beside a motion of now


def test_every_factor_is_compared_for_names_that_nobody_has_too(settings, taken, tmp_path, monkeypatch):
    """So that time doesn't tell who is enrolled, or with which models."""
    verifier = fm.Verifier.load(settings)
    with open_store(tmp_path / "s.db") as store:
        verifier.enrol_acquired(store, "anna", [taken["anna 1"], taken["anna 2"]])
        store.put(dataclasses.replace(store.get("anna", "motion"), user="faceless"))
        store.put(
            dataclasses.replace(store.get("anna", "motion"), user="old", model_id="old@1"),
            dataclasses.replace(store.get("anna", "appearance"), user="old"),
        )
        compared: list[str] = []
        compare = store.protector.compare

        def counted(row, probe):
            cosines = compare(row, probe)
            compared.append(row["user"])
            return cosines

        monkeypatch.setattr(store.protector, "compare", counted)
        for user, error in (("nobody", UnknownUserError), ("faceless", UnknownUserError), ("old", ModelMismatchError)):
            compared.clear()
            with pytest.raises(error):
                verifier.check_acquired(store, user, taken["anna 2"])
            assert len(compared) == 2, user


def test_a_new_motion_needs_the_enrolled_face_and_leaves_its_template_alone(settings, drawn, taken, tmp_path):
    verifier = fm.Verifier.load(settings)
    anna = [taken["anna 1"], taken["anna 2"]]
    with open_store(tmp_path / "s.db") as store:
        with pytest.raises(UnknownUserError):
            verifier.change_motion(store, "anna", anna)
        verifier.enrol(store, "anna", anna)
        face = store.get("anna", "appearance").vectors
        with pytest.raises(EnrolmentError, match="Take 2 shows another face"):
            verifier.change_motion(store, "anna", [taken["anna 1"], taken["ben"]])
        verifier.change_motion(store, "anna", [taken["anna 2"], taken["anna 1"], drawn["anna 3"]])
        assert store.users()[0].takes == {"motion": 3, "appearance": 2}
        np.testing.assert_allclose(store.get("anna", "appearance").vectors, face, atol=1e-6)
        alone = dataclasses.replace(settings, verifier=VerifierSettings(encoder="flat"))
        with pytest.raises(EnrolmentError, match="recogniser"):
            fm.Verifier.load(alone).change_motion(store, "anna", anna)


def test_a_face_that_is_enrolled_under_another_name_is_told_or_refused(settings, taken, tmp_path):
    def verifier(**how) -> fm.Verifier:
        wanted = dataclasses.replace(settings.verifier, **how)
        return fm.Verifier.load(dataclasses.replace(settings, verifier=wanted))

    anna, ben = [taken["anna 1"], taken["anna 2"]], [taken["ben"], taken["ben 2"]]
    with open_store(tmp_path / "s.db") as store:
        verifier().enrol_acquired(store, "anna", anna)
        verifier().enrol_acquired(store, "ben", ben)
        assert verifier().enrol_acquired(store, "again", anna).duplicates == ()  # off unless asked for
        store.delete("again")
        refusing, warning = verifier(duplicate_face="refuse"), verifier(duplicate_face="warn")
        with pytest.raises(DuplicateFaceError, match="another name") as refusal:
            refusing.enrol_acquired(store, "eve", anna[::-1])
        assert refusal.value.users == ("anna",)
        assert "anna" not in str(refusal.value)
        assert store.factors("eve") == ()
        assert refusing.enrol_acquired(store, "anna", anna).duplicates == ()  # her own name is none other
        assert refusing.change_motion(store, "anna", anna).duplicates == ()
        eve = warning.enrol_acquired(store, "eve", ben)
        assert eve.duplicates == ("ben",)
        assert any("another name" in warning for warning in eve.warnings)
        assert warning.enrol_acquired(store, "ben", ben).duplicates == ("eve",)
    with pytest.raises(SettingsError, match="recogniser"):
        fm.Verifier.load(Settings(runtime=settings.runtime, verifier=VerifierSettings(duplicate_face="warn")))


def test_the_threshold_of_duplicates_is_the_strictest_unless_named(tmp_path, settings, taken):
    folder = tmp_path / "models"
    shutil.copytree(settings.runtime.models_folder, folder)
    strict = (
        'threshold = 0.99999\nname = "strict"\nfmr = 0.001\nfnmr = 0.9\ngenuine_trials = 9\nimpostor_trials = 9000\n'
    )
    card = folder / "colours.toml"
    card.write_text(card.read_text() + f'[[colours.operating_points]]\n{strict}subjects = 3\nsource = "made up"\n')
    wanted = dataclasses.replace(settings.verifier, duplicate_face="warn")
    runtime = RuntimeSettings(models_folder=str(folder))
    strictest = fm.Verifier.load(Settings(runtime=runtime, verifier=wanted))
    named = fm.Verifier.load(Settings(runtime=runtime, verifier=dataclasses.replace(wanted, duplicate_point="p")))
    with open_store(tmp_path / "s.db") as store:
        strictest.enrol_acquired(store, "anna", [taken["anna 1"], taken["anna 2"]])
        assert named.enrol_acquired(store, "eve", [taken["anna 2"], taken["anna 3"]]).duplicates == ("anna",)
        store.delete("eve")
        assert strictest.enrol_acquired(store, "eve", [taken["anna 2"], taken["anna 3"]]).duplicates == ()


def test_weak_motions_are_warned_of_or_refused(settings, taken, drawn, tmp_path, clips):
    anna = [taken["anna 1"], taken["anna 2"]]
    common = tmp_path / "common"
    common.mkdir()
    (common / "plain talk.mp4").write_bytes(drawn["ben"])

    def verifier(**limits) -> fm.Verifier:
        limits = {"weak_energy": 0.0, "weak_neutral_share": 1.0, "common_motions": "off"} | limits
        wanted = VerifierSettings(encoder="flat", **limits)
        return fm.Verifier.load(dataclasses.replace(settings, verifier=wanted))

    with open_store(tmp_path / "s.db") as store:
        assert verifier().enrol_acquired(store, "anna", anna).warnings == ()
        for limits, word in (
            ({"weak_energy": 50.0}, "small"),
            ({"weak_neutral_share": 0.0}, "rests"),
            ({"common_motions": "packaged"}, "resembles a plain smile"),
            ({"common_motions": str(common)}, "resembles"),
        ):
            (warning,) = verifier(**limits).enrol_acquired(store, "anna", anna).warnings
            assert word in warning
            with pytest.raises(EnrolmentError, match=word):
                verifier(weak_motion="refuse", **limits).enrol_acquired(store, "bob", anna)
        assert store.factors("bob") == ()
    for folder, fault in ((tmp_path / "absent", "no folder"), (common, "nobody.mp4 can't be used")):
        (common / "nobody.mp4").write_bytes(clips.joinpath("nobody.mp4").read_bytes())
        with pytest.raises(SettingsError, match=fault):  # before anybody enrols
            verifier(common_motions=str(folder))


def test_sface_tells_speakers_apart(data_folder):
    try:
        Models.configured().path("sface")
    except MissingModelError:
        pytest.skip("needs the file of sface (facemotion models pull sface)")
    frontend, recogniser = fm.Frontend.load(Settings()), Recogniser.load("sface", Models.shipped())

    def vector(path):
        return recogniser(frontend.acquire(path).portraits).vector

    s1 = [vector(path) for path in sorted((data_folder / "grid_s1").rglob("*.mp4"))[:600:200]]
    others = [vector(data_folder / "grid_people" / name) for name in ("brbk7n.mpg", "sbia1a.mpg")]
    same = [float(a @ b) for i, a in enumerate(s1) for b in s1[:i]]
    different = [float(a @ b) for a in s1 for b in others] + [float(others[0] @ others[1])]
    assert min(same) > 0.8
    assert max(different) < 0.4


def test_the_page_says_whether_faces_are_compared(settings, tmp_path):
    alone = dataclasses.replace(settings, verifier=VerifierSettings(encoder="flat"))
    for inference, said, other in ((settings, "faceToo", "motionAlone"), (alone, "motionAlone", "faceToo")):
        with running(tmp_path / f"{said}.db", inference=inference) as server:
            html = server.call("GET", "/", "").text
        assert f'data-words="{said}"' in html
        assert f'data-words="{other}"' not in html
