"""The pages over a real socket: what they say of what, and what they never do."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import unescape
from pathlib import PurePath
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from markupsafe import escape

from exporter.exposition.fleet import WebConfig
from exporter.model import Account, Administrator, Answer, Failure, Inventory, Invitation, Trust
from exporter.settings import Settings
from tests.statuses import AUDIT, DAY, NOW, PAYMENTS, answered, invited
from tests.web.site import PROJECT, STRANGER, Site

TARGET = "/targets/111122223333/eu-west-1"
DENIED = Failure("AccessDenied", "User: x is not authorized", "req-1")
ANSWERED, OFF = answered(), Answer(enabled=False)
HOME = "https://github.com/macie-invitations-exporter/macie-invitations-exporter/blob/v1.2.3/"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/", 200),
        ("/targets", 200),
        ("/targets?state=none", 400),
        (TARGET, 200),
        ("/targets/999999999999/eu-west-1", 404),
        ("/config", 200),
    ],
)
def test_links_lead_somewhere_under_any_path(site: Site, path: str, code: int) -> None:
    """A proxy may have put every page under a path of its own, which they need not know.

    Nothing is from elsewhere; files go by their hash, and may be kept for ever.
    """
    labelled = replace(PAYMENTS, labels={"team": "a&b"})
    site.polled([answered(invited(inviter=STRANGER))], [DENIED], accounts=[labelled])
    files = set()
    for link in set(re.findall(r'(?:href|src|action)="([^"#]+)', unescape(site.text(path, code)))):
        url = urlsplit(urljoin(f"http://host/some/macie{path}", link))
        if link.startswith(HOME):
            assert (PROJECT / link.removeprefix(HOME)).is_file(), link
            continue
        assert url.path.startswith("/some/macie/"), link
        answer = site.client.ok(f"{url.path.removeprefix('/some/macie')}?{url.query}")
        if "/static/" in url.path:
            files.add(PurePath(url.path).suffix)
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert files == {".css", ".js", ".svg"}


# -- the first page --------------------------------------------------------------------------


def test_the_first_page_when_all_is_well(site: Site) -> None:
    """It says so, what this is, and leads to everything."""
    site.polled([answered(invited())], [OFF])
    assert site.verdict() == "good: All is well: 2 targets answered, and no unknown account invites"
    site.says(
        "/",
        "Version 1.2.3 (abcdef012345), Python 3.13.1",
        "Targets 2 1 ok 1 not enabled Pending invitations 1 the oldest sent 1d 0h ago",
        "Oldest data 1m 0s ago payments, eu-west-1 Last discovery 0s ago 1 account",
        "Shard 0 of 1",
    )
    paths = ("metrics", "targets", "config", "api/v1/targets", "-/healthy", "-/ready")
    site.shows("/", *(f'href="./{path}"' for path in paths))


BY_1, BY_STRANGER = invited(inviter="1" * 12), invited(inviter=STRANGER)
IN_FACT = Administrator(STRANGER, "")

VERDICTS: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "bad: An unknown account is the Macie administrator": (
        {"here": [answered(BY_1, invited("Paused", inviter=STRANGER))]},
        {"here": [answered(administrator=IN_FACT)]},
    ),
    "bad: 2 unknown accounts are Macie administrators": (
        {"here": [answered(invited("Enabled", inviter="2"), administrator=IN_FACT)]},
    ),
    "bad: An unknown account asks to become the Macie administrator": (
        {"here": [answered(BY_1)]},
        {"here": [answered(BY_1)], "healthy": False},
    ),
    "bad: 2 unknown accounts ask to become the Macie administrator": (
        {"here": [answered(BY_1, BY_STRANGER)]},
    ),
    "warn: Unknown accounts have sent invitations": (
        {"here": [answered(invited("Removed", inviter=STRANGER))]},
    ),
    # A status that AWS adds may mean anything.
    "bad: Unknown accounts have sent invitations": (
        {"here": [answered(invited("Novel", inviter=STRANGER))]},
    ),
    "bad: 1 of 1 target cannot be polled": (
        {"here": [DENIED]},
        {"here": [DENIED], "trust": Trust()},
    ),
    "busy: Looking for what there is to poll": ({"inventory": Inventory()},),
    "busy: There is nothing to poll": ({"accounts": ()},),
    "busy: The first round is under way: 0 of 1 target polled": ({},),
    "warn: Whether unknown accounts invite cannot be told": (
        {"here": [answered(invited())], "trust": Trust()},
        {"here": [ANSWERED], "trust": Trust()},
        {"here": [answered(BY_1)], "trust": Trust(configured=True, complete=False)},
    ),
    "good: All is well: 1 target of this shard answered, and no unknown account invites": (
        {"here": [ANSWERED], "settings": Settings.model_validate({"shard": {"total": 2}})},
    ),
}
"""From the worst on: an unknown administrator, who asks, what fails; else all must be known."""


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict(site: Site, verdict: str) -> None:
    """What is worst comes first, and all is well only where nothing could hide that it is not."""
    for known in VERDICTS[verdict]:
        site.polled(**{"accounts": [replace(PAYMENTS, regions=("eu-west-1",))], **known})
        assert site.verdict() == verdict


def test_the_first_page_tells_of_failing_targets(site: Site) -> None:
    """Account by account, the widest first: where, why, what to do; and it leads to them."""
    others = {AUDIT.targets()[0]: [Failure("ThrottlingException", "")]}
    site.polled([DENIED], [DENIED], others, accounts=(PAYMENTS, AUDIT))
    first = "payments 111122223333 in eu-west-1, us-east-1: AccessDenied Let the role's"
    site.says("/", "3 of 3 targets cannot be polled")
    words = site.words("/")
    assert words.index(first) < words.index("audit 000000000042 in eu-west-1: Throttling")
    site.shows(
        "/",
        'href="./targets?account=111122223333&amp;state=failing&amp;state=stale"',
        'class="region" href="./targets/111122223333/us-east-1#error"',
        'href="./targets?state=failing&amp;state=stale"',
    )


def test_the_first_page_says_who_is_unknown(site: Site) -> None:
    """Who administers, by an invitation or in fact; then who asks, the widest first; then others.

    Whom, since when, in which status, with a link to exactly these targets.
    """
    asks, settled = invited(inviter="000000000002"), invited("Removed", inviter="000000000001")
    in_fact = answered(invited(), BY_STRANGER, administrator=Administrator("0" * 12, ""))
    old = invited(age=9 * DAY, inviter=STRANGER), invited("Removed", inviter=STRANGER)
    by = answered(settled, asks, *old, invited("Enabled", inviter="1" * 12))
    names = {STRANGER: "old security"}
    site.polled([by], [in_fact], accounts=(PAYMENTS, AUDIT), names=names)
    site.says(
        "/",
        "2 unknown accounts are Macie administrators "
        "000000000000 is the administrator of 1 target in payments Enabled 1 "
        "111111111111 is the administrator of 1 target in payments, first sent 1d 0h ago Enabled 1 "
        "old security 660066006600 invites 2 targets in payments, first sent 9d 0h ago "
        "Invited 2 Removed 1 "
        "000000000002 invites 1 target in payments, first sent 1d 0h ago Invited 1 "
        "000000000001 has invited 1 target in payments, first sent 1d 0h ago Removed 1 "
        "Not yours: disassociate the account from it, then delete the invitation, in every region",
    )
    link = f"?untrusted=true&inviter={STRANGER}"
    site.shows("/", f'href="./targets{escape(link)}"')
    site.says(f"/targets{link}", "2 of 3 targets of inviter old security")
    site.shows(f"/targets{link}", 'name="untrusted" value="true" checked')


def test_without_trust_nothing_is_said_to_be_well(site: Site) -> None:
    """The first page says who invites, and what would tell whether they may; so does a target's."""
    site.polled([answered(invited())], [ANSWERED], trust=Trust())
    site.says(
        "/",
        "Whether unknown accounts invite cannot be told 999988887777 invites 1 target in payments, "
        "first sent 1d 0h ago Invited 1 Who may invite is not configured, so whether these may "
        "cannot be told. Set metrics.trusted_inviters",
    )
    site.shows("/", 'href="./targets?inviter=999988887777"')
    site.says(
        TARGET, "Whether these accounts may invite cannot be told Set metrics.trusted_inviters"
    )
    wrong = "untrusted = true: set metrics.trusted_inviters"
    site.says("/targets?untrusted=true", wrong, code=400)
    assert wrong in site.json("?untrusted=true", 400)["errors"][0]


