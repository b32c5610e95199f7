import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facemotion.cli import app
from facemotion.data.cache import FeatureCache, read_features
from facemotion.data.manifest import read_manifest, write_manifest
from facemotion.errors import DataError, ManifestError, WriteError
from facemotion.features import load_extractor
from facemotion.models import Models
from facemotion.synth.points.response import CAUSES, MeshResponse, first_order, fit_response, load_response
from facemotion.synth.points.simulate import SimulationSettings
from facemotion.synth.sets.plan import DatasetSettings, truth_path
from facemotion.synth.sets.truth import Truth
from facemotion.system.files import file_sha256
from facemotion.training.encoder.material.sources import load_people_response, refuse_fitted
from facemotion.training.encoder.settings import TrainingSettings
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

FRONT, FEATURES = "front", 50


@dataclasses.dataclass
class Made:
    """A data set whose answer is known: the usual (C, D), and that of each of its people."""

    manifest: Path
    features: Path
    usual: np.ndarray
    people: dict[str, np.ndarray]


def make_set(folder: Path, frontend_id: str = FRONT, people: int = 6, clips: int = 30, error: float = 0.1) -> Made:
    """Features are a person's answer to random causes, an error that lasts .1 s, and a face at rest."""
    rng = np.random.default_rng(3)
    usual = rng.normal(size=(CAUSES, FEATURES))
    usual[-3:] *= 0.01  # degrees
    cache, records, answers = FeatureCache(folder / "features", frontend_id), [], {}
    for person in range(people):
        name = f"s{person}"
        answers[name] = usual * (1 + 0.05 * rng.normal(size=usual.shape))
        for take in range(clips):
            record = ClipRecord(f"clips/{name}/{take}.json", name, "m", ClipKind.FACIAL, take, 1, "")
            times = np.round(np.cumsum(rng.uniform(0.03, 0.05, size=80)), 3)
            causes = np.cumsum(rng.normal(scale=0.2, size=(80, CAUSES)), axis=0).clip(-1, 1)
            causes = np.round(causes, 3)  # as ground truth is kept
            causes[:, -3:] *= 10
            truth = Truth(times, np.zeros((80, 68, 2)), causes[:, :-3], causes[:, -3:], np.zeros(80, np.uint8), ())
            (folder / truth_path(record)).parent.mkdir(parents=True, exist_ok=True)
            truth.save(folder / truth_path(record))
            shown = causes @ answers[name] + error * first_order(rng, times, FEATURES, 0.1) + rng.normal(size=FEATURES)
            clip = folder / record.path
            clip.parent.mkdir(parents=True, exist_ok=True)
            clip.write_text(f"{name} {take}")
            kept = np.delete(np.arange(80), 10)  # the detector lost a frame
            cache.write(file_sha256(clip), FeatureSequence(shown[kept].astype(np.float32), times[kept], frontend_id))
            records.append(record)
    manifest = folder / "manifest.csv"
    write_manifest(manifest, records)
    return Made(manifest, folder / "features", usual, answers)


def test_the_answer_of_known_people_is_found(tmp_path: Path) -> None:
    made = make_set(tmp_path)
    response, explained = fit_response(made.manifest, made.features, FRONT)
    mean = np.mean(list(made.people.values()), axis=0)
    for causes in (slice(0, -3), slice(-3, None)):  # shapes, turns
        assert np.abs(response.usual[causes] - mean[causes]).mean() < 0.2 * np.abs(mean[causes]).mean()
    for own, true in zip(response.own, made.people.values(), strict=True):
        found = np.abs(response.usual + own - true)[:-3].mean()
        assert found < 0.7 * np.abs(response.usual - true)[:-3].mean()  # nearer than the usual answer
    assert (explained.people, explained.clips, len(response.fingerprints)) == (6, 180, 180)
    assert 0.8 < explained.of_new_people < explained.of_their_own < 1
    assert response.seconds == pytest.approx(0.1, rel=0.2)  # some of a slow error passes for an answer


def test_errors_spread_as_those_that_were_measured(tmp_path: Path) -> None:
    made = make_set(tmp_path)
    response, _ = fit_response(made.manifest, made.features, FRONT)
    rng = np.random.default_rng(0)
    error = np.stack([response.error(rng, np.arange(0, 3, 0.04)) for _ in range(20)])
    assert error.std() == pytest.approx(0.1, rel=0.1)
    kept = (error[:, 1:] * error[:, :-1]).mean() / np.square(error).mean()
    assert kept == pytest.approx(np.exp(-0.04 / 0.1), abs=0.06)


def test_new_people_are_as_far_from_the_usual_answer_as_those_who_were_measured() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=(4, CAUSES, FEATURES)).astype(np.float32)
    nothing = np.zeros((CAUSES, FEATURES), np.float32)
    response = MeshResponse(FRONT, frozenset(), nothing, own, nothing[:2], nothing[0], 0.1)
    usual = np.linalg.norm(own, axis=(1, 2)).mean()
    people = [response.person(rng) for _ in range(100)]
    assert [np.linalg.norm(person) for person in people] == pytest.approx([usual] * 100, rel=0.1)
    shares = [np.abs(np.tensordot(own, person, 2)) / usual**2 for person in people]
    assert all(1 < share.sum() < 1.5 for share in shares)  # of two people each
    assert {int(share.argmax()) for share in shares} == {0, 1, 2, 3}


