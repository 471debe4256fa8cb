"""STS, Organizations, Account and Macie behind one endpoint, each as a test wants it."""

import json
from dataclasses import dataclass

from tests.faults.watch import GOOD
from tests.faulty import Behaviour, FaultyServer, Peer, reply, response, send

HUB, MEMBERS = "100000000000", ("111122223333", "444455556666", "777788889999")

SESSION = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><Credentials><AccessKeyId>ASIAEXAMPLE</AccessKeyId>
<SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>
</AssumeRoleResponse>"""
IDENTITY = f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::{HUB}:user/x</Arn><UserId>x</UserId>
<Account>{HUB}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


def refusal(code: str, status: int, text: str = "no") -> bytes:
    """Write an error as STS does."""
    return response(
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{text}</Message>"
        "</Error><RequestId>r</RequestId></ErrorResponse>",
        status,
        {"Content-Type": "text/xml"},
    )


sts = reply(lambda asked: response(SESSION if b"AssumeRole" in asked.body else IDENTITY))
"""Answers AssumeRole and GetCallerIdentity."""


_ACCOUNTS = [{"Id": one, "Name": f"account {one}", "Status": "ACTIVE"} for one in (HUB, *MEMBERS)]
_ENABLED = [{"RegionName": one, "RegionOptStatus": "ENABLED"} for one in ("eu-west-1", "us-east-1")]
_ORGANIZATION = send(response(json.dumps({"Accounts": _ACCOUNTS})))
_MACIE = send(GOOD)
_REGIONS = send(response(json.dumps({"Regions": _ENABLED})))


def of_aws(server: FaultyServer) -> dict[str, str]:
    """Return the variables of an AWS."""
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "eu-west-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@dataclass
class Services:
    """Several services behind one endpoint; each can be given a fault."""

    sts: Behaviour = sts
    organizations: Behaviour = _ORGANIZATION
    macie2: Behaviour = _MACIE
    account: Behaviour = _REGIONS

    def __call__(self, peer: Peer) -> bool:
        """Answer as the service does that the request is signed for."""
        service = peer.request.headers["authorization"].split("/")[3]
        behave: Behaviour = getattr(self, service)
        return behave(peer)
