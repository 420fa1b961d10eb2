"""The console for whoever has temporary credentials: the federation endpoint as brokers call it, and switching roles."""

import html
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import httpx
import pytest

from browser import browser
from console_client import mark
from rootward_testkit import PASSWORD, ROOT, Credentials, Principal, Server, allow, deny, fresh, trust

ALL = "*"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("federation"))
    server.command += ["--url", f"http://localhost:{server.port}"]
    server.start()
    yield server
    told = server.log.read_text() + json.dumps(server.trail())
    assert not [secret for secret in server.secrets if secret in told], "a secret is in the trail or in the log"
    server.stop()


@pytest.fixture(scope="module")
def broker(account):
    return account.user(allow("sts:*"), name="broker")


@pytest.fixture(scope="module")
def reader(account, broker):
    """A role that may look at users, and at nothing else."""
    return account.role(broker.arn, allow("iam:ListUsers"), MaxSessionDuration=43_200)


@pytest.fixture(scope="module")
def ann(account):
    """A user of the console who may assume any role that trusts her."""
    user = account.user(allow("sts:AssumeRole"), allow("iam:ListUsers"), name="ann")
    account.iam.create_login_profile(UserName="ann", Password=PASSWORD)
    return user


@pytest.fixture(scope="module")
def tab(server):
    with browser(base(server)) as tab:
        yield tab


@pytest.fixture
def page(tab):
    """A browser that nobody is signed in with."""
    tab.open("/console/sign-in").driver.delete_all_cookies()
    return tab


def base(server):
    return f"http://localhost:{server.port}"


def ask(server, credentials, **parameters):
    """Status and body of `getSigninToken`, called the way that AWS's guide does it."""
    key, secret, token = credentials
    session = json.dumps({"sessionId": key, "sessionKey": secret, "sessionToken": token})
    parameters = {"Action": "getSigninToken", **parameters, "Session": session}
    url = base(server) + "/federation?" + urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote_plus)
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def signin_token(server, credentials, **parameters):
    status, body = ask(server, credentials, **parameters)
    assert status == 200, body
    server.secrets |= {json.loads(body)["SigninToken"], credentials[1]}
    return json.loads(body)["SigninToken"]


def login(token, destination="/console/users", **parameters):
    parameters = {"Action": "login", "Issuer": "https://portal.example.com/", "Destination": destination, **parameters}
    return "/federation?" + urllib.parse.urlencode({**parameters, "SigninToken": token})


def client(server, **headers):
    return httpx.Client(base_url=base(server), headers={"user-agent": "test", **headers}, timeout=30)


def follow(http, path):
    """Follows a link as a browser does: the page of the endpoint leads on by itself."""
    page = http.get(path)
    assert page.status_code == 200, page.text
    return http.get(html.unescape(re.search(r'content="0; url=([^"]+)"', page.text)[1]))


def sign_in(page, account, name="ann"):
    page.open("/console/sign-in").fill(account=account.account, name=name, password=PASSWORD).press("Sign in")


def switch(page, account, role, display=""):
    page.open("/console/switch-role")
    # By id: the roles that the browser remembers have hidden fields of these names.
    for name, value in (("account", account), ("role", role), ("display", display)):
        page.driver.find_element("id", name).send_keys(value)
    page.press("Switch to the role")


def badges(page):
    return [badge.text for badge in page.driver.find_elements("css selector", "header .role")]


def test_role_session_lands_on_the_console_and_is_limited_to_its_rights(server, broker, reader, page):
    session = broker.assume(reader, session="jane")
    token = signin_token(server, session.credentials, SessionType="json")
    page.open(login(token)).wait_for("Users")
    assert page.path == "/console/users" and "jane" in page.text("header")
    assert "broker" in page.text("table") and page.notices == []
    page.open("/console/roles")
    assert "assumed-role" in page.notices[0] and "iam:ListRoles" in page.notices[0]
    assert page.complaints() == []
    called = server.events("ListRoles")[-1]
    assert called["userIdentity"]["arn"] == session.arn and called["sessionCredentialFromConsole"] == "true"
    signed_in = server.events("ConsoleLogin")[-1]
    assert signed_in["userIdentity"]["type"] == "AssumedRole" and signed_in["userIdentity"]["arn"] == session.arn
    asked = server.events("GetSigninToken")[-1]
    assert asked["userIdentity"]["accessKeyId"] == session.credentials.key
    assert asked["responseElements"]["credentials"]["accessKeyId"] == called["userIdentity"]["accessKeyId"]


