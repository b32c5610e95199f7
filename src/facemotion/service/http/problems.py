"""Errors as answers: the status of each, and one shape of body."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from starlette.responses import JSONResponse

from facemotion import errors
from facemotion.service.http.messages import Problem

log = logging.getLogger("facemotion.service")

# The first entry that fits decides.
STATUS: tuple[tuple[type[errors.FacemotionError], int], ...] = (
    (errors.AuthenticationError, 401),
    (errors.RightsError, 403),
    (errors.UnknownUserError, 404),
    (errors.UploadTimeoutError, 408),
    (errors.UserExistsError, 409),
    (errors.BodyTooLargeError, 413),
    (errors.NonceError, 422),
    (errors.FormError, 422),
    (errors.RateError, 429),
    (errors.LockedError, 429),
    (errors.BusyError, 503),
    (errors.StoreUnavailableError, 503),
    (errors.StoreFullError, 503),
    (errors.StoreError, 500),
    (errors.ModelError, 500),
    (errors.UsageError, 422),
    (errors.AcquisitionError, 422),
)

WORDS = {
    401: "No API key, or one that isn't known.",
    403: "The key's role doesn't allow it.",
    404: "Nobody of that name is enrolled.",
    408: "The body didn't arrive in time.",
    409: "Somebody of that name is enrolled already.",
    413: "The body is too large.",
    422: "The request or the clip can't be used as it is; the message says why.",
    429: "Too many requests or failures: wait, or ask an administrator to unlock.",
    503: "Too much to do, or the database can't be reached: try again shortly.",
}

AWAY: tuple[tuple[type[errors.StoreError], str], ...] = (
    (errors.StoreUnavailableError, "The database can't be reached or is busy; try again shortly."),
    (errors.StoreFullError, "The database can't be written; whoever looks after the service finds why in its log."),
)
"""What callers are told of the store, whose own words name its address and go to the log."""

FAULT = Problem(
    error="ServerFaultError", message="The service failed; its log says more. Try again later.", retry_seconds=None
)


def status_of(error: errors.FacemotionError) -> int:
    """The HTTP status of a named error."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem_of(error: errors.FacemotionError) -> Problem:
    """The body of an answer. Faults of our own tell the caller nothing of what is inside."""
    if status_of(error) == 500:
        return FAULT
    retry = error.retry_seconds if isinstance(error, errors.ServiceError) else None
    message = next((words for kind, words in AWAY if isinstance(error, kind)), str(error))
    if message != str(error):
        log.error("%s", error)
    return Problem(error=type(error).__name__, message=message, retry_seconds=retry)


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
