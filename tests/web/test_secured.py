"""What the web file asks of clients, over real sockets: TLS, passwords, headers, rate limit."""

import asyncio
import contextlib
import http.client
import select
import socket
import ssl
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address

import pytest
from cryptography import x509

from exporter.web.passwords import CrowdedError, Turns
from exporter.web.watcher import Bucket
from tests.loops import in_a_loop
from tests.processes import until
from tests.web.conftest import Connect, Secure
from tests.web.pki import DAY, Authority, Pair
from tests.web.secured import Secured, basic, hashed, trusting

TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"
CLIENTS = TLS + ", client_ca_file: ca.pem, client_auth_type: "
pytestmark = pytest.mark.usefixtures("pair")
REFUSED_HANDSHAKE = (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)


AES_256, AES_128 = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"
SUITE = ", max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]"


def test_versions_and_suites(secure: Secure, authority: Authority) -> None:
    """Those that the file allows are spoken, no others; suites go by Go's names."""
    for keys, least, most, suites, spoken in (
        ("", "TLSv1_2", "TLSv1_3", "DEFAULT", "TLSv1.3"),
        ("", "TLSv1_2", "TLSv1_2", "DEFAULT", "TLSv1.2"),
        (", max_version: TLS12", "TLSv1_2", "TLSv1_3", "DEFAULT", "TLSv1.2"),
        (", max_version: TLS12", "TLSv1_3", "TLSv1_3", "DEFAULT", ""),
        (", min_version: TLS13", "TLSv1_2", "TLSv1_2", "DEFAULT", ""),
        (SUITE, "TLSv1_2", "TLSv1_3", "DEFAULT", AES_256),
        (SUITE, "TLSv1_2", "TLSv1_3", AES_128, ""),
    ):
        context = trusting(authority)
        context.minimum_version = ssl.TLSVersion[least]
        context.maximum_version = ssl.TLSVersion[most]
        context.set_ciphers(suites)
        secured = secure(TLS + keys + "}")
        refusal = contextlib.nullcontext() if spoken else pytest.raises(ssl.SSLError)
        with (
            socket.create_connection(("127.0.0.1", secured.port), timeout=10) as bare,
            refusal,
            context.wrap_socket(bare, server_hostname="localhost") as wrapped,
        ):
            assert spoken in {wrapped.version(), *(wrapped.cipher() or ())}


def test_client_certificates(secure: Secure, authority: Authority) -> None:
    """Who comes in: without one, with one of the authority's, another's, or an expired one."""
    clients = {
        "none": None,
        "ours": authority.sign(),
        "another's": Authority().sign(),
        "expired": authority.sign(until=datetime.now(UTC) - DAY / 2),
    }
    for keys, admitted in (
        (TLS, {*clients}),
        (CLIENTS + "VerifyClientCertIfGiven", {"none", "ours"}),
        (CLIENTS + "RequireAndVerifyClientCert", {"ours"}),
    ):
        secured = secure(keys + "}")
        who = {name for name, client in clients.items() if comes_in(secured, authority, client)}
        assert who == admitted, keys


def comes_in(secured: Secured, authority: Authority, client: Pair | None) -> bool:
    """Return whether a client is answered, rather than refused in the handshake."""
    try:
        return secured.get_tls(trusting(authority, client)).status == 200
    except REFUSED_HANDSHAKE:
        return False


NAMES = (
    (x509.DNSName("prometheus.example"), True),
    (x509.DNSName("prometheus.example.org"), False),
    (x509.IPAddress(ip_address("10.0.0.1")), True),
    (x509.IPAddress(ip_address("2001:db8::1")), True),
    (x509.IPAddress(ip_address("2001:db8::2")), False),
    (x509.RFC822Name("ops@example.org"), True),
    (x509.UniformResourceIdentifier("spiffe://example/prometheus"), True),
    (x509.UniformResourceIdentifier("spiffe://example/other"), False),
    # A name of one kind is none of another, however it is written.
    (x509.UniformResourceIdentifier("prometheus.example"), False),
    (x509.RFC822Name("prometheus.example"), False),
    (x509.UniformResourceIdentifier("ops@example.org"), False),
    (x509.DNSName("ops@example.org"), False),
    (x509.UniformResourceIdentifier("10.0.0.1"), False),
    (x509.DNSName("10.0.0.1"), False),
    (x509.DNSName("2001:db8::1"), False),
    (x509.DNSName("spiffe://example/prometheus"), False),
    (x509.RFC822Name("spiffe://example/prometheus"), False),
)
"""Of certificates, and whether who has one comes in."""


