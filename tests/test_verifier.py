"""Verify, enrol and check, with the shipped models and a real store."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

import facemotion as fm
from facemotion.config import RuntimeSettings, Settings, VerifierSettings
from facemotion.enrolment import Enroller
from facemotion.errors import (
    EnrolmentError,
    MissingModelError,
    ModelHashError,
    ModelMismatchError,
    NoFaceError,
    NoMotionError,
    SeveralFacesError,
    UnknownModelError,
    UnknownUserError,
    UsageError,
)
from facemotion.media import load_clip
from facemotion.models import Models
from facemotion.thresholds import template_score
from facemotion.types import Embedding, Template
from facemotion.verifier import cosine

pytestmark = pytest.mark.long  # clips that are decoded and embedded


@pytest.fixture(scope="module")
def verifier() -> fm.Verifier:
    return fm.Verifier.load(Settings())


def test_two_takes_of_a_motion_score_higher_than_two_motions(verifier, clips, acquired):
    same = verifier.verify(acquired("talk1"), acquired("talk2"))
    other = verifier.verify(acquired("talk1"), (clips / "brow.mp4").read_bytes())
    assert same.factors[0].score > other.factors[0].score
    assert same.accepted
    assert not other.accepted
    assert len(same.quality) == 2
    assert set(same.milliseconds) == {"decode", "detect", "extract", "quality", "encode"}


def test_a_clip_against_itself_scores_one_and_order_does_not_matter(verifier, clips, acquired):
    itself = verifier.verify(clips / "talk1.mp4", acquired("talk1"))
    assert itself.factors[0].score == pytest.approx(1, abs=1e-5)
    one = verifier.verify(acquired("talk1"), acquired("talk2")).factors[0].score
    two = verifier.verify(acquired("talk2"), acquired("talk1")).factors[0].score
    assert one == pytest.approx(two, abs=1e-6)


def test_live_and_file_give_the_same_embedding(verifier, clips, acquired):
    by_file = verifier.embed(acquired("talk1"))
    clip = load_clip(clips / "talk1.mp4")
    session = verifier.live()
    for frame, seconds in zip(clip.frames, clip.times, strict=True):
        session.push(frame, seconds)
    by_frame = verifier.embed(session.finish())
    np.testing.assert_allclose(by_frame.vector, by_file.vector, atol=1e-4)


def test_enrol_check_and_forget(verifier, clips, acquired, tmp_path):
    with fm.open_store(tmp_path / "store.db") as store:
        counted: list[int] = []
        takes = [clips / "talk1.mp4", str(clips / "talk2.mp4")]
        enrolment = verifier.enrol(store, "alice", takes, progress=counted.append)
        assert counted == [1, 2]
        assert enrolment.template.vectors.shape[0] == 2
        assert (enrolment.agreement >= verifier.point.threshold).all()
        assert verifier.check(store, "alice", clips / "talk2.mp4").accepted
        assert not verifier.check(store, "alice", acquired("brow")).accepted
        with pytest.raises(UnknownUserError, match="bob"):
            verifier.check(store, "bob", acquired("talk1"))
        store.delete("alice")
        with pytest.raises(UnknownUserError):
            verifier.check(store, "alice", acquired("talk1"))


def test_what_a_live_session_acquired_enrols_and_is_checked(verifier, clips, acquired, tmp_path):
    takes = [acquired("talk1"), acquired("talk2")]
    with fm.open_store(tmp_path / "store.db") as store:
        with pytest.raises(EnrolmentError, match="2 to 5"):
            verifier.enrol_acquired(store, "alice", takes[:1])
        verifier.enrol_acquired(store, "alice", takes)
        by_clip = verifier.check(store, "alice", clips / "brow.mp4")
        by_frame = verifier.check_acquired(store, "alice", acquired("brow"))
        assert by_frame.factors[0].score == pytest.approx(by_clip.factors[0].score, abs=1e-6)


def test_an_enroller_makes_the_same_templates_without_a_verifier(verifier, acquired, tmp_path):
    takes = [acquired("talk1"), acquired("talk2")]
    enroller = Enroller(verifier.frontend, verifier.encoder, verifier.operating_points, verifier.settings.verifier)
    with fm.open_store(tmp_path / "store.db") as store:
        enrolment = enroller.enrol(store, "alice", takes)
        expected = verifier.prepare(store, "alice", takes)
        assert verifier.check_acquired(store, "alice", takes[0]).accepted
    np.testing.assert_array_equal(enrolment.template.vectors, expected.template.vectors)
    assert enrolment.warnings == expected.warnings
    assert enroller.review(takes) == verifier.review(takes)
    with pytest.raises(EnrolmentError, match="Without a recogniser"):
        enroller.change_motion(store, "alice", takes)


def test_takes_are_reviewed_before_they_are_stored(verifier, acquired):
    talk, again, brow = map(acquired, ("talk1", "talk2", "brow"))
    good = verifier.review([talk, again])
    assert good.problem == ""
    assert (good.odd, 0 < good.size <= 1) == (0, True)
    different = verifier.review([talk, again, brow])
    assert (different.problem, different.odd) == ("That one was different; make the same motion once more.", 3)
    assert verifier.review([brow, talk]).odd == 2  # of two, the later
    assert verifier.review([talk]).problem == ""

    def with_energy(weak_energy: float) -> fm.Verifier:
        settings = Settings(verifier=dataclasses.replace(verifier.settings.verifier, weak_energy=weak_energy))
        return fm.Verifier(verifier.frontend, verifier.encoder, verifier.operating_points, settings)

    energy = talk.quality.motion_energy
    weak = with_energy(2 * energy).review([talk])
    assert weak.size == pytest.approx(1 / 6)
    assert weak.warnings
    assert with_energy(0.0).review([talk]).size == 1  # nothing is small


def test_takes_that_pass_review_pass_enrolment(verifier, acquired, tmp_path):
    """The last take may go with both others while the first hardly does: better said at once than after the last."""
    takes = [*map(acquired, ("brow", "talk1", "talk2"))]
    vectors = np.stack([verifier.embed(take).vector for take in takes])
    first, _, last = Template("-", "motion", vectors, "-").agreement
    assert first < last
    between = dataclasses.replace(verifier.point, threshold=float(first + last) / 2)
    strict = fm.Verifier(verifier.frontend, verifier.encoder, (between,), verifier.settings)
    review = strict.review(takes)
    assert (review.odd, review.problem.partition(" was")[0]) == (1, "Take 1")
    with fm.open_store(tmp_path / "store.db") as store, pytest.raises(EnrolmentError, match="Take 1"):
        strict.enrol_acquired(store, "alice", takes)


def test_takes_that_disagree_or_are_too_few_store_nothing(verifier, clips, acquired, tmp_path):
    takes = [*map(acquired, ("talk1", "talk2", "brow"))]
    with fm.open_store(tmp_path / "store.db") as store:
        with pytest.raises(EnrolmentError, match="Take 3"):
            verifier.enrol(store, "alice", takes)
        with pytest.raises(EnrolmentError, match=r"^Takes 1 and 2 aren't alike .* add a third take\.$") as refusal:
            verifier.enrol(store, "alice", takes[1:])
        assert refusal.value.takes == (1, 2)
        with pytest.raises(EnrolmentError, match="Takes 1 and 3 are the same recording") as refusal:
            verifier.enrol(store, "alice", [clips / "talk1.mp4", takes[1], takes[0]])
        assert refusal.value.takes == (1, 3)
        for count in (1, 6):
            with pytest.raises(EnrolmentError, match="2 to 5"):
                verifier.enrol(store, "alice", takes[:1] * count)
        with pytest.raises(NoFaceError):
            verifier.enrol(store, "alice", [*takes[:2], clips / "nobody.mp4"])
        assert store.users() == []


@pytest.mark.parametrize(
    ("name", "error"), [("still", NoMotionError), ("nobody", NoFaceError), ("crowd", SeveralFacesError)]
)
def test_failure_to_acquire_is_never_a_score(verifier, clips, acquired, name, error):
    with pytest.raises(error):
        verifier.verify(acquired("talk1"), clips / f"{name}.mp4")


def test_vectors_of_other_models_never_meet(verifier, acquired, tmp_path):
    vector = np.eye(128, dtype=np.float32)[0]
    with pytest.raises(ModelMismatchError):
        cosine(Embedding(vector.copy(), "a@1"), Embedding(vector.copy(), "b@1"))
    template = Template("alice", "motion", vector[None].copy(), "old@1")
    with fm.open_store(tmp_path / "store.db") as store:
        store.put(template)
        with pytest.raises(ModelMismatchError, match="enrol again"):
            verifier.check(store, "alice", acquired("talk1"))


def test_a_users_own_threshold_is_raised_towards_the_agreement_of_their_takes_and_never_lowered(
    verifier, acquired, tmp_path
):
    takes = [acquired("talk1"), acquired("talk2")]
    raising = Settings(verifier=dataclasses.replace(verifier.settings.verifier, user_threshold=0.5))
    strict = fm.Verifier(verifier.frontend, verifier.encoder, verifier.operating_points, raising)
    with fm.open_store(tmp_path / "store.db") as store:
        least = float(strict.enrol(store, "alice", takes).agreement.min())
        (plain,) = verifier.check(store, "alice", takes[0]).factors
        (raised,) = strict.check(store, "alice", takes[0]).factors
        assert plain.raised == 0
        assert raised.score == plain.score
        assert raised.threshold == pytest.approx((plain.threshold + least) / 2, abs=1e-6)
        alone = Template("bob", "motion", store.get("alice", "motion").vectors[:1], verifier.encoder.model_id)
        apart = np.linalg.qr(np.random.default_rng(0).normal(size=(128, 2)))[0].T.astype(np.float32)
        store.put(alone, Template("carl", "motion", apart, verifier.encoder.model_id))
        for user in ("bob", "carl"):  # a single take says nothing; takes that disagree lower nothing
            assert strict.check(store, user, takes[0]).factors[0].raised == 0


def test_scores_by_hand():
    angles = np.array([0.0, 0.1, 1.2], np.float32)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    expected = [(np.cos(0.1) + np.cos(1.2)) / 2, (np.cos(0.1) + np.cos(1.1)) / 2, (np.cos(1.2) + np.cos(1.1)) / 2]
    np.testing.assert_allclose(Template("a", "motion", vectors, "m@1").agreement, expected, atol=1e-6)
    assert Template("a", "motion", vectors[:1], "m@1").agreement == [1]
    assert template_score(np.cos(angles)) == pytest.approx(np.cos(angles).mean(), abs=1e-6)


def test_models_that_the_settings_name_wrongly(tmp_path, verifier):
    with pytest.raises(UnknownModelError, match="encoder-mush"):
        fm.Verifier.load(Settings(verifier=VerifierSettings(encoder="encoder-mush")))
    entry = Models.shipped().card(Settings().verifier.encoder)
    text = f'file = "{entry.file}"\nbytes = {entry.bytes}\nrole = "encoder"\nfrontend = "{entry.frontend}"\n'
    (tmp_path / "mine.toml").write_text(f'[mine]\n{text}sha256 = "{"0" * 64}"\n')
    settings = Settings(verifier=VerifierSettings(encoder="mine"), runtime=RuntimeSettings(models_folder=str(tmp_path)))
    with pytest.raises(ModelHashError):
        fm.Verifier.load(settings)
    (tmp_path / "mine.toml").write_text(f'[mine]\n{text.replace(entry.file, "gone.onnx")}sha256 = "{"0" * 64}"\n')
    with pytest.raises(MissingModelError):
        fm.Verifier.load(settings)


def test_an_encoder_of_another_front_end_is_refused(tmp_path, verifier):
    entry = Models.shipped().card(Settings().verifier.encoder)
    shutil.copy(Models.shipped().path(entry.name), tmp_path / "mine.onnx")
    (tmp_path / "mine.toml").write_text(
        f'[mine]\nfile = "mine.onnx"\nbytes = {entry.bytes}\nrole = "encoder"\nsha256 = "{entry.sha256}"\n'
        'frontend = "other/front@end"\n'
    )
    settings = dataclasses.replace(
        Settings(),
        verifier=VerifierSettings(encoder="mine"),
        runtime=RuntimeSettings(models_folder=str(tmp_path)),
    )
    with pytest.raises(ModelMismatchError, match="front end"):
        fm.Verifier.load(settings)


def test_what_is_no_settings_and_no_store_is_told_what_to_give(verifier, clips):
    with pytest.raises(UsageError, match=r"got str; facemotion\.load_settings\(path\) reads a file"):
        fm.Verifier.load("x.toml")
    for call in (
        lambda: verifier.check("store.db", "alice", clips / "talk1.mp4"),
        lambda: verifier.enrol("store.db", "alice", [clips / "talk1.mp4"] * 2),
        lambda: verifier.change_motion(None, "alice", [clips / "talk1.mp4"] * 2),
    ):
        with pytest.raises(UsageError, match=r"A store is what facemotion\.open_store\(path\) gives, got"):
            call()


def test_a_frame_that_is_none_is_told_what_one_is(verifier):
    with pytest.raises(UsageError, match=r"A frame must be a \(height, width, 3\) uint8 RGB array, got int"):
        verifier.live().push(5, 0.0)


def test_the_public_face_is_whole():
    for name in fm.__all__:
        assert getattr(fm, name) is not None
    assert set(fm.__all__) <= set(dir(fm))
    with pytest.raises(AttributeError, match="no attribute"):
        _ = fm.no_such_name