def test_a_response_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = make_set(tmp_path, people=4, clips=2)
    response, _ = fit_response(made.manifest, made.features, FRONT)
    response.save(tmp_path / "response.npz")
    again = load_response(tmp_path / "response.npz", FRONT)
    for name, before in dataclasses.asdict(response).items():
        if isinstance(before, np.ndarray):
            assert getattr(again, name).dtype == np.float32
            np.testing.assert_allclose(getattr(again, name), before, rtol=2e-3, atol=1e-6)
        else:
            assert getattr(again, name) == before


def test_other_files_and_front_ends_are_refused(tmp_path: Path) -> None:
    made = make_set(tmp_path, people=4, clips=2)
    response, _ = fit_response(made.manifest, made.features, FRONT)
    path = tmp_path / "response.npz"
    response.save(path)
    with pytest.raises(DataError, match="fitted on features of front, these are of other"):
        load_response(path, "other")
    whole = path.read_bytes()
    for junk in (b"", b"junk", whole[:500], whole[:-300]):
        path.write_bytes(junk)
        with pytest.raises(DataError, match="wasn't written by `facemotion train response`"):
            load_response(path, FRONT)
    wrong = [
        {"usual": response.usual[:, :1]},
        {"usual": np.float32(1)},
        {"own": response.own[:3]},
        {"own": response.own[0]},
        {"shared": response.shared[0]},
        {"alone": np.full(FEATURES, np.nan)},
        {"seconds": 0.0},
        {"seconds": np.array([])},
        {"marks": np.float32(3)},
    ]
    for changed in wrong:
        path.write_bytes(whole)
        with np.load(path) as kept:
            np.savez(path, **dict(kept) | changed)
        with pytest.raises(DataError, match="wasn't written"):
            load_response(path, FRONT)
    path.unlink()
    with pytest.raises(DataError, match="can't be read; make it with `facemotion train response`"):
        load_response(path, FRONT)


def test_sets_that_tell_nothing_are_refused(tmp_path: Path) -> None:
    for name, sizes in (("people", (3, 2)), ("clips", (5, 1))):
        made = make_set(tmp_path / name, people=sizes[0], clips=sizes[1])
        with pytest.raises(DataError, match="people who move in two clips or more; an answer is fitted on 4 or more"):
            fit_response(made.manifest, made.features, FRONT)
    made = make_set(tmp_path / "lost", people=4, clips=2)
    lost = next((tmp_path / "lost/truth").rglob("*.npz"))
    content = lost.read_bytes()
    for damaged in (content[:200], content[:-200], b""):
        lost.write_bytes(damaged)
        with pytest.raises(ManifestError, match="isn't ground truth"):
            fit_response(made.manifest, made.features, FRONT)
    lost.unlink()
    with pytest.raises(DataError, match=r"no ground truth of clips/s\d/\d.json; name one that `facemotion synth"):
        fit_response(made.manifest, made.features, FRONT)
    lost.write_bytes(content)
    with np.load(lost) as old:
        np.savez(lost, **dict(old) | {"milliseconds": old["milliseconds"] + 7})
    with pytest.raises(DataError, match="have other frames"):
        fit_response(made.manifest, made.features, FRONT)


def test_folds_do_not_hold_out_whom_the_response_knows(tmp_path: Path) -> None:
    made = make_set(tmp_path, people=4, clips=2)
    response, _ = fit_response(made.manifest, made.features, FRONT)
    response.save(tmp_path / "response.npz")
    simulation = SimulationSettings(DatasetSettings(part="train"), response=str(tmp_path / "response.npz"))
    settings = TrainingSettings(simulation=simulation)
    _, known = read_features(FeatureCache(made.features, FRONT), read_manifest(made.manifest))
    other = FeatureSequence(known[0].values + 1, known[0].times, FRONT)
    assert load_people_response(TrainingSettings(), FRONT) is None
    read = load_people_response(settings, FRONT)
    assert read is not None
    assert read.fingerprints == response.fingerprints
    refuse_fitted(read, [other])
    refuse_fitted(None, known)
    with pytest.raises(DataError, match="was fitted on clips that folds hold out; fit it on other people"):
        refuse_fitted(read, [other, known[3]])
    (tmp_path / "response.npz").write_bytes(b"junk")
    with pytest.raises(DataError, match="wasn't written"):
        load_people_response(settings, FRONT)


def test_the_command_fits_and_says_how_well(tmp_path: Path) -> None:
    frontend_id = load_extractor("face-mesh", Models.shipped()).frontend_id
    made = make_set(tmp_path, frontend_id, people=4, clips=8)
    arguments = ["train", "response", str(made.manifest), "--features", str(made.features), "--out"]
    result = CliRunner().invoke(app, [*arguments, str(tmp_path / "response.npz")])
    assert result.exit_code == 0, result.output
    assert "Fitted on 32 clips of 4 people" in result.stdout
    assert load_response(tmp_path / "response.npz", frontend_id).own.shape == (4, CAUSES, FEATURES)
    told = json.loads(CliRunner().invoke(app, [*arguments, str(tmp_path / "again.npz"), "--json"]).stdout)
    assert told["clips"] == 32
    assert 0.5 < told["of_new_people"] < 1
    nowhere = CliRunner().invoke(app, [*arguments, str(tmp_path / "no/where.npz")])
    assert isinstance(nowhere.exception, WriteError)
