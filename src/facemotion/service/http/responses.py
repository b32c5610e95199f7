"""Answers of REST that refuse: their words in OpenAPI, and their heads."""

from __future__ import annotations

import math
from collections.abc import Mapping

from starlette.responses import JSONResponse

from facemotion.service.problems import Problem

WORDS = {
    401: "No API key, or one that isn't known.",
    403: "The key's role doesn't allow it.",
    404: "Nobody of that name is enrolled, or there is no such session.",
    408: "The body didn't arrive in time.",
    409: "Somebody of that name is enrolled already.",
    413: "The body is too large.",
    422: "The request or the clip can't be used as it is; the message says why.",
    429: "Too many requests or failures: wait, or ask an administrator to unlock.",
    503: "Too much to do, or the database can't be reached: try again shortly.",
}


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
