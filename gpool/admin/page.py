"""The live page: one file without anything from elsewhere, and what a browser may do with it.

The page asks for the history each second and draws it. What it is made of stands in `page.html`;
filled in here are the title, and a table for browsers without JavaScript.

Guarantees: what is filled in cannot become markup; the policy (Content-Security-Policy, W3C CSP3)
allows this style and this script, by their hashes, and connections to where the page came from,
and nothing else.
"""

import hashlib
import html
import re
from base64 import b64encode
from importlib.resources import files

from gpool.admin.snapshot import Snapshot

__all__ = ["Page"]

INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


class Page:
    """The page, read once.

    Attributes:
        policy: the value of its header Content-Security-Policy.
    """

    def __init__(self) -> None:
        self._template = files("gpool.admin").joinpath("page.html").read_text("utf-8")
        self.policy = policy(self._template)

    def render(self, snapshot: Snapshot) -> bytes:
        """Any side. The page, with the figures of this moment for those who cannot have more."""
        values = {
            "title": html.escape(snapshot.title or "gpool"),
            "version": html.escape(snapshot.version),
            "rows": "\n".join(row(name, value) for name, value in figures(snapshot)),
        }
        return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], self._template).encode()


def policy(page: str) -> str:
    """What a browser may do on `page`."""
    hashes: dict[str, list[str]] = {"style": [], "script": []}
    for kind, text in INLINE.findall(page):
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src {' '.join(hashes['style'])}",
            f"script-src {' '.join(hashes['script'])}",
            "connect-src 'self'",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def figures(snapshot: Snapshot) -> list[tuple[str, str]]:
    """What stands in the table, and its values."""
    return [
        ("State", snapshot.state),
        ("Processes", ", ".join(map(str, snapshot.pids))),
        ("Most workers", str(snapshot.max_workers)),
        ("Most requests in flight now", str(snapshot.limit)),
        ("Workers ready", str(snapshot.ready)),
        ("Workers busy", str(snapshot.busy)),
        *((f"Connections {name}", str(count)) for name, count in snapshot.connections.items()),
        *((f"Answers {name}", str(count)) for name, count in snapshot.requests.items()),
        *((f"Refused, {name}", str(count)) for name, count in snapshot.refused.items()),
        ("Event loop blocked", str(snapshot.blocked)),
    ]


def row(name: str, value: str) -> str:
    """A row of the table."""
    return f'<tr><th scope="row">{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
