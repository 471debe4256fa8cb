"""Kinds of panels, and what several of them have in common."""

from collections.abc import Callable, Mapping
from typing import Any

from grafana_foundation_sdk.builders import (
    barchart,
    common,
    heatmap,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as options
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana.board import (
    Link,
    Override,
    Panel,
    Query,
    Transformation,
    Visualization,
    mappings,
    thresholds,
)
from grafana.looks import PLAIN, STATUSES, Meaning, Steps

INVITATIONS_UID = "macie-invitations"
ACCOUNT_UID = "macie-account"
EXPORTER_UID = "macie-exporter"

_KEPT = "${datasource:queryparam}&${cluster:queryparam}&${job:queryparam}&${__url_time_range}"


def board_link(title: str, uid: str, query: str = "") -> Link:
    """Link to a dashboard, with the choices that all have in common and the time range."""
    return Link(title, f"/d/{uid}/{uid}?{query}{_KEPT}")


def account_link(account: str) -> Link:
    """Link to the Account dashboard; `account` is Grafana's expression for the account's id."""
    return board_link("This account over its regions", ACCOUNT_UID, f"var-account={account}&")


def _drawn(draw: Callable[[], Visualization]) -> Callable[..., Panel]:
    """Return what makes panels of a kind: of a title, a description, queries and other fields."""

    def panel(title: str, description: str, *queries: Query, **fields: Any) -> Panel:  # noqa: ANN401 -- Panel names them
        return Panel(title, " ".join(description.split()), queries, draw, **fields)

    return panel


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .show_legend(show_legend=True)
        .display_mode(options.LegendDisplayMode.LIST)
        .placement(options.LegendPlacement.BOTTOM)
    )


def _tooltip() -> common.VizTooltipOptions:
    sorting = options.SortOrder.DESCENDING
    return common.VizTooltipOptions().mode(options.TooltipDisplayMode.MULTI).sort(sorting)


@_drawn
def number() -> stat.Panel:
    """Draw the last value of each query, large, on its colour."""
    return (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .color_mode(options.BigValueColorMode.BACKGROUND)
        .graph_mode(options.BigValueGraphMode.NONE)
        .text_mode(options.BigValueTextMode.VALUE_AND_NAME)
        .orientation(options.VizOrientation.HORIZONTAL)
    )


def _trend() -> timeseries.Panel:
    return (
        timeseries.Panel()
        .legend(_legend())
        .tooltip(_tooltip())
        .line_width(2)
        .fill_opacity(10)
        .show_points(options.VisibilityMode.AUTO)
        .span_nulls(span_nulls=False)
    )


trend = _drawn(_trend)
"""Lines; where nothing is known there is a gap."""


@_drawn
def stacked_trend() -> timeseries.Panel:
    """Draw areas on top of each other, which add up to something; with gaps as well."""
    stacking = common.StackingConfig().mode(options.StackingMode.NORMAL)
    return _trend().stacking(stacking).fill_opacity(60).line_width(1)


@_drawn
def limited_trend() -> timeseries.Panel:
    """Draw lines, and the thresholds as dashes."""
    dashes = common.GraphThresholdsStyleConfig().mode(options.GraphThresholdsStyleMode.DASHED)
    return _trend().thresholds_style(dashes)


@_drawn
def bars() -> barchart.Panel:
    """Draw a stacked bar for each row of a table."""
    return (
        barchart.Panel()
        .legend(_legend())
        .tooltip(_tooltip())
        .stacking(options.StackingMode.NORMAL)
        .orientation(options.VizOrientation.HORIZONTAL)
        .show_value(options.VisibilityMode.NEVER)
        .fill_opacity(80)
    )


@_drawn
def ages() -> heatmap.Panel:
    """Draw how many invitations are how old, a row for each age bucket as the query gives it."""
    blues = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Blues").steps(64)
    return (
        heatmap.Panel()
        .calculate(calculate=False)
        .color(blues)
        .cell_gap(1)
        .show_legend()
        .y_axis(heatmap.YAxisConfig().unit("string"))
        .rows_frame(heatmap.RowsHeatmapOptions().value("invitations"))
        .cell_values(heatmap.CellValues().unit("short").decimals(0))
        .tooltip(heatmap.HeatmapTooltip().mode(options.TooltipDisplayMode.SINGLE))
    )


