"""Marked secrets everywhere the exporter takes one from: no output of any command shows a mark."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests import inprocess, processes
from tests.faults.services import HUB, MEMBERS, SESSION, Services, refusal, sts
from tests.faulty import (
    Behaviour,
    FaultyServer,
    Peer,
    invitation,
    page,
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


def _sts(peer: Peer) -> bool:
    if b"AssumeRole" not in peer.request.body:
        return sts(peer)
    text = SESSION.replace("ASIAEXAMPLE", secret("sessionkey"))
    text = text.replace(">secret<", f">{secret('sessionsecret')}<")
    return send(response(text.replace(">token<", f">{secret('sessiontoken')}/+=&amp;&lt;<")))(peer)


def _organizations(peer: Peer) -> bool:
    accounts = [{"Id": one, "Name": "x", "Status": "ACTIVE"} for one in (HUB, *MEMBERS)]
    token = {} if b"NextToken" in peer.request.body else {"NextToken": secret("accountstoken")}
    return send(response(json.dumps({"Accounts": accounts, **token})))(peer)


def _pages(peer: Peer) -> bool:
    token = {} if "nextToken" in peer.request.target else {"nextToken": secret("pagetoken")}
    return send(response(page([invitation()], **token)))(peer)


def _request(peer: Peer) -> str:
    """Repeat a request, as AWS does with the canonical form of one whose signature is wrong.

    What is secret stands in front: the message is cut after some hundred characters.
    """
    sent = peer.request
    headers = "\n".join(f"{name}:{value}" for name, value in sent.headers.items())
    token = sent.headers.get("x-amz-security-token", sent.headers.get("authorization"))
    return f"{token}\n{unquote(sent.body.decode())[-300:]}\n{sent.target}\n{headers}"


def _echo_json(peer: Peer) -> bool:
    body = json.dumps({"message": _request(peer), "__type": "SignatureDoesNotMatch"})
    return send(response(body, 403, {"x-amzn-ErrorType": "SignatureDoesNotMatch"}))(peer)


def _echo_xml(peer: Peer) -> bool:
    text = _request(peer).replace("&", "&amp;").replace("<", "&lt;")
    return send(refusal("SignatureDoesNotMatch", 403, text))(peer)


def _echo_roles(peer: Peer) -> bool:
    return (_echo_xml if b"AssumeRole" in peer.request.body else _sts)(peer)


def _echo_second_page(peer: Peer) -> bool:
    return (_echo_json if "nextToken" in peer.request.target else _pages)(peer)


def _echo_front(peer: Peer) -> bool:
    return send(response(f"<html>{_request(peer)}</html>", 502))(peer)


def _echo_proxy(peer: Peer) -> bool:
    return send(response(f"<html>{peer.request.headers['proxy-authorization']}</html>", 407))(peer)


_WELL = Services(_sts, _organizations, _pages)
_ECHO = Services(_echo_xml, _echo_json, _echo_json)
_PAGES_ECHOED = Services(_sts, _organizations, _echo_second_page)
_NO_HTTP = send_and_close(f"HTTP/1.1 200 OK\r\n{secret('header')}\r\n\r\n".encode())

# -- places of secrets ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """What the exporter is started with, what it then meets, and what of this its output shows.

    In values DIR is the folder of the files, PORT that of AWS.
    """

    variables: Mapping[str, str]
    files: Mapping[str, str]
    aws: Behaviour
    says: str

    def environment(self, folder: Path, port: int) -> dict[str, str]:
        """Write the files; return the variables."""
        for name, text in self.files.items():
            (folder / name).write_text(text)
        variables = {"AWS_ENDPOINT_URL": "http://localhost:PORT", **self.variables}
        return {
            name: value.replace("DIR", str(folder)).replace("PORT", str(port))
            for name, value in variables.items()
        }


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


def _case(
    says: str = _POLLED,
    aws: Behaviour = _WELL,
    keys: Mapping[str, str] = _KEYS,
    files: Mapping[str, str] | None = None,
    **variables: str,
) -> Case:
    """Return a case: where credentials are, and the files and variables that differ."""
    configured = {
        "MACIE_EXPORTER_CONFIG__FILE": "DIR/exporter.yaml",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": REGION,
    }
    usual = {"exporter.yaml": _CONFIGURATION, "token": secret("pod"), "credentials": _PROFILE}
    written = {**usual, "config": "", **(files or {})}
    return Case({**configured, **keys, **variables}, written, aws, says)


def _proxy(at: str, aws: Behaviour = _WELL, says: str = _POLLED) -> Case:
    url = f"http://user:{secret('proxy')}@{at}"
    somewhere = "http://macie.invalid"
    return _case(says, aws, AWS_ENDPOINT_URL=somewhere, NO_PROXY="", HTTP_PROXY=url)


_USER = f"user:{secret('endpoint')}"
_ENDPOINTS = {
    "that refuses": f"http://{_USER}@localhost:{refusing_port()}",
    "without a host": f"http://{_USER}@nowhere.invalid",
    "that is none": f"{_USER}@ x",
    "without a scheme": _USER,
    "with a bad port": f"http://{_USER}@localhost:{secret('port')}",
}
_BAD_PORT = _ENDPOINTS["with a bad port"]
ASKED: Mapping[str, Case] = {
    "all is well": _case("macie_invitations"),
    "everything is repeated": _case(_REPEATED, _ECHO),
    "what STS is sent is repeated": _case(_REPEATED, Services(_echo_roles, _organizations, _pages)),
    "what Macie is sent is repeated": _case(_REPEATED, Services(_sts, _organizations, _echo_json)),
    "page tokens are repeated": _case(_REPEATED, _PAGES_ECHOED),
    "a front repeats": _case("502", Services(_echo_front, _echo_front, _echo_front)),
    "no HTTP": _case("MalformedResponse", Services(_sts, _organizations, _NO_HTTP)),
    "endpoint": _case(_REPEATED, _ECHO, AWS_ENDPOINT_URL=f"http://{_USER}@localhost:PORT"),
    **{f"endpoint {of}": _case(AWS_ENDPOINT_URL=url) for of, url in _ENDPOINTS.items()},
    "endpoint of STS": _case(AWS_ENDPOINT_URL_STS=_USER),
    "proxy that repeats": _proxy("127.0.0.1:PORT", _echo_proxy, "MalformedResponse"),
    "proxy that answers": _proxy("127.0.0.1:PORT", _WELL, "macie_invitations"),
    "proxy that refuses": _proxy(f"127.0.0.1:{refusing_port()}"),
    "proxy that cannot be read": _proxy("[x:99999"),
    "proxy with a bad port": _proxy(f"127.0.0.1:{secret('port')}"),
    "token of two lines": _case(AWS_SESSION_TOKEN=f"{secret('token')}\n{secret('second')}"),
    "token that no header holds": _case(AWS_SESSION_TOKEN=f"{secret('token')}ü€"),
    "AWS files": _case(_REPEATED, _ECHO, _IN_FILES),
    **{
        f"AWS's file {name} cannot be parsed": _case(
            _UNREADABLE, keys=_IN_FILES, files={name: f"{_PROFILE}{secret('lone')}\n"}
        )
        for name in ("credentials", "config")
    },
    "half a profile": _case(keys=_IN_FILES, files={"credentials": f"[default]\n{_KEY_ID}"}),
    "program that gives too little": _case(
        keys={**_IN_FILES, "AWS_SHARED_CREDENTIALS_FILE": "DIR/none"},
        files={"config": f"[default]\ncredential_process = /bin/echo '{_PROGRAM}'\n"},
    ),
    "web identity": _case(_REPEATED, _echo_xml, _BY_A_TOKEN),
    **{
        f"web identity, at an endpoint {of}": _case(keys=_BY_A_TOKEN, AWS_ENDPOINT_URL=url)
        for of, url in _ENDPOINTS.items()
    },
    "another profile's role": _case(_REPEATED, _ECHO, _IN_FILES, _FROM_A_ROLE),
    "another profile's role, at an endpoint with a bad port": _case(
        keys=_IN_FILES, files=_FROM_A_ROLE, AWS_ENDPOINT_URL=_BAD_PORT
    ),
    "a pod's token": _case(
        _NO_AGENT, _echo_xml, {**_AGENT, "AWS_CONTAINER_AUTHORIZATION_TOKEN": secret("container")}
    ),
    "a pod's token in a file": _case(
        _NO_AGENT, _echo_xml, {**_AGENT, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "DIR/token"}
    ),
}

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
_WEB_FILE = {"MACIE_EXPORTER_WEB__CONFIG_FILE": "DIR/web.yaml"}
REFUSED: Mapping[str, Case] = {
    **{of: _case(files={"exporter.yaml": text}) for of, text in _WRONG.items()},
    **{
        f"web file: {of}": _case(keys={**_KEYS, **_WEB_FILE}, files={"web.yaml": text})
        for of, text in _WRONG_WEB.items()
    },
    "not JSON": _case(MACIE_EXPORTER_AWS__ACCOUNTS=f'[{{"external_id": "{secret("json")}'),
    "a variable of its own": _case(
        MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_IDS=secret("variable")
    ),
}


@pytest.fixture(autouse=True)
def _nothing_is_told_to_loggers(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Require that libraries' warnings, which a process writes on standard error, show none."""
    yield
    assert marked(caplog.text) == set()