def test_allowed_names(secure: Secure, authority: Authority) -> None:
    """Of certificates that are good, those with one of the names alone; the others are counted."""
    secured = secure(
        CLIENTS + "RequireAndVerifyClientCert, client_allowed_sans: [prometheus.example, "
        "'10.0.0.1', '2001:db8::1', ops@example.org, 'spiffe://example/prometheus']}"
    )
    for name, known in NAMES:
        assert comes_in(secured, authority, authority.sign(name)) is known, name
    assert secured.handshakes_refused == sum(not known for _, known in NAMES)


def test_both_sides_are_told_why_a_handshake_is_refused(
    secure: Secure, authority: Authority
) -> None:
    """The client by an alert, as from exporter-toolkit; the exporter at debug, and by a count."""
    old = trusting(authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    another = trusting(authority, Authority("another").sign())
    for client, alert, reason in (
        (trusting(authority), "CERTIFICATE_REQUIRED", "peer did not return a certificate"),
        (another, "UNKNOWN_CA", "certificate verify failed"),
        (old, "PROTOCOL_VERSION", "unsupported protocol"),
    ):
        secured = secure(CLIENTS + "RequireAndVerifyClientCert, min_version: TLS13}")
        with pytest.raises(ssl.SSLError, match=alert):
            secured.get_tls(client)
        told = f'level=debug event=tls_handshake_refused reason="{reason}"'
        until(partial(secured.has_logged, told), told)
        assert secured.handshakes_refused == 1


def test_passwords(secure: Secure) -> None:
    """Each user has one of its own; whatever else is sent is refused, and nothing goes wrong.

    Bcrypt takes what has an end in it for the one before: who gave it first would keep out others.
    """
    secured = secure(f"basic_auth_users: {{alice: {hashed('wonder')}, bob: {hashed('builder')}}}")
    assert not secured.admits("alice", "wonder\0wonder")
    assert secured.admits("alice", "wonder")
    assert secured.admits("bob", "builder")
    right = basic("alice", "wonder")
    assert secured.get(AUTHORIZATION=right.replace("Basic", "bAsIc")).status == 200
    for value in (
        *(basic("alice", "builder"), basic("carol", "wonder"), basic("", ""), basic("alice", "")),
        basic("alice\0", "wonder"),
        *("", "Basic", "Basic ", "Basic ????", "Basic \xff", "Basic YWxpY2U="),
        right.replace("Basic", "Bearer"),
        right + right.removeprefix("Basic"),
        "Basic " + "A" * 8000,
    ):
        refused = secured.get(Authorization=value)
        assert (refused.status, refused.body) == (401, b"Unauthorized\n"), value
        assert refused.headers["www-authenticate"].startswith("Basic realm=")
    assert "error" not in secured.log


def test_passwords_longer_than_bcrypt_looks_at(secure: Secure) -> None:
    """Are compared as what made the hash compared them, instead of failing."""
    long = "p" * 72
    secured = secure(f"basic_auth_users: {{alice: {hashed(long)}}}")
    assert secured.admits("alice", long + "q")
    assert not secured.admits("alice", long[:-1])


def test_headers_of_every_answer(secure: Secure) -> None:
    """Refusals included: what the file says, else what is safe; what it empties is not sent."""
    secured = secure(
        "http_server_config: {headers: {X-Frame-Options: sameorigin, "
        "Strict-Transport-Security: max-age=60, Content-Security-Policy: ''}}\n"
        f"basic_auth_users: {{alice: {hashed('wonder')}}}"
    )
    for answer in (secured.get(), secured.get(Authorization=basic("alice", "wonder"))):
        assert answer.headers["x-frame-options"] == "sameorigin"
        assert answer.headers["strict-transport-security"] == "max-age=60"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "content-security-policy" not in answer.headers


def test_rate_limit(secure: Secure) -> None:
    """As many as the burst at once; then 429 that says when to come back."""
    secured = secure("rate_limit: {interval: 30s, burst: 3}")
    assert [secured.get().status for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = secured.get()
    assert refused.body == b"Too Many Requests\n"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    # Else strangers could have Kubernetes restart the pod.
    assert secured.get("/-/healthy").status == 200


# -- who guesses, and who asks on and on ------------------------------------------------------

SLOW = 11
"""A cost of bcrypt that takes an eighth of a second: a crowd's takes long."""


def begun(sock: socket.socket) -> bytes:
    """Return the status of an answer that has come, without taking it."""
    return sock.recv(12, socket.MSG_PEEK)[-3:]


@pytest.mark.parametrize(("user", "source"), [("bob", "127.0.0.1"), ("alice", "127.0.0.2")])
def test_a_flood_of_wrong_passwords_keeps_nobody_waiting(
    secure: Secure, opened: Connect, user: str, source: str
) -> None:
    """As another user, or from another address: who asks waits for one guess of theirs.

    Who is recognised waits for none. Beyond those that may wait, no guess does.
    """
    alice, bob = hashed("wonder", SLOW), hashed("builder", SLOW)
    secured = secure(f"basic_auth_users: {{alice: {alice}, bob: {bob}}}")
    sockets = [opened(secured.port, source) for _ in range(140)]
    for attempt, sock in enumerate(sockets):
        value = basic(user, f"guess{attempt}")
        sock.sendall(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: {value}\r\n\r\n".encode())

    def answered() -> Counter[bytes]:
        return Counter(map(begun, select.select(sockets, [], [], 0)[0]))

    until(lambda: answered()[b"503"] > 0, "those that are too many")
    assert not secured.admits("alice", "wonde")
    # The crowd has hardly had a turn by then. Once she is known, guesses at hers need none.
    assert answered()[b"401"] < 70
    for _ in range(2):
        assert secured.admits("alice", "wonder")
    secured.server.stop(0)


def test_who_is_limited_costs_no_bcrypt(secure: Secure) -> None:
    """The limit goes before authentication, and counts guesses on every path."""
    secured = secure(
        f"rate_limit: {{interval: 1h, burst: 1}}\nbasic_auth_users: {{a: {hashed('b', SLOW)}}}"
    )
    assert not secured.admits("a", "c")
    right = {"Authorization": basic("a", "b")}
    assert [secured.get(path, **right).status for path in ("/", "/-/healthy")] == [429, 429]


@pytest.mark.parametrize(
    ("waiters", "room", "order", "crowded"),
    [
        ("a1 a2 a3 b1", 100, "a1 b1 a2 a3", ""),
        ("a1 a2 b1 b2 c1", 100, "a1 b1 c1 a2 b2", ""),
        ("a1 a2 a3", 2, "a1 a2", "a3"),
        ("a1 a2 b1", 2, "a1 b1", "a2"),
        ("a1 b1 c1", 2, "a1 b1", "c1"),
        ("a1 a2 b1 c1", 2, "a1 b1", "a2 c1"),
    ],
)
@in_a_loop
async def test_clients_have_their_turn(waiters: str, room: int, order: str, crowded: str) -> None:
    """However many wait beside them as somebody else, or from somewhere else.

    Where too many wait, the last of whoever has the most makes room; and who comes, where nobody
    has more. Each who waits is two characters: the client, and a number.
    """
    turns, had, went = Turns(room), list[str](), list[str]()

    async def wait(waiter: str) -> None:
        try:
            async with turns.turn(waiter[0]):
                had.append(waiter)
                await asyncio.sleep(0)
        except CrowdedError:
            went.append(waiter)

    async with asyncio.TaskGroup() as group, turns.turn("first"):
        for waiter in waiters.split():
            group.create_task(wait(waiter))
            await asyncio.sleep(0)
        assert not had
    assert (" ".join(had), " ".join(went)) == (order, crowded)


def test_tokens_do_not_pile_up_beyond_the_burst() -> None:
    """However long nobody asked: then so many at once, and the next has to wait for the rest."""
    bucket = Bucket(interval=2.0, burst=3)
    for start in (0.0, 1000.0):
        assert [bucket.take(start) for _ in range(4)] == [0, 0, 0, 2.0]
    assert bucket.take(1001.5) == 0.5
    assert [bucket.take(1002.0) for _ in range(2)] == [0, 2.0]
    many = Bucket(interval=0.1, burst=1000)
    assert [many.take(12345.678) for _ in range(1001)] == [*[0] * 1000, 0.1]
