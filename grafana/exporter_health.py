"""The Exporter dashboard: does it poll, how fresh is what it tells, and what does that cost."""

from functools import partial

from grafana import looks, panels, shared
from grafana.board import TROUBLESHOOTING, Annotation, Board, Link, Panel, Query, Row, now, rows
from grafana.promql import (
    ANSWER_AGE,
    ERROR,
    NO_ANSWER,
    POLLED,
    REPLICA,
    SHARDS_MISSING,
    TARGETS_BY_STATE,
    THROTTLING,
    UP,
    each,
    fleet,
    named,
    ours,
    rate,
)
from grafana.promql import SUCCESS as POLL_SUCCESS

_NO_ERRORS = "only once a request failed"
_NO_FAILURES = "only while polls fail"
_NO_ORGANISATION = "only with discovery through AWS Organizations"

_stat = partial(Panel, draw=panels.stat_panel, width=3, height=5)

_UP = _stat(
    title="Exporters down",
    description=(
        "Exporters that Prometheus cannot scrape, of those that it should. Unknown where there "
        "has been none for a day."
    ),
    queries=(
        now(f"count({UP} == 0) or 0 * count({UP})", "down"),
        now(f"count({UP})", "to be scraped"),
    ),
    steps=looks.ANY_IS_CRITICAL,
    overrides=(panels.query("B", **panels.limits(((None, looks.INFO),))),),
    runbooks=("MacieExporterDown", "MacieExporterAbsent"),
)
_POLLS_OK = _stat(
    title="Polls answered",
    description="The share of targets whose last poll got an answer.",
    queries=(now(f"avg({POLL_SUCCESS})", "of the targets"),),
    unit="percentunit",
    steps=looks.SHARE,
    runbooks=("MacieTargetsFailing",),
)
_STALE = _stat(
    title="Without values",
    description=(
        "Targets that were polled and of which nothing is known, for longer than "
        "poll.stale_after or from the start."
    ),
    queries=(now(f"count({NO_ANSWER}) or 0 * count({POLLED})", "unknown"),),
    steps=looks.ANY_IS_CRITICAL,
    runbooks=("MacieTargetStale",),
)
_LAG: looks.Steps = ((None, looks.OK), (10, looks.WARNING), (60, looks.CRITICAL))
_LATE = _stat(
    title="Late polls",
    description=(
        "How late the latest polls started. It grows when poll.concurrency is too low for the "
        "targets and the interval."
    ),
    queries=(now(f"max({fleet('macie_exporter_poll_lag_seconds')})", "lag"),),
    unit="s",
    steps=_LAG,
)
_INTERVALS: looks.Steps = ((None, looks.OK), (2, looks.WARNING), (3, looks.CRITICAL))
_FRESHNESS = _stat(
    title="Oldest answer",
    description=(
        "The age of the oldest last answer of any target, in poll intervals. Targets that never "
        "answered are not in it."
    ),
    queries=(
        now(
            f"max({ANSWER_AGE}) / max({fleet('macie_exporter_poll_interval_seconds')})",
            "intervals",
            "not before the first answer",
        ),
    ),
    steps=_INTERVALS,
    runbooks=("MacieTargetStale",),
)
_SHARDS = _stat(
    title="Shards missing",
    description="Shards that the others say there should be, and that nobody scrapes.",
    queries=(now(SHARDS_MISSING, "missing"),),
    steps=looks.ANY_IS_CRITICAL,
    runbooks=("MacieShardMissing",),
)
_RELOAD = _stat(
    title="Configuration",
    description=(
        "Whether the last attempt to load the configuration succeeded everywhere, and the web "
        "file's, where there is one."
    ),
    queries=(
        now(f"min({fleet('macie_exporter_config_last_reload_successful')})", "settings"),
        now(
            f"min({fleet('macie_exporter_web_config_last_reload_successful')})",
            "web file",
            "only with a web configuration file",
        ),
    ),
    meanings=looks.SUCCESS,
    steps=((None, looks.CRITICAL), (1, looks.OK)),
    runbooks=("MacieConfigReloadFailed",),
)
_DISCOVERY = _stat(
    title="Discovery",
    description=(
        "Whether the last discovery through AWS Organizations succeeded everywhere. No value: "
        "there is none, or it is unknown."
    ),
    queries=(
        now(f"min({fleet('macie_exporter_discovery_success')})", "discovery", _NO_ORGANISATION),
    ),
    unknown="not configured, or unknown",
    meanings=looks.SUCCESS,
    steps=((None, looks.CRITICAL), (1, looks.OK)),
    runbooks=("MacieDiscoveryFailing",),
)

