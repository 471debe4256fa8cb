"""The pages for people and `/api/v1/targets`: a status in, a response out."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from exporter.discovery.directory import hint
from exporter.exposition.fleet import Build
from exporter.iam.remedies import remedy
from exporter.model import PollResult, Target
from exporter.settings.fields import ACCOUNT_ID
from exporter.web import api, assets
from exporter.web.app import Places
from exporter.web.query import Query, QueryError, cut, parse, select
from exporter.web.status import Status
from exporter.web.templating import Templates
from exporter.web.verdict import (
    TROUBLED,
    absence_reasons,
    failure_groups,
    strangers,
    summary,
    verdict,
)

HEADERS = {"Cache-Control": "private, no-cache"}
"""Of every page."""

_DOCUMENTATION = (
    "https://github.com/macie-invitations-exporter/macie-invitations-exporter/blob/v{version}/docs/"
)
_API = "/api/v1/targets"
_INVITATIONS = 100
"""On a page of a target."""
_STRANGERS = 20
_FAILURE_GROUPS = 5
"""On the first page; the table has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Each page as a method: what is asked and the status in, the page out."""

    status: Callable[[], Status]
    failures: Callable[[Target], Sequence[PollResult]]
    """Returns what is still known of a target's failed polls."""
    configuration: Callable[[], str]
    telemetry_path: str
    build: Build
    templates: Templates = field(default_factory=Templates)

    def routes(self, places: Places) -> Sequence[Route]:
        """Return the routes of all pages, their files, and the API; each page takes a place."""
        paths = {
            "/": self.overview,
            "/targets": self.targets,
            "/targets/{account}/{region}": self.target,
            "/config": self.config,
            _API: self.api,
        }
        pages = ((path, partial(self.answer, page)) for path, page in paths.items())
        return [
            *(Route(path, places.take(page)) for path, page in pages),
            *assets.routes(self.templates.assets),
        ]

    def answer(self, page: Callable[[Request, Status], Response], request: Request) -> Response:
        """Return a page, or what is wrong with what is asked."""
        now = self.status()
        try:
            return page(request, now)
        except QueryError as error:
            if request.url.path == _API:
                return _json({"errors": list(error.lines)}, 400)
            return self._show(request, now, "mistake.html", {"lines": error.lines}, 400)

    def overview(self, request: Request, now: Status) -> Response:
        """Return the verdict, and what it rests on."""
        rows = now.rows()
        fleet, unknown, groups = summary(rows), strangers(rows), failure_groups(rows)
        values = {
            "summary": fleet,
            "verdict": verdict(now, fleet, unknown),
            "strangers": unknown[:_STRANGERS],
            "more_strangers": len(unknown[_STRANGERS:]),
            "groups": groups[:_FAILURE_GROUPS],
            "more": sum(map(len, groups[_FAILURE_GROUPS:])),
            "discovery_hint": hint(now.inventory.failure) if now.inventory.failure else "",
            "all": Query(),
            "troubled": frozenset(TROUBLED),
        }
        return self._show(request, now, "overview.html", values)

    def config(self, request: Request, now: Status) -> Response:
        """Return the configuration in force."""
        return self._show(request, now, "config.html", {"text": self.configuration()})

    def targets(self, request: Request, now: Status) -> Response:
        """Return a page of the targets that are asked for. Raises QueryError."""
        query, rows = _query(request, now), now.rows()
        page = select(rows, query)
        lone = query.account or query.q
        absent = ACCOUNT_ID.fullmatch(lone) and lone not in now.accounts and not page.total
        values = {
            "query": query,
            "page": page,
            "of_state": Counter(row.state for row in rows),
            "lone": lone,
            "reasons": list(absence_reasons(lone, now)) if absent else [],
            "unknown": sum(row.answer is None for row in rows),
        }
        return self._show(request, now, "targets.html", values)

    def target(self, request: Request, now: Status) -> Response:
        """Return all that is known of a target. Raises QueryError."""
        target = Target(request.path_params["account"], request.path_params["region"])
        row = next((each for each in now.rows() if each.target == target), None)
        if row is None:
            absent = f"{target.account_id} in {target.region} is not polled here"
            lines = [absent, *absence_reasons(target.account_id, now)]
            return self._show(request, now, "mistake.html", {"lines": lines}, 404)
        query, relations = _query(request, now), row.relations()
        invitations = [each for each in relations if not each.in_fact]
        values = {
            "row": row,
            "remedy": remedy(row.account, row.failure, now.settings) if row.failure else None,
            "said": {result.ended: result.outcome for result in self.failures(target)},
            "administrator": next((each for each in relations if each.in_fact), None),
            "relations": relations,
            "strangers": [each for each in relations if each.trusted is False],
            "query": query,
            "page": cut(invitations, query.page, _INVITATIONS),
        }
        return self._show(request, now, "target.html", values)

    def api(self, request: Request, now: Status) -> Response:
        """Return the same as JSON. Raises QueryError."""
        query, rows = _query(request, now), now.rows()
        states = Counter(row.state for row in rows) if now.inventory.known else None
        return _json(api.targets(select(rows, query), states, now.now), 200)

    def _show(
        self,
        request: Request,
        now: Status,
        name: str,
        values: Mapping[str, object],
        code: int = 200,
    ) -> Response:
        # A proxy may have put all of this under a path of its own: every link is relative.
        root = "../" * (request.url.path.count("/") - 1) or "./"
        site = {
            "build": self.build,
            "documentation": _DOCUMENTATION.format(version=self.build.version),
            "metrics": self.telemetry_path.removeprefix("/"),
        }
        text = self.templates.render(name, {**site, "status": now, "root": root, **values})
        return HTMLResponse(text, code, headers=HEADERS)


def _query(request: Request, status: Status) -> Query:
    """Read which targets are wanted. Raises QueryError."""
    query = parse(request.query_params.multi_items())
    if query.untrusted and not status.trust.tells:
        reason = "set metrics.trusted_inviters or metrics.trust_organization: nobody is known yet"
        if status.trust.configured:
            reason = "AWS Organizations has not said yet who belongs to it"
        raise QueryError(f"untrusted = true: {reason}")
    return query


def _json(document: api.Document, code: int) -> Response:
    body = api.as_json(document)
    return Response(body, code, headers=HEADERS, media_type="application/json")
