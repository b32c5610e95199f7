"""Checks a built site: each link leads to a page and a heading that are there, and no other host is asked for anything.

    python -m tools.check_site FOLDER

Links to other sites are allowed, since nobody follows them unless they click; pictures, scripts, styles and fonts of
other sites are not.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {
    "link": "href",
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "form": "action",
}
IN_STYLES = re.compile(r"""url\(\s*['"]?((?:https?:)?//[^)'"]+)|@import\s+['"]((?:https?:)?//[^'"]+)""")


class Page(HTMLParser):
    """What a page links to, what it loads, and the names that can be linked to.

    Attributes:
        links: addresses of its links.
        loaded: addresses of what a browser asks for when it shows the page.
        names: its ids.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.names.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        address = values.get(LOADED.get(tag, ""))
        if address:
            self.loaded.append(address)


def faults(folder: Path) -> list[str]:
    """One sentence for everything that is wrong with the site in a folder; empty where nothing is.

    Args:
        folder: what Sphinx built.

    Raises:
        FileNotFoundError: the folder holds no page.
    """
    folder = folder.resolve()
    pages = {path: Page(path.read_text("utf-8")) for path in sorted(folder.rglob("*.html"))}
    if not pages:
        raise FileNotFoundError(f"{folder} holds no page.")
    found = []
    for path, page in pages.items():
        here = path.relative_to(folder)
        found += [f"{here} loads {address}" for address in page.loaded if urlsplit(address).netloc]
        for address in [*page.links, *page.loaded]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{here} leads to {address}, which isn't there")
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in pages[target].names:
                found.append(f"{here} leads to {address}, a heading that isn't there")
    for path in sorted(folder.rglob("*.css")):
        for groups in IN_STYLES.findall(path.read_text("utf-8")):
            found.append(f"{path.relative_to(folder)} loads {''.join(groups)}")
    return found


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]))
    print("\n".join(wrong) or "Every link leads somewhere, and nothing is asked of another host.")
    sys.exit(bool(wrong))