def test_what_there_is_to_poll_is_unknown_until_it_is_found(site: Site) -> None:
    """Where no discovery has succeeded there are not 0 targets, and none stays polled."""
    site.polled(accounts=(), inventory=Inventory(failure=DENIED))
    unknown = "Targets unknown Pending invitations unknown Oldest data none yet"
    site.says("/", unknown, "Last discovery none yet Shard")
    assert "stays polled" not in site.words("/")
    site.says(
        "/targets",
        "not known yet what there is to poll. The last discovery failed: AccessDenied",
        "State not polled yet ok not enabled failing stale Invitation",
    )
    assert "0 of 0 targets" not in site.words("/targets")
    document = site.json("?state=failing")
    assert (document["states"], document["total"], document["targets"]) == (None, None, [])


def test_what_is_wrong_is_cut_short(site: Site) -> None:
    """The first page names five accounts that fail and twenty strangers; it leads to the others."""
    accounts = [Account(f"{n:012d}", f"account {n}", regions=("a",)) for n in range(8)]
    others = {account.targets()[0]: [DENIED] for account in accounts}
    # Outsiders decide how many there are.
    strangers = answered(*(invited(inviter=f"{n:012d}") for n in range(100, 123)))
    site.polled([strangers], others=others, accounts=(PAYMENTS, *accounts))
    show = "Show the 8 targets that cannot be polled, 3 more than listed here"
    decline = "Not yours: decline and delete the invitation"
    site.says("/", "account 4", show, "000000000119 invites", "and 3 more", decline)
    site.shows("/", 'href="./targets?untrusted=true"')
    words = site.words("/")
    assert not [each for each in ("account 5", "000000000120") if each in words]


