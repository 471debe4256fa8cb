"""Shards: disjoint, complete, even, and moving few accounts when their number changes."""

from collections import Counter

import pytest

from exporter.sharding import shard_of

ACCOUNTS = [f"{number * 7919 % 10**12:012d}" for number in range(1, 10_001)]


@pytest.mark.parametrize("total", [1, 2, 3, 7, 8, 31])
def test_one_more_shard_moves_few_accounts_and_all_of_them_to_it(total: int) -> None:
    """From N to N + 1 no more than 1/(N + 1) + 2 % of ten thousand accounts move.

    Each is in one shard of the total, and no shard is much above its share.
    """
    sizes = Counter(shard_of(account, total) for account in ACCOUNTS)
    assert sizes.keys() == {*range(total)}
    assert max(sizes.values()) <= len(ACCOUNTS) / total * 1.2
    moved = [a for a in ACCOUNTS if shard_of(a, total) != shard_of(a, total + 1)]
    assert len(moved) <= len(ACCOUNTS) * (1 / (total + 1) + 0.02)
    assert {shard_of(account, total + 1) for account in moved} == {total}


def test_the_hash_never_changes() -> None:
    """Replicas of different releases agree: literal values, from the first release on."""
    assert shard_of("111122223333", 8) == 2
    assert shard_of("012345678901", 8) == 1
    assert shard_of("000000000001", 8) == 4