def test_federated_user_lands_on_the_console_with_what_its_policy_leaves(server, account, page):
    answer = account.sts.get_federation_token(Name="guest", Policy=json.dumps(
        {"Version": "2012-10-17", "Statement": [allow("iam:ListGroups")]}))
    made = answer["Credentials"]
    credentials = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    status, text = ask(server, credentials, SessionDuration=3600)
    assert status == 400 and "GetFederationToken" in text
    page.open(login(signin_token(server, credentials), "/console/groups")).wait_for("Groups")
    assert page.notices == []
    page.open("/console/users")
    assert "federated-user/guest" in page.notices[0]
    page.press("Switch role")
    assert "cannot assume roles" in page.notices[0]


def test_destination_of_the_real_console_leads_to_ours(server, broker, reader, page):
    token = signin_token(server, broker.assume(reader).credentials)
    page.open(login(token, "https://console.aws.amazon.com/iam/home?region=us-east-1#/users"))
    page.driver.execute_async_script("const done = arguments[0]; const look = () => "
        "location.pathname === '/console' ? done() : setTimeout(look, 20); look();")
    assert page.path == "/console"


def test_link_is_taken_from_another_site_and_asks_before_it_replaces_a_session(server, account, broker, reader, ann, page):
    sign_in(page, account)
    token = signin_token(server, broker.assume(reader, session="jane").credentials)
    # Another origin leads here: none of our cookies come along at first.
    link = base(server) + login(token)
    page.driver.get(f"data:text/html,<a href='{html.escape(link)}'>go</a>")
    page.driver.find_element("link text", "go").click()
    page.wait_for("Sign in as somebody else?")
    assert "ann of account" in page.text("main") and "assumed-role" in page.text("main")
    page.press("Sign out and go on").wait_for("Users")
    assert "jane" in page.text("header")
    assert page.complaints() == []


def test_forged_and_foreign_credentials_are_refused(server, broker, reader, account):
    one, two = broker.assume(reader).credentials, broker.assume(reader).credentials
    long_term = broker.credentials
    made = account.sts.get_session_token()["Credentials"]
    of_user = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    for credentials, told in [
        ((one.key, one.secret, two.token), "not valid"),
        ((one.key, two.secret, one.token), "not valid"),
        ((two.key, one.secret, one.token), "not valid"),
        ((one.key, one.secret, "x" + one.token), "not valid"),
        ((one.key, one.secret, ""), "not valid"),
        ((long_term.key, long_term.secret, one.token), "GetSessionToken"),
        (of_user, "GetSessionToken"),
    ]:
        status, text = ask(server, credentials)
        assert (status, told in text) == (400, True), text
        assert one.secret not in text


def test_credentials_of_the_root_user_open_no_console(server):
    account = server.account()
    root = account.root()
    made = root.sts.get_session_token()["Credentials"]
    credentials = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    assert "GetSessionToken" in ask(server, credentials)[1]
    made = root.sts.get_federation_token(Name="guest")["Credentials"]
    guest = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    http = client(server)
    assert follow(http, login(signin_token(server, guest))).status_code == 303
    assert http.get("/console/users").status_code == 403, "a guest who may do nothing"
    # Whoever a root user vouches for goes when the seal closes.
    server.host("root", "seal", "--account", account.account)
    assert http.get("/console/users").status_code == 303
    assert "sealed" in ask(server, guest)[1] and "sealed" in ask(server, credentials)[1]


@pytest.mark.parametrize("parameters", [
    {}, {"Action": "logout"}, {"Action": "getSigninToken"}, {"Action": "getSigninToken", "Session": "{}"},
    {"Action": "getSigninToken", "Session": "[1]"}, {"Action": "login"}, {"Action": "login", "SigninToken": ""},
    {"Action": "login", "SigninToken": "x", "Issuer": "x" * 2_049},
])
def test_request_that_lacks_something_is_told_what(server, parameters):
    for answer in (client(server).get("/federation", params=parameters), client(server).post("/federation", data=parameters)):
        assert answer.status_code == 400 and re.search("`?(Action|Session|SigninToken|Issuer)", answer.text), answer.text


