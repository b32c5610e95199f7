"""The live socket: frames go up while the user moves, guidance comes back, the verdict a moment after the last frame.

Messages to the service: first `{"user": ..., "nonce": ..., "purpose": "verify" or "enrol"}` as text; then frames as
binary, each the capture time in seconds (float64, little-endian) followed by a JPEG; `{"go": true}` forgets those so
far, `{"done": true}` ends them. Messages from it: one `{"guidance": ...}` a frame that was looked at,
`{"accepted": ...}` at the end, or a problem as REST gives it. For "enrol" the service begins with
`{"min_takes": ..., "max_takes": ...}`; `{"done": true}` ends a take and is answered `{"takes": n, "size": ...,
"warnings": [...]}`, or `{"takes": n, "again": WHY}` where a take was unlike the others and doesn't count, and
`{"enrol": true}` stores them, never before. `{"purpose": "try"}` alone begins a session of two takes that are compared
with each other and forgotten.

The nonce says who may do this: it was given to an API key, for one user and purpose. A session that can't keep up drops
frames, oldest first, and never lags; what waits when the take ends is dropped too.
"""

from __future__ import annotations

import asyncio
import json
import re
import struct
from collections import deque
from functools import partial
from typing import Any

from fastapi import WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from facemotion.config import MediaSettings
from facemotion.enrolment import Review
from facemotion.errors import (
    BusyError,
    EnrolmentError,
    FacemotionError,
    FormError,
    RightsError,
    UploadTimeoutError,
)
from facemotion.frontend import LiveFrame
from facemotion.media import read_jpeg
from facemotion.service.guard.attempts import Ticket
from facemotion.service.guard.auth import Caller
from facemotion.service.guard.limits import RETRY_SECONDS
from facemotion.service.guard.recording import Recorder, Recording
from facemotion.service.http.messages import USER_PATTERN
from facemotion.service.http.problems import FAULT, problem_of
from facemotion.service.http.routes import Parts, keyless
from facemotion.service.live.tryit import side_by_side
from facemotion.service.settings import ServiceSettings

PENDING = 2
"""Frames that wait while one is looked at; more are dropped, oldest first."""
SILENCE_SECONDS = 10.0
"""Longest pause between two messages of a client."""
SESSION_SECONDS = 300.0
"""Longest session, all takes of an enrolment together."""


class Live:
    """What all live sessions of one server process share.

    Args:
        parts: of the app.
    """

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.sessions = 0

    async def serve(self, socket: WebSocket) -> None:
        """One session, from its first message to its end; every refusal is told as a problem."""
        await socket.accept()
        counted = False
        try:
            async with asyncio.timeout(SESSION_SECONDS):
                session = Session(self.parts, socket)
                words = await session.hello()
                # Not before: who says nothing would keep others out, without a nonce.
                if self.sessions >= self.parts.settings.limits.live_sessions:
                    raise BusyError(
                        "The service has as many live sessions as it takes; try again shortly.",
                        retry_seconds=RETRY_SECONDS,
                    )
                self.sessions += 1
                counted = True
                await session.run(words)
            await socket.close()
        except FacemotionError as error:
            await _say(socket, problem_of(error).model_dump(), last=True)
        except TimeoutError:
            late = UploadTimeoutError(f"A live session lasts {SESSION_SECONDS:g} s at most; start again.")
            await _say(socket, problem_of(late).model_dump(), last=True)
        except WebSocketDisconnect:
            pass
        except BaseException:
            await _say(socket, FAULT.model_dump(), last=True)
            raise
        finally:
            self.sessions -= counted


