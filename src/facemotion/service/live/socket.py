"""The live socket: frames go up while the user moves, guidance comes back, the verdict a moment after the last frame.

The messages are in `protocol.py` and docs/reference/service.md.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from fastapi import WebSocket
from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocketDisconnect

from facemotion.errors import FacemotionError, NonceError, UploadTimeoutError
from facemotion.service.context import ServiceContext
from facemotion.service.guard.limits import IN_SESSION, Places
from facemotion.service.live.protocol import TryHello, send
from facemotion.service.live.session import SocketSession
from facemotion.service.problems import ERROR_IN_SCOPE, FAULT, Problem, problem_of

SESSION_SECONDS = 300.0
"""Longest session, all takes of an enrolment together."""
FULL = "The service has as many live sessions as it takes; try again shortly."


class Live:
    """What all live sessions of one server process share.

    Args:
        context: of the app.
    """

    def __init__(self, context: ServiceContext) -> None:
        most = context.settings.limits.live_sessions
        self._context = context
        self._sessions = Places(most, FULL)
        self._visitors = Places(max(1, most // 2), FULL)

    async def serve(self, socket: WebSocket) -> None:
        """Run one session, from its first message to its end; every refusal is sent as a problem."""
        await socket.accept()
        try:
            async with asyncio.timeout(SESSION_SECONDS):
                await self._run(socket, SocketSession(self._context, socket))
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

    async def _run(self, socket: WebSocket, session: SocketSession) -> None:
        first = await session.receive_first()
        # A place is taken from here on: otherwise a client that says nothing would keep others out, without a nonce.
        address = socket.client.host if socket.client else ""
        async with AsyncExitStack() as stack:
            if isinstance(first, TryHello):
                self._context.admission.admit_visitor(address, socket.headers)
                holder, part = f"visitor {address}", ""
                await stack.enter_async_context(self._visitors.hold(holder))
            else:
                given_to = partial(self._context.operations.attempts.holder, key_id=None)
                try:
                    key_id = await run_in_threadpool(given_to, first.user, first.purpose, nonce=first.nonce)
                except NonceError:  # counted, so that nonces can't be guessed at any speed
                    self._context.admission.count_guess(address)
                    raise
                holder, part = f"key {key_id}" if key_id else address, first.user
            await stack.enter_async_context(self._sessions.hold(holder, part))
            setattr(socket.state, IN_SESSION, True)
            stack.callback(setattr, socket.state, IN_SESSION, False)
            await session.run(first)


async def _part(socket: WebSocket, problem: Problem) -> None:
    """Say why a session ends, where the client still listens."""
    socket.scope[ERROR_IN_SCOPE] = problem.error
    try:
        await send(socket, problem)
        await socket.close()
    except (WebSocketDisconnect, RuntimeError):
        pass
