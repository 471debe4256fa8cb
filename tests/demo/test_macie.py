"""The receiving side of Macie, read by botocore's own client over HTTP."""

import threading
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from exporter.demo.world import Call, Fault, Invitation, World
from exporter.model import KNOWN_STATUSES
from tests.demo.conftest import HUB, MEMBER, REGION, Assume, Clients

INVITER = "222233334444"
MOMENT = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)


def invite(world: World, *ids: str, account: str = HUB, status: str = "Invited") -> None:
    """Let `INVITER` invite an account once per id."""
    for invitation_id in ids:
        world.invite(account, REGION, Invitation(invitation_id, INVITER, status, MOMENT))


def pages(clients: Clients, **arguments: object) -> list[list[str]]:
    """Read all pages with botocore's paginator: the invitations' ids, page by page."""
    paginator = clients("macie2").get_paginator("list_invitations")
    return [
        [one["invitationId"] for one in page["invitations"]]
        for page in paginator.paginate(**arguments)
    ]


def refusal(clients: Clients, **arguments: object) -> tuple[int, str, str]:
    """Return the status, code and message that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        clients("macie2").list_invitations(**arguments)
    answer = caught.value.response
    return (
        answer["ResponseMetadata"]["HTTPStatusCode"],
        answer["Error"]["Code"],
        answer["Error"]["Message"],
    )


def test_an_invitation_comes_with_all_its_fields(clients: Clients, world: World) -> None:
    """Every field arrives as botocore's model reads it, the moment to the millisecond."""
    invite(world, "one")
    answer = clients("macie2").list_invitations()
    assert answer["invitations"] == [
        {
            "accountId": INVITER,
            "invitationId": "one",
            "relationshipStatus": "Invited",
            "invitedAt": MOMENT,
        }
    ]
    assert "nextToken" not in answer
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]


def test_a_missing_moment_is_left_out(clients: Clients, world: World) -> None:
    """An invitation without invitedAt has no such field."""
    world.invite(HUB, REGION, Invitation("one", INVITER, "Removed", None))
    assert clients("macie2").list_invitations()["invitations"] == [
        {"accountId": INVITER, "invitationId": "one", "relationshipStatus": "Removed"}
    ]


@pytest.mark.parametrize("status", KNOWN_STATUSES)
def test_every_status_passes(clients: Clients, world: World, status: str) -> None:
    """Each of AWS' statuses arrives, and set_status is seen by the next call."""
    invite(world, "one")
    world.set_status(HUB, REGION, "one", status)
    (invitation,) = clients("macie2").list_invitations()["invitations"]
    assert invitation["relationshipStatus"] == status


def test_pages_hold_25_by_default(clients: Clients, world: World) -> None:
    """Without maxResults a page has 25 invitations, and the last one has no token."""
    ids = [f"{number:02d}" for number in range(60)]
    invite(world, *ids)
    assert pages(clients) == [ids[:25], ids[25:50], ids[50:]]
    assert world.served(HUB, REGION) == 3


def test_a_full_last_page_has_no_token(clients: Clients, world: World) -> None:
    """Exactly maxResults invitations are one page."""
    invite(world, "a", "b")
    assert pages(clients, PaginationConfig={"PageSize": 2}) == [["a", "b"]]


def test_tokens_need_escaping(clients: Clients, world: World) -> None:
    """A token contains what breaks in a query string that is not escaped."""
    invite(world, "a", "b")
    token = clients("macie2").list_invitations(maxResults=1)["nextToken"]
    assert set(token) >= set('+/=&% "é#?;')


def test_pages_are_stable_while_invitations_change(clients: Clients, world: World) -> None:
    """What comes or goes between two pages neither hides nor repeats another invitation."""
    invite(world, "a", "b", "c", "d")
    client = clients("macie2")
    token = client.list_invitations(maxResults=2)["nextToken"]
    world.delete_invitation(HUB, REGION, "a")
    world.delete_invitation(HUB, REGION, "b")
    invite(world, "e")
    answer = client.list_invitations(nextToken=token)
    assert [one["invitationId"] for one in answer["invitations"]] == ["c", "d", "e"]


