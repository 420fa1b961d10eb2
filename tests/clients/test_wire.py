"""What arrives on the wire: everything gets an answer that a client understands, and nothing ends the server."""

import http.client
import socket

import pytest

from rootward_testkit import FORM, MODELS, Like, allow, fresh, get, policy, refused, signed

IAM, STS = MODELS["iam"].api_version, MODELS["sts"].api_version
MIB = 1024 * 1024


def send(account, content, **arguments):
    return signed(account.server, account.credentials, content, **arguments)


@pytest.fixture(autouse=True)
def server_lives_on(account):
    yield
    assert account.sts.get_caller_identity()["Account"] == account.account


def test_answer_is_the_documented_envelope(account):
    answer = send(account, {"Action": "ListAccountAliases", "Version": IAM})
    request = answer.headers["x-amzn-RequestId"] if "x-amzn-RequestId" in answer.headers else answer.headers["x-amzn-requestid"]
    assert answer.headers.get("Content-Type", answer.headers.get("content-type")) == "text/xml"
    assert answer.text == Like(
        rf'(<\?xml[^>]*\?>\s*)?<ListAccountAliasesResponse xmlns="https://iam\.amazonaws\.com/doc/2010-05-08/">\s*<ListAccountAliasesResult>.*'
        rf"</ListAccountAliasesResult>\s*<ResponseMetadata>\s*<RequestId>{request}</RequestId>\s*</ResponseMetadata>\s*</ListAccountAliasesResponse>\s*")


def test_refusal_is_the_documented_envelope(account):
    answer = send(account, {"Action": "GetUser", "Version": IAM, "UserName": "ghost"})
    assert answer.status == 404
    assert answer.text == Like(
        r'(<\?xml[^>]*\?>\s*)?<ErrorResponse xmlns="https://iam\.amazonaws\.com/doc/2010-05-08/">\s*<Error>\s*<Type>Sender</Type>\s*<Code>NoSuchEntity</Code>\s*'
        r"<Message>The user with name ghost cannot be found\.</Message>\s*</Error>\s*<RequestId>[0-9a-f-]{36}</RequestId>\s*</ErrorResponse>\s*")


@pytest.mark.parametrize("content, message", [
    ({"Action": "Dance", "Version": IAM}, f"Could not find operation Dance for version {IAM}"),
    ({"Action": "ListUsers", "Version": "1999-01-01"}, "Could not find operation ListUsers for version 1999-01-01"),
    ({"Action": "ListUsers"}, "Could not find operation ListUsers for version NO_VERSION_SPECIFIED"),
    ({"Action": "listusers", "Version": IAM}, f"Could not find operation listusers for version {IAM}"),
    ({"Action": "GetCallerIdentity", "Version": IAM}, f"Could not find operation GetCallerIdentity for version {IAM}"),
])
def test_unknown_operation_is_named(account, content, message):
    answer = send(account, content)
    assert (answer.status, answer.code, answer.message) == (400, "InvalidAction", message)


def test_operation_of_another_service_than_the_request_is_signed_for_is_refused(account):
    answer = send(account, {"Action": "GetCallerIdentity", "Version": STS})
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert answer.message.strip() == "Credential should be scoped to correct service: 'sts'."


def test_missing_action_is_named(account):
    for content in ({"Version": IAM}, {"Action": "", "Version": IAM}, ""):
        answer = send(account, content)
        assert (answer.status, answer.code) == (400, "MissingAction")


@pytest.mark.parametrize("kind", ["text/plain", "application/json", "multipart/form-data; boundary=x", "\u00fc"])
def test_other_content_types_are_refused(account, kind):
    answer = send(account, {"Action": "ListUsers", "Version": IAM}, kind=kind)
    assert 400 <= answer.status < 500 and answer.code, answer


@pytest.mark.parametrize("content", [
    b"Action=GetUser&Version=2010-05-08&UserName=%ff", b"Action=GetUser&Version=2010-05-08&UserName=\xff\xfe",
    b"Action=GetUser&Version=2010-05-08&UserName=%", b"Action=GetUser&Version=2010-05-08&UserName=%zz",
    b"\x00\x01\x02", b"Action=GetUser&Version=2010-05-08&UserName=a&UserName=b",
    b"Action=ListUsers&Version=2010-05-08&MaxItems=many", b"Action=ListUsers&Version=2010-05-08&MaxItems=1e3",
    b"Action=ListUsers&Version=2010-05-08&MaxItems=99999999999999999999",
    b"Action=ListPolicies&Version=2010-05-08&OnlyAttached=perhaps",
    b"Action=TagUser&Version=2010-05-08&UserName=a&Tags.member.x.Key=k",
    b"Action=TagUser&Version=2010-05-08&UserName=a&Tags.member.99999999999.Key=k",
    b"Action=TagUser&Version=2010-05-08&UserName=a&Tags.member.0.Key=k",
])
def test_broken_parameters_are_refused_as_the_senders_fault(account, content):
    answer = send(account, content)
    assert 400 <= answer.status < 500 and answer.code and "<Type>Sender</Type>" in answer.text, answer


