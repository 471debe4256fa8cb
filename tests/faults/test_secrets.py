"""Marked secrets everywhere the exporter takes one from: no output of any command shows a mark."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import yaml

from exporter.model import AwsError
from tests import inprocess, processes
from tests.aws.rig import rig
from tests.faults.services import HUB, IDENTITY, MEMBERS, SESSION, Services, refusal
from tests.faulty import (
    Behaviour,
    FaultyServer,
    Peer,
    invitation,
    page,
    proxy,
    response,
    send,
    send_and_close,
)
from tests.processes import Scraped, refusing_port, until

MARK = "Z9mark"
"""Stands in every secret and in nothing else."""

REGION = "eu-west-1"
ASKING = (
    ("doctor", "--log.level=debug"),
    ("once", "--log.level=debug", "--log.format=json"),
)
"""Commands that call AWS."""
PAGES = (
    "/metrics",
    "/",
    "/targets",
    f"/targets/{MEMBERS[0]}/{REGION}",
    "/config",
    "/api/v1/targets",
    "/-/healthy",
    "/-/ready",
    "/nowhere",
)
OPENMETRICS = {"Accept": "application/openmetrics-text"}


def secret(name: str) -> str:
    """Make a secret that tells where it is from."""
    return f"{MARK}{name}0123456789"


def marked(output: str) -> set[str]:
    """Return the marked secrets in a text, also those that are written in another way."""
    plain = output + unquote(output)
    encoded = {b64encode(f"user:{secret('proxy')}".encode()).decode()[8:20]}
    return set(re.findall(rf"{MARK}\w*", plain, re.IGNORECASE)) | {
        each for each in encoded if each in plain
    }


# -- an AWS that hands secrets out, and one that repeats all that it was sent ------------------

_SESSION = SESSION.replace("ASIAEXAMPLE", secret("sessionkey")).replace(
    "<SecretAccessKey>secret", f"<SecretAccessKey>{secret('sessionsecret')}"
)
_SESSION = _SESSION.replace(
    "<SessionToken>token", f"<SessionToken>{secret('sessiontoken')}/+=&amp;&lt;"
)


def _sts(peer: Peer) -> bool:
    asked = peer.request.body
    return send(response(_SESSION if b"AssumeRole" in asked else IDENTITY))(peer)


def _organizations(peer: Peer) -> bool:
    accounts = [{"Id": one, "Name": "x", "Status": "ACTIVE"} for one in (HUB, *MEMBERS)]
    token = {} if b"NextToken" in peer.request.body else {"NextToken": secret("accountstoken")}
    return send(response(json.dumps({"Accounts": accounts, **token})))(peer)


def _pages(peer: Peer) -> bool:
    token = {} if "nextToken" in peer.request.target else {"nextToken": secret("pagetoken")}
    return send(response(page([invitation()], **token)))(peer)


def _echo(peer: Peer) -> str:
    """Repeat a request, as AWS does with the canonical form of one whose signature is wrong."""
    request = peer.request
    headers = "\n".join(f"{name}:{value}" for name, value in request.headers.items())
    body = unquote(request.body.decode())
    # The message is cut after some hundred characters: what is secret stands in front.
    security = request.headers.get("x-amz-security-token", "")
    spelled = quote(security, safe="").replace("%2F", "%2f") + security.replace("/", "\\/")
    return f"{security}\n{spelled}\n{body[-300:]}\n{request.target}\n{headers}"


def _echo_json(peer: Peer) -> bool:
    body = json.dumps({"message": _echo(peer), "__type": "SignatureDoesNotMatch"})
    return send(response(body, 403, {"x-amzn-ErrorType": "SignatureDoesNotMatch"}))(peer)


def _echo_xml(peer: Peer) -> bool:
    text = _echo(peer).replace("&", "&amp;").replace("<", "&lt;")
    return send(refusal("SignatureDoesNotMatch", 403, text))(peer)


def _echo_second_page(peer: Peer) -> bool:
    return (_echo_json if "nextToken" in peer.request.target else _pages)(peer)


def _echo_front(peer: Peer) -> bool:
    return send(response(f"<html>{_echo(peer)}</html>", 502))(peer)


def _echo_identity(peer: Peer) -> bool:
    return (_sts if b"AssumeRole" in peer.request.body else _echo_xml)(peer)


def _echo_assume(peer: Peer) -> bool:
    return (_echo_xml if b"AssumeRole" in peer.request.body else _sts)(peer)


_WELL = Services(sts=_sts, organizations=_organizations, macie2=_pages)


_NO_HTTP = send_and_close(f"HTTP/1.1 200 OK\r\n{secret('header')}\r\n\r\n".encode())

AWS: Mapping[str, Behaviour] = {
    "all is well": _WELL,
    "everything is repeated": Services(_echo_xml, _echo_json, _echo_json),
    "what STS is sent is repeated": Services(_echo_assume, _organizations, _pages),
    "what Macie is sent is repeated": Services(_sts, _organizations, _echo_json),
    "page tokens are repeated": Services(_sts, _organizations, _echo_second_page),
    "a front repeats": Services(_echo_front, _echo_front, _echo_front),
    "no HTTP": Services(_sts, _organizations, _NO_HTTP),
}

# -- places of secrets ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """What the exporter is started with: variables, and files by name."""

    variables: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)

    def given(self, folder: Path) -> dict[str, str]:
        """Write the files; give the variables, with the folder in them."""
        for name, text in self.files.items():
            (folder / name).write_text(text)
        return {name: value.replace("DIR", str(folder)) for name, value in self.variables.items()}


_ACCOUNTS = [
    {"id": MEMBERS[0], "role_name": "reader", "external_id": secret("externalid")},
    {"id": HUB},
]
_ORGANIZATION = {"role_name": "reader", "external_id": secret("orgexternalid")}
_CONFIGURATION = yaml.safe_dump(
    {
        "aws": {"regions": [REGION], "accounts": _ACCOUNTS, "organization": _ORGANIZATION},
        "poll": {"interval": "10s", "timeout": "5s"},
    }
)
_FILES = {"exporter.yaml": _CONFIGURATION}
_CONFIGURED = {
    "MACIE_EXPORTER_CONFIG__FILE": "DIR/exporter.yaml",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_REGION": REGION,
}
_KEYS = {
    "AWS_ACCESS_KEY_ID": secret("accesskey"),
    "AWS_SECRET_ACCESS_KEY": secret("secretkey"),
    "AWS_SESSION_TOKEN": secret("token"),
}
_AWS_FILES = {"AWS_CONFIG_FILE": "DIR/config", "AWS_SHARED_CREDENTIALS_FILE": "DIR/credentials"}
_PROFILE = (
    f"[default]\naws_access_key_id = {secret('filekey')}\n"
    f"aws_secret_access_key = {secret('filesecret')}\naws_session_token = {secret('filetoken')}\n"
)
_PROGRAM = json.dumps({"Version": 1, "AccessKeyId": secret("programkey")})


def _environment(**variables: str) -> Place:
    return Place({**_CONFIGURED, **_KEYS, **variables}, _FILES)


def _profile(text: str, config: str = "") -> Place:
    return Place({**_CONFIGURED, **_AWS_FILES}, {**_FILES, "credentials": text, "config": config})


_ANSWERED = {
    "environment": _environment(),
    "endpoint": _environment(AWS_ENDPOINT_URL=f"http://user:{secret('endpoint')}@localhost:PORT"),
    "AWS files": _profile(_PROFILE),
}
_UNANSWERED = {
    "endpoint that refuses": _environment(
        AWS_ENDPOINT_URL=f"http://user:{secret('endpoint')}@localhost:{refusing_port()}"
    ),
    "endpoint without a host": _environment(
        AWS_ENDPOINT_URL=f"http://user:{secret('endpoint')}@nowhere.invalid"
    ),
    "endpoint that is none": _environment(AWS_ENDPOINT_URL=f"user:{secret('endpoint')}@ x"),
    "endpoint without a scheme": _environment(AWS_ENDPOINT_URL=f"user:{secret('endpoint')}"),
    "endpoint of STS without a scheme": _environment(
        AWS_ENDPOINT_URL_STS=f"user:{secret('endpoint')}",
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{refusing_port()}",
    ),
    "endpoint with a port that is none": _environment(
        AWS_ENDPOINT_URL=f"http://localhost:{secret('port')}"
    ),
    "endpoint with a bad port": _environment(
        AWS_ENDPOINT_URL=f"http://user:{secret('endpoint')}@localhost:{secret('port')}"
    ),
    "proxy that refuses": _environment(
        HTTP_PROXY=f"http://user:{secret('proxy')}@127.0.0.1:{refusing_port()}", NO_PROXY=""
    ),
    "proxy that cannot be read": _environment(
        HTTP_PROXY=f"http://user:{secret('proxy')}@[x:99999", NO_PROXY=""
    ),
    "proxy with a bad port": _environment(
        HTTP_PROXY=f"http://user:{secret('proxy')}@127.0.0.1:{secret('port')}", NO_PROXY=""
    ),
    "token of two lines": _environment(AWS_SESSION_TOKEN=f"{secret('token')}\n{secret('second')}"),
    "token that no header holds": _environment(AWS_SESSION_TOKEN=f"{secret('token')}ü€"),
    "AWS file that cannot be parsed": _profile(f"{_PROFILE}{secret('lone')}\n"),
    "AWS configuration that cannot be parsed": _profile(_PROFILE, f"{secret('lone')}\n"),
    "half a profile": _profile(f"[default]\naws_access_key_id = {secret('filekey')}\n"),
    "program that gives too little": _profile(
        "", f"[default]\ncredential_process = /bin/echo '{_PROGRAM}'\n"
    ),
}
_ASKED_FOR = {
    "web identity": Place(
        {
            **_CONFIGURED,
            "AWS_WEB_IDENTITY_TOKEN_FILE": "DIR/token",
            "AWS_ROLE_ARN": f"arn:aws:iam::{HUB}:role/exporter",
        },
        {**_FILES, "token": secret("webidentity")},
    ),
    "another profile's role": _profile(
        _PROFILE.replace("default", "base"),
        f"[default]\nregion = {REGION}\nsource_profile = base\n"
        f"role_arn = arn:aws:iam::{HUB}:role/exporter\n"
        f"external_id = {secret('profileid')}\n",
    ),
}
"""What credentials are had for from STS."""

_ASKED_WHERE = {
    "refuses": f"http://user:{secret('endpoint')}@localhost:{refusing_port()}",
    "has no host": f"http://user:{secret('endpoint')}@nowhere.invalid",
    "has no scheme": f"user:{secret('endpoint')}",
    "has a bad port": f"http://user:{secret('endpoint')}@localhost:{secret('port')}",
}
"""Endpoints at which credentials are asked for in vain."""

_CONTAINER = {
    "variable": {"AWS_CONTAINER_AUTHORIZATION_TOKEN": secret("containertoken")},
    "file": {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "DIR/token"},
}
"""Where a pod's own token stands, for which it has credentials from an agent."""

