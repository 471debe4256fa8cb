"""What `helm test` runs: reads the metrics once, and says what they say."""
# ruff: noqa: INP001, S310 -- a script, and the URL is the chart's own

import os
import sys
import urllib.request

url = os.environ["URL"]
try:
    with urllib.request.urlopen(url, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
except OSError as error:
    sys.exit(f"{url} does not answer: {error}; look at the pods and their log")

if not any(line.startswith("macie_exporter_build_info{") for line in lines):
    sys.exit(f"{url} answers, but without the exporter's metrics: {lines[:3]}")
states = [line for line in lines if line.startswith("macie_exporter_targets{")]
sys.stdout.write("\n".join(["The exporter answers. Its targets by state:", *states, ""]))
