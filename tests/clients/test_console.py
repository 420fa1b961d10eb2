"""The console, in a real browser and by requests that no browser would send."""

import json
import re
import time
from urllib.parse import quote, urlencode

import pyotp
import pytest

from browser import browser
from console_client import client, mark
from rootward_testkit import NEW_PASSWORD, PASSWORD, Server

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
    assert page.driver.find_element("xpath", "//button[.='Copy']").is_displayed()
    password = page.value("password")
    page.press("Open the account")
    return password


def sign_in_as_root(page, password, code=None, reason="set-up"):
    page.open("/console/sign-in?door=root").fill(email="root@example.com", password=password).press("Sign in")
    if code:
        page.fill(code=code).press("Continue")
    page.fill(reason=reason).press("Sign in as root")


def sign_in(page, account, name, password):
    page.open("/console/sign-in").fill(account=account, name=name, password=password).press("Sign in")


def register_app(page):
    """Registers an authenticator app for who is signed in, with codes of the last minute: the present one is still to be used."""
    page.open("/console/security/register").press("Set up an app")
    totp, now = pyotp.TOTP(page.text("details code")), time.time()
    page.fill(first=totp.at(now - 60), second=totp.at(now - 30)).press("Register")
    assert page.notices[0] == "The second factor is registered. From now on it is asked for when you sign in."
    return totp


def make_user(page, name):
    page.open("/console/start").fill(name=name).press("Generate")
    password = page.value("password")
    page.press("Create user")
    return page.text("dl.facts dd:nth-of-type(1)"), password


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
        page.fill(reason="first set-up").press("Sign in as root")
        assert page.title == "Root is not protected yet"
        page.press("Register a second factor").press("Set up an app")
        totp, now = pyotp.TOTP(page.text("details code")), time.time()
        page.fill(first=totp.at(now), second=totp.at(now + 30)).press("Register")
        page.press("Protection")
        assert page.title == "Root is protected"
        page.press("Create one").fill(name="ann").press("Generate")
        user_password = page.value("password")
        page.press("Create user")
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
        page.fill(reason="drill").press("Sign in as root")
        assert page.title == "Root is protected"
        assert page.complaints() == []
    login = fresh.events("ConsoleLogin")[-1]
    assert ":u2f/root/key-" in login["additionalEventData"]["MFAIdentifier"]


def test_first_account_is_on_record_as_opened_from_a_browser_with_the_setup_code(fresh):
    http = client(fresh, "a browser")
    form = {"code": setup_code(fresh), "name": "Example", "email": "root@example.com", "password": PASSWORD, "again": PASSWORD}
    opened = http.post("/console/first-run", data={**form, "mark": mark(http.get("/console/first-run").text)})
    assert opened.status_code == 303, opened.text
    [record] = fresh.events("CreateAccount")
    assert (record["sourceIPAddress"], record["userAgent"]) == ("127.0.0.1", "a browser")
    assert record["userIdentity"]["invokedBy"] == "rootward setup code"


def test_first_door_is_the_root_users_until_there_are_users(fresh):
    with browser(f"http://localhost:{fresh.port}") as page:
        http = client(fresh)
        first = http.get("/console/first-run").text
        assert "Store it now" in first
        password = open_account(page, fresh)
        again = {"mark": mark(first), "code": "x", "name": "n", "email": "other@example.com", "password": "p", "again": "p"}
        answer = http.post("/console/first-run", data=again)
        page.open(answer.headers["location"])
        assert page.notices == ["An account is open already: nothing was changed. Sign in."]
        page.open("/console").fill(email="root@example.com", password="wrong").press("Sign in")
        assert page.notices == ["The e-mail address or password is wrong."]
        page.fill(password=password).press("Sign in")
        assert page.value("reason") == "Set up the account"
        page.press("Sign in as root")
        steps = [step.text.split("\n")[0] for step in page.driver.find_elements("css selector", "ol.points li")]
        assert [step[:2] for step in steps] == ["1.", "2.", "3."]
        make_user(page, "ann")
        page.press("Sign out").open("/console/sign-in")
        assert page.value("account") == ""
        # Another time nothing is suggested.
        page.open("/console/sign-in?door=root").fill(email="root@example.com", password=password).press("Sign in")
        assert page.value("reason") == ""