_STATES = Panel(
    title="Targets by state",
    description=(
        "As the exporters count them, whatever account and region are chosen. failing: the last "
        "poll failed; stale: so for poll.stale_after, and the values are gone; pending: not "
        "polled yet."
    ),
    queries=(Query(TARGETS_BY_STATE, "{{state}}"),),
    draw=panels.stacked_trend,
    overrides=panels.coloured(looks.TARGET_STATES),
    runbooks=("MacieTargetsFailing", "MacieTargetStale"),
)
_ANSWER_AGES = Panel(
    title="Age of the answers",
    description=(
        "How old each target's last answer is: the oldest, the median, and for comparison the "
        "poll interval. Targets that never answered are not in it."
    ),
    queries=(
        Query(f"max({ANSWER_AGE})", "oldest", may_be_empty="not before the first answer"),
        Query(f"quantile(0.5, {ANSWER_AGE})", "median", may_be_empty="not before the first answer"),
        Query(f"max({fleet('macie_exporter_poll_interval_seconds')})", "poll interval"),
    ),
    draw=panels.trend,
    unit="s",
    overrides=panels.coloured(
        {"oldest": looks.WARNING, "median": looks.OK, "poll interval": looks.UNKNOWN}
    ),
    runbooks=("MacieTargetStale",),
)
_ERRORS = Panel(
    title="Failing targets by error code",
    description="Why last polls failed. No line where none did.",
    queries=(
        Query(f"count by (error_code) ({ERROR})", "{{error_code}}", may_be_empty=_NO_FAILURES),
    ),
    draw=panels.stacked_trend,
    runbooks=("MacieAccessDenied", "MacieTargetsFailing"),
)
_ERROR_ROWS = Panel(
    title="Failing targets",
    description=(
        "Each target whose last poll failed, with the error code and the age of its last answer; "
        "“never” that there was none."
    ),
    queries=(
        rows(named(ERROR), _NO_FAILURES),
        rows(
            f"{ANSWER_AGE} and on (aws_account_id, aws_region) {ERROR}",
            "only while polls fail that have succeeded before",
        ),
    ),
    draw=lambda: panels.sorted_listing("Age of the last answer"),
    unknown="no rows: none fails, or it is unknown",
    overrides=(
        panels.absent_cell("Name"),
        panels.account_cell("Account"),
        panels.region_cell(),
        panels.field("Age of the last answer", unit="dtdurations", decimals=0, noValue="never"),
    ),
    transformations=panels.columns(
        {
            "account_name": "Name",
            "aws_account_id": "Account",
            "aws_region": "Region",
            "error_code": "Error",
            "Value #B": "Age of the last answer",
        }
    ),
    runbooks=("MacieAccessDenied", "MacieTargetsFailing", "MacieTargetStale"),
)

_CALLS = Panel(
    title="Requests to AWS",
    description="HTTP requests to AWS, retries included, by service and operation.",
    queries=(
        Query(
            f"sum by (service, operation) ({rate('macie_exporter_aws_requests_total')})",
            "{{service}} {{operation}}",
        ),
    ),
    draw=panels.stacked_trend,
    unit="reqps",
)
_CALL_ERRORS = Panel(
    title="Requests to AWS that failed",
    description="HTTP requests to AWS that failed, retries included, by error code.",
    queries=(
        Query(
            f"sum by (error_code) ({rate('macie_exporter_aws_request_errors_total')})",
            "{{error_code}}",
            may_be_empty=_NO_ERRORS,
        ),
    ),
    draw=panels.stacked_trend,
    unit="reqps",
    runbooks=("MacieAccessDenied", "MacieTargetsFailing"),
)
_THROTTLED = Panel(
    title="Throttling, by region",
    description=(
        "The share of requests that AWS refused because of their rate. If it stays, raise "
        "poll.interval or lower poll.concurrency."
    ),
    queries=(
        Query(
            "sum by (aws_region) ("
            + rate("macie_exporter_aws_request_errors_total", f'error_code=~"{THROTTLING}"')
            + f") / sum by (aws_region) ({rate('macie_exporter_aws_requests_total')})",
            "{{aws_region}}",
            may_be_empty="only once AWS has throttled",
        ),
    ),
    draw=panels.limited_trend,
    unit="percentunit",
    steps=((None, looks.OK), (0.05, looks.WARNING), (0.2, looks.CRITICAL)),
    runbooks=("MacieThrottled",),
)