_WRONG = {
    "not YAML": f"{_CONFIGURATION}\n  external_id: {{{secret('yaml')}: [\n",
    "YAML of another kind": f"aws: {{organization: !{secret('tag')} x}}\n",
    "a key twice": f"aws: {{organization: {{external_id: x, external_id: {secret('twice')}}}}}",
    "another type": f"aws: {{organization: {{role_name: r, external_id: [{secret('list')}]}}}}",
    "another section": f"aws: {{organization: {secret('section')}}}",
    "misspelt": f"aws: {{organization: {{role_name: r, externl_id: {secret('misspelt')}}}}}",
    "a list that is none": f"aws: {{accounts: {secret('accounts')}}}",
    "in a list": f"aws: {{accounts: [{secret('item')}, {{external_id: {secret('noid')}}}]}}",
    "alias": f"aws: *{secret('alias')}",
}
_WRONG_WEB = {
    "password": f"basic_auth_users: {{user: {secret('password')}}}",
    "passwords": f"basic_auth_users: {{user: [{secret('password')}]}}",
    "key": f"tls_server_config: {{cert: x, key: '{secret('tlskey')}'}}",
    "not YAML": f"basic_auth_users: {{user: {secret('password')}: [",
}
_REFUSED = {
    **{
        name: Place({**_CONFIGURED, **_KEYS}, {"exporter.yaml": text})
        for name, text in _WRONG.items()
    },
    "not JSON": _environment(
        MACIE_EXPORTER_AWS__ACCOUNTS=f'[{{"id": "1", "external_id": "{secret("json")}'
    ),
    **{
        f"web file: {name}": Place(
            {**_CONFIGURED, **_KEYS, "MACIE_EXPORTER_WEB__CONFIG_FILE": "DIR/web.yaml"},
            {**_FILES, "web.yaml": text},
        )
        for name, text in _WRONG_WEB.items()
    },
    "a variable of its own": _environment(
        MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_IDS=secret("variable")
    ),
}


