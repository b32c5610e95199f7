"""The page of every HTTP operation, from the OpenAPI description; `tools.reference_pages` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from facemotion.service.http.app import create_app

WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}


def http_page(note: str) -> str:
    """The page.

    Args:
        note: the line that says who wrote it.
    """
    with TemporaryDirectory() as folder:
        description = create_app(Path(folder) / "store.db").openapi()
    parts = [
        "# HTTP operations",
        note,
        "What each operation takes and answers. [The service](service.md) says how they go together, which role each "
        "needs, and what the [messages](service.md#messages-of-rest) hold. The same description for client generators "
        "is at `/openapi.json`. Every refusal is a Problem:",
        "\n".join(["| status | Problem |", "|---|---|", *_refusals(description)]),
    ]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts += _operation(f"{method.upper()} {path}", operation)
    return "\n\n".join(parts) + "\n"


def _operation(title: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"## `{title}`"
    key = "" if operation.get("security") else " No API key."
    words = operation.get("description") or operation["summary"]
    yield f"`{operation['operationId']}`: {' '.join(words.split())}{'' if 'Needs no key' in words else key}"
    rows = list(_fields(operation))
    if rows:
        yield "\n".join(["| field | in | type | meaning |", "|---|---|---|---|", *rows])
    good = [f"{status} with {_answer(answer)}" for status, answer in operation["responses"].items() if status < "400"]
    bad = sorted(status for status in operation["responses"] if status >= "400")
    refused = f" Refused with {', '.join(bad)}." if bad else ""
    yield f"Answers {', '.join(good)}.{refused}"


def _refusals(description: dict[str, Any]) -> list[str]:
    """A row for each status of a refusal, which means the same everywhere."""
    found = {
        (status, answer["description"])
        for methods in description["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
    }
    return [f"| {status} | {meaning} |" for status, meaning in sorted(found)]


def _fields(operation: dict[str, Any]) -> Iterator[str]:
    """A row for each parameter and each field of the body."""
    for one in operation.get("parameters", []):
        yield _row(one["name"], one["in"], one["schema"], one.get("description", ""))
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        where = "form" if kind == "multipart/form-data" else "JSON"
        for name, schema in content["schema"].get("properties", {}).items():
            yield _row(name, where, schema, schema.get("description", ""))


def _row(name: str, where: str, schema: dict[str, Any], meaning: str) -> str:
    default = f" (default `{str(schema['default']).lower()}`)" if schema.get("default") not in (None, "") else ""
    return f"| `{name}` | {where} | {_type(schema)}{default} | {meaning.replace('|', '/')} |"


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f'`"{value}"`' for value in schema["enum"])
    if schema.get("format") == "binary":
        return "file"
    if schema.get("type") == "array":
        return f"several: {_type(schema['items'])}"
    return WORDS[schema["type"]]


def _answer(answer: dict[str, Any]) -> str:
    (content,) = list(answer.get("content", {}).items()) or [("", {})]
    kind, schema = content[0], content[1].get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    return f"{name or kind or 'nothing'}"
