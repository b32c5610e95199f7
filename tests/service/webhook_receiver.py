"""A webhook that takes down what comes, and answers as a test wants."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = b"0123456789abcdef0123456789abcdef"


class Receiver(ThreadingHTTPServer):
    """Listens on a free port of loopback.

    Attributes:
        came: signature and body of each request, in order.
        answers: statuses to answer with, by session; 0 hangs; 204 where none is left.
        let_go: set, no request hangs any more.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.came: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.answers: dict[str, list[int]] = {}
        self.let_go = threading.Event()


class _Hook(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answers = self.server.answers.get(json.loads(body)["session"])
        answer = answers.pop(0) if answers else 204
        self.server.came.put((self.headers["facemotion-signature"], body))
        if not answer:
            self.server.let_go.wait(30)
            return
        self.send_response(answer)
        if answer == 302:
            self.send_header("location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        """Where a redirect would lead."""
        self.server.came.put(("followed", b'{"session": "none"}'))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def receiving() -> Iterator[Receiver]:
    """One that listens on a free port of loopback."""
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield receiver
        receiver.let_go.set()
        receiver.shutdown()
        thread.join()
