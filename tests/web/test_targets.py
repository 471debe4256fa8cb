"""The table of targets, the page of one, and the same as JSON, over a real socket."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import unescape
from typing import Any

import pytest

from exporter.model import (
    NO_ADMINISTRATOR,
    Administrator,
    Answer,
    Failure,
    Inventory,
    Role,
    Trust,
)
from exporter.settings import Settings
from exporter.state import TargetState
from exporter.web.query import COLUMNS, MOST_PER_PAGE, PARAMETERS
from tests.statuses import AUDIT, DAY, PAYMENTS, answered, invited
from tests.web.site import OURS, SCHEMA, STRANGER, Outcomes, Site

PATH = "/targets/111122223333/eu-west-1"
BOTH = PAYMENTS, AUDIT
DENIED = Failure("AccessDenied", "User: x is not authorized", "req-1")
BY_1 = invited("Enabled", inviter="1" * 12)
STALE: Outcomes = [DENIED] * 20
SLOW = Failure("ThrottlingException", "Rate exceeded")
OFF = Answer(enabled=False)

# -- the table -------------------------------------------------------------------------------


def test_the_table(site: Site) -> None:
    """Each target with all that is asked for; who is unknown by name."""
    site.polled(
        [answered(invited(age=3 * DAY), invited(inviter=STRANGER), BY_1)],
        [DENIED],
        accounts=BOTH,
        names={STRANGER: "old security"},
    )
    found = (
        "payments 111122223333 eu-west-1 ok Enabled 1 Invited 2 111111111111 unknown administrator "
        "old security 660066006600 unknown 3d 0h ago 1m 0s ago in 1m 0s -"
    )
    site.says(
        "/targets",
        "3 of 3 targets",
        "audit 000000000042 eu-west-1 not polled yet unknown - never in 1m 0s -",
        found,
        "us-east-1 failing unknown - never in 1m 0s AccessDenied User: x is not authorized Let the "
        "role's trust policy name the exporter's principal (and its ExternalId, if one is set), "
        "and allow sts:AssumeRole on the role in the exporter's own policy. Request id req-1",
    )
    for query in ("q=OLD+SECURITY", f"inviter={STRANGER}&status=invited", "untrusted=true"):
        site.says(f"/targets?{query}", "1 of 3 targets", found)
    site.status = replace(site.status, due={})
    site.says("/targets", "3d 0h ago 1m 0s ago under way -")


def test_the_table_as_asked_for(site: Site) -> None:
    """Filter, order and page come from the address, and stay in the form and the links."""
    site.polled([answered()], [DENIED], accounts=BOTH)
    asked = "/targets?q=payments&state=ok&state=failing&sort=region&order=desc&per_page=1"
    site.says(asked, "2 of 3 targets", "Page 1 of 2")
    site.shows(
        f"{asked}&inviter={STRANGER}&label=team%3Dblue&status=Odd",
        f'<input type="hidden" name="inviter" value="{STRANGER}">',
        '<input type="hidden" name="label" value="team=blue">',
        '<input type="hidden" name="per_page" value="1">',
        'name="q" value="payments"',
        'value="ok" checked',
        '<option value="region" selected>',
        '<option value="desc" selected>',
        "<option selected>Odd</option>",
    )


def test_a_table_with_nothing_in_it(site: Site) -> None:
    """It says why: nothing like that, no such page, or not polled here."""
    site.polled(accounts=BOTH)
    site.says("/targets?q=nowhere", "No target matches.")
    site.says("/targets?page=9", "There is no page 9: the last is 1")
    site.says(
        "/targets?q=123456789012",
        "Account 123456789012 is not polled here, nor does any target that is known name it: "
        "it is not among aws.accounts, and no organization is configured "
        "Of 3 targets it is not known now who invites or administers.",
    )


def test_every_label_of_an_account_finds_it(site: Site) -> None:
    """AWS lets a tag's key hold `=`, and key and value 128 and 256 characters; pages link to it."""
    for key in ("team", "a=b", "=", "x" * 128):
        site.polled(accounts=(replace(PAYMENTS, labels={key: "v" * 255 + "="}), AUDIT))
        (link,) = set(re.findall(r'targets(\?label=[^"]+)', site.text(PATH)))
        site.says(f"/targets{unescape(link)}", "2 of 3 targets")


# -- a target --------------------------------------------------------------------------------


