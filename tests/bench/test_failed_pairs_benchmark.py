"""What benchmarks/failed_pairs.py counts, and which pairs it shows, on people whose takes are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from failed_pairs import figures, parts_of
from failed_pairs_page import page, strip_of
from judged_pairs import Judged, best_row, explain
from paper_figures import WANTED, choose

from facemotion.data.manifest import Manifest
from facemotion.errors import DataError
from facemotion.synth.sets.truth import Truth
from facemotion.types import ClipKind, ClipRecord, FeatureSequence

FRAMES = 40
TAKES = 3


def truth(size: float, flags: tuple[str, ...], frames: slice = slice(5, 35)) -> Truth:
    """A face that moves one weight up and down, in some of the frames."""
    weights = np.zeros((FRAMES, 2), np.float32)
    moving = np.arange(FRAMES)[frames]
    weights[moving, 0] = size * np.sin(np.linspace(0.1, np.pi - 0.1, len(moving)))
    phase = np.zeros(FRAMES, np.uint8)
    phase[moving] = 2
    nothing = np.zeros((FRAMES, 68, 2), np.float32)
    return Truth(np.arange(FRAMES) / 25, nothing, weights, np.zeros((FRAMES, 3), np.float32), phase, flags)


@pytest.fixture(scope="module")
def judged() -> Judged:
    """One person with two motions of three takes: the first take of the first has another intensity and fails, and the
    second motion is a flash that passes for another flash."""
    records, truths, angles = [], [], []
    for motion in ("fm1", "fm2", "fm3"):
        for take in range(TAKES):
            weak, flash = motion == "fm1" and take == 0, motion != "fm1"
            records.append(ClipRecord(f"clips/s1/{motion}-{take}.mp4", "s1", motion, ClipKind.FACIAL, take, 1))
            flags = ("intensity",) * weak + ("flash",) * flash
            truths.append(truth(0.4 if weak else 1.0, flags, slice(15, 22) if flash else slice(5, 35)))
            angles.append({"fm1": 0.0, "fm2": 2.0, "fm3": 2.1}[motion] + (1.3 if weak else 0.01 * take))
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    programs = {"fm1": "look_left@0.5", "fm2": "brow_raise", "fm3": "wink_left > smile"}
    clips = Manifest(Path(), tuple(records), programs)
    # The features see one motion in every clip, so by them no pair differs.
    alike = truth(1.0, ()).weights
    sequences = [FeatureSequence(alike + 0.001 * k, truths[0].times, "front") for k in range(len(records))]
    return explain("sfe-l, contrastive, trimmed", vectors, clips, truths, sequences, threshold=0.9)


def test_failed_pairs_are_counted_by_what_went_wrong_on_purpose(judged: Judged) -> None:
    told = figures(judged)
    assert (told["genuine"], told["impostor"]) == (3 * 3, 3 * 9)
    assert told["false rejects by fault"] == {
        "none": {"pairs": 1, "failed": 0},
        "flash": {"pairs": 6, "failed": 0},
        "intensity": {"pairs": 2, "failed": 2},
    }
    assert told["false accepts by flash"] == [
        {"pairs": 0, "failed": 0},
        {"pairs": 18, "failed": 0},
        {"pairs": 9, "failed": 9},
    ]
    assert told["known"]["flash"] == {"failed": 9, "by features": 0, "by weights": 9}
    assert told["known"]["intensity"] == {"failed": 2, "by features": 0, "by weights": 2}
    assert told["categories"] == {"alike motions": 9, "other false reject": 2}
    assert told["by part"]["gaze alone"]["genuine"] == {"pairs": 3, "failed": 2}
    assert told["failures of the worst tenth of the people"] == 11


def test_the_page_has_every_count(judged: Judged) -> None:
    text = page(figures(judged), {"failures_accepts.jpg": [("alike motions", judged.failures[0])]})
    for words in (
        "9 of 27 impostor trials were accepted (FMR 0.333)",
        "| flash motions | 0 | 0% of false accepts | 9 | 100% of false accepts |",
        "hold 100.0% of the false accepts and 100.0% of the false rejects; by the features, 0.0% of the false accepts",
        "| intensity in one take or both | 2 | 2 | 1.000 |",
        "| two | 9 | 9 | 1.000 |",
        "| flash | 9 | 0 | 9 |",
        "| brows alone | 1 | 0.000 | 3 | 0.500 | 18 |",
        "(../images/results/failures_accepts.jpg)",
    ):
        assert words in text
    assert "failures_rejects.jpg" not in text


def test_the_pair_shown_is_one_that_went_wrong_on_purpose_if_any_fails(judged: Judged) -> None:
    chosen = {wanted.number: choose(judged, wanted) for wanted in WANTED}
    flash, how = chosen[5]
    assert flash is not None
    assert judged.failures[flash].score == max(own.score for own in judged.failures if own.accepted)
    assert how.startswith("In 9 failed pairs both takes are of this sort on purpose.")
    larger = chosen[7][0]
    assert larger is not None
    assert 0 in (judged.failures[larger].first, judged.failures[larger].second)
    assert chosen[6][0] is None
    assert chosen[8][0] is None


def test_a_strip_shows_the_ends_and_the_liveliest_between(judged: Judged) -> None:
    class Times:
        """In place of films: a frame is as bright as it is late."""

        def at(self, record: ClipRecord, moments: np.ndarray) -> list[np.ndarray]:
            return [np.full((2, 2, 3), round(25 * moment), np.uint8) for moment in moments]

    strip = strip_of(judged, Times(), 1, 4)
    shown = strip[0, ::2, 0].tolist()
    assert (shown[0], shown[-1]) == (0, FRAMES - 1)
    assert shown[1:3] == [19, 20]  # the middle of the motion is the end of its first half, and the start of its second


def test_parts_of_a_motion_are_told_by_its_poses() -> None:
    assert parts_of("look_left@0.5 > look_up") == "gaze alone"
    assert parts_of("wink_left") == "eyes alone"
    assert parts_of("wink_left > look_up") == "several parts"


def test_the_best_row_is_that_of_the_highest_precision_on_facial_motions(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no tables.json"):
        best_row(tmp_path)

    def row(name: str, kind: str, value: float) -> dict[str, object]:
        return {"run": name, "tested on": kind, "within-subject": {"mean": {"average_precision": value}}}

    rows = [row("lips", "lip", 0.9), row("worse", "facial", 0.5), row("better", "facial", 0.8), row("dtw", "facial", 1)]
    tables = {key: [] for key in ("table 2", "features", "networks", "ours")} | {"table 1": rows}
    (tmp_path / "tables.json").write_text(json.dumps(tables))
    with pytest.raises(DataError, match="no trained row"):
        best_row(tmp_path)
    for name in ("worse", "better"):
        (tmp_path / "runs" / name / "fold-0").mkdir(parents=True)
        (tmp_path / "runs" / name / "fold-0" / "config.toml").touch()
    assert best_row(tmp_path) == "better"
