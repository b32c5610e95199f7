"""`facemotion bench real` on takes of simulated people: what it tells, and what it says that it can't."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from facemotion.bench.bench_page import markdown
from facemotion.bench.condition_figures import SAME_MOTION, ConditionFigures, Share, measure_conditions
from facemotion.bench.conditions import CONDITIONS, TIGHT, Condition
from facemotion.bench.real_clips import RealBench
from facemotion.bench.seen_clips import SeenClip, see_clips
from facemotion.cli import app
from facemotion.config import Settings
from facemotion.data.cache import SightingCache
from facemotion.data.manifest import Manifest, write_manifest
from facemotion.data.take_folders import read_clips
from facemotion.evaluation.measures import curve, equal_error_rate
from facemotion.evaluation.trials import matrix_trials
from facemotion.frontend import Frontend
from facemotion.frontend.sighting import check_take
from facemotion.media import load_clip
from facemotion.signals import dtw_scores, resample
from facemotion.types import ClipKind, ClipRecord
from facemotion.verifier import Verifier

SAMPLES = Path(__file__).parents[2] / "src" / "facemotion" / "samples"
REST = CONDITIONS[1]
NO_CLIP = b"no clip"
FRAMES = 32  # of each take, to read less


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encode: Callable[..., bytes]) -> Path:
    """The beginnings of four takes by two people, laid out in folders; one of them twice, and a file of words."""
    root = tmp_path_factory.mktemp("takes")
    for source, target in (
        ("anna-wink-pout-1", "anna/wink/1"),
        ("anna-wink-pout-2", "anna/wink/2"),
        ("anna-wink-pout-2", "anna/wink/3"),
        ("anna-brows-smile-1", "anna/brows/1"),
        ("ben-wink-pout-1", "ben/wink/1"),
    ):
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        take = load_clip(SAMPLES / f"{source}.mp4")
        (root / f"{target}.mp4").write_bytes(encode(take.frames[:FRAMES], take.times[:FRAMES]))
    (root / "ben" / "wink" / "2.mp4").write_bytes(NO_CLIP)
    return root


@pytest.fixture(scope="module")
def verifier() -> Verifier:
    return Verifier.load(Settings())


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, verifier: Verifier) -> SightingCache:
    frontend_id = verifier.frontend.extractor.frontend_id
    return SightingCache(tmp_path_factory.mktemp("cache"), frontend_id, Settings())


@pytest.fixture(scope="module")
def seen(folder: Path, cache: SightingCache) -> list[SeenClip]:
    return list(see_clips(read_clips(folder), Settings(), cache))


@pytest.fixture(scope="module")
def takes(seen: list[SeenClip]) -> list[SeenClip]:
    """Four takes each of three motions of two people, by noise on what was seen."""
    rng, made = np.random.default_rng(0), []
    for clip in (one for one in seen if one.sighting is not None):
        if clip.record.repetition:
            continue
        for number in range(4):
            noise = 0.002 * rng.normal(size=clip.sighting.values.shape).astype(np.float32)
            sighting = replace(clip.sighting, values=clip.sighting.values + noise)
            record = replace(clip.record, path=f"{clip.record.path} {number}", repetition=number)
            made.append(SeenClip(record, f"{len(made):064x}", sighting))
    return made


def no_more_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is a clip must come from the cache."""
    read = Frontend.watch

    def watch(frontend: Frontend, clip: Path) -> object:
        assert clip.read_bytes() == NO_CLIP, f"{clip} was read again"
        return read(frontend, clip)

    monkeypatch.setattr(Frontend, "watch", watch)


@pytest.mark.long
def test_clips_that_cant_be_read_are_told_and_the_others_are_seen(seen):
    faults = {clip.record.path: clip.fault for clip in seen}
    assert faults["anna/wink/3.mp4"] == "It is the same recording as anna/wink/2.mp4; keep one."
    assert faults["ben/wink/2.mp4"].startswith("This isn't a video that can be read")
    assert [clip.record.path for clip in seen if clip.sighting is not None] == [
        "anna/brows/1.mp4",
        "anna/wink/1.mp4",
        "anna/wink/2.mp4",
        "ben/wink/1.mp4",
    ]


def test_what_was_seen_before_an_interruption_isnt_read_again(folder, seen, cache, monkeypatch, tmp_path):
    no_more_reading(monkeypatch)
    again = list(see_clips(read_clips(folder), Settings(), cache))
    for one, other in zip(seen, again, strict=True):
        assert (one.digest, one.fault) == (other.digest, other.fault)
    monkeypatch.undo()
    fresh = replace(cache, folder=tmp_path / "cache")
    work = see_clips(read_clips(folder), Settings(), fresh)
    next(work)
    work.close()
    assert len(list(fresh.folder.rglob("*.npz"))) == 1


def test_a_missing_clip_and_marks_beyond_the_end_are_told(folder, cache):
    manifest = read_clips(folder)
    here = replace(manifest.records[0], span=(30.0, 31.0))
    away = replace(manifest.records[1], path="gone.mp4")
    far, gone = see_clips(Manifest(folder, (here, away)), Settings(), cache)
    assert "marked from 30 s on" in far.fault
    assert far.sighting is None
    assert gone.fault == "It can't be read: No such file or directory."


