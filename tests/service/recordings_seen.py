"""The memory of recordings, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from facemotion.service.migrate import open_database
from facemotion.service.replays.memory import RecordingMemory
from facemotion.service.replays.recording import Recording
from facemotion.service.settings import ReplaySettings


@contextmanager
def remembered(folder: Path, settings: ReplaySettings, recording: Recording) -> Iterator[RecordingMemory]:
    """The memory of a service that has seen one attempt of alice."""
    with open_database(folder / "store.db") as database:
        memory = RecordingMemory(database, lambda: ("k", b"k" * 32), settings)
        with database.write() as connection:
            memory.keep(connection, "alice", "attempt", recording)
        yield memory
