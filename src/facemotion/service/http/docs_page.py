"""The page at `/docs`: every operation and message, from the OpenAPI description, in plain HTML.

Written here and not by Swagger UI or Redoc: those are a megabyte of scripts, which FastAPI has browsers fetch from
another host, and which need styles that our policy forbids. This page has no script and fetches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from facemotion.service.http.page import styled
from facemotion.service.http.responses import WORDS

POLICY = (
    "default-src 'none'; style-src {styles}; img-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
SIMPLE = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "null": "null",
    "date-time": "time, ISO 8601",
    "binary": "file",
}


@dataclass(frozen=True)
class FieldRow:
    """One field that an operation takes, or that a message has.

    Attributes:
        name: of the field.
        where: "path", "query", "form" or "JSON"; "" in a message.
        type: in words, values and messages in backquotes, with bounds.
        default: its JSON; "" where there is none.
        needed: whether it must be there; False in a message.
        meaning: a sentence.
    """

    name: str
    where: str
    type: str
    default: str
    needed: bool
    meaning: str


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        title: method and path.
        name: for client generators.
        words: what it does.
        keyless: whether it needs no API key.
        fields: what it takes.
        answers: by status, a message, the kind of another content, or "nothing".
        refused: statuses of its Problems.
    """

    title: str
    name: str
    words: str
    keyless: bool
    fields: tuple[FieldRow, ...]
    answers: dict[str, str]
    refused: tuple[str, ...]


def operations(description: Mapping[str, Any]) -> list[Operation]:
    """The operations of an OpenAPI description, in its order."""
    return [
        _operation(f"{method.upper()} {path}", operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def refusals(description: Mapping[str, Any]) -> dict[str, str]:
    """What each status of a refusal means; it means the same everywhere."""
    found = {
        (status, answer["description"])
        for methods in description["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
    }
    everywhere = {(str(status), WORDS[status]) for status in (405, 500)}  # OpenAPI lists neither with an operation
    return dict(sorted(found | everywhere))


def type_words(schema: Mapping[str, Any]) -> str:
    """A schema in words: messages by their names, and literal values, in backquotes."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "const" in schema or "enum" in schema:
        values = schema.get("enum", [schema.get("const")])
        return " or ".join(f'`"{value}"`' if isinstance(value, str) else f"`{value}`" for value in values)
    if "anyOf" in schema:
        return " or ".join(type_words(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"several: {type_words(schema['items'])}"
    if schema.get("type") == "object":
        return f"object: text to {type_words(schema['additionalProperties'])}"
    return SIMPLE[schema.get("format", schema["type"])] + _bounds(schema)


def _bounds(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema:
        return f", {schema['minimum']} to {schema['maximum']}"
    return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""


def docs() -> APIRouter:
    """A router with the page."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/docs", show, methods=["GET", "HEAD"])
    return router


def show(request: Request) -> Response:
    """The page itself; it needs no key, as the description that it is made of."""
    state = request.app.state
    if not hasattr(state, "docs_page"):
        state.docs_page = render(request.app.openapi())
    return styled(state.docs_page, POLICY)


def render(description: Mapping[str, Any]) -> str:
    """The page of an OpenAPI description; styles are named by links.

    Args:
        description: of OpenAPI 3.1, as FastAPI makes it of our own messages.
    """
    found, schemas = operations(description), description["components"]["schemas"]
    info = description["info"]
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}: HTTP operations</h1>",
        f'<p>{escape(info["summary"])} For client generators: <a href="openapi.json">openapi.json</a> (OpenAPI '
        f"{escape(description['openapi'])}). An API key goes into the head <code>Authorization: Bearer KEY</code>. "
        "Which role each operation needs is said in the documentation of the service.</p>",
        '<nav aria-label="Operations"><ul>',
        *(f'<li><a href="#{one.name}"><code>{escape(one.title)}</code></a></li>' for one in found),
        '<li><a href="#messages">Messages</a></li></ul></nav>',
        "<section><h2>Refusals</h2><p>Every refusal is a <code>Problem</code>.</p>",
        *_table("Refusals", ("status", "when"), ((status, words) for status, words in refusals(description).items())),
        "</section>",
    ]
    for one in found:
        parts += [f'<section id="{one.name}"><h2><code>{escape(one.title)}</code></h2>', *_section(one), "</section>"]
    parts.append('<h2 id="messages">Messages</h2>')
    for name, schema in schemas.items():
        fields = (_field(field, "", one) for field, one in schema.get("properties", {}).items())
        rows = [(f"`{one.name}`", _with_default(one), one.meaning) for one in fields]
        words = " ".join(schema.get("description", "").split())
        parts += [f'<section id="message-{name}"><h3>{name}</h3><p>{_marked(words)}</p>']
        parts += [*_table(f"{name}: fields", ("field", "type", "meaning"), rows), "</section>"]
    return PAGE.format(body=_linked("\n".join(parts), schemas))