class Session:
    """One socket: one verification, or the takes of one enrolment."""

    def __init__(self, parts: Parts, socket: WebSocket) -> None:
        self._parts, self._socket = parts, socket
        self._run = parts.bench.soon
        self._pending: deque[bytes] = deque()
        self._dropped = 0
        self._arrived = asyncio.Event()
        self._takes: list[Recording] = []
        self._aside: Recording | None = None
        self._fresh = True

    async def hello(self) -> Any:
        """The first message.

        Raises:
            FormError: no JSON. UploadTimeoutError: nothing came. WebSocketDisconnect: the client went away.
        """
        return _json((await self._receive()).get("text") or "")

    async def run(self, words: Any) -> None:
        """
        Args:
            words: what `hello` gave.
        Raises:
            FacemotionError: whatever ended the session before its time. WebSocketDisconnect: the client went away.
        """
        if words == {"purpose": "try"}:
            _let_visitor_in(self._socket, self._parts.settings)
            await self._try()
            return
        user, nonce, purpose = _hello(words)
        caller, ticket = await run_in_threadpool(self._parts.desk.enter, user, purpose, nonce)
        if purpose == "verify":
            await self._verify(caller, user, ticket)
        else:
            await self._enrol(caller, user)

    async def _verify(self, caller: Caller, user: str, ticket: Ticket) -> None:
        desk = self._parts.desk
        try:
            recorder, _ = await self._take()
        except FacemotionError as error:
            await run_in_threadpool(desk.abandon, caller, user, type(error).__name__, ticket)
            raise
        except (WebSocketDisconnect, asyncio.CancelledError):
            await run_in_threadpool(desk.abandon, caller, user, "cut off", ticket)
            raise
        answer = await self._run(lambda: desk.judge(caller, user, ticket, recorder.finish))
        await _say(self._socket, {"accepted": answer.accepted, "dropped": self._dropped})

    async def _enrol(self, caller: Caller, user: str) -> None:
        desk, limits = self._parts.desk, self._parts.desk.verifier.settings.verifier
        replace = bool(await run_in_threadpool(desk.store.factors, user))
        await _say(self._socket, {"min_takes": limits.min_takes, "max_takes": limits.max_takes})
        while True:
            recorder, word = await self._take()
            if word == "enrol":
                break
            try:
                if len(self._takes) == limits.max_takes:
                    raise EnrolmentError(
                        f'There are {limits.max_takes} takes, as many as may be; send {{"enrol": true}}.'
                    )
                words = await self._consider(await self._run(recorder.finish))
            except FacemotionError as error:
                words = problem_of(error).model_dump()
            await _say(self._socket, words)
        made = await self._run(lambda: desk.enrol(caller, user, lambda: self._takes, replace))
        await _say(self._socket, {"enrolled": True, "takes": len(made.template.vectors), "warnings": made.warnings})

    async def _consider(self, take: Recording) -> dict[str, Any]:
        """Put a take to those that count, or leave out the one that doesn't go with the others; what to tell of it."""
        takes = [*self._takes, take]
        review = await self._review(takes)
        if review.problem and self._aside is not None and len(self._takes) == 1:
            # Of two takes that differ either may be the odd one: this one may go with the one that was left out.
            other = [self._aside, take]
            if not (again := await self._review(other)).problem:
                takes, review = other, again
        if review.problem:
            self._aside = takes.pop(review.odd - 1)
            self._takes = takes
            return {"takes": len(takes), "again": review.problem}
        self._takes = takes
        size = round(review.size, 3)
        return {"takes": len(takes), "size": size, "warnings": review.warnings, "dropped": self._dropped}

    async def _review(self, takes: list[Recording]) -> Review:
        verifier = self._parts.desk.verifier
        return await self._run(lambda: verifier.review([take.acquisition for take in takes]))

    async def _try(self) -> None:
        """Two takes of a visitor, told side by side."""
        while len(self._takes) < 2:
            recorder, _ = await self._take()
            try:
                self._takes.append(await self._run(recorder.finish))
            except FacemotionError as error:
                await _say(self._socket, problem_of(error).model_dump())
                continue
            if len(self._takes) == 1:
                await _say(self._socket, {"takes": 1, "dropped": self._dropped})
        first, second = (take.acquisition for take in self._takes)
        verifier = self._parts.desk.verifier
        await _say(self._socket, await self._run(lambda: side_by_side(verifier, first, second)))

    async def _take(self) -> tuple[Recorder, str]:
        """One take: read and look at frames side by side until the client ends it, by "done" or "enrol"."""
        self._start_over()
        reading = asyncio.create_task(self._read())
        try:
            return await self._look(reading), await reading
        finally:
            reading.cancel()

    async def _read(self) -> str:
        """Take in frames until the end of the take; what can't be looked at in time is dropped."""
        try:
            while True:
                message = await self._receive()
                await asyncio.sleep(0)  # a flood of messages comes in one piece; others have their turn between them
                data = message.get("bytes")
                if data is None:
                    words = _json(message.get("text") or "")
                    if words in ({"done": True}, {"enrol": True}):
                        return str(next(iter(words)))
                    if words == {"go": True}:
                        self._start_over()
                        continue
                    raise FormError('After the first message send frames, then {"done": true}.')
                if len(self._pending) >= PENDING:
                    self._leave_out(1)
                self._pending.append(data)
                self._arrived.set()
        finally:
            self._arrived.set()

    def _leave_out(self, count: int) -> None:
        """Drop the oldest frames that wait."""
        for _ in range(count):
            self._pending.popleft()
            self._dropped += 1
            self._parts.metrics.count("facemotion_live_frames_total", outcome="dropped")

    def _start_over(self) -> None:
        """Forget the frames so far: they showed somebody finding their place."""
        self._pending.clear()
        self._fresh = True

    async def _look(self, reading: asyncio.Task[str]) -> Recorder:
        """Look at frames until the take ends; what holds them."""
        desk = self._parts.desk
        media = desk.verifier.settings.media
        recorder: Recorder | None = None
        while True:
            if self._fresh or recorder is None:
                self._fresh = False  # before: a further "go" may come meanwhile
                recorder = await self._run(desk.recorder)  # in a thread, since it asks the database
                continue
            if reading.done():
                # What still waits came within the last moment of the take; the verdict comes sooner without it.
                self._leave_out(len(self._pending))
                return recorder
            if not self._pending:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            look = partial(_look_at, recorder, self._pending.popleft(), media)
            answer, size = await self._run(look)
            self._parts.metrics.count("facemotion_live_frames_total", outcome="used" if answer.used else "unused")
            frames = 0 if self._fresh else recorder.frames
            await _say(self._socket, _guidance(answer, size, frames, self._dropped))

    async def _receive(self) -> Any:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await self._socket.receive()
        except TimeoutError as error:
            raise UploadTimeoutError(f"Nothing came for {SILENCE_SECONDS:g} s; start again.") from error
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        return message


