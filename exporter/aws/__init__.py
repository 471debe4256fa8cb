"""All that is known of AWS's API: credentials, one call for every service, answers and errors.

The only package that may import boto3, botocore and aiohttp; of ours it uses the settings' values,
the model and what stands below them.
"""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def _without_authorities() -> Iterator[None]:
    """Have OpenSSL take an empty file for the system's."""
    kept = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = os.devnull
    try:
        yield
    finally:
        del os.environ["SSL_CERT_FILE"]
        if kept is not None:
            os.environ["SSL_CERT_FILE"] = kept


# As it is imported it loads them, for requests that say nothing of whom they trust: 3 MB and 40 ms.
# Here each says so (`transport`); one that did not would be refused.
with _without_authorities():
    import aiohttp  # noqa: F401
