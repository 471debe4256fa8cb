"""What the ordinary AWS environment says: its region, and whether it can be used at all."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import botocore.session
from botocore.exceptions import BotoCoreError, ProfileNotFound

from exporter.model import in_other_partition


class AwsEnvironmentError(Exception):
    """The AWS environment cannot be used; the message says why."""


def region(environ: Mapping[str, str]) -> str:
    """Return the AWS environment's region, empty where it names none.

    AWS_REGION comes first, as in AWS's other SDKs; boto3 itself reads only AWS_DEFAULT_REGION and
    the profile. Raises AwsEnvironmentError, for example for a profile that does not exist, or a
    region of another partition.
    """
    try:
        # Nothing is called, so nothing is to be handled: 5 ms.
        session = botocore.session.Session(include_builtin_handlers=False)
        # The profile is read even where a variable names the region: everything else needs it too.
        session.get_scoped_config()
        configured = session.get_config_variable("region")
    except BotoCoreError as error:
        nameless = isinstance(error, ProfileNotFound) and not error.kwargs["profile"]
        message = "AWS_PROFILE (or AWS_DEFAULT_PROFILE) is empty: unset it, or name a profile"
        raise AwsEnvironmentError(message if nameless else str(error)) from error
    found = environ.get("AWS_REGION") or str(configured or "")
    if in_other_partition(found):
        message = "is not in the partition aws, the only one with Macie"
        raise AwsEnvironmentError(f"the region {found} {message}")
    return found


def secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Return users and passwords of proxies, as they are written and as they are sent."""
    for name, value in environ.items():
        written, at, _ = value.rpartition("@")
        if at and name.lower().endswith("_proxy"):
            user_and_password = unquote(written.rpartition("//")[2])
            yield user_and_password
            yield user_and_password.partition(":")[2]
            yield b64encode(user_and_password.encode()).decode()
