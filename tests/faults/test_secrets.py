"""Marked secrets everywhere the exporter takes one from: no output of any command shows a mark."""

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests import inprocess
from tests.faults.services import HUB, IDENTITY, MEMBERS, SESSION, Services, refusal
from tests.faulty import (
    Behaviour,
    FaultyServer,
    Request,
    invitation,
    page,
    reply,
    response,
    send_and_close,
)
from tests.processes import refusing_port, running, until

MARK = "Z9mark"
"""Stands in every secret and in nothing else."""
REGION = "eu-west-1"
ASKING = (["doctor", "--log.level=debug"], ["once", "--log.level=debug", "--log.format=json"])
"""Commands that call AWS."""
PAGES = (
    *("/metrics", "/", "/targets", f"/targets/{MEMBERS[0]}/{REGION}", "/config"),
    *("/api/v1/targets", "/-/healthy", "/-/ready", "/nowhere"),
)


def secret(name: str) -> str:
    """Make a secret that tells where it is from."""
    return f"{MARK}{name}0123456789"


def basic(name: str) -> str:
    """Return the header of a user with a secret password."""
    return f"Basic {b64encode(f'user:{secret(name)}'.encode()).decode()}"


def marked(output: str) -> set[str]:
    """Return the marked secrets in a text, also those that are written in another way."""
    encoded = {basic(name)[14:26] for name in ("proxy", "tried")}
    return set(re.findall(rf"{MARK}\w*", output + unquote(output), re.IGNORECASE)) | {
        each for each in encoded if each in output
    }


# -- an AWS that hands secrets out, and one that repeats all that it was sent ------------------


def _sts(asked: Request) -> bytes:
    if b"AssumeRole" not in asked.body:
        return response(IDENTITY)
    text = SESSION.replace("ASIAEXAMPLE", secret("sessionkey"))
    text = text.replace(">secret<", f">{secret('sessionsecret')}<")
    return response(text.replace(">token<", f">{secret('sessiontoken')}/+=&amp;&lt;<"))


def _organizations(asked: Request) -> bytes:
    accounts = [{"Id": one, "Name": "x", "Status": "ACTIVE"} for one in (HUB, *MEMBERS)]
    token = {} if b"NextToken" in asked.body else {"NextToken": secret("accountstoken")}
    return response(json.dumps({"Accounts": accounts, **token}))


def _pages(asked: Request) -> bytes:
    token = {} if "nextToken" in asked.target else {"nextToken": secret("pagetoken")}
    return response(page([invitation()], **token))


def _repeated(asked: Request) -> str:
    """Repeat a request, as AWS does with the canonical form of one whose signature is wrong.

    What is secret stands in front: the message is cut after some hundred characters.
    """
    headers = "\n".join(f"{name}:{value}" for name, value in asked.headers.items())
    names = ("proxy-authorization", "x-amz-security-token", "authorization")
    front = next((asked.headers[name] for name in names if name in asked.headers), "")
    return f"{front}\n{unquote(asked.body.decode())[-300:]}\n{asked.target}\n{headers}"


def _echo_json(asked: Request) -> bytes:
    body = json.dumps({"message": _repeated(asked), "__type": "SignatureDoesNotMatch"})
    return response(body, 403, {"x-amzn-ErrorType": "SignatureDoesNotMatch"})


def _echo_xml(asked: Request) -> bytes:
    text = _repeated(asked).replace("&", "&amp;").replace("<", "&lt;")
    return refusal("SignatureDoesNotMatch", 403, text)


def _echo_to_members(asked: Request) -> bytes:
    """Repeat what an account's second page is asked for with, unless that is the exporter's own."""
    is_members = secret("sessionkey") in asked.headers["authorization"]
    return (_echo_json if is_members and "nextToken" in asked.target else _pages)(asked)


_WELL = Services(reply(_sts), reply(_organizations), reply(_pages))
_ECHO = Services(reply(_echo_xml), reply(_echo_json), reply(_echo_json))
_MEMBERS_ECHO = Services(_WELL.sts, _WELL.organizations, reply(_echo_to_members))
_ROLES_ECHO = Services(
    sts=reply(lambda asked: (_echo_xml if b"AssumeRole" in asked.body else _sts)(asked))
)
_FRONT = reply(lambda asked: response(f"<html>{_repeated(asked)}</html>", 502))
_NO_HTTP = send_and_close(f"HTTP/1.1 200 OK\r\n{secret('header')}\r\n\r\n".encode())

# -- places of secrets ----------------------------------------------------------------------------

