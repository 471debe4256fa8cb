"""The Exporter dashboard: does it poll, how fresh is what it tells, and what does that cost."""

from functools import partial

from grafana import looks, panels, shared
from grafana import promql as q
from grafana.board import DOCS, Json, annotation, board, link, now, over_time, rows

_stat = partial(panels.number, width=3, height=5)


def _of_each(expr: str) -> Json:
    return over_time(expr, "{{instance}}")


_UP = _stat(
    "Exporters down",
    """Exporters that Prometheus cannot scrape, of those that it should. Unknown where there has
    been none for a day.""",
    now(f"count({q.UP} == 0) or 0 * count({q.UP})", "down"),
    now(f"count({q.UP})", "to be scraped"),
    steps=looks.ANY_IS_CRITICAL,
    overrides=(panels.query("B", steps=((None, looks.INFO),)),),
    runbooks=("MacieExporterDown", "MacieExporterAbsent"),
)
_POLLS_OK = _stat(
    "Polls answered",
    "The share of targets whose last poll got an answer.",
    now(f"avg({q.SUCCESS})", "of the targets"),
    unit="percentunit",
    steps=looks.SHARE,
    runbooks=("MacieTargetsFailing",),
)
_STALE = _stat(
    "Without values",
    """Targets that were polled and of which nothing is known, for longer than poll.stale_after or
    from the start.""",
    now(f"count({q.NO_ANSWER}) or 0 * count({q.POLLED})", "unknown"),
    steps=looks.ANY_IS_CRITICAL,
    runbooks=("MacieTargetStale",),
)
_LAG = looks.above(10, 60)
_LATE = _stat(
    "Late polls",
    """How late the latest polls started. It grows when poll.concurrency is too low for the
    targets and the interval.""",
    now(f"max({q.fleet('macie_exporter_poll_lag_seconds')})", "lag"),
    unit="s",
    steps=_LAG,
)
_INTERVAL = f"max({q.fleet('macie_exporter_poll_interval_seconds')})"
_FRESHNESS = _stat(
    "Oldest answer",
    """The age of the oldest last answer of any target, in poll intervals. Targets that never
    answered are not in it.""",
    now(f"max({q.ANSWER_AGE}) / {_INTERVAL}", "intervals"),
    steps=looks.above(2, 3),
    runbooks=("MacieTargetStale",),
)
_SHARDS = _stat(
    "Shards missing",
    "Shards that the others say there should be, and that nobody scrapes.",
    now(q.SHARDS_MISSING, "missing"),
    steps=looks.ANY_IS_CRITICAL,
    runbooks=("MacieShardMissing",),
)
_RELOAD = _stat(
    "Configuration",
    """Whether the last attempt to load the configuration succeeded everywhere, and the web
    file's, where there is one.""",
    now(f"min({q.fleet('macie_exporter_config_last_reload_successful')})", "settings"),
    now(f"min({q.fleet('macie_exporter_web_config_last_reload_successful')})", "web file"),
    meanings=looks.SUCCESS,
    steps=((None, looks.CRITICAL), (1, looks.OK)),
    runbooks=("MacieConfigReloadFailed",),
)
_DISCOVERY = _stat(
    "Discovery",
    """Whether the last discovery through AWS Organizations succeeded everywhere. No value: there
    is none, or it is unknown.""",
    now(f"min({q.fleet('macie_exporter_discovery_success')})", "discovery"),
    unknown="not configured, or unknown",
    meanings=looks.SUCCESS,
    steps=((None, looks.CRITICAL), (1, looks.OK)),
    runbooks=("MacieDiscoveryFailing",),
)

