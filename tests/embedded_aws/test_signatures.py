"""The embedded AWS verifies signatures, which every test of credentials leans on."""

import botocore.session
import pytest
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import World

HUB = "111111111111"


@pytest.mark.parametrize(
    ("service", "operation", "refused"),
    [
        ("macie2", "list_invitations", "InvalidSignatureException"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
        ("organizations", "list_accounts", "InvalidSignatureException"),
        ("account", "list_regions", "InvalidSignatureException"),
    ],
)
def test_signatures_are_verified(service: str, operation: str, refused: str) -> None:
    """The hub's own is good; one by another secret is not, nor one of what was sent otherwise."""
    session = botocore.session.Session()
    with EmbeddedAws(World(HUB)) as aws:
        environment = aws.environment()

        def code(secret: str, added: str = "") -> str | None:
            client = session.create_client(
                service,
                region_name="eu-west-1",
                endpoint_url=aws.url,
                aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
                aws_secret_access_key=secret,
                config=Config(retries={"total_max_attempts": 1}, proxies={}),
            )

            def tamper(request: AWSRequest, **_: object) -> None:
                request.url = f"{request.url}{added}"

            client.meta.events.register(f"before-send.{service}", tamper)
            try:
                getattr(client, operation)()
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            finally:
                client.close()
            return None

        secret = environment["AWS_SECRET_ACCESS_KEY"]
        assert code(secret) is None
        assert code(f"{secret}x") == refused
        assert code(secret, added="?maxResults=1") == refused
