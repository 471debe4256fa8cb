"""The pages and the API over a real socket: what they say of what, and what they never do."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
from markupsafe import escape

from exporter.exposition.fleet import Build, WebConfig
from exporter.model import (
    NO_ADMINISTRATOR,
    Account,
    Administrator,
    Answer,
    Failure,
    Inventory,
    Invitation,
    Role,
    Target,
    Trust,
)
from exporter.settings import Settings
from exporter.state import TargetState
from exporter.web.app import Places, app
from exporter.web.pages import Pages
from exporter.web.query import COLUMNS, MOST_PER_PAGE, PARAMETERS
from exporter.web.server import listen
from tests.statuses import AUDIT, DAY, NOW, PAYMENTS, answered, invited, named, snapshot_of, status
from tests.web.conftest import Client, Health, Own, Shown
from tests.web.serving import Served

HERE, THERE = PAYMENTS.targets()
OURS, STRANGER = "999988887777", "660066006600"
TRUST = Trust(configured=True, accounts=frozenset({OURS}))
DENIED = Failure("AccessDenied", "User: x is not authorized", "req-1")
UNTOLD = "Whether unknown accounts invite cannot be told"
ASKED = "An unknown account asks to become the Macie administrator"
ADMINISTERED = "An unknown account is the Macie administrator"
SENT = "Unknown accounts have sent invitations"
PROJECT = Path(__file__).parents[2]
HOME = "https://github.com/macie-invitations-exporter/macie-invitations-exporter/blob/v1.2.3/"
SCHEMA = json.loads((PROJECT / "docs/api/targets.schema.json").read_text(encoding="utf-8"))


class Site:
    """The pages of a status that the test sets."""

    def __init__(self) -> None:
        """Serve on a free port."""
        self.status = status()
        self.failures: tuple[Any, ...] = ()
        pages = Pages(
            status=lambda: self.status,
            failures=lambda target: [each for each in self.failures if each.target == target],
            configuration=lambda: "poll:\n  interval: 5m\n# <targets>: 3\n",
            telemetry_path="/metrics",
            build=Build("1.2.3", "abcdef0123456789", "3.13.1"),
        ).routes(Places())
        application = app(
            telemetry_path="/metrics", exposition=Shown(), own=Own(), health=Health(), pages=pages
        )
        self.server = Served(application, listen("127.0.0.1", 0))
        self.server.start()
        self.client = Client(self.server.port)

    def polled(
        self, *accounts: Account, trust: Trust = TRUST, **polls: list[Answer | Failure]
    ) -> None:
        """Show accounts, of which payments' regions were polled; all else is as usual."""
        outcomes = {Target(PAYMENTS.id, r.replace("_", "-")): some for r, some in polls.items()}
        self.status = status(*accounts, polls=outcomes, trust=trust)
        snapshot = snapshot_of(accounts, outcomes)
        self.failures = tuple(each for target in outcomes for each in snapshot.failures(target))

    def text(self, path: str, code: int = 200) -> str:
        """Return a page."""
        answer = self.client(path)
        assert answer.status == code, answer.body
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return answer.body.decode()

    def words(self, path: str, code: int = 200) -> str:
        """Return a page's words, as they are read."""
        reader = _Words()
        reader.feed(self.text(path, code))
        words = " ".join(" ".join(reader.words).split()).translate(_TYPED)
        return re.sub(r" ([.,:])", r"\1", words)

    def verdict(self) -> str:
        """Return what the first page says, after how bad that is."""
        (said,) = re.findall(r'class="verdict (\w+)".*\n<h2[^>]*>(.*)</h2>', self.text("/"))
        return ": ".join(said)

    def json(self, path: str, code: int = 200) -> Any:
        """Return what the API answers, which is as its schema says."""
        answer = self.client(path)
        assert (answer.status, answer.headers["content-type"]) == (code, "application/json")
        document = json.loads(answer.body)
        jsonschema.Draft202012Validator(SCHEMA).validate(document)
        return document


_TYPED = {0x2013: "-", 0x2019: "'"}
"""Typographic characters, as keyboards have them."""


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    """Pages that are served for all tests of the module."""
    site = Site()
    yield site
    site.server.stop(5)


@pytest.fixture
def site(running: Site) -> Site:
    """The same, of two accounts of which nothing is known yet."""
    running.polled(PAYMENTS, AUDIT)
    return running


