"""The web file is read anew without a restart; what is wrong is told, and the old stays."""

import http.client
import io
import ssl
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from exporter.log import Lines
from exporter.web.watcher import Watcher
from tests.processes import until
from tests.web.conftest import Secure
from tests.web.pki import Authority, Pair
from tests.web.secured import SECRETS, Secured, basic, hashed, trusting, with_secrets

TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key"


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> Pair:
    """The server's certificate."""
    made = authority.sign()
    made.write(tmp_path, "server")
    return made


def users(password: str) -> str:
    """Write a file in which alice has a password."""
    return f"basic_auth_users: {{alice: {hashed(password)}}}"


def status(secured: Secured, password: str) -> int:
    """Ask as alice."""
    return secured.get(Authorization=basic("alice", password)).status


@pytest.fixture
def watched(secure: Secure) -> Secured:
    """A server that looks for changes by itself."""
    secured = secure(users("old"))
    secured.watch()
    return secured


def test_a_change_is_seen_by_itself(watched: Secured) -> None:
    """Within moments; the old password is then none, recognised before or not."""
    assert status(watched, "old") == 200
    watched.file.write_text(users("new"))
    until(lambda: status(watched, "new") == 200, "the new password")
    assert status(watched, "old") == 401
    assert "event=web_config_reloaded" in watched.log


def test_a_mounted_secret_is_swapped_by_a_link(secure: Secure, tmp_path: Path) -> None:
    """As the kubelet does it: neither the name nor the folder changes, nor perhaps the dates."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "data").symlink_to("one")
    for version in ("one", "two"):
        (tmp_path / version / "real.yml").write_text(users(version))
    secured = secure("{}")
    secured.file.unlink()
    secured.file.symlink_to("data/real.yml")
    secured.look()
    assert status(secured, "one") == 200
    (tmp_path / "next").symlink_to("two")
    (tmp_path / "next").replace(tmp_path / "data")
    secured.look()
    assert (status(secured, "one"), status(secured, "two")) == (401, 200)


@pytest.mark.parametrize("bad", ["basic_auth_users: {alice: plain}", "a: [", "", None])
def test_what_is_wrong_is_refused_and_the_old_stays(secure: Secure, bad: str | None) -> None:
    """By name, in the log and in what becomes a metric; empty is a file that is being written."""
    secured = secure(users("old"))
    before = secured.watcher.state()
    assert before is not None
    assert before.successful
    if bad is None:
        secured.file.unlink()
    else:
        secured.file.write_text(bad)
    secured.look()
    state = secured.watcher.state()
    assert state is not None
    assert (state.successful, state.last_success) == (False, before.last_success)
    assert (status(secured, "old"), secured.get().status) == (200, 401)
    (line,) = [line for line in secured.log.splitlines() if "web_config_refused" in line]
    assert "level=error" in line
    assert ("basic_auth_users.alice" if bad and "plain" in bad else "web.config_file") in line
    assert "plain" not in line


@pytest.mark.parametrize("reloaded", [True, False])
def test_a_file_that_is_being_written_lets_nobody_in(tmp_path: Path, *, reloaded: bool) -> None:
    """It is read when it has settled, by a reload as by itself; and then it holds."""
    rest = "http_server_config: {headers: {X-Frame-Options: deny}}\n"
    seen, served = list[int](), list[Secured]()

    def write_on(_: float) -> None:
        """Write the other half, once it is waited for."""
        for secured in served:
            seen.append(secured.get().status)
            if secured.file.read_text() == rest:
                secured.file.write_text(rest + users("new"))

    secured = Secured(tmp_path, rest + users("old"), wait=write_on)
    served.append(secured)
    watcher = secured.watcher
    read_anew = partial(watcher.use, str(secured.file)) if reloaded else watcher.look
    try:
        secured.file.write_text(rest)
        secured.server.loop.do(read_anew)
        assert set(seen) == {401}
        assert (secured.get().status, status(secured, "new")) == (401, 200)
    finally:
        secured.server.stop(5)


def test_a_start_while_the_file_is_being_written_lets_nobody_in(tmp_path: Path) -> None:
    """The exporter begins once the file has settled."""
    file = tmp_path / "web.yml"
    file.write_text("http_server_config: {}\n")
    more = iter(["# half\n", users("right")])

    def write_on(_: float) -> None:
        with file.open("a") as writer:
            writer.write(next(more, ""))

    log = Lines(io.StringIO(), level="error", form="logfmt").log
    assert Watcher(str(file), time.time, log, write_on).rules().passwords
    assert not [*more]


def test_no_state_without_a_file_and_no_end_of_a_certificate_without_tls(tmp_path: Path) -> None:
    """What there is not becomes no metric."""
    log = Lines(io.StringIO(), level="error", form="logfmt").log
    assert Watcher("", time.time, log).state() is None
    file = tmp_path / "web.yml"
    file.write_text("{}")
    state = Watcher(str(file), lambda: time.time() + 1000, log).state()
    assert state
    assert (state.successful, state.certificate_expiry) == (True, None)


def test_what_a_file_means_otherwise_is_warned_of(secure: Secure) -> None:
    """As node_exporter's own has it: it is served with all the same."""
    secured = secure("http_server_config: {http2: true}")
    assert secured.get().status == 200
    (line,) = [line for line in secured.log.splitlines() if "event=web_config_warning" in line]
    assert "level=warning" in line
    assert "HTTP/2 is not spoken here" in line


