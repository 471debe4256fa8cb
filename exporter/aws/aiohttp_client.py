"""aiohttp, without the system's certificate authorities.

As it is imported it loads them for requests that do not say whom they trust, which takes 3 MB and
40 ms. Each of ours says so; one that did not would be refused.
"""

import contextlib
import os
from collections.abc import Iterator

__all__ = ["aiohttp"]


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


with _without_authorities():
    import aiohttp
    import aiohttp.abc