def outputs(place: Mapping[str, str], *commands: Sequence[str]) -> Iterator[str]:
    """Return everything that commands write."""
    for done in inprocess.commands(place, *commands):
        yield done.stdout + done.stderr


@pytest.mark.parametrize("case", ASKED.values(), ids=ASKED)
def test_who_asks_aws_shows_no_secret(tmp_path: Path, case: Case) -> None:
    """Wherever it stands, whatever cannot be read or asked, and whoever repeats what he was sent.

    Errors name the place to look at, not what stands there.
    """
    with FaultyServer(case.aws) as server:
        said = "".join(outputs(case.environment(tmp_path, server.port), *ASKING))
    assert case.says in said
    assert marked(said) == set()


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_configuration_that_is_refused_shows_no_secret(tmp_path: Path, case: Case) -> None:
    """Errors give the key and the line, not the text of it."""
    for said in outputs(case.environment(tmp_path, 1), ["check"], ["serve"]):
        assert said
        assert marked(said) == set()


def test_what_needs_no_network_shows_no_secret(tmp_path: Path) -> None:
    """Only the trust policy has the external id, which is what it is printed for."""
    check, usage, iam = outputs(_case().environment(tmp_path, 1), ["check"], ["--help"], ["iam"])
    assert "external_id" in check
    assert not marked(check + usage), check + usage
    assert marked(iam) == {secret("externalid"), secret("orgexternalid")}


