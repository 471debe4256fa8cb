"""Stylesheet, script and icon: each under a path with its hash, so that browsers may keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_DIGITS = 12
_FOR_EVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to."""

    path: str
    """Below the root of all pages."""
    content_type: str
    body: bytes
    etag: str

    async def answer(self, request: Request) -> Response:
        """Return it, or say that what the client has is still it. At once: no thread is taken."""
        headers = {
            "Cache-Control": _FOR_EVER,
            "ETag": self.etag,
            "X-Content-Type-Options": "nosniff",
        }
        known = request.headers.get("if-none-match", "")
        if self.etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(self.body, headers=headers | {"Content-Type": self.content_type})


def assets() -> Mapping[str, Asset]:
    """Return the files, by name."""
    return {file.name: _asset(file) for file in (files("exporter.web") / "static").iterdir()}


def routes(of: Mapping[str, Asset]) -> Sequence[Route]:
    """Return a route for each file, and none for anything else."""
    return [Route(f"/{asset.path}", asset.answer) for asset in of.values()]


def _asset(file: Traversable) -> Asset:
    body, name = file.read_bytes(), PurePath(file.name)
    digest = sha256(body).hexdigest()
    path = f"static/{name.stem}-{digest[:_DIGITS]}{name.suffix}"
    return Asset(path, _TYPES[name.suffix], body, f'"{digest[: 2 * _DIGITS]}"')
