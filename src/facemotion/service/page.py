"""The page at `/` and the administrators' at `/admin`: plain files, nothing of other sites."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
KINDS = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def page() -> APIRouter:
    """A router with the page and its files."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", index, methods=["GET"])
    router.add_api_route("/admin", administration, methods=["GET"])
    router.add_api_route("/static/{name}", static, methods=["GET"])
    return router


async def index() -> Response:
    """The page itself."""
    return _file("index.html")


async def administration() -> Response:
    """The view of administrators; what it shows comes from the REST interface, by their key."""
    return _file("admin.html")


async def static(name: str) -> Response:
    """A script or style of the page."""
    return _file(name)


def _file(name: str) -> Response:
    # By comparing with what is there, so that no name leads elsewhere.
    found = next((one for one in files("facemotion.service").joinpath("static").iterdir() if one.name == name), None)
    kind = KINDS.get(name.rpartition(".")[2])
    if found is None or kind is None:
        raise HTTPException(404, "There is no such file")
    headers = {
        "content-security-policy": POLICY,
        "permissions-policy": "camera=(self)",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
    }
    return Response(found.read_bytes(), media_type=kind, headers=headers)