Run = Callable[[Mapping[str, str], Sequence[str]], AbstractContextManager[Scraped]]


@pytest.mark.parametrize(
    ("aws", "run", "form"),
    [(_WELL, inprocess.running, "json"), (_PAGES_ECHOED, processes.running, "logfmt")],
    ids=["well", "repeated"],
)
def test_what_is_served_shows_no_secret(
    tmp_path: Path, aws: Behaviour, run: Run, form: str
) -> None:
    """Nor the log, which is written at debug level; nor what a process writes as it ends."""
    flags = ["--log.level=debug", f"--log.format={form}", "--web.enable-lifecycle=true"]
    hidden = {"Authorization": basic("tried"), "Cookie": secret("cookie")}
    forms: tuple[dict[str, str], ...] = ({}, {**hidden, "Accept": "application/openmetrics-text"})
    with FaultyServer(aws) as server:
        place = _case().environment(tmp_path, server.port)
        with run(place, flags) as exporter:
            exporter.wait_until_ready()
            asked = [
                (f"{path}?token={secret('query')}", headers) for path in PAGES for headers in forms
            ]
            answers = [exporter.request(path, headers=headers) for path, headers in asked]
            answers.append(exporter.request("/-/reload", "POST"))
            until(lambda: re.search('[="]reloaded', exporter.log) is not None, "reloaded")
    said = exporter.log + str(answers)
    assert "listening" in said
    assert marked(said) == set()


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_who_may_not_read_sees_no_hash(tmp_path: Path, form: str) -> None:
    """Neither the hash, nor the password that was tried, is answered or logged."""
    web = f"basic_auth_users: {{user: {f'$2b$04${MARK}'.ljust(60, '.')}}}\n"
    case = _case(keys={**_KEYS, **_WEB_FILE}, files={"web.yaml": web})
    flags = ["--log.level=debug", f"--log.format={form}"]
    with FaultyServer(_WELL) as server:
        place = case.environment(tmp_path, server.port)
        with inprocess.running(place, flags) as exporter:
            answers = [
                exporter.request(path, headers={"Authorization": basic("tried")})
                for path in ("/metrics", "/targets", "/config")
            ]
    assert {answer.status for answer in answers} == {401}
    said = exporter.log + str(answers)
    assert "listening" in said
    assert marked(said) == set()
