"""The page of every HTTP operation, from the OpenAPI description; `tools.reference_pages` writes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from facemotion.service.http.app import create_app
from facemotion.service.http.docs_page import Operation, operations, refusals


def http_page(note: str) -> str:
    """The page.

    Args:
        note: the line that says who wrote it.
    """
    with TemporaryDirectory() as folder:
        description = create_app(Path(folder) / "store.db").openapi()
    refused = [f"| {status} | {meaning} |" for status, meaning in refusals(description).items()]
    parts = [
        "# HTTP operations",
        note,
        "What each operation takes and answers. [The service](service.md) says how they go together, which role each "
        "needs, and what the [messages](service.md#messages-of-rest) hold. A running service shows the same at "
        "`/docs`; for client generators it is at `/openapi.json`. Every refusal is a Problem. Any address may refuse "
        "with 405 or 500, too:",
        "\n".join(["| status | Problem |", "|---|---|", *refused]),
    ]
    for operation in operations(description):
        parts += _section(operation)
    return "\n\n".join(parts) + "\n"


def _section(one: Operation) -> Iterator[str]:
    yield f"## `{one.title}`"
    key = " No API key." if one.keyless and "Needs no key" not in one.words else ""
    yield f"`{one.name}`: {one.words}{key}"
    rows = []
    for field in one.fields:
        default = f" (default `{field.default}`)" if field.default else ""
        need, meaning = "yes" if field.needed else "no", field.meaning.replace("|", "/")
        rows.append(f"| `{field.name}` | {field.where} | {need} | {field.type}{default} | {meaning} |")
    if rows:
        yield "\n".join(["| field | in | needed | type | meaning |", "|---|---|---|---|---|", *rows])
    good = ", ".join(f"{status} with {answer}" for status, answer in one.answers.items())
    refused = f" Refused with {', '.join(one.refused)}." if one.refused else ""
    yield f"Answers {good}.{refused}"
