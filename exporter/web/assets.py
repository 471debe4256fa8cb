"""Stylesheet, script and icon: each under a path with its hash, so that browsers may keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from pathlib import PurePath

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file that pages refer to."""

    path: str
    """Below the root of all pages."""
    content_type: str
    body: bytes

    async def answer(self, _: Request) -> Response:
        """Return it. At once: no thread is taken."""
        return Response(self.body, 200, {**_HEADERS, "Content-Type": self.content_type})


def assets() -> Mapping[str, Asset]:
    """Return the files, by name."""
    found = {}
    for file in (files("exporter.web") / "static").iterdir():
        body, name = file.read_bytes(), PurePath(file.name)
        path = f"static/{name.stem}-{sha256(body).hexdigest()[:12]}{name.suffix}"
        found[file.name] = Asset(path, _TYPES[name.suffix], body)
    return found


def routes(of: Mapping[str, Asset]) -> Sequence[Route]:
    """Return a route for each file, and none for anything else."""
    return [Route(f"/{asset.path}", asset.answer) for asset in of.values()]