PATHS = ("/", "/targets", f"/targets/{HERE.account_id}/{HERE.region}", "/config", "/api/v1/targets")


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_looked_at_and_nothing_else(site: Site, path: str) -> None:
    """HEAD gives the headers of GET and no body; all else is a wrong method."""
    get, head, post = site.client(path), site.client(path, "HEAD"), site.client(path, "POST")
    assert (get.status, head.status, head.body) == (200, 200, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert (post.status, set(post.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


@pytest.mark.parametrize(
    "path",
    [
        "/targets/",
        "/targets/111122223333",
        "/api",
        "/static/",
        "/static/pages.css",
        "/static/../pages.py",
    ],
)
def test_anything_else_is_not_found(site: Site, path: str) -> None:
    """Only the very paths are there, and no folder is listed."""
    assert site.client(path).status == 404


@pytest.mark.parametrize("path", [*PATHS, "/targets?x=1", "/targets/1/2"])
def test_nothing_comes_from_elsewhere(site: Site, path: str) -> None:
    """Nor is a script or a style in a page, which the policy would forbid."""
    answer = site.client(path)
    assert answer.headers["cache-control"] == "private, no-cache"
    text = answer.body.decode()
    assert not re.search(
        r"<style|style=|\son[a-z]+=|javascript:|<script(?! src=\"[./]+static/)", text
    )
    links = re.findall(r"<a [^>]*?href=\"([^\"]+)", text)
    assert not re.search(r"(?:src|<link [^>]*href|action)=\"(?!\./|\.\./)", text)
    assert all(link.startswith((HOME, "./", "../", "?", "#")) for link in links)


def test_files_are_kept_by_their_hash(site: Site) -> None:
    """A page names them, and they may be kept for ever."""
    paths = re.findall(r'"\.(/static/[^"]+)"', site.text("/"))
    assert {Path(path).suffix for path in paths} == {".css", ".js", ".svg"}
    for path in paths:
        answer = site.client(path)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"


# -- the first page --------------------------------------------------------------------------


def test_the_first_page_when_all_is_well(site: Site) -> None:
    """It says so, what this is, and leads to everything."""
    site.polled(PAYMENTS, eu_west_1=[answered(invited())], us_east_1=[Answer(enabled=False)])
    assert site.verdict() == (
        "good: All is well: 2 targets answered, and no unknown account invites"
    )
    words = site.words("/")
    assert "Version 1.2.3 (abcdef012345), Python 3.13.1" in words
    assert "Targets 2 1 ok 1 not enabled Pending invitations 1 the oldest sent 1d 0h ago" in words
    assert "Oldest data 1m 0s ago payments, eu-west-1 Last discovery 0s ago 1 account" in words
    assert "Shard 0 of 1" in words
    text = site.text("/")
    for path in ("metrics", "targets", "config", "api/v1/targets", "-/healthy", "-/ready"):
        assert f'href="./{path}"' in text


BY_1 = invited(inviter="1" * 12)
SHARD = Settings.model_validate({"shard": {"total": 2}})


@pytest.mark.parametrize(
    ("outcome", "changes", "expected"),
    [
        (answered(invited()), {"trust": Trust()}, f"warn: {UNTOLD}"),
        (answered(), {"trust": Trust()}, f"warn: {UNTOLD}"),
        (answered(BY_1), {"trust": Trust(configured=True, complete=False)}, f"warn: {UNTOLD}"),
        (answered(BY_1), {}, f"bad: {ASKED}"),
        (answered(BY_1), {"healthy": False}, f"bad: {ASKED}"),
        (
            answered(BY_1, invited(inviter=STRANGER)),
            {},
            "bad: 2 unknown accounts ask to become the Macie administrator",
        ),
        (answered(BY_1, invited("Paused", inviter=STRANGER)), {}, f"bad: {ADMINISTERED}"),
        (answered(administrator=Administrator(STRANGER, "")), {}, f"bad: {ADMINISTERED}"),
        (
            answered(invited("Enabled", inviter="2"), administrator=Administrator(STRANGER, "")),
            {},
            "bad: 2 unknown accounts are Macie administrators",
        ),
        (answered(invited("Removed", inviter=STRANGER)), {}, f"warn: {SENT}"),
        (answered(invited("Novel", inviter=STRANGER)), {}, f"bad: {SENT}"),
        (DENIED, {}, "bad: 1 of 1 target cannot be polled"),
        (DENIED, {"trust": Trust()}, "bad: 1 of 1 target cannot be polled"),
        (None, {}, "busy: The first round is under way: 0 of 1 target polled"),
        (None, {"inventory": Inventory()}, "busy: Looking for what there is to poll"),
        (None, {"known": ()}, "busy: There is nothing to poll"),
        (
            answered(),
            {"settings": SHARD},
            "good: All is well: 1 target of this shard answered, and no unknown account invites",
        ),
    ],
)
def test_the_verdict(
    site: Site, outcome: Answer | Failure | None, changes: dict[str, Any], expected: str
) -> None:
    """An unknown administrator above all, then who asks, then failures; else all must be known."""
    polls = {AUDIT.targets()[0]: [outcome]} if outcome else {}
    site.status = replace(status(AUDIT, polls=polls, trust=TRUST), **changes)
    assert site.verdict() == expected


def test_the_first_page_tells_of_failing_targets(site: Site) -> None:
    """Account by account, the widest first: where, why, what to do; and it leads to them."""
    slow = Failure("ThrottlingException", "Rate exceeded")
    polls = {HERE: [DENIED], THERE: [DENIED], AUDIT.targets()[0]: [slow]}
    site.status = status(PAYMENTS, AUDIT, polls=polls, trust=TRUST)
    words = site.words("/")
    assert "3 of 3 targets cannot be polled" in words
    assert "payments 111122223333 in eu-west-1, us-east-1: AccessDenied Let the role's" in words
    assert words.index("payments 1") < words.index("audit 000000000042 in eu-west-1: Throttling")
    text = site.text("/")
    assert 'href="./targets?account=111122223333&amp;state=failing&amp;state=stale"' in text
    assert 'class="region" href="./targets/111122223333/us-east-1#error"' in text
    assert 'href="./targets?state=failing&amp;state=stale"' in text


def test_the_first_page_says_who_asks(site: Site) -> None:
    """Who, whom, since when, in which status, with a link to exactly these targets."""
    removed, waits = invited("Removed", inviter=STRANGER), invited(age=9 * DAY, inviter=STRANGER)
    twice = invited(inviter=STRANGER)
    site.polled(
        PAYMENTS, eu_west_1=[answered(invited(), removed)], us_east_1=[answered(waits, twice)]
    )
    site.status = named(site.status, {STRANGER: "old security"})
    assert (
        "An unknown account asks to become the Macie administrator "
        "old security 660066006600 invites 2 targets in payments, first sent 9d 0h ago "
        "Invited 1 Removed 1 Not yours: decline and delete the invitation"
    ) in site.words("/")
    (link,) = re.findall(r'href="\./(targets\?untrusted[^"]+)"', site.text("/"))
    assert link == f"targets?untrusted=true&amp;inviter={STRANGER}"
    answer = site.json(f"/api/v1/{unescape(link)}")
    assert [each["region"] for each in answer["targets"]] == ["eu-west-1", "us-east-1"]


def test_the_first_page_says_who_administers(site: Site) -> None:
    """By an invitation, or in fact; before all who ask, the widest of them first, and others."""
    asks, settled = invited(inviter="000000000002"), invited("Removed", inviter="000000000001")
    in_fact = answered(invited(), BY_1, administrator=Administrator("0" * 12, ""))
    by = answered(settled, asks, BY_1, invited("Enabled", inviter=STRANGER))
    site.polled(PAYMENTS, eu_west_1=[by], us_east_1=[in_fact])
    assert (
        "2 unknown accounts are Macie administrators "
        "000000000000 is the administrator of 1 target in payments Enabled 1 "
        "660066006600 is the administrator of 1 target in payments, first sent 1d 0h ago Enabled 1 "
        "111111111111 invites 2 targets in payments, first sent 1d 0h ago Invited 2 "
        "000000000002 invites 1 target in payments, first sent 1d 0h ago Invited 1 "
        "000000000001 has invited 1 target in payments, first sent 1d 0h ago Removed 1 "
        "Not yours: disassociate the account from it, then delete the invitation, in every region"
    ) in site.words("/")


def test_without_trust_nothing_is_said_to_be_well(site: Site) -> None:
    """The first page says who invites, and what would tell whether they may; so does a target's."""
    site.polled(PAYMENTS, trust=Trust(), eu_west_1=[answered(invited())], us_east_1=[answered()])
    assert (
        f"{UNTOLD} 999988887777 invites 1 target in payments, "
        "first sent 1d 0h ago Invited 1 Who may invite is not configured, so whether these may "
        "cannot be told. Set metrics.trusted_inviters"
    ) in site.words("/")
    assert 'href="./targets?inviter=999988887777"' in site.text("/")
    target = site.words("/targets/111122223333/eu-west-1")
    assert "Whether these accounts may invite cannot be told Set metrics.trusted_inviters" in target
    wrong = site.words("/targets?untrusted=true", 400)
    assert "untrusted = true: set metrics.trusted_inviters" in wrong


ANSWERED, OFF = answered(), Answer(enabled=False)


@pytest.mark.parametrize(
    ("here", "there", "expected"),
    [
        ([], [], "unknown"),
        ([DENIED], [DENIED], "unknown"),
        ([ANSWERED], [OFF], "0"),
        ([ANSWERED], [DENIED], "none seen nothing is known of 1 target"),
        ([answered(invited())], [], "1 the oldest sent 1d 0h ago nothing is known of 1 target"),
    ],
)
def test_what_is_unknown_is_not_taken_for_none(
    site: Site, here: list[Answer | Failure], there: list[Answer | Failure], expected: str
) -> None:
    """Neither before the first answer nor where some have failed."""
    site.polled(PAYMENTS, eu_west_1=here, us_east_1=there)
    assert f"Pending invitations {expected} Oldest data" in site.words("/")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/", 200),
        ("/targets", 200),
        ("/targets?state=none", 400),
        (f"/targets/{HERE.account_id}/{HERE.region}", 200),
        ("/targets/999999999999/eu-west-1", 404),
        ("/config", 200),
    ],
)
def test_links_lead_somewhere_under_any_path(site: Site, path: str, code: int) -> None:
    """A proxy may have put every page under a path of its own, which they need not know."""
    labelled = replace(PAYMENTS, labels={"team": "a&b"})
    site.polled(labelled, eu_west_1=[answered(invited(inviter=STRANGER))], us_east_1=[DENIED])
    for link in set(re.findall(r'(?:href|src|action)="([^"#]+)', unescape(site.text(path, code)))):
        url = urlsplit(urljoin(f"http://host/some/macie{path}", link))
        if link.startswith(HOME):
            assert (PROJECT / link.removeprefix(HOME)).is_file(), link
        else:
            assert url.path.startswith("/some/macie/"), link
            below = url.path.removeprefix("/some/macie")
            assert site.client(f"{below}?{url.query}").status == 200, link


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"healthy": False}, "Polling has stopped."),
        ({"lag": 200.0}, "Polls start 200 s late. Raise poll.concurrency"),
        ({"refused": "poll.x: <b>"}, "The last reload was refused: poll.x: <b>. The configuration"),
        (
            {"web": WebConfig(NOW - DAY, None, refusal="users: <b>")},
            "The web configuration file was refused: users: <b>. What was loaded 1d 0h ago stays",
        ),
        (
            {"inventory": Inventory((PAYMENTS,), failure=DENIED)},
            "Accounts cannot be discovered: AccessDenied. User: x is not authorized What was known",
        ),
    ],
)
def test_the_first_page_tells_what_else_is_wrong(
    site: Site, changes: dict[str, Any], expected: str
) -> None:
    """Though every target answers."""
    polls = {target: [answered()] for target in PAYMENTS.targets()}
    site.status = status(PAYMENTS, polls=polls, trust=TRUST, **changes)
    assert f"Something is wrong {expected}" in site.words("/")


