"""The Exporter dashboard: does it poll, how fresh is what it tells, and what does that cost."""

from grafana.board import TROUBLESHOOTING, Annotation, Board, Link, Panel, Query, Row, now, rows
from grafana.looks import (
    ANY_IS_CRITICAL,
    CRITICAL,
    INFO,
    OK,
    SCRAPED,
    SHARE,
    SUCCESS,
    TARGET_STATES,
    UNKNOWN,
    WARNING,
    Steps,
)
from grafana.panels import (
    ACCOUNT_UID,
    EXPORTER_UID,
    INVITATIONS_UID,
    absent_cell,
    account_cell,
    board_link,
    cell,
    coloured,
    columns,
    field,
    limited_trend,
    limits,
    listing,
    query,
    region_cell,
    sorted_listing,
    stacked_trend,
    stat_panel,
    trend,
)
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
from grafana.shared import ACCOUNT, CLUSTER, EXPORTER, INSTANCE, JOB, REGION

_NO_ERRORS = "only once a request failed"
_NO_FAILURES = "only while polls fail"
_NO_ORGANISATION = "only with discovery through AWS Organizations"
_BY_NAME = "palette-classic-by-name"

_UP = Panel(
    title="Exporters down",
    description=(
        "Exporters that Prometheus cannot scrape, of those that it should. Unknown where there "
        "has been none for a day."
    ),
    queries=(
        now(f"count({UP} == 0) or 0 * count({UP})", "down"),
        now(f"count({UP})", "to be scraped"),
    ),
    draw=stat_panel,
    unit="short",
    steps=ANY_IS_CRITICAL,
    overrides=(query("B", **limits(((None, INFO),))),),
    runbooks=("MacieExporterDown", "MacieExporterAbsent"),
    width=3,
    height=5,
)
_POLLS_OK = Panel(
    title="Polls answered",
    description="The share of targets whose last poll got an answer.",
    queries=(now(f"avg({POLL_SUCCESS})", "of the targets"),),
    draw=stat_panel,
    unit="percentunit",
    steps=SHARE,
    runbooks=("MacieTargetsFailing",),
    width=3,
    height=5,
)
_STALE = Panel(
    title="Without values",
    description=(
        "Targets that were polled and of which nothing is known, for longer than "
        "poll.stale_after or from the start."
    ),
    queries=(now(f"count({NO_ANSWER}) or 0 * count({POLLED})", "unknown"),),
    draw=stat_panel,
    unit="short",
    steps=ANY_IS_CRITICAL,
    runbooks=("MacieTargetStale",),
    width=3,
    height=5,
)
_LAG: Steps = ((None, OK), (10, WARNING), (60, CRITICAL))
_LATE = Panel(
    title="Late polls",
    description=(
        "How late the latest polls started. It grows when poll.concurrency is too low for the "
        "targets and the interval."
    ),
    queries=(now(f"max({fleet('macie_exporter_poll_lag_seconds')})", "lag"),),
    draw=stat_panel,
    unit="s",
    steps=_LAG,
    width=3,
    height=5,
)
_INTERVALS: Steps = ((None, OK), (2, WARNING), (3, CRITICAL))
_FRESHNESS = Panel(
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
    draw=stat_panel,
    unit="short",
    steps=_INTERVALS,
    runbooks=("MacieTargetStale",),
    width=3,
    height=5,
)
_SHARDS = Panel(
    title="Shards missing",
    description="Shards that the others say there should be, and that nobody scrapes.",
    queries=(now(SHARDS_MISSING, "missing"),),
    draw=stat_panel,
    unit="short",
    steps=ANY_IS_CRITICAL,
    width=3,
    height=5,
    runbooks=("MacieShardMissing",),
)
_RELOAD = Panel(
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
    draw=stat_panel,
    unit="short",
    meanings=SUCCESS,
    steps=((None, CRITICAL), (1, OK)),
    width=3,
    height=5,
    runbooks=("MacieConfigReloadFailed",),
)
_DISCOVERY = Panel(
    title="Discovery",
    description=(
        "Whether the last discovery through AWS Organizations succeeded everywhere. No value: "
        "there is none, or it is unknown."
    ),
    queries=(
        now(f"min({fleet('macie_exporter_discovery_success')})", "discovery", _NO_ORGANISATION),
    ),
    draw=stat_panel,
    unit="short",
    unknown="not configured, or unknown",
    meanings=SUCCESS,
    steps=((None, CRITICAL), (1, OK)),
    width=3,
    height=5,
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
    draw=stacked_trend,
    unit="short",
    colour=_BY_NAME,
    overrides=coloured(TARGET_STATES),
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
    draw=trend,
    unit="s",
    colour=_BY_NAME,
    overrides=coloured({"oldest": WARNING, "median": OK, "poll interval": UNKNOWN}),
    runbooks=("MacieTargetStale",),
)
_ERRORS = Panel(
    title="Failing targets by error code",
    description="Why last polls failed. No line where none did.",
    queries=(
        Query(f"count by (error_code) ({ERROR})", "{{error_code}}", may_be_empty=_NO_FAILURES),
    ),
    draw=stacked_trend,
    unit="short",
    colour=_BY_NAME,
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
    draw=lambda: sorted_listing("Age of the last answer"),
    unit="short",
    unknown="no rows: none fails, or it is unknown",
    overrides=(
        absent_cell("Name"),
        account_cell("Account"),
        region_cell(),
        field("Age of the last answer", unit="dtdurations", decimals=0, noValue="never"),
    ),
    transformations=columns(
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
    draw=stacked_trend,
    unit="reqps",
    colour=_BY_NAME,
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
    draw=stacked_trend,
    unit="reqps",
    colour=_BY_NAME,
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
    draw=limited_trend,
    unit="percentunit",
    steps=((None, OK), (0.05, WARNING), (0.2, CRITICAL)),
    colour=_BY_NAME,
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
    draw=trend,
    unit="s",
    colour=_BY_NAME,
)
_LAG_TREND = Panel(
    title="Lag",
    description=(
        "How late the latest polls started, for each exporter. It grows when poll.concurrency is "
        "too low for the targets and the interval."
    ),
    queries=(Query(fleet("macie_exporter_poll_lag_seconds"), "{{instance}}"),),
    draw=limited_trend,
    unit="s",
    steps=_LAG,
    colour=_BY_NAME,
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
    draw=trend,
    unit="s",
    colour=_BY_NAME,
)

_SCRAPES = Panel(
    title="Duration of scrapes",
    description="How long Prometheus took to read each exporter; its default limit is 10 s.",
    queries=(Query(ours(fleet("scrape_duration_seconds")), "{{instance}}"),),
    draw=limited_trend,
    unit="s",
    steps=((None, OK), (5, WARNING), (10, CRITICAL)),
    colour=_BY_NAME,
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
    draw=trend,
    unit="short",
    colour=_BY_NAME,
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
    draw=trend,
    unit="short",
    colour=_BY_NAME,
)
_MEMORY = Panel(
    title="Memory",
    description="Resident memory of each exporter.",
    queries=(Query(ours(fleet("process_resident_memory_bytes")), "{{instance}}"),),
    draw=trend,
    unit="bytes",
    colour=_BY_NAME,
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
    draw=listing,
    unit="short",
    overrides=(
        cell("Scrape", SCRAPED),
        cell("Last reload", SUCCESS),
        field("Configuration", unit="none", decimals=0),
        field("Loaded", unit="dateTimeAsIso"),
    ),
    transformations=columns(
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
    runbooks=("MacieExporterDown", "MacieShardMissing"),
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
    draw=trend,
    unit="s",
    unknown="aws.organization is not configured, or unknown",
    colour=_BY_NAME,
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
    draw=limited_trend,
    unit="s",
    unknown="TLS is not configured, or unknown",
    steps=((None, CRITICAL), (7 * _DAY, WARNING), (14 * _DAY, OK)),
    colour=_BY_NAME,
    least=None,
    runbooks=("MacieCertificateExpiring",),
)

_RESTARTS = Annotation(
    "Starts",
    Query(ours(fleet("process_start_time_seconds") + " * 1000")),
    title="Exporter started",
    text="{{instance}}",
    colour=UNKNOWN,
    tags=("job", "instance"),
    at_value=True,
)
_RELOADS = Annotation(
    "Reloads",
    Query(fleet("macie_exporter_config_last_reload_success_timestamp_seconds") + " * 1000"),
    title="Configuration loaded",
    text="{{instance}}",
    colour=INFO,
    tags=("job", "instance"),
    at_value=True,
)

BOARD = Board(
    uid=EXPORTER_UID,
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
    variables=(CLUSTER, JOB, INSTANCE, ACCOUNT, REGION, EXPORTER),
    annotations=(_RESTARTS, _RELOADS),
    links=(
        board_link("Invitations", INVITATIONS_UID),
        board_link("Account", ACCOUNT_UID),
        Link("What error codes mean", TROUBLESHOOTING),
    ),
    since="now-6h",
    refresh="1m",
)
