"""What the ordinary AWS environment says: its region, and whether it can be used at all."""

from collections.abc import Mapping

import boto3
from botocore.exceptions import BotoCoreError


class EnvironmentError(Exception):  # noqa: A001 -- only ever used qualified
    """The AWS environment cannot be used; the message says why."""


def region(environ: Mapping[str, str]) -> str:
    """Give the AWS environment's region, empty where it names none.

    AWS_REGION comes first, as in AWS's other SDKs; boto3 itself reads only AWS_DEFAULT_REGION and
    the profile. Raises EnvironmentError, for example for a profile that does not exist.
    """
    try:
        return environ.get("AWS_REGION") or boto3.Session().region_name or ""
    except BotoCoreError as error:
        raise EnvironmentError(str(error)) from error
