"""What `helm test` runs: reads the metrics once, and says what they say.

Where authentication is asked for it has none: it is to be refused.
"""
# ruff: noqa: INP001, S310, S323 -- a script, the URL is the chart's own, and it sends no secret

import os
import ssl
import sys
import urllib.error
import urllib.request

UNAUTHORIZED = 401
url = os.environ["URL"]
closed = bool(os.environ.get("AUTHENTICATION"))
try:
    # Whose certificate it is matters to who sends a secret or believes the answer: not here.
    context = ssl._create_unverified_context()  # noqa: SLF001 -- what the documentation calls it
    with urllib.request.urlopen(url, timeout=10, context=context) as answer:
        lines = answer.read().decode().splitlines()
except OSError as error:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    # Who lacks a client's certificate is not answered: the connection ends with the handshake.
    unanswered = isinstance(reason, ssl.SSLError | ConnectionResetError)
    refused = getattr(error, "code", 0) == UNAUTHORIZED or unanswered
    if closed and refused:
        sys.stdout.write(f"The exporter answers, and refuses who is unknown: {reason}\n")
        sys.exit()
    sys.exit(f"{url} does not answer: {error}; look at the pods and their log")

if closed:
    sys.exit(f"{url} lets in anybody: the web configuration file does not ask who it is")
if not any(line.startswith("macie_exporter_build_info{") for line in lines):
    sys.exit(f"{url} answers, but without the exporter's metrics: {lines[:3]}")
states = [line for line in lines if line.startswith("macie_exporter_targets{")]
sys.stdout.write("\n".join(["The exporter answers. Its targets by state:", *states, ""]))
