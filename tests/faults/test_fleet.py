"""Faults of STS and Organizations: what was found stays, and one target's fault is its own."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise

import pytest

from exporter.model import Account, Failure, Role
from exporter.settings import load
from tests.aws.rig import Stage
from tests.daemons import Running, running
from tests.faults.bounds import bounded
from tests.faults.matrix import error
from tests.faults.services import HUB, MEMBERS, Services, of_aws, refusal, sts
from tests.faults.watch import GOOD, LISTED, SAYS, Watch
from tests.faulty import (
    Behaviour,
    FaultyServer,
    Peer,
    page,
    response,
    send,
    send_and_close,
    send_and_hang,
    send_and_reset,
)
from tests.processes import PATIENCE, until


@pytest.fixture
def stage(patient: Stage, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """The stage, for clients of services too that it has not called yet."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", patient.server.url)
    return patient


# -- STS -----------------------------------------------------------------------------------------

_ENTITIES = '<!ENTITY a "0123456789abcdef">' + "".join(
    f'<!ENTITY {outer} "{f"&{inner};" * 8}">' for inner, outer in pairwise("abcdefghi")
)
_BOMB = f"<!DOCTYPE a [{_ENTITIES}]><a>{'&i;' * 100}</a>"


def _refuses(code: str, status: int = 403) -> tuple[str, Behaviour]:
    return code, send(refusal(code, status))


ASSUME: Mapping[str, tuple[str, Behaviour]] = {
    "AssumeRole is denied": _refuses("AccessDenied"),
    "STS throttles": _refuses("Throttling", 400),
    "STS fails": ("InternalServerException", send(response("", 500))),
    "STS resets": ("EndpointConnectionError", send_and_reset(b"HTTP/1.1 2")),
    "STS hangs up": ("EndpointConnectionError", send_and_close(b"")),
    "STS answers HTML": ("MalformedResponse", send(response("<html>log in</html>"))),
    "STS answers with entities": ("MalformedResponse", send(response(_BOMB))),
    "STS answers with elements without end": ("MalformedResponse", send(response("<a>" * 87_000))),
    "STS denies with entities": ("MalformedResponse", send(response(_BOMB, 400))),
    "STS gives no credentials": ("MalformedResponse", send(response("<AssumeRoleResponse/>"))),
    "STS does not know the keys": _refuses("InvalidClientTokenId"),
    "STS's region is off": _refuses("RegionDisabledException"),
}
"""What STS does, and the error code that it gets."""


@pytest.mark.parametrize("name", ASSUME)
def test_a_role_that_cannot_be_assumed(stage: Stage, name: str) -> None:
    """The last good values stay; the role is not asked for again at once; then it heals."""
    code, behaviour = ASSUME[name]
    services = Services()
    watch = Watch(stage.play(services), account=_account(f"{name} before"))
    watch.poll()
    watch.shows(SAYS, "ok")
    services.sts = behaviour
    watch.account = _account(name)
    for good in (1, 2):
        with bounded():
            outcome = watch.poll().outcome
        assert isinstance(outcome, Failure)
        assert outcome.code == code
        watch.shows(SAYS, "failing", code=code, good=good)
    assert len(stage.server.requests) <= 2 + 3
    services.sts = sts
    watch.account = _account(f"{name} after")
    watch.poll()
    watch.shows(SAYS, "ok")


def _account(name: str) -> Account:
    """Return the account with a role of its own, of which nothing is remembered."""
    return Account(MEMBERS[0], role=Role(f"arn:aws:iam::{MEMBERS[0]}:role/{name}"))


def test_a_session_that_expires_between_pages_is_renewed_once(stage: Stage) -> None:
    """And the list is read anew from its first page: nothing is counted twice."""
    answers = iter((page([{"accountId": "1"}], nextToken="t"), None, page(LISTED)))

    def macie(peer: Peer) -> bool:
        body = next(answers)
        return send(response(body) if body else error("ExpiredTokenException", 403))(peer)

    watch = Watch(stage.play(Services(macie2=macie)), account=_account("renewed"))
    watch.poll()
    watch.shows(SAYS, "ok")


