"""The endpoints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from facemotion import __version__
from facemotion.enrolment import Enrolment
from facemotion.errors import ModelError
from facemotion.models import OWN_POINT, Models
from facemotion.service.context import ServiceContext
from facemotion.service.guard import audit
from facemotion.service.guard.attempts import Purpose
from facemotion.service.guard.auth import Caller, role_for
from facemotion.service.http import messages
from facemotion.service.http.responses import WORDS
from facemotion.service.http.uploads import Form, read_form, read_json
from facemotion.service.problems import Message, Problem
from facemotion.service.settings import USER_PATTERN, WITHOUT_ZEROS
from facemotion.types import Factor, OperatingPoint

MOST_USERS = 1000
"""Users of a page."""
BEARER = HTTPBearer(auto_error=False, description="An API key; see `facemotion keys`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
UserName = Annotated[
    str,
    Path(
        min_length=1,
        max_length=128,
        pattern=USER_PATTERN,
        description="Name given by you: letters a to z and A to Z, digits and . _ @ + -, best an opaque id.",
    ),
]


def context_of(request: Request) -> ServiceContext:
    """What the app that a request came to works with."""
    context: ServiceContext = request.app.state.context
    return context


def caller_of(request: Request, credentials: Credentials) -> Caller:
    """Who makes a request; see Admission.caller."""
    address = request.client.host if request.client else ""
    key = None if credentials is None else credentials.credentials
    return context_of(request).admission.caller(address, request.headers, key)


RequestCaller = Annotated[Caller, Depends(caller_of)]


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals that OpenAPI lists for an endpoint which needs a key, and these."""
    return {status: {"model": Problem, "description": WORDS[status]} for status in (401, 403, 429, *statuses)}


async def _nonce_body(request: Request, caller: RequestCaller) -> messages.NonceRequest:
    """The body of createNonce, read once it is known who calls."""
    return await read_json(request, messages.NonceRequest, context_of(request).settings.limits)


NonceBody = Annotated[messages.NonceRequest, Depends(_nonce_body)]


def _multipart(**fields: dict[str, Any]) -> dict[str, Any]:
    body = {"type": "object", "required": list(fields), "properties": fields, "additionalProperties": False}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": body}}}}


