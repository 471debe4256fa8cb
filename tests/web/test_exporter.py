"""The whole exporter, as those see it who look at its pages and who scrape it; what is shipped."""

import asyncio
import io
import json
import random
import ssl
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from exporter.clock import SystemClock
from exporter.commands.serve import Service
from exporter.configuration import Configuration, Ports
from exporter.log import Lines
from tests.conftest import require
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, Invitation, World
from tests.inprocess import running
from tests.monitoring import running as prometheus
from tests.processes import no_aws, series_of, until
from tests.settings.loads import loaded
from tests.web.pki import Authority
from tests.web.secured import basic, hashed, trusting
from tests.web.serving import Client
from tests.web.site import PROJECT

HUB, MEMBER = "111111111111", "000011112222"


def test_what_is_polled_is_shown(tmp_path: Path) -> None:
    """Names from Organizations and invitations from Macie, under the configuration in force.

    A discovery that fails and a reload that is refused are told until they are mended.
    """
    world, file = World(HUB, regions=("eu-west-1",)), tmp_path / "exporter.yaml"
    world.add_account(MEMBER, "payments")
    world.invite(MEMBER, "eu-west-1", Invitation("i1", "999988887777", "Invited", None))
    organization = {"role_name": world.role_name, "refresh_interval": "10s"}
    tree = {"aws": {"organization": organization}, "web": {"enable_lifecycle": True}}
    file.write_text(json.dumps(tree))
    with (
        EmbeddedAws(world) as aws,
        running(aws.environment(), [f"--config.file={file}"]) as exporter,
    ):
        exporter.wait_until_ready()

        def page(path: str, method: str = "GET") -> str:
            return exporter.request(path, method).body.decode()

        member, hub = json.loads(page("/api/v1/targets?sort=pending&order=desc"))["targets"]
        assert (member["account_id"], hub["account_id"]) == (MEMBER, HUB)
        assert (member["account_name"], member["invitations"]) == ("payments", {"Invited": 1})
        assert member["next_poll"] >= member["last_poll"]

        denied = Fault(403, "AccessDeniedException", "not a delegated administrator")
        world.fail(HUB, "*", denied, service="organizations")
        failed = "Accounts cannot be discovered: AccessDeniedException"
        until(lambda: failed in page("/"), "the failed discovery")
        world.heal(HUB, "*", service="organizations")
        until(lambda: failed not in page("/"), "its success")

        good, refused = file.read_text(), "refused:</b> <bdi>poll.interval = &#34;1s&#34; (from "
        file.write_text("poll: {interval: 1s}")
        assert page("/-/reload", "POST").startswith("Not reloaded")
        assert refused in page("/")
        assert "refresh_interval: 10s" in page("/config")
        file.write_text(good.replace('"10s"', '"20s"'))
        assert page("/-/reload", "POST") == "Reloaded.\n"
        assert refused not in page("/")
        assert "refresh_interval: 20s" in page("/config")
        assert "# targets" not in page("/config")
        # Without a web file there is nothing to tell of it.
        assert f"\nmacie_exporter_{SUCCESSFUL} " not in page("/metrics")


# -- with a web file -------------------------------------------------------------------------

SUCCESSFUL = "web_config_last_reload_successful"
LOADED = "web_config_last_reload_success_timestamp_seconds"
EXPIRY = "web_certificate_expiry_timestamp_seconds"
REFUSED = "web_tls_handshakes_refused_total"
PASSWORD = "marked-password"
PATHS = (
    *("/", "/metrics", "/-/ready", "/-/healthy", "/targets", "/api/v1/targets", "/x"),
    *("http://localhost/metrics", "http://localhost"),
)


