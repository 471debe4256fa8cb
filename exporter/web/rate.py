"""How many requests are answered: a bucket of tokens, as Go's rate limiter has it."""

from collections.abc import Callable


class Bucket:
    """A token more each interval, up to as many as the burst; each request takes one."""

    def __init__(self, interval: float, burst: int, monotonic: Callable[[], float]) -> None:
        """Make it full; interval and clock in seconds."""
        self.limit = interval, burst
        self._monotonic = monotonic
        self._tokens, self._at = float(burst), monotonic()

    def take(self) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        interval, burst = self.limit
        now = self._monotonic()
        grown = self._tokens + (now - self._at) / interval
        self._tokens, self._at = min(grown, float(burst)), now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) * interval
