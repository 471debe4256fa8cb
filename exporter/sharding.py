"""Which replica polls an account: a stable hash with bounded movement."""

from hashlib import blake2b

_MULTIPLIER = 2862933555777941757
_BITS = 2**64


def shard_of(account_id: str, total: int) -> int:
    """Return the shard, 0 to total - 1, that polls an account.

    Jump consistent hash (Lamping and Veach, 2014): growing from N to N + 1 shards moves about
    1/(N + 1) of the accounts, all of them to the new shard.
    """
    key = int.from_bytes(blake2b(account_id.encode(), digest_size=8).digest())
    shard, following = 0, 0
    while following < total:
        shard = following
        key = (key * _MULTIPLIER + 1) % _BITS
        following = int((shard + 1) * (2**31 / ((key >> 33) + 1)))
    return shard