def json_body(kind: type[Message]) -> dict[str, Any]:
    """What OpenAPI says of an endpoint whose body FastAPI doesn't read."""
    content = {"application/json": {"schema": kind.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


_NONCE_FIELD = {"type": "string", "description": "From createNonce, for this user and purpose."}
_CLIP_FIELD = {"type": "string", "format": "binary", "description": "Any video; RGB, not mirrored."}
_TAKES_FIELD = {
    "type": "array",
    "items": _CLIP_FIELD,
    "minItems": 1,
    "description": "Takes of one motion, each recorded anew; 2 to 5, unless the settings say otherwise.",
}


def routes() -> APIRouter:
    """A router with every endpoint of the REST interface."""
    router = APIRouter()
    add: Any = router.add_api_route
    clip = answers(408, 413, 422, 503)
    add("/v1/users/{user}/nonces", create_nonce, methods=["POST"], status_code=201, operation_id="createNonce",
        response_model=messages.Nonce, responses=answers(408, 413, 422, 503),
        openapi_extra=json_body(messages.NonceRequest))  # fmt: skip
    add("/v1/users/{user}/verify", verify, methods=["POST"], operation_id="verify",
        response_model=messages.Verdict, responses=clip,
        openapi_extra=_multipart(nonce=_NONCE_FIELD, clip=_CLIP_FIELD))  # fmt: skip
    enrolment = _multipart(nonce=_NONCE_FIELD, takes=_TAKES_FIELD)
    add("/v1/users/{user}/enrolment", enrol, methods=["POST"], status_code=201, operation_id="enrol",
        response_model=messages.Enrolled, responses=clip | answers(409), openapi_extra=enrolment)  # fmt: skip
    add("/v1/users/{user}/enrolment", enrol_again, methods=["PUT"], operation_id="enrolAgain",
        response_model=messages.Enrolled, responses=clip | answers(404), openapi_extra=enrolment)  # fmt: skip
    add("/v1/users/{user}", status, methods=["GET"], operation_id="userStatus",
        response_model=messages.UserStatus, responses=answers(422, 503))  # fmt: skip
    add("/v1/users/{user}", delete, methods=["DELETE"], status_code=204, operation_id="deleteUser",
        response_class=Response, responses=answers(404, 422, 503))  # fmt: skip
    add("/v1/users/{user}/unlock", unlock, methods=["POST"], status_code=204, operation_id="unlockUser",
        response_class=Response, responses=answers(422, 503))  # fmt: skip
    add("/v1/users", users, methods=["GET"], operation_id="listUsers",
        response_model=messages.UserList, responses=answers(422, 503))  # fmt: skip
    add("/v1/models", models, methods=["GET"], operation_id="listModels",
        response_model=messages.Models, responses=answers(503))  # fmt: skip
    add("/v1/audit", read_audit, methods=["GET"], operation_id="readAudit",
        response_model=messages.AuditPage, responses=answers(422, 503))  # fmt: skip
    add("/health", health, methods=["GET"], operation_id="health", response_model=messages.Health)
    add("/ready", ready, methods=["GET"], operation_id="ready", response_model=messages.Health,
        responses={503: {"model": Problem, "description": WORDS[503]}})  # fmt: skip
    for path, answer in (("/health", health), ("/ready", ready)):  # load balancers ask so; one operation for generators
        add(path, answer, methods=["HEAD"], include_in_schema=False)
    add("/metrics", metrics, methods=["GET"], operation_id="metrics", response_class=Response,
        responses=answers(503) | {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}})  # fmt: skip
    return router


def create_nonce(request: Request, caller: RequestCaller, user: UserName, body: NonceBody) -> messages.Nonce:
    """Ask for a nonce: it is good for one attempt of one user, and not for long."""
    caller.require(role_for(body.purpose))
    context = context_of(request)
    if body.purpose == "enrol-again":
        context.operations.proofs.require(caller, user, body.proof, "enrol again")
    nonce = context.operations.attempts.issue(user, body.purpose, caller.key_id)
    seconds = context.settings.attempts.nonce_seconds
    return messages.Nonce(nonce=nonce, purpose=body.purpose, expires_seconds=seconds)


async def verify(request: Request, caller: RequestCaller, user: UserName) -> messages.Verdict:
    """Verify a user by a clip of their motion: pass or fail. Unknown users fail like others."""
    context = context_of(request)
    async with context.analysis.place(_sender(request, caller), user) as place:
        form = await _form(request, context, {"nonce", "clip"})
        nonce, (clip,) = form.text("nonce"), form.files("clip", 1)
        # The nonce is used up once it is this attempt's turn: who finds the service busy can try again with it.
        answer = await context.analysis.run(place, lambda: context.operations.verify(caller, user, nonce, clip))
    evidence = messages.Evidence.of(answer.outcome, answer.decision) if caller.may("admin") else None
    return messages.Verdict(accepted=answer.accepted, evidence=evidence)


async def enrol(request: Request, caller: RequestCaller, user: UserName) -> messages.Enrolled:
    """Enrol a new user by several takes of their motion."""
    return await _enrol(request, caller, user, replace=False)


async def enrol_again(request: Request, caller: RequestCaller, user: UserName) -> messages.Enrolled:
    """Replace an enrolled user's takes. The old takes stay if the new ones are refused. Needs a nonce for that."""
    return await _enrol(request, caller, user, replace=True)


async def _enrol(request: Request, caller: Caller, user: str, *, replace: bool) -> messages.Enrolled:
    caller.require("enrol")
    context = context_of(request)
    async with context.analysis.place(_sender(request, caller), user) as place:
        form = await _form(request, context, {"nonce", "takes"})
        nonce = form.text("nonce")
        takes = form.files("takes", context.operations.verifier.settings.verifier.max_takes)

        def work() -> Enrolment:
            purpose: Purpose = "enrol-again" if replace else "enrol"
            ticket = context.operations.attempts.begin(user, purpose, caller.key_id, nonce)
            acquire = context.operations.recordings(takes)
            return context.operations.enrol(caller, user, acquire, replace, ticket)

        made = await context.analysis.run(place, work)
    return messages.Enrolled(user=user, takes=len(made.template.vectors), warnings=list(made.warnings))


def _sender(request: Request, caller: Caller) -> str:
    """Who shares the places of the queue with others: the holder of a key, or an address without one."""
    return caller.key_id or (request.client.host if request.client else "")


async def _form(request: Request, context: ServiceContext, fields: set[str]) -> Form:
    form = await read_form(request, context.settings.limits)
    form.refuse_others(fields)
    return form


def status(request: Request, caller: RequestCaller, user: UserName) -> messages.UserStatus:
    """How a user stands: enrolled or not, failures, locks."""
    caller.require("enrol")
    return messages.UserStatus.of(user, context_of(request).operations.state(user))


def delete(
    request: Request,
    caller: RequestCaller,
    user: UserName,
    proof: Annotated[
        str, Query(max_length=256, description="Needed without a key; see NonceRequest. Empty: none.")
    ] = "",
) -> Response:
    """Delete everything kept of a user; the audit trail keeps the name and what was done."""
    caller.require("enrol")
    context_of(request).operations.delete(caller, user, proof)
    return Response(status_code=204)


def unlock(request: Request, caller: RequestCaller, user: UserName) -> Response:
    """Forget a user's failures; for administrators."""
    caller.require("admin")
    context_of(request).operations.unlock(caller, user)
    return Response(status_code=204)


def users(
    request: Request,
    caller: RequestCaller,
    after: Annotated[
        str,
        Query(max_length=128, pattern=WITHOUT_ZEROS, description="`next` of the page before; empty: the first page."),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_USERS, description="Most users of a page.")] = 100,
    find: Annotated[
        str,
        Query(
            max_length=128, pattern=WITHOUT_ZEROS, description="Letters in the name, large or small; empty: all names."
        ),
    ] = "",
    outdated: Annotated[
        bool, Query(description="Only those whose template is of an earlier model; false: all.")
    ] = False,
) -> messages.UserList:
    """List who is enrolled, page by page, with encoder, dates and locks; for administrators."""
    caller.require("admin")
    operations = context_of(request).operations
    page = operations.users(after, limit, find, outdated=outdated)
    return messages.UserList(
        users=[messages.UserStatus.of(user, state) for user, state in page.states.items()],
        next=page.next,
        total=None if after else operations.count_users(),
        outdated=None if after else operations.count_outdated(),
    )