def test_the_first_page_tells_what_else_is_wrong(site: Site) -> None:
    """Though every target answers; what is configured is shown as it is handed in."""
    undiscovered = Inventory((PAYMENTS,), failure=DENIED)
    for known, said in (
        ({"healthy": False}, "Polling has stopped."),
        ({"lag": 200.0}, "Polls start 200 s late. Raise poll.concurrency"),
        ({"refused": "poll.x: <b>"}, "The last reload was refused: poll.x: <b>. The configuration"),
        (
            {"web": WebConfig(NOW - DAY, None, refusal="users: <b>")},
            "The web configuration file was refused: users: <b>. What was loaded 1d 0h ago stays",
        ),
        (
            {"inventory": undiscovered},
            "Accounts cannot be discovered: AccessDenied. User: x is not authorized What was known",
        ),
    ):
        site.polled([ANSWERED], [ANSWERED], **known)
        site.says("/", f"Something is wrong {said}")
    site.polled(refused="poll.x: <b>")
    refused = "A newer configuration was refused: poll.x: <b>."
    site.says("/config", "poll: interval: 5m # <targets>: 3", refused)


def test_what_is_unknown_is_not_taken_for_none(site: Site) -> None:
    """Neither before the first answer nor where some have failed."""
    for here, there, said in (
        ([], [], "unknown"),
        ([DENIED], [DENIED], "unknown"),
        ([ANSWERED], [OFF], "0"),
        ([ANSWERED], [DENIED], "none seen nothing is known of 1 target"),
        ([answered(invited())], [], "1 the oldest sent 1d 0h ago nothing is known of 1 target"),
    ):
        site.polled(here, there)
        site.says("/", f"Pending invitations {said} Oldest data")


