"""The console, in a real browser and by requests that no browser would send."""

import json
import re
import time
from urllib.parse import urlencode

import httpx
import pyotp
import pytest

from browser import browser
from rootward_testkit import Server

HTML = "<img src=x onerror=alert(1)>"
APPROVERS = ("ann", "bob", "cleo")


def setup_code(server):
    return re.search(r"setup code (\S+)", server.log.read_text())[1]


def start(folder):
    server = Server(folder)
    server.command += ["--url", f"http://localhost:{server.port}"]
    return server.start()


@pytest.fixture
def fresh(tmp_path):
    """A server without an account."""
    server = start(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A server with an account, its root user's password and authenticator, and the user ann, who may do everything."""
    server = start(tmp_path_factory.mktemp("console"))
    root = {}
    with browser(f"http://localhost:{server.port}") as page:
        root["password"] = open_account(page, server)
        sign_in_as_root(page, root["password"])
        root["totp"] = register_app(page)
        root["account"], root["ann"] = make_user(page, "ann")
    yield server, root
    server.stop()


def open_account(page, server, name="Example Corp"):
    page.open("/console")
    page.fill(code=setup_code(server), name=name, email="root@example.com").press("Generate")
    password = page.value("password")
    page.press("Open the account")
    return password


def sign_in_as_root(page, password, code=None, reason="set-up"):
    page.open("/console/sign-in?door=root").fill(email="root@example.com", password=password).press("Sign in")
    if code:
        page.fill(code=code).press("Continue")
    page.fill(reason=reason).press("Break the glass")


def sign_in(page, account, name, password):
    page.open("/console/sign-in").fill(account=account, name=name, password=password).press("Sign in")


def register_app(page):
    """Registers an authenticator app for who is signed in, with codes of the last minute: the present one is still to be used."""
    page.open("/console/security/register").press("Set up an app")
    totp, now = pyotp.TOTP(page.text("details code")), time.time()
    page.fill(first=totp.at(now - 60), second=totp.at(now - 30)).press("Register")
    assert page.notices == ["The second factor is registered. From now on it is asked for when you sign in."]
    return totp


def make_user(page, name):
    page.open("/console/start").fill(name=name).press("Generate")
    password = page.value("password")
    page.press("Make the user")
    return page.text("dl.facts dd:nth-of-type(1)"), password


def client(server, agent="test"):
    return httpx.Client(base_url=f"http://localhost:{server.port}", headers={"user-agent": agent}, timeout=30)


def mark(html):
    return re.search(r'name="mark" value="([^"]+)"', html)[1]


def session_of(server, root, agent="test"):
    """A client that is signed in as ann."""
    http = client(server, agent)
    form = {"account": root["account"], "name": "ann", "password": root["ann"], "next": "/console"}
    answer = http.post("/console/sign-in", data={**form, "mark": mark(http.get("/console/sign-in").text)})
    assert answer.status_code == 303, answer.text
    return http


def test_newcomer_is_led_from_an_empty_server_to_a_protected_root_user(fresh):
    with browser(f"http://localhost:{fresh.port}") as page:
        password = open_account(page, fresh)
        assert page.title == "Sign in" and page.value("email") == "root@example.com"
        page.fill(password=password).press("Sign in")
        assert page.title == "The root user is sealed"
        page.fill(reason="first set-up").press("Break the glass")
        assert page.title == "Root is not protected yet"
        page.press("Register a second factor").press("Set up an app")
        totp, now = pyotp.TOTP(page.text("details code")), time.time()
        page.fill(first=totp.at(now), second=totp.at(now + 30)).press("Register")
        page.press("Protection")
        assert page.title == "Root is protected"
        page.press("Make one").fill(name="ann").press("Generate")
        user_password = page.value("password")
        page.press("Make the user")
        account = page.text("dl.facts dd:nth-of-type(1)")
        page.press("Sign out")
        sign_in(page, account, "ann", user_password)
        assert page.title == "Root is protected"
        assert page.complaints() == []


def test_passkey_is_registered_and_signs_in(fresh):
    with browser(f"http://localhost:{fresh.port}") as page:
        page.add_authenticator()
        password = open_account(page, fresh)
        sign_in_as_root(page, password)
        page.open("/console/security/register").press("Register a passkey").wait_for("Security credentials")
        assert ":u2f/root/key-" in page.text("td code")
        page.press("Sign out").open("/console/sign-in?door=root")
        page.fill(email="root@example.com", password=password).press("Sign in")
        page.press("Use a passkey or security key").wait_for("The root user is sealed")
        page.fill(reason="drill").press("Break the glass")
        assert page.title == "Root is protected"
        assert page.complaints() == []
    login = [record for record in fresh.trail() if record["eventName"] == "ConsoleLogin"][-1]
    assert ":u2f/root/key-" in login["additionalEventData"]["MFAIdentifier"]


def test_wrong_setup_code_opens_nothing(fresh):
    with browser(f"http://localhost:{fresh.port}") as page:
        page.open("/console").fill(code="AAAAA-AAAAA-AAAAA-AAAAA", name="n", email="root@example.com")
        page.press("Generate").press("Open the account")
        assert page.notices == ["The setup code is wrong. It is in the output of rootward serve."]
    assert json.loads(fresh.host("root", "status", "--format", "json")) == {"RootUsers": []}


def test_what_people_write_is_shown_as_text(fresh):
    with browser(f"http://localhost:{fresh.port}") as page:
        sign_in_as_root(page, open_account(page, fresh, name=HTML))
        assert HTML in page.text(".account")
        page.open("/console/users").fill(name="ann").press("Create user")
        document = '{"Version": "2012-10-17", "Statement": [], "Id": "</textarea><script>alert(1)</script>"}'
        page.driver.execute_script("document.querySelectorAll('details').forEach((each) => each.open = true)")
        page.fill(policy="p").driver.execute_script(
            "const field = document.getElementById('new-document'); field.value = arguments[0];", document
        )
        page.press("Add")
        # Whether or not such a policy is taken, nothing of it runs.
        assert page.complaints() == []
        assert page.driver.execute_script("return document.querySelectorAll('main script, main img').length") == 0


def test_session_ends_with_signing_out_and_is_for_its_browser(ready):
    server, root = ready
    http = session_of(server, root)
    cookies = dict(http.cookies)
    assert http.get("/console/users").status_code == 200
    elsewhere, thief = client(server, "other"), client(server)
    for other in (elsewhere, thief):
        other.cookies.update(cookies)
    assert elsewhere.get("/console/users").status_code == 303
    assert thief.get("/console/users").status_code == 200
    answer = http.post("/console/sign-out", data={"mark": mark(http.get("/console").text)})
    assert answer.status_code == 303 and 'rootward-session=;' in answer.headers["set-cookie"]
    assert thief.get("/console/users").headers["location"].startswith("/console/sign-in")


def test_cookies_and_headers_are_strict(ready):
    server, root = ready
    http = client(server)
    answer = http.get("/console/sign-in")
    for header, value in {
        "x-frame-options": "DENY", "x-content-type-options": "nosniff", "cache-control": "no-store",
        "referrer-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
    }.items():
        assert answer.headers[header] == value
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    for cookie in answer.headers.get_list("set-cookie"):
        assert {"HttpOnly", "SameSite=Strict", "Path=/console"} <= set(cookie.split("; ")), cookie


@pytest.mark.parametrize("headers", [{}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}])
def test_form_of_another_page_does_nothing(ready, headers):
    server, root = ready
    http = session_of(server, root)
    good = mark(http.get("/console/users").text)
    form = {"name": "forged", "mark": good if headers else "x" * 43}
    assert http.post("/console/users", data=form, headers=headers).status_code == 403
    assert "forged" not in http.get("/console/users").text


