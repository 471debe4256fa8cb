"""What is left of botocore's files says the same as all of them."""

from typing import Any

import botocore.session
import pytest

from exporter.aws.models import new_session


@pytest.mark.parametrize(
    ("service", "region"),
    [("organizations", "eu-west-1"), ("account", "eu-west-1"), ("sts", "aws-global")],
)
def test_services_without_regions_are_where_botocore_has_them(service: str, region: str) -> None:
    """Their own files leave it to the list of endpoints."""
    urls = set()
    for session in (botocore.session.get_session(), new_session()):
        client: Any = session.create_client(
            service, region, aws_access_key_id="-", aws_secret_access_key="-"
        )
        urls.add(client.meta.endpoint_url)
    assert len(urls) == 1