def test_no_refusal_shows_a_secret(secure: Secure, pair: Pair) -> None:
    """In whatever way the file is wrong; each is refused, at level error."""
    secured = secure("{}")
    _, *bad = with_secrets(pair)
    for number, text in enumerate(bad, 1):
        secured.file.write_text(text)
        secured.look()
        assert secured.log.count("level=error event=web_config_refused") == number, text
    key = pair.key.splitlines()[1]
    assert [secret for secret in (*SECRETS, key) if secret in secured.log] == []


def test_a_reload_fills_no_bucket(secure: Secure) -> None:
    """Where the rate limit stays the same, what was left of it does; another begins anew."""
    secured = secure("rate_limit: {interval: 1h, burst: 2}")
    assert [secured.get().status for _ in range(3)] == [200, 200, 429]
    secured.file.write_text("rate_limit: {interval: 60m, burst: 2} # the same")
    secured.look()
    assert secured.get().status == 429
    secured.file.write_text("rate_limit: {interval: 1h, burst: 1}")
    secured.look()
    assert [secured.get().status for _ in range(2)] == [200, 429]


def test_what_stays_wrong_is_told_once(secure: Secure) -> None:
    """Not every second; and what was mended is taken, even if it is the old again."""
    secured = secure(users("old"))
    good = secured.file.read_text()
    secured.file.write_text("nothing: {}\n, x")
    for _ in range(5):
        secured.look()
    assert secured.log.count("web_config_refused") == 1
    secured.file.write_text(good)
    secured.look()
    state = secured.watcher.state()
    assert state is not None
    assert state.successful


def test_a_new_certificate_is_served(
    secure: Secure, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    """Though the web file is as it was; its end is told, and kept connections come to theirs."""
    secured = secure(TLS + "}")
    kept = http.client.HTTPSConnection(
        "127.0.0.1", secured.port, timeout=10, context=trusting(authority)
    )
    secured.watch()
    with closing(kept):
        kept.request("GET", "/")
        kept.getresponse().read()
        assert expiry(secured) == pair.expiry
        renewed = Authority()
        until_then = renewed.sign()
        until_then.write(tmp_path, "server")
        until(lambda: serves(secured, renewed), "the new certificate")
        until(lambda: kept.sock is None or _ended(kept), "the old connection's end")
    assert expiry(secured) == until_then.expiry


def _ended(kept: http.client.HTTPSConnection) -> bool:
    assert kept.sock is not None
    kept.sock.settimeout(0.1)
    try:
        return kept.sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def expiry(secured: Secured) -> float | None:
    """Return when the certificate in force ends."""
    state = secured.watcher.state()
    assert state is not None
    return state.certificate_expiry


def serves(secured: Secured, authority: Authority) -> bool:
    """Return whether it serves with a certificate of an authority."""
    try:
        return secured.get_tls(trusting(authority)).status == 200
    except ssl.SSLError:
        return False


def test_half_of_a_pair_is_refused_until_the_other_comes(
    secure: Secure, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    """Certificate and key are two files: between the writes the old pair serves."""
    secured = secure(TLS + "}")
    renewed = authority.sign()
    (tmp_path / "server.pem").write_text(renewed.certificate)
    secured.look()
    (line,) = [line for line in secured.log.splitlines() if "web_config_refused" in line]
    assert "tls_server_config.key_file" in line
    assert "is not the key of the certificate" in line
    assert serves(secured, authority)
    assert expiry(secured) == pair.expiry
    (tmp_path / "server.key").write_text(renewed.key)
    secured.look()
    assert serves(secured, authority)
    state = secured.watcher.state()
    assert state is not None
    assert state.successful


def test_other_client_authorities_hold_at_once(
    secure: Secure, authority: Authority, pair: Pair, tmp_path: Path
) -> None:
    """Who had come in on a certificate that no longer counts must come in anew."""
    (tmp_path / "ca.pem").write_text(authority.pem)
    secured = secure(
        TLS + ", client_ca_file: ca.pem, client_auth_type: RequireAndVerifyClientCert}"
    )
    client = trusting(authority, authority.sign())
    assert secured.get_tls(client).status == 200
    (tmp_path / "ca.pem").write_text(Authority().pem)
    secured.look()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        secured.get_tls(client)
    assert pair.certificate


def test_tls_can_come_and_go(secure: Secure, authority: Authority, pair: Pair) -> None:
    """New connections have what the file says when they come."""
    assert pair.key
    secured = secure("{}")
    assert secured.get().status == 200
    secured.file.write_text(TLS + "}")
    secured.look()
    with pytest.raises(http.client.RemoteDisconnected):
        secured.get()
    assert secured.get_tls(trusting(authority)).status == 200
    secured.file.write_text("{}")
    secured.look()
    assert secured.get().status == 200