def test_who_has_certificate_and_password_comes_in(authority: Authority, tmp_path: Path) -> None:
    """The real Prometheus, with its own `tls_config` and `basic_auth`; on every path nobody else.

    Metrics tell of the file and of the certificate's end, and nothing tells password, hash or key.
    """
    pair, client, file = authority.sign(), authority.sign(), tmp_path / "web.yml"
    tls = {
        "cert": pair.certificate,
        "key": pair.key,
        "client_ca": authority.pem,
        "client_auth_type": "RequireAndVerifyClientCert",
    }
    users = {"prometheus": hashed(PASSWORD)}
    good = yaml.safe_dump({"tls_server_config": tls, "basic_auth_users": users})
    file.write_text(good)
    (tmp_path / "ca.pem").write_text(authority.pem)
    certificate, key = client.write(tmp_path, "client")
    flags = [f"--web.config-file={file}", "--log.level=debug"]
    with running(no_aws(tmp_path), flags) as exporter:
        told = 'web="https, client certificates required, basic authentication"'
        assert f"event=listening port={exporter.port}" in exporter.log
        assert told in exporter.log
        with pytest.raises((ssl.SSLError, ConnectionError)):
            Client(exporter.port, context=trusting(authority))("/metrics")

        ask = Client(exporter.port, context=trusting(authority, client))
        allowed, wrong = (
            {"Authorization": basic("prometheus", word)} for word in (PASSWORD, "marked-wrong")
        )

        def sample(name: str) -> float:
            text = ask("/metrics", **allowed).body.decode()
            return series_of(text)[f"macie_exporter_{name}", frozenset()]

        loaded_at = sample(LOADED)
        assert (sample(SUCCESSFUL), sample(EXPIRY), sample(REFUSED)) == (1, pair.expiry, 1)
        answers = [ask(path, **headers) for path in PATHS for headers in ({}, wrong, allowed)]
        assert [answer.status == 401 for answer in answers] == [True, True, False] * len(PATHS)

        job = {
            "job_name": "macie",
            "scheme": "https",
            "scrape_interval": "1s",
            "tls_config": {
                "ca_file": str(tmp_path / "ca.pem"),
                "cert_file": str(certificate),
                "key_file": str(key),
            },
            "basic_auth": {"username": "prometheus", "password": PASSWORD},
            "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}],
        }
        with prometheus(require("prometheus"), tmp_path, {"scrape_configs": [job]}) as peer:
            until(lambda: peer.now(f"macie_exporter_{SUCCESSFUL} == 1") != [], "a scrape")

        file.write_text("basic_auth_users: {prometheus: marked-plain}")
        until(lambda: sample(SUCCESSFUL) == 0, "the refusal")
        assert (sample(LOADED), sample(EXPIRY)) == (loaded_at, pair.expiry)
        assert "event=web_config_refused" in exporter.log
        file.write_text(good)
        until(lambda: sample(SUCCESSFUL) == 1, "the good file")
    said = exporter.log + "".join(answer.body.decode() for answer in answers)
    assert not [word for word in ("marked-", "$2b$", pair.key.splitlines()[1]) if word in said]


def test_a_reload_of_half_a_configuration_lets_nobody_in(tmp_path: Path) -> None:
    """Nor does one of a web file that says nothing: neither is put in force.

    Half a configuration may name no web file: it is read again once nobody writes to it any more.
    """
    file, web_file, log = tmp_path / "exporter.yaml", tmp_path / "web.yml", io.StringIO()
    half, users = "poll: {interval: 1m}\n", f"basic_auth_users: {{a: {hashed('right')}}}"
    whole = f"{half}web: {{config_file: {web_file}, listen_address: '127.0.0.1:0'}}\n"
    file.write_text(whole)
    web_file.write_text(users)
    read = list[str]()

    def load() -> Configuration:
        """Read the file; the second time somebody writes on before it is read for a third."""
        read.append(file.read_text())
        configuration = Configuration(loaded(f"config.file={file}"), "eu-west-1")
        if read[-2:] == [half, half]:
            file.write_text(whole)
        return configuration

    async def reloaded() -> None:
        lines = Lines(log, level="info", form="logfmt")
        service = Service(load(), load, Ports(SystemClock(), lines, random.Random(1)))
        service.reload_when_asked()
        service.start()
        client = Client(int(log.getvalue().partition("port=")[2].split()[0]))
        try:
            file.write_text(half)
            assert await service.reload() is None
            assert read == [whole, half, half, whole]
            assert (await asyncio.to_thread(client, "/metrics")).status == 401
            web_file.write_text("")
            assert "not a mapping" in str(await service.reload())
            assert (await asyncio.to_thread(client, "/metrics")).status == 401
        finally:
            await service.stop()

    asyncio.run(reloaded())


# -- what is shipped, and loaded -------------------------------------------------------------


def test_what_not_every_start_needs_is_not_loaded() -> None:
    """Bcrypt and cryptography are for a web file, Jinja2 for who looks at a page."""
    code = (
        "import sys; from exporter.commands import serve; "
        "sys.exit(not {'bcrypt', 'cryptography', 'jinja2'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_templates_and_files_are_in_the_wheel(tmp_path: Path) -> None:
    """An installed exporter has every page that this one has."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PROJECT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    web = PROJECT / "exporter" / "web"
    files = [*(web / "static").iterdir(), *(web / "templates").iterdir()]
    wanted = {str(path.relative_to(PROJECT)) for path in files}
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())
