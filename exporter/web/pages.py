"""The pages for people and `/api/v1/targets`: a status in, a response out.

Plain methods, each of which is run in a thread when it has a place.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from exporter.exposition.fleet import Build
from exporter.iam.remedies import Remedy
from exporter.model import Account, Failure, PollResult, Target
from exporter.settings import Settings
from exporter.web import api, assets
from exporter.web.app import Places
from exporter.web.middleware import content_security_policy
from exporter.web.query import (
    Query,
    QueryError,
    is_account,
    pages_of,
    parse,
    select,
)
from exporter.web.rendering import Templates
from exporter.web.status import Status, TargetRow
from exporter.web.summary import (
    TROUBLED,
    absence_reasons,
    counted,
    failure_groups,
    late,
    strangers,
    summary,
    verdict,
)

HEADERS = {
    "Content-Security-Policy": content_security_policy(forms="'self'"),
    "Cache-Control": "private, no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
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

Mend = Callable[[Account, Failure, Settings], Remedy]
"""Returns what mends a target's failed poll."""

Failures = Callable[[Target], Sequence[PollResult]]
"""Returns what is still known of a target's failed polls."""


def routes(
    *,
    status: Callable[[], Status],
    failures: Failures,
    remedy: Mend,
    configuration: Callable[[], str],
    telemetry_path: str,
    build: Build,
    places: Places,
) -> Sequence[Route]:
    """Return the routes of all pages, their files, and the API."""
    files = assets.assets()
    site = {
        "build": build,
        "documentation": _DOCUMENTATION.format(version=build.version),
        "metrics": telemetry_path.removeprefix("/"),
    }
    pages = _Pages(status, failures, remedy, configuration, site, Templates(files))
    paths: Mapping[str, _Page] = {
        "/": pages.overview,
        "/targets": pages.targets,
        "/targets/{account}/{region}": pages.target,
        "/config": pages.config,
        _API: pages.api,
    }
    return [
        *(Route(path, places.take(partial(pages.answer, page))) for path, page in paths.items()),
        *assets.routes(files),
    ]


_Page = Callable[[Request, Status], Response]
"""Makes a page of a status. Raises QueryError."""


@dataclass(frozen=True, slots=True)
class _Pages:
    """Each page as a method; `site` are the values of all of them."""

    status: Callable[[], Status]
    failures: Failures
    remedy: Mend
    configuration: Callable[[], str]
    site: Mapping[str, object]
    templates: Templates

    def answer(self, page: _Page, request: Request) -> Response:
        now = self.status()
        try:
            return page(request, now)
        except QueryError as error:
            if request.url.path == _API:
                return _json({"errors": list(error.lines)}, 400)
            return self._show(request, now, "mistake.html", {"lines": error.lines}, 400)

    def overview(self, request: Request, now: Status) -> Response:
        rows = now.rows()
        fleet, unknown, groups = summary(rows), strangers(rows), failure_groups(rows)
        values = {
            "summary": fleet,
            "verdict": verdict(now, fleet, unknown),
            "strangers": unknown[:_STRANGERS],
            "more_strangers": len(unknown[_STRANGERS:]),
            "groups": groups[:_FAILURE_GROUPS],
            "more": sum(map(len, groups[_FAILURE_GROUPS:])),
            "late": late(now),
            "all": Query(),
            "troubled": frozenset(TROUBLED),
        }
        return self._show(request, now, "overview.html", values)

    def config(self, request: Request, now: Status) -> Response:
        return self._show(request, now, "config.html", {"text": self.configuration()})

    def targets(self, request: Request, now: Status) -> Response:
        query, rows = _query(request, now), now.rows()
        page = select(rows, query)
        lone = query.account or (query.q if is_account(query.q) else "")
        absent = lone and lone not in now.accounts and not page.total
        values = {
            "query": query,
            "page": page,
            "groups": _groups(page.rows) if query.group == "account" else [(None, page.rows)],
            "counts_of": counted(rows),
            "lone": lone,
            "reasons": list(absence_reasons(lone, now)) if absent else [],
            "unknown": sum(row.answer is None for row in rows),
        }
        return self._show(request, now, "targets.html", values)

    def target(self, request: Request, now: Status) -> Response:
        target = Target(request.path_params["account"], request.path_params["region"])
        row = now.row(target)
        if row is None:
            reasons = list(absence_reasons(target.account_id, now))
            values: Mapping[str, object] = {"target": target, "reasons": reasons}
            return self._show(request, now, "absent.html", values, 404)
        page, answer = _query(request, now).page, row.record.answer
        listed = [(now.relation(each), each) for each in (answer.invitations if answer else ())]
        listed.sort(key=lambda pair: pair[0].urgency)
        asked = now.settings.metrics.administrator.enabled
        administrator = answer.administrator if asked and answer else None
        values = {
            "row": row,
            "remedy": self.remedy(row.account, row.failure, now.settings) if row.failure else None,
            "said": {result.ended: result.outcome for result in self.failures(target)},
            "administrator": now.relation(administrator) if administrator else None,
            "unknown": sum(each.trusted is False for each, _ in listed),
            "listed": listed[(page - 1) * _INVITATIONS : page * _INVITATIONS],
            "total": len(listed),
            "page": page,
            "pages": pages_of(len(listed), _INVITATIONS),
        }
        return self._show(request, now, "target.html", values)

    def api(self, request: Request, now: Status) -> Response:
        query, rows = _query(request, now), now.rows()
        states = counted(rows) if now.inventory.known else None
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
        text = self.templates.render(name, {**self.site, "status": now, "root": root, **values})
        return HTMLResponse(text, code, headers=HEADERS)


def _query(request: Request, status: Status) -> Query:
    """Read which targets are wanted. Raises QueryError."""
    query = parse(request.query_params.multi_items())
    if query.untrusted and not status.trust.tells:
        reason = "set metrics.trusted_inviters or metrics.trust_organization: nobody is known yet"
        if status.trust.configured:
            reason = "AWS Organizations has not said yet who belongs to it"
        raise QueryError([f"untrusted = true: {reason}"])
    return query


def _groups(rows: Sequence[TargetRow]) -> list[tuple[Account, list[TargetRow]]]:
    """Return neighbouring rows of one account under it."""
    by_account = groupby(rows, key=lambda row: row.target.account_id)
    return [(listed[0].account, listed) for listed in (list(of) for _, of in by_account)]


def _json(document: api.Document, code: int) -> Response:
    body = api.as_json(document)
    return Response(body, code, headers=HEADERS, media_type="application/json")