@pytest.mark.parametrize("issuer", ["Example.org", "myapp", "javascript:alert(1)", '"><script>alert(1)</script>', "https://portal.example.com/?a=b#c"])
def test_issuer_is_any_text_and_on_record_and_linked_to_from_nowhere(server, account, broker, reader, ann, issuer):
    http = client(server)
    path = login(signin_token(server, broker.assume(reader).credentials), Issuer=issuer)
    assert "alert(1)" not in http.get(path).text
    assert follow(http, path).headers["location"] == "/console/users"
    assert server.events("ConsoleLogin")[-1]["additionalEventData"]["Issuer"] == issuer
    asked = follow(http, login(signin_token(server, broker.assume(reader).credentials), Issuer=issuer)).text
    assert "Sign in as somebody else?" in asked and "<script>alert" not in asked
    assert not re.search(r'(href|action|content)="[^"]*(portal|alert|myapp|Example)', asked)


def test_example_of_the_documentation_makes_a_link_that_signs_in(server, account, tmp_path):
    manual = (ROOT / "docs" / "operating.md").read_text()
    [script] = re.findall(r"```python\n(.*?)```", manual, re.DOTALL)
    assert len(script.splitlines()) <= 12
    (tmp_path / "link.py").write_text(script.replace("http://localhost:4566", base(server)))
    keys = {"AWS_ACCESS_KEY_ID": account.credentials.key, "AWS_SECRET_ACCESS_KEY": account.credentials.secret,
            "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    done = subprocess.run([sys.executable, tmp_path / "link.py"], env=keys, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    link = done.stdout.strip()
    server.secrets.add(urllib.parse.parse_qs(link.partition("?")[2])["SigninToken"][0])
    http = client(server)
    assert follow(http, link.removeprefix(base(server))).headers["location"] == "/console/users"
    assert "admin" in http.get("/console/users").text and "federated-user/guest" in http.get("/console").text
    assert server.events("ConsoleLogin")[-1]["additionalEventData"]["Issuer"] == "myapp"


def test_parameters_are_taken_from_a_form_too(server, broker, reader):
    key, secret, token = broker.assume(reader).credentials
    session = json.dumps({"sessionId": key, "sessionKey": secret, "sessionToken": token})
    answer = client(server).post("/federation", data={"Action": "getSigninToken", "Session": session})
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["SigninToken"]


def test_duration_is_bounded_and_shorter_for_chains(server, account, broker, reader):
    session = broker.assume(reader)
    for duration, status in ((900, 200), (43_200, 200), (899, 400), (43_201, 400), ("x", 400)):
        assert ask(server, session.credentials, SessionDuration=duration)[0] == status, duration
    link = account.role(broker.arn, allow("sts:AssumeRole"))
    last = account.role(account.arn_of(f"role/{link['RoleName']}"))
    chained = broker.assume(link).assume(last).credentials
    status, text = ask(server, chained, SessionDuration=3_601)
    assert status == 400 and "chaining" in text
    assert ask(server, chained, SessionDuration=3_600)[0] == 200 and ask(server, chained)[0] == 200


def test_sign_in_token_is_good_once_also_after_signing_out(server, broker, reader):
    token = signin_token(server, broker.assume(reader).credentials)
    http = client(server)
    assert follow(http, login(token)).headers["location"] == "/console/users"
    again = follow(client(server), login(token))
    assert again.status_code == 400 and "used already" in again.text and "set-cookie" not in again.headers
    http.post("/console/sign-out", data={"mark": mark(http.get("/console").text)})
    assert follow(client(server), login(token)).status_code == 400
    for forged in ("x", token[:-1], token + "A"):
        assert "not valid" in follow(client(server), login(forged)).text
    failed = server.events("ConsoleLogin")[-1]
    assert failed["responseElements"] == {"ConsoleLogin": "Failure"}
    server_of_another_key = server.folder / "elsewhere"
    server_of_another_key.mkdir()
    stranger = Server(server_of_another_key).start()
    other_account = stranger.account()
    user = other_account.user(allow("sts:*"))
    role = other_account.role(user.arn)
    key, secret, session_token = user.assume(role).credentials
    assert "not valid" in ask(server, (key, secret, session_token))[1]
    stranger.stop()


@pytest.mark.parametrize("destination", [
    "https://evil.example", "//evil.example/console", "/\\evil.example", "javascript:alert(1)", "https://evil.example/console",
    "https://console.aws.amazon.com.evil.example/", "https://console.aws.amazon.com@evil.example/", "/console/sign-out", "/",
])
def test_nobody_is_led_elsewhere(server, broker, reader, destination):
    http, token = client(server), signin_token(server, broker.assume(reader).credentials)
    for path in (login(token, destination), login(token, destination).replace("/federation", "/console/federation")):
        answer = http.get(path)
        assert answer.status_code == 400 and "Destination" in answer.text
        assert "evil" not in answer.text and "location" not in answer.headers


def test_host_header_opens_no_destination(server, broker, reader):
    token = signin_token(server, broker.assume(reader).credentials)
    http = client(server, host="evil.example")
    assert http.get(login(token, "http://evil.example/console")).status_code == 400
    assert "evil" not in follow(http, login(token, base(server) + "/console/users")).headers["location"]


def test_revoked_sessions_are_refused_and_act_no_more(server, account, broker):
    role = account.role(broker.arn, allow(ALL))
    session = broker.assume(role)
    http, late = client(server), signin_token(server, session.credentials)
    follow(http, login(signin_token(server, session.credentials)))
    assert "Not authorized" not in http.get("/console/users").text and "broker" in http.get("/console/users").text
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))
    revoke = deny(ALL, DateLessThan={"aws:TokenIssueTime": now})
    account.iam.put_role_policy(
        RoleName=role["RoleName"], PolicyName="AWSRevokeOlderSessions",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [revoke]}))
    assert "explicit deny" in http.get("/console/users").text
    assert "revoked" in ask(server, session.credentials)[1]
    assert "revoked" in follow(client(server), login(late)).text
    account.iam.delete_role_policy(RoleName=role["RoleName"], PolicyName="AWSRevokeOlderSessions")
    account.iam.delete_role_policy(RoleName=role["RoleName"], PolicyName="inline")
    account.iam.delete_role(RoleName=role["RoleName"])
    assert http.get("/console/users").headers["location"].startswith("/console/sign-in")
    assert "not valid" in ask(server, session.credentials)[1]


