"""Scrapes again and again, and prints how many seconds each took.

A process of its own, as Prometheus is: `python -m benchmarks.scraper PORT TIMES [SECONDS]`.
"""

import gzip
import sys
import time

from benchmarks.processes import SCRAPE, get


def main() -> None:
    """Scrape so many times, with a pause of so many seconds after each."""
    port, times, *pause = sys.argv[1:]
    for _ in range(int(times)):
        answer = get(int(port), "/metrics", SCRAPE)
        gzip.decompress(answer.body)
        sys.stdout.write(f"{answer.seconds}\n")
        sys.stdout.flush()
        time.sleep(float(pause[0]) if pause else 0.05)


if __name__ == "__main__":
    main()