_POLLED = "macie_poll_success"
_REPEATED = "SignatureDoesNotMatch"
_NO_AGENT = "non 200 response"
_UNREADABLE = "Unable to parse config file"
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
_KEYS = {
    "AWS_ACCESS_KEY_ID": secret("accesskey"),
    "AWS_SECRET_ACCESS_KEY": secret("secretkey"),
    "AWS_SESSION_TOKEN": secret("token"),
}
_IN_FILES = {"AWS_CONFIG_FILE": "DIR/config", "AWS_SHARED_CREDENTIALS_FILE": "DIR/credentials"}
_ROLE = f"arn:aws:iam::{HUB}:role/exporter"
_BY_A_TOKEN = {"AWS_WEB_IDENTITY_TOKEN_FILE": "DIR/token", "AWS_ROLE_ARN": _ROLE}
_AGENT = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:PORT/"}
_KEY_ID = f"aws_access_key_id = {secret('filekey')}\n"
_PROFILE = (
    f"[default]\n{_KEY_ID}aws_secret_access_key = {secret('filesecret')}\n"
    f"aws_session_token = {secret('filetoken')}\n"
)
_FROM_A_ROLE = {
    "credentials": _PROFILE.replace("default", "base"),
    "config": (
        f"[default]\nregion = {REGION}\nsource_profile = base\nrole_arn = {_ROLE}\n"
        f"external_id = {secret('profileid')}\n"
    ),
}
_PROGRAM = json.dumps({"Version": 1, "AccessKeyId": secret("programkey")})
_NONE: Mapping[str, str] = {}


class Case:
    """What the exporter is started with, what it then meets, and what of this its output shows."""

    def __init__(
        self,
        says: str = _POLLED,
        aws: Behaviour = _WELL,
        keys: Mapping[str, str] = _KEYS,
        files: Mapping[str, str] = _NONE,
        **variables: str,
    ) -> None:
        """Take where credentials are, and files and variables that differ from the usual.

        In values DIR is the folder of the files, PORT that of AWS.
        """
        self.says, self.aws = says, aws
        self._variables = {
            "AWS_ENDPOINT_URL": "http://localhost:PORT",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": REGION,
            "MACIE_EXPORTER_CONFIG__FILE": "DIR/exporter.yaml",
            **keys,
            **variables,
        }
        usual = {"exporter.yaml": _CONFIGURATION, "token": secret("pod"), "credentials": _PROFILE}
        self._files = {"config": "", **usual, **files}

    def environment(self, folder: Path, port: int = 1) -> dict[str, str]:
        """Write the files; return the variables."""
        for name, text in self._files.items():
            (folder / name).write_text(text)
        return {
            name: value.replace("DIR", str(folder)).replace("PORT", str(port))
            for name, value in self._variables.items()
        }


def _proxy(at: str, aws: Behaviour = _WELL, says: str = _POLLED) -> Case:
    url = f"http://user:{secret('proxy')}@{at}"
    somewhere = "http://macie.invalid"
    return Case(says, aws, AWS_ENDPOINT_URL=somewhere, NO_PROXY="", HTTP_PROXY=url)


_USER = f"user:{secret('endpoint')}"
_BAD_PORT = f"http://{_USER}@localhost:{secret('port')}"
_ENDPOINTS = {
    "that refuses": f"http://{_USER}@localhost:{refusing_port()}",
    "without a host": f"http://{_USER}@nowhere.invalid",
    "that is none": f"{_USER}@ x",
    "without a scheme": _USER,
    "with a bad port": _BAD_PORT,
}
ASKED: Mapping[str, Case] = {
    "all is well": Case("macie_invitations"),
    "everything is repeated": Case(_REPEATED, _ECHO),
    "what STS is sent is repeated": Case(_REPEATED, _ROLES_ECHO),
    "page tokens are repeated": Case(_REPEATED, _MEMBERS_ECHO),
    "a front repeats": Case("502", _FRONT),
    "no HTTP": Case("MalformedResponse", Services(macie2=_NO_HTTP)),
    "endpoint": Case(_REPEATED, _ECHO, AWS_ENDPOINT_URL=f"http://{_USER}@localhost:PORT"),
    **{f"endpoint {of}": Case(AWS_ENDPOINT_URL=url) for of, url in _ENDPOINTS.items()},
    "endpoint of STS": Case(AWS_ENDPOINT_URL_STS=_USER),
    "proxy that repeats": _proxy("127.0.0.1:PORT", _FRONT, "502"),
    "proxy that answers": _proxy("127.0.0.1:PORT", _WELL, "macie_invitations"),
    "proxy that refuses": _proxy(f"127.0.0.1:{refusing_port()}"),
    "proxy that cannot be read": _proxy("[x:99999"),
    "proxy with a bad port": _proxy(f"127.0.0.1:{secret('port')}"),
    "token of two lines": Case(AWS_SESSION_TOKEN=f"{secret('token')}\n{secret('second')}"),
    "token that no header holds": Case(AWS_SESSION_TOKEN=f"{secret('token')}ü€"),
    "AWS files": Case(_REPEATED, _ECHO, _IN_FILES),
    **{
        f"AWS's file {name} cannot be parsed": Case(
            _UNREADABLE, keys=_IN_FILES, files={name: f"{_PROFILE}{secret('lone')}\n"}
        )
        for name in ("credentials", "config")
    },
    "half a profile": Case(keys=_IN_FILES, files={"credentials": f"[default]\n{_KEY_ID}"}),
    "program that gives too little": Case(
        keys={**_IN_FILES, "AWS_SHARED_CREDENTIALS_FILE": "DIR/none"},
        files={"config": f"[default]\ncredential_process = /bin/echo '{_PROGRAM}'\n"},
    ),
    "web identity": Case(_REPEATED, _ECHO.sts, _BY_A_TOKEN),
    **{
        f"web identity, at an endpoint {of}": Case(keys=_BY_A_TOKEN, AWS_ENDPOINT_URL=url)
        for of, url in _ENDPOINTS.items()
    },
    "another profile's role": Case(_REPEATED, _ECHO, _IN_FILES, _FROM_A_ROLE),
    "another profile's role, at an endpoint with a bad port": Case(
        keys=_IN_FILES, files=_FROM_A_ROLE, AWS_ENDPOINT_URL=_BAD_PORT
    ),
    "a pod's token": Case(
        _NO_AGENT, _ECHO.sts, {**_AGENT, "AWS_CONTAINER_AUTHORIZATION_TOKEN": secret("container")}
    ),
    "a pod's token in a file": Case(
        _NO_AGENT, _ECHO.sts, {**_AGENT, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "DIR/token"}
    ),
}


