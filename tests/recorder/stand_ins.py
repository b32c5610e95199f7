"""A camera that films a drawing in real time, and somebody who answers as a test says."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facemotion.errors import CameraLostError
from facemotion.recorder.sitting import Choice

PACE = 0.1  # s between two frames


def vanish() -> None:
    """What a camera does whose plug is pulled."""
    raise CameraLostError("The camera is gone.")


@dataclass
class PacedCamera:
    """Films the same frames again and again; once `stopped` is set, it does what the test says."""

    pictures: NDArray[np.uint8]
    then: Callable[[], object] = lambda: None
    stopped: Event = field(default_factory=Event)
    name: str = "camera of a test"
    waits: bool = False

    def frames(self) -> Iterator[tuple[NDArray[np.uint8], float]]:
        for picture in cycle(self.pictures):
            time.sleep(PACE)
            if self.stopped.is_set():
                self.then()
                return
            yield picture, time.monotonic()


@dataclass
class Answers:
    """An attendant that agrees and keeps unless told otherwise, and remembers what was said."""

    agreed: tuple[str, ...] = ()
    choices: list[Choice] = field(default_factory=list)
    going: Callable[[], object] = lambda: None
    states_consent: bool = False
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def agrees(self, subject: str, text: Any) -> bool:
        self.asked.append(subject)
        return subject in self.agreed

    def begin(self, take: Any) -> None:
        pass

    def show(self, view: Any) -> None:
        self.sentences.append(view.sentence)
        if view.going:
            self.going()

    def judging(self) -> None:
        pass

    def refuse(self, take: Any, reason: str) -> None:
        self.refused.append(reason)

    def choose(self, take: Any, filmed: Any, quality: Any) -> Choice:
        return self.choices.pop(0) if self.choices else Choice.KEEP
