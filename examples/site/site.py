"""A site that logs its users in by facemotion: the standard library, and the client. README.md says how to run it."""

import html
import os
import secrets
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import facemotion as fm
from facemotion.errors import FacemotionError

SITE = os.environ.get("SITE", "http://localhost:8000")
FACEMOTION = os.environ.get("FACEMOTION_URL", "http://localhost:8470")
service = fm.Client(FACEMOTION, os.environ["FACEMOTION_KEY"])
logged_in: dict[str, str] = {}  # users by the cookie of their browser


class Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/back":
            self.come_back({name: values[0] for name, values in parse_qs(url.query).items()})
        elif url.path in ("/", "/site.js"):
            page = Path(__file__).with_name("index.html" if url.path == "/" else "site.js").read_text("utf-8")
            words = {"USER": logged_in.get(self.cookie(), "nobody"), "FACEMOTION": FACEMOTION}
            for name, value in words.items():
                page = page.replace("{" + name + "}", html.escape(value))
            self.answer(200, page, "text/html" if url.path == "/" else "text/javascript")
        else:
            self.answer(404, "There is no such page.")

    def do_POST(self) -> None:
        """Begin to log in: make a session, and give this browser the state that it must come back with."""
        size = int(self.headers.get("content-length", 0))
        form = parse_qs(self.rfile.read(min(size, 4096)).decode())
        state = secrets.token_urlsafe()
        try:
            user = form.get("user", [""])[0]
            made = service.start_session(user, return_to=f"{SITE}/back", frame_origin=SITE, state=state)
        except FacemotionError as error:
            self.answer(400, str(error))
            return
        self.answer(200, made.address, cookie=state)

    def come_back(self, query: dict[str, str]) -> None:
        """The browser was at the page: take the result for its code, if it is the browser that began."""
        state = self.cookie()
        if not state or not secrets.compare_digest(state, query.get("state", "")):
            self.answer(400, "Begin to log in once more.")
            return
        try:
            result = service.session_result(query.get("session", ""), query.get("code", ""))
        except FacemotionError as error:
            self.answer(400, str(error))
            return
        login = secrets.token_urlsafe()  # a new cookie, which nobody can have seen before
        if result.accepted:
            logged_in[login] = result.user
        self.answer(303, "", cookie=login, location="/")

    def cookie(self) -> str:
        found = SimpleCookie(self.headers.get("cookie", "")).get("browser")
        return found.value if found else ""

    def answer(self, status: int, text: str, kind: str = "text/plain", cookie: str = "", location: str = "") -> None:
        self.send_response(status)
        self.send_header("content-type", f"{kind}; charset=utf-8")
        if cookie:  # on https add Secure
            self.send_header("set-cookie", f"browser={cookie}; HttpOnly; SameSite=Lax; Path=/")
        if location:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(text.encode())


if __name__ == "__main__":
    print(f"Open {SITE}", flush=True)
    ThreadingHTTPServer(("127.0.0.1", urlsplit(SITE).port or 80), Site).serve_forever()