def test_what_there_is_to_poll_is_unknown_until_it_is_found(site: Site) -> None:
    """Where no discovery has succeeded there are not 0 targets, and none stays polled."""
    site.status = status(inventory=Inventory(failure=DENIED))
    words = site.words("/")
    assert "Targets unknown Pending invitations unknown Oldest data none yet" in words
    assert "Last discovery none yet Shard" in words
    assert "stays polled" not in words
    words = site.words("/targets")
    assert "not known yet what there is to poll. The last discovery failed: AccessDenied" in words
    assert "State not polled yet ok not enabled failing stale Invitation" in words
    assert "0 of 0 targets" not in words
    document = site.json("/api/v1/targets?state=failing")
    assert (document["states"], document["total"], document["targets"]) == (None, None, [])


def test_what_is_wrong_is_cut_short(site: Site) -> None:
    """The first page names five accounts that fail and twenty strangers; it leads to the others."""
    accounts = [Account(f"{n:012d}", f"account {n}", regions=("a",)) for n in range(8)]
    polls: dict[Target, list[Answer | Failure]]
    polls = {account.targets()[0]: [DENIED] for account in accounts}
    # Outsiders decide how many there are.
    polls[HERE] = [answered(*(invited(inviter=f"{n:012d}") for n in range(100, 123)))]
    site.status = status(PAYMENTS, *accounts, polls=polls, trust=TRUST)
    words = site.words("/")
    assert "account 4" in words
    assert "account 5" not in words
    assert "Show the 8 targets that cannot be polled, 3 more than listed here" in words
    assert "000000000119 invites" in words
    assert "000000000120" not in words
    assert "and 3 more" in words
    assert 'href="./targets?untrusted=true"' in site.text("/")


