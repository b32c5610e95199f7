"""A study: the page's clips become a folder of recordings, with consent, and nothing is kept without either."""

from __future__ import annotations

import csv
import json
import math
import os
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from tests.full_disks import fill_disk, make_full, needs_full_device, small_disk_at

from facemotion.config import MediaSettings
from facemotion.data.manifest import find_problems, read_manifest
from facemotion.errors import MediaLimitError, TimestampError, TooShortError, UnknownUserError
from facemotion.media import load_clip
from facemotion.recorder.recorded_clips import forget_clips, recording_alone
from facemotion.service.live.frames import read_clip
from facemotion.service.settings import ServiceSettings, StudySettings
from facemotion.service.studies import DRAFT_SECONDS
from facemotion.system.files import file_sha256

from .conftest import Server, running
from .live_client import Socket, jpeg, messages, visitor


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study") / "clips"


@pytest.fixture(scope="module")
def study(tmp_path_factory, session_environment, folder) -> Iterator[Server]:
    settings = ServiceSettings(study=StudySettings(folder=str(folder), motions=("talk", "own"), takes=1))
    with running(tmp_path_factory.mktemp("store") / "store.db", settings) as one:
        yield one


def invite(server: Server, user: str) -> tuple[str, dict]:
    """The id of a session, and what the page is told when it is opened."""
    made = server.call("POST", "/v1/sessions", "enrol", json={"user": user, "purpose": "study"})
    assert made.status_code == 201, made.text
    token = made.json()["address"].partition("#session=")[2]
    return made.json()["session"], server.call("POST", "/v1/page/open", "", json={"token": token}).json()


class Part(Socket):
    """One motion of a study, as the page records it."""

    def __init__(self, server: Server, page: dict, **more: int | str) -> None:
        nonce = server.call("POST", "/v1/page/nonce", "", json={"token": page["token"]}).json()["nonce"]
        hello = {"user": page["user"], "nonce": nonce, "purpose": "study", "consent": page["consent_sha256"]} | more
        super().__init__(server, page["user"], "study", nonce, hello=hello)


