"""The endpoints of sessions: those of back ends, with a key, and those of the page, which has a secret instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path, Query, Request

from facemotion.errors import SessionError
from facemotion.service.guard.auth import role_for
from facemotion.service.guard.sessions import Sessions
from facemotion.service.http import messages
from facemotion.service.http.routes import RequestCaller, answers, context_of, json_body
from facemotion.service.http.uploads import read_json
from facemotion.service.settings import WITHOUT_ZEROS, ServerSettings

MOST_CODE = 256


async def _session_body(request: Request, caller: RequestCaller) -> messages.SessionRequest:
    """The body of createSession, read once it is known who calls."""
    return await read_json(request, messages.SessionRequest, context_of(request).settings.limits)


async def _page_body(request: Request) -> messages.PageRequest:
    """The body of the page's requests, whose secret says who asks."""
    context = context_of(request)
    body = await read_json(request, messages.PageRequest, context.settings.limits)
    context.admission.admit_page(_address(request), body.token)
    return body


SessionBody = Annotated[messages.SessionRequest, Depends(_session_body)]
PageBody = Annotated[messages.PageRequest, Depends(_page_body)]
SessionId = Annotated[str, Path(max_length=64, pattern=WITHOUT_ZEROS, description="Id of the session.")]


def session_routes() -> APIRouter:
    """A router with the endpoints of sessions."""
    router = APIRouter()
    add: Any = router.add_api_route
    add("/v1/sessions", create_session, methods=["POST"], status_code=201, operation_id="createSession",
        response_model=messages.Session, responses=answers(404, 408, 409, 413, 422, 503),
        openapi_extra=json_body(messages.SessionRequest))  # fmt: skip
    add("/v1/sessions/{session}", read_session, methods=["GET"], operation_id="readSession",
        response_model=messages.SessionResult, responses=answers(404, 422, 503))  # fmt: skip
    refusals = {
        status: answer for status, answer in answers(404, 408, 413, 422, 503).items() if status not in (401, 403)
    }
    for path, answer, name, model in (
        ("/v1/page/open", open_page, "openPage", messages.PageSession),
        ("/v1/page/nonce", page_nonce, "pageNonce", messages.Nonce),
        ("/v1/page/end", end_page, "endPage", messages.PageReturn),
    ):
        add(path, answer, methods=["POST"], operation_id=name, response_model=model, responses=refusals,
            openapi_extra=json_body(messages.PageRequest))  # fmt: skip
    return router


def create_session(request: Request, caller: RequestCaller, body: SessionBody) -> messages.Session:
    """Make a session: send the user's browser to its address, and ask for the result afterwards."""
    caller.require(role_for(body.purpose))
    context = context_of(request)
    if body.purpose == "study":
        context.studies.check(body.user)
    elif body.purpose != "verify":  # the role to enrol may know who is enrolled
        context.operations.check_presence(body.user, body.purpose == "enrol-again")
    session, token = context.operations.sessions.make(
        caller, body.user, body.purpose, body.return_to, body.frame_origin, body.state
    )
    settings = context.settings
    page = settings.sessions.page_address or _page_address(request, settings.server)
    return messages.Session(
        session=session, address=f"{page}#session={token}", expires_seconds=settings.sessions.session_seconds
    )


def _page_address(request: Request, server: ServerSettings) -> str:
    """The page by the name that this request came by."""
    scheme = "https" if server.tls_certificate or server.tls_ended_by_proxy else "http"
    return f"{scheme}://{request.headers.get('host', '')}{server.root_path}/"


def read_session(
    request: Request,
    caller: RequestCaller,
    session: SessionId,
    code: Annotated[
        str, Query(max_length=MOST_CODE, description="That the page handed over; good once. Empty: how it stands.")
    ] = "",
) -> messages.SessionResult:
    """How a session of one's own stands, and its result: for the code, where the page returns somewhere."""
    found, told = context_of(request).operations.sessions.read(caller, session, code)
    return messages.SessionResult.of(found, told)


def open_page(request: Request, body: PageBody) -> messages.PageSession:
    """For the page: use up the address of a session, or take up one that this page opened before."""
    with _of_page(request) as sessions:
        session, token = sessions.open(body.token)
    consent = context_of(request).studies.consent if session.purpose == "study" else None
    return messages.PageSession(
        token=token,
        user=session.user,
        purpose=session.purpose,
        site=urlsplit(session.return_to or session.frame_origin).netloc,
        tries=session.tries,
        ended=session.status == "ended",
        consent=consent.text if consent else "",
        consent_sha256=consent.sha256 if consent else "",
    )


def page_nonce(request: Request, body: PageBody) -> messages.Nonce:
    """For the page: a nonce for the next attempt of its session, by `WS /v1/live`; REST would want the API key, too."""
    with _of_page(request) as sessions:
        nonce, purpose = sessions.nonce(body.token)
    seconds = context_of(request).settings.attempts.nonce_seconds
    return messages.Nonce(nonce=nonce, purpose=purpose, expires_seconds=seconds)


def end_page(request: Request, body: PageBody) -> messages.PageReturn:
    """For the page: end its session where no attempt has, and learn where to go."""
    with _of_page(request) as sessions:
        left = sessions.end(body.token)
    session = left.session
    return messages.PageReturn(
        address=left.address,
        frame_origin=session.frame_origin,
        session=session.id,
        code=left.code,
        state=session.state,
    )


@contextmanager
def _of_page(request: Request) -> Iterator[Sessions]:
    """The sessions, for a page; made-up secrets of one address are slowed down together."""
    context = context_of(request)
    try:
        yield context.operations.sessions
    except SessionError:
        context.admission.count_guess(_address(request))
        raise


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
