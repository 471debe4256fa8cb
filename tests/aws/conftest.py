"""What the tests of the AWS package share: an environment of their own, and servers in it."""

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.aws.rig import REGION, Stage, stage
from tests.faulty import Behaviour, FaultyServer

Serve = Callable[..., FaultyServer]


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only static keys and a region; nothing of the machine's own AWS set-up or proxies."""
    for name in list(os.environ):
        if name.startswith("AWS_") or name.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def variables(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables of the environment, as a row of a test's table has them."""
    for name, value in request.param.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server that behaves so, and make it the endpoint of every service."""
    with ExitStack() as stack:

        def start(behaviour: Behaviour, tls: ssl.SSLContext | None = None) -> FaultyServer:
            server = stack.enter_context(FaultyServer(behaviour, tls=tls))
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
            return server

        yield start


@pytest.fixture(scope="module")
def warm_stage() -> Iterator[Stage]:
    """One for all tests of a module: its client has been everywhere."""
    with stage() as made:
        yield made


@pytest.fixture
def patient(warm_stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage whose clients try again, with pauses that take no time."""
    # For clients of services that it has not called yet.
    monkeypatch.setenv("AWS_ENDPOINT_URL", warm_stage.server.url)
    return warm_stage
