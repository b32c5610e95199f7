"""Recordings that are sent again after somebody changed them, and takes that only look alike."""

from __future__ import annotations

import io
import itertools
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from PIL import Image

import facemotion as fm
from facemotion.media import load_clip
from facemotion.service.migrate import open_database
from facemotion.service.replays.comparison import Comparison, compare
from facemotion.service.replays.courses import NONCE_BYTES, Secret, course_of
from facemotion.service.replays.directions import Directions, filtered, placed
from facemotion.service.replays.likeness import FINE, REACH, agreements, likenesses, movement, whitening
from facemotion.service.replays.recording import Recording, record
from facemotion.service.replays.surface import CHANGES, SurfaceReader
from facemotion.service.replays.warping import warped_likenesses
from facemotion.service.settings import ReplaySettings
from facemotion.signals import resample
from facemotion.types import FeatureSequence

from .recordings_seen import remembered

SAMPLES = Path(fm.__file__).parent / "samples"
SECRET = Secret.derive(b"k" * 32)
NO_LOOK = {f"surface_{name}likeness": 1.0 for name in ("", "piece_", "joined_", "warped_")}
NO_PIECES = {"piece_likeness": 1.0, "joined_likeness": 1.0, "found_share": 1.0, "warped_likeness": 1.0}
BY_LIKENESS = ReplaySettings(motion_ratio=0.0, **NO_PIECES, **NO_LOOK)
BY_MOTION = ReplaySettings(likeness=1.0, **NO_PIECES, **NO_LOOK)


