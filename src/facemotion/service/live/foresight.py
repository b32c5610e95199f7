"""Foresight: while the face is back at rest and the take still runs, the frames so far are already judged.

That is nearly all that a verdict takes. A page ends a take half a second after the last movement, so it is mostly done
by then. It holds if the face only rested since: then the attempt is the frames that were judged, and ends with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from facemotion.errors import FacemotionError
from facemotion.service.guard.limits import AnalysisQueue
from facemotion.service.replays.recording import Recorder, Recording
from facemotion.service.verification import Foreseen

RESTED_SECONDS = 0.03
"""How long the face must be at rest. What tells rest looks at some time already."""
TRIES = 4
"""Times that frames are judged in one session: a motion may pause."""


class Foresight:
    """Judges the frames so far of one session.

    Args:
        analysis: whose threads judge, if they have no other work.
        foresee: judges a recording, and settles nothing.
    """

    def __init__(self, analysis: AnalysisQueue, foresee: Callable[[Recording], Foreseen]) -> None:
        self._analysis, self._foresee = analysis, foresee
        self._of: tuple[Recorder, Recording] | None = None
        self._look: asyncio.Task[Foreseen] | None = None
        self._tries = TRIES

    async def consider(self, recorder: Recorder) -> None:
        """Begin to judge, if it is time. No frame may be pushed meanwhile.

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
        """How the take was judged; None where it wasn't, or the face moved since.

        Args:
            recorder: of the take, after its last frame.
        """
        if self._look is None or self._still(recorder) is None:
            return None
        await asyncio.wait([self._look])
        return None if _fault(self._look) else self._look.result()

    def _still(self, recorder: Recorder) -> Recording | None:
        """What was judged, if the face only rested since."""
        if self._of is None or self._of[0] is not recorder or not recorder.only_rested_since(self._of[1]):
            return None
        return self._of[1]


def _fault(look: asyncio.Task[Foreseen]) -> BaseException | None:
    """Why a look came to nothing. Whatever it was, the verdict meets it again, and says so."""
    return asyncio.CancelledError() if look.cancelled() else look.exception()