_STATES = panels.stacked_trend(
    "Targets by state",
    """As the exporters count them, whatever account and region are chosen. failing: the last poll
    failed; stale: so for poll.stale_after, and the values are gone; pending: not polled yet.""",
    over_time(q.TARGETS_BY_STATE, "{{state}}"),
    overrides=panels.coloured(looks.TARGET_STATES),
    runbooks=("MacieTargetsFailing", "MacieTargetStale"),
)
_ANSWER_AGES = panels.trend(
    "Age of the answers",
    """How old each target's last answer is: the oldest, the median, and for comparison the poll
    interval. Targets that never answered are not in it.""",
    over_time(f"max({q.ANSWER_AGE})", "oldest"),
    over_time(f"quantile(0.5, {q.ANSWER_AGE})", "median"),
    over_time(_INTERVAL, "poll interval"),
    unit="s",
    overrides=panels.coloured(
        {"oldest": looks.WARNING, "median": looks.OK, "poll interval": looks.UNKNOWN}
    ),
    runbooks=("MacieTargetStale",),
)
_ERRORS = panels.stacked_trend(
    "Failing targets by error code",
    "Why last polls failed. No line where none did.",
    over_time(f"count by (error_code) ({q.ERROR})", "{{error_code}}"),
    runbooks=("MacieAccessDenied", "MacieTargetsFailing"),
)
_ERROR_ROWS = panels.listing(
    "Failing targets",
    """Each target whose last poll failed, with the error code and the age of its last answer;
    “never” that there was none.""",
    rows(q.named(q.ERROR)),
    rows(f"{q.ANSWER_AGE} and on (aws_account_id, aws_region) {q.ERROR}"),
    first="Age of the last answer",
    unknown="no rows: none fails, or it is unknown",
    overrides=(
        *panels.TARGET_CELLS,
        panels.field("Age of the last answer", unit="dtdurations", decimals=0, noValue="never"),
    ),
    columns=panels.TARGET | {"error_code": "Error", "Value #B": "Age of the last answer"},
    runbooks=("MacieAccessDenied", "MacieTargetsFailing", "MacieTargetStale"),
)

_REQUESTS = q.rate("macie_exporter_aws_requests_total")
_ERRORS_OF_AWS = q.rate("macie_exporter_aws_request_errors_total")
_REFUSED = q.rate("macie_exporter_aws_request_errors_total", f'error_code=~"{q.THROTTLING}"')
_CALLS = panels.stacked_trend(
    "Requests to AWS",
    "HTTP requests to AWS, retries included, by service and operation.",
    over_time(f"sum by (service, operation) ({_REQUESTS})", "{{service}} {{operation}}"),
    unit="reqps",
)
_CALL_ERRORS = panels.stacked_trend(
    "Requests to AWS that failed",
    "HTTP requests to AWS that failed, retries included, by error code.",
    over_time(f"sum by (error_code) ({_ERRORS_OF_AWS})", "{{error_code}}"),
    unit="reqps",
    runbooks=("MacieAccessDenied", "MacieTargetsFailing"),
)
_THROTTLED = panels.limited_trend(
    "Throttling, by region",
    """The share of requests that AWS refused because of their rate. If it stays, raise
    poll.interval or lower poll.concurrency.""",
    over_time(
        f"sum by (aws_region) ({_REFUSED}) / sum by (aws_region) ({_REQUESTS})", "{{aws_region}}"
    ),
    unit="percentunit",
    steps=looks.above(0.05, 0.2),
    runbooks=("MacieThrottled",),
)


def _latency(quantile: float) -> str:
    buckets = q.rate("macie_exporter_aws_request_duration_seconds_bucket")
    return f"histogram_quantile({quantile}, sum by (le, operation) ({buckets}))"


_LATENCY = panels.trend(
    "Latency of AWS",
    "How long HTTP requests to AWS took, each retry for itself: median and 99th.",
    over_time(_latency(0.5), "{{operation}} median"),
    over_time(_latency(0.99), "{{operation}} 99th"),
    unit="s",
)
_LAG_TREND = panels.limited_trend(
    "Lag",
    """How late the latest polls started, for each exporter. It grows when poll.concurrency is too
    low for the targets and the interval.""",
    _of_each(q.fleet("macie_exporter_poll_lag_seconds")),
    unit="s",
    steps=_LAG,
)
_POLL_DURATION = panels.trend(
    "Duration of polls, by region",
    "The longest last poll of any target, pages and retries included; poll.timeout ends it.",
    over_time(f"max by (aws_region) ({q.each('macie_poll_duration_seconds')})", "{{aws_region}}"),
    unit="s",
)

_SCRAPES = panels.limited_trend(
    "Duration of scrapes",
    "How long Prometheus took to read each exporter; its default limit is 10 s.",
    _of_each(q.ours(q.fleet("scrape_duration_seconds"))),
    unit="s",
    steps=looks.above(5, 10),
)
_SAMPLES = panels.trend(
    "Samples of a scrape",
    """How many series each exporter shows; metrics.zero_fill decides, and the sample limit of the
    scrape must be above it.""",
    _of_each(q.ours(q.fleet("scrape_samples_scraped"))),
    over_time(
        f"sum({q.fleet('macie_invitation_series_dropped')})",
        "left out by metrics.per_invitation.max_series",
    ),
)
_CPU = panels.trend(
    "Processor",
    "Processor time of each exporter, 1 is one core.",
    _of_each(q.ours(q.rate("process_cpu_seconds_total"))),
)
_MEMORY = panels.trend(
    "Memory",
    "Resident memory of each exporter.",
    _of_each(q.ours(q.fleet("process_resident_memory_bytes"))),
    unit="bytes",
)