def part(name: str, changed: bool = False) -> bytes:
    """1.2 s of a sample clip; compressed hard, cropped, scaled down, brightened, cut and slowed where it is changed."""
    clip, out = load_clip(SAMPLES / name), io.BytesIO()
    chosen = np.flatnonzero((clip.times > 1.2 + 0.12 * changed) & (clip.times < 2.4))
    with av.open(out, "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=25)
        video.options = {"crf": "32" if changed else "18", "preset": "ultrafast", "threads": "1"}
        video.width, video.height, video.pix_fmt = (208, 160, "yuv420p") if changed else (320, 240, "yuv420p")
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        for number in chosen:
            image = Image.fromarray(clip.frames[number])
            if changed:
                image = image.crop((20, 10, 300, 225)).resize((208, 160)).point(lambda value: min(255, value + 25))
            frame = av.VideoFrame.from_image(image).reformat(format="yuv420p")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(1000 * (1.04 if changed else 1) * (clip.times[number] - clip.times[chosen[0]]))
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return out.getvalue()


@pytest.fixture(scope="module")
def taken() -> dict[str, Recording]:
    """A recording, the same one changed, and another take of the motion."""
    frontend = fm.Verifier.load(fm.Settings()).frontend
    clips = {
        "original": part("anna-wink-pout-1.mp4"),
        "changed": part("anna-wink-pout-1.mp4", changed=True),
        "another take": part("anna-wink-pout-2.mp4"),
    }
    return {name: record(frontend, clip, SECRET.digest_key, False, 60) for name, clip in clips.items()}


def arranged(parts: list[tuple[Recording, list[int]]]) -> Recording:
    """Frames of recordings put one after another at 25 a second, as the front end sees them: landmarks tremble."""
    random = np.random.default_rng(0)
    points = np.concatenate([recording.points[frames] for recording, frames in parts])
    values = np.concatenate([recording.acquisition.features.values[frames] for recording, frames in parts])
    times = np.arange(len(points)) / 25
    first = parts[0][0]
    features = FeatureSequence(values, times, first.acquisition.features.frontend_id)
    trembling = (points + random.normal(0, 0.1, points.shape)).astype(np.float32)
    surface = np.concatenate([recording.surface[frames] for recording, frames in parts])
    surface = (surface + random.normal(0, 0.02, surface.shape)).astype(np.float32)
    acquisition = replace(first.acquisition, features=features)
    return replace(first, acquisition=acquisition, frame_digests=(), times=times, points=trembling, surface=surface)


def test_a_recording_is_known_again_whatever_was_done_to_it(tmp_path, taken):
    with remembered(tmp_path, ReplaySettings(), taken["original"]) as memory:
        assert memory.look("alice", taken["changed"]).seen
        assert not memory.look("alice", taken["another take"]).seen
        assert memory.same(taken["original"], taken["changed"])
        assert not memory.same(taken["original"], taken["another take"])


def test_pauses_and_cuts_hide_no_recording(tmp_path, taken):
    """The fault before: a pause of half a second moves the rest away from where the whole would fit."""
    original, other = taken["original"], taken["another take"]
    count = len(original.points)
    third, half, held = count // 3, count // 2, [-1, -2, -3] * 4
    begin, middle, end = range(third), range(third, 2 * third), range(2 * third, count)
    paused = [*begin, *(third + step for step in held), *middle, *(2 * third + step for step in held), *end]
    cut = [*range(half - 2), *range(half + 2, count)]
    with remembered(tmp_path, ReplaySettings(), original) as memory:
        for frames in (paused, cut):
            assert memory.look("alice", arranged([(original, frames)])).seen
            assert not memory.look("alice", arranged([(other, [min(f, len(other.points) - 1) for f in frames])])).seen


def test_a_clock_that_runs_ahead_and_behind_hides_no_recording(tmp_path, taken):
    """The fault before: no piece of a recording keeps its pace, so none of it was found."""
    original, other = taken["original"], taken["another take"]
    moments = np.arange(len(original.points))
    wobbling = np.rint(moments + 2.5 * np.sin(2 * np.pi * 1.5 / 25 * moments)).clip(0, moments[-1]).astype(int)
    warped_alone = ReplaySettings(likeness=1.0, **NO_PIECES | {"warped_likeness": 0.78}, **NO_LOOK, motion_ratio=0.0)
    with remembered(tmp_path, warped_alone, original) as memory:
        assert memory.look("alice", arranged([(original, wobbling.tolist())])).seen
        assert not memory.look("alice", arranged([(other, wobbling.clip(0, len(other.points) - 1).tolist())])).seen


def test_a_recording_put_together_of_two_is_known(tmp_path, taken):
    """Neither of them holds most of it, and one of them may only come while the other is looked at."""
    recordings = (taken["original"], taken["another take"])
    there, back = [*range(24)], [*reversed(range(24))]
    first, second = (arranged([(recording, there + back)]) for recording in recordings)
    spliced = arranged([(first, [*range(24)]), (second, [*range(24, 48)])])
    with remembered(tmp_path, ReplaySettings(**NO_PIECES | {"found_share": 0.75}, **NO_LOOK), first) as memory:
        before = memory.look("alice", spliced)
        assert not before.seen
        with open_database(tmp_path / "store.db") as database, database.write() as connection:
            memory.keep(connection, "alice", "attempt", second)
        assert memory.look("alice", spliced, before).seen
        assert memory.look("alice", spliced).seen


def test_halves_of_two_recordings_are_known(tmp_path, taken):
    """The fault before: of a second too little lies in one recording, and pieces of 0.6 s hardly fit into a half."""
    recordings = [arranged([(taken[name], [*range(24)])]) for name in ("original", "another take")]
    halves = arranged([(recordings[0], [*range(12)]), (recordings[1], [*range(12, 24)])])
    with remembered(tmp_path, ReplaySettings(), recordings[0]) as memory:
        assert not memory.look("alice", halves).seen
        assert not memory.look("alice", recordings[1]).seen
        with open_database(tmp_path / "store.db") as database, database.write() as connection:
            memory.keep(connection, "alice", "accepted", recordings[1])
        assert memory.look("alice", halves).seen


def test_what_was_changed_so_much_is_known_by_its_likeness_alone(tmp_path, taken):
    """The fault before: features of a hard compression lie farther from their original than MOTION_RATIO allows."""
    for settings, seen in ((BY_MOTION, False), (BY_LIKENESS, True)):
        (folder := tmp_path / str(seen)).mkdir()
        with remembered(folder, settings, taken["original"]) as memory:
            assert memory.look("alice", taken["changed"]).seen == seen


def test_rows_of_earlier_versions_are_compared_as_they_were(tmp_path, taken, monkeypatch):
    """They hold the course of the features alone, encrypted for the user's name alone."""
    recording = replace(taken["original"])  # whose courses aren't made yet
    with ExitStack() as stack:
        with monkeypatch.context() as patch:
            for kind in (Directions, SurfaceReader):
                patch.setattr(kind, "packaged", lambda _: None)  # what a version before wrote, to the byte
            memory = stack.enter_context(remembered(tmp_path, ReplaySettings(), recording))
        with open_database(tmp_path / "store.db") as database, database.read() as connection:
            sealed = connection.exec_driver_sql("SELECT motion FROM facemotion_service_recordings").scalar_one()
        plain = AESGCM(SECRET.motions).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], b"alice")
        features = recording.acquisition.features
        assert len(plain) == 2 * 32 * len(resample(features.values, features.times))
        assert memory.look("alice", replace(recording, frame_digests=())).seen
        assert not memory.look("alice", taken["another take"]).seen


