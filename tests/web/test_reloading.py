"""The web file is read anew without a restart; what is wrong is told, and the old stays."""

import http.client
import ssl
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from exporter.exposition.fleet import WebConfig
from tests.web.conftest import Secure
from tests.web.pki import Authority, Pair
from tests.web.secured import Secured, hashed, trusting, write
from tests.web.serving import Client

TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"


def users(password: str) -> str:
    """Write a file in which alice has a password."""
    return f"basic_auth_users: {{alice: {hashed(password)}}}\n"


def state(secured: Secured) -> WebConfig:
    """Return how the last reading went."""
    found = secured.watcher.state()
    assert found
    return found


def test_a_mounted_secret_is_swapped_by_a_link(secure: Secure, tmp_path: Path) -> None:
    """As the kubelet does it: neither the name nor the folder changes."""
    for version in ("one", "second"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "real.yml").write_text(users(version))
    (tmp_path / "data").symlink_to("one")
    secured = secure("{}")
    secured.file.unlink()
    secured.file.symlink_to("data/real.yml")
    secured.look()
    assert secured.admits("alice", "one")
    (tmp_path / "next").symlink_to("second")
    (tmp_path / "next").replace(tmp_path / "data")
    secured.look()
    assert not secured.admits("alice", "one")
    assert secured.admits("alice", "second")


@pytest.mark.parametrize("bad", ["basic_auth_users: {alice: plain}", "a: [", "", None])
def test_what_is_wrong_is_refused_and_the_old_stays(secure: Secure, bad: str | None) -> None:
    """By name, once, in the log, and in what becomes a metric; until it is mended."""
    good = users("old")
    secured = secure(good)
    before = state(secured)
    assert before.successful
    if bad is None:
        secured.file.unlink()
    else:
        write(secured.file, bad)
    for _ in range(3):
        secured.look()
    assert not state(secured).successful
    assert state(secured).last_success == before.last_success
    assert (secured.admits("alice", "old"), secured.get().status) == (True, 401)
    (line,) = [line for line in secured.log.splitlines() if "web_config_refused" in line]
    assert "level=error" in line
    assert ("basic_auth_users.alice" if bad and "plain" in bad else "web.config_file") in line
    assert "plain" not in line
    secured.file.write_text(f"{good}http_server_config: {{http2: true}}")
    secured.look()
    assert state(secured).successful
    assert "level=info event=web_config_reloaded" in secured.log
    assert "level=warning event=web_config_warning warning=" in secured.log


@pytest.mark.parametrize("how", ["at the start", "by itself", "by a reload"])
def test_a_file_that_is_being_written_lets_nobody_in(
    secure: Secure, tmp_path: Path, how: str
) -> None:
    """However it comes to be read: it is, when it has settled; and then it holds."""
    file, seen, served = tmp_path / "web.yml", list[int](), list[Secured]()
    rest = "http_server_config: {headers: {X-Frame-Options: deny}}\n"

    def write_on(_: float) -> None:
        """Write the other half, once it is waited for."""
        seen.extend(secured.get().status for secured in served)
        if file.read_text() == rest:
            write(file, rest + users("new"))

    before = "" if how == "at the start" else users("old")
    secured = secure(rest + before, wait=write_on)
    if before:
        served.append(secured)
        write(file, rest)
        watcher = secured.watcher
        read_anew = watcher.look if how == "by itself" else partial(watcher.use, str(file))
        secured.server.loop.do(read_anew)
        assert set(seen) == {401}
    assert (secured.get().status, secured.admits("alice", "new")) == (401, True)


def remembered(secured: Secured, *users: str) -> list[bool | None]:
    """Return whether users and a password belong together, as far as that needs no bcrypt."""
    passwords = secured.watcher.rules().passwords
    assert passwords
    pairs = [each.encode().split(b":") for each in users]
    return [passwords.remembered(*pair) for pair in pairs]


def test_what_is_remembered_stays_with_what_it_is_of(secure: Secure) -> None:
    """Another text, or another user, fills no bucket and forgets no password; a new hash does.

    Unknown users need no bcrypt, nor does who has come in, be the password right or wrong: so time
    does not tell who there is, and a scrape costs nothing. What was left of a rate limit is left as
    long as the limit stays the same.
    """
    alice, bob = hashed("right"), hashed("right")
    secured = secure(
        f"rate_limit: {{interval: 1h, burst: 3}}\nbasic_auth_users: {{alice: {alice}}}"
    )
    assert remembered(secured, "alice:right", "nobody:right") == [None, False]
    assert not secured.admits("alice", "wrong")
    assert remembered(secured, "alice:wrong") == [None]
    assert secured.admits("alice", "right")
    secured.change(
        "rate_limit: {interval: 60m, burst: 3} # the same\n"
        f"basic_auth_users: {{alice: {alice}, bob: {bob}}}"
    )
    assert remembered(secured, "alice:right", "alice:wrong", "bob:right") == [True, False, None]
    assert secured.admits("alice", "right")
    assert secured.get().status == 429
    secured.change(f"rate_limit: {{interval: 1h, burst: 4}}\n{users('new')}")
    assert not secured.admits("alice", "right")
    assert secured.admits("alice", "new")
    assert [secured.get().status for _ in range(3)] == [401, 401, 429]


def test_a_new_certificate_is_served(
    secure: Secure, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    """Once its key is there too; its end is told, and kept connections come to theirs."""
    secured, renewed = secure(TLS + "}"), Authority()
    with closing(Client(secured.port, context=trusting(authority)).connection()) as kept:
        kept.request("GET", "/")
        kept.getresponse().read()
        new = renewed.sign()
        write(tmp_path / "server.pem", new.certificate)
        secured.look()
        (line,) = [line for line in secured.log.splitlines() if "web_config_refused" in line]
        assert "tls_server_config.key_file" in line
        assert "is not the key of the certificate" in line
        assert secured.get_tls(trusting(authority)).status == 200
        assert state(secured).certificate_expiry == pair.expiry
        write(tmp_path / "server.key", new.key)
        secured.look()
        assert secured.get_tls(trusting(renewed)).status == 200
        assert state(secured).certificate_expiry == new.expiry
        assert kept.sock.recv(1) == b""


def test_tls_can_come_and_go(
    secure: Secure, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    """New connections have what the file says when they come, other client authorities too."""
    client = trusting(authority, pair)
    secured = secure("{}")
    assert secured.get().status == 200
    secured.change(TLS + ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}")
    with pytest.raises(http.client.RemoteDisconnected):
        secured.get()
    assert secured.get_tls(client).status == 200
    write(tmp_path / "ca.pem", Authority().pem)
    secured.look()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secured.get_tls(client)
    secured.change("{}")
    assert secured.get().status == 200