def test_role_of_the_same_account_is_switched_to_and_back(server, account, ann, page):
    role = account.role(ann.arn, allow("iam:ListGroups"), Path="/team/")
    sign_in(page, account)
    page.press("Switch role")
    page.driver.find_element("css selector", "input[value=green]").click()
    page.fill(account=account.account, role=f"team/{role['RoleName']}", display="Deploy <b>").press("Switch to the role")
    assert page.path == "/console" and badges(page) == ["Deploy <b>"]
    assert f"{role['RoleName']}/ann" in page.text("header .name")
    page.open("/console/groups")
    assert page.notices == []
    page.open("/console/users")
    assert f"assumed-role/{role['RoleName']}/ann" in page.notices[0] and page.complaints() == []
    page.press("Switch back")
    assert badges(page) == [] and page.path == "/console"
    page.open("/console/users")
    assert page.notices == []
    # The browser remembers, and one press switches again.
    page.open("/console/switch-role")
    assert page.text(".points .role") == "Deploy <b>"
    page.press("Switch")
    assert badges(page) == ["Deploy <b>"]
    page.press("Switch back")
    assert [complaint for complaint in page.complaints() if "/console/users - " not in complaint] == []
    switched, left = server.events("SwitchRole")[-1], server.events("ExitRole")[-1]
    for record in (switched, left):
        assert (record["eventType"], record["eventSource"]) == ("AwsConsoleSignIn", "signin.amazonaws.com")
        assert record["additionalEventData"] == {"SwitchFrom": ann.arn, "RedirectTo": base(server) + "/console"}
        assert record["userIdentity"]["type"] == "AssumedRole"
    assumed = server.events("AssumeRole")[-1]
    assert assumed["userIdentity"]["arn"] == ann.arn and assumed["sessionCredentialFromConsole"] == "true"


