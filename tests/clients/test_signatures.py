"""Signatures: what is refused, and in which words."""

import urllib.request

import pytest

from rootward_testkit import (
    FORM, MODELS, Credentials, Like, Principal, clock_off_by, exchange, get, refused, signed,
)

WHOAMI = {"Action": "GetCallerIdentity", "Version": MODELS["sts"].api_version}
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and "
    "signing method. Consult the service documentation for details."
)


def whoami(account, **arguments):
    return signed(account.server, account.credentials, WHOAMI, service="sts", **arguments)


def header(name, value):
    def edit(request):
        del request.headers[name]
        if value is not None:
            request.headers[name] = value
    return edit


def test_signed_by_hand_is_as_good_as_by_a_client(account):
    answer = whoami(account)
    assert answer.status == 200 and f"<Arn>{account.arn}</Arn>" in answer.text


def test_wrong_secret_shows_what_should_have_been_signed(account):
    wrong = Principal(account.server, account.credentials._replace(secret="x" * 40))
    with refused("SignatureDoesNotMatch", Like(
        MISMATCH.replace(".", r"\.") + r"\n\nThe Canonical String for this request should have been\n'POST\n/\n\n.*"
        r"\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n.*'\n?"
    )):
        wrong.sts.get_caller_identity()


def test_unknown_key_is_refused_before_its_signature(account):
    for key in ("AKIAABCDEFGHIJKLMNOP", "not-a-key", account.credentials.key[:-1] + ("A" if account.credentials.key[-1] != "A" else "B")):
        with refused("InvalidClientTokenId", "The security token included in the request is invalid."):
            Principal(account.server, Credentials(key, "x" * 40)).sts.get_caller_identity()


@pytest.mark.parametrize("minutes", [-14, 14])
def test_clock_may_be_off_by_less_than_a_quarter_of_an_hour(account, minutes):
    with clock_off_by(minutes * 60):
        account.sts.get_caller_identity()


@pytest.mark.parametrize("minutes, message", [
    (-16, r"Signature expired: \d{8}T\d{6}Z is now earlier than \d{8}T\d{6}Z \(\d{8}T\d{6}Z - 15 min\.\)"),
    (16, r"Signature not yet current: \d{8}T\d{6}Z is still later than \d{8}T\d{6}Z \(\d{8}T\d{6}Z \+ 15 min\.\)"),
])
def test_clock_that_is_off_by_more_is_refused(account, minutes, message):
    with clock_off_by(minutes * 60), refused("SignatureDoesNotMatch", Like(message)):
        account.sts.get_caller_identity()


def tampered_body(request):
    request.data = request.data.replace("GetCallerIdentity", "GetSessionToken")


@pytest.mark.parametrize("edit", [
    tampered_body,
    lambda request: setattr(request, "url", request.url + "?extra=1"),
    header("X-Amz-Date", "20200101T000000Z"),
])
def test_change_after_signing_is_refused(account, edit):
    answer = whoami(account, edit=edit)
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")


def edit_authorization(change):
    def edit(request):
        value = change(request.headers["Authorization"])
        del request.headers["Authorization"]
        request.headers["Authorization"] = value
    return edit


def last_digit(value):
    return value[:-1] + ("0" if value[-1] != "0" else "1")


@pytest.mark.parametrize("change, code", [
    (last_digit, "SignatureDoesNotMatch"),
    (lambda value: value.replace("Signature=", "Signature=00"), "SignatureDoesNotMatch|IncompleteSignature"),
    (lambda value: value.replace("SignedHeaders=", "Headers="), "IncompleteSignature"),
    (lambda value: value.split(", Signature=")[0], "IncompleteSignature"),
    (lambda value: value.replace("Credential=", "Credential=x/"), "IncompleteSignature|SignatureDoesNotMatch|InvalidClientTokenId"),
    (lambda value: value.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"), "IncompleteSignature"),
    (lambda value: "AWS4-HMAC-SHA256", "IncompleteSignature"),
    (lambda value: value.replace("aws4_request", "aws5_request"), "SignatureDoesNotMatch"),
    (lambda value: value.replace("/us-east-1/", "/eu-west-1/"), "SignatureDoesNotMatch"),
    (lambda value: value.replace("host;", ""), "SignatureDoesNotMatch"),
    (lambda value: value + "é".encode().decode("latin-1"), "SignatureDoesNotMatch|IncompleteSignature"),
])
def test_broken_authorization_is_refused(account, change, code):
    answer = whoami(account, edit=edit_authorization(change))
    assert answer.status in (400, 403) and answer.code in code.split("|"), answer


def test_scope_of_another_service_is_refused(account):
    answer = signed(account.server, account.credentials, {"Action": "ListUsers", "Version": MODELS["iam"].api_version}, service="s3")
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert "Credential should be scoped to correct service" in answer.message


def test_unsigned_request_is_refused(account):
    for answer in (
        exchange(account.server, "POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", {"Content-Type": FORM}),
        get(account.server, "/?Action=ListUsers&Version=2010-05-08"),
    ):
        assert (answer.status, answer.code, answer.message) == (
            403, "MissingAuthenticationToken", "Request is missing Authentication Token")


def presigned(account, seconds=60):
    sts = account.server.client("sts", account.credentials)
    return sts.generate_presigned_url("get_caller_identity", ExpiresIn=seconds, HttpMethod="GET")


def test_presigned_address_works_for_a_quarter_of_an_hour(account):
    """Whatever it says of its own life: STS does not look at that, and tokens for Kubernetes rely on it."""
    with urllib.request.urlopen(presigned(account), timeout=10) as answer:
        assert f"<Arn>{account.arn}</Arn>" in answer.read().decode()
    with clock_off_by(-14 * 60):
        old = presigned(account)
    assert get(account.server, old.removeprefix(account.server.url)).status == 200
    with clock_off_by(-16 * 60):
        late = presigned(account, seconds=7200)
    answer = get(account.server, late.removeprefix(account.server.url))
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch"), answer
    assert answer.message.startswith("Signature expired:"), answer


@pytest.mark.parametrize("old, new", [
    ("GetCallerIdentity", "GetSessionToken"), ("X-Amz-Expires=60", "X-Amz-Expires=600"), ("X-Amz-Expires=60", "X-Amz-Expires=999999999"),
    ("X-Amz-Signature=", "X-Amz-Signature=0"), ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders="),
])
def test_changed_presigned_address_is_refused(account, old, new):
    path = presigned(account).removeprefix(account.server.url)
    assert old in path
    answer = get(account.server, path.replace(old, new))
    assert answer.status in (400, 403) and answer.code in ("SignatureDoesNotMatch", "IncompleteSignature", "AuthorizationQueryParametersError"), answer


def test_session_token_must_be_signed_along(account):
    temporary = Credentials.of(account.sts.get_session_token()["Credentials"])
    answer = signed(account.server, temporary, WHOAMI, service="sts", edit=header("X-Amz-Security-Token", None))
    assert answer.status == 403 and answer.code in ("InvalidClientTokenId", "SignatureDoesNotMatch", "MissingAuthenticationToken")
    whole = signed(account.server, temporary, WHOAMI, service="sts")
    assert whole.status == 200


def test_answer_to_a_wrong_signature_does_not_hold_the_secret(account):
    answer = whoami(account, edit=edit_authorization(last_digit))
    assert account.credentials.secret not in answer.text