@pytest.mark.parametrize("token", ["", "unknown", 'é+/=&% "#?;1.00', 'é+/=&% "#?;-1.00'])
def test_an_unknown_token_is_refused(clients: Clients, token: str) -> None:
    """A token that was never given is a ValidationException."""
    assert refusal(clients, nextToken=token)[:2] == (400, "ValidationException")


def test_a_token_is_good_for_its_target_only(clients: Clients, world: World) -> None:
    """A token of one region is refused in another."""
    invite(world, "a", "b")
    token = clients("macie2").list_invitations(maxResults=1)["nextToken"]
    with pytest.raises(ClientError, match="ValidationException"):
        clients("macie2", region="us-east-1").list_invitations(nextToken=token)


@pytest.mark.parametrize("limit", [26, 1000])
def test_too_large_pages_are_refused(clients: Clients, limit: int) -> None:
    """MaxResults goes up to 25."""
    assert refusal(clients, maxResults=limit)[:2] == (400, "ValidationException")


def test_macie_is_not_enabled(clients: Clients, world: World) -> None:
    """Where Macie is off AWS answers AccessDeniedException with its own message; on again, not."""
    world.disable_macie(HUB, REGION)
    expected = (403, "AccessDeniedException", "Macie is not enabled.")
    assert refusal(clients) == expected
    world.enable_macie(HUB, REGION)
    assert clients("macie2").list_invitations()["invitations"] == []


@pytest.mark.parametrize("region", ["mars-north-1", "us-east-2"])
def test_a_region_that_is_not_enabled_knows_no_key(
    clients: Clients, world: World, region: str
) -> None:
    """A region that is disabled for the account, or unknown, does not recognise its keys."""
    world.disable_region(HUB, "us-east-2")
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        clients("macie2", region=region).list_invitations()


def test_a_removed_account_is_unknown(clients: Clients, assume: Assume, world: World) -> None:
    """The session of an account that has left the world is not recognised."""
    client = clients("macie2", assume())
    assert client.list_invitations()["invitations"] == []
    world.remove_account(MEMBER)
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        client.list_invitations()


def test_a_fault_lasts_its_number_of_calls(clients: Clients, world: World) -> None:
    """Faults are used up in order, then the target answers again."""
    world.fail(HUB, REGION, Fault(429, "ThrottlingException", "Rate exceeded", times=2))
    world.fail(HUB, "*", Fault(500, "InternalServerException", "", times=1))
    codes = [refusal(clients)[:2] for _ in range(3)]
    assert codes == [
        (429, "ThrottlingException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
    ]
    assert clients("macie2").list_invitations()["invitations"] == []
    assert world.calls() == {Call("macie2", "ListInvitations", HUB, REGION): 4}
    assert world.served(HUB, REGION) == 1


def test_a_fault_without_number_lasts_until_healed(clients: Clients, world: World) -> None:
    """`times` None means every call; the message can name the caller."""
    world.fail(HUB, REGION, Fault(403, "AccessDeniedException", "User: {caller} is not"))
    message = f"User: arn:aws:iam::{HUB}:user/macie-invitations-exporter is not"
    assert {refusal(clients) for _ in range(3)} == {(403, "AccessDeniedException", message)}
    world.heal(HUB, REGION)
    assert clients("macie2").list_invitations()["invitations"] == []


def test_a_fault_may_have_a_body_of_its_own(clients: Clients, world: World) -> None:
    """An answer that is no JSON can be given, as a broken proxy would; botocore swallows it."""
    world.fail(HUB, REGION, Fault(200, "", "", body=b"<html>"))
    assert "invitations" not in clients("macie2").list_invitations()


def test_a_fault_may_hold_the_answer(clients: Clients, world: World) -> None:
    """A held call goes on when it is released, while others are answered."""
    release = threading.Event()
    world.fail(HUB, REGION, Fault(500, "InternalServerException", "held", hold=release))
    held, other = clients("macie2"), clients("macie2", region="us-east-1")
    codes: list[str] = []

    def call() -> None:
        with pytest.raises(ClientError) as caught:
            held.list_invitations()
        codes.append(caught.value.response["Error"]["Code"])

    thread = threading.Thread(target=call)
    thread.start()
    assert other.list_invitations()["invitations"] == []
    assert codes == []
    release.set()
    thread.join()
    assert codes == ["InternalServerException"]
