"""The application: parts put together, errors turned into answers, every answer counted."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from facemotion import __version__
from facemotion.config import Settings, load_settings, read_toml
from facemotion.errors import AuditError, FacemotionError, FormError, StoreError
from facemotion.service import migrate
from facemotion.service.context import ServiceContext
from facemotion.service.guard import audit
from facemotion.service.guard.history import check_coverage
from facemotion.service.http.access_log import AccessLog
from facemotion.service.http.docs_page import docs
from facemotion.service.http.page import page
from facemotion.service.http.responses import fault_words, respond
from facemotion.service.http.routes import routes
from facemotion.service.http.session_routes import session_routes
from facemotion.service.live.socket import Live
from facemotion.service.metrics import Metrics
from facemotion.service.operations import Operations
from facemotion.service.problems import ERROR_IN_SCOPE, FAULT, Problem, problem_of, status_of
from facemotion.service.replays.memory import RecordingMemory
from facemotion.service.replays.recording import AttackDetector
from facemotion.service.settings import USER_RULE, ServiceSettings, tls_context
from facemotion.store.database import Database
from facemotion.store.sql import SqlStore
from facemotion.verifier import Verifier

log = logging.getLogger("facemotion.service")

DAY_SECONDS = 86400.0
CHECK_EVERY_SECONDS = DAY_SECONDS
"""How often the whole audit trail is checked, and pruned; its end is at every deed."""
SCRUB_EVERY_SECONDS = 30.0
"""How often a deletion that couldn't be finished is tried again."""
FORGET_EVERY_SECONDS = 300.0
"""How often sessions are looked for that were kept long enough."""
NOT_THERE = {
    404: "There is nothing at this address; the page at /docs lists all operations.",
    405: "This address doesn't take that method; the head Allow names those that it takes.",
}
"""What to say by the status where no operation was reached."""


def create_app(
    store: str | Path,
    settings: ServiceSettings | None = None,
    inference: Settings | None = None,
    *,
    store_key: str = "",
    detector: AttackDetector | None = None,
    metrics_folder: Path | None = None,
) -> FastAPI:
    """Make the service; models and database are opened when it starts.

    Args:
        store: path or URL, see `facemotion.open_store`; the service's own tables go into the same database.
        settings: of the service.
        inference: of the verifier; default: `load_settings()`.
        store_key: where the store's key is, see `facemotion.open_store`.
        detector: of presentation attacks, asked about every attempt and take.
        metrics_folder: shared by the workers of one server.
    """
    settings = settings or ServiceSettings()
    app = FastAPI(
        title="facemotion",
        version=__version__,
        summary="Verify a person by a secret facial motion made before a camera.",
        lifespan=_lifespan(store, settings, inference, store_key, detector, metrics_folder),
        docs_url=None,  # their pages load scripts from other sites; docs_page.py has one of our own
        redoc_url=None,
        redirect_slashes=False,  # a name that ends in one isn't the name without it
    )
    routers = (routes(), session_routes(), page(), docs())
    for router in routers:
        app.include_router(router)
    app.state.routes = [route for router in routers for route in router.routes]
    app.add_api_websocket_route("/v1/live", _live)
    app.exception_handler(FacemotionError)(_named)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Exception)(_fault)
    app.add_middleware(AccessLog, owner=app)
    return app


def from_environment() -> FastAPI:
    """The app that FACEMOTION_SERVICE, FACEMOTION_CONFIG, FACEMOTION_STORE and so on describe; for worker processes."""
    service = os.environ.get("FACEMOTION_SERVICE")
    folder = os.environ.get("FACEMOTION_METRICS")
    return create_app(
        os.environ["FACEMOTION_STORE"],
        read_toml(ServiceSettings, Path(service)) if service else None,
        load_settings(),
        metrics_folder=Path(folder) if folder else None,
    )


