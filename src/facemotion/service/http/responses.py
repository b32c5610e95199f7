"""Answers of REST that refuse: their words in OpenAPI, and their heads."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from facemotion.service.problems import Problem

WORDS = {
    401: "No API key, or one that isn't known.",
    403: "The caller may not do this: the role of the key is too low, or a proof is missing.",
    404: "Nobody of that name is enrolled, or there is no such session.",
    405: "The address doesn't take this method; the head `Allow` names those that it takes.",
    408: "The body didn't arrive in time.",
    409: "Somebody of that name is enrolled already.",
    413: "The body is too large.",
    422: "The request or the clip can't be used as it is; the message says why.",
    429: "Too many requests or failures: wait, or ask an administrator to unlock.",
    500: "The service failed; its log says why.",
    503: "Too much to do, or the database can't be reached: try again shortly.",
}

_FAULTS = {
    "missing": "is missing",
    "extra_forbidden": "isn't a field that is taken",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "has more than {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
}


def fault_words(fault: Mapping[str, Any]) -> str:
    """What is wrong with a part of a request, without its value: a nonce or a clip may be in it.

    Args:
        fault: as pydantic lists it: where (`loc`), of which kind (`type`), and what was expected (`ctx`).
    """
    words = _FAULTS.get(fault["type"], "can't be read as what it should be")
    return f"{'.'.join(str(part) for part in fault['loc'])} {words.format(**fault.get('ctx', {}))}"


def respond(status: int, problem: Problem, more: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer itself, with `more` in its head; 401 names the scheme, and a wait stands in the head too."""
    headers = {"cache-control": "no-store"} | dict(more or {})
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if problem.retry_seconds is not None:
        headers["retry-after"] = str(max(1, math.ceil(problem.retry_seconds)))
    if status in (408, 413):
        headers["connection"] = "close"  # what is left of the body isn't read
    return JSONResponse(problem.model_dump(), status, headers)
