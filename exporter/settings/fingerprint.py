"""The hash of the configuration in force, for everybody to compare. It is public."""

import hashlib

from exporter.settings.tree import Settings


def config_hash(settings: Settings) -> float:
    """Return a hash that a float holds exactly, as Alertmanager's own.

    Alike in all replicas: which shard one is, and where its file is, are left out. Secrets too,
    since an external id may be a word that can be guessed.
    """
    shown = settings.model_dump_json(exclude={"shard": {"index"}, "config": True})
    return float(int.from_bytes(hashlib.sha256(shown.encode()).digest()[:6]))
