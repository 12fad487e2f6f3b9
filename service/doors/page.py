"""The page for people: static files under /ui/, read once, with all that a browser needs to trust and to cache them.

It knows names, bytes and headers. What the files do is told in `service/ui/index.html`.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from service.errors import UnknownRoute

FOLDER = Path(__file__).parents[1] / "ui"
INDEX = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Everything from this server alone.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "cache-control": "no-cache",  # kept, but asked for again each time: an update is seen at once
    "content-security-policy": POLICY,
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class File(NamedTuple):
    """A file as it is sent."""

    body: bytes
    media_type: str
    etag: str


class Page:
    """The handler of the page's routes. Only files that were there at the start exist."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = {path.name: _read(path) for path in folder.iterdir() if path.suffix in MEDIA_TYPES}

    async def file(self, request: Request) -> Response:
        """A file of the page, `index.html` where none is named; 304 where the browser has it already."""
        name = request.path_params.get("file", INDEX)
        file = self._files.get(name)
        if file is None:
            raise UnknownRoute(f"the page has no file {name!r}; it begins at /ui/")
        headers = {**HEADERS, "etag": file.etag}
        if {file.etag, "*"} & _known(request):
            return Response(status_code=304, headers=headers)
        return Response(file.body, media_type=file.media_type, headers=headers)


def _read(path: Path) -> File:
    body = path.read_bytes()
    return File(body, MEDIA_TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _known(request: Request) -> set[str]:
    """What If-None-Match names; it compares weakly, and `*` is anything (RFC 9110, section 13.1.2)."""
    tags = request.headers.get("if-none-match", "").split(",")
    return {tag.strip().removeprefix("W/") for tag in tags}
