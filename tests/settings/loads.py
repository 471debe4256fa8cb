"""Loading, in the few words that the tests of settings need."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.settings import ConfigurationError, Settings, load

CORPUS = Path(__file__).parent / "corpus"
NOTHING: Mapping[str, str] = {}


def loaded(
    *flags: str, environ: Mapping[str, str] = NOTHING, region: str | None = None
) -> Settings:
    """Load from flags like `poll.interval=1m` and variables."""
    return load([_pair(flag) for flag in flags], environ, region)


def refused(
    *flags: str, environ: Mapping[str, str] = NOTHING, region: str | None = None
) -> list[str]:
    """Return the lines of the error that loading ends in."""
    with pytest.raises(ConfigurationError) as error:
        loaded(*flags, environ=environ, region=region)
    assert str(error.value) == "\n".join(error.value.lines)
    return list(error.value.lines)


def dumped(settings: Settings) -> dict[str, object]:
    """Return what was set, by whatever source; secrets are hidden."""
    return settings.model_dump(mode="json", exclude={"config"}, exclude_unset=True)


def _pair(flag: str) -> tuple[str, str]:
    name, _, value = flag.partition("=")
    return name, value