# -- what is found -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fleet:
    """A daemon, and the services that it asks."""

    running: Running
    server: FaultyServer

    def reload(self, flags: Mapping[str, str]) -> None:
        """Take on other settings, and discover anew, now."""
        self.running.reload(load(flags.items(), {}, "eu-west-1"))

    def until_asked(self, word: str) -> None:
        """Wait until there is a request with this in its path or body."""
        until(lambda: word in str(self.server.requests), f"a request for {word}")

    def until_ready(self) -> None:
        """Wait for the end of the first round."""
        until(self.running.daemon.ready, "the first round")

    def until_discovery_says(self, success: float) -> None:
        """Wait until the metrics say so of the last discovery."""
        name = "macie_exporter_discovery_success"
        until(lambda: self.running.value(name) == success, f"{name} {success}")

    def of_targets(self) -> dict[object, float]:
        """Return what is said of targets, but for times."""
        return {
            key: value
            for key, value in self.running.series().items()
            if "aws_account_id" in dict(key[1])
            and "timestamp" not in key[0]
            and "duration" not in key[0]
        }


@contextmanager
def served(services: Services, flags: Mapping[str, str]) -> Iterator[Fleet]:
    """Run a daemon on services of a test's own."""
    with FaultyServer(services) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in of_aws(server).items():
            environment.setenv(name, value)
        with running(load(flags.items(), {}, "eu-west-1")) as made:
            yield Fleet(made, server)


ORGANIZATION = {"aws.organization.role-name": "reader", "aws.regions": "eu-west-1"}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """An organization of four accounts, all of them polled."""
    with served(Services(), ORGANIZATION) as made:
        made.until_ready()
        for account in (HUB, *MEMBERS):
            assert account in str(made.of_targets())
        yield made


def _lists(accounts: object, **more: object) -> Services:
    return Services(organizations=send(response(json.dumps({"Accounts": accounts, **more}))))


def _denies(code: str) -> Services:
    """Refuse as Organizations does."""
    return Services(
        organizations=send(response(json.dumps({"__type": code, "Message": "no"}), 400))
    )


def _accounts_without_end(peer: Peer) -> bool:
    """Return ten thousand accounts a page, always others, and a token."""
    ids = range(peer.number * 10_000, (peer.number + 1) * 10_000)
    accounts = [{"Id": f"{number:012d}", "Status": "ACTIVE"} for number in ids]
    return _lists(accounts, NextToken=f"t{ids}").organizations(peer)


_FAILS = send(response("", 500))
_ONE = {"Id": HUB, "Name": "x", "Status": "ACTIVE"}

DISCOVERY: Mapping[str, Services] = {
    "Organizations denies": _denies("com.amazonaws.organizations#AccessDeniedException"),
    "Organizations throttles": _denies("TooManyRequestsException"),
    "Organizations fails": Services(organizations=_FAILS),
    "Organizations resets": Services(organizations=send_and_reset(b"HTTP/1.1 200 OK\r\n")),
    "Organizations answers HTML": Services(organizations=send(response("<html>log in</html>"))),
    "Organizations lists nobody": _lists([]),
    "Organizations lists no list": _lists({}),
    "Organizations lists an account without id": _lists([{"Name": "x", "Status": "ACTIVE"}]),
    "Organizations lists an account with another id": _lists([{**_ONE, "Id": "../1"}]),
    "Organizations lists no active account": _lists([{**_ONE, "Status": "Active"}]),
    "Organizations repeats a page": _lists([_ONE], NextToken="t"),
    "Organizations lists accounts without end": Services(organizations=_accounts_without_end),
    # An account and a token, and then nothing any more.
    "Organizations' last page fails": Services(
        organizations=lambda peer: (
            _FAILS
            if b"NextToken" in peer.request.body
            else _lists([_ONE], NextToken="t").organizations
        )(peer)
    ),
    # Who the exporter itself is, is asked first.
    "STS fails during a discovery": Services(sts=_FAILS),
}


