"""What a dashboard is made of, as values; and the JSON that Grafana reads.

The foundation SDK knows Grafana's schema. What is the same on every panel is decided here.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Final, Protocol

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.looks import PLAIN, UNKNOWN, Meaning, Steps

TAG: Final = "macie-invitations-exporter"
SOURCE: Final = "https://github.com/macie-invitations-exporter/macie-invitations-exporter"
METRICS: Final = f"{SOURCE}/blob/main/docs/metrics.md"
TROUBLESHOOTING: Final = f"{SOURCE}/blob/main/docs/troubleshooting.md"
RUNBOOKS: Final = f"{SOURCE}/blob/main/docs/runbooks"
WIDTH: Final = 24
"""Columns of Grafana's grid."""

DATASOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")


@dataclass(frozen=True, slots=True)
class Query:
    """One PromQL query, over the dashboard's time range or as of its end."""

    expr: str
    legend: str = ""
    instant: bool = False
    table: bool = False
    may_be_empty: str = ""
    """Why it may have no result although all is well; empty: then it must have one."""


def now(expr: str, legend: str = "", may_be_empty: str = "") -> Query:
    """Ask as of the end of the time range: what has gone since is not shown."""
    return Query(expr, legend, instant=True, may_be_empty=may_be_empty)


def rows(expr: str, may_be_empty: str = "") -> Query:
    """Ask as of the end of the time range; labels become columns."""
    return Query(expr, instant=True, table=True, may_be_empty=may_be_empty)


@dataclass(frozen=True, slots=True)
class Link:
    """A link to a page; Grafana's variables in its URL are filled in."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Override:
    """What is different for some fields: matched by Grafana's matcher `by` with an option."""

    by: str
    option: str
    properties: Mapping[str, object]


BLANKS: Final = Override("byRegexp", "/.*/", {"noValue": "unknown"})
"""A table's text for no rows is not that of an empty cell."""


@dataclass(frozen=True, slots=True)
class Transformation:
    """A step between the answer and what is drawn."""

    id: str
    options: Mapping[str, object]


class Visualization(Protocol):
    """A panel of the SDK, of whatever kind."""

    def build(self) -> models.Panel:
        """Return it as Grafana's schema has it."""
        ...


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel: what it asks, what it shows, and how."""

    title: str
    description: str
    queries: tuple[Query, ...]
    draw: Callable[[], Visualization]
    unit: str = "short"
    unknown: str = "unknown"
    """What stands where there is no value."""
    steps: Steps = PLAIN
    meanings: Mapping[int, Meaning] | None = None
    overrides: tuple[Override, ...] = ()
    transformations: tuple[Transformation, ...] = ()
    links: tuple[Link, ...] = ()
    """Of every value in it."""
    runbooks: tuple[str, ...] = ()
    """Names of alerts, whose runbooks it links to."""
    least: float | None = 0
    points: int | None = None
    """At most so many points of a series; Grafana's default is one a pixel."""
    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A heading with the panels below it, from left to right, wrapped where they are too wide."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice among the values of a label."""

    name: str
    label: str
    description: str
    query: str
    regex: str = ""
    multi: bool = True
    all_value: str = ".+"


