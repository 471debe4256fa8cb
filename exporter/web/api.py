"""`/api/v1/targets` as values that JSON knows. docs/api/targets.schema.json describes them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from exporter.state import TargetState
from exporter.visible import visible
from exporter.web.query import Page
from exporter.web.status import Relation, TargetRow

Document = Mapping[str, Any]

INVITERS = 100
"""Of one target: outsiders decide how many there are."""

_FIRST = int(datetime.min.replace(tzinfo=UTC).timestamp())
_LAST = int(datetime.max.replace(tzinfo=UTC, microsecond=0).timestamp())


def targets(
    page: Page[TargetRow], states: Mapping[TargetState, int] | None, now: float
) -> Document:
    """Return a page of targets, and how many there are of each state in all.

    `states` is None while it is not known what there is to poll.
    """
    counts = None if states is None else {state.value: states[state] for state in TargetState}
    return {
        "now": timestamp(now),
        "states": counts,
        "total": None if states is None else page.total,
        "page": page.number,
        "pages": page.pages,
        "targets": [_target(row) for row in page.items],
    }


def as_json(document: Document) -> bytes:
    """Return it as JSON. What a person must not see raw is escaped; its value is the same."""
    return visible(json.dumps(document, ensure_ascii=False, separators=(",", ":"))).encode()


def timestamp(seconds: float | None) -> str | None:
    """Return Unix seconds as RFC 3339, whole seconds in UTC: what `jq`'s fromdate reads."""
    if seconds is None:
        return None
    # A time zone may carry what AWS sent out of the years that datetime has.
    whole = min(max(int(seconds), _FIRST), _LAST)
    return datetime.fromtimestamp(whole, UTC).isoformat().replace("+00:00", "Z")


def _target(row: TargetRow) -> Document:
    last, relations = row.record.last, row.relations()
    inviters = [_relation(each) for each in relations if not each.in_fact]
    in_fact = [_relation(each) for each in relations if each.in_fact]
    # Null where there is none; nothing where it was not asked for, or is not known.
    asked = row.administrator is not None
    administrator = {"administrator": in_fact[0] if in_fact else None} if asked else {}
    return {
        "account_id": row.target.account_id,
        "account_name": row.account.name,
        "labels": dict(row.account.labels),
        "region": row.target.region,
        "state": row.state.value,
        "invitations": row.invitations,
        "untrusted": row.untrusted,
        "inviters": None if row.listed is None else inviters[:INVITERS],
        "more_inviters": None if row.listed is None else len(inviters[INVITERS:]),
        **administrator,
        "oldest_pending": timestamp(row.oldest_pending),
        "last_poll": timestamp(last.ended if last else None),
        "last_poll_seconds": round(last.duration, 3) if last else None,
        "last_success": timestamp(row.last_success),
        "next_poll": timestamp(row.next_poll),
        "error": _error(row),
    }


def _relation(of: Relation) -> Document:
    return {
        "account_id": of.account_id,
        "name": of.name,
        "status": of.status,
        "invited_at": timestamp(of.invited_at),
        "trusted": of.trusted,
    }


def _error(row: TargetRow) -> Document | None:
    failure = row.failure
    if failure is None:
        return None
    return {
        "code": failure.code,
        "message": failure.message,
        "request_id": failure.request_id,
        "hint": row.hint,
    }
