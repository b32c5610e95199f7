"""Files are there whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from facemotion.errors import WriteError
from facemotion.system.files import room_for, whole, write_whole


def break_off(path: Path) -> None:
    with whole(path) as draft:
        draft.write_bytes(b"sec")
        assert path.read_text("utf-8") == "first, ü"
        raise OSError(28, "full")


def test_what_cannot_be_finished_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_whole(path, "first, ü")
    assert path.read_text("utf-8") == "first, ü"
    with pytest.raises(OSError, match="full"):
        break_off(path)
    assert [(p.name, p.read_text("utf-8")) for p in tmp_path.iterdir()] == [("results.json", "first, ü")]
    write_whole(path, b"second")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("results.json", b"second")]


def test_a_place_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "results.json").mkdir()
    with (
        pytest.raises(WriteError, match=r"Can't write .*results\.json: Is a directory"),
        room_for(tmp_path / "results.json"),
    ):
        write_whole(tmp_path / "results.json", "text")
    with pytest.raises(WriteError, match="Permission denied; choose another place"), room_for(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied")
    for full in (errno.ENOSPC, errno.EDQUOT):
        with pytest.raises(WriteError, match="make room and run the same command again"), room_for(tmp_path):
            raise OSError(full, "No space left on device")
    assert [p.name for p in tmp_path.iterdir()] == ["results.json"]
