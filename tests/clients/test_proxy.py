"""Behind a proxy: what it says of its clients is believed, and what anybody else says is not."""

import pytest

from rootward_testkit import Server, allow, signed
from test_console import client, mark

CLIENT = "198.51.100.7"


@pytest.fixture(scope="module", params=[("--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "203.0.113.1"), ()], ids=["trusted", "not trusted"])
def behind(request, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("proxy"), *request.param).start()
    yield server, bool(request.param)
    server.stop()


def listing(server, user, forwarded, proto="http"):
    def say(request):
        request.headers["X-Forwarded-For"], request.headers["X-Forwarded-Proto"] = forwarded, proto
    return signed(server, user.credentials, {"Action": "ListUsers", "Version": "2010-05-08"}, edit=say)


def last_source(server, who):
    return [record for record in server.trail() if record["userIdentity"].get("arn") == who.arn][-1]["sourceIPAddress"]


def test_source_of_a_call_is_what_the_proxy_has_seen(behind):
    server, trusted = behind
    account = server.account()
    user = account.user(allow("iam:ListUsers", IpAddress={"aws:SourceIp": f"{CLIENT}/32"}))
    for forwarded, is_client in [(CLIENT, True), (f"192.0.2.1, {CLIENT}, 203.0.113.1", True), (f"{CLIENT}, 192.0.2.1", False)]:
        assert (listing(server, user, forwarded).status == 200) == (trusted and is_client), forwarded
    assert listing(server, user, CLIENT).status == (200 if trusted else 403)
    assert last_source(server, user) == (CLIENT if trusted else "127.0.0.1")


def test_proxy_says_whether_the_transport_is_secure(behind):
    server, trusted = behind
    user = server.account().user(allow("iam:ListUsers", Bool={"aws:SecureTransport": "true"}))
    assert listing(server, user, CLIENT, "http").status == 403
    assert listing(server, user, CLIENT, "https").status == (200 if trusted else 403)


def test_cookies_are_secure_where_the_proxy_speaks_tls(behind):
    server, trusted = behind
    with client(server) as http:
        for proto, secure in [("https", trusted), ("http", False)]:
            cookie = http.get("/console/sign-in?door=root", headers={"x-forwarded-proto": proto}).headers["set-cookie"]
            assert ("; Secure" in cookie) == secure


def test_guesses_are_counted_by_the_client_behind_the_proxy(behind):
    server, trusted = behind
    with client(server) as http:
        def tried(source, number):
            form = {"email": f"nobody{number}@example.com", "password": "wrong", "mark": mark(http.get("/console/sign-in?door=root").text)}
            return http.post("/console/sign-in", data=form, headers={"x-forwarded-for": source}).status_code

        codes = [tried(CLIENT, number) for number in range(21)]
        assert codes[-1] == 429
        assert tried("198.51.100.8", 99) == (403 if trusted else 429)


def test_console_is_counted_by_route_and_without_names(behind):
    server, _ = behind
    with client(server) as http:
        for path in ["/console/sign-in?door=root", "/console/users/secret-name", "/console/no-such-page-as-this"]:
            http.get(path)
        text = http.get("/_rootward/metrics").text
    assert 'rootward_pages_total{page="/console/sign-in",method="GET",status="200"}' in text
    assert 'page="/console/users/{name}",method="GET",status="303"' in text and 'page="none"' in text
    assert "secret-name" not in text and "no-such-page" not in text and "door=root" not in text


@pytest.mark.parametrize("given", ["0.0.0.0/0", "10.0.0.1/8", "proxy.example.com", "::ffff:10.0.0.0/104"])
def test_nonsense_is_refused(tmp_path, given):
    Server(tmp_path).host("serve", "--listen", "127.0.0.1:0", "--trusted-proxy", given, code=2)