def _latency(quantile: float) -> str:
    buckets = rate("macie_exporter_aws_request_duration_seconds_bucket")
    return f"histogram_quantile({quantile}, sum by (le, operation) ({buckets}))"


_LATENCY = Panel(
    title="Latency of AWS",
    description="How long HTTP requests to AWS took, each retry for itself: median and 99th.",
    queries=(
        Query(_latency(0.5), "{{operation}} median"),
        Query(_latency(0.99), "{{operation}} 99th"),
    ),
    draw=panels.trend,
    unit="s",
)
_LAG_TREND = Panel(
    title="Lag",
    description=(
        "How late the latest polls started, for each exporter. It grows when poll.concurrency is "
        "too low for the targets and the interval."
    ),
    queries=(Query(fleet("macie_exporter_poll_lag_seconds"), "{{instance}}"),),
    draw=panels.limited_trend,
    unit="s",
    steps=_LAG,
)
_POLL_DURATION = Panel(
    title="Duration of polls, by region",
    description=(
        "The longest last poll of any target, pages and retries included; poll.timeout ends it."
    ),
    queries=(
        Query(
            f"max by (aws_region) ({each('macie_poll_duration_seconds')})",
            "{{aws_region}}",
        ),
    ),
    draw=panels.trend,
    unit="s",
)

_SCRAPES = Panel(
    title="Duration of scrapes",
    description="How long Prometheus took to read each exporter; its default limit is 10 s.",
    queries=(Query(ours(fleet("scrape_duration_seconds")), "{{instance}}"),),
    draw=panels.limited_trend,
    unit="s",
    steps=((None, looks.OK), (5, looks.WARNING), (10, looks.CRITICAL)),
)
_SAMPLES = Panel(
    title="Samples of a scrape",
    description=(
        "How many series each exporter shows; metrics.zero_fill decides, and the sample limit "
        "of the scrape must be above it."
    ),
    queries=(
        Query(ours(fleet("scrape_samples_scraped")), "{{instance}}"),
        Query(
            f"sum({fleet('macie_invitation_series_dropped')})",
            "left out by metrics.per_invitation.max_series",
        ),
    ),
    draw=panels.trend,
)
_CPU = Panel(
    title="Processor",
    description="Processor time of each exporter, 1 is one core.",
    queries=(
        Query(
            ours(rate("process_cpu_seconds_total")),
            "{{instance}}",
        ),
    ),
    draw=panels.trend,
)
_MEMORY = Panel(
    title="Memory",
    description="Resident memory of each exporter.",
    queries=(Query(ours(fleet("process_resident_memory_bytes")), "{{instance}}"),),
    draw=panels.trend,
    unit="bytes",
)

