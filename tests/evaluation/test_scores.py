import json
from pathlib import Path

import numpy as np
import pytest

from facemotion.errors import DataError
from facemotion.evaluation.report import make_report
from facemotion.evaluation.scores import read_scores, write_scores
from facemotion.evaluation.trials import score_pairs
from facemotion.types import ClipKind, ClipRecord, ScoredTrials


@pytest.fixture
def trials() -> ScoredTrials:
    rng = np.random.default_rng(0)
    records = [
        ClipRecord(f"{s}{m}{k}", f"s{s}", f"m{m}", ClipKind.FACIAL, k, 1)
        for s in range(3)
        for m in range(3)
        for k in range(4)
    ]
    vectors = rng.normal(size=(len(records), 8)) + np.repeat(3 * rng.normal(size=(9, 8)), 4, axis=0)
    return score_pairs((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), records)


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
def test_a_score_file_is_read_back_exactly(tmp_path: Path, trials: ScoredTrials, suffix: str) -> None:
    path = tmp_path / f"scores{suffix}"
    write_scores(path, trials)
    again = read_scores(path)
    for name in ("scores", "labels", "kinds", "subjects", "motions"):
        np.testing.assert_array_equal(getattr(again, name), getattr(trials, name))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("scores.txt", b"", "ends in .npz or .csv"),
        ("scores.npz", b"text", "not a score file"),
        ("scores.npz", b"", "not a score file"),
        ("scores.csv", b"score,kind\n", "lacks the column 'subject_a'"),
        ("scores.csv", b"score,kind,subject_a,subject_b,motion_a,motion_b\n.5,friend,0,0,0,0\n", "not a score file"),
        ("scores.csv", b"score,kind,subject_a,subject_b,motion_a,motion_b\nnan,genuine,0,0,0,0\n", "must be finite"),
        (
            "scores.csv",
            b"score,kind,subject_a,subject_b,motion_a,motion_b\n.5,mimic,0,1,0,1\n.5,genuine,0,0,0,1\n",
            "trial 2 is called 'genuine', but by its numbers it is of one person and two motions",
        ),
        (
            "scores.csv",
            b"score,kind,subject_a,subject_b,motion_a,motion_b\n.5,mimic,1,1,0,1\n",
            "trial 1 is called 'mimic', but by its numbers it is of one person and two motions",
        ),
    ],
)
def test_what_is_not_a_score_file(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_scores(tmp_path / name)


def test_a_flipped_byte_is_told_or_harmless(tmp_path: Path, trials: ScoredTrials) -> None:
    write_scores(tmp_path / "scores.npz", trials)
    whole = (tmp_path / "scores.npz").read_bytes()
    told = 0
    for place in range(0, len(whole), 7):
        (tmp_path / "flipped.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            read_scores(tmp_path / "flipped.npz")
        except DataError:
            told += 1
    assert told > 50


def test_a_kind_that_there_is_not(tmp_path: Path) -> None:
    sides = np.zeros((1, 2), np.int32)
    for kind in (np.int64(-1), np.float64(0.5)):
        labels, path = np.array([False]), tmp_path / "odd.npz"
        np.savez(path, scores=np.zeros(1, np.float32), labels=labels, kinds=[kind], subjects=sides, motions=sides)
        with pytest.raises(DataError, match="kinds must be"):
            read_scores(path)
    with pytest.raises(ValueError, match="kinds must be below"):
        ScoredTrials(np.zeros(1, np.float32), np.array([False]), np.array([99], np.uint8), sides, sides)


def test_files_that_cannot_be_reached(tmp_path: Path, trials: ScoredTrials) -> None:
    with pytest.raises(DataError, match="Can't read"):
        read_scores(tmp_path / "none.npz")
    with pytest.raises(DataError, match="Can't write"):
        write_scores(tmp_path / "none" / "scores.npz", trials)
    with pytest.raises(DataError, match="ends in"):
        write_scores(tmp_path / "scores.json", trials)


def test_a_report_has_every_figure_and_refuses_what_it_cannot_know(trials: ScoredTrials) -> None:
    report = make_report(trials, fmrs=(0.1, 0.001), replicates=20)
    assert report.genuine == 9 * 6
    assert report.genuine + report.impostor == len(trials)
    assert (report.subjects, report.independent) == (3, 36)
    assert report.prevalence == pytest.approx(54 / 630)
    assert report.rates[0].fnmr is not None
    assert report.rates[1].fnmr is None
    assert "36 independent" in report.rates[1].reason
    assert set(report.kinds) == {"same person, other motion", "other person, other motion"}
    assert json.loads(json.dumps(report.to_json()))["figures"]["EER"]["unit"] == "subjects"
    assert not report.unmeasured


def test_a_kind_without_genuine_trials_beside_it_is_refused_alone() -> None:
    takes = {"wink": 1, "nod": 2, "pout": 2}  # a motion of one take has near misses, and nothing else
    records = [
        ClipRecord(f"{m}{k}", "ann", m, ClipKind.FACIAL, k, 1) for m, count in takes.items() for k in range(count)
    ]
    records += [
        ClipRecord(f"near{k}", "ann", "wink~near", ClipKind.NEAR_MISS, k, 1, near_miss_of="wink") for k in range(2)
    ]
    vectors = np.random.default_rng(0).normal(size=(len(records), 8)).astype(np.float32)
    report = make_report(score_pairs(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), records), (), 20)
    assert set(report.kinds) == {"same person, other motion"}
    assert report.unmeasured == {"near miss": "no genuine trial of the motions that it tries; they need two takes"}