def test_another_front_end_is_compared_by_its_features_alone(tmp_path, taken):
    recording = taken["original"]
    features = recording.acquisition.features
    other = FeatureSequence(features.values, features.times, "another front end")
    recording = replace(recording, acquisition=replace(recording.acquisition, features=other))
    with remembered(tmp_path, ReplaySettings(), recording) as memory:
        assert memory.look("alice", replace(recording, frame_digests=())).seen
        assert not memory.look("alice", taken["changed"]).seen  # of the default front end: nothing to compare


def test_what_is_kept_is_turned_and_small(taken):
    """Who decrypts rows without the turn's secret can't compare them with a recording of their own."""
    recording = taken["original"]
    features = recording.acquisition.features
    directions, looks = (kind.packaged(features.frontend_id) for kind in (Directions, SurfaceReader))
    kept = [course_of(recording, Secret.derive(key * 32)) for key in (b"k", b"n")]
    changes, by_frame = looks.courses(recording.surface, features.times)
    for plain, (first, second), count in (
        (directions.courses(recording.points, features.times)[0], [one.placed for one in kept], 6),
        (changes[0], [one.surface for one in kept], CHANGES),
        (by_frame[0], [one.looks for one in kept], looks.dimension - CHANGES),
    ):
        assert likenesses(plain, [first, second]).max() < 0.5
        assert np.allclose(first @ first.T, plain @ plain.T, atol=1e-2 * np.square(plain).sum(axis=1).max())
        assert plain.shape[1] == count


def test_likeness_is_the_largest_correlation_over_offsets_and_paces():
    """Held to a plain loop over what may be compared."""
    random = np.random.default_rng(0)
    course = (50 * random.normal(size=(40, 3))).cumsum(axis=0).astype(np.float32)
    for begin, end in ((0, 40), (5, 40), (0, 31)):
        assert likenesses(course, [course[begin:end]])[0] == pytest.approx(1, abs=1e-4)
    times = np.arange(40) / 25
    for pace in (1 - REACH, 1 + REACH):
        assert likenesses(course, [resample(course, times * pace)])[0] > 0.95
    other = (50 * random.normal(size=(36, 3))).cumsum(axis=0).astype(np.float32)
    [found] = likenesses(course, [other])
    whitened = np.linalg.inv(np.linalg.cholesky(np.cov(course.T, bias=True) + 10 * np.eye(3))).T
    best = -1.0
    for offset in range(-9, 14):  # at the pace as it is; others reach a little more
        mine = course[max(0, offset) : 36 + offset] @ whitened
        theirs = other[max(0, -offset) :][: len(mine)] @ whitened
        if len(theirs) >= 27:
            mine, theirs = mine[: len(theirs)] - mine[: len(theirs)].mean(axis=0), theirs - theirs.mean(axis=0)
            best = max(best, float((mine * theirs).sum() / np.sqrt((mine**2).sum() * (theirs**2).sum())))
    assert best - 1e-3 <= found < best + 0.1