def _lifespan(
    store_url: str | Path,
    settings: ServiceSettings,
    inference: Settings | None,
    store_key: str,
    detector: AttackDetector | None,
    metrics_folder: Path | None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, object]]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        verifier = Verifier.load(inference)
        with SqlStore(Database.open(store_url), store_key) as store:
            migrate.upgrade(store.database)
            with store.database.read() as connection:
                check_coverage(store.database, connection)
            memory = RecordingMemory(store.database, store.transform_secret, settings.replay)
            operations = Operations(verifier, store, memory, settings, Metrics(metrics_folder), detector)
            operations.tidy()
            context = app.state.context = ServiceContext(operations, settings)
            app.state.live = Live(context)
            trail = _look_after_trail(store.database, operations.metrics, settings.audit.keep_days)
            work = [_finish_deletions(store.database), trail, _forget_sessions(operations)]
            if settings.sessions.webhook:
                from facemotion.service.http.webhooks import Webhooks  # late: others need no HTTP client

                work.append(Webhooks(operations.sessions, settings.sessions).run())
            chores = [asyncio.create_task(one) for one in work]
            for chore in chores:
                chore.add_done_callback(_report_fault)
            yield {"limits": settings.limits, "tls": tls_context(settings.server)}
            for chore in chores:
                chore.cancel()
            await asyncio.gather(*chores, return_exceptions=True)
            context.analysis.close()

    return lifespan


def _report_fault(chore: asyncio.Task[None]) -> None:
    """Say in the log that work beside the requests ended by a fault: no caller would hear of it."""
    if not chore.cancelled() and (fault := chore.exception()) is not None:
        log.error("Work beside the requests ended by a fault; restart the service", exc_info=fault)


async def _finish_deletions(database: Database) -> None:
    """Remove now and then what deletions had to leave behind."""
    while True:
        await asyncio.sleep(SCRUB_EVERY_SECONDS)
        if database.unscrubbed:
            await asyncio.to_thread(database.scrub, rewrite=True)


async def _forget_sessions(operations: Operations) -> None:
    """Clear up sessions now and then."""
    while True:
        await asyncio.sleep(FORGET_EVERY_SECONDS)
        try:
            await asyncio.to_thread(operations.sessions.tidy)
        except StoreError as error:
            log.warning("Old sessions couldn't be cleared up: %s", type(error).__name__)


async def _look_after_trail(database: Database, metrics: Metrics, keep_days: int) -> None:
    """At the start and now and then, say in the log where the audit trail doesn't hold, and prune it where it does."""
    metrics.count("facemotion_trail_faults_total", 0)
    while True:
        try:
            await asyncio.to_thread(audit.check, database)
            if keep_days:
                before = time.time() - keep_days * DAY_SECONDS
                if pruned := await asyncio.to_thread(audit.prune, database, before, "service"):
                    log.info("%d rows of the audit trail were older than %d days and are gone", pruned, keep_days)
        except AuditError as error:
            log.error("%s", error)
            metrics.count("facemotion_trail_faults_total")
        except StoreError as error:  # away or busy; requests find that out, too
            log.warning("The audit trail couldn't be looked after: %s", type(error).__name__)
        await asyncio.sleep(CHECK_EVERY_SECONDS)


async def _live(socket: WebSocket) -> None:
    live: Live = socket.app.state.live
    await live.serve(socket)


async def _named(request: Request, error: FacemotionError) -> Response:
    status = status_of(error)
    request.scope[ERROR_IN_SCOPE] = type(error).__name__
    if status == 500:
        log.error("Answered by a fault: %s", type(error).__name__)  # its words may name a user
    return respond(status, problem_of(error))


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    request.scope[ERROR_IN_SCOPE] = FormError.__name__
    faults = error.errors()
    if {tuple(fault["loc"]) for fault in faults} == {("path", "user")}:
        return respond(422, problem_of(FormError(USER_RULE)))
    found = "; ".join(sorted({fault_words(fault) for fault in faults}))
    return respond(422, problem_of(FormError(f"{found}. See the OpenAPI description.")))


async def _http(request: Request, error: HTTPException) -> Response:
    request.scope[ERROR_IN_SCOPE] = FormError.__name__
    words = NOT_THERE.get(error.status_code, f"{error.detail}.")
    problem = Problem(error="FormError", message=words, retry_seconds=None)
    return respond(error.status_code, problem, {"allow": _allowed(request)} if error.status_code == 405 else {})


def _allowed(request: Request) -> str:
    """The methods that a path takes, which RFC 9110 (15.5.6) wants named; the router knows only those of one route."""
    methods: set[str] = set()
    for route in request.app.state.routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            methods |= getattr(route, "methods", None) or set()
    return ", ".join(sorted(methods))


async def _fault(_request: Request, error: Exception) -> Response:
    log.error("Unexpected error", exc_info=error)
    return respond(500, FAULT)