# -- the table -------------------------------------------------------------------------------


def test_the_table(site: Site) -> None:
    """Each target with all that is asked for."""
    listed = (invited("Invited", 3 * DAY), invited("Enabled"), invited("Invited"))
    site.polled(PAYMENTS, AUDIT, eu_west_1=[answered(*listed)], us_east_1=[DENIED])
    words = site.words("/targets")
    assert "3 of 3 targets" in words
    assert "audit 000000000042 eu-west-1 not polled yet unknown - never in 1m 0s -" in words
    assert (
        "payments 111122223333 eu-west-1 ok Enabled 1 Invited 2 3d 0h ago 1m 0s ago in 1m 0s -"
    ) in words
    assert (
        "us-east-1 failing unknown - never in 1m 0s AccessDenied User: x is not authorized Let the "
        "role's trust policy name the exporter's principal (and its ExternalId, if one is set), "
        "and allow sts:AssumeRole on the role in the exporter's own policy. Request id req-1"
    ) in words
    site.status = replace(site.status, due={})
    assert "3d 0h ago 1m 0s ago under way -" in site.words("/targets")


def test_the_table_as_asked_for(site: Site) -> None:
    """Filter, order and page come from the address, and stay in the form and the links."""
    site.polled(PAYMENTS, AUDIT, eu_west_1=[answered()], us_east_1=[DENIED])
    words = site.words(
        "/targets?q=payments&state=ok&state=failing&sort=region&order=desc&per_page=1"
    )
    assert "2 of 3 targets" in words
    assert "Page 1 of 2" in words
    text = site.text("/targets?q=payments&state=ok&sort=region&order=desc")
    assert 'name="q" value="payments"' in text
    assert 'value="ok" checked' in text
    assert '<option value="region" selected>' in text
    assert 'aria-sort="descending"' in text
    assert "us-east-1</a>" not in text
    second = site.words("/targets?q=payments&per_page=1&page=2")
    assert "payments 111122223333" in second


