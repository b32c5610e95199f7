"""One session of the live socket: one verification, the takes of one enrolment, two takes to compare, or those of one
motion of a study.

The nonce says who may do this: it was given to an API key, for one user and purpose. A session that can't keep up drops
frames, oldest first, and never lags; frames that still wait when the take ends are dropped, too.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Any

from fastapi import WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from facemotion.config import MediaSettings
from facemotion.enrolment import Review
from facemotion.errors import (
    AcquisitionError,
    EnrolmentError,
    FacemotionError,
    UploadTimeoutError,
)
from facemotion.frontend import FrameAnswer
from facemotion.presentation.steps import WORDS, Step, step_is_shown
from facemotion.service.answers import outcome_of
from facemotion.service.context import ServiceContext
from facemotion.service.guard.attempts import Ticket
from facemotion.service.guard.auth import Caller
from facemotion.service.live.foresight import Foresight
from facemotion.service.live.frames import WholeClip, read_clip, read_frame
from facemotion.service.live.protocol import (
    Done,
    FirstTake,
    FrameGuidance,
    Go,
    Hello,
    LiveEnrolled,
    LiveVerdict,
    StepAsked,
    Store,
    StudyHello,
    StudyTake,
    TakeKept,
    TakeLimits,
    TakeRefused,
    TryHello,
    read_command,
    read_first,
    send,
)
from facemotion.service.live.tryit import side_by_side
from facemotion.service.problems import Message, Problem, problem_of
from facemotion.service.replays.recording import Recorder, Recording

PENDING = 2
"""Frames that wait while one is looked at; more are dropped, oldest first."""
TURNED = "The camera was turned; begin once more."
"""In place of other guidance, where a take starts over."""
CUT_OFF = (WebSocketDisconnect, asyncio.CancelledError)
"""Raised where the client went away, or where somebody else or the end of its time took the session's place."""
ABNORMAL_CLOSURE, NO_STATUS = 1006, 1005
"""Codes of RFC 6455 (7.4.1) for connections that ended without a word of why."""
LATE_SECONDS = 5.0
"""By how much a step may come later than the settings say: frames travel, and wait for a thread."""
SILENCE_SECONDS = 10.0
"""Longest pause between two messages of a client."""


class SessionState(Enum):
    """What a session does now."""

    OPENING = auto()
    """It waits for the first message, and looks whether the nonce is good."""
    RECORDING = auto()
    """A take is under way: frames are looked at as they arrive."""
    JUDGING = auto()
    """The client ended the take: frames are compared or stored; messages wait."""
    CLOSED = auto()
    """It ended, by its verdict or before."""