@dataclass(frozen=True, slots=True)
class Text:
    """A text that people type in, with what stands there at first."""

    name: str
    label: str
    description: str
    value: str


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks on every graph. With `at_value` a mark stands at the series' value, in milliseconds."""

    name: str
    query: Query
    title: str
    text: str
    colour: str
    tags: tuple[str, ...]
    at_value: bool = False
    step: str = "5m"


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable | Text, ...]
    annotations: tuple[Annotation, ...]
    links: tuple[Link, ...]
    since: str
    refresh: str

    @property
    def panels(self) -> Iterator[Panel]:
        """All panels."""
        return (panel for row in self.rows for panel in row.panels)

    def queries(self) -> Iterator[tuple[str, Query]]:
        """Return every query of panels and annotations, with the title that it stands under."""
        for panel in self.panels:
            yield from ((panel.title, query) for query in panel.queries)
        yield from ((each.name, each.query) for each in self.annotations)

    def json(self) -> str:
        """Return the file that Grafana imports."""
        board = (
            builders.Dashboard(self.title)
            .uid(self.uid)
            .description(self.description)
            .tags([TAG])
            .readonly()
            .tooltip(models.DashboardCursorSync.CROSSHAIR)
            .time(self.since, "now")
            .refresh(self.refresh)
            .variables([_datasource(), *map(_variable, self.variables)])
            .annotations([_annotation(each) for each in self.annotations])
            .links([_board_link(link) for link in self.links])
            .build()
        )
        board.panels = list(_laid_out(self.rows))
        text = json.dumps(board, cls=JSONEncoder)
        plain = json.loads(text, object_pairs_hook=_without_hiding)
        return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def _without_hiding(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Leave out what the SDK always says: newer Grafana hides such links in a menu."""
    return {key: value for key, value in pairs if (key, value) != ("placement", "inControlsMenu")}


def _laid_out(all_rows: Iterable[Row]) -> Iterator[models.Panel | models.RowPanel]:
    """Return the panels numbers and places on the grid."""
    identity, top = 1, 0
    for row in all_rows:
        place = models.GridPos(h=1, w=WIDTH, x=0, y=top)
        yield models.RowPanel(title=row.title, id_val=identity, grid_pos=place)
        identity, top, left, bottom = identity + 1, top + 1, 0, top + 1
        for panel in row.panels:
            if left + panel.width > WIDTH:
                left, top = 0, bottom
            place = models.GridPos(h=panel.height, w=panel.width, x=left, y=top)
            yield _panel(panel, identity, place)
            identity, left, bottom = identity + 1, left + panel.width, max(bottom, top + place.h)
        top = bottom


def _panel(panel: Panel, identity: int, place: models.GridPos) -> models.Panel:
    model = panel.draw().build()
    model.id_val, model.grid_pos = identity, place
    model.title, model.description = panel.title, panel.description
    model.datasource = DATASOURCE
    model.targets = [
        _target(query, letter)
        for query, letter in zip(panel.queries, ascii_uppercase, strict=False)
    ]
    model.transformations = [
        models.DataTransformerConfig(id_val=each.id, options=dict(each.options))
        for each in panel.transformations
    ]
    model.max_data_points = panel.points
    model.links = [_runbook_link(name) for name in panel.runbooks]
    _fill(model, panel)
    return model


def _fill(model: models.Panel, panel: Panel) -> None:
    """Put in what holds for every field, and what is different for some."""
    model.field_config = config = model.field_config or models.FieldConfigSource()
    defaults = config.defaults
    defaults.unit, defaults.no_value, defaults.min_val = panel.unit, panel.unknown, panel.least
    series = model.type_val in {"timeseries", "barchart"}
    by_name = models.FieldColorModeId.PALETTE_CLASSIC_BY_NAME
    mode = by_name if series else models.FieldColorModeId.THRESHOLDS
    defaults.color = models.FieldColor(mode=mode)
    defaults.thresholds = thresholds(panel.steps)
    if panel.meanings:
        defaults.mappings = [_mapping(panel.meanings)]
    if model.type_val == "stat":
        defaults.mappings = [*(defaults.mappings or ()), _nothing(panel.unknown)]
    if panel.links:
        defaults.links = [models.DashboardLink(title=x.title, url=x.url) for x in panel.links]
    blanks = (BLANKS,) if model.type_val == "table" else ()
    config.overrides = [
        models.DashboardFieldConfigSourceOverrides(
            matcher=models.MatcherConfig(each.by, each.option),
            properties=[models.DynamicConfigValue(*item) for item in each.properties.items()],
        )
        for each in (*blanks, *panel.overrides)
    ]


def _mapping(meanings: Mapping[int, Meaning]) -> models.ValueMap:
    return models.ValueMap(
        options={
            str(value): models.ValueMappingResult(text=each.text, color=each.colour, index=index)
            for index, (value, each) in enumerate(meanings.items())
        }
    )


def _nothing(text: str) -> models.SpecialValueMap:
    """Say what no value means: without this it stands on the colour of the lowest threshold."""
    return models.SpecialValueMap(
        options=models.DashboardSpecialValueMapOptions(
            match=models.SpecialValueMatch.NULL_AND_NAN,
            result=models.ValueMappingResult(text=text, color=UNKNOWN, index=0),
        )
    )


def mappings(
    meanings: Mapping[int, Meaning], unknown: str
) -> Sequence[models.ValueMap | models.SpecialValueMap]:
    """Return meanings, and what no value means, as an override has them."""
    return [*([_mapping(meanings)] if meanings else ()), _nothing(unknown)]


def thresholds(steps: Steps) -> models.ThresholdsConfig:
    """Return thresholds as an override has them."""
    return models.ThresholdsConfig(
        mode=models.ThresholdsMode.ABSOLUTE,
        steps=[models.Threshold(value, colour) for value, colour in steps],
    )


def _target(query: Query, letter: str) -> Dataquery:
    target = prometheus.Dataquery().datasource(DATASOURCE).ref_id(letter).expr(query.expr)
    target = target.instant() if query.instant else target.range()
    if query.table:
        return target.format(PromQueryFormat.TABLE).build()
    return target.format(PromQueryFormat.TIME_SERIES).legend_format(query.legend).build()


def _datasource() -> builders.DatasourceVariable:
    return (
        builders.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes the exporter.")
        .type("prometheus")
    )


def _variable(variable: Variable | Text) -> builders.QueryVariable | builders.TextBoxVariable:
    if isinstance(variable, Text):
        text = builders.TextBoxVariable(variable.name).label(variable.label)
        return text.description(variable.description).default_value(variable.value)
    made = (
        builders.QueryVariable(variable.name)
        .label(variable.label)
        .description(variable.description)
        .datasource(DATASOURCE)
        .query(variable.query)
        .definition(variable.query)
        .regex(variable.regex)
        .multi(variable.multi)
        .include_all(variable.multi)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )
    if not variable.multi:
        return made
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return made.all_value(variable.all_value).current(everything)


def _annotation(annotation: Annotation) -> builders.AnnotationQuery:
    return (
        builders.AnnotationQuery()
        .name(annotation.name)
        .datasource(DATASOURCE)
        .enable(enable=True)
        .expr(annotation.query.expr)
        .title_format(annotation.title)
        .text_format(annotation.text)
        .tag_keys(",".join(annotation.tags))
        .icon_color(annotation.colour)
        .step(annotation.step)
        .use_value_for_time(annotation.at_value)
    )


def _board_link(link: Link) -> builders.DashboardLink:
    return (
        builders.DashboardLink(link.title)
        .type(models.DashboardLinkType.LINK)
        .url(link.url)
        .icon("dashboard" if link.url.startswith("/d/") else "doc")
        .target_blank(not link.url.startswith("/d/"))
    )


def _runbook_link(alert: str) -> models.DashboardLink:
    link = models.DashboardLink(title=f"Runbook: {alert}", url=f"{RUNBOOKS}/{alert}.md")
    link.target_blank = True
    return link