def _look_at(recorder: Recorder, data: bytes, media: MediaSettings) -> tuple[LiveFrame, tuple[int, int]]:
    if len(data) < 8:
        raise FormError("A frame is the capture time as a float64, then a JPEG.")
    (seconds,) = struct.unpack_from("<d", data)
    frame = read_jpeg(data[8:], media)
    return recorder.push(frame, seconds), (frame.shape[1], frame.shape[0])


def _guidance(answer: LiveFrame, size: tuple[int, int], frames: int, dropped: int) -> dict[str, Any]:
    """Box as shares of the frame's width and height, 0..1."""
    box = None
    if answer.box is not None:
        box = [round(float(value) / size[place % 2], 4) for place, value in enumerate(answer.box)]
    return {
        "guidance": answer.guidance.name,
        "message": answer.guidance.value,
        "box": box,
        "resting": answer.resting,
        "frames": frames,
        "dropped": dropped,
    }


def _hello(words: Any) -> tuple[str, str, Any]:
    if not (isinstance(words, dict) and set(words) == {"user", "nonce", "purpose"}):
        raise FormError("The first message is a JSON object of user, nonce and purpose.")
    user, nonce, purpose = words["user"], words["nonce"], words["purpose"]
    fit = isinstance(user, str) and re.fullmatch(USER_PATTERN, user) and isinstance(nonce, str)
    if not (fit and nonce.isascii() and len(nonce) <= 256) or purpose not in ("verify", "enrol"):
        raise FormError("The first message names a user, a nonce, and verify or enrol as purpose.")
    return user, nonce, purpose


def _let_visitor_in(socket: WebSocket, settings: ServiceSettings) -> None:
    """
    Raises:
        AuthenticationError, RightsError: the settings let no visitor in from there.
    """
    allowed = settings.server.try_it
    address = socket.client.host if socket.client else ""
    if allowed == "anyone":
        origin = socket.headers.get("origin", "")
        if origin and origin.partition("://")[2] != socket.headers.get("host", ""):
            raise RightsError("A page of another site may not try the service.")
    elif allowed == "this-machine":
        keyless(address, socket.headers, settings)
    else:
        raise RightsError("Trying without an account is switched off here.")


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormError("A text message must be JSON.") from error


async def _say(socket: WebSocket, words: dict[str, Any], *, last: bool = False) -> None:
    try:
        await socket.send_json(words)
        if last:
            await socket.close()
    except (WebSocketDisconnect, RuntimeError):
        if not last:
            raise WebSocketDisconnect(1006) from None