def test_role_of_another_account_is_switched_to_by_its_alias(server, account, other, ann, page):
    alias = fresh("partner")
    other.iam.create_account_alias(AccountAlias=alias)
    role = other.role(ann.arn, allow("iam:*"))
    sign_in(page, account)
    switch(page, alias, role["RoleName"])
    assert badges(page) == [f"{role['RoleName']} @ {other.account}"]
    assert other.account in page.text("header .account")
    page.open("/console/users")
    assert "admin" in page.text("table") and "broker" not in page.text("table")
    # Another switch is the user's own, not one of the role.
    second = account.role(ann.arn, allow("iam:ListGroups"))
    switch(page, account.account, second["RoleName"])
    assert badges(page) == [f"{second['RoleName']} @ {account.account}"]
    records = server.events("SwitchRole")
    assert records[-2]["recipientAccountId"] == other.account
    assert records[-1]["additionalEventData"]["SwitchFrom"] == ann.arn


def test_trust_policy_decides_and_says_so(server, account, other, ann, page):
    sign_in(page, account)
    untrusting = account.role({"Service": "ec2.amazonaws.com"})
    for of, role in ((account, untrusting["RoleName"]), (other, "nothing-of-that-name")):
        switch(page, of.account, role)
        assert page.path == "/console/switch-role" and badges(page) == []
        assert ann.arn in page.notices[0] and "sts:AssumeRole" in page.notices[0], page.notices
        assert page.value("role") == role
    switch(page, "nowhere-at-all", "role")
    assert page.notices == ["There is no account with this ID or alias."]


def test_link_fills_the_form_in_and_does_nothing(account, ann, page):
    sign_in(page, account)
    page.open("/console/switch-role?" + urllib.parse.urlencode(
        {"account": account.account, "roleName": "deploy", "displayName": "<i>Production"}))
    assert [page.value(name) for name in ("account", "role", "display")] == [account.account, "deploy", "<i>Production"]
    assert badges(page) == []


def test_root_user_is_told_why_it_cannot_switch(server, account, page):
    page.open("/console/sign-in?door=root").fill(email=account.email, password=PASSWORD).press("Sign in")
    page.fill(reason="test").press("Sign in as root")
    page.open("/console/switch-role")
    assert "root user cannot switch" in page.notices[0]
    assert page.driver.find_elements("name", "role") == []
    form = {"mark": page.driver.find_element("name", "mark").get_attribute("value"), "account": account.account, "role": "x"}
    answer = page.driver.execute_async_script(
        "const [form, done] = arguments; fetch('/console/switch-role', {method: 'POST', body: new URLSearchParams(form)})"
        ".then(async (answer) => done([answer.status, await answer.text()]));", form)
    assert answer[0] == 403 and "Roles may not be assumed by root accounts." in answer[1]


def console_session(server, account):
    http = client(server)
    form = {"account": account.account, "name": "ann", "password": PASSWORD, "next": "/console"}
    http.post("/console/sign-in", data={**form, "mark": mark(http.get("/console/sign-in").text)})
    return http


def switched(http, account, role):
    form = {"account": account.account, "role": role["RoleName"], "mark": mark(http.get("/console/switch-role").text)}
    answer = http.post("/console/switch-role", data=form)
    assert answer.status_code == 303, answer.text


def test_form_of_a_role_does_nothing_for_the_user_who_has_switched_back(server, account, ann):
    role = account.role(ann.arn, allow("iam:ListUsers"))
    http = console_session(server, account)
    as_user = mark(http.get("/console/users").text)
    switched(http, account, role)
    as_role = mark(http.get("/console/users").text)
    assert http.post("/console/users", data={"name": "x", "mark": as_user}).status_code == 403
    assert http.post("/console/switch-role/exit", data={"mark": as_role}).status_code == 303
    assert "not sent from a page" in http.post("/console/users", data={"name": "x", "mark": as_role}).text


def test_session_of_the_sign_in_is_listed_and_takes_the_role_with_it(server, account, other, ann):
    role = other.role(ann.arn, allow("iam:ListUsers"))
    http = console_session(server, account)
    before = {session["SessionId"] for session in account.rootward.list_sessions(UserName="ann")["Sessions"]}
    switched(http, other, role)
    after = {session["SessionId"] for session in account.rootward.list_sessions(UserName="ann")["Sessions"]}
    assert before == after and other.account in http.get("/console/users").text
    for session in after:
        account.rootward.revoke_session(SessionId=session)
    assert http.get("/console/users").headers["location"].startswith("/console/sign-in")