def models(request: Request, caller: RequestCaller) -> messages.Models:
    """List the models that decide, the operating point with its evidence, and those to choose from."""
    verifier = context_of(request).operations.verifier
    chosen, known = verifier.settings.verifier, Models.of(verifier.settings.runtime)
    names = ("blazeface", chosen.extractor, chosen.encoder, *([chosen.recogniser] if chosen.recogniser else []))
    cards = [known.card(name) for name in names]
    choices, problem = cards[2].operating_points, ""
    try:
        choices = known.operating_points(chosen.encoder)
    except ModelError as error:  # of another model by now; the one that runs was loaded before
        problem = str(error)
    return messages.Models(
        version=__version__,
        models=[
            messages.ModelEntry(name=c.name, model_id=c.model_id, role=c.role, licence=c.licence, note=c.note)
            for c in cards
        ],
        operating_point=_point("motion", verifier.point),
        operating_points=[
            *(_point("motion", point) for point in verifier.operating_points),
            *(
                _point("appearance", point)
                for point in (verifier.appearance.operating_points if verifier.appearance else ())
            ),
        ],
        choices=[_point("motion", point) for point in choices],
        calibration_problem=problem,
        min_takes=chosen.min_takes,
        max_takes=chosen.max_takes,
        note="Motion and face are compared; both must pass."
        if verifier.appearance
        else "Motion alone is compared; who performs it is not.",
    )


def _point(factor: Factor, point: OperatingPoint) -> messages.OperatingPointEntry:
    return messages.OperatingPointEntry(factor=factor, own=point.name.startswith(OWN_POINT), **asdict(point))


def read_audit(
    request: Request,
    caller: RequestCaller,
    after: Annotated[
        int, Query(ge=0, le=2**31 - 1, description="Number of the last entry that you have; 0: none.")
    ] = 0,
    limit: Annotated[int, Query(ge=1, le=audit.MOST_ROWS, description="Most entries of the answer.")] = 100,
    newest: Annotated[bool, Query(description="The last entries instead of the first, oldest first.")] = False,
) -> messages.AuditPage:
    """Read the audit trail; for administrators."""
    caller.require("admin")
    rows = audit.read(context_of(request).operations.database, after, limit, newest)
    return messages.AuditPage(entries=[messages.AuditEntry(**vars(row)) for row in rows])


async def health() -> messages.Health:
    """Whether the process is alive. Needs no key."""
    return messages.Health(status="ok")


def ready(request: Request) -> messages.Health:
    """Whether the database answers and the models are loaded. Needs no key."""
    context_of(request).operations.attempts.state("")
    return messages.Health(status="ok")


def metrics(request: Request, caller: RequestCaller) -> Response:
    """Counts and times in the text format of Prometheus; no names."""
    context = context_of(request)
    gauges = {
        "facemotion_seats_taken": float(context.analysis.taken),
        "facemotion_users_outdated": float(context.operations.count_outdated()),
        "facemotion_users_locked": float(context.operations.attempts.count_locked()),
    }
    return Response(context.metrics.text(gauges), media_type="text/plain; version=0.0.4")