def test_a_target_that_is_denied(site: Site) -> None:
    """Why, AWS's request id, the statements that mend it, without the secret, and the last polls.

    Each with its time, pages and outcome, the latest first.
    """
    found = Answer(enabled=True, invitations=(invited(),), pages=3)
    role = Role("arn:aws:iam::111122223333:role/reader", "hush")
    site.polled([SLOW, OFF, found, DENIED], accounts=[replace(PAYMENTS, role=role)])
    site.says(
        PATH,
        "AccessDenied: this target cannot be polled User: x is not authorized",
        "AWS's request id req-1",
        "The trust policy of arn:aws:iam::111122223333:role/reader",
        '"sts:ExternalId": "EXTERNAL_ID"',
        "As they were 2m 0s ago",
        "Ended Took Pages Outcome 1m 0s ago 0.25 s - AccessDenied User: x is not authorized "
        "Request id req-1 2m 0s ago 0.25 s 3 1 invitation 3m 0s ago 0.25 s 1 Macie is not enabled "
        "4m 0s ago 0.25 s - ThrottlingException Rate exceeded Documentation",
    )
    assert "hush" not in site.text(PATH)


def test_the_invitations_of_a_target(site: Site) -> None:
    """Who is unknown comes first, then who administers, who waits, and the newest."""
    listed = (
        invited("Enabled", DAY, OURS, "i1"),
        invited("Removed", DAY, "1", ""),
        invited("Created", 3 * DAY, "2", "i3"),
        invited("Invited", 2 * DAY, "3", "i4"),
    )
    site.polled([answered(*listed)])
    site.says(
        PATH,
        "3 invitations from unknown accounts Not yours: decline and delete the invitation, in "
        "every region, so that nobody accepts it: what to do about an unknown invitation. Yours:",
        "3 unknown Invited 2d 0h ago i4 2 unknown Created 3d 0h ago i3 1 unknown Removed 1d 0h ago "
        "none 999988887777 Enabled 1d 0h ago i1",
    )
    site.polled([answered(*listed, invited("Paused", inviter="4"))])
    site.says(
        PATH,
        "An unknown account is the Macie administrator Not yours: disassociate the account from "
        "it, then delete the invitation, in every region: what to do about an unknown administrator"
        ". Yours:",
        "4 unknown administrator Paused",
    )


def test_the_administrator_of_a_target(site: Site) -> None:
    """Is told where it is known now; no longer where it is not asked any more.

    What the last poll still knew goes with the setting, as the metrics do, at once.
    """
    none, found = (
        answered(administrator=each)
        for each in (NO_ADMINISTRATOR, Administrator(STRANGER, "Enabled"))
    )
    for outcomes, said in (
        ([none], "Administrator none Oldest"),
        ([found], "Administrator 660066006600 unknown administrator Enabled Oldest"),
    ):
        site.polled(outcomes)
        site.says(PATH, said)
    for here in ([answered()], [none, *STALE]):
        site.polled(here)
        assert "Administrator" not in site.words(PATH)
    site.polled([found])
    paths = "/", PATH, "/api/v1/targets"
    assert all(STRANGER in site.client(path).body.decode() for path in paths)
    site.polled([found], settings=Settings())
    assert not any(STRANGER in site.client(path).body.decode() for path in paths)
    site.says(f"/targets?inviter={STRANGER}", "0 of 2 targets")


def test_very_many_invitations_come_in_pages(site: Site) -> None:
    """A hundred on each; what is asked of them is read as of the table."""
    listed = [invited("Removed", age=float(n), name=f"number-{n}.") for n in range(201)]
    site.polled([answered(*listed)])
    site.says(PATH, "number-99.")
    assert "number-100." not in site.words(PATH)
    site.says(f"{PATH}?page=3", "number-200.")
    site.says(f"{PATH}?page=4", "There is no page 4: the last is 3")
    site.says(f"{PATH}?page=x", "page = x: must be a whole number", code=400)


NEVER, TOO_OLD = "Not known: no poll has succeeded yet.", "Not known: the last answer is too old."
WHY_NONE: Sequence[tuple[Outcomes, str, str]] = (
    ([], "unknown", NEVER),
    ([DENIED], "unknown", NEVER),
    ([OFF], "none to list", "Macie is not enabled in this account and region"),
    ([answered()], "none", "None: the account has received no invitation here"),
    ([answered(invited()), *STALE], "unknown", TOO_OLD),
    ([answered(), *STALE], "unknown", TOO_OLD),
    ([OFF, *STALE], "unknown", TOO_OLD),
)


def test_a_target_without_invitations_says_why(site: Site) -> None:
    """Unknown, none and not enabled are different things."""
    for here, fact, said in WHY_NONE:
        site.polled(here)
        site.says(PATH, f"Invitations {fact} Oldest pending", f"Invitations {said}")


def organized(**keys: object) -> Settings:
    """Return settings with an organization."""
    return Settings.model_validate({"aws": {"organization": {"role_name": "reader", **keys}}})


NOT_LISTED = "AWS Organizations does not list it as an active account"
NO_ACCOUNT = "it is not among aws.accounts, and no organization is configured"
LISTED = {"settings": organized()}
OU = organized(include_ous=["ou-ab12-11111111"])
EXCLUDED = organized(exclude_accounts=[AUDIT.id])
REFUSED = Inventory(last_success=1.0, failure=DENIED)
OTHER_SHARD = Settings.model_validate({"shard": {"total": 3, "index": 2}})