PAGE = """<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="color-scheme" content="light dark">
  <title>facemotion: HTTP operations</title>
  <link rel="icon" href="static/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="static/style.css">
  <link rel="stylesheet" href="static/docs.css">
</head>
<body>
  <header><a id="brand" href="./"><img src="static/icon.svg" alt="" width="28" height="28"> facemotion</a></header>
  <main>
{body}
  </main>
</body>
</html>
"""


def _operation(title: str, operation: Mapping[str, Any]) -> Operation:
    fields = [
        _field(
            one["name"],
            one["in"],
            one["schema"] | {"description": one.get("description", "")},
            one.get("required", False),
        )
        for one in operation.get("parameters", [])
    ]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        where = "form" if kind == "multipart/form-data" else "JSON"
        body = content["schema"]
        needed = body.get("required", [])
        fields += [_field(name, where, one, name in needed) for name, one in body.get("properties", {}).items()]
    responses = operation["responses"]
    return Operation(
        title,
        operation["operationId"],
        " ".join((operation.get("description") or operation["summary"]).split()),
        not operation.get("security"),
        tuple(fields),
        {status: _content(answer) for status, answer in responses.items() if status < "400"},
        tuple(sorted(status for status in responses if status >= "400")),
    )


def _field(name: str, where: str, schema: Mapping[str, Any], needed: bool = False) -> FieldRow:
    default = schema.get("default")
    words = "" if default in (None, "") else str(default).lower()
    return FieldRow(name, where, type_words(schema), words, needed, schema.get("description", ""))


def _content(answer: Mapping[str, Any]) -> str:
    for kind, content in answer.get("content", {}).items():
        return str(content.get("schema", {}).get("$ref", "").rpartition("/")[2] or kind)
    return "nothing"


def _section(one: Operation) -> Iterator[str]:
    """What the page says of an operation."""
    key = " No API key." if one.keyless and "Needs no key" not in one.words else ""
    yield f"<p><code>{one.name}</code>: {_marked(one.words)}{key}</p>"
    if one.fields:
        rows = [(f"`{f.name}`", f.where, _need(f), _with_default(f), f.meaning) for f in one.fields]
        yield from _table(f"{one.title}: fields", ("field", "in", "needed", "type", "meaning"), rows)
    good = ", ".join(f"{status} with {_name(answer)}" for status, answer in one.answers.items())
    refused = f" Refused with {', '.join(one.refused)}." if one.refused else ""
    yield f"<p>Answers {good}.{refused}</p>"


def _name(answer: str) -> str:
    return escape(answer) if answer == "nothing" else f"<code>{escape(answer)}</code>"


def _need(one: FieldRow) -> str:
    return "yes" if one.needed else "no"


def _with_default(one: FieldRow) -> str:
    return f"{one.type} (default `{one.default}`)" if one.default else one.type


def _table(label: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A table that can be scrolled by itself where the screen is narrow."""
    yield f'<div class="wide" tabindex="0" role="region" aria-label="{escape(label)}"><table><thead><tr>'
    yield "".join(f'<th scope="col">{head}</th>' for head in heads)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{_marked(cell)}</td>' for cell in row)}</tr>"
    yield "</tbody></table></div>"


def _marked(text: str) -> str:
    """Text as HTML; what stands in backquotes as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _linked(html: str, schemas: Mapping[str, Any]) -> str:
    """HTML in which the names of messages that stand as code lead to them."""

    def link(code: re.Match[str]) -> str:
        return f'<a href="#message-{code[1]}">{code[0]}</a>' if code[1] in schemas else code[0]

    return re.sub(r"<code>(\w+)</code>", link, html)
