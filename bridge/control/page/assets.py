"""The files of the page, read once, and how they are answered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from starlette.responses import Response
from starlette.routing import Route

from bridge.control.auth import ASSETS_PATH

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

_SHELL: Final = "index.html"
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'none'; "
    # No string becomes markup or code, whatever a script of ours may do one day.
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    # Kept by the browser, and asked for at each use: a new version is seen at once.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, what they are, and a mark that changes with them."""

    content: bytes
    kind: str
    mark: str

    def response(self, known_mark: str) -> Response:
        """Return it, or that what the browser has is still right."""
        headers = {**_HEADERS, "ETag": self.mark}
        if known_mark == self.mark:
            return Response(status_code=304, headers=headers)
        return Response(self.content, headers=headers, media_type=self.kind)


def _read() -> dict[str, Asset]:
    found = {}
    for file in files(__package__).iterdir():
        kind = _KINDS.get(f".{file.name.rpartition('.')[2]}")
        if kind is not None:
            content = file.read_bytes()
            found[file.name] = Asset(content, kind, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
    return found


ASSETS: Final = _read()


def page_routes() -> list[Route]:
    """Return a route for each file; there are no others, so that no path leads anywhere else."""
    paths = {f"{ASSETS_PATH}{name}": asset for name, asset in ASSETS.items() if name != _SHELL}
    return [Route(path, _answering(asset), methods=["GET"]) for path, asset in paths.items()]


def shell() -> Asset:
    """Return the page without any content."""
    return ASSETS[_SHELL]


def _answering(asset: Asset) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return asset.response(request.headers.get("if-none-match", ""))

    return answer
