"""A dashboard as the JSON that Grafana reads: its rows, variables, annotations, links and queries.

https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

SOURCE: Final = "https://github.com/macie-invitations-exporter/macie-invitations-exporter"
DOCS: Final = f"{SOURCE}/blob/main/docs"
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24
"""Columns of Grafana's grid."""

Json = Mapping[str, Any]

_SOURCE = "The Prometheus that scrapes the exporter."


def over_time(expr: str, legend: str) -> Json:
    """Ask over the dashboard's time range."""
    return _query(expr, {"legendFormat": legend}, "time_series", instant=False)


def now(expr: str, legend: str) -> Json:
    """Ask as of the end of the time range: what has gone since is not shown."""
    return _query(expr, {"legendFormat": legend}, "time_series", instant=True)


def rows(expr: str) -> Json:
    """Ask as of the end of the time range; labels become columns."""
    return _query(expr, {}, "table", instant=True)


def _query(expr: str, legend: Json, form: str, *, instant: bool) -> Json:
    asked = {"expr": expr, "datasource": DATASOURCE, "format": form, "instant": instant}
    return {**asked, **legend, "range": not instant}


def board_url(name: str, query: str = "") -> str:
    """Return where a dashboard is, with the choices that all have in common and the time range."""
    kept = "${datasource:queryparam}&${cluster:queryparam}&${job:queryparam}&${__url_time_range}"
    return f"/d/macie-{name}/macie-{name}?{query}{kept}"


def link(title: str, url: str, icon: str = "doc") -> Json:
    """Return a link to a page; one that is no dashboard of this Grafana opens beside it."""
    return {
        "title": title,
        "type": "link",
        "icon": icon,
        "tooltip": "",
        "tags": [],
        "asDropdown": False,
        "targetBlank": not url.startswith("/d/"),
        "includeVars": False,
        "keepTime": False,
        "url": url,
    }


def text(name: str, label: str, description: str, value: str, kind: str = "textbox") -> Json:
    """Return a text that people type in, with what stands there at first."""
    given = {"query": value, "multi": False, "allowCustomValue": True, "includeAll": False}
    return _variable(kind, name, label, description, given)


def choice(
    name: str,
    description: str,
    query: str,
    *,
    regex: str = "",
    multi: bool = True,
    all_value: str = ".+",
) -> Json:
    """Return a choice among the values of a label: of one, or of several and all."""
    everything = {"text": ["All"], "value": ["$__all"], "selected": True}
    given = {
        "query": query,
        "datasource": DATASOURCE,
        **({"current": everything} if multi else {}),
        "multi": multi,
        "allowCustomValue": True,
        "refresh": 2,  # with each change of the time range
        "sort": 1,  # by the alphabet
        "includeAll": multi,
        **({"allValue": all_value} if multi else {}),
        "regex": regex,
    }
    return {**_variable("query", name, name.title(), description, given), "definition": query}


def _variable(kind: str, name: str, label: str, description: str, given: Json) -> Json:
    named = {"type": kind, "name": name, "label": label, "skipUrlSync": False}
    never_split = {"auto": False, "auto_min": "10s", "auto_count": 30}
    return {**named, "description": description, **given, **never_split}


def annotation(
    name: str,
    expr: str,
    *,
    title: str,
    text: str,
    colour: str,
    tags: Sequence[str],
    at_value: bool = False,
) -> Json:
    """Return marks on every graph; with `at_value` at the series' values, in milliseconds."""
    return {
        "name": name,
        "enable": True,
        "iconColor": colour,
        "datasource": DATASOURCE,
        "hide": False,
        "builtIn": 0,
        "expr": expr,
        "textFormat": text,
        "titleFormat": title,
        "tagKeys": ",".join(tags),
        "step": "5m" if at_value else "15m",
        "useValueForTime": at_value,
    }


def board(  # noqa: PLR0913 -- all that makes one dashboard unlike another
    name: str,
    description: str,
    *,
    rows: Mapping[str, Sequence[Json]],
    variables: Sequence[Json],
    annotations: Sequence[Json],
    beside: Sequence[str],
    explained: Json,
    since: str = "now-7d",
) -> Json:
    """Return a dashboard; `rows` are its panels below their headings.

    It leads to those `beside` it, and to where it is `explained`.
    """
    source = text("datasource", "Data source", _SOURCE, "prometheus", kind="datasource")
    others = [link(each, board_url(each.lower()), icon="dashboard") for each in beside]
    return {
        "schemaVersion": 42,
        "templating": {"list": [source, *variables]},
        "annotations": {"list": annotations},
        "uid": f"macie-{name.lower()}",
        "title": f"Macie: {name}",
        "description": description,
        "tags": ["macie-invitations-exporter"],
        "timezone": "browser",
        "editable": False,
        "graphTooltip": 1,
        "time": {"from": since, "to": "now"},
        "fiscalYearStartMonth": 0,
        "refresh": "1m",
        "panels": [{**each, "id": number} for number, each in enumerate(_laid_out(rows), start=1)],
        "links": [*others, explained],
    }


def _laid_out(all_rows: Mapping[str, Sequence[Json]]) -> Iterator[Json]:
    """Return headings and panels with their places: from left to right, wrapped if too wide."""
    top = 0
    for title, panels in all_rows.items():
        heading = {"type": "row", "collapsed": False, "id": 0, "panels": [], "title": title}
        yield {**heading, "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": top}}
        left, top, bottom = 0, top + 1, top + 1
        for panel in panels:
            size = panel["gridPos"]
            if left + size["w"] > WIDTH:
                left, top = 0, bottom
            yield {**panel, "gridPos": {**size, "x": left, "y": top}}
            left, bottom = left + size["w"], max(bottom, top + size["h"])
        top = bottom