@pytest.mark.parametrize("name", DISCOVERY)
def test_a_discovery_that_fails_drops_no_target(fleet: Fleet, name: str) -> None:
    """Every target stays, with all its values; the metrics say that discovery fails; it heals."""
    before = fleet.of_targets()
    for services, success in ((DISCOVERY[name], 0), (Services(), 1)):
        fleet.server.behave(services)
        fleet.reload(ORGANIZATION)
        fleet.until_discovery_says(success)
        assert fleet.of_targets() == before


def listed(account: str, regions: str, **more: str) -> dict[str, str]:
    """Return flags that list an account."""
    return {"aws.accounts": json.dumps([{"id": account, **more}]), "aws.regions": regions}


def test_a_reload_does_not_wait_for_regions() -> None:
    """Every value stays; the trail tells of no invitation again that it has told of.

    What another reload names is polled at once; what comes late changes nothing.
    """
    may_answer, answered = threading.Semaphore(0), threading.Semaphore(0)

    def hold(peer: Peer) -> bool:
        may_answer.acquire(timeout=PATIENCE)
        with suppress(OSError):  # Nobody may be there any more.
            Services().account(peer)
        answered.release()
        return False

    with served(Services(), listed(HUB, "eu-west-1")) as fleet:
        fleet.until_ready()
        before = fleet.of_targets()
        fleet.server.behave(Services(account=hold))
        fleet.reload(listed(HUB, "auto"))
        fleet.until_asked("/listRegions")
        assert fleet.of_targets() == before
        may_answer.release()
        received = "event=invitation_received"
        until(lambda: fleet.running.log.count(received) == 2 * len(LISTED), "the other region")
        assert before.items() <= fleet.of_targets().items()
        told = [line for line in fleet.running.log.splitlines() if received in line]
        assert sum("region=eu-west-1" in line for line in told) == len(LISTED)
        assert answered.acquire(timeout=PATIENCE)
        fleet.server.behave(Services(account=hold))
        fleet.reload(listed(HUB, "auto"))
        fleet.until_asked("/listRegions")
        fleet.reload(listed(MEMBERS[0], "us-east-1"))
        until(lambda: HUB not in str(fleet.of_targets()), "the old target to go")
        until(lambda: "macie_invitations" in str(fleet.of_targets()), "the new target")
        polled = fleet.of_targets()
        may_answer.release()
        assert answered.acquire(timeout=PATIENCE)
        assert fleet.of_targets() == polled
        assert HUB not in str(polled)


def test_a_role_that_is_changed_while_sts_does_not_answer_for_it_loses_no_target() -> None:
    """Who waits for the old one gives up in time, and has the new one."""

    def with_role(name: str) -> dict[str, str]:
        pace = {"poll.interval": "10s", "poll.timeout": "2s"}
        return pace | listed(MEMBERS[0], "eu-west-1", role_name=name)

    with served(Services(sts=send_and_hang()), with_role("old")) as fleet:
        fleet.until_asked("old")
        fleet.server.behave(Services())
        fleet.reload(with_role("new"))
        until(lambda: "macie_invitations" in str(fleet.of_targets()), "an answer")
        assert "crashed" not in fleet.running.log


def test_a_poll_of_a_target_that_was_just_dropped_is_no_crash() -> None:
    """Discovery may drop a target while it is polled: nobody hears of the result."""
    held = threading.Event()

    def hold(peer: Peer) -> bool:
        held.wait(PATIENCE)
        return send(GOOD)(peer)

    with served(Services(macie2=hold), listed(HUB, "eu-west-1")) as fleet:
        until(lambda: HUB in str(fleet.of_targets()), "the target")
        fleet.reload(listed(MEMBERS[0], "eu-west-1"))
        until(lambda: HUB not in str(fleet.of_targets()), "the target to go")
        held.set()
        labels = {"service": "macie2", "operation": "ListInvitations", "aws_region": "eu-west-1"}
        answers = ("macie_exporter_aws_requests_total", frozenset(labels.items()))
        until(lambda: fleet.running.series().get(answers) == 2, "both answers")
        fleet.until_ready()
        assert HUB not in str(fleet.of_targets())
        assert "crashed" not in fleet.running.log