_R = ", ".join(REPLICA)
_REPLICAS = Panel(
    title="Exporters and shards",
    description=(
        "Each running exporter: its shard, targets, version, and a number that stands for its "
        "configuration, which is the same where replicas are configured alike."
    ),
    queries=(
        rows(f"max by ({_R}) ({UP})"),
        rows(f"max by ({_R}) ({fleet('macie_exporter_shard_index')})"),
        rows(f"max by ({_R}) ({fleet('macie_exporter_shards')})"),
        rows(f"sum by ({_R}) ({fleet('macie_exporter_targets')})"),
        rows(f"max by ({_R}, version, revision) ({fleet('macie_exporter_build_info')})"),
        rows(f"max by ({_R}) ({fleet('macie_exporter_config_hash')})"),
        rows(f"max by ({_R}) ({fleet('macie_exporter_config_last_reload_successful')})"),
        rows(
            f"max by ({_R})"
            f" ({fleet('macie_exporter_config_last_reload_success_timestamp_seconds')}) * 1000"
        ),
    ),
    draw=panels.listing,
    overrides=(
        panels.cell("Scrape", looks.SCRAPED),
        panels.cell("Last reload", looks.SUCCESS),
        panels.field("Configuration", unit="none", decimals=0),
        panels.field("Loaded", unit="dateTimeAsIso"),
    ),
    transformations=panels.columns(
        {
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
        }
    ),
    runbooks=("MacieExporterDown", "MacieShardMissing", "MacieNothingPolled"),
    width=24,
)
_DISCOVERY_AGE = Panel(
    title="Age of discovery",
    description=(
        "How long ago each exporter last found the accounts through AWS Organizations. No line "
        "where it never succeeded."
    ),
    queries=(
        Query(
            f"time() - ({fleet('macie_exporter_discovery_last_success_timestamp_seconds')} > 0)",
            "{{instance}}",
            may_be_empty=_NO_ORGANISATION,
        ),
    ),
    draw=panels.trend,
    unit="s",
    unknown="aws.organization is not configured, or unknown",
    runbooks=("MacieDiscoveryFailing",),
)
_DAY = 86_400
_CERTIFICATES = Panel(
    title="Time until certificates end",
    description=(
        "How long the certificate of each exporter's web endpoint is valid yet; below 0 it is no "
        "longer, and Prometheus refuses to scrape."
    ),
    queries=(
        Query(
            f"{fleet('macie_exporter_web_certificate_expiry_timestamp_seconds')} - time()",
            "{{instance}}",
            may_be_empty="only with TLS",
        ),
    ),
    draw=panels.limited_trend,
    unit="s",
    unknown="TLS is not configured, or unknown",
    steps=((None, looks.CRITICAL), (7 * _DAY, looks.WARNING), (14 * _DAY, looks.OK)),
    least=None,
    runbooks=("MacieCertificateExpiring",),
)

_RESTARTS = Annotation(
    "Starts",
    Query(ours(fleet("process_start_time_seconds") + " * 1000")),
    title="Exporter started",
    text="{{instance}}",
    colour=looks.UNKNOWN,
    tags=("job", "instance"),
    at_value=True,
)
_RELOADS = Annotation(
    "Reloads",
    Query(fleet("macie_exporter_config_last_reload_success_timestamp_seconds") + " * 1000"),
    title="Configuration loaded",
    text="{{instance}}",
    colour=looks.INFO,
    tags=("job", "instance"),
    at_value=True,
)

BOARD = Board(
    uid=panels.EXPORTER_UID,
    title="Macie: Exporter",
    description=(
        "Whether the exporter polls, how fresh its answers are, why polls fail, what it asks of "
        "AWS, and what it costs."
    ),
    rows=(
        Row(
            "Is it well",
            (_UP, _POLLS_OK, _STALE, _FRESHNESS, _LATE, _SHARDS, _RELOAD, _DISCOVERY),
        ),
        Row("Polls", (_STATES, _ANSWER_AGES, _ERRORS, _ERROR_ROWS)),
        Row("AWS", (_CALLS, _CALL_ERRORS, _THROTTLED, _LATENCY)),
        Row("Keeping up", (_LAG_TREND, _POLL_DURATION)),
        Row("Shards", (_REPLICAS, _DISCOVERY_AGE, _CERTIFICATES)),
        Row("Cost", (_SCRAPES, _SAMPLES, _CPU, _MEMORY)),
    ),
    variables=(
        shared.CLUSTER,
        shared.JOB,
        shared.INSTANCE,
        shared.ACCOUNT,
        shared.REGION,
        shared.EXPORTER,
    ),
    annotations=(_RESTARTS, _RELOADS),
    links=(
        panels.board_link("Invitations", panels.INVITATIONS_UID),
        panels.board_link("Account", panels.ACCOUNT_UID),
        Link("What error codes mean", TROUBLESHOOTING),
    ),
    since="now-6h",
    refresh="1m",
)
