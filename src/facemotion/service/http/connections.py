"""Connections with time limits for heads, bodies and answers; beyond the limit of connections idle ones are closed.

uvicorn itself waits for ever for heads, and for clients that never read. So a few clients could use up the server.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from facemotion.errors import BusyError
from facemotion.service.guard.limits import FAIR_LEAD, IN_SESSION, RETRY_SECONDS
from facemotion.service.http.responses import respond
from facemotion.service.problems import problem_of
from facemotion.service.settings import LimitSettings

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

UNREAD_SECONDS = 30.0
"""A client that takes none of its answer for so long is cut off."""
MOST_UNREAD_BYTES = 256 * 2**10
"""Bytes of answers that a client of a live session leaves unread at most; a message of the service has some hundred."""
SPARE_PINGS = 20
PINGS_PER_SECOND = 1.0
"""Pings of a client of a live session: so many at once, and so many a second from then on. Browsers send none,
libraries one in 20 s."""
MOST_FIRST_BYTES = 8 * 2**10
"""What a client of a live session sends at most until its first message is whole: a Hello has some hundred bytes."""
MOST_LATE_BYTES = 512 * 2**10
"""What it sends at most after the service closed the session: frames that were on their way."""
MESSAGE_TOO_BIG = 1009
"""Code of RFC 6455 (7.4.1)."""
PARTING_SECONDS = 1.0
"""How long a connection beyond the limit stays open after its answer. Closed at once, with a request on its way, it
would be reset, and the client would lose the answer. It may take as long to say what it asks. A client of a live
session has as long to answer the close."""
PARTING_LEAST = 8
"""As many connections may be parting at a time, or as many as the limit allows, if that is more; the next is closed at
once and may be reset before it has read its answer."""


class WriteDeadline(asyncio.Protocol):
    """Closes a connection whose client doesn't read: every write has a time limit.

    Attributes:
        since: when it was made or became idle, on the loop's clock.
        given_up: whether it was closed for another; it leaves the loop's books a moment later.
    """

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    client: tuple[str, int] | None
    since = 0.0
    given_up = False
    _deaf: asyncio.TimerHandle | None = None

    @property
    def address(self) -> str:
        """Of the client; "" where it isn't known."""
        return self.client[0] if self.client else ""

    @property
    def idle(self) -> bool:
        """Whether closing it would lose nothing but its place."""
        return False

    @property
    def receiving(self) -> bool:
        """Whether what was sent so far, such as half a body, led to nothing yet."""
        return False

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        super().pause_writing()
        self._hear_again()
        self._deaf = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        self._hear_again()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and so must its timer be."""
        self._hear_again()
        super().connection_lost(exc)

    def _hear_again(self) -> None:
        if self._deaf is not None:
            self._deaf.cancel()
            self._deaf = None


class BoundedSocket(WriteDeadline, WebSocketsSansIOProtocol):
    """A WebSocket whose client can't make answers pile up, by pings or by not reading, nor stay without a session."""

    _heard = False
    _unasked = 0
    _pings = 0
    _leaving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The WebSocket took over."""
        self.since = self.loop.time()
        super().connection_made(cast(asyncio.Transport, transport))

    @property
    def idle(self) -> bool:
        """Whether the client has said nothing yet, or its session ended."""
        return not self._listens or self.transport.is_closing()

    @property
    def receiving(self) -> bool:
        """Whether the client said something and has no session: it may have made up its nonce."""
        return self._heard and not self.scope["state"].get(IN_SESSION, False)

    def data_received(self, data: bytes) -> None:
        """Bytes came. What they make us answer may not pile up, nor may they themselves where they lead to nothing:
        before the first message is whole, and once the session is closed.
        """
        unasked = self.handshake_initiated and not self._listens
        super().data_received(data)
        if unasked and not self._listens:
            self._unasked += len(data)
        if self.transport.get_write_buffer_size() > MOST_UNREAD_BYTES or self._unasked > MOST_LATE_BYTES:
            self.transport.abort()
        elif self._unasked > MOST_FIRST_BYTES and not self._heard and not self.close_sent:
            self.conn.fail(MESSAGE_TOO_BIG, "The first message is a small JSON object.")
            self.handle_parser_exception()

    @property
    def _listens(self) -> bool:
        """Whether more messages are wanted."""
        return self._heard and not self.close_sent

    def handle_ping(self) -> None:
        """Answer, unless it is one too many."""
        self._pings += 1
        if self._pings > SPARE_PINGS + PINGS_PER_SECOND * (self.loop.time() - self.since):
            self.transport.abort()
            return
        super().handle_ping()

    def send_receive_event_to_app(self) -> None:
        """A whole message came."""
        self._heard = True
        super().send_receive_event_to_app()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message. After a close the connection ends soon, whether or not the client answers it."""
        await super().send(message)
        if self.close_sent and self._leaving is None and not self.disconnected:
            self._leaving = self.loop.call_later(PARTING_SECONDS, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and so must its timer be."""
        if self._leaving is not None:
            self._leaving.cancel()
        super().connection_lost(exc)


class ImpatientProtocol(WriteDeadline, H11Protocol):
    """HTTP/1.1 with time limits. It closes a connection that doesn't complete the head of a request in time, that goes
    on sending a body after the answer, or that doesn't read.

    Beyond the limit of connections the oldest idle one of the address with the most is closed. If none is idle, the
    oldest whose body is under way, or that asks for a live session, is closed, if its address has more than the
    newcomer's. If there is none either, the newcomer is refused. The limits come from the application, by its lifespan
    state.
    """

    _parting: ClassVar[set[ImpatientProtocol]] = set()
    _timer: asyncio.TimerHandle | None = None
    _patience = 0.0
    _method = b""
    _turned_away = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came: its head must be whole in time."""
        super().connection_made(cast(asyncio.Transport, transport))
        self.since = self.loop.time()
        limits: LimitSettings = self.app_state["limits"]
        if len(self.connections) > limits.connections and not _find_room(self, self.connections):
            self._part(max(limits.connections, PARTING_LEAST))
            return
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: else who never reads keeps a connection for ever
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * UNREAD_SECONDS)
            )
        self._patience = limits.head_seconds
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Bytes came: the timer runs while a head is under way, from its first byte."""
        if self in self._parting:
            self._method = (self._method + data)[:5]
            if not self._turned_away and len(self._method) == 5:
                self._turn_away()
            return
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """An answer went out: what is left of the body that it didn't wait for may not go on for ever."""
        super().on_response_complete()
        self.since = self.loop.time()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """A WebSocket takes over; its own rules hold from here."""
        self._cancel()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, and so must its timer be."""
        self._cancel()
        self._parting.discard(self)
        super().connection_lost(exc)

    @property
    def idle(self) -> bool:
        """Whether it waits for a request, or goes on with one that was answered."""
        waits = self.conn.their_state is h11.IDLE and (self.cycle is None or self.cycle.response_complete)
        return waits or self._answered_early()

    @property
    def receiving(self) -> bool:
        """Whether a body is under way and no answer."""
        return self.conn.their_state is h11.SEND_BODY and self.cycle is not None and not self.cycle.response_started

    def _part(self, most: int) -> None:
        """Have the connection closed once it was answered, or at once where `most` are parting."""
        self.connections.discard(self)  # its place is free for the next one
        if len(self._parting) >= most:
            self.transport.write(_busy_answer(self.server_state.default_headers, body=False))
            self.transport.close()
            return
        self._parting.add(self)
        self._timer = self.loop.call_later(PARTING_SECONDS, self._turn_away)

    def _turn_away(self) -> None:
        """Answer as soon as the method is known, which decides whether there is a body; close a little later."""
        self._cancel()
        self._turned_away = True
        self.transport.write(_busy_answer(self.server_state.default_headers, body=self._method != b"HEAD "))
        if self.transport.can_write_eof():  # not under TLS
            self.transport.write_eof()
        self._timer = self.loop.call_later(PARTING_SECONDS, self.transport.close)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE and not self._answered_early():
            self._cancel()
        elif self._timer is None and not self.transport.is_closing():
            self._timer = self.loop.call_later(self._patience, self._too_slow)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        if self.idle:
            self.transport.close()

    def _answered_early(self) -> bool:
        return self.conn.their_state is h11.SEND_BODY and self.cycle is not None and self.cycle.response_complete


class TlsOpening(WriteDeadline):
    """A connection whose TLS isn't agreed on yet. It counts as idle, and has as long as the head of a request.

    uvicorn's own has no part in the limit of connections until then, so whoever opened thousands and said nothing kept
    everybody out. The context comes from the application, by its lifespan state.

    Args:
        config, server_state, app_state, _loop: of the protocol that takes over, see uvicorn.
    """

    def __init__(
        self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.loop = _loop or asyncio.get_running_loop()
        self._make = partial(ImpatientProtocol, config, server_state, app_state, _loop)
        self._connections = server_state.connections
        self._context: ssl.SSLContext = app_state["tls"]
        self._limits: LimitSettings = app_state["limits"]
        self._early = bytearray()
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came: first TLS, itself over this connection, then it may speak."""
        if self._opening is not None:  # over TLS: the task goes on
            return
        self.transport = cast(asyncio.Transport, transport)
        self.transport.pause_reading()
        self.client, self.since = get_remote_addr(self.transport), self.loop.time()
        self._connections.add(self)
        if len(self._connections) > self._limits.connections and not _find_room(self, self._connections):
            self.shutdown()
            return
        self._opening = self.loop.create_task(self._open())

    def data_received(self, data: bytes) -> None:
        """The first bytes over TLS came with its last ones."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone, or was closed for another."""
        self._connections.discard(self)

    @property
    def idle(self) -> bool:
        """Nothing was asked yet."""
        return True

    def shutdown(self) -> None:
        """Close it at once."""
        self._connections.discard(self)
        self.transport.abort()

    async def _open(self) -> None:
        seconds = self._limits.head_seconds
        try:
            over = await self.loop.start_tls(
                self.transport, self, self._context, server_side=True, ssl_handshake_timeout=seconds
            )
        except (OSError, TimeoutError):  # of TLS as well; the connection is closed by then
            return
        finally:
            self._connections.discard(self)
        if over is None or over.is_closing():  # the client went away meanwhile
            return
        inner = self._make()
        over.set_protocol(inner)
        inner.connection_made(over)
        if self._early:
            inner.data_received(bytes(self._early))


