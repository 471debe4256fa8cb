"""What AWS answers instead of a list: each error's code, and how often it is tried again."""

import json
from collections.abc import Mapping
from urllib.parse import quote

import pytest
from botocore.credentials import ReadOnlyCredentials

from exporter.aws.redaction import UNSHOWN
from exporter.error_codes import ERRORS, error_kind, hint_of
from exporter.model import Answer, AwsError, Failure
from tests.aws.conftest import Serve
from tests.aws.rig import REGION, Pauses, Rig, Stage, rig
from tests.faults.services import HUB, IDENTITY, refusal
from tests.faulty import REQUEST_ID, page, response, send

KNOWN = {
    # As in botocore's model of macie2.
    *("AccessDeniedException", "ConflictException", "InternalServerException"),
    *("ResourceNotFoundException", "ServiceQuotaExceededException", "ThrottlingException"),
    "ValidationException",
    # Not modelled, but on the wire all the same.
    *("TooManyRequestsException", "ExpiredTokenException", "UnrecognizedClientException"),
    *("InvalidSignatureException", "IncompleteSignatureException", "RequestExpired"),
    *("ServiceUnavailable", "ServiceUnavailableException", "SlowDown", "InternalFailure"),
    *("MissingAuthenticationTokenException", "OptInRequired"),
}

SOMETHING = "something is wrong"


def error(code: str, status: int, where: str = "header", message: object = SOMETHING) -> bytes:
    """Write an error as AWS's services and their fronts do: the code may be in four places."""
    body: dict[str, object] = {"message": message}
    headers: dict[str, str] = {}
    match where:
        case "header":
            headers = {"x-amzn-ErrorType": code}
        case "header with a link":
            headers = {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/coral/{code}/"}
        case "__type":
            body = {"__type": f"com.amazonaws.macie2#{code}", "Message": message}
        case "code":
            body = {"code": code, "message": message}
        case _:
            pass
    return response(json.dumps(body), status, headers)


@pytest.mark.parametrize("where", ["header", "header with a link", "__type", "code"])
def test_a_code_is_found_wherever_it_stands(patient: Stage, where: str) -> None:
    """With the message and AWS's request id; one outside the table is told.

    Of those, server errors and throttling are tried again soon, under whatever name.
    """
    made = patient.play(send(error("ConflictException", 409, where)))
    assert made.failure() == Failure("ConflictException", SOMETHING, REQUEST_ID)
    for status, code in ((400, "other"), (429, BY_STATUS[429]), (503, BY_STATUS[503])):
        made = patient.play(send(error("BrandNewException", status, where)))
        assert made.failure() == Failure(code, f"BrandNewException: {SOMETHING}", REQUEST_ID)


BY_STATUS = {
    **dict.fromkeys((301, 302, 307, 308, 400, 401, 403, 404, 405, 407, 418), "MalformedResponse"),
    429: "ThrottlingException",
    **dict.fromkeys((500, 502, 503, 504, 599), "InternalServerException"),
}
BODIES = (
    "",
    "{}",
    '{"message": null}',
    "[1, 2]",
    '"text"',
    "Bad Gateway",
    "<html><body><h1>no</h1></body></html>",
    "<!DOCTYPE html>\n<html></html>",
    "\xff\xfe".encode("latin-1"),
    "[" * 100_000,
    '{"code": {"a": 1}}',
    '{"__type": 5}',
)


def test_an_error_without_a_code_goes_by_its_status(patient: Stage) -> None:
    """Such as what load balancers, proxies and captive portals say, whatever their bodies."""
    each_status = [(status, "Bad Gateway") for status in BY_STATUS]
    each_body = [(status, body) for status in (404, 503) for body in BODIES]
    for status, body in each_status + each_body:
        made = patient.play(send(response(body, status, {"Location": "http://127.0.0.1:1/"})))
        failure = made.failure()
        assert (failure.code, failure.request_id) == (BY_STATUS[status], REQUEST_ID), (status, body)


@pytest.mark.parametrize("where", ["header", "__type", "code", "nowhere"])
def test_macie_not_enabled_is_an_answer(patient: Stage, where: str) -> None:
    """It is told by its wording; the status and the place of the code differ."""
    for status in (401, 403):
        said = error("AccessDeniedException", status, where, "Macie is not enabled.")
        assert patient.play(send(said)).read() == Answer(enabled=False)


def test_a_short_key_takes_no_answer_apart(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are hidden in what AWS says, by which an answer is told: a letter is no secret."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "e")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "not")
    serve(send(error("AccessDeniedException", 403, message="Macie is not enabled.")))
    with rig() as made:
        assert made.read() == Answer(enabled=False)


def test_not_enabled_by_another_code_is_no_answer(patient: Stage) -> None:
    """Only a denial says that Macie is off."""
    made = patient.play(send(error("ValidationException", 400, message="Macie is not enabled.")))
    assert made.failure().code == "ValidationException"


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, "<html><p>blocked</p></html>"), (401, '{"message": "blocked"}'), (403, "")],
)
def test_a_denial_without_a_code_is_nobodys_policy(serve: Serve, status: int, body: str) -> None:
    """A proxy's page: the text says so, and the hint names who was asked and where to look."""
    serve(send(response(body, status)))
    with rig() as made:
        told = {"Macie": made.failure(), "STS": identity_failure(made)}
    for service, failure in told.items():
        assert (failure.code, failure.message.startswith((f"{status}: ", f"HTTP {status}"))) == (
            "MalformedResponse",
            True,
        )
        assert hint_of(failure) == (
            f"what answered in the place of {service} does not speak its protocol: check "
            "AWS_ENDPOINT_URL and proxies"
        )