def test_a_table_with_nothing_in_it(site: Site) -> None:
    """It says why: nothing like that, no such page, or not polled here."""
    assert "No target matches." in site.words("/targets?q=nowhere")
    assert "There is no page 9: the last is 1" in site.words("/targets?page=9")
    assert (
        "Account 123456789012 is not polled here, nor does any target that is known name it: "
        "it is not among aws.accounts, and no organization is configured "
        "Of 3 targets it is not known now who invites or administers."
    ) in site.words("/targets?q=123456789012")


def test_who_invites_is_found(site: Site) -> None:
    """The table names who is unknown, as they are to be looked for; what is asked for stays."""
    found = answered(invited(), invited(inviter=STRANGER), invited("Enabled", inviter="1" * 12))
    site.polled(PAYMENTS, AUDIT, eu_west_1=[found], us_east_1=[answered(invited())])
    site.status = named(site.status, {STRANGER: "old security"})
    for query in ("q=OLD+SECURITY", f"inviter={STRANGER}&status=invited", "untrusted=true"):
        words = site.words(f"/targets?{query}")
        assert "1 of 3 targets" in words, query
        assert (
            "Enabled 1 Invited 2 111111111111 unknown administrator old security 660066006600 "
            "unknown 1d 0h ago"
        ) in words
    text = site.text(f"/targets?inviter={STRANGER}&label=team%3Dblue&status=Odd")
    for name, value in (("inviter", STRANGER), ("label", "team=blue")):
        assert f'<input type="hidden" name="{name}" value="{value}">' in text
    assert "<option selected>Odd</option>" in text


@pytest.mark.parametrize("key", ["team", "a=b", "=", "x" * 128])
def test_every_label_of_an_account_finds_it(site: Site, key: str) -> None:
    """AWS lets a tag's key hold `=`, and key and value 128 and 256 characters; pages link to it."""
    value = "v" * 255 + "="
    site.polled(replace(PAYMENTS, labels={key: value}), AUDIT)
    (link,) = set(
        re.findall(
            r'targets(\?label=[^"]+)', site.text(f"/targets/{HERE.account_id}/{HERE.region}")
        )
    )
    assert "2 of 3 targets" in site.words(f"/targets{unescape(link)}")


def test_a_query_that_cannot_be_understood(site: Site) -> None:
    """Is 400, with every mistake and what would be right."""
    mistakes = [
        "state = bad: must be pending, ok, not_enabled, failing or stale",
        "pgae: unknown; the nearest is page",
    ]
    assert " ".join(mistakes) in site.words("/targets?state=bad&pgae=1", 400)
    assert site.json("/api/v1/targets?state=bad&pgae=1", 400) == {"errors": mistakes}


# -- a target --------------------------------------------------------------------------------


def test_a_target_that_is_denied(site: Site) -> None:
    """Why, AWS's request id, and the statements that mend it, without the secret."""
    role = Role("arn:aws:iam::111122223333:role/reader", "hush")
    site.polled(replace(PAYMENTS, role=role), eu_west_1=[answered(invited()), DENIED])
    words = site.words("/targets/111122223333/eu-west-1")
    assert "AccessDenied: this target cannot be polled User: x is not authorized" in words
    assert "AWS's request id req-1" in words
    assert "The trust policy of arn:aws:iam::111122223333:role/reader" in words
    assert '"sts:ExternalId": "EXTERNAL_ID"' in words
    assert "hush" not in words
    assert "As they were 2m 0s ago" in words


def test_the_last_polls_of_a_target(site: Site) -> None:
    """Each with its time, pages and outcome, the latest first."""
    found = Answer(enabled=True, invitations=(invited(),), pages=3)
    site.polled(PAYMENTS, eu_west_1=[DENIED, Answer(enabled=False), found])
    words = site.words("/targets/111122223333/eu-west-1")
    assert (
        "Ended Took Pages Outcome 1m 0s ago 0.25 s 3 1 invitation 2m 0s ago 0.25 s 1 Macie is not "
        "enabled 3m 0s ago 0.25 s - AccessDenied User: x is not authorized Request id req-1"
    ) in words