@pytest.fixture(autouse=True)
def _nothing_is_told_to_loggers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Require that libraries' warnings, which a process writes on standard error, show none."""
    yield
    assert marked(caplog.text) == set()


def outputs(place: Mapping[str, str], commands: Sequence[Sequence[str]]) -> Iterator[str]:
    """Return everything that commands write."""
    for done in inprocess.commands(place, *commands):
        yield done.stdout + done.stderr


Run = Callable[[Mapping[str, str], Sequence[str]], AbstractContextManager[Scraped]]


def served(run: Run, place: Mapping[str, str], form: str) -> Iterator[str]:
    """Return what the daemon answers and logs, at debug level, from its start to its end."""
    flags = ["--log.level=debug", f"--log.format={form}", "--web.enable-lifecycle=true"]
    with run(place, flags) as exporter:
        exporter.wait_until_ready()
        hidden = {"Authorization": f"Basic {secret('basic')}", "Cookie": secret("cookie")}
        for path in PAGES:
            yield exporter.request(path).body.decode()
            answer = exporter.request(f"{path}?token={secret('query')}", headers=hidden)
            yield str(answer.headers) + answer.body.decode()
        yield exporter.request("/metrics", headers=OPENMETRICS).body.decode()
        yield exporter.request("/-/reload", "POST").body.decode()
        until(lambda: "event=reloaded" in exporter.log or '"reloaded"' in exporter.log, "reloaded")
    yield exporter.log


