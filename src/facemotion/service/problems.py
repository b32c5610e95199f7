"""Errors as messages: one shape for REST and live sessions, and the HTTP status of each."""

from __future__ import annotations

import logging

from pydantic import BaseModel, ConfigDict, Field

from facemotion import errors

log = logging.getLogger("facemotion.service")
ERROR_IN_SCOPE = "facemotion.error"
"""Where a request or a live session keeps the name of the error that it was answered by, for the log."""


class Message(BaseModel):
    """Base of all messages, of REST and of live sessions: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(Message):
    """Why a request wasn't carried out."""

    error: str = Field(description="Name of the error, such as NoFaceError; see facemotion.errors.")
    message: str = Field(description="One sentence that says what to do.")
    retry_seconds: float | None = Field(None, description="When the same request may succeed; null: waiting is no use.")


# The first entry that fits decides.
STATUS: tuple[tuple[type[errors.FacemotionError], int], ...] = (
    (errors.AuthenticationError, 401),
    (errors.RightsError, 403),
    (errors.ProofError, 403),
    (errors.UnknownUserError, 404),
    (errors.SessionError, 404),
    (errors.UploadTimeoutError, 408),
    (errors.UserExistsError, 409),
    (errors.BodyTooLargeError, 413),
    (errors.NonceError, 422),
    (errors.CodeError, 422),
    (errors.ChallengeError, 422),
    (errors.ReturnAddressError, 422),
    (errors.FormError, 422),
    (errors.RateError, 429),
    (errors.LockedError, 429),
    (errors.BusyError, 503),
    (errors.StoreUnavailableError, 503),
    (errors.StoreFullError, 503),
    (errors.StudyStorageError, 503),
    (errors.StoreError, 500),
    (errors.ModelError, 500),
    (errors.UsageError, 422),
    (errors.AcquisitionError, 422),
)

STORE_MESSAGES: tuple[tuple[type[errors.StoreError], str], ...] = (
    (errors.StoreUnavailableError, "The database can't be reached or is busy; try again shortly."),
    (errors.StoreFullError, "The database can't be written; whoever looks after the service finds why in its log."),
)
"""The message to callers about the store; the store's own message names its address and goes to the log."""

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
    message = next((words for kind, words in STORE_MESSAGES if isinstance(error, kind)), str(error))
    if message != str(error):
        log.error("%s", error)
    return Problem(error=type(error).__name__, message=message, retry_seconds=retry)