@pytest.mark.parametrize(
    ("message", "hint"),
    [
        ("Signature expired: 20231114T000000Z is now earlier than", "clock of this machine"),
        ("Signature not yet current: 20231115T000000Z is still", "clock of this machine"),
        ("The request signature we calculated does not match", "the secret access key is not that"),
    ],
)
def test_a_wrong_signature_blames_the_clock_only_where_aws_does(
    patient: Stage, message: str, hint: str
) -> None:
    """Else it is the key, or who rewrites requests."""
    for code in ("InvalidSignatureException", "SignatureDoesNotMatch"):
        made = patient.play(send(error(code, 403, message=message)))
        assert hint in hint_of(made.failure())


def identity_failure(made: Rig) -> Failure:
    """Ask STS who this is; give why it does not say."""
    with pytest.raises(AwsError) as caught:
        made.run(made.credentials.who_am_i())
    return caught.value.failure


TOKEN = "FwoGZXIvYXdzEB/a+b=" * 20


def test_a_token_is_hidden_however_it_is_spelled(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In messages and ids of requests, of every service."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    said = quote(TOKEN, safe="").replace("%2F", "&#x2f;")
    headers = {"x-amzn-RequestId": f"id {said} end"}
    server = serve(send(response(json.dumps({"message": f"a {said} z"}), 400, headers)))
    with rig(attempts=1) as made:
        failure = made.failure()
        assert (failure.message, failure.request_id) == (UNSHOWN, "")
        # STS' ids stand in the body.
        server.behave(send(refusal("Throttling", 400, f"a {TOKEN} z")))
        failure = identity_failure(made)
        assert (failure.message, failure.request_id) == ("a ... z", "r")
        server.behave(send(refusal("Throttling", 400).replace(b">r<", b">AKIAEXAMPLE<")))
        assert identity_failure(made).request_id == ""


def test_what_is_no_id_of_a_request_is_none(patient: Stage) -> None:
    """AWS's have 36 characters; what is longer, or no word, is none, whatever the answer."""
    for status in (200, 206, 302, 403, 500):
        for request_id in ("x" * 65, "x " * 9, ""):
            headers = {"x-amzn-RequestId": request_id}
            made = patient.play(send(response("{}", status, headers)))
            assert made.failure().request_id == ""


def test_who_sts_says_that_one_is_is_cut_and_hidden(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`doctor` shows it."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    serve(send(response(IDENTITY.replace("user/x", f"user/{TOKEN} " + "x" * 10_000))))
    with rig() as made:
        arn = made.run(made.credentials.identity()).arn
    assert (len(arn), arn[:36]) == (501, f"arn:aws:iam::{HUB}:user/... x")


def test_a_long_message_is_cut(patient: Stage) -> None:
    """What is no JSON is a message to botocore, all of it; a log line is not the place for that."""
    made = patient.play(send(response("<p>\n" + "very   long\n" * 10_000, 404)))
    message = made.failure().message
    assert message.startswith("404: <p> very long very long")
    assert message.endswith("…")
    assert len(message) == 501


@pytest.mark.parametrize(
    ("code", "times"),
    [("ThrottlingException", 3), ("UnrecognizedClientException", 2), ("ConflictException", 1)],
)
def test_how_often_it_is_asked(serve: Serve, code: str, times: int) -> None:
    """What passes by itself three times, what somebody has to change once.

    With credentials that are refused once more, with those of now, without a pause.
    """
    server, pauses = serve(send(error(code, 400))), Pauses()
    with rig(pauses=pauses) as made:
        failure = made.failure()
        assert (failure, failure.asked) == (
            Failure(code, SOMETHING, REQUEST_ID),
            "macie2:ListInvitations",
        )
        assert made.attempts.codes == [code] * times
        assert made.attempts.counts == {("macie2", "ListInvitations", REGION): times}
    assert len(server.requests) == times
    assert len(pauses.waited) == (2 if times == 3 else 0)


def test_pauses_grow_and_differ(patient: Stage) -> None:
    """Many targets that fail together do not come back together."""
    made = patient.play(send(error("ThrottlingException", 429)))
    for _ in range(5):
        made.failure()
    assert all(0.1 <= first <= 0.3 for first in patient.pauses.waited[::2])
    assert all(0.2 <= second <= 0.6 for second in patient.pauses.waited[1::2])
    assert len({*patient.pauses.waited}) == 10


OF_STS: Mapping[str, tuple[str, int, str]] = {
    "JSON": ("{}", 200, "MalformedResponse"),
    "a DTD": (f"<!DOCTYPE a>{IDENTITY}", 200, "MalformedResponse"),
    "an account too long": (IDENTITY.replace(HUB, HUB * 1000), 200, "MalformedResponse"),
    "other digits": (IDENTITY.replace(HUB, "\u0661" * 12), 200, "MalformedResponse"),
    "no XML, denied": ("no XML", 403, "MalformedResponse"),
    "HTML, failed": ("<!DOCTYPE html><p>no", 503, "InternalServerException"),
}
"""Bodies and statuses of GetCallerIdentity, and the codes that they get."""


def test_sts_may_answer_nonsense_too(serve: Serve) -> None:
    """Its protocol is XML without DTDs; what is none goes by the status as well."""
    server = serve(send(response(IDENTITY)))
    with rig() as made:
        assert made.run(made.credentials.who_am_i()) == HUB
        for name, (body, status, code) in OF_STS.items():
            server.behave(send(response(body, status)))
            assert identity_failure(made).code == code, name


def test_secrets_do_not_reach_a_message(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token with a line break cannot be a header; the error does not show it."""
    server = serve(send(response(page())))
    monkeypatch.setenv("AWS_SESSION_TOKEN", "very-secret\nvery-secret")
    with rig() as made:
        failure = made.failure()
    assert (failure.code, failure.message) == (
        "CredentialsError",
        "a request could not be written: do the credentials hold a line break?",
    )
    assert server.requests == []


def test_a_request_that_cannot_be_made(patient: Stage) -> None:
    """An argument that no URL can hold: nothing is sent, and it is no answer's fault."""
    made = patient.play(send(response(page())))
    keys = ReadOnlyCredentials("AKIAEXAMPLE", "secret", None)
    with pytest.raises(AwsError) as caught:
        made.run(made.client.call("macie2", "ListInvitations", REGION, keys, nextToken="\ud800"))
    message = "no request could be made: UnicodeEncodeError"
    assert caught.value.failure == Failure("other", message)
    assert patient.server.requests == []


def test_a_region_without_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """What botocore objects is told, and nothing is counted as asked."""
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    with rig() as made, pytest.raises(AwsError) as caught:
        made.read(region="us-isof-south-1")
    assert caught.value.failure.code == "EndpointConnectionError"
    assert "no endpoint for macie2: EndpointVariantError: Unable to" in caught.value.failure.message
    assert made.attempts.codes == []


def test_every_code_says_what_to_do() -> None:
    """The table is keyed by its codes, and no row is without a hint."""
    assert all(code == kind.code and len(kind.hint) > 20 for code, kind in ERRORS.items())
    assert error_kind("BrandNewException") == ERRORS["other"]
    assert set(ERRORS) >= KNOWN