def test_a_large_simple_motion_is_not_all_that_counts():
    """Two takes of one smile, repeated closely, by a head that sways as it likes."""
    random = np.random.default_rng(1)
    smile = np.zeros((50, 6))
    smile[:, 0] = 300 * np.sin(np.pi * np.arange(50) / 49)
    takes = [(smile + 8 * random.normal(size=(50, 6)).cumsum(axis=0)).astype(np.float32) for _ in range(8)]
    table = np.array([likenesses(take, takes) for take in takes])[~np.eye(8, dtype=bool)]
    assert table.max() < ReplaySettings().likeness
    again = (takes[0] + random.normal(size=(50, 6))).astype(np.float32)  # what coding does
    assert likenesses(again, takes[:1])[0] > ReplaySettings().likeness


def test_pieces_of_a_replay_are_found_among_many_other_recordings():
    """Only the closest recordings are looked at frame by frame; pieces that begin anywhere show which these are."""
    random = np.random.default_rng(5)
    ones = [(9 * random.normal(size=(90, 3))).cumsum(axis=0).astype(np.float32) for _ in range(60)]
    held = np.repeat(ones[41][37:38], 12, axis=0)
    paused = filtered(np.concatenate([ones[41][4:37], held, ones[41][37:80]]))
    found = compare((paused, paused), [filtered(one) for one in ones])
    assert found.pieces.argmax() == 41
    assert found.pieces[41] == pytest.approx(compare((paused, paused), [filtered(ones[41])]).pieces[0], abs=1e-5)
    assert found.share > 0.8
    assert found.warped.argmax() == 41
    assert found.warped[41] == pytest.approx(warped_likenesses(paused, [filtered(ones[41])])[0], abs=1e-5)


def test_what_comes_closest_is_compared_by_all_frames():
    """Every second frame says which that are; the figures of these are those of a comparison with them alone."""
    random = np.random.default_rng(6)
    ones = [filtered((9 * random.normal(size=(90, 3))).cumsum(axis=0).astype(np.float32)) for _ in range(40)]
    probe = filtered(ones[17][3:83] + random.normal(0, 0.5, (80, 3)).astype(np.float32))
    found, alone = compare((probe, probe), ones), compare((probe, probe), [ones[17]])
    for measure in ("whole", "pieces", "warped"):
        values = getattr(found, measure)
        assert values.argmax() == 17
        assert values[17] == pytest.approx(getattr(alone, measure)[0], abs=1e-5)
    assert found.share == pytest.approx(alone.share)
    assert found.joined >= alone.joined - 1e-6


def test_agreement_is_the_best_of_each_piece_wherever_it_lies():
    """Held to a plain loop; a recording of another length comes before and after."""
    random = np.random.default_rng(4)
    course, other, third = ((9 * random.normal(size=(n, 3))).cumsum(axis=0).astype(np.float32) for n in (30, 26, 12))
    mixed = whitening(course)
    [found] = agreements(course, [third, other, third[:5]], 8)
    expected = np.zeros((3, 30))
    for number, earlier in enumerate((third, other)):
        for place in range(23):
            mine = course[place : place + 8] @ mixed
            mine = mine - mine.mean(axis=0)
            for start in range(len(earlier) - 7):
                theirs = earlier[start : start + 8] @ mixed
                theirs = theirs - theirs.mean(axis=0)
                agreed = 2 * (mine * theirs).sum() / ((mine**2).sum() + (theirs**2).sum())
                expected[number, place : place + 8] = np.maximum(expected[number, place : place + 8], agreed)
    assert np.allclose(found, expected, atol=1e-4)
    assert agreements(course, [course], 8)[0].min() == pytest.approx(1, abs=1e-4)