NOT_POLLED: Mapping[str, Mapping[str, Any]] = {
    NO_ACCOUNT: {},
    "the account is polled in eu-west-1 alone": {"accounts": [AUDIT]},
    f"{NOT_LISTED} Show": LISTED,
    f"{NOT_LISTED} under aws.organization.include_ous": {"settings": OU},
    "what there is to poll is not known yet Show": LISTED | {"inventory": Inventory()},
    "the last discovery through AWS Organizations failed Show": LISTED | {"inventory": REFUSED},
    "aws.organization.exclude_accounts names it": {"settings": EXCLUDED},
    f"shard 1 of 3 would poll it; this is shard 2 {NO_ACCOUNT}": {"settings": OTHER_SHARD},
}


@pytest.mark.parametrize("reason", NOT_POLLED)
def test_a_target_that_is_none(site: Site, reason: str) -> None:
    """It is 404, with the reason, as far as configuration and discovery tell."""
    site.polled(**{"accounts": (), **NOT_POLLED[reason]})
    absent = f"000000000042 in sa-east-1 is not polled here {reason}"
    site.says("/targets/000000000042/sa-east-1", absent, code=404)
    absent = "1 in 2 is not polled here 1 is no account id, which has 12 digits Show"
    site.says("/targets/1/2", absent, code=404)


# -- the API ---------------------------------------------------------------------------------


def test_the_api(site: Site) -> None:
    """The same as the table, as JSON; what is not known is null."""
    listed = (invited(), invited("Paused", inviter=STRANGER))
    administrator = Administrator(OURS, "Enabled")
    labelled = replace(PAYMENTS, labels={"team": "blue"})
    found = answered(*listed, administrator=administrator)
    site.polled([found, DENIED], accounts=(labelled, AUDIT), names={OURS: "security"})
    document = site.json("?sort=region&per_page=2")
    hint = document["targets"][1]["error"].pop("hint")
    assert hint.startswith("let the role's trust policy name")
    assert document == json.loads(DOCUMENT)


DOCUMENT = """
{
  "now": "2023-11-14T22:13:20Z",
  "states": {"pending": 2, "ok": 0, "not_enabled": 0, "failing": 1, "stale": 0},
  "total": 3, "page": 1, "pages": 2,
  "targets": [
    {
      "account_id": "000000000042", "account_name": "audit", "labels": {}, "region": "eu-west-1",
      "state": "pending", "invitations": null, "untrusted": null,
      "inviters": null, "more_inviters": null, "oldest_pending": null,
      "last_poll": null, "last_poll_seconds": null, "last_success": null,
      "next_poll": "2023-11-14T22:14:20Z", "error": null
    },
    {
      "account_id": "111122223333", "account_name": "payments", "labels": {"team": "blue"},
      "region": "eu-west-1",
      "state": "failing", "invitations": {"Invited": 1, "Paused": 1}, "untrusted": 1,
      "inviters": [
        {"account_id": "660066006600", "name": "", "status": "Paused",
         "invited_at": "2023-11-13T22:13:20Z", "trusted": false},
        {"account_id": "999988887777", "name": "security", "status": "Invited",
         "invited_at": "2023-11-13T22:13:20Z", "trusted": true}
      ],
      "more_inviters": 0,
      "administrator": {"account_id": "999988887777", "name": "security", "status": "Enabled",
                        "invited_at": null, "trusted": true},
      "oldest_pending": "2023-11-13T22:13:20Z",
      "last_poll": "2023-11-14T22:12:20Z", "last_poll_seconds": 0.25,
      "last_success": "2023-11-14T22:11:20Z", "next_poll": "2023-11-14T22:14:20Z",
      "error": {"code": "AccessDenied", "message": "User: x is not authorized",
                "request_id": "req-1"}
    }
  ]
}
"""


def test_the_api_bounds_what_outsiders_decide(site: Site) -> None:
    """A hundred inviters of a target, who is not trusted first; without trust null is not false."""
    many = [invited("Removed", name=str(n)) for n in range(150)]
    stranger = invited("Removed", age=9 * DAY, inviter=STRANGER)
    answer = answered(*many, stranger, administrator=NO_ADMINISTRATOR)
    site.polled([answer])
    target = site.json()["targets"][0]
    assert (len(target["inviters"]), target["more_inviters"], target["untrusted"]) == (100, 51, 1)
    assert target["inviters"][0]["account_id"] == STRANGER
    assert target["administrator"] is None
    site.polled([answer], trust=Trust())
    target = site.json()["targets"][0]
    assert (target["untrusted"], target["inviters"][0]["trusted"]) == (None, None)


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