def test_the_invitations_of_a_target(site: Site) -> None:
    """Who is unknown comes first, then who administers, who waits, and the newest."""
    listed = (
        invited("Enabled", DAY, OURS, "i1"),
        invited("Removed", DAY, "1", ""),
        invited("Created", 3 * DAY, "2", "i3"),
        invited("Invited", 2 * DAY, "3", "i4"),
    )
    site.polled(PAYMENTS, eu_west_1=[answered(*listed)])
    words = site.words("/targets/111122223333/eu-west-1")
    assert (
        "3 invitations from unknown accounts Not yours: decline and delete the invitation, in "
        "every region, so that nobody accepts it: what to do about an unknown invitation. Yours:"
    ) in words
    assert (
        "3 unknown Invited 2d 0h ago i4 2 unknown Created 3d 0h ago i3 1 unknown Removed 1d 0h ago "
        "none 999988887777 Enabled 1d 0h ago i1"
    ) in words
    assert "Administrator" not in words
    site.polled(PAYMENTS, eu_west_1=[answered(*listed, invited("Paused", inviter="4"))])
    words = site.words("/targets/111122223333/eu-west-1")
    assert (
        "An unknown account is the Macie administrator Not yours: disassociate the account from "
        "it, then delete the invitation, in every region: what to do about an unknown administrator"
        ". Yours:"
    ) in words
    assert "4 unknown administrator Paused" in words


@pytest.mark.parametrize(
    ("polls", "expected"),
    [
        ([answered(administrator=NO_ADMINISTRATOR)], "none"),
        (
            [answered(administrator=Administrator(STRANGER, "Enabled"))],
            "660066006600 unknown administrator Enabled",
        ),
        ([answered(administrator=NO_ADMINISTRATOR), *[DENIED] * 20], None),
    ],
    ids=["none", "unknown", "stale"],
)
def test_the_administrator_of_a_target(
    site: Site, polls: list[Answer | Failure], expected: str | None
) -> None:
    """Is told where it is known now."""
    site.polled(PAYMENTS, eu_west_1=polls)
    words = site.words("/targets/111122223333/eu-west-1")
    assert (f"Administrator {expected} Oldest" if expected else "Invitations unknown") in words
    assert ("Administrator" in words) == (expected is not None)


def test_who_administers_is_not_shown_where_it_is_no_longer_asked(site: Site) -> None:
    """What the last poll still knew goes with the setting, as the metrics do, at once."""
    found = answered(administrator=Administrator(STRANGER, "Enabled"))
    site.polled(PAYMENTS, eu_west_1=[found])
    target = "/targets/111122223333/eu-west-1"
    for path in ("/", target, "/api/v1/targets"):
        assert STRANGER in site.client(path).body.decode()
    site.status = replace(site.status, settings=Settings())
    for path in ("/", target, "/api/v1/targets"):
        assert STRANGER not in site.client(path).body.decode()
    assert "0 of 2 targets" in site.words(f"/targets?inviter={STRANGER}")


def test_very_many_invitations_come_in_pages(site: Site) -> None:
    """A hundred on each."""
    listed = [invited("Removed", age=float(n), name=f"number-{n}.") for n in range(201)]
    site.polled(PAYMENTS, eu_west_1=[answered(*listed)])
    path = "/targets/111122223333/eu-west-1"
    assert "number-99." in site.words(path)
    assert "number-100." not in site.words(path)
    assert "number-200. Page 3 of 3" not in site.words(f"{path}?page=2")
    assert "number-200." in site.words(f"{path}?page=3")
    assert "There is no page 4: the last is 3" in site.words(f"{path}?page=4")
    assert "page = x: must be a whole number" in site.words(f"{path}?page=x", 400)
    assert "x: unknown; there are q, account," in site.words(f"{path}?x=x", 400)


@pytest.mark.parametrize(
    ("polls", "fact", "expected"),
    [
        ([], "unknown", "Not known: no poll has succeeded yet."),
        ([DENIED], "unknown", "Not known: no poll has succeeded yet."),
        ([OFF], "none to list", "Macie is not enabled in this account and region"),
        ([answered()], "none", "None: the account has received no invitation here"),
        (
            [answered(invited()), *[DENIED] * 20],
            "unknown",
            "Not known: the last answer is too old.",
        ),
        ([answered(), *[DENIED] * 20], "unknown", "Not known: the last answer is too old."),
        ([OFF, *[DENIED] * 20], "unknown", "Not known: the last answer is too old."),
    ],
)
def test_a_target_without_invitations_says_why(
    site: Site, polls: list[Answer | Failure], fact: str, expected: str
) -> None:
    """Unknown, none and not enabled are different things."""
    site.polled(PAYMENTS, eu_west_1=polls)
    words = site.words("/targets/111122223333/eu-west-1")
    assert f"Invitations {fact} Oldest pending" in words
    assert f"Invitations {expected}" in words


def organized(**keys: object) -> Settings:
    """Return settings with an organization."""
    return Settings.model_validate({"aws": {"organization": {"role_name": "reader", **keys}}})


