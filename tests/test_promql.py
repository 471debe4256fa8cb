"""The judge of queries: it passes what is right and names what is not."""

import pytest

from tests.promql import Selector, complaints, exposed, selectors


def test_lists_selectors() -> None:
    """Every selector is listed with the labels it matches, in ranges and subqueries too."""
    query = 'sum(a{b="1"}) / max_over_time(rate({__name__="c",d!="2"}[5m])[1h:1m] offset 1d)'
    assert selectors(query) == (
        Selector("a", frozenset({"b"})),
        Selector("c", frozenset({"d"})),
    )


@pytest.mark.parametrize(
    "query",
    [
        'sum by (job, aws_region) (macie_invitations{relationship_status="Invited"}) > 0',
        "sum by (le) (rate(macie_exporter_aws_request_duration_seconds_bucket[5m]))",
        "macie_enabled * on (aws_account_id) group_left (account_name) macie_account_info",
        'count by (shard) (count_values by (job) ("shard", macie_exporter_shard_index))',
        'sum by (x) (label_replace(up, "x", "$1", "instance", "(.*):.*"))',
        'process_resident_memory_bytes{job=~".+"} and on (instance) python_info',
        'ALERTS{alertname="A", aws_region="eu-west-1"}',
    ],
)
def test_what_is_right(query: str) -> None:
    """Nothing is said of a query that names what there is."""
    assert complaints(query) == []


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("macie_invitation", "no such series: macie_invitation"),
        ("rate(macie_invitation[5m])", "no such series: macie_invitation"),
        ('{__name__="macie_nothing"}', "no such series: macie_nothing"),
        (
            'macie_poll_success{relationship_status="Invited"}',
            "macie_poll_success has no label relationship_status",
        ),
        (
            "sum by (region) (macie_invitations)",
            "nothing that is grouped or matched by region has it",
        ),
        (
            "sum(macie_enabled) without (age_bucket)",
            "nothing that is grouped or matched by age_bucket has it",
        ),
        ("up * on (pod) up", "nothing that is grouped or matched by pod has it"),
        (
            "up * on (job) group_left (version) up",
            "nothing that is grouped or matched by version has it",
        ),
        (
            "macie_exporter_aws_request_duration_seconds",
            "no such series: macie_exporter_aws_request_duration_seconds",
        ),
    ],
)
def test_what_is_wrong(query: str, complaint: str) -> None:
    """Each mistake is named."""
    assert complaints(query) == [complaint]


def test_what_does_not_parse() -> None:
    """What is no PromQL is a complaint, with the parser's reason."""
    (complaint,) = complaints("sum(up")
    assert complaint.startswith("does not parse: ")


def test_series_of_recording_rules() -> None:
    """Recorded series count, with the labels they are recorded with."""
    also = {"job:up:sum": frozenset({"job"})}
    assert complaints('job:up:sum{job="x"}', also) == []
    assert complaints("job:up:sum{instance='x'}", also) == ["job:up:sum has no label instance"]


def test_exposed_series_have_the_labels_of_a_scrape() -> None:
    """Families are there as their series, with `job` and `instance`."""
    series = exposed()
    assert series["macie_enabled"] == {"aws_account_id", "aws_region", "instance", "job"}
    assert "le" in series["macie_exporter_aws_request_duration_seconds_bucket"]
    assert "le" not in series["macie_exporter_aws_request_duration_seconds_sum"]
    assert "macie_exporter_aws_request_duration_seconds" not in series