@pytest.fixture(autouse=True)
def _nothing_is_told_to_loggers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Require that libraries' warnings, which a process writes on standard error, show none."""
    yield
    assert marked(caplog.text) == set()


@pytest.mark.parametrize("case", ASKED.values(), ids=ASKED)
def test_who_asks_aws_shows_no_secret(tmp_path: Path, case: Case) -> None:
    """Wherever it stands, whatever cannot be read or asked, and whoever repeats what he was sent.

    Errors name the place to look at, not what stands there.
    """
    with FaultyServer(case.aws) as server:
        place = case.environment(tmp_path, server.port)
        said = "".join(done.stdout + done.stderr for done in inprocess.commands(place, *ASKING))
    assert case.says in said
    assert marked(said) == set()


def test_what_needs_no_network_shows_no_secret(tmp_path: Path) -> None:
    """Only the trust policy has the external id, which is what it is printed for."""
    web = f"basic_auth_users: {{user: {f'$2b$04${MARK}'.ljust(60, '.')}}}\n"
    place = Case(keys=_WEB_FILE, files={"web.yaml": web}).environment(tmp_path)
    check, usage, iam = inprocess.commands(place, ["check"], ["--help"], ["iam"])
    assert "external_id" in check.stdout
    assert "basic authentication" in check.stdout
    assert marked(str((check, usage))) == set()
    assert marked(str(iam)) == {secret("externalid"), secret("orgexternalid")}


_WEB_FILE = {"MACIE_EXPORTER_WEB__CONFIG_FILE": "DIR/web.yaml"}


@pytest.mark.parametrize(
    ("web", "named"),
    [
        (f"basic_auth_users: {{a: {secret('password')}, b: [{secret('b')}]}}", "basic_auth_users"),
        (f"tls_server_config: {{cert: x, key: {secret('tlskey')}}}", "tls_server_config"),
    ],
)
def test_a_configuration_that_is_refused_shows_no_secret(
    tmp_path: Path, web: str, named: str
) -> None:
    """Wherever it was put by mistake. More, and all that is said of it, is in tests/settings."""
    accounts = f"[{secret('item')}, {{id: '1', external_id: [{secret('list')}]}}]"
    organization = f"{{role_name: r, externl_id: {secret('misspelt')}}}"
    settings = f"aws: {{accounts: {accounts}, organization: {organization}}}"
    misspelt = {"MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_IDS": secret("variable")}
    case = Case(keys={**_WEB_FILE, **misspelt}, files={"exporter.yaml": settings, "web.yaml": web})
    check, serve = inprocess.commands(case.environment(tmp_path), ["check"], ["serve"])
    assert named in check.stderr
    for done in (check, serve):
        assert "aws.organization.externl_id" in done.stderr
        assert "aws.accounts[1].external_id" in done.stderr
        assert marked(str(done)) == set()


@pytest.mark.parametrize("form", ["json", "logfmt"])
def test_what_is_served_shows_no_secret(tmp_path: Path, form: str) -> None:
    """Nor the log, which is written at debug level; nor what a process writes as it ends."""
    flags = ["--log.level=debug", f"--log.format={form}", "--web.enable-lifecycle=true"]
    hidden = {"Authorization": basic("tried"), "Cookie": secret("cookie")}
    forms: tuple[dict[str, str], ...] = ({}, {**hidden, "Accept": "application/openmetrics-text"})
    with (
        FaultyServer(_MEMBERS_ECHO) as server,
        running(Case().environment(tmp_path, server.port), flags) as exporter,
    ):
        exporter.wait_until_ready()
        answers = [
            exporter.request(f"{path}?token={secret('query')}", headers=headers)
            for path in PAGES
            for headers in forms
        ]
        answers.append(exporter.request("/-/reload", "POST"))
        until(lambda: re.search('[="]reloaded', exporter.log) is not None, "reloaded")
    said = exporter.log + str(answers)
    assert "listening" in said
    assert _REPEATED in said
    assert 'macie_poll_success{aws_account_id="100000000000",aws_region="eu-west-1"} 1.0' in said
    assert marked(said) == set()
