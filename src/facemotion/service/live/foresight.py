"""Foresight: while the face is back at rest and the take still runs, the take is already held against earlier ones.

That is most of what a verdict takes. A page ends a take half a second after the last movement, so the look is mostly
done by then. It holds if the face only rested since.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from facemotion.errors import FacemotionError
from facemotion.service.guard.limits import AnalysisQueue
from facemotion.service.replays.memory import Foreseen
from facemotion.service.replays.recording import Recorder, Recording

RESTED_SECONDS = 0.1
"""How long the face must be at rest. What tells rest looks at some time already."""
TRIES = 3
"""Looks in one session: a motion may pause."""


class Foresight:
    """Looks ahead for one session.

    Args:
        analysis: whose threads look; nothing is looked at while they have other work.
        foresee: gives what is known of a recording.
    """

    def __init__(self, analysis: AnalysisQueue, foresee: Callable[[Recording], Foreseen]) -> None:
        self._analysis, self._foresee = analysis, foresee
        self._of: tuple[Recorder, Recording] | None = None
        self._look: asyncio.Task[Foreseen] | None = None
        self._tries = TRIES

    async def consider(self, recorder: Recorder) -> None:
        """Begin to look, if it is time. No frame may be pushed meanwhile.

        Args:
            recorder: of the take, between two frames.
        """
        if self._of is not None and self._still(recorder) is None:
            self._of = None
        if self._of or not self._tries or recorder.rest_seconds < RESTED_SECONDS or not self._analysis.quiet:
            return
        self._tries -= 1
        try:
            recording = await self._analysis.run_at_once(recorder.finish)
        except FacemotionError:
            return  # the take as it is now isn't fit to be compared
        self._of = recorder, recording
        self._look = asyncio.create_task(self._analysis.run_at_once(partial(self._foresee, recording)))
        self._look.add_done_callback(_fault)

    async def foreseen(self, recorder: Recorder) -> Foreseen | None:
        """What is known of the take; None where nothing was looked at, or the face moved since.

        Args:
            recorder: of the take, after its last frame.
        """
        if self._look is None or self._still(recorder) is None:
            return None
        await asyncio.wait([self._look])
        return None if _fault(self._look) else self._look.result()

    def _still(self, recorder: Recorder) -> Recording | None:
        """What was looked at, if the take only rested since."""
        if self._of is None or self._of[0] is not recorder or not recorder.only_rested_since(self._of[1]):
            return None
        return self._of[1]


def _fault(look: asyncio.Task[Foreseen]) -> BaseException | None:
    """Why a look came to nothing. Whatever it was, the verdict meets it again, and says so."""
    return asyncio.CancelledError() if look.cancelled() else look.exception()