def test_sign_in_form_of_another_page_does_nothing(ready):
    server, root = ready
    form = {"account": root["account"], "name": "ann", "password": root["ann"], "next": "/console", "mark": "x" * 43}
    answer = client(server).post("/console/sign-in", data=form)
    assert answer.status_code == 403 and "rootward-session" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere(ready, next):
    server, root = ready
    http = client(server)
    page = http.get("/console/sign-in?" + urlencode({"next": next}))
    assert 'name="next" value="/console"' in page.text
    form = {"account": root["account"], "name": "ann", "password": root["ann"], "next": next, "mark": mark(page.text)}
    assert http.post("/console/sign-in", data=form).headers["location"] == "/console"


def test_host_header_is_built_into_nothing(ready):
    server, _ = ready
    answer = client(server).get("/console", headers={"host": "evil.example"})
    assert "evil" not in answer.headers["location"]
    assert "evil" not in client(server).get("/console/sign-in", headers={"host": "evil.example"}).text


def test_who_does_not_exist_is_answered_like_who_does(ready):
    server, root = ready
    told = set()
    for account, name in ((root["account"], "ann"), (root["account"], "nobody"), ("999999999999", "ann")):
        http = client(server)
        form = {"account": account, "name": name, "password": "wrong", "next": "/console"}
        answer = http.post("/console/sign-in", data={**form, "mark": mark(http.get("/console/sign-in").text)})
        told.add((answer.status_code, re.search(r'role="alert">([^<]+)', answer.text)[1]))
    assert told == {(403, "Name or password is wrong.")}


def test_two_of_three_must_agree_before_the_root_user_is_in(tmp_path):
    server = start(tmp_path)
    base = f"http://localhost:{server.port}"
    users = {}
    with browser(base) as root, browser(base) as other:
        password = open_account(root, server)
        sign_in_as_root(root, password)
        totp = register_app(root)
        for name in APPROVERS:
            account, user_password = make_user(root, name)
            sign_in(other, account, name, user_password)
            users[name] = (user_password, register_app(other))
            other.press("Sign out")
        root.press("Sign out")
        approvers = [part for name in APPROVERS for part in ("--user", name)]
        server.host("root", "approvers", "--account", account, "--required", "2", *approvers)

        root.open("/console/sign-in?door=root").fill(email="root@example.com", password=password).press("Sign in")
        root.fill(code=totp.now()).press("Continue")
        root.fill(reason="drill").press("Ask for approval")
        for number, name in enumerate(APPROVERS[:2]):
            assert root.title == "Waiting for approval" and f"{number} of 2" in root.text("[role=status]")
            user_password, user_totp = users[name]
            sign_in(other, account, name, user_password)
            other.fill(code=user_totp.now()).press("Continue")
            other.press("Root access").press("Approve")
            assert other.notices == ["You have agreed."]
            other.press("Sign out")
            # One person counts once, and one is not enough.
            root.press("Look again")
        assert root.title in ("Root is protected", "Root is not protected yet")
    events = [record["eventName"] for record in server.trail()]
    assert {"RootAccessRequested", "ApproveRootAccess", "RootSessionStarted", "ConsoleLogin", "CheckMfa"} <= set(events)
    server.stop()
