"""What can be filmed with: the devices of the system, and films in the order of their numbers."""

from __future__ import annotations

import pytest

from facemotion.config import MediaSettings
from facemotion.errors import NoVideoError
from facemotion.recorder.cameras import films_of, list_devices


def test_the_devices_of_the_system_are_tried(monkeypatch, tmp_path, capfd):
    (tmp_path / "video97").mkdir()  # none of this machine; OpenCV would complain on standard error
    (tmp_path / "video97" / "name").write_text("a camera\n")
    monkeypatch.setattr("facemotion.recorder.cameras._LINUX_LIST", tmp_path)
    assert list_devices() == []
    assert capfd.readouterr().err == ""


def test_films_of_a_folder_come_in_the_order_of_their_numbers(tmp_path):
    for name in ("take10.mp4", "take2.MOV", "notes.txt", ".take1.mp4"):
        (tmp_path / name).write_bytes(b"")
    single = tmp_path / "no-suffix"
    assert [film.path.name for film in films_of([single, tmp_path], MediaSettings())] == [
        "no-suffix",
        "take2.MOV",
        "take10.mp4",
    ]


def test_a_folder_without_a_film_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoVideoError, match="holds no video"):
        films_of([tmp_path / "empty"], MediaSettings())