@pytest.mark.parametrize(
    ("aws", "place"),
    [
        *((aws, "environment") for aws in AWS),
        *(("everything is repeated", place) for place in ("endpoint", "AWS files")),
    ],
)
def test_what_aws_answers_shows_no_secret(tmp_path: Path, aws: str, place: str) -> None:
    """Not even where AWS, or what stands before it, repeats what it was sent."""
    with FaultyServer(AWS[aws]) as server:
        given = {"AWS_ENDPOINT_URL": server.url, **_ANSWERED[place].given(tmp_path)}
        given["AWS_ENDPOINT_URL"] = given["AWS_ENDPOINT_URL"].replace("PORT", str(server.port))
        said = "".join(outputs(given, ASKING))
        asked = str(server.requests)
    assert secret("token") in asked or secret("filetoken") in asked
    assert "macie_poll_success" in said
    assert marked(said) == set()


@pytest.mark.parametrize("place", _ASKED_FOR)
def test_what_credentials_are_asked_for_with_is_not_shown(tmp_path: Path, place: str) -> None:
    """Not even where STS repeats it, to whom the exporter has no credentials of its own as yet."""
    with FaultyServer(_echo_xml) as server:
        given = {"AWS_ENDPOINT_URL": server.url, **_ASKED_FOR[place].given(tmp_path)}
        said = "".join(outputs(given, ASKING))
        asked = str([(one.headers, one.body) for one in server.requests])
    assert marked(asked)
    assert "SignatureDoesNotMatch" in said
    assert marked(said) == set()


@pytest.mark.parametrize(
    ("place", "endpoint"),
    [
        *(("web identity", endpoint) for endpoint in _ASKED_WHERE),
        ("another profile's role", "has a bad port"),
    ],
)
def test_where_credentials_are_asked_for_is_not_shown(
    tmp_path: Path, place: str, endpoint: str
) -> None:
    """Not what stands before the host, nor what is no URL at all."""
    given = _ASKED_FOR[place].given(tmp_path) | {"AWS_ENDPOINT_URL": _ASKED_WHERE[endpoint]}
    said = "".join(outputs(given, ASKING))
    assert "EndpointConnectionError" in said or "CredentialsError" in said
    assert marked(said) == set()


def _echo_proxy(peer: Peer) -> bool:
    return send(response(f"<html>{peer.request.headers['proxy-authorization']}</html>", 407))(peer)


def test_a_proxy_that_repeats_its_password_does_not_show_it(tmp_path: Path) -> None:
    """However it was sent."""
    with FaultyServer(_echo_proxy) as between:
        url = f"http://user:{secret('proxy')}@127.0.0.1:{between.port}"
        given = _environment(
            AWS_ENDPOINT_URL="http://macie.invalid", HTTP_PROXY=url, NO_PROXY=""
        ).given(tmp_path)
        said = "".join(outputs(given, ASKING))
        assert between.requests
    assert "MalformedResponse" in said
    assert marked(said) == set()