def test_a_warped_likeness_is_that_of_the_best_way_through_another_course():
    """Held to a plain loop, with recordings of several lengths beside it."""
    random = np.random.default_rng(8)
    course, other, third = ((9 * random.normal(size=(n, 3))).cumsum(axis=0).astype(np.float32) for n in (30, 26, 14))
    mixed = whitening(course)
    own = (course @ mixed)[::2]
    expected = []
    for earlier in (other, third):
        theirs = (earlier @ mixed)[::2]
        ways = []
        for frame in own:
            row = []
            for begin, end in itertools.pairwise(theirs):
                place = np.clip((frame - begin) @ (end - begin) / ((end - begin) @ (end - begin)), 0, 1)
                row.append(np.square(frame - begin - place * (end - begin)).sum())
            ways.append([here + min(ways[-1][: n + 1], default=0) if ways else here for n, here in enumerate(row)])
        expected.append(1 - min(ways[-1]) / np.square(own - own.mean(axis=0)).sum())
    found = warped_likenesses(course, [third, other, third[:5]])
    assert np.allclose(found, [expected[1], expected[0], 0], atol=1e-3)
    assert warped_likenesses(course[:5], [course]).tolist() == [0]
    assert warped_likenesses(course, [course], replace(FINE, thinned=0)).tolist() == [0]


def test_pauses_gaps_and_pace_leave_a_warped_likeness_high():
    random = np.random.default_rng(9)
    course, other = ((9 * random.normal(size=(80, 4))).cumsum(axis=0).astype(np.float32) for _ in range(2))
    frames = np.arange(80)
    for changed in (np.r_[frames[:30], [30] * 20, frames[30:]], frames[20:70], np.sort(random.choice(80, 120))):
        assert warped_likenesses(course[changed], [course])[0] > 0.9
        assert warped_likenesses(course[changed], [other])[0] < 0.6
    assert Comparison.nothing().warped.size == 0


def test_rest_is_no_part_of_the_movement():
    """Two faces at rest tremble alike; only what moves is looked for."""
    random = np.random.default_rng(5)
    course = random.normal(0, 0.5, (60, 6)).astype(np.float32)
    course[20:30] += (40 * random.normal(size=(10, 6))).cumsum(axis=0)
    course[30:] += course[29]
    share = movement(course)
    assert share.sum() == pytest.approx(1, abs=1e-4)
    assert share[18:32].sum() > 0.99
    assert movement(np.zeros((20, 6), np.float32)).sum() == 0
    still = [random.normal(0, 0.5, (60, 6)).astype(np.float32) for _ in range(3)]
    rest = compare((still[0], still[1]), [still[2]])
    assert rest.share == 0
    assert rest.pieces.max() < 0.8


def test_a_picture_that_is_held_in_two_takes_is_no_piece_of_both():
    """Their pieces have no energy, and the products of two no more than rounding: that isn't agreement."""
    random, walks = np.random.default_rng(7), []
    for _ in range(6):
        walk = (3 * random.normal(size=(75, 6))).cumsum(axis=0)
        walk[30:50] = walk[30]  # as of a camera that hangs for 0.8 s
        walks.append(filtered(walk.astype(np.float32)))
    seen = compare((walks[0], walks[1]), walks[2:])
    assert seen.share == 0
    assert seen.pieces.max() < 0.85
    assert max(agreed.max() for agreed in agreements(walks[0], walks[2:], 10, 15)) < 0.95


def test_what_stands_still_or_is_short_is_like_nothing():
    still, short = np.zeros((30, 6), np.float32), np.ones((5, 6), np.float32)
    moving = np.random.default_rng(2).normal(size=(30, 6)).astype(np.float32)
    assert likenesses(moving, [still, short]).tolist() == [-1, -1]
    assert likenesses(short, [moving]).tolist() == [-1]
    assert likenesses(moving, []).tolist() == []


def test_landmarks_are_placed_alike_in_any_size_crop_and_tilt():
    points = np.random.default_rng(3).uniform(50, 150, (12, 277, 2)).astype(np.float32)
    tilted = 0.7 * points @ np.array([[0.96, -0.28], [0.28, 0.96]], np.float32) + np.float32((30, -8))
    assert np.allclose(placed(points), placed(tilted.astype(np.float32)), atol=1e-4)