@_drawn
def states() -> statetimeline.Panel:
    """Draw how a state changes, a line for each series; with gaps where it is unknown."""
    return (
        statetimeline.Panel()
        .merge_values(merge_values=True)
        .show_value(options.VisibilityMode.NEVER)
        .legend(_legend())
        .tooltip(_tooltip())
        .row_height(0.8)
        .fill_opacity(90)
        .span_nulls(span_nulls=False)
    )


def listing(title: str, description: str, *queries: Query, first: str = "", **fields: Any) -> Panel:  # noqa: ANN401 -- Panel names them
    """Return a panel with a table, the greatest value of a column first."""

    def draw() -> table.Panel:
        drawn = table.Panel().show_header(show_header=True)
        drawn = drawn.cell_height(options.TableCellHeight.SM).filterable(filterable=True)
        if first:
            drawn.sort_by([common.TableSortByFieldState().display_name(first).desc(desc=True)])
        return drawn

    return _drawn(draw)(title, description, *queries, **fields)


def columns(names: Mapping[str, str]) -> tuple[Transformation, ...]:
    """Make one table of all queries, with just these columns in this order, renamed."""
    pick = {"include": {"names": list(names)}}
    order = {name: index for index, name in enumerate(names)}
    return (
        Transformation("merge", {}),
        Transformation("filterFieldsByName", pick),
        Transformation("organize", {"indexByName": order, "renameByName": dict(names)}),
    )


def matrix(row: str, column: str) -> tuple[Transformation, ...]:
    """Make a table of one query: a row and a column for each value of two labels, sorted."""
    shape = {"rowField": row, "columnField": column, "valueField": "Value", "emptyValue": "null"}
    order = {"sort": [{"field": row, "desc": False}]}
    return (Transformation("sortBy", order), Transformation("groupingToMatrix", shape))


TARGET = {"account_name": "Name", "aws_account_id": "Account", "aws_region": "Region"}
"""The columns that name a target."""


def field(name: str, **properties: object) -> Override:
    """Set something for the field of a name."""
    return Override("byName", name, properties)


def query(letter: str, **properties: object) -> Override:
    """Set something for the fields of a query."""
    return Override("byFrameRefID", letter, properties)


def coloured(colours: Mapping[str, str]) -> tuple[Override, ...]:
    """Return the series of these names their colours."""
    return tuple(
        field(name, color={"mode": "fixed", "fixedColor": colour})
        for name, colour in colours.items()
    )


BY_STATUS = coloured(STATUSES)


def limits(steps: Steps) -> dict[str, object]:
    """Return the property of a field whose thresholds are not the panel's."""
    return {"thresholds": thresholds(steps)}


def cell(
    name: str,
    meanings: Mapping[int, Meaning] | None = None,
    steps: Steps = PLAIN,
    unknown: str = "unknown",
    **properties: object,
) -> Override:
    """Colour the text of a table's column by what its values mean."""
    look = {"custom.cellOptions": {"type": "color-text"}}
    meant = {"mappings": mappings(meanings or {}, unknown)}
    return field(name, **meant, **limits(steps), **look, **properties)


def status_cell(name: str) -> Override:
    """Colour a column of statuses."""
    options_ = {status: {"color": colour, "text": status} for status, colour in STATUSES.items()}
    look = {"custom.cellOptions": {"type": "color-text"}}
    return field(name, mappings=[{"type": "value", "options": options_}], **look)


def absent_cell(name: str) -> Override:
    """Leave a column's cells empty where nothing is to be said."""
    return field(name, noValue="–")  # noqa: RUF001 - a dash, as in tables


def region_cell(account: str = "${__data.fields.Account}") -> Override:
    """Link a column of regions to the exporter's own page of the target."""
    url = f"${{exporter}}/targets/{account}/${{__value.raw}}"
    return field("Region", links=[{"title": "The exporter's page of this target", "url": url}])


def account_cell(name: str) -> Override:
    """Link a column of account ids to the Account dashboard; ids are text, never numbers."""
    link = account_link("${__value.raw}")
    return field(name, unit="string", links=[{"title": link.title, "url": link.url}])


TARGET_CELLS = (absent_cell("Name"), account_cell("Account"), region_cell())