_R = ", ".join(q.REPLICA)
_RELOADED = q.fleet("macie_exporter_config_last_reload_success_timestamp_seconds")
_REPLICAS = panels.listing(
    "Exporters and shards",
    """Each running exporter: its shard, targets, version, and a number that stands for its
    configuration, which is the same where replicas are configured alike.""",
    rows(f"max by ({_R}) ({q.UP})"),
    rows(f"max by ({_R}) ({q.fleet('macie_exporter_shard_index')})"),
    rows(f"max by ({_R}) ({q.fleet('macie_exporter_shards')})"),
    rows(f"sum by ({_R}) ({q.fleet('macie_exporter_targets')})"),
    rows(f"max by ({_R}, version, revision) ({q.fleet('macie_exporter_build_info')})"),
    rows(f"max by ({_R}) ({q.fleet('macie_exporter_config_hash')})"),
    rows(f"max by ({_R}) ({q.fleet('macie_exporter_config_last_reload_successful')})"),
    rows(f"max by ({_R}) ({_RELOADED}) * 1000"),
    overrides=(
        panels.cell("Scrape", looks.SCRAPED),
        panels.cell("Last reload", looks.SUCCESS),
        panels.field("Configuration", unit="none", decimals=0),
        panels.field("Loaded", unit="dateTimeAsIso"),
    ),
    columns={
        "cluster": "Cluster",
        "job": "Job",
        "instance": "Instance",
        "Value #A": "Scrape",
        "Value #B": "Shard",
        "Value #C": "of",
        "Value #D": "Targets",
        "version": "Version",
        "revision": "Revision",
        "Value #F": "Configuration",
        "Value #G": "Last reload",
        "Value #H": "Loaded",
    },
    runbooks=("MacieExporterDown", "MacieShardMissing", "MacieNothingPolled"),
    width=24,
)
_DISCOVERED = q.fleet("macie_exporter_discovery_last_success_timestamp_seconds")
_DISCOVERY_AGE = panels.trend(
    "Age of discovery",
    """How long ago each exporter last found the accounts through AWS Organizations. No line where
    it never succeeded.""",
    _of_each(f"time() - ({_DISCOVERED} > 0)"),
    unit="s",
    unknown="aws.organization is not configured, or unknown",
    runbooks=("MacieDiscoveryFailing",),
)
_CERTIFICATES = panels.limited_trend(
    "Time until certificates end",
    """How long the certificate of each exporter's web endpoint is valid yet; below 0 it is no
    longer, and Prometheus refuses to scrape.""",
    _of_each(f"{q.fleet('macie_exporter_web_certificate_expiry_timestamp_seconds')} - time()"),
    unit="s",
    unknown="TLS is not configured, or unknown",
    steps=((None, looks.CRITICAL), (7 * 86400, looks.WARNING), (14 * 86400, looks.OK)),
    least=None,
    runbooks=("MacieCertificateExpiring",),
)

_mark = partial(annotation, text="{{instance}}", tags=("job", "instance"), at_value=True)
_RESTARTS = _mark(
    "Starts",
    q.ours(q.fleet("process_start_time_seconds") + " * 1000"),
    title="Exporter started",
    colour=looks.UNKNOWN,
)
_RELOADS = _mark(
    "Reloads",
    f"{_RELOADED} * 1000",
    title="Configuration loaded",
    colour=looks.INFO,
)

BOARD = board(
    "Exporter",
    "Whether the exporter polls, how fresh its answers are, why polls fail, what it asks of "
    "AWS, and what it costs.",
    rows={
        "Is it well": (_UP, _POLLS_OK, _STALE, _FRESHNESS, _LATE, _SHARDS, _RELOAD, _DISCOVERY),
        "Polls": (_STATES, _ANSWER_AGES, _ERRORS, _ERROR_ROWS),
        "AWS": (_CALLS, _CALL_ERRORS, _THROTTLED, _LATENCY),
        "Keeping up": (_LAG_TREND, _POLL_DURATION),
        "Shards": (_REPLICAS, _DISCOVERY_AGE, _CERTIFICATES),
        "Cost": (_SCRAPES, _SAMPLES, _CPU, _MEMORY),
    },
    variables=(*shared.EXPORTERS, shared.account(), shared.REGION, shared.PAGES),
    annotations=(_RESTARTS, _RELOADS),
    beside=("Invitations", "Account"),
    explained=link("What error codes mean", f"{DOCS}/troubleshooting.md"),
    since="now-6h",
)
