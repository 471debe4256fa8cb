"""Credentials: the exporter's own, and one refreshing session per account for all its regions."""

import os
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

import boto3
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError, ClientError

from exporter.aws.attempts import Call
from exporter.aws.clients import Clients
from exporter.aws.confided import Confided
from exporter.aws.failures import answered, shown
from exporter.clock import Clock
from exporter.model import Account, AwsError, Failure, Role

SESSION_SECONDS = 3600
"""The longest that AWS allows where one role assumes another."""

SESSION_NAME = "macie-invitations-exporter"

_UNUSABLE = (BotoCoreError, ClientError, OSError, ValueError, KeyError)
"""What boto3 raises where there are credentials, but none that can be had."""

_MOST_FRUITLESS = 6
_LONGEST_BACK_OFF = 4
"""The back-off on a role that cannot be assumed grows to so many times its first step."""


class Source(Protocol):
    """Where a call's credentials come from."""

    def current(self, deadline: float) -> ReadOnlyCredentials:
        """Give credentials that are valid now, obtained before the monotonic deadline.

        Raises AwsError.
        """

    def renew(self, used: ReadOnlyCredentials, region: str, *, denied: bool = False) -> bool:
        """Forget the credentials that AWS refused; tell whether asking again may give others."""

    def worked(self, region: str) -> None:
        """Note that AWS took the credentials."""