@pytest.mark.parametrize("where", _CONTAINER)
def test_what_a_container_asks_for_credentials_with_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Not even where the agent repeats it; without commands, since boto3 asks again for seconds."""
    (tmp_path / "token").write_text(secret("containerfile"))
    for name in _KEYS:
        monkeypatch.delenv(name, raising=False)
    with FaultyServer(_echo_xml) as server:
        url = f"http://127.0.0.1:{server.port}/"
        given = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url, **_CONTAINER[where]}
        for name, value in given.items():
            monkeypatch.setenv(name, value.replace("DIR", str(tmp_path)))
        with rig() as made, pytest.raises(AwsError, match="non 200 response") as caught:
            made.run(made.credentials.identity())
        asked = str([one.headers for one in server.requests])
    assert marked(asked)
    assert marked(caught.value.failure.message) == set()


def test_what_needs_no_network_shows_no_secret(tmp_path: Path) -> None:
    """Only the trust policy has the external id, which is what it is printed for."""
    given = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **_ANSWERED["environment"].given(tmp_path)}
    check, usage, iam = outputs(given, (("check",), ("--help",), ("iam",)))
    assert "external_id" in check
    assert not marked(check + usage), check + usage
    assert marked(iam) == {secret("externalid"), secret("orgexternalid")}


@pytest.mark.parametrize(
    ("aws", "run", "form"),
    [
        ("all is well", inprocess.running, "json"),
        ("page tokens are repeated", processes.running, "logfmt"),
    ],
    ids=["well", "repeated"],
)
def test_what_is_served_shows_no_secret(tmp_path: Path, aws: str, run: Run, form: str) -> None:
    """Nor the log, which is written at debug level; nor what a process writes as it ends."""
    with FaultyServer(AWS[aws]) as server:
        given = {"AWS_ENDPOINT_URL": server.url, **_ANSWERED["environment"].given(tmp_path)}
        said = "".join(served(run, given, form))
    assert "listening" in said
    assert marked(said) == set()


def test_what_a_proxy_is_told_is_no_secret_of_the_log(tmp_path: Path) -> None:
    """Its password goes to it, and nowhere else; also where it refuses."""
    refuses = send(response("credentials wanted", 407))
    for behaviour in (proxy, refuses):
        with FaultyServer(_WELL) as server, FaultyServer(behaviour) as between:
            url = f"http://user:{quote(secret('proxy'))}@127.0.0.1:{between.port}"
            place = _environment(HTTP_PROXY=url, NO_PROXY="", AWS_ENDPOINT_URL=server.url)
            said = "".join(outputs(place.given(tmp_path), ASKING))
            assert "proxy-authorization" in between.requests[0].headers
        assert marked(said) == set()


@pytest.mark.parametrize("place", _UNANSWERED)
def test_what_cannot_be_asked_shows_no_secret(tmp_path: Path, place: str) -> None:
    """Errors name the place to look at, not what stands there."""
    with FaultyServer(_WELL) as server:
        given = {"AWS_ENDPOINT_URL": server.url, **_UNANSWERED[place].given(tmp_path)}
        said = "".join(outputs(given, ASKING))
    assert said
    assert marked(said) == set()


@pytest.mark.parametrize("place", _REFUSED)
def test_a_configuration_that_is_refused_shows_no_secret(tmp_path: Path, place: str) -> None:
    """Errors give the key and the line, not the text of it."""
    said = "".join(outputs(_REFUSED[place].given(tmp_path), (("check",), ("serve",))))
    assert said
    assert marked(said) == set()


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_who_may_not_read_sees_no_hash(tmp_path: Path, form: str) -> None:
    """Neither the hash, nor the password that was tried, is answered or logged."""
    hashed = f"$2b$04${MARK}".ljust(60, ".")
    (tmp_path / "web.yaml").write_text(f"basic_auth_users: {{user: {hashed}}}\n")
    tried = b64encode(f"user:{secret('tried')}".encode()).decode()
    with FaultyServer(_WELL) as server:
        given = {"AWS_ENDPOINT_URL": server.url, **_ANSWERED["environment"].given(tmp_path)}
        given["MACIE_EXPORTER_WEB__CONFIG_FILE"] = str(tmp_path / "web.yaml")
        flags = ["--log.level=debug", f"--log.format={form}"]
        with inprocess.running(given, flags) as exporter:
            answers = [
                exporter.request(path, headers={"Authorization": f"Basic {tried}"})
                for path in ("/metrics", "/targets", "/config")
            ]
    assert {answer.status for answer in answers} == {401}
    said = exporter.log + "".join(f"{answer.headers}{answer.body!r}" for answer in answers)
    assert "listening" in said
    assert marked(said) == set()
    assert tried not in said