def test_session_that_is_over_is_told_at_its_own_door(ready):
    server, root = ready
    ann = session_of(server, root)
    other = client(server)
    other.cookies.update(dict(ann.cookies))
    good = mark(ann.get("/console/users").text)
    ann.post("/console/sign-out", data={"mark": good})
    # Who has signed out has no session that could be over.
    assert "done" not in ann.get("/console/users").headers["location"]
    shown = other.get(other.get("/console/users").headers["location"]).text
    assert "Your session has ended." in shown and f'value="{root["account"]}"' in shown
    formed = other.post("/console/users", data={"mark": good, "name": "lost"})
    assert "Your session has ended, and nothing was saved." in other.get(formed.headers["location"]).text
    other.cookies["rootward-door"] = "root"
    assert "door=root" in other.get("/console/users").headers["location"]


def test_role_has_no_credentials_of_its_own(ready):
    server, root = ready
    http = session_of(server, root)
    form = {"mark": mark(http.get("/console/roles").text)}
    trust = {"Effect": "Allow", "Principal": {"AWS": root["account"]}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    assert http.post("/console/roles", data={**form, "name": "reader", "description": "", "trust": document}).status_code == 303
    wanted = {**form, "account": root["account"], "display": "", "colour": "red"}
    refused = http.post("/console/switch-role", data={**wanted, "role": "nobody"})
    assert refused.status_code == 403 and "Either there is no such role, or its trust policy does not let you in" in refused.text
    assert http.post("/console/switch-role", data={**wanted, "role": "reader"}).status_code == 303
    shown = http.get("/console/security")
    assert shown.status_code == 200 and "has no password, no second factors and no access keys of its own" in shown.text
    assert "ValidationError" not in shown.text and 'action="/console/security/password"' not in shown.text
    assert http.get("/console/security/register").headers["location"] == "/console/security"


def test_user_that_is_made_twice_is_there_already(ready):
    server, root = ready
    http = session_of(server, root)
    form = {"mark": mark(http.get("/console/start").text), "name": "twice", "password": PASSWORD, "policy": "read", "own": "yes"}
    assert http.post("/console/start", data=form).status_code == 200
    again = http.post("/console/start", data=form)
    assert again.status_code == 409 and "twice is there already. Set another password" in again.text


def test_wrong_codes_of_an_app_are_told_with_what_to_do(ready):
    server, root = ready
    with browser(f"http://localhost:{server.port}") as page:
        sign_in(page, root["account"], "ann", root["ann"])
        page.open("/console/security/register").press("Set up an app")
        totp, now = pyotp.TOTP(page.text("details code")), time.time()
        page.fill(first=totp.at(now), second=totp.at(now)).press("Register")
        assert page.notices[0].startswith("That is one code twice.")
        page.fill(first=totp.at(now - 3_600), second=totp.at(now - 3_570)).press("Register")
        assert "the clock of the phone" in page.notices[0]


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

def test_refusals_are_alike_on_every_page(ready):
    """What is refused has its status on every page, in the API's words, and what may not be read says so where it would be."""
    server, root = ready
    ann = session_of(server, root)
    form = {"mark": mark(ann.get("/console/users").text)}
    assert ann.post("/console/users", data={**form, "name": "limited"}).status_code in (303, 409)
    page = ann.post("/console/users/limited", data={**form, "do": "set-password", "password": PASSWORD})
    assert page.status_code == 200
    for path in ("users", "groups", "roles"):
        assert ann.get(f"/console/{path}/nobody").status_code == 404
        again = ann.post(f"/console/{path}", data={**form, "name": "!", "description": "", "trust": "{}"})
        assert (again.status_code, 'role="alert"' in again.text) == (400, True), path
    malformed = ann.post("/console/users/limited", data={**form, "do": "fly"})
    assert malformed.status_code == 400 and "variant" not in malformed.text and "Something is missing" in malformed.text
    assert ann.get("/console/policies?of=everybody").status_code == 400
    assert ann.get("/console/security/register/app/finish").headers["location"] == "/console/security/register/app"
    limited = client(server)
    form = {"account": root["account"], "name": "limited", "password": PASSWORD, "next": "/console"}
    limited.post("/console/sign-in", data={**form, "mark": mark(limited.get("/console/sign-in").text)})
    # Home is their own.
    home = limited.get("/console")
    assert home.status_code == 200 and "You may not see this." not in home.text and ":user/limited</code>" in home.text
    assert "You are an approver" not in limited.get("/console/access").text
    for path, action in {
        "users": "iam:ListUsers", "groups": "iam:ListGroups", "roles": "iam:ListRoles", "policies": "iam:ListPolicies",
        "access": "rootward:ListRootAccessRequests", "password-policy": "iam:GetAccountPasswordPolicy",
    }.items():
        answer = limited.get(f"/console/{path}")
        assert "You may not see this." in answer.text and action in answer.text, path
        assert "None yet" not in answer.text and "Nobody has asked" not in answer.text, path
        assert answer.status_code == (200 if path == "access" else 403), path


def test_address_to_sign_in_at_is_shown_as_the_browser_has_it(ready):
    server, root = ready
    http = session_of(server, root)
    page = http.get("/console/start").text
    host = {"host": "iam.example.com"}
    form = {"mark": mark(page), "name": "dora", "password": PASSWORD, "policy": "read"}
    made = http.post("/console/start", data=form, headers=host)
    assert f"http://iam.example.com/console/sign-in?account={root['account']}" in made.text
    shown = http.post(
        "/console/users/dora", data={"mark": mark(page), "do": "set-password", "password": PASSWORD},
        headers={"host": '"><b>x'},
    )
    assert "<b>x" not in shown.text and f"http://localhost:{server.port}/console/sign-in" in shown.text


def test_user_who_must_choose_a_new_password_can(ready):
    server, root = ready
    http = session_of(server, root)
    form = {"mark": mark(http.get("/console/users").text)}
    http.post("/console/users", data={**form, "name": "emil"})
    set_password = {**form, "do": "set-password", "password": PASSWORD, "reset": "yes"}
    page = http.post("/console/users/emil", data=set_password)
    assert "<code>IAMUserChangePassword</code> was attached" in page.text
    # Taken away again, the page says what follows, and mends it.
    http.post("/console/users/emil/policies", data={
        **form, "do": "detach", "arn": "arn:aws:iam::aws:policy/IAMUserChangePassword",
    })
    assert "No policy lets emil choose a new password" in http.get("/console/users/emil").text
    http.post("/console/users/emil", data={**form, "do": "let-choose"})
    assert "No policy lets emil" not in http.get("/console/users/emil").text
    with browser(f"http://localhost:{server.port}") as page:
        sign_in(page, root["account"], "emil", PASSWORD)
        page.fill(old=PASSWORD, new=PASSWORD, again=PASSWORD).press("Change password")
        assert "must not be the present password" in page.notices[0]
        page.fill(old=PASSWORD, new=NEW_PASSWORD, again=NEW_PASSWORD).press("Change password")
        assert page.path == "/console"


@pytest.mark.parametrize("policy", ["power", "read"])
def test_user_with_few_permissions_registers_a_second_factor_and_removes_it_with_it(ready, policy):
    server, root = ready
    http, name = session_of(server, root), f"few-{policy}"
    form = {"mark": mark(http.get("/console/start").text), "name": name, "password": PASSWORD, "policy": policy, "own": "yes"}
    assert f"{name} is there." in http.post("/console/start", data=form).text
    assert "ManageOwnPasswordAndMfa" in http.get(f"/console/users/{name}").text
    with browser(f"http://localhost:{server.port}") as page:
        sign_in(page, root["account"], name, PASSWORD)
        register_app(page)
        # Another has another name, and nobody's but their own.
        page.open("/console/security/register")
        assert page.value("name") == "key" and page.driver.find_element("id", "app-name").get_attribute("value") == f"{name}-2"
        page.open("/console/security").press("Remove").press("Remove it")
        assert page.notices[0] == "The second factor is removed."
        assert page.complaints() == []


def test_user_who_may_not_register_a_second_factor_is_told_what_to_ask_for(ready):
    server, root = ready
    http = session_of(server, root)
    form = {"mark": mark(http.get("/console/users").text)}
    http.post("/console/users", data={**form, "name": "bare"})
    http.post("/console/users/bare", data={**form, "do": "set-password", "password": PASSWORD})
    with browser(f"http://localhost:{server.port}") as page:
        sign_in(page, root["account"], "bare", PASSWORD)
        page.open("/console/security/register").press("Set up an app")
        assert "AccessDenied" in page.notices[0] and "Ask an administrator" in page.notices[1]
        assert http.post("/console/users/bare", data={**form, "do": "let-manage"}).status_code == 303
        register_app(page)


def test_policy_of_the_consoles_name_that_says_something_else_is_not_handed_out(tmp_path):
    server = start(tmp_path)
    with browser(f"http://localhost:{server.port}") as page:
        sign_in_as_root(page, open_account(page, server))
        register_app(page)
        account, password = make_user(page, "ann")
    ann = session_of(server, {"account": account, "ann": password})
    form = {"mark": mark(ann.get("/console/policies").text)}
    document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
    arn = f"arn:aws:iam::{account}:policy/ManageOwnPasswordAndMfa"
    path = f"/console/policies/{quote(arn, safe='')}"
    assert ann.post(path, data={**form, "do": "add", "document": document, "default": "yes"}).status_code == 303
    made = ann.post("/console/start", data={**form, "name": "bob", "password": PASSWORD, "policy": "read", "own": "yes"})
    assert made.status_code == 409 and "says something else" in made.text
    # Nothing is left of who was half made.
    assert ann.get("/console/users/bob").status_code == 404
    server.stop()


def test_policy_is_attached_by_its_name_and_found_by_a_part_of_it(ready):
    server, root = ready
    http = session_of(server, root)
    form = {"mark": mark(http.get("/console/groups").text)}
    http.post("/console/groups", data={**form, "name": "readers"})
    attach = {**form, "do": "attach", "arn": "IAMReadOnlyAccess"}
    assert http.post("/console/groups/readers/policies", data=attach).status_code == 303
    assert "arn:aws:iam::aws:policy/IAMReadOnlyAccess" in http.get("/console/groups/readers").text
    unknown = http.post("/console/groups/readers/policies", data={**attach, "arn": "NoSuchPolicy"})
    assert unknown.status_code in (400, 404)
    found = http.get("/console/policies?of=aws&search=iamreadonly").text
    assert "IAMReadOnlyAccess" in found and "AdministratorAccess" not in found
    names = {offer["name"]: offer for offer in http.get("/console/policies/names").json()}
    assert len(names) > 1000 and names["ReadOnlyAccess"]["arn"] == "arn:aws:iam::aws:policy/ReadOnlyAccess"


def test_policy_editor_shows_what_is_wrong_and_keeps_it_when_saving_is_refused(ready):
    server, root = ready
    document = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObjct"}]}'
    with browser(f"http://localhost:{server.port}") as page:
        sign_in(page, root["account"], "ann", root["ann"])
        page.open("/console/policies").fill(name="slip").driver.execute_script(
            "const field = document.getElementById('document'); field.value = arguments[0];"
            "field.dispatchEvent(new Event('input'));", document
        )
        page.wait_until(lambda: "s3:GetObject?" in page.text(".findings"))
        page.press("Create policy")
        assert page.value("document") == document
        assert "Error, line 1" in page.text(".findings") and "Did you mean s3:GetObject?" in page.text(".findings")
        assert page.complaints() == []


def test_last_second_factor_is_removed_only_when_asked_twice(tmp_path):
    server = start(tmp_path)
    with browser(f"http://localhost:{server.port}") as page:
        sign_in_as_root(page, open_account(page, server))
        register_app(page)
        page.press("Remove")
        assert page.title == "Remove the second factor?" and "only second factor" in page.notices[0]
        page.press("Keep it")
        assert "root-account-mfa-device" in page.text("td code")
        page.press("Remove").press("Remove it")
        assert page.notices[0] == "The second factor is removed."
    server.stop()


def test_passkeys_are_led_to_their_address(ready):
    server, root = ready
    there = f"http://localhost:{server.port}/console/security/register"
    with browser(f"http://127.0.0.1:{server.port}") as page:
        sign_in(page, root["account"], "ann", root["ann"])
        page.open("/console/security/register")
        assert there in page.notices[0] and page.driver.find_element("link text", there).get_attribute("href") == there


def test_browser_that_asks_for_nothing_is_led_to_the_console(ready):
    server, _ = ready
    answer = client(server).get("/", headers={"accept": "text/html,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/console")
    assert client(server).get("/", headers={"accept": "*/*"}).status_code != 302


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
            assert root.notices[0].startswith("Keep this tab open.")
            user_password, user_totp = users[name]
            sign_in(other, account, name, user_password)
            other.fill(code=user_totp.now()).press("Continue")
            assert other.notices[0] == "A request to use the root user waits for you. Approve or reject"
            assert other.text(".menu .badge") == "1 waiting"
            other.press("Root access").press("Approve")
            assert other.notices == ["You have agreed."] and "1 waiting" not in other.text(".menu")
            other.press("Sign out")
            # One person counts once, and one is not enough.
            root.press("Look again")
        assert root.title in ("Root is protected", "Root is not protected yet")
        # What waits for others keeps what was typed, and says what happens next.
        root.open("/console/access").fill(reason="new key for billing").press("Break the seal")
        assert root.notices[0].startswith("Others must agree first; nothing has changed yet.")
        assert "ann, bob, cleo" in root.notices[0] and root.value("reason") == "new key for billing"
        request = root.text(".notice a")
        assert root.driver.find_element("id", f"request-{request}").is_displayed()
    events = [record["eventName"] for record in server.trail()]
    assert {"RootAccessRequested", "ApproveRootAccess", "RootSessionStarted", "ConsoleLogin", "CheckMfa"} <= set(events)
    server.stop()


def test_guard_policy_is_read_whole_agreed_to_and_offered_to_be_set(tmp_path):
    server = start(tmp_path)
    base = f"http://localhost:{server.port}"
    bucket = "arn:aws:s3:::" + "kept-for-the-auditors-" * 12
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": bucket}]})
    with browser(base) as root, browser(base) as other:
        password = open_account(root, server)
        sign_in_as_root(root, password)
        lacks = "To set or remove it needs a session with a second factor"
        assert any(notice.startswith(lacks) for notice in root.open("/console/access").notices)
        totp = register_app(root)
        account, ann_password = make_user(root, "ann")
        sign_in(other, account, "ann", ann_password)
        ann = register_app(other)
        for page in (root, other):
            page.press("Sign out")
        sign_in_as_root(root, password, code=totp.now())
        server.host("root", "approvers", "--account", account, "--required", "1", "--user", "ann")
        root.open("/console/access")
        assert not any(notice.startswith(lacks) for notice in root.notices)
        root.driver.execute_script("document.getElementById('policy').value = arguments[0];", document)
        root.press("Set the guard policy")
        assert root.notices[0].startswith("Others must agree first; nothing has changed yet.")
        request = root.text(".notice a")

        sign_in(other, account, "ann", ann_password)
        other.fill(code=ann.now()).press("Continue").open("/console/access")
        inside = "const box = arguments[0].getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth;"
        narrow = "return arguments[0].scrollWidth <= arguments[0].clientWidth;"
        read = other.driver.find_element("id", f"policy-{request}")
        for width in (1100, 760, 390):
            other.look(False, width)
            for name in ("Approve", "Reject"):
                button = other.driver.find_element("xpath", f"//main//button[.='{name}']")
                assert other.driver.execute_script(inside, button), (name, width)
            assert other.driver.execute_script(inside, read) and other.driver.execute_script(narrow, read), width
        assert other.text(f"#policy-{request}") == document
        other.press("Approve")

        root.open("/console/access")
        assert any(notice.startswith("Approved: set it now.") and request in notice for notice in root.notices)
        assert root.value("policy") == document
        root.press("Set the guard policy")
        assert root.notices == ["The guard policy is set."] and root.text("#guard-policy") == document
        assert other.complaints() == []
    server.stop()