class Own:
    """The exporter's own credentials, from wherever boto3 finds them."""

    def __init__(
        self,
        clock: Clock,
        session: Callable[[], boto3.Session] = boto3.Session,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Take a factory of sessions: a new one reads files and the environment anew."""
        self._clock = clock
        self._session = session
        self._confided = Confided(environ)
        self._lock = threading.Lock()
        self._found: tuple[object, Callable[[], ReadOnlyCredentials]] | None = None
        self._renewed = float("-inf")

    def current(self, deadline: float) -> ReadOnlyCredentials:
        """Give the chain's credentials; boto3 refreshes those that expire."""
        found = self._found
        if found is None:
            with held(self._lock, self._clock, deadline):
                found = self._found = self._found or self._look()
        try:
            return found[1]()
        except _UNUSABLE as error:
            raise self._unusable(error) from error

    def renew(self, used: ReadOnlyCredentials, region: str, *, denied: bool = False) -> bool:
        """Read the chain anew, at most once a minute: a file may hold newer ones by now."""
        del used, region
        if denied:
            return False
        now = self._clock.monotonic()
        with self._lock:
            if now - self._renewed < 60:  # noqa: PLR2004 -- seconds, as said above
                return False
            self._renewed, self._found = now, None
        return True

    def worked(self, region: str) -> None:
        """Nothing is remembered of the exporter's own credentials."""

    def _look(self) -> tuple[object, Callable[[], ReadOnlyCredentials]]:
        try:
            session = self._session()
            self._confided.listen(session)
            credentials = session.get_credentials()
        except _UNUSABLE as error:
            raise self._unusable(error) from error
        if credentials is None:
            raise AwsError("CredentialsError", "boto3 found no credentials in any of its sources")
        return credentials, credentials.get_frozen_credentials

    def _unusable(self, error: Exception) -> AwsError:
        hidden = tuple(self._confided.secrets())
        if isinstance(error, ClientError):
            return answered(error.response, hidden)
        return AwsError("CredentialsError", shown(f"{type(error).__name__}: {error}", hidden))


@dataclass(frozen=True, slots=True)
class _Session:
    """An assumed role's session; times in Unix seconds."""

    credentials: ReadOnlyCredentials
    obtained: float
    refresh: float
    expires: float


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why a role could not be assumed, and the monotonic time of the next try."""

    failure: Failure
    failures: int
    retry: float


class Assumed:
    """A role's session: one caller refreshes it ahead of its end, the others use what there is."""

    def __init__(
        self,
        role: Role,
        assume: Callable[[Role, float], tuple[ReadOnlyCredentials, float]],
        *,
        clock: Clock,
        step: Callable[[], float],
        rng: random.Random,
    ) -> None:
        """Back off by `step()` seconds, doubling, where the role cannot be assumed."""
        self._role, self._assume, self._clock, self._step, self._rng = (
            role,
            assume,
            clock,
            step,
            rng,
        )
        self._lock = threading.Lock()
        self._session: _Session | None = None
        self._refusal: _Refusal | None = None
        self._fruitless: dict[str, int] = {}

    def current(self, deadline: float) -> ReadOnlyCredentials:
        """Give the session's credentials; assume the role where there is none or it ends soon."""
        now = self._clock.now()
        session = self._session
        if session and now < session.refresh:
            return session.credentials
        if session and now < session.expires:
            return self._refreshed(session, deadline)
        with held(self._lock, self._clock, deadline):
            session = self._session
            if session and self._clock.now() < session.refresh:
                return session.credentials
            return self._assumed(deadline).credentials

    def renew(self, used: ReadOnlyCredentials, region: str, *, denied: bool = False) -> bool:
        """Drop a session that AWS refused in a region, unless another caller did.

        A denial may be how AWS revoked the session, or the region's own: a session that is younger
        than a step is not suspected, and each renewal that did not help doubles the patience.
        """
        with self._lock:
            session = self._session
            if session is None or session.credentials is not used:
                return True
            fruitless = self._fruitless.get(region, 0)
            patience = self._step() * (2**fruitless - (not denied))
            if self._clock.now() - session.obtained < patience:
                return False
            self._fruitless[region] = min(fruitless + 1, _MOST_FRUITLESS)
            self._session = None
        return True

    def worked(self, region: str) -> None:
        """Note that AWS took the credentials, so that the region's next refusal is acted on."""
        if region in self._fruitless:
            self._fruitless.pop(region, None)

    def _refreshed(self, session: _Session, deadline: float) -> ReadOnlyCredentials:
        """Refresh ahead of the end, unless somebody is at it; keep the old ones if that fails."""
        if not self._lock.acquire(blocking=False):
            return session.credentials
        try:
            return self._assumed(deadline).credentials
        except AwsError:
            return session.credentials
        finally:
            self._lock.release()

    def _assumed(self, deadline: float) -> _Session:
        refusal = self._refusal
        if refusal and self._clock.monotonic() < refusal.retry:
            raise AwsError.of(refusal.failure)
        try:
            credentials, expires = self._assume(self._role, deadline)
        except AwsError as error:
            self._refusal = self._next_refusal(error, refusal)
            raise
        now = self._clock.now()
        self._refusal = None
        self._session = _Session(credentials, now, now + (expires - now) * self._share(), expires)
        return self._session

    def _share(self) -> float:
        """Give the part of a session's life after which it is refreshed: half to nine tenths.

        By a hash of the role, so that ten thousand accounts do not refresh in the same minute.
        """
        digest = blake2b(self._role.arn.encode(), digest_size=4).digest()
        return 0.5 + 0.4 * int.from_bytes(digest) / 2**32

    def _next_refusal(self, error: AwsError, previous: _Refusal | None) -> _Refusal:
        failures = previous.failures + 1 if previous else 1
        pause = self._step() * min(2 ** (failures - 1), _LONGEST_BACK_OFF)
        jittered = pause * (0.9 + 0.2 * self._rng.random())
        return _Refusal(error.failure, failures, self._clock.monotonic() + jittered)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom credentials belong to."""

    account_id: str
    arn: str


class Credentials:
    """The source of every account's credentials, one per account and role."""

    def __init__(
        self,
        clients: Clients,
        own: Own,
        *,
        clock: Clock,
        region: Callable[[], str],
        step: Callable[[], float],
        rng: random.Random,
    ) -> None:
        """Assume roles through the STS of `region()`, backing off by `step()` seconds."""
        self._clients, self.own, self._clock = clients, own, clock
        self._region, self._step, self._rng = region, step, rng
        self._assumed: dict[tuple[str, Role], Assumed] = {}

    def of(self, account: Account) -> Own | Assumed:
        """Give the account's source, the same one each time."""
        if account.role is None:
            return self.own
        key = (account.id, account.role)
        source = self._assumed.get(key)
        if source is None:
            made = Assumed(
                account.role, self._assume, clock=self._clock, step=self._step, rng=self._rng
            )
            source = self._assumed.setdefault(key, made)
        return source

    def keep(self, accounts: tuple[Account, ...]) -> None:
        """Forget the sessions of every other account."""
        kept = {(account.id, account.role) for account in accounts if account.role}
        for key in [key for key in self._assumed if key not in kept]:
            self._assumed.pop(key, None)

    def who_am_i(self, deadline: float) -> str:
        """Give the account id of the exporter's own credentials. Raises AwsError."""
        return self.identity(deadline).account_id

    def identity(self, deadline: float) -> Identity:
        """Ask STS who the exporter's own credentials belong to. Raises AwsError."""
        call = Call(self.own.current(deadline), deadline)
        response = self._clients.call("sts", self._region(), "get_caller_identity", call)
        account, arn = response.get("Account"), response.get("Arn")
        if not isinstance(account, str) or not account.isdecimal():
            raise AwsError("MalformedResponse", "GetCallerIdentity gave no account")
        return Identity(account, arn if isinstance(arn, str) else "")

    def _assume(self, role: Role, deadline: float) -> tuple[ReadOnlyCredentials, float]:
        """Call AssumeRole; give the session's credentials and its end in Unix seconds."""
        call = Call(self.own.current(deadline), deadline)
        external = {"ExternalId": role.external_id} if role.external_id else {}
        response = self._clients.call(
            "sts",
            self._region(),
            "assume_role",
            call,
            RoleArn=role.arn,
            RoleSessionName=SESSION_NAME,
            DurationSeconds=SESSION_SECONDS,
            **external,
        )
        given = response.get("Credentials") or {}
        key, secret = given.get("AccessKeyId"), given.get("SecretAccessKey")
        if not key or not secret:
            raise AwsError("MalformedResponse", "AssumeRole gave no credentials")
        end = given.get("Expiration")
        expires = end if isinstance(end, float) else self._clock.now() + SESSION_SECONDS
        return ReadOnlyCredentials(key, secret, given.get("SessionToken")), expires


class held:  # noqa: N801 -- reads as a verb phrase: `with held(lock, clock, deadline)`
    """Hold a lock that was got before the monotonic deadline; raises AwsError otherwise."""

    def __init__(self, lock: threading.Lock, clock: Clock, deadline: float) -> None:
        """Take the lock to hold."""
        self._lock, self._clock, self._deadline = lock, clock, deadline

    def __enter__(self) -> None:
        """Wait for the lock."""
        remaining = self._deadline - self._clock.monotonic()
        if not self._lock.acquire(timeout=max(remaining, 0)):
            raise AwsError("Deadline", "poll.timeout passed while another poll got credentials")

    def __exit__(self, *_: object) -> None:
        """Release the lock."""
        self._lock.release()
