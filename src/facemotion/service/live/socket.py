"""The live socket: frames go up while the user moves, guidance comes back, the verdict a moment after the last frame.

The messages are in `protocol.py` and docs/service.md.
"""

from __future__ import annotations

import asyncio

from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from facemotion.errors import BusyError, FacemotionError, UploadTimeoutError
from facemotion.service.context import ServiceContext
from facemotion.service.guard.limits import RETRY_SECONDS
from facemotion.service.live.session import SocketSession, send
from facemotion.service.problems import FAULT, Problem, problem_of

SESSION_SECONDS = 300.0
"""Longest session, all takes of an enrolment together."""


class Live:
    """What all live sessions of one server process share.

    Args:
        context: of the app.

    Attributes:
        sessions: how many run now.
    """

    def __init__(self, context: ServiceContext) -> None:
        self._context = context
        self.sessions = 0

    async def serve(self, socket: WebSocket) -> None:
        """Run one session, from its first message to its end; every refusal is sent as a problem."""
        await socket.accept()
        try:
            async with asyncio.timeout(SESSION_SECONDS):
                await self._run(SocketSession(self._context, socket))
            await socket.close()
        except FacemotionError as error:
            await _part(socket, problem_of(error))
        except TimeoutError:
            late = UploadTimeoutError(f"A live session lasts {SESSION_SECONDS:g} s at most; start again.")
            await _part(socket, problem_of(late))
        except WebSocketDisconnect:
            pass
        except BaseException:
            await _part(socket, FAULT)
            raise

    async def _run(self, session: SocketSession) -> None:
        first = await session.receive_first()
        # Counted from here on: otherwise a client that says nothing would keep others out, without a nonce.
        if self.sessions >= self._context.settings.limits.live_sessions:
            raise BusyError(
                "The service has as many live sessions as it takes; try again shortly.", retry_seconds=RETRY_SECONDS
            )
        self.sessions += 1
        try:
            await session.run(first)
        finally:
            self.sessions -= 1


async def _part(socket: WebSocket, problem: Problem) -> None:
    """Say why a session ends, where the client still listens."""
    try:
        await send(socket, problem)
        await socket.close()
    except (WebSocketDisconnect, RuntimeError):
        pass
