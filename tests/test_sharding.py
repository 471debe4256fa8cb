"""Shards: disjoint, complete, even, and moving few accounts when their number changes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.sharding import shard_of

ACCOUNTS = [f"{number * 7919 % 10**12:012d}" for number in range(1, 10_001)]


@given(st.text("0123456789", min_size=12, max_size=12), st.integers(1, 10_000))
def test_every_account_has_one_shard_of_the_total(account: str, total: int) -> None:
    """Disjoint and complete for any number of shards: each account is in exactly one of them."""
    assert 0 <= shard_of(account, total) < total
    assert shard_of(account, total) == shard_of(account, total)


@pytest.mark.parametrize("total", [1, 2, 3, 7, 8, 31])
def test_one_more_shard_moves_few_accounts_and_all_of_them_to_it(total: int) -> None:
    """From N to N + 1 no more than 1/(N + 1) + 2 % of ten thousand accounts move."""
    moved = [a for a in ACCOUNTS if shard_of(a, total) != shard_of(a, total + 1)]
    assert len(moved) <= len(ACCOUNTS) * (1 / (total + 1) + 0.02)
    assert {shard_of(account, total + 1) for account in moved} == {total}


def test_the_largest_of_eight_shards_is_near_the_mean() -> None:
    """No replica holds more than a tenth above its share."""
    sizes = Counter(shard_of(account, 8) for account in ACCOUNTS)
    assert max(sizes.values()) <= len(ACCOUNTS) / 8 * 1.1


def test_the_hash_never_changes() -> None:
    """Replicas of different releases agree: literal values, from the first release on."""
    assert shard_of("111122223333", 8) == 2
    assert shard_of("012345678901", 8) == 1
    assert shard_of("000000000001", 8) == 4