def test_unknown_parameters_are_ignored(account):
    answer = send(account, {"Action": "ListUsers", "Version": IAM, "Unheard.of.1": "x", "": "y"})
    assert answer.status == 200


@pytest.mark.parametrize("content", [
    "Action=TagUser&Version=2010-05-08&UserName=a&" + "&".join(f"Tags.member.{n}.Key=k{n}" for n in range(1, 3001)),
    "Action=ListUsers&Version=2010-05-08&" + ".".join(["a"] * 5000) + "=1",
    "Action=ListUsers&Version=2010-05-08&" + "&".join(f"p{n}=" for n in range(20_000)),
    "Action=GetUser&Version=2010-05-08&UserName=" + "x" * 500_000,
    "Action=" + "x" * 100_000 + "&Version=2010-05-08",
])
def test_huge_and_deep_requests_are_refused_briefly(account, content):
    answer = send(account, content)
    assert 400 <= answer.status < 500 and answer.code and len(answer.text) < 200_000, answer.text[:500]


def test_body_over_a_mebibyte_is_refused_with_an_answer(account):
    answer = send(account, "Action=GetUser&Version=2010-05-08&UserName=" + "x" * MIB)
    assert answer.status in (400, 413) and answer.code, answer.text[:500]


def raw(server, text):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(text)
        connection.settimeout(10)
        seen = b""
        try:
            while chunk := connection.recv(65536):
                seen += chunk
                if b"\r\n\r\n" in seen:
                    break
        except (TimeoutError, ConnectionResetError):
            pass
    return seen


@pytest.mark.parametrize("text", [
    b"NONSENSE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"h%d: v\r\n" % n for n in range(500)) + b"\r\n",
    b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
])
def test_what_is_not_http_is_refused(account, text):
    seen = raw(account.server, text)
    assert seen == b"" or seen.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), seen[:200]


def test_huge_length_that_never_comes_is_refused_at_once(account):
    seen = raw(account.server, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    assert seen.startswith(b"HTTP/1.1 4"), seen[:200]


def test_post_with_the_parameters_in_the_query_works(account):
    answer = send(account, "", path=f"/?Action=GetCallerIdentity&Version={STS}", service="sts")
    assert answer.status == 200, answer


def test_paths_and_methods_of_nothing_are_refused(account):
    for method in ("PUT", "DELETE", "PATCH"):
        answer = send(account, {"Action": "ListUsers", "Version": IAM}, method=method)
        assert 400 <= answer.status < 500, answer
    assert get(account.server, "/_rootward/nothing-here").status in (403, 404)


def test_operation_that_is_not_written_yet_says_so(account):
    with refused("NotImplemented", Like(".*ListSAMLProviders.*")):
        account.iam.list_saml_providers()
    with refused("NotImplemented", Like(".*DecodeAuthorizationMessage.*")):
        account.sts.decode_authorization_message(EncodedMessage="x")
    # Nothing is signed here, so nothing about the signature can be wrong.
    answer = get(account.server, "/?Action=AssumeRoleWithWebIdentity&Version=2011-06-15")
    assert (answer.status, answer.code) == (501, "NotImplemented") and "AssumeRoleWithWebIdentity" in answer.message


def test_names_that_xml_must_escape_come_back_unchanged(account):
    role = account.role({"Service": "ec2.amazonaws.com"}, Description="<&>\"' \t ünïcode")
    assert account.iam.get_role(RoleName=role["RoleName"])["Role"]["Description"] == "<&>\"' \t ünïcode"
    name = fresh("a+b=c,d.e@f-g_")
    account.iam.create_user(UserName=name)
    assert account.iam.get_user(UserName=name)["User"]["UserName"] == name


def test_many_requests_on_one_connection(account):
    connection = http.client.HTTPConnection("127.0.0.1", account.server.port, timeout=10)
    for _ in range(50):
        connection.request("POST", "/", "Action=ListUsers&Version=2010-05-08", {"Content-Type": FORM})
        answer = connection.getresponse()
        assert answer.status == 403
        answer.read()
    connection.close()


def test_document_of_every_size_up_to_the_limit_arrives(account):
    group = account.group()
    for size in (1, 100, 1000, 5000):
        document = policy(allow("s3:GetObject")) + " " * size
        account.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=document)
    account.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=policy(allow("s3:GetObject")) + " " * 130_000)
