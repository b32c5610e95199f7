"""Bodies of requests, read within a time and a size, and kept in memory: no clip touches the disk.

No endpoint lets FastAPI read its body: FastAPI would read it before we know the caller, without limits of size and
time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from facemotion.errors import BodyTooLargeError, FormError, UploadTimeoutError
from facemotion.service.settings import LimitSettings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

MOST_PARTS = 32
"""Parts of a multipart body."""
MOST_JSON = 4096
"""Bytes of a JSON body."""
MOST_TEXT = 256
"""Bytes of a text in a form."""
Body = TypeVar("Body", bound=BaseModel)


@dataclass
class Form:
    """The parts of a multipart body.

    Attributes:
        parts: the bytes of each part, by the name of its field, in order.
    """

    parts: dict[str, list[bytes]] = field(default_factory=dict)

    def refuse_others(self, names: set[str]) -> None:
        """
        Raises:
            FormError: there is a field that isn't one of these.
        """
        if others := sorted(set(self.parts) - names):
            raise FormError(
                f"The form takes the fields {', '.join(sorted(names))}; leave out the {len(others)} others."
            )

    def text(self, name: str) -> str:
        """The one text of a field, up to MOST_TEXT characters.

        Raises:
            FormError: it isn't there once, or isn't such a text.
        """
        (value,) = self.files(name, 1)
        if len(value) > MOST_TEXT:
            raise FormError(f"The field {name!r} is too long.")
        try:
            return value.decode("ascii")
        except UnicodeDecodeError as error:
            raise FormError(f"The field {name!r} must be plain text.") from error

    def files(self, name: str, most: int) -> list[bytes]:
        """All files of a field, at least one.

        Raises:
            FormError: none there, or more than `most`.
        """
        values = self.parts.get(name, [])
        if not values:
            raise FormError(f"The field {name!r} is missing; send it as multipart/form-data.")
        if len(values) > most:
            raise FormError(f"The field {name!r} is there {len(values)} times; at most {most} are taken.")
        return values


async def read_form(request: Request, limits: LimitSettings) -> Form:
    """Read a multipart/form-data body.

    Raises:
        FormError: not multipart, or damaged.
        BodyTooLargeError, UploadTimeoutError: past a limit.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise FormError("Send the body as multipart/form-data.")
    most = int(limits.body_mebibytes * 2**20)
    large = BodyTooLargeError(
        f"The body is larger than {limits.body_mebibytes:g} MiB; record smaller or shorter clips."
    )
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        async for chunk in _chunks(request, most, limits.upload_seconds, large):
            parser.write(chunk)
    except FormParserError as error:
        raise FormError("The multipart body is damaged; send it again.") from error
    if not collector.whole:
        raise FormError("The multipart body is cut off; send it again.")
    return collector.form


async def read_json(request: Request, kind: type[Body], limits: LimitSettings) -> Body:
    """Read a small application/json body.

    Raises:
        FormError: of another type.
        RequestValidationError: not as `kind` describes it.
        BodyTooLargeError, UploadTimeoutError: past a limit.
    """
    if parse_options_header(request.headers.get("content-type"))[0] != b"application/json":
        raise FormError("Send the body as application/json.")
    large = BodyTooLargeError(f"The body is larger than {MOST_JSON} bytes; see the OpenAPI description.")
    body = bytearray()
    async for chunk in _chunks(request, MOST_JSON, limits.upload_seconds, large):
        body += chunk
    try:
        return kind.model_validate_json(bytes(body))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise RequestValidationError([fault | {"loc": ("body", *fault["loc"])} for fault in faults]) from None


async def _chunks(request: Request, most: int, seconds: float, large: BodyTooLargeError) -> AsyncIterator[bytes]:
    """The body as it arrives, up to `most` bytes, all within `seconds`."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > most:
        raise large
    received = 0
    end = asyncio.get_running_loop().time() + seconds
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout_at(end):
                chunk = await anext(stream)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise UploadTimeoutError(f"The body didn't arrive within {seconds:g} s; send a smaller one.") from error
        except ClientDisconnect as error:
            raise FormError("The connection was cut before the body was whole.") from error
        received += len(chunk)
        if received > most:
            raise large
        yield chunk


class _Collector:
    """Puts together what the parser finds."""

    def __init__(self) -> None:
        self.form = Form()
        self.whole = False
        self._header = bytearray()
        self._value = bytearray()
        self._name: str | None = None
        self._data = bytearray()
        self._count = 0

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
            "on_header_end": self._header_end,
            "on_headers_finished": self._named,
            "on_part_data": lambda data, start, end: self._data.extend(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._count += 1
        if self._count > MOST_PARTS:
            raise FormError(f"The form has more than {MOST_PARTS} parts.")
        self._name = None
        self._data = bytearray()

    def _header_end(self) -> None:
        if bytes(self._header).lower() == b"content-disposition":
            name = parse_options_header(bytes(self._value))[1].get(b"name")
            self._name = name.decode("latin-1") if name else None
        self._header.clear()
        self._value.clear()

    def _named(self) -> None:
        if self._name is None:
            raise FormError("A part of the form has no name.")

    def _end(self) -> None:
        self.form.parts.setdefault(self._name or "", []).append(bytes(self._data))

    def _finish(self) -> None:
        self.whole = True
