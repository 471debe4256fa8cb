"""Queries of the documentation on data where a wrong one would show."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.rules.rulefile import Trial, failures

DOCS = Path(__file__).parents[2] / "docs"
A, B = (f'aws_account_id="{name}",aws_region="r"' for name in ("a", "b"))


def query(page: str, beginning: str) -> str:
    """Return a query of a page by how it begins."""
    text = (DOCS / page).read_text()
    blocks = re.findall(r"^```promql\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    (found,) = [block for block in blocks if block.startswith(beginning)]
    return str(found)


SHARDS = {
    f'{name}{{job="macie",instance="{instance}"}}': value
    for instance, index in (("a:1", 0), ("b:1", 0))
    for name, value in (("macie_exporter_shard_index", index), ("macie_exporter_shards", 2))
}
BROKEN = {
    f'macie_invitations{{{A},relationship_status="Removed"}}': 1,
    f'macie_invitations{{{A},relationship_status="Enabled"}}': 1,
    f'macie_invitations{{{B},relationship_status="Removed"}}': 1,
    f'macie_invitations{{{B},relationship_status="Enabled"}}': 0,
}


def stranger(target: str, status: str, inviter: str) -> str:
    """Name a series of an unknown inviter."""
    labels = f'{target},relationship_status="{status}",inviter_account_id="{inviter}"'
    return f"macie_untrusted_inviter_timestamp_seconds{{{labels}}}"


ASKING = (stranger(A, "Invited", "9"), stranger(A, "Created", "9"), stranger(B, "Invited", "9"))
ACCEPTED = stranger(B, "Enabled", "8")
STRANGERS = dict.fromkeys((*ASKING, ACCEPTED), 60) | {
    f'macie_invitation_timestamp_seconds{{{A},relationship_status="Invited"}}': 60
}


@pytest.mark.parametrize(
    ("page", "series", "expected"),
    [
        pytest.param(
            ("cookbook.md", "max by (job) (macie_exporter_shards)"),
            SHARDS,
            {'{job="macie"}': 1},
            id="two replicas with the same number are one shard",
        ),
        pytest.param(
            ("runbooks/MacieRelationshipBroken.md", "sum by"),
            BROKEN,
            {'{aws_account_id="b",aws_region="r",relationship_status="Removed"}': 1},
            id="another administrator is enough",
        ),
        pytest.param(
            ("runbooks/MacieUntrustedInvitation.md", "macie_untrusted_inviter"),
            STRANGERS,
            dict.fromkeys(ASKING, 60),
            id="who is trusted does not ask as a stranger",
        ),
        pytest.param(
            ("cookbook.md", "count by (inviter_account_id)"),
            STRANGERS,
            {'{inviter_account_id="9"}': 2},
            id="accounts are counted, not invitations",
        ),
        pytest.param(
            (
                "cookbook.md",
                'macie_untrusted_inviter_timestamp_seconds{relationship_status=~"Enabled',
            ),
            STRANGERS,
            {ACCEPTED: 60},
            id="who is accepted is told apart from who asks",
        ),
    ],
)
def test_finds_what_it_says(
    promtool: Path,
    tmp_path: Path,
    page: tuple[str, str],
    series: Mapping[str, int],
    expected: Mapping[str, int],
) -> None:
    """As pasted from the page."""
    samples = [{"labels": name, "value": value} for name, value in expected.items()]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": str(value)} for name, value in series.items()],
        "promql_expr_test": [
            {
                "expr": query(*page),
                "eval_time": "0m",
                "exp_samples": samples,
            }
        ],
    }
    assert failures(promtool, tmp_path, {page[0]: Trial([], [case])}) == {}