def _find_room(newcomer: WriteDeadline, connections: Iterable[object]) -> bool:
    """Close another connection in favour of a new one; False where there is none to close. Many may come before the
    first is gone: each of them needs another one's place.
    """
    others = [
        other
        for other in connections
        if other is not newcomer and isinstance(other, WriteDeadline) and not other.given_up
    ]
    counts = Counter(other.address for other in others)
    enough = counts[newcomer.address] + FAIR_LEAD
    idle = [other for other in others if other.idle]
    rich = [other for other in others if other.receiving and counts[other.address] >= enough]
    for group in (idle, rich):
        if group:
            oldest = min(group, key=lambda other: (-counts[other.address], other.since))
            oldest.given_up = True
            oldest.transport.abort()
            return True
    return False


def _busy_answer(headers: list[tuple[bytes, bytes]], *, body: bool) -> bytes:
    """A whole HTTP answer of status 503.

    Args:
        headers: of every answer of the server.
        body: whether a Problem is its body. Where it has none, its head says nothing of one: it answers any method.
    """
    error = BusyError("The service has too many open connections; try again shortly.", retry_seconds=RETRY_SECONDS)
    answer = respond(503, problem_of(error), {"connection": "close"})
    if not body:
        del answer.headers["content-length"], answer.headers["content-type"]
    lines = [b"HTTP/1.1 503 Service Unavailable"]
    lines += [name + b": " + value for name, value in (*headers, *answer.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(answer.body) if body else b""])