def test_figures_are_those_of_a_plain_count_over_all_pairs(takes, verifier):
    (found,) = measure_conditions(takes, verifier, [TIGHT], replicates=10)
    features = [check_take(clip.sighting, verifier.frontend.extractor, Settings()).features for clip in takes]
    judged = [verifier.encoder(own) for own in features]
    cosine = np.array([[a.cosine(b) for b in judged] for a in judged])
    labels = [(clip.record.subject, clip.record.motion) for clip in takes]
    threshold = verifier.point.threshold
    wrong: dict[str, list[bool]] = {}
    for i, one in enumerate(labels):
        for j, other in enumerate(labels[:i]):
            kind = (
                "genuine"
                if one == other
                else "same person, other motion"
                if one[0] == other[0]
                else SAME_MOTION
                if one[1] == other[1]
                else "other person, other motion"
            )
            wrong.setdefault(kind, []).append((cosine[i, j] >= threshold) != (one == other))
    counts = {kind: Share(sum(own), len(own)) for kind, own in wrong.items()}
    assert found.fnmr[1] == counts.pop("genuine")
    assert found.fmr == counts
    assert found.fnmr[3].trials == 3 * 4, "each three takes that follow each other round are tried by the fourth"
    assert found.missing == {}
    assert (found.clips, found.refused, found.subjects) == (12, {}, 2)
    assert found.kept.median == pytest.approx(1, abs=1e-5)
    sequences = [resample(own.values, own.times) for own in features]
    warped = equal_error_rate(curve(matrix_trials(dtw_scores(sequences), [clip.record for clip in takes])))[0]
    assert found.warping == warped
    assert found.eer.unit == "subjects"


def test_refusals_carry_the_name_that_the_user_gets_and_are_no_trials(takes, verifier):
    still = [
        replace(clip, sighting=clip.sighting.select(np.zeros(len(clip.sighting), int), clip.sighting.times))
        for clip in takes[:3]
    ]
    nobody = replace(takes[3], sighting=replace(takes[3].sighting, found=np.zeros(len(takes[3].sighting), bool)))
    (found,) = measure_conditions([*still, nobody, *takes[4:]], verifier, [REST], warping=False, replicates=10)
    assert found.refused == {"NoMotionError": 3, "NoFaceError": 1}
    assert found.clips == 12
    assert found.fnmr[1].trials == 2 * 6
    assert (found.warping, found.ratio) == (None, None)


def test_slow_cameras_are_refused_by_name(takes, verifier):
    (found,) = measure_conditions(takes, verifier, [Condition("5/s", 0.5, 5)], replicates=10)
    assert found.refused == {"TooFewFramesError": 12}
    assert found.missing == {"figures": "0 of the clips passed, and a trial needs two"}
    assert found.kept is None


def test_real_rest_is_that_of_recordings_whose_motion_is_marked(takes, verifier):
    marked = [replace(clip, record=replace(clip.record, span=(0.3, 1.0))) for clip in takes[:4]]
    tight, whole = measure_conditions([*marked, *takes[4:]], verifier, [TIGHT, CONDITIONS[3]], replicates=10)
    assert (tight.clips, whole.clips) == (12, 4)
    assert whole.kept.median < 0.9999
    bench = RealBench.of([*marked, *takes[4:]], verifier, (tight, whole))
    assert bench.marked == 4
    assert "the whole recordings of the 4 clips" in markdown(bench)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["bench", "real", *map(str, arguments)], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.stdout


def test_the_command_tells_what_few_clips_allow_and_names_the_rest(folder, seen, cache, monkeypatch, tmp_path):
    no_more_reading(monkeypatch)
    page = tmp_path / "bench.md"
    told = run(folder, "--cache", cache.folder, "--replicates", 10, "--write", page)
    assert "0.5 s of rest, 10/s" in told
    assert "6 clips, 3 motions, 2 people." in told
    assert "2 of 6 clips couldn't be read:" in told
    assert "anna/wink/3.mp4: It is the same recording as anna/wink/2.mp4" in told
    assert "Missing: FNMR with 3 takes: A template of 3 takes needs a motion of 4 takes or more" in told
    assert "Not measured: real rest. No clip has a marked motion." in told
    text = page.read_text("utf-8")
    assert "| tight | 4 | 0.0% (0/4) |" in text
    assert "Time warping isn't trained" in text
    assert "warping" not in run(folder, "--cache", cache.folder, "--replicates", 10, "--no-warping")
    assert "| FNMR, 1 take |" in text, "and no column for three takes, which nobody made"
    plain = json.loads(run(folder, "--cache", cache.folder, "--replicates", 10, "--no-warping", "--json"))
    assert [own["condition"] for own in plain["conditions"]] == [condition.name for condition in CONDITIONS]
    first = plain["conditions"][0]
    assert first["fnmr"]["1"]["trials"] == 1
    assert first["fmr"][SAME_MOTION]["trials"] == 2
    assert first["warping"] is None
    assert set(plain["unread"]) == {"anna/wink/3.mp4", "ben/wink/2.mp4"}


def test_a_split_of_a_manifest_is_measured_alone(folder, seen, cache, monkeypatch):
    no_more_reading(monkeypatch)
    one, other = (
        ClipRecord(f"anna/wink/{number}.mp4", "anna", "wink", ClipKind.FACIAL, number, 1, split)
        for number, split in ((1, "test"), (2, "train"))
    )
    write_manifest(folder / "some.csv", [one, other])
    plain = json.loads(run(folder / "some.csv", "--split", "test", "--cache", cache.folder, "--json"))
    assert plain["clips"] == 1
    assert plain["conditions"][0]["missing"] == {"figures": "1 of the clips passed, and a trial needs two"}
    (folder / "some.csv").unlink()


def test_many_clips_that_cant_be_read_are_counted(seen, verifier):
    lost = [
        replace(seen[0], record=replace(seen[0].record, path=f"{n}.mp4"), sighting=None, fault="x") for n in range(20)
    ]
    text = markdown(RealBench.of(lost, verifier, [ConditionFigures("tight")]))
    assert "20 of 20 clips couldn't be read:" in text
    assert "and 8 more." in text
    assert "Nothing was measured: no clip could be read." in text
    assert "Not measured" not in text
    assert "|" not in text, "no table without a row"