def test_takes_of_a_study_become_a_folder_that_calibrate_takes(study, folder, film):
    nobody = [jpeg(np.full((240, 320, 3), 90, np.uint8), 100 + k / 25) for k in range(15)]
    session, page = invite(study, "p01")
    assert (page["purpose"], "The clips show your face" in page["consent"]) == ("study", True)
    with Part(study, page) as socket:
        first = socket.hear()
        assert first == {"motion": "talk", "take": 1, "takes": 1, "kept": 0, "of": 2}
        socket.take(nobody)  # the take is made again
        socket.say("done")
        assert socket.hear()["error"] == "NoFaceError"
        socket.take(messages(film("talk", 40)))
        socket.say("done")
        assert socket.until("motion", "error") == first | {"motion": "own", "kept": 1}
    assert study.call("GET", f"/v1/sessions/{session}", "enrol").json()["result"] is None
    with Part(study, page) as socket:
        assert socket.hear()["motion"] == "own"
        socket.take(messages(film("brow", 41)))
        socket.say("done")
        assert socket.until("kept", "error")["motion"] == ""
    assert study.call("GET", f"/v1/sessions/{session}", "enrol").json()["result"]["reason"] == "accepted"
    manifest = read_manifest(folder / "manifest.csv")
    assert [(one.subject, one.motion, one.session) for one in manifest.records] == [
        ("p01", "talk", 1),
        ("p01", "own", 1),
    ]
    assert list(find_problems(manifest, labelled=False)) == []
    for one in manifest.records:
        assert len(load_clip(folder / one.path).frames) >= 17
    with (folder / "consent.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["subject"], row["text_sha256"], row["given"]) == ("p01", page["consent_sha256"], "asked")
    parts = [
        (row["outcome"], json.loads(row["detail"])["clips"]) for row in study.trail("p01") if row["action"] == "study"
    ]
    assert parts == [("part", 1), ("done", 1)]
    assert not study.call("GET", "/v1/users/p01").json()["enrolled"]


def test_where_a_clip_can_t_be_kept_that_is_said_by_name_and_those_before_stay(study, folder, film):
    session, page = invite(study, "p02")
    with Part(study, page) as socket:
        socket.hear()
        socket.take(messages(film("talk", 42)))
        socket.say("done")
        assert socket.until("kept", "error")["kept"] == 1
    (folder / "p02" / "own").touch()  # in the place of a folder
    with Part(study, page) as socket:
        socket.hear()
        socket.take(messages(film("brow", 43)))
        socket.say("done")
        problem = socket.until("error")
    assert problem["error"] == "StudyStorageError"
    assert str(folder) not in problem["message"]
    mine = [one for one in read_manifest(folder / "manifest.csv").records if one.subject == "p02"]
    assert [one.motion for one in mine] == ["talk"]
    assert (folder / mine[0].path).is_file()
    assert not (folder / ".take.mp4").exists()
    assert study.trail("p02")[-1]["outcome"] == "StudyStorageError"
    assert study.call("GET", f"/v1/sessions/{session}", "enrol").json()["status"] == "opened"  # they may try again


def refused_for_want_of_room(study: Server, page: dict, take: bytes) -> None:
    """A take that the server has no room for is refused by name; the session goes on."""
    with Part(study, page) as socket:
        socket.hear()
        socket.take(messages(take))
        socket.say("done")
        assert socket.until("error", "kept")["error"] == "StudyStorageError"
    assert study.call("GET", f"/v1/sessions/{page['session']}", "enrol").json()["status"] == "opened"


@needs_full_device
def test_a_disk_without_room_for_the_row_of_a_clip_costs_that_clip_alone(study, folder, film):
    session, page = invite(study, "p16")
    folder.mkdir(exist_ok=True)
    make_full(folder / "manifest.csv.part")

    def kept() -> dict[str, str]:
        paths = [path for path in folder.rglob("*") if path.suffix == ".mp4" or path.name == "manifest.csv"]
        return {str(path): file_sha256(path) for path in paths}

    before = kept()
    refused_for_want_of_room(study, page | {"session": session}, film("talk", 60))
    assert kept() == before
    assert not list(folder.glob("*.part*"))


def test_on_a_disk_that_fills_the_takes_of_a_study_before_stay(study, folder, film):
    session, page = invite(study, "p17")
    folder.mkdir(exist_ok=True)
    with small_disk_at(folder):
        with Part(study, page) as socket:
            socket.hear()
            socket.take(messages(film("talk", 61)))
            socket.say("done")
            assert socket.until("kept", "error")["kept"] == 1
        fill_disk(folder, 8_000)
        refused_for_want_of_room(study, page | {"session": session}, film("brow", 62))
        manifest = read_manifest(folder / "manifest.csv")
        assert [(one.subject, one.motion) for one in manifest.records] == [("p17", "talk")]
        assert list(find_problems(manifest, labelled=False)) == []
        assert [path.name for path in folder.rglob("*.mp4*")] == ["session-1-take-0.mp4"]


def test_nobody_is_filmed_who_read_another_text(study, folder):
    _, page = invite(study, "p03")
    with Part(study, page, consent="0" * 64) as socket:
        assert socket.hear()["error"] == "ConsentError"
    assert not (folder / "p03").exists()
    assert study.trail("p03")[-1]["outcome"] == "ConsentError"


@pytest.mark.parametrize("user", ["manifest.csv", "consent.csv"])
def test_nobody_in_a_study_has_the_name_of_its_files(study, user):
    """Their folder stood in the place of the manifest, and nobody else could take part."""
    asked = study.call("POST", "/v1/sessions", "enrol", json={"user": user, "purpose": "study"})
    assert (asked.status_code, asked.json()["error"]) == (422, "RecordingPlanError")


def test_a_damaged_manifest_is_told_without_its_place(tmp_path, session_environment):
    (tmp_path / "clips" / "manifest.csv").mkdir(parents=True)
    settings = ServiceSettings(study=StudySettings(folder=str(tmp_path / "clips")))
    with running(tmp_path / "store.db", settings) as server:
        _, page = invite(server, "p01")
        with Part(server, page) as socket:
            told = socket.hear()
    assert told["error"] == "StudyStorageError"
    assert str(tmp_path) not in told["message"]


def test_only_a_key_that_may_enrol_invites_to_a_study_and_only_where_there_is_one(study, server):
    body = {"user": "p04", "purpose": "study"}
    for role in ("verify", ""):
        assert study.call("POST", "/v1/sessions", role, json=body).json()["error"] == "RightsError"
    refused = server.call("POST", "/v1/sessions", "admin", json=body)
    assert (refused.status_code, refused.json()["error"]) == (403, "RightsError")
    assert "[study]" in refused.json()["message"]
    unfit = study.call("POST", "/v1/sessions", "enrol", json=body | {"user": "p04."})
    assert unfit.json()["error"] == "RecordingPlanError"  # no folder can be called that on every system
    nonce = study.call("POST", "/v1/users/p04/nonces", "admin", json={"purpose": "study"})
    assert nonce.status_code == 422  # by a session alone


def test_the_clips_of_one_person_are_deleted_and_those_of_others_stay(study, folder, film):
    for user in ("p05", "p06"):
        _, page = invite(study, user)
        with Part(study, page) as socket:
            socket.hear()
            socket.take(messages(film("talk", 44)))
            socket.say("done")
            assert socket.until("kept", "error")["kept"] == 1
    assert forget_clips(folder, "p05") == 1
    assert not (folder / "p05").exists()
    left = {one.subject for one in read_manifest(folder / "manifest.csv").records}
    assert ("p05" in left, "p06" in left) == (False, True)
    consents = (folder / "consent.csv").read_text()
    assert ("p05" in consents, "p06" in consents) == (False, True)
    with pytest.raises(UnknownUserError):
        forget_clips(folder, "p05")


def test_the_server_counts_the_takes_and_keeps_none_past_the_last(study, folder, film):
    session, page = invite(study, "p07")
    for told in ({"kept": 2}, {"sitting": 777}):
        with Part(study, page, **told) as socket:
            assert socket.hear()["error"] == "FormError"
    with Part(study, page) as late:  # another window of the session, for the same take
        late.hear()
        with Part(study, page) as socket:
            assert socket.hear()["motion"] == "talk"
            socket.take(messages(film("talk", 45)))
            socket.say("done")
            assert socket.until("kept", "error")["kept"] == 1
        late.take(messages(film("talk", 46)))
        late.say("done")
        assert late.until("kept", "error")["error"] == "BusyError"
    spare = Part(study, page)  # which outlives the session
    assert spare.hear()["motion"] == "own"
    with spare, Part(study, page) as socket:
        assert socket.hear()["motion"] == "own"
        socket.take(messages(film("talk", 47)))
        socket.say("done")
        assert socket.until("kept", "error")["motion"] == ""
        spare.take(messages(film("talk", 48)))
        spare.say("done")
        assert spare.until("kept", "error")["error"] == "BusyError"
    mine = [one for one in read_manifest(folder / "manifest.csv").records if one.subject == "p07"]
    assert [one.motion for one in mine] == ["talk", "own"]
    assert len(list((folder / "p07").rglob("*.mp4"))) == 2
    assert list(folder.glob(".take*")) == []
    result = study.call("GET", f"/v1/sessions/{session}", "enrol").json()["result"]
    assert (result["reason"], "sitting" in result) == ("accepted", False)


def test_a_clip_is_written_before_the_folder_is_locked(study, folder, film):
    """The draft of a take that can't be kept is gone, and so is that of a process that was killed."""
    left = folder / ".take-0.mp4"
    left.touch()
    os.utime(left, (0, time.time() - DRAFT_SECONDS - 60))
    _, page = invite(study, "p08")
    with Part(study, page) as socket:
        socket.hear()
        socket.take(messages(film("talk", 49)))
        with recording_alone(folder):
            socket.say("done")
            until = time.monotonic() + 10
            while not (drafts := [one for one in folder.glob(".take-*.mp4") if one != left]):
                assert time.monotonic() < until
                time.sleep(0.02)
        assert socket.until("kept", "error")["kept"] == 1
    assert not any(one.exists() for one in [left, *drafts])


def test_whoever_waits_for_the_folder_keeps_no_frames_of_others_waiting(study, folder):
    """Two of them held both threads of the analysis, for up to ten seconds."""
    pages = [invite(study, user)[1] for user in ("p11", "p12")]
    with visitor(study) as other, ExitStack() as stack:
        with recording_alone(folder):
            waiting = [stack.enter_context(Part(study, page)) for page in pages]
            time.sleep(0.3)
            other.send(jpeg(np.full((240, 320, 3), 90, np.uint8), 0.0))
            assert json.loads(other.recv(timeout=3))["guidance"] == "NO_FACE"
        assert [socket.hear()["kept"] for socket in waiting] == [0, 0]


@pytest.mark.parametrize(
    ("times", "error"),
    [
        ([0.0, 0.5, 1e300], MediaLimitError),
        ([0.0, 1e300, 0.5], TimestampError),
        ([0.0, math.nan, 0.5], TimestampError),
        ([0.5, 0.1, 0.7], TimestampError),
        ([0.0, 5.0, 11.0], MediaLimitError),
        ([0.0, 0.1, 0.2], TooShortError),
    ],
)
def test_times_of_frames_that_nobody_looked_at_are_those_of_a_clip(times, error):
    picture = np.full((64, 64, 3), 90, np.uint8)
    with pytest.raises(error):
        list(read_clip([jpeg(picture, seconds) for seconds in times], MediaSettings()))


def test_a_flood_of_frames_that_nobody_looked_at_is_thinned_and_the_camera_may_turn():
    body = jpeg(np.full((64, 48, 3), 90, np.uint8), 0.0)[8:]
    wide = jpeg(np.full((48, 64, 3), 90, np.uint8), 0.0)
    flood = [struct.pack("<d", 20 + k / 8000) + body for k in range(8000)]
    times = [seconds for _, seconds in read_clip([wide, *flood], MediaSettings())]
    assert times[0] == 0
    assert 28 <= len(times) <= 36
    assert np.diff(times).min() > 0.02


def test_a_clip_of_more_pixels_than_may_be_decoded_is_refused():
    picture = np.full((512, 512, 3), 90, np.uint8)
    clip = [jpeg(picture, k / 25) for k in range(20)]
    with pytest.raises(MediaLimitError):
        list(read_clip(clip, MediaSettings(max_decoded_megapixels=4)))