def test_role_that_is_gone_leaves_the_user_who_is_told(server, account, ann):
    role = account.role(ann.arn, allow("iam:ListUsers"))
    http = console_session(server, account)
    switched(http, account, role)
    form = {"name": "made-by-mistake", "mark": mark(http.get("/console/users").text)}
    account.iam.delete_role_policy(RoleName=role["RoleName"], PolicyName="inline")
    account.iam.delete_role(RoleName=role["RoleName"])
    answer = http.post("/console/users", data=form)
    assert answer.headers["location"] == "/console/switch-role?ended=1"
    assert "you are yourself again" in http.get("/console/switch-role?ended=1").text
    assert "ann" in http.get("/console").text


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A seeded sandbox, whose clock goes on by a second whenever it is read, and its root user."""
    server = Server(tmp_path_factory.mktemp("hasty"), "--seed", "7", sandbox=True)
    server.command += ["--url", f"http://localhost:{server.port}"]
    server.start()
    root = Principal(server, Credentials("123456789012", "any"))
    root.account = "123456789012"
    root.iam.create_user(UserName="ann")
    root.iam.create_login_profile(UserName="ann", Password=PASSWORD)
    everything = json.dumps({"Version": "2012-10-17", "Statement": [allow("iam:*"), allow("sts:*")]})
    root.iam.put_user_policy(UserName="ann", PolicyName="inline", PolicyDocument=everything)
    trusted = trust({"AWS": "arn:aws:iam::123456789012:user/ann"})
    root.iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trusted)
    root.iam.put_role_policy(RoleName="deploy", PolicyName="inline", PolicyDocument=everything)
    yield server, root
    server.stop()


def pass_seconds(root, seconds):
    """Reads the clock until it is so much later."""
    def now():
        made = root.iam.create_user(UserName=fresh("clock"))["User"]
        root.iam.delete_user(UserName=made["UserName"])
        return made["CreateDate"].timestamp()
    until = now() + seconds
    while now() < until:
        for _ in range(50):
            root.sts.get_caller_identity()


def test_role_is_renewed_after_an_hour_and_ends_with_a_word_when_it_is_not_to_be(hasty):
    server, root = hasty
    http = console_session(server, root)
    switched(http, root, {"RoleName": "deploy"})
    as_role = mark(http.get("/console/users").text)
    pass_seconds(root, 3_600)
    # A form that was being filled in meanwhile is taken: the role goes on.
    assert http.post("/console/groups", data={"name": "made", "mark": as_role}).status_code == 303
    assert "deploy/ann" in http.get("/console").text
    root.iam.update_assume_role_policy(RoleName="deploy", PolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    # What was given for an hour is good for it.
    assert "deploy/ann" in http.get("/console").text
    pass_seconds(root, 3_600)
    answer = http.post("/console/groups", data={"name": "not-made", "mark": as_role})
    assert answer.headers["location"] == "/console/switch-role?ended=1"
    page = http.get("/console/groups").text
    assert "made" in page and "not-made" not in page and "deploy/ann" not in page
    root.iam.update_assume_role_policy(
        RoleName="deploy", PolicyDocument=trust({"AWS": "arn:aws:iam::123456789012:user/ann"}))


def test_sign_in_token_and_session_end_in_time(hasty):
    server, root = hasty
    key = Credentials.of(root.iam.create_access_key(UserName="ann")["AccessKey"])
    role = {"Arn": "arn:aws:iam::123456789012:role/deploy"}
    session = Principal(server, key).assume(role)
    late, token = (signin_token(server, session.credentials, SessionDuration=900) for _ in range(2))
    http = client(server)
    assert follow(http, login(token)).status_code == 303
    assert http.get("/console/users").status_code == 200
    pass_seconds(root, 900)
    assert http.get("/console/users").headers["location"].startswith("/console/sign-in")
    assert "15 minutes" in follow(client(server), login(late)).text
    pass_seconds(root, 2_700)
    status, text = ask(server, session.credentials)
    assert status == 400 and "expired" in text
