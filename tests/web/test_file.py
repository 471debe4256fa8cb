"""The web file: what the format has is taken or refused by its name, and always with a reason."""

import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from exporter.web.config import Headers, WebFile
from exporter.web.watcher import check_web_file
from tests.inprocess import command
from tests.web.pki import Authority

CORPUS = Path(__file__).parent / "corpus"
HASH = "$2y$10$" + "e" * 53
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key, "
CLIENTS = TLS + "client_ca_file: ca.pem, "
FILE = Path("here/web.yml")


@pytest.fixture(autouse=True)
def folder(authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with certificates, for paths to be relative to, with a name that is not cut off."""
    monkeypatch.chdir(tmp_path)
    FILE.parent.mkdir()
    authority.sign().write(FILE.parent, "server")
    (FILE.parent / "ca.pem").write_text(authority.pem)
    return FILE.parent


def run(text: str | bytes, name: str = "check") -> tuple[int, Sequence[str]]:
    """Run a command with a web file; return the exit code, and what it says without its place."""
    FILE.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = command({"AWS_REGION": "eu-west-1"}, name, f"--web.config-file={FILE}")
    said = done.stderr if done.returncode else done.stdout
    return done.returncode, said.replace(f" (from {FILE})", "").splitlines()


def taken(text: str) -> Sequence[str]:
    """Return what `check` says that a web file means, after what it warns of."""
    code, lines = run(text)
    assert code == 0, lines
    return [
        line for line in lines if line.startswith(("# warning: http", "# warning: basic", "# web"))
    ]


def refused(text: str | bytes) -> Sequence[str]:
    """Return what is said of a web file that is refused."""
    code, lines = run(text)
    assert code == 2, lines
    return lines


REQUIRED = CLIENTS + "client_auth_type: RequireAndVerifyClientCert}"
ECDSA = "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"
ACCEPTED = {
    "{}": "http",
    "tls_server_config: {}\nbasic_auth_users: {}\nhttp_server_config: {headers: {}}": "http",
    TLS + "}": "https",
    TLS + "client_auth_type: NoClientCert, min_version: TLS13}": "https",
    CLIENTS + "client_auth_type: VerifyClientCertIfGiven}": "https",
    REQUIRED: "https, client certificates required",
    TLS + "min_version: TLS12, max_version: TLS12, prefer_server_cipher_suites: false}": "https",
    TLS + f"cipher_suites: [TLS_AES_128_GCM_SHA256, {ECDSA}]}}": "https",
    f"basic_auth_users: {{alice: {HASH}, bob: {HASH}}}": "http, basic authentication",
    "http_server_config: {http2: false, headers: {X-Frame-Options: deny, X-XSS-Protection: 1}}": (
        "http"
    ),
}
"""What promtool takes too."""


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_is_taken(text: str, promtool: Path) -> None:
    """And told in a few words; Prometheus' own checker takes each of these files as well."""
    assert taken(text) == [f"# web: {ACCEPTED[text]}"]
    judged = subprocess.run(
        [promtool, "check", "web-config", FILE], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stderr


SECONDS = {"1s": 1, "100ms": 0.1, "1m30s": 90, "1.5s": 1.5, ".5h": 1800, "+2us1µs": 3e-6}


def test_a_rate_limit_is_taken() -> None:
    """Its interval is a duration as Go writes it, which is what the format has; 0 is none."""
    text = "rate_limit: {{interval: {}, burst: 20}}".format
    for interval, seconds in SECONDS.items():
        assert taken(text(interval)) == ["# web: http, rate limit"]
        bucket = check_web_file(str(FILE)).bucket
        assert bucket
        assert bucket.interval == pytest.approx(seconds)
    for interval in ("0", "0s"):
        assert taken(text(interval)) == ["# web: http"]
    for interval in ("-1s", "1d", "9" * 20 + "h"):
        (line,) = refused(text(interval))
        assert line.startswith("rate_limit.interval: not a duration; write it like 500ms")


def test_what_is_taken_with_a_warning() -> None:
    """What means something else than it may be thought to, and what it means."""
    users = f"{{a: {HASH.replace('10', '14')}, b: {HASH.replace('10', '15')}}}"
    http2, dear, web = taken(f"http_server_config: {{http2: true}}\nbasic_auth_users: {users}")
    assert http2 == (
        "# warning: http_server_config.http2: "
        "HTTP/2 is not spoken here: HTTP/1.1 is, and Prometheus needs no more"
    )
    assert dear.startswith("# warning: basic_auth_users.b: bcrypt's cost is above 14: until ")
    assert web == "# web: http, basic authentication"


@pytest.mark.parametrize("name", [path.stem for path in sorted(CORPUS.glob("*.bad.yaml"))])
def test_what_is_refused(name: str) -> None:
    """Every line names the key and says what would be right; all of them at once, and no secret."""
    expected = (CORPUS / f"{name}.txt").read_text().splitlines()
    assert refused((CORPUS / f"{name}.yaml").read_text()) == expected


NO_MAPPING = f"not a mapping with the keys {', '.join(WebFile.model_fields)}; to have no rules, "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((nothing, NO_MAPPING + "write {}") for nothing in ("", "# x", "---", "\ufeff", "null")),
        ("just text", NO_MAPPING + "write {}"),
        ("basic_auth_users:\n  a: x\n  a: y", "not YAML (line 3, column 3)"),
        ("a: &a [" + "x," * 99_999 + "]\nb: [" + "*a," * 99 + "]", "not YAML (line 2, column 59)"),
        ("[" * 9999, "not YAML (line 1, column 101)"),
        (b"\xff\xfe", "not UTF-8 text"),
        ("a" * (1024 * 1024 + 1), "cannot read it: larger than 1024 KiB"),
    ],
    ids=lambda text: repr(text)[:20],
)
def test_a_file_that_is_none(content: str | bytes, message: str) -> None:
    """Is told by its name and the place, never by what stands there: that may be a secret.

    One that says nothing is more likely cut off than meant, and would let everybody in.
    """
    assert refused(content) == [f'web.config_file = "here/web.yml": {message}']


