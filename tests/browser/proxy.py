"""A proxy that serves a service under a path, as nginx does: it strips the path and says for whom it asks."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.service.conftest import Server


class _Visit(socketserver.BaseRequestHandler):
    server: _Proxy

    def handle(self) -> None:
        """One request, or one live socket, of one connection."""
        head = b""
        while b"\r\n\r\n" not in head:
            if not (part := self.request.recv(65536)):
                return
            head += part
        line, _, rest = head.partition(b"\r\n")
        method, path, version = line.split(b" ")
        if not path.startswith(self.server.prefix + b"/"):
            self.server.astray.append(path.decode())
            self.request.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            return
        if b"upgrade: websocket" not in head.lower():  # the next request comes over a new connection
            lines = rest.split(b"\r\n")
            rest = b"\r\n".join([b"connection: close", *(x for x in lines if not x.lower().startswith(b"connection:"))])
        with socket.create_connection(self.server.behind) as upstream:
            line = b" ".join([method, path.removeprefix(self.server.prefix), version])
            upstream.sendall(line + b"\r\nx-forwarded-for: 192.0.2.1\r\n" + rest)
            threading.Thread(target=_pass_on, args=(self.request, upstream)).start()
            _pass_on(upstream, self.request)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while part := one.recv(65536):
            other.sendall(part)
    for end in (one, other):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class _Proxy(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, server: Server, prefix: str) -> None:
        super().__init__(("127.0.0.1", 0), _Visit)
        host, port = server.url.removeprefix("http://").split(":")
        self.behind, self.prefix = (host, int(port)), prefix.encode()
        self.astray: list[str] = []


@contextmanager
def under(server: Server, prefix: str) -> Iterator[Server]:
    """The same service, called by way of a proxy under a path; nothing may be asked for outside it."""
    with _Proxy(server, prefix) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        front = Server(f"http://127.0.0.1:{proxy.server_address[1]}{prefix}", server.keys, server.store)
        try:
            yield front
        finally:
            front.http.close()
            proxy.shutdown()
            thread.join()
    assert proxy.astray == []
