"""Faults of STS and Organizations: what was found stays, and one target's fault is its own."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise

import pytest

from exporter.model import Account, Failure, Role
from exporter.settings import Settings, load
from tests.aws.rig import Stage
from tests.daemons import Running, running
from tests.faults.bounds import bounded
from tests.faults.matrix import error
from tests.faults.services import HUB, MEMBERS, Services, refusal, regions, sts
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

REGION = ("aws.regions", "eu-west-1")


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

ASSUME: Mapping[str, tuple[str, Behaviour]] = {
    "AssumeRole is denied": ("AccessDenied", send(refusal("AccessDenied", 403))),
    "STS throttles": ("Throttling", send(refusal("Throttling", 400, "Rate exceeded"))),
    "STS fails": ("InternalServerException", send(response("", 500))),
    "STS resets": ("EndpointConnectionError", send_and_reset(b"HTTP/1.1 2")),
    "STS hangs up": ("EndpointConnectionError", send_and_close(b"")),
    "STS answers HTML": ("MalformedResponse", send(response("<html>log in</html>"))),
    "STS answers with entities": ("MalformedResponse", send(response(_BOMB))),
    "STS answers with elements without end": ("MalformedResponse", send(response("<a>" * 87_000))),
    "STS denies with entities": ("MalformedResponse", send(response(_BOMB, 400))),
    "STS gives no credentials": ("MalformedResponse", send(response("<AssumeRoleResponse/>"))),
    "STS does not know the keys": (
        "InvalidClientTokenId",
        send(refusal("InvalidClientTokenId", 403)),
    ),
    "STS's region is off": (
        "RegionDisabledException",
        send(refusal("RegionDisabledException", 403)),
    ),
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
    expired = send(error("ExpiredTokenException", 403))
    first = send(response(page([{"accountId": "1"}], nextToken="t")))
    answers = iter((first, expired, send(GOOD)))

    def macie(peer: Peer) -> bool:
        return next(answers)(peer)

    services = Services(macie2=macie)
    watch = Watch(stage.play(services), account=_account("renewed"))
    watch.poll()
    watch.shows(SAYS, "ok")


# -- Organizations -------------------------------------------------------------------------------


@dataclass(slots=True)
class Fleet:
    """A daemon that discovers an organization, and the services that it asks."""

    running: Running
    server: FaultyServer
    settings: Settings

    def success(self) -> float:
        """Return whether the last discovery succeeded."""
        return self.running.value("macie_exporter_discovery_success")

    def reload(self, *flags: tuple[str, str]) -> None:
        """Take on other settings, and discover anew."""
        self.settings = load(flags, {}, "eu-west-1")
        self.discover()

    def discover(self, services: Services | None = None) -> None:
        """Discover anew, now; of these services from now on, if any are given."""
        if services is not None:
            self.server.behave(services)
        self.running.reload(self.settings)

    def until_asked(self, word: bytes) -> None:
        """Wait until there is a request with this in its path or body."""
        until(
            lambda: any(word in each.target.encode() + each.body for each in self.server.requests),
            f"a request for {word!r}",
        )

    def until_ready(self) -> None:
        """Wait for the end of the first round."""
        until(self.running.daemon.ready, "the first round")

    def of_targets(self) -> dict[object, float]:
        """Return what is said of targets, but for times."""
        return {
            key: value
            for key, value in self.running.series().items()
            if "aws_account_id" in dict(key[1])
            and "timestamp" not in key[0]
            and "duration" not in key[0]
        }

    def polled(self) -> set[str]:
        """Return the accounts that were polled."""
        series = self.running.series()
        return {dict(key[1])["aws_account_id"] for key in series if key[0] == "macie_poll_success"}


@contextmanager
def served(services: Services, flags: Iterable[tuple[str, str]]) -> Iterator[Fleet]:
    """Run a daemon on services of a test's own."""
    with FaultyServer(services) as server, pytest.MonkeyPatch.context() as environment:
        for name, value in {
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            environment.setenv(name, value)
        settings = load(flags, {}, "eu-west-1")
        with running(settings) as made:
            yield Fleet(made, server, settings)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """An organization of four accounts, all of them polled."""
    flags = [("aws.organization.role-name", "reader"), REGION]
    with served(Services(), flags) as made:
        made.until_ready()
        yield made


def _refuses(code: str) -> Behaviour:
    """Refuse as Organizations does."""
    return send(response(json.dumps({"__type": code, "Message": "no"}), 400))


def _lists(accounts: object, **more: object) -> Behaviour:
    return send(response(json.dumps({"Accounts": accounts, **more})))


def _last_page_fails(peer: Peer) -> bool:
    """Return an account and a token, and then nothing any more."""
    is_last = b"NextToken" in peer.request.body
    return (send(response("", 500)) if is_last else _lists([_ONE], NextToken="t"))(peer)


def _accounts_without_end(peer: Peer) -> bool:
    """Return ten thousand accounts a page, always others, and a token."""
    ids = range(peer.number * 10_000, (peer.number + 1) * 10_000)
    accounts = [{"Id": f"{number:012d}", "Status": "ACTIVE"} for number in ids]
    return _lists(accounts, NextToken=f"t{ids}")(peer)


_ONE = {"Id": HUB, "Name": "x", "Status": "ACTIVE"}

ORGANIZATIONS: Mapping[str, Behaviour] = {
    "Organizations denies": _refuses("com.amazonaws.organizations#AccessDeniedException"),
    "Organizations throttles": _refuses("TooManyRequestsException"),
    "Organizations fails": send(response("", 500)),
    "Organizations resets": send_and_reset(b"HTTP/1.1 200 OK\r\n"),
    "Organizations answers HTML": send(response("<html>log in</html>")),
    "Organizations lists nobody": _lists([]),
    "Organizations lists no list": _lists({}),
    "Organizations lists an account without id": _lists([{"Name": "x", "Status": "ACTIVE"}]),
    "Organizations lists an account with another id": _lists([{**_ONE, "Id": "../1"}]),
    "Organizations lists no active account": _lists([{**_ONE, "Status": "Active"}]),
    "Organizations repeats a page": _lists([_ONE], NextToken="t"),
    "Organizations lists accounts without end": _accounts_without_end,
    "Organizations' last page fails": _last_page_fails,
}


@pytest.mark.parametrize("name", ORGANIZATIONS)
def test_a_discovery_that_fails_drops_no_target(fleet: Fleet, name: str) -> None:
    """Every target stays, with all its values; the metrics say that discovery fails; it heals."""
    drops_nothing(fleet, Services(organizations=ORGANIZATIONS[name]))


def test_sts_that_fails_during_a_discovery_drops_no_target(fleet: Fleet) -> None:
    """Who the exporter itself is, is asked first."""
    drops_nothing(fleet, Services(sts=send(response("", 500))))


def drops_nothing(fleet: Fleet, failing: Services) -> None:
    """Discover while services fail, and again when they are well."""
    before = fleet.of_targets()
    assert fleet.polled() == {HUB, *MEMBERS}
    fleet.discover(failing)
    until(lambda: fleet.success() == 0, "the failure shows")
    assert fleet.of_targets() == before
    fleet.discover(Services())
    until(lambda: fleet.success() == 1, "discovery works again")
    assert fleet.of_targets() == before


# -- the regions of an account ---------------------------------------------------------------------

ONE = ("aws.accounts", f'[{{"id": "{HUB}"}}]')
AUTO = ("aws.regions", "auto")


def test_a_reload_to_auto_drops_nothing_while_list_regions_hangs() -> None:
    """Every value stays; the trail tells of no invitation again that it has told of."""
    with served(Services(account=send_and_hang()), [ONE, REGION]) as fleet:
        fleet.until_ready()
        before = fleet.of_targets()
        fleet.reload(ONE, AUTO)
        fleet.until_asked(b"/listRegions")
        assert fleet.of_targets() == before
        fleet.discover(Services())
        received = "event=invitation_received"
        until(lambda: fleet.running.log.count(received) == 2 * len(LISTED), "the other region")
        assert before.items() <= fleet.of_targets().items()
        told = [line for line in fleet.running.log.splitlines() if received in line]
        assert sum("region=eu-west-1" in line for line in told) == len(LISTED)


def test_a_reload_does_not_wait_for_regions_that_never_come() -> None:
    """Its targets are polled at once; what was asked for before and comes late changes nothing."""
    late, has_come = threading.Event(), threading.Event()

    def hold(peer: Peer) -> bool:
        late.wait(PATIENCE)
        # Nobody may be there any more.
        with suppress(OSError):
            regions("eu-west-1")(peer)
        has_come.set()
        return False

    with served(Services(account=hold), [ONE, AUTO]) as fleet:
        fleet.until_asked(b"/listRegions")
        two = ("aws.accounts", f'[{{"id": "{MEMBERS[0]}"}}]')
        fleet.reload(two, ("aws.regions", "us-east-1"))
        fleet.until_ready()
        polled = fleet.of_targets()
        late.set()
        assert has_come.wait(PATIENCE)
        assert fleet.of_targets() == polled
        assert HUB not in str(polled)


def test_a_role_that_is_changed_while_sts_does_not_answer_for_it_loses_no_target() -> None:
    """Who waits for the old one gives up in time, and has the new one."""

    def with_role(name: str) -> Sequence[tuple[str, str]]:
        role = f"arn:aws:iam::{MEMBERS[0]}:role/{name}"
        account = f'[{{"id": "{MEMBERS[0]}", "role_arn": "{role}"}}]'
        pace = [("poll.interval", "10s"), ("poll.timeout", "2s")]
        return [("aws.accounts", account), REGION, *pace]

    with served(Services(sts=send_and_hang()), with_role("old")) as fleet:
        fleet.until_asked(b"old")
        fleet.server.behave(Services())
        fleet.reload(*with_role("new"))
        until(lambda: "macie_invitations" in str(fleet.of_targets()), "an answer")
        assert "crashed" not in fleet.running.log


def test_a_poll_of_a_target_that_was_just_dropped_is_no_crash() -> None:
    """Discovery may drop a target while it is polled: nobody hears of the result."""
    held = threading.Event()

    def hold(peer: Peer) -> bool:
        held.wait(PATIENCE)
        return send(GOOD)(peer)

    member = f'{{"id": "{MEMBERS[0]}", "role_name": "reader"}}'
    both, one = f'[{{"id": "{HUB}"}}, {member}]', f"[{member}]"
    with served(Services(macie2=hold), [("aws.accounts", both), REGION]) as fleet:
        until(lambda: len(fleet.of_targets()) > 0, "the targets")
        fleet.reload(("aws.accounts", one), REGION)
        until(lambda: HUB not in str(fleet.of_targets()), "the target to go")
        held.set()
        fleet.until_ready()
        assert HUB not in str(fleet.of_targets())
        assert "crashed" not in fleet.running.log