# -- what comes from outside -----------------------------------------------------------------

_MARKUP = "\"><script>alert(1)</script>'{{7*7}}"
HOSTILE = f"{_MARKUP}a\x1b[2J\x9b\x00\u202e\u2067\u200f\u2028\U000e0041z"
"""Markup, controls of terminals and of writing directions, and what looks like nothing."""
SHOWN = _MARKUP + r"a\u001b[2J\u009b\u0000\u202e\u2067\u200f\u2028\udb40\udc41z"
IN_ADDRESS = "%3Cscript%3E%1b%E2%80%AE"


def by_outsiders(site: Site, *, failing: bool) -> None:
    """Show hostile texts in every place that outsiders fill."""
    account = replace(PAYMENTS, name=HOSTILE)
    bad = Failure("other", HOSTILE, HOSTILE)
    # A time zone can carry what AWS sent beyond the years that there are.
    times = (-62_135_650_000.0, 253_402_350_000.0, -1e12)
    listed = answered(*(Invitation(HOSTILE, HOSTILE, HOSTILE, at) for at in times))
    inventory = Inventory((account,), {account.id: HOSTILE}, last_success=1.0, failure=bad)
    there = [bad] if failing else [listed]
    site.polled([bad, listed], there, accounts=[account], inventory=inventory)


def is_harmless(text: str) -> bool:
    """Return whether a page has neither markup of outsiders, nor what cannot be seen."""
    return "<script>" not in text and all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("path", ["/", "/targets", TARGET, TARGET.replace("eu-west", "us-east")])
def test_hostile_texts_are_shown_as_what_they_are(site: Site, path: str) -> None:
    """Names, inviters, ids, statuses, errors: each as text, and set apart from its neighbours."""
    for failing in (True, False):
        by_outsiders(site, failing=failing)
        text, shown = site.text(path), str(escape(SHOWN))
        assert is_harmless(text)
        assert f">{shown}</bdi>" in text
        alone = re.sub(rf"<title>.*</title>|<bdi[^>]*>{re.escape(shown)}</bdi>", "", text)
        assert shown not in alone


def test_hostile_addresses_are_shown_as_what_they_are(site: Site) -> None:
    """Wherever a page repeats what it was asked."""
    for path, code in (
        (f"/targets?{IN_ADDRESS}=1", 400),
        (f"/targets?state={IN_ADDRESS}", 400),
        (f"/targets/{IN_ADDRESS}/{IN_ADDRESS}", 404),
        (f"/targets?q={IN_ADDRESS}&status={IN_ADDRESS}&label=a%3D{IN_ADDRESS}", 200),
    ):
        text = site.text(path, code)
        assert is_harmless(text), path
        assert r"&lt;script&gt;\u001b\u202e" in text


def test_hostile_texts_in_the_api(site: Site) -> None:
    """The values are as they are; what carries them has nothing that steers whoever looks at it.

    What is shown can be looked for, as it is and as it is shown.
    """
    by_outsiders(site, failing=True)
    mistake = f"?{IN_ADDRESS}=1"
    for query in ("", mistake):
        assert site.client(f"/api/v1/targets{query}").body.decode().isprintable()
    document = site.json()
    assert document["targets"][1]["account_name"] == HOSTILE
    assert document["targets"][1]["error"]["message"] == HOSTILE
    (error,) = site.json(mistake, 400)["errors"]
    assert error.startswith("<script>\x1b\u202e: unknown; there are q, account,")
    for query in ("?q=a%1B[2J", "?q=a%5Cu001b[2J"):
        assert site.json(query)["total"] == 2
        assert site.json(f"{query}x")["total"] == 0
