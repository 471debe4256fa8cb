"""The hash of the configuration in force, secrets included: for everybody to compare, not to guess.

It is public, and an external id may be a word that can be guessed. A key would hide it, but a
random one would make every replica's hash another. So two bytes of a slow hash of all secrets go
in: no more can be learnt of them, and a guess costs what it costs here.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr

from exporter.settings.tree import Settings

_ITERATIONS = 200_000
"""Of PBKDF2, a tenth of a second; once at each load, and in every standard library, FIPS or not."""

_SECRET_BYTES = 2
"""Two configurations that differ in secrets alone are taken for alike once in 65,536 times."""


def config_hash(settings: Settings) -> float:
    """Return a hash that a float holds exactly, as Alertmanager's own.

    Alike in all replicas: which shard one is, and where its file is, are left out.
    """
    left_out: Any = {"shard": {"index"}, "config": True}
    shown = settings.model_dump_json(exclude=left_out).encode()
    secrets = list(_secrets(settings.model_dump(exclude=left_out)))
    if secrets:
        whole = json.dumps(secrets).encode()
        shown += hashlib.pbkdf2_hmac("sha256", whole, shown, _ITERATIONS, _SECRET_BYTES)
    return float(int.from_bytes(hashlib.sha256(shown).digest()[:6]))


def _secrets(node: object) -> Iterator[str]:
    """Yield every secret, in the order of the tree, which the masked tree shows the places of."""
    match node:
        case SecretStr():
            yield node.get_secret_value()
        case dict():
            for value in node.values():
                yield from _secrets(value)
        case tuple():
            for value in node:
                yield from _secrets(value)
        case _:
            pass