def test_every_key_with_nothing_behind_it() -> None:
    """Is refused, section or value: what was commented out or cut off would be open."""
    for section, field in WebFile.model_fields.items():
        for nothing in ("", "~", "''", "[]"):
            assert refused(f"{section}: {nothing}") == [f"{section}: must be a mapping"]
        for key in getattr(field.annotation, "model_fields", ()):
            lines = refused(f"{section}: {{{key}: }}")
            assert [line for line in lines if line.startswith(f"{section}.{key}")], key
    for header in Headers.model_fields.values():
        (line,) = refused(f"http_server_config: {{headers: {{{header.alias}: }}}}")
        assert line.startswith(f"http_server_config.headers.{header.alias}: must be ")
    assert refused("basic_auth_users: {alice: }") == ["basic_auth_users.alice: must be text"]


@pytest.mark.parametrize("name", ["check", "serve"])
def test_everything_that_is_wrong_is_told_at_once(name: str) -> None:
    """Before anything is served, with exit code 2; without the file that is meant all the same."""
    code, lines = run(
        "tls_server_config: {cert_file: a, min_version: TLS9}\n"
        f"basic_auth_users: {{alice: secret, bob: {HASH}}}\n"
        "http_server_config: {headers: {X-Frames: deny}}\n"
        "rate_limit: {interval: soon}\n",
        name,
    )
    assert (code, [line.partition(":")[0] for line in lines]) == (
        2,
        [
            "tls_server_config.min_version",
            "http_server_config.headers.X-Frames",
            "basic_auth_users.alice",
            "rate_limit.interval",
        ],
    )
    absent = command({"AWS_REGION": "eu-west-1"}, name, "--web.config-file=none.yml")
    assert (absent.returncode, absent.stdout, absent.stderr) == (
        2,
        "",
        'web.config_file = "none.yml": cannot read it: No such file or directory\n',
    )


def test_a_bundle_of_clients_authorities(authority: Authority, folder: Path) -> None:
    """With what stands between the certificates, as in those of distributions; not without any."""
    bundle = folder / "ca.pem"
    bundle.write_text(f"\ufeff# Főtanúsítvány\n{authority.pem}\n# other\n{Authority().pem}")
    assert taken(REQUIRED) == ["# web: https, client certificates required"]
    bundle.write_text("")
    assert refused(REQUIRED) == [
        'tls_server_config.client_ca_file = "ca.pem": not certificates in PEM'
    ]


CERTIFICATE = 'tls_server_config.cert_file = "server.pem": '
KEY = 'tls_server_config.key_file = "server.key": '


def on_a_strange_curve(certificate: str) -> str:
    """Write a certificate as of a curve, instead of P-256, that nobody knows."""
    p256, strange = (bytes.fromhex(f"2a8648ce3d0301{last}") for last in ("07", "7f"))
    der = ssl.PEM_cert_to_DER_cert(certificate)
    return ssl.DER_cert_to_PEM_cert(der.replace(p256, strange))


def test_a_pair_that_does_not_serve(authority: Authority, folder: Path) -> None:
    """Is found before anybody is answered with it, and told for what it is by who is to blame."""
    good, locked = authority.sign(), authority.sign(passphrase=b"open sesame")
    weak = authority.sign(key=rsa.generate_private_key(65537, 1024))  # noqa: S505 -- the point
    whole, cut_off = good.certificate + weak.certificate, good.certificate + authority.pem[:-10]
    openssl = f"{CERTIFICATE}OpenSSL does not take it: "
    order = f"{CERTIFICATE}the key's certificate is in it, but not first: put it before the others"
    curve = f"{CERTIFICATE}cannot be used: Curve 1.2.840.10045.3.1.127 is not supported"
    others = (
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256R1()),
        ed25519.Ed25519PrivateKey.generate(),
    )
    strange = f"{KEY}is not the key of the certificate"
    for certificate, key, line in (
        *((good.certificate, authority.sign(key=each).key, strange) for each in others),
        (authority.pem + good.certificate, good.key, order),
        (locked.certificate, locked.key, f"{KEY}is encrypted: give it without a passphrase"),
        (weak.certificate, weak.key, f"{openssl}ee key too small"),
        (whole, good.key, f"{openssl}ca key too small"),
        (on_a_strange_curve(good.certificate), good.key, curve),
        (cut_off, good.key, f"{openssl}bad end line"),
    ):
        (folder / "server.pem").write_text(certificate)
        (folder / "server.key").write_text(key)
        assert refused(TLS + "}") == [line]
