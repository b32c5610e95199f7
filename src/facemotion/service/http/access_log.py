"""The log: one line a request, as text or JSON, with the id of the request and the name of its error; no names of
users. The same code counts requests and adds the headers that all answers have.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from facemotion.service.metrics import Metrics
from facemotion.service.problems import ERROR_IN_SCOPE

log = logging.getLogger("facemotion.service")

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
"""On every answer that doesn't set its own."""
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
"""Those that are counted and logged by name."""
REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""Ids of a proxy's making that are taken over; any other could write lines of its own into the log."""
ID_BYTES = 8
_current: ContextVar[str] = ContextVar("request_id", default="")


class AccessLog:
    """Counts every request, writes one line of log about it without names, and adds the headers that all answers have.

    Plain ASGI: Starlette's own base class would put whole bodies into a queue.
    """

    def __init__(self, app: ASGIApp, owner: FastAPI) -> None:
        self._inner = app
        self._owner = owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        # The server put it before the path, where a proxy that doesn't strip it had left one.
        if root and scope["path"].startswith(f"{root}{root}/"):
            scope["path"] = scope["path"].removeprefix(root)
        if scope["type"] not in ("http", "websocket"):
            await self._inner(scope, receive, send)
            return
        start = time.perf_counter()
        live = scope["type"] == "websocket"
        status = 101 if live else 500
        request_id = _id_of(scope)
        _current.set(request_id)

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                there = {name for name, _ in message["headers"]}
                more = (*HEADERS, (b"x-request-id", request_id.encode()))
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in there)]
            await send(message)

        try:
            await self._inner(scope, receive, stamped)
        except Exception as error:
            scope[ERROR_IN_SCOPE] = type(error).__name__
            raise
        finally:
            seconds = time.perf_counter() - start
            route = getattr(scope.get("route"), "path", "other")
            method = "WS" if live else scope["method"]
            method = method if live or method in METHODS else "other"  # a client may make up any number
            if not live:
                metrics: Metrics = self._owner.state.context.metrics
                metrics.count("facemotion_requests_total", route=route, method=method, status=str(status))
                metrics.observe("facemotion_request_seconds", seconds, route=route)
                metrics.save()
            milliseconds, error_name = round(1000 * seconds), scope.get(ERROR_IN_SCOPE, "")
            fields = {"method": method, "route": route, "status": status, "milliseconds": milliseconds}
            words = f"{method} {route} {status} {milliseconds} ms {error_name}".rstrip()
            log.info("%s", words, extra={"request": fields | {"error": error_name or None}})


class WithRequestId(logging.Filter):
    """Tells each line of the log which request it was written for."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Put the id into the record; "-" outside of requests."""
        record.request_id = _current.get() or "-"
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, request_id, message; of a request also its method, route, status,
    milliseconds and error.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "request_id": record.__dict__.get("request_id", "-"),
            "message": record.getMessage(),
        }
        line |= record.__dict__.get("request", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def logging_config(kind: str) -> dict[str, Any]:
    """How Python's logging is set up.

    Args:
        kind: "text" or "json".
    """
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request": {"()": WithRequestId}},
        "formatters": {
            "text": {"format": "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s"},
            "json": {"()": JsonLines},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": kind, "filters": ["request"]}},
        "loggers": {
            "facemotion": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        },
    }


def _id_of(scope: Scope) -> str:
    """The id that a proxy gave the request, or a new one."""
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
    return given.decode() if REQUEST_ID.fullmatch(given) else secrets.token_hex(ID_BYTES)
