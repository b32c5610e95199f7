"""The page at `/` and the administrators' at `/admin`: plain files, nothing of other sites."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from facemotion.service.context import ServiceContext

POLICY = (
    "default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self'; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
)
KINDS = {"html": "text/html; charset=utf-8", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
STYLESHEET = re.compile(r'<link rel="stylesheet" href="static/([\w.]+)">')


def page() -> APIRouter:
    """A router with the page and its files."""
    router = APIRouter(include_in_schema=False)
    for path, answer in (("/", index), ("/admin", administration), ("/static/{name}", static)):
        router.add_api_route(path, answer, methods=["GET", "HEAD"])
    return router


async def index(request: Request) -> Response:
    """The page itself, which listed origins may frame; its first sight says whether faces are compared."""
    context: ServiceContext = request.app.state.context
    faces = context.operations.verifier.appearance is not None
    frames = " ".join(context.settings.sessions.frame_origins)
    return _page("index.html", {"motionAlone": "faceToo"} if faces else {}, frames)


async def administration() -> Response:
    """The view of administrators; what it shows comes from the REST interface, by their key."""
    return _page("admin.html")


async def static(name: str) -> Response:
    """A script or style of the page."""
    content, kind = _read(name), name.rpartition(".")[2]
    return _answer(content, kind, POLICY.format(styles="'self'", frames="'none'"))


def _page(name: str, words: Mapping[str, str] | None = None, frames: str = "") -> Response:
    """A page of a file.

    Args:
        name: of its file.
        words: names in data-words, and the names of strings.js that stand in their place.
        frames: origins whose pages may frame it; "" for nobody.
    """
    html = _read(name).decode()
    for before, after in (words or {}).items():
        html = html.replace(f'data-words="{before}"', f'data-words="{after}"')
    return styled(html, POLICY.replace("{frames}", frames or "'none'"))


def styled(html: str, policy: str) -> Response:
    """A page with its styles in it, so that a browser can paint before it asks for anything else; the policy names them
    by their digests.

    Args:
        html: whose styles are links to files of ours.
        policy: with {styles} in the place of their names.
    """
    digests = ["'self'"]

    def inside(link: re.Match[str]) -> str:
        style = _read(link[1])
        digests.append(f"'sha256-{base64.b64encode(hashlib.sha256(style).digest()).decode()}'")
        return f"<style>{style.decode()}</style>"

    content = STYLESHEET.sub(inside, html).encode()
    return _answer(content, "html", policy.format(styles=" ".join(digests)))


def _read(name: str) -> bytes:
    # By comparing with what is there, so that no name leads elsewhere.
    served = files("facemotion.service").joinpath("static").iterdir()
    file = next((file for file in served if file.name == name), None)
    if file is None or name.rpartition(".")[2] not in KINDS:
        raise HTTPException(404)
    return file.read_bytes()


def _answer(content: bytes, kind: str, policy: str) -> Response:
    headers = {
        "content-security-policy": policy,
        "permissions-policy": "camera=(self)",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-cache",
    }
    return Response(content, media_type=KINDS[kind], headers=headers)