NOT_LISTED = "AWS Organizations does not list it as an active account"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "it is not among aws.accounts, and no organization is configured"),
        ({"accounts": (AUDIT,)}, "the account is polled in eu-west-1 alone"),
        ({"settings": organized()}, NOT_LISTED),
        (
            {"settings": organized(include_ous=["ou-ab12-11111111"])},
            f"{NOT_LISTED} under aws.organization.include_ous",
        ),
        (
            {"settings": organized(), "inventory": Inventory()},
            "what there is to poll is not known yet Show all targets",
        ),
        (
            {"settings": organized(), "inventory": Inventory(last_success=1.0, failure=DENIED)},
            "the last discovery through AWS Organizations failed Show all targets",
        ),
        (
            {"settings": organized(exclude_accounts=[AUDIT.id])},
            "aws.organization.exclude_accounts names it",
        ),
        (
            {"settings": Settings.model_validate({"shard": {"total": 3, "index": 2}})},
            "shard 1 of 3 would poll it; this is shard 2 it is not among aws.accounts, and",
        ),
    ],
)
def test_a_target_that_is_none(site: Site, changes: dict[str, Any], expected: str) -> None:
    """It is 404, with the reason, as far as configuration and discovery tell."""
    site.status = status(*changes.pop("accounts", ()), **changes)
    words = site.words("/targets/000000000042/sa-east-1", 404)
    assert f"000000000042 in sa-east-1 is not polled here {expected}" in words
    words = site.words("/targets/1/2", 404)
    assert "1 in 2 is not polled here 1 is no account id, which has 12 digits Show" in words


def test_the_configuration(site: Site) -> None:
    """It is shown as it is handed in; a refused reload is told."""
    assert "poll: interval: 5m # <targets>: 3" in site.words("/config")
    site.status = status(refused="poll.x: <b>")
    assert "A newer configuration was refused: poll.x: <b>." in site.words("/config")


# -- what comes from outside -----------------------------------------------------------------

_MARKUP = "\"><script>alert(1)</script>'{{7*7}}"
HOSTILE = f"{_MARKUP}a\x1b[2J\x9b\x00\u202e\u2067\u200f\u2028\U000e0041z"
"""Markup, controls of terminals and of writing directions, and what looks like nothing."""
SHOWN = _MARKUP + r"a\u001b[2J\u009b\u0000\u202e\u2067\u200f\u2028\udb40\udc41z"
IN_ADDRESS = "%3Cscript%3E%1b%E2%80%AE"


def by_outsiders(site: Site, *, failing: bool) -> list[str]:
    """Show hostile texts in every place that outsiders fill; give the pages' paths."""
    account = Account("111122223333", HOSTILE, regions=("eu-west-1", "us-east-1"))
    bad = Failure("other", HOSTILE, HOSTILE)
    listed = answered(Invitation(HOSTILE, HOSTILE, HOSTILE, -1e12))
    site.polled(account, eu_west_1=[bad, listed], us_east_1=[bad] if failing else [listed])
    site.status = replace(site.status, inventory=replace(site.status.inventory, failure=bad))
    region = "/targets/111122223333"
    return ["/", "/targets", f"{region}/eu-west-1", f"{region}/us-east-1"]


def is_harmless(text: str) -> bool:
    """Return whether a page has neither markup of outsiders, nor what cannot be seen."""
    return "<script>" not in text and all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("failing", [True, False])
def test_hostile_texts_are_shown_as_what_they_are(site: Site, failing: bool) -> None:  # noqa: FBT001 -- pytest's
    """Names, inviters, ids, statuses, errors: each as text, and set apart from its neighbours."""
    for path in by_outsiders(site, failing=failing):
        text = site.text(path)
        assert is_harmless(text), path
        shown = str(escape(SHOWN))
        assert f">{shown}</bdi>" in text
        alone = re.sub(rf"<title>.*</title>|<bdi[^>]*>{re.escape(shown)}</bdi>", "", text)
        assert shown not in alone, path


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"/targets?{IN_ADDRESS}=1", 400),
        (f"/targets?state={IN_ADDRESS}", 400),
        (f"/targets/{IN_ADDRESS}/{IN_ADDRESS}", 404),
        (f"/targets?q={IN_ADDRESS}&status={IN_ADDRESS}&label=a%3D{IN_ADDRESS}", 200),
    ],
)
def test_hostile_addresses_are_shown_as_what_they_are(site: Site, path: str, code: int) -> None:
    """Wherever a page repeats what it was asked."""
    text = site.text(path, code)
    assert is_harmless(text)
    assert r"&lt;script&gt;\u001b\u202e" in text


def test_what_is_shown_can_be_looked_for(site: Site) -> None:
    """As it is, and as it is shown."""
    by_outsiders(site, failing=False)
    for query in ("a%1B[2J", "a%5Cu001b[2J"):
        assert site.json(f"/api/v1/targets?q={query}")["total"] == 2
        assert site.json(f"/api/v1/targets?q={query}x")["total"] == 0


def test_hostile_texts_in_the_api(site: Site) -> None:
    """The values are as they are; what carries them has nothing that steers whoever looks at it."""
    by_outsiders(site, failing=True)
    document = site.json("/api/v1/targets")
    mistake = f"/api/v1/targets?{IN_ADDRESS}=1"
    for path in ("/api/v1/targets", mistake):
        assert site.client(path).body.decode().isprintable()
    assert document["targets"][1]["account_name"] == HOSTILE
    assert document["targets"][1]["error"]["message"] == HOSTILE
    (error,) = site.json(mistake, 400)["errors"]
    assert error.startswith("<script>\x1b\u202e: unknown; there are q, account,")


