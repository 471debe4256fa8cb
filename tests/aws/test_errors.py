"""What AWS answers instead of a list: each error's code, and how often it is tried again."""

import json
from collections.abc import Sequence
from itertools import product
from urllib.parse import quote

import pytest

from exporter.aws.redaction import UNSHOWN
from exporter.error_codes import hint_of
from exporter.model import Answer, AwsError, Failure
from tests.aws.conftest import Serve
from tests.aws.rig import REGION, Pauses, Rig, Stage, rig
from tests.faults.services import HUB, IDENTITY, refusal
from tests.faulty import REQUEST_ID, page, response, send

SOMETHING = "something is wrong"
OFF = "Macie is not enabled."


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


def identity_failure(made: Rig) -> Failure:
    """Ask STS who this is; give why it does not say."""
    with pytest.raises(AwsError) as caught:
        made.run(made.credentials.who_am_i())
    return caught.value.failure


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
BODIES: Sequence[str | bytes] = (
    *("", "{}", '{"message": null}', "[1, 2]", '"text"', "Bad Gateway", "[" * 100_000),
    *("<html><body><h1>no</h1></body></html>", "<!DOCTYPE html>\n<html></html>"),
    *(b"\xff\xfe", '{"code": {"a": 1}}', '{"__type": 5}'),
)


def test_an_error_without_a_code_goes_by_its_status(patient: Stage) -> None:
    """Such as what load balancers, proxies and captive portals say, whatever their bodies.

    A denial of theirs is nobody's policy: the hint names who was asked, and where to look.
    """
    for status, body in (*product(BY_STATUS, ["Bad Gateway"]), *product((403, 503), BODIES)):
        made = patient.play(send(response(body, status, {"Location": "http://127.0.0.1:1/"})))
        failure = made.failure()
        assert (failure.code, failure.request_id) == (BY_STATUS[status], REQUEST_ID), (status, body)
        is_strange = hint_of(failure).startswith("what answered in the place of Macie does not")
        assert is_strange == (failure.code == "MalformedResponse")


@pytest.mark.parametrize("where", ["header", "__type", "code", "nowhere"])
def test_macie_not_enabled_is_an_answer(patient: Stage, where: str) -> None:
    """It is told by the wording of a denial; the status and the place of the code differ."""
    for status in (401, 403):
        said = error("AccessDeniedException", status, where, OFF)
        assert patient.play(send(said)).read() == Answer(enabled=False)
    made = patient.play(send(error("ValidationException", 400, message=OFF)))
    assert made.failure().code == "ValidationException"


def test_a_short_key_takes_no_answer_apart(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are hidden in what AWS says, by which an answer is told: a letter is no secret."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "e")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "not")
    serve(send(error("AccessDeniedException", 403, message=OFF)))
    with rig() as made:
        assert made.read() == Answer(enabled=False)


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


# -- what is repeated of it ---------------------------------------------------------------------

TOKEN = "FwoGZXIvYXdzEB/a+b=" * 20


def test_a_token_is_hidden_wherever_it_is_repeated(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In messages and ids of requests, of every service, and in who STS says that one is."""
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
        repeated = "<Code>Throttling</Code></Error><RequestId>AKIAEXAMPLE</RequestId>"
        server.behave(send(response(f"<ErrorResponse><Error>{repeated}</ErrorResponse>", 400)))
        failure = identity_failure(made)
        assert (failure.code, failure.request_id) == ("Throttling", "")
        arn = f"user/{TOKEN} " + "x" * 10_000
        server.behave(send(response(IDENTITY.replace("user/x", arn))))
        shown = made.run(made.credentials.identity()).arn
        assert (len(shown), shown[:36]) == (501, f"arn:aws:iam::{HUB}:user/... x")


def test_a_token_that_no_header_holds(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent, and the error does not show it."""
    server = serve(send(response(page())))
    monkeypatch.setenv("AWS_SESSION_TOKEN", "very-secret\nvery-secret")
    with rig() as made:
        failure = made.failure()
    message = "a request could not be written: do the credentials hold a line break?"
    assert failure == Failure("CredentialsError", message)
    assert server.requests == []


def test_what_is_no_id_of_a_request_is_none(patient: Stage) -> None:
    """AWS's have 36 characters; what is longer, or no word, is none, whatever the answer."""
    for status, said in product((200, 206, 302, 403, 500), ("x" * 65, "x " * 9, "")):
        made = patient.play(send(response("{}", status, {"x-amzn-RequestId": said})))
        assert made.failure().request_id == ""


def test_a_long_message_is_cut(patient: Stage) -> None:
    """What is no JSON is a message to botocore, all of it; a log line is not the place for that."""
    made = patient.play(send(response("<p>\n" + "very   long\n" * 10_000, 404)))
    message = made.failure().message
    assert message.startswith("404: <p> very long very long")
    assert message.endswith("…")
    assert len(message) == 501


# -- how often it is asked ----------------------------------------------------------------------


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
        assert made.failure().asked == "macie2:ListInvitations"
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


def test_sts_may_answer_nonsense_too(serve: Serve) -> None:
    """An account is twelve digits; what is no XML goes by the status as well."""
    server = serve(send(response(IDENTITY)))
    with rig() as made:
        assert made.run(made.credentials.who_am_i()) == HUB
        for body, status, code in (
            ("{}", 200, "MalformedResponse"),
            (IDENTITY.replace(HUB, HUB * 1000), 200, "MalformedResponse"),
            (IDENTITY.replace(HUB, "\u0661" * 12), 200, "MalformedResponse"),
            ("no XML", 403, "MalformedResponse"),
            ("<!DOCTYPE html><p>no", 503, "InternalServerException"),
        ):
            server.behave(send(response(body, status)))
            assert identity_failure(made).code == code, body
