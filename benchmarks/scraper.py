"""Scrapes again and again; prints how many seconds each took, and how long the loop was held.

A process of its own, as Prometheus is: `python -m benchmarks.scraper PORT SECONDS`, with a pause of
so many seconds after each.
"""

import gzip
import sys
import time

from benchmarks.processes import SCRAPE, get, loop_lag


def main() -> None:
    """Scrape until the process is ended."""
    port, pause = sys.argv[1:]
    while True:
        answer = get(int(port), "/metrics", SCRAPE)
        sys.stdout.write(f"{answer.seconds} {loop_lag(gzip.decompress(answer.body))}\n")
        sys.stdout.flush()
        time.sleep(float(pause))


if __name__ == "__main__":
    main()