# -- the API ---------------------------------------------------------------------------------


def test_the_api(site: Site) -> None:
    """The same as the table, as JSON; what is not known is null."""
    listed = (invited(), invited("Paused", inviter=STRANGER))
    administrator = Administrator(OURS, "Enabled")
    labelled = replace(PAYMENTS, labels={"team": "blue"})
    found = answered(*listed, administrator=administrator)
    site.polled(labelled, AUDIT, eu_west_1=[found, DENIED])
    site.status = named(site.status, {OURS: "security"})
    document = site.json("/api/v1/targets?sort=region&per_page=2")
    assert document == {
        "now": "2023-11-14T22:13:20Z",
        "states": {"pending": 2, "ok": 0, "not_enabled": 0, "failing": 1, "stale": 0},
        "total": 3,
        "page": 1,
        "pages": 2,
        "targets": [
            {
                "account_id": "000000000042",
                "account_name": "audit",
                "labels": {},
                "region": "eu-west-1",
                "state": "pending",
                "invitations": None,
                "untrusted": None,
                "inviters": None,
                "more_inviters": None,
                "oldest_pending": None,
                "last_poll": None,
                "last_poll_seconds": None,
                "last_success": None,
                "next_poll": "2023-11-14T22:14:20Z",
                "error": None,
            },
            {
                "account_id": "111122223333",
                "account_name": "payments",
                "labels": {"team": "blue"},
                "region": "eu-west-1",
                "state": "failing",
                "invitations": {"Invited": 1, "Paused": 1},
                "untrusted": 1,
                "inviters": [
                    {
                        "account_id": STRANGER,
                        "name": "",
                        "status": "Paused",
                        "invited_at": "2023-11-13T22:13:20Z",
                        "trusted": False,
                    },
                    {
                        "account_id": OURS,
                        "name": "security",
                        "status": "Invited",
                        "invited_at": "2023-11-13T22:13:20Z",
                        "trusted": True,
                    },
                ],
                "more_inviters": 0,
                "administrator": {
                    "account_id": OURS,
                    "name": "security",
                    "status": "Enabled",
                    "invited_at": None,
                    "trusted": True,
                },
                "oldest_pending": "2023-11-13T22:13:20Z",
                "last_poll": "2023-11-14T22:12:20Z",
                "last_poll_seconds": 0.25,
                "last_success": "2023-11-14T22:11:20Z",
                "next_poll": "2023-11-14T22:14:20Z",
                "error": {
                    "code": "AccessDenied",
                    "message": "User: x is not authorized",
                    "request_id": "req-1",
                    "hint": document["targets"][1]["error"]["hint"],
                },
            },
        ],
    }


def test_the_api_bounds_what_outsiders_decide(site: Site) -> None:
    """A hundred inviters of a target, who is not trusted first; without trust null is not false."""
    many = [invited("Removed", name=str(n)) for n in range(150)]
    stranger = invited("Removed", age=9 * DAY, inviter=STRANGER)
    answer = answered(*many, stranger, administrator=NO_ADMINISTRATOR)
    site.polled(PAYMENTS, eu_west_1=[answer])
    target = site.json("/api/v1/targets")["targets"][0]
    assert (len(target["inviters"]), target["more_inviters"], target["untrusted"]) == (100, 51, 1)
    assert target["inviters"][0]["account_id"] == STRANGER
    assert target["administrator"] is None
    site.polled(PAYMENTS, trust=Trust(), eu_west_1=[answer])
    target = site.json("/api/v1/targets")["targets"][0]
    assert (target["untrusted"], target["inviters"][0]["trusted"]) == (None, None)
    (error,) = site.json("/api/v1/targets?untrusted=true", 400)["errors"]
    assert error.startswith("untrusted = true: set metrics.trusted_inviters")


def test_times_out_of_all_years_are_still_times(site: Site) -> None:
    """A time zone can carry what AWS sent beyond the years that there are."""
    for at in (-62_135_650_000.0, 253_402_350_000.0):
        odd = Invitation("999988887777", "i1", "Invited", at)
        site.polled(PAYMENTS, eu_west_1=[answered(odd)])
        site.json("/api/v1/targets")
        site.text("/targets")


def test_the_schema_knows_what_the_code_knows() -> None:
    """States and parameters, which a schema by hand could forget."""
    defs = SCHEMA["$defs"]
    states = [state.value for state in TargetState]
    assert defs["target"]["properties"]["state"]["enum"] == states
    assert list(defs["page"]["properties"]["states"]["properties"]) == states
    description = SCHEMA["description"]
    assert [name for name in PARAMETERS if not re.search(rf"\b{name}\b", description)] == []
    assert f"sort ({', '.join(COLUMNS)})" in description
    assert f"at most {MOST_PER_PAGE}" in description