class SocketSession:
    """One socket; what it is for is said by its first message.

    Args:
        context: of the app.
        socket: accepted.

    Attributes:
        state: what the session does now.
    """

    def __init__(self, context: ServiceContext, socket: WebSocket) -> None:
        self.state = SessionState.OPENING
        self._context, self._socket = context, socket
        self._run = context.analysis.run_at_once
        self._pending: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._dropped = 0
        self._recorder: Recorder | None = None  # of this take; None until one is made, and again after "go"
        self._motion: Recorder | None = None  # after which a step is asked for
        self._foresight: Foresight | None = None
        self._takes: list[Recording] = []
        self._set_aside: Recording | None = None  # the take that was left out last
        self._clip: WholeClip | None = None  # of this take, where clips are kept

    async def receive_first(self) -> Hello | TryHello | StudyHello:
        """The first message.

        Raises:
            FormError: it isn't as the protocol says.
            UploadTimeoutError: nothing came.
            WebSocketDisconnect: the client went away.
        """
        return read_first((await self._receive()).get("text") or "")

    async def run(self, first: Hello | TryHello | StudyHello) -> None:
        """Everything after the first message.

        Args:
            first: what `receive_first` gave.
        Raises:
            FacemotionError: whatever ended the session before its time.
            WebSocketDisconnect: the client went away.
        """
        try:
            if isinstance(first, TryHello):
                await self._compare()
                return
            enter = self._context.operations.enter
            caller, ticket = await run_in_threadpool(enter, first.user, first.purpose, first.nonce)
            if isinstance(first, StudyHello):
                await self._study(caller, first, ticket)
            elif first.purpose == "verify":
                await self._verify(caller, first.user, ticket)
            else:
                await self._enrol(caller, first.user, first.purpose == "enrol-again", ticket)
        finally:
            self.state = SessionState.CLOSED

    async def _verify(self, caller: Caller, user: str, ticket: Ticket) -> None:
        operations, verification = self._context.operations, self._context.operations.verification
        if not operations.always_asks:
            self._foresight = Foresight(self._context.analysis, partial(verification.foresee, user))
        try:
            recorder, _ = await self._take()
            foreseen = await self._foresight.foreseen(recorder) if self._foresight else None
        except (Exception, asyncio.CancelledError) as error:
            outcome = "cut off" if isinstance(error, CUT_OFF) else outcome_of(error)
            await run_in_threadpool(verification.abandon, caller, user, outcome, ticket)
            raise
        answer = None
        if not operations.always_asks:
            judge = partial(verification.judge_unless_in_doubt, caller, user, ticket, recorder.finish, foreseen)
            answer = await self._run(judge)
        if answer is None:
            self._motion, self._foresight = recorder, None
            missed, step = await self._ask_step(caller, user, ticket, recorder)
            finish = partial(recorder.finish, step=step)
            answer = await self._run(partial(verification.judge, caller, user, ticket, finish, missed=missed))
        await self._send(LiveVerdict(accepted=answer.accepted, dropped=self._dropped))

    async def _ask_step(self, caller: Caller, user: str, ticket: Ticket, motion: Recorder) -> tuple[str, Recorder]:
        """Ask for a step after a motion; gives its name if it wasn't shown in time, else "", and what recorded it."""
        seconds = self._context.settings.challenge.seconds
        step = secrets.choice(list(Step))
        try:
            await self._send(StepAsked(challenge=step.value, message=WORDS[step], seconds=seconds))
            begin = time.monotonic()
            after, _ = await self._take()
            late = time.monotonic() - begin > seconds + LATE_SECONDS
            shown = not late and await self._run(lambda: step_is_shown(step, motion.seen(), after.seen()))
        except (FacemotionError, *CUT_OFF):
            await run_in_threadpool(self._context.operations.verification.break_off, caller, user, step.value, ticket)
            raise
        except Exception as error:
            await run_in_threadpool(
                self._context.operations.verification.abandon, caller, user, outcome_of(error), ticket
            )
            raise
        return "" if shown else step.value, after

    async def _enrol(self, caller: Caller, user: str, replace: bool, ticket: Ticket) -> None:
        operations = self._context.operations
        limits = operations.verifier.settings.verifier
        await run_in_threadpool(operations.check_presence, user, replace)
        await self._send(TakeLimits(min_takes=limits.min_takes, max_takes=limits.max_takes))
        while True:
            recorder, command = await self._take()
            if isinstance(command, Store):
                break
            try:
                if len(self._takes) == limits.max_takes:
                    raise EnrolmentError(
                        f'There are {limits.max_takes} takes, as many as may be; send {{"enrol": true}}.'
                    )
                answer = await self._consider(await self._run(recorder.finish))
            except FacemotionError as error:
                answer = problem_of(error)
            await self._send(answer)
        enrolment = await self._run(lambda: operations.enrol(caller, user, lambda: self._takes, replace, ticket))
        await self._send(LiveEnrolled(takes=len(enrolment.template.vectors), warnings=list(enrolment.warnings)))

    async def _consider(self, take: Recording) -> TakeKept | TakeRefused | Problem:
        """Add a take to those that count, or leave out the one that isn't like the others."""
        takes = [*self._takes, take]
        review = await self._review(takes)
        if review.problem and self._set_aside is not None and len(self._takes) == 1:
            # Of two takes that differ either may be the odd one: this one may match the one that was left out.
            others = [self._set_aside, take]
            if not (other_review := await self._review(others)).problem:
                takes, review = others, other_review
        if review.problem:
            self._set_aside = takes.pop(review.odd - 1)
            self._takes = takes
            return TakeRefused(takes=len(takes), again=review.problem)
        self._takes = takes
        size, warnings = round(review.size, 3), list(review.warnings)
        return TakeKept(takes=len(takes), size=size, warnings=warnings, dropped=self._dropped)

    async def _review(self, takes: list[Recording]) -> Review:
        verifier = self._context.operations.verifier
        return await self._run(lambda: verifier.review([take.acquisition for take in takes]))

    async def _compare(self) -> None:
        """Two takes of a visitor, beside each other."""
        while len(self._takes) < 2:
            recorder, _ = await self._take()
            try:
                self._takes.append(await self._run(recorder.finish))
            except FacemotionError as error:
                await self._send(problem_of(error))
                continue
            if len(self._takes) == 1:
                await self._send(FirstTake(dropped=self._dropped))
        first, second = (take.acquisition for take in self._takes)
        verifier = self._context.operations.verifier
        await self._send(await self._run(lambda: side_by_side(verifier, first, second)))

    async def _study(self, caller: Caller, hello: StudyHello, ticket: Ticket) -> None:
        """Takes of one motion, each kept before the next one begins; for another motion there is another socket."""
        studies, kept = self._context.studies, 0
        media = self._context.operations.verifier.settings.media

        async def note(outcome: str) -> None:
            await run_in_threadpool(studies.note, caller, hello.user, outcome, ticket, kept)

        try:
            clip = self._clip = WholeClip(self._context.settings.limits.body_mebibytes)
            # Not in a thread of the analysis: it may wait for another process that keeps a clip.
            progress = await run_in_threadpool(studies.begin, hello.user, hello.consent, ticket.session)
            motion, asked = progress.motion, -1
            while motion is not None and progress.motion is motion:
                if asked != progress.kept:  # a Problem asks for the same take again
                    await self._send(StudyTake.of_progress(progress))
                asked = progress.kept
                recorder, _ = await self._take()
                try:
                    await self._run(recorder.finish)  # what couldn't be verified is of no use to a study either
                except AcquisitionError as error:
                    await self._send(problem_of(error))
                    continue
                keep = partial(studies.keep, progress, ticket.session, read_clip(clip.messages, media))
                progress, kept = await run_in_threadpool(keep), kept + 1
        except (Exception, asyncio.CancelledError) as error:
            await note("cut off" if isinstance(error, CUT_OFF) else outcome_of(error))
            raise
        await note("part" if progress.motion else "done")
        await self._send(StudyTake.of_progress(progress))

    async def _take(self) -> tuple[Recorder, Done | Store]:
        """One take: read and look at frames side by side until the client ends it."""
        self._start_over()
        self.state = SessionState.RECORDING
        reading = asyncio.create_task(self._read())
        try:
            return await self._look(), await reading
        finally:
            reading.cancel()

    async def _read(self) -> Done | Store:
        """Take in frames until the end of the take; frames that can't be looked at in time are dropped."""
        try:
            while True:
                message = await self._receive()
                await asyncio.sleep(0)  # a flood of messages comes in one piece; others have their turn between them
                frame = message.get("bytes")
                if frame is None:
                    command = read_command(message.get("text") or "")
                    if not isinstance(command, Go):
                        return command
                    self._start_over()
                    continue
                if self._clip is not None:
                    self._clip.push(frame)
                if len(self._pending) >= PENDING:
                    self._drop_oldest(1)
                self._pending.append(frame)
                self._arrived.set()
        finally:
            self.state = SessionState.JUDGING
            self._arrived.set()

    def _drop_oldest(self, count: int) -> None:
        for _ in range(count):
            self._pending.popleft()
            self._dropped += 1
            self._context.metrics.count("facemotion_live_frames_total", outcome="dropped")

    def _start_over(self) -> None:
        """Forget the frames so far: they showed somebody finding their place."""
        self._pending.clear()
        self._recorder = None
        if self._clip is not None:
            self._clip.clear()

    async def _look(self) -> Recorder:
        """Look at frames until the take ends; gives what recorded them."""
        operations = self._context.operations
        media, make = operations.verifier.settings.media, partial(operations.recorder, self._motion)
        while True:
            if self._recorder is None:
                self._recorder = await self._run(make)  # in a thread, since it asks the database
                continue
            recorder = self._recorder
            if self.state is not SessionState.RECORDING:
                # What still waits came within the last moment of the take; the verdict comes sooner without it.
                self._drop_oldest(len(self._pending))
                return recorder
            if not self._pending:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            look = partial(_look_at, recorder, make, self._pending.popleft(), media)
            answer, latest, moving = await self._run(look)
            self._context.metrics.count("facemotion_live_frames_total", outcome="used" if answer.used else "unused")
            current = self._recorder is recorder  # no "go" came meanwhile
            if current:
                self._recorder = latest
            turned, frames = latest is not recorder, latest.frame_count if current else 0
            await self._send(self._guidance(answer, latest.size, moving, frames, turned))
            if current and self._foresight is not None:
                await self._foresight.consider(latest)

    def _guidance(
        self, answer: FrameAnswer, size: tuple[int, int], moving: bool, frames: int, turned: bool
    ) -> FrameGuidance:
        box: Any = None
        if answer.box is not None:
            box = [round(float(value) / size[place % 2], 4) for place, value in enumerate(answer.box)]
        return FrameGuidance(
            guidance=answer.guidance.name,
            message=TURNED if turned else answer.guidance.value,
            box=box,
            resting=answer.resting,
            moving=moving,
            frames=frames,
            dropped=self._dropped,
            turned=turned,
            min_rate=self._context.operations.verifier.settings.quality.min_rate,
        )

    async def _receive(self) -> Any:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await self._socket.receive()
        except TimeoutError as error:
            raise UploadTimeoutError(f"Nothing came for {SILENCE_SECONDS:g} s; start again.") from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", NO_STATUS))
        return message

    async def _send(self, message: Message) -> None:
        try:
            await send(self._socket, message)
        except (WebSocketDisconnect, RuntimeError):
            raise WebSocketDisconnect(ABNORMAL_CLOSURE) from None


def _look_at(
    recorder: Recorder, make: Callable[[], Recorder], data: bytes, media: MediaSettings
) -> tuple[FrameAnswer, Recorder, bool]:
    """Take in one frame; also gives the recorder that has it, and whether the face moves now. It is a new recorder
    where the frame is of another size than those before, in whose pixels their boxes and landmarks mean nothing.
    """
    frame, seconds = read_frame(data, media)
    if recorder.size not in ((0, 0), (frame.shape[1], frame.shape[0])):
        recorder = make()
    return recorder.push(frame, seconds), recorder, recorder.moves
