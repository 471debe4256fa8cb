"""The pages for people and `/api/v1/targets`: a status in, a response out.

Plain functions, each of which is run in a thread when it has a place: see exporter/web/places.py.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from exporter.exposition.fleet import Build
from exporter.model import PENDING_STATUSES, Account, Failure, Invitation, PollResult, Target
from exporter.settings import Settings
from exporter.status import TROUBLED, Remedy, Status, TargetRow, counted, summary, troubles, whys
from exporter.web import assets, documents
from exporter.web.headers import content_security_policy
from exporter.web.places import Page, Places
from exporter.web.rendering import Templates
from exporter.web.selection import (
    COLUMNS,
    Query,
    QueryError,
    bounded,
    pages_of,
    parse,
    select,
)

HEADERS = {
    "Content-Security-Policy": content_security_policy(forms="'self'"),
    "Cache-Control": "private, no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
"""Of every page."""

TITLES = {
    "account": "Account",
    "region": "Region",
    "state": "State",
    "pending": "Invitations",
    "oldest": "Oldest pending",
    "success": "Last success",
    "next": "Next poll",
    "error": "Last error",
}
"""The table's columns, by what they are sorted by."""

_INVITATIONS = 100
"""On a page of a target."""
_TROUBLES = 5
"""On the first page; the table has them all."""
_LAG_SHARE = 0.5
"""Of the interval: polls that start later than that are too late."""

Mend = Callable[[Account, Failure, Settings], Remedy]
"""Says what mends a target's failed poll."""

Failures = Callable[[Target], Sequence[PollResult]]
"""Gives what is still known of a target's failed polls."""


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
    """Give the routes of all pages, their files, and the API."""
    files = assets.assets()
    site = {"build": build, "telemetry_path": telemetry_path}
    show = partial(_shown, Templates(files), site)
    pages: Mapping[str, Page] = {
        "/": lambda _: show("overview.html", _overview(status())),
        "/targets": partial(_targets, status, show),
        "/targets/{account}/{region}": partial(_target, status, failures, remedy, show),
        "/config": lambda _: show("config.html", _config(status(), configuration())),
        "/api/v1/targets": partial(_api, status),
    }
    return [
        *(Route(path, places.take(page)) for path, page in pages.items()),
        *assets.routes(files),
    ]


Show = Callable[..., Response]
"""Renders a template with values."""


def _shown(
    templates: Templates,
    site: Mapping[str, object],
    name: str,
    values: Mapping[str, object],
    code: int = 200,
) -> Response:
    return HTMLResponse(templates.render(name, {**site, **values}), code, headers=HEADERS)


def _overview(status: Status) -> Mapping[str, object]:
    rows = status.rows()
    found = troubles(rows)
    return {
        "status": status,
        "summary": summary(rows),
        "troubles": found[:_TROUBLES],
        "more": sum(len(trouble.regions) for trouble in found[_TROUBLES:]),
        "late": status.lag > _LAG_SHARE * status.settings.poll.interval.total_seconds(),
        "troubled": Query(states=frozenset(TROUBLED)),
        "trouble_query": lambda trouble: Query(
            trouble.account_id, states=frozenset(TROUBLED)
        ).url(),
        "query": Query(),
    }


def _config(status: Status, text: str) -> Mapping[str, object]:
    return {"status": status, "text": text}


def _targets(status: Callable[[], Status], show: Show, request: Request) -> Response:
    now = status()
    try:
        query = parse(request.query_params.multi_items())
    except QueryError as error:
        return show("mistake.html", {"status": now, "lines": error.lines}, 400)
    rows = now.rows()
    page = select(rows, query)
    lone = query.text if _is_account(query.text) else ""
    values = {
        "status": now,
        "query": query,
        "page": page,
        "groups": _groups(page.rows) if query.group == "account" else [("", "", page.rows)],
        "counts_of": counted(rows),
        "titles": TITLES,
        "columns": tuple(COLUMNS),
        "account": lone,
        "whys": list(whys(lone, now)) if lone and lone not in now.accounts else [],
    }
    return show("targets.html", values)


def _is_account(text: str) -> bool:
    return len(text) == 12 and text.isascii() and text.isdigit()  # noqa: PLR2004 -- an account id


def _groups(rows: Sequence[TargetRow]) -> list[tuple[str, str, list[TargetRow]]]:
    """Give neighbouring rows of one account under its id and name."""
    by_account = groupby(rows, key=lambda row: (row.account_id, row.account_name))
    return [(account, name, list(of)) for (account, name), of in by_account]


def _target(
    status: Callable[[], Status], failures: Failures, remedy: Mend, show: Show, request: Request
) -> Response:
    now = status()
    target = Target(request.path_params["account"], request.path_params["region"])
    row = now.row(target)
    if row is None:
        values = {"status": now, "target": target, "whys": _absence(target, now)}
        return show("absent.html", values, 404)
    try:
        page = _page(request)
    except QueryError as error:
        return show("mistake.html", {"status": now, "lines": error.lines}, 400)
    account = now.accounts.get(target.account_id, Account(target.account_id))
    listed = _listed(row)
    values = {
        "status": now,
        "row": row,
        "account": account,
        "remedy": remedy(account, row.failure, now.settings) if row.failure else None,
        "said": {result.ended: result.outcome for result in failures(target)},
        "trust": now.trust,
        "listed": listed[(page - 1) * _INVITATIONS : page * _INVITATIONS],
        "total": len(listed),
        "page": page,
        "pages": pages_of(len(listed), _INVITATIONS),
    }
    return show("target.html", values)


def _page(request: Request) -> int:
    """Read which page of the invitations is wanted. Raises QueryError."""
    parameters = bounded(request.query_params.multi_items())
    names = [name for name, _ in parameters if name != "page"]
    if names:
        raise QueryError([f"{name}: unknown; only page is known here" for name in names])
    return parse(parameters).page


def _listed(row: TargetRow) -> list[Invitation]:
    """Give a target's last known invitations, those that wait first, then the newest."""
    answer = row.knowledge.answer
    return sorted(
        answer.invitations if answer else (),
        key=lambda each: (
            each.relationship_status not in PENDING_STATUSES,
            -(each.invited_at or 0.0),
        ),
    )


def _absence(target: Target, status: Status) -> list[str]:
    account = status.accounts.get(target.account_id)
    if account is None:
        return list(whys(target.account_id, status))
    return [f"the account is polled in {', '.join(account.regions)} alone"]


def _api(status: Callable[[], Status], request: Request) -> Response:
    try:
        query = parse(request.query_params.multi_items())
    except QueryError as error:
        return _json(documents.errors(error.lines), 400)
    now = status()
    rows = now.rows()
    answer = documents.targets(select(rows, query), counted(rows), now.now)
    return _json(answer, 200)


def _json(document: documents.Document, code: int) -> Response:
    body = documents.as_json(document)
    return Response(body, code, headers=HEADERS, media_type="application/json")
