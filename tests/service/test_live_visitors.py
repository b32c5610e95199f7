"""Visitors of the live socket: two takes compared, and nothing kept."""

from __future__ import annotations

import json

import pytest

from facemotion.service.settings import ServerSettings, ServiceSettings

from .conftest import Server, running
from .live_client import messages, visitor


def compare(server: Server, first: list[bytes], second: list[bytes]) -> dict:
    """What a visitor is told of two takes."""
    with visitor(server) as socket:
        for number, take in enumerate((first, second)):
            for frame in take:
                socket.send(frame)
                assert "guidance" in json.loads(socket.recv(timeout=20))
            socket.send(json.dumps({"done": True}))
            answer = json.loads(socket.recv(timeout=20))
            if number == 0:
                assert answer == {"takes": 1, "dropped": 0}
    return answer


@pytest.mark.parametrize("same", [True, False])
def test_a_visitor_learns_whether_two_takes_match_and_where_they_differ(server, takes, brow, same):
    comparison = compare(server, takes[0], takes[1] if same else messages(brow[0]))
    assert comparison["match"] is same
    assert comparison["match"] == (comparison["score"] >= comparison["threshold"])
    first, second = comparison["curves"]
    assert max(first + second) == 1
    ends = [(len(first) - 1) / 25, (len(second) - 1) / 25]
    assert [comparison["pairs"][0][:2], comparison["pairs"][-1][:2]] == [[0, 0], ends]
    assert all(0 <= apart <= 1 for _, _, apart in comparison["pairs"])


def test_a_visitor_leaves_no_trace(server, takes):
    before = server.call("GET", "/v1/audit?limit=1000").json()["entries"]
    compare(server, takes[2], takes[3])
    assert server.call("GET", "/v1/audit?limit=1000").json()["entries"] == before


@pytest.mark.parametrize(
    ("allowed", "origin", "error"),
    [
        ("off", None, "RightsError"),
        ("this-machine", "https://evil.example", "RightsError"),
        ("anyone", "https://evil.example", "RightsError"),
    ],
)
def test_visitors_who_may_not(tmp_path, session_environment, allowed, origin, error):
    settings = ServiceSettings(server=ServerSettings(try_it=allowed))
    with running(tmp_path / "store.db", settings) as server, visitor(server, origin=origin) as socket:
        assert json.loads(socket.recv(timeout=20))["error"] == error
