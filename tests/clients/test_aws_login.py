"""`aws login`: credentials for the command line without an access key, by the real AWS CLI and SDK, and what attackers try."""

import base64
import hashlib
import json
import re
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlencode, urlsplit

import boto3
import httpx
import pytest
from botocore.config import Config
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from aws_cli_2 import AwsCli, program
from browser import browser
from rootward_testkit import PASSWORD, ROOT, Server, free_port
from test_console import client, make_user, mark, open_account, register_app, sign_in, sign_in_as_root, start

SAME, CROSS = (f"arn:aws:signin:::devtools/{which}-device" for which in ("same", "cross"))
MAY_LOG_IN = "arn:aws:iam::aws:policy/SignInLocalDevelopmentAccess"
DEVICE_POLICY = json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Action": "*", "Resource": "*"},
    {"Effect": "Deny", "NotAction": "sts:*", "Resource": "*",
     "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}},
]})


class Site:
    """A server with an account: its root user with an authenticator, ann with one, and bob without, all with passwords."""

    def __init__(self, folder):
        self.server = start(folder)
        self.base = f"http://localhost:{self.server.port}"
        with browser(self.base) as page:
            self.root = open_account(page, self.server)
            sign_in_as_root(page, self.root)
            self.root_totp = register_app(page)
            self.account, self.ann = make_user(page, "ann")
            _, self.bob = make_user(page, "bob")
            page.press("Sign out")
            sign_in(page, self.account, "ann", self.ann)
            self.ann_totp = register_app(page)
        self.http = self.signed_in_as_bob()

    def signed_in_as_bob(self):
        http = client(self.server)
        form = {"account": self.account, "name": "bob", "password": self.bob, "next": "/console"}
        answer = http.post("/console/sign-in", data={**form, "mark": mark(http.get("/console/sign-in").text)})
        assert answer.status_code == 303, answer.text
        return http

    def arn(self, name):
        return f"arn:aws:iam::{self.account}:{name}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Site(tmp_path_factory.mktemp("login"))
    yield made
    made.server.stop()


@pytest.fixture
def cli(site, tmp_path):
    return AwsCli(tmp_path / "home", site.server)


# The real client


def test_lines_of_the_documentation_let_a_command_line_in(site, tmp_path):
    manual = (ROOT / "docs" / "operating.md").read_text()
    [lines] = re.findall(r"### `aws login`.*?```sh\n(.*?)```", manual, re.DOTALL)
    cli = AwsCli(tmp_path / "home", site.server)
    cli.config.unlink()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "aws").symlink_to(program())
    # Keys that were exported before would win, and nothing but the profile may say where the server is.
    surroundings = {**cli.environment, "PATH": f"{tmp_path / 'bin'}:{cli.environment['PATH']}",
                    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-key"}
    shell = subprocess.Popen(
        ["bash", "-ec", lines.replace(":4566", f":{site.server.port}")], env=surroundings, text=True, bufsize=1,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    address = next(line.strip() for line in shell.stdout if line.startswith("http"))
    with browser(site.base) as page:
        sign_in(page, site.account, "bob", site.bob)
        page.driver.get(address)
        page.press("Allow")
        said = shell.stdout.read()
    assert shell.wait(60) == 0, said
    assert f'"Arn": "{site.arn("user/bob")}"' in said
    assert "[profile rootward]" in cli.config.read_text()


def test_user_with_a_second_factor_works_refreshes_and_is_ended_at_the_console(site, cli):
    with browser(site.base) as page:
        process, address = cli.login()
        page.driver.get(address)
        assert page.title == "Sign in"
        page.fill(account=site.account, name="ann", password=site.ann).press("Sign in")
        page.fill(code=site.ann_totp.now()).press("Continue")
        assert page.title == "Let the command line in?" and "act as ann" in page.text("section.card p")
        page.press("Allow")
        assert f"to use {site.arn('user/ann')} credentials" in cli.finish(process)
        assert cli.config.read_text().count(f"login_session = {site.arn('user/ann')}") == 1

        who = cli.run("sts", "get-caller-identity")
        assert (who["Account"], who["Arn"]) == (site.account, site.arn("user/ann"))
        # Everything but STS is denied without a second factor: it came along from the browser.
        cli.run("iam", "put-user-policy", "--user-name", "ann", "--policy-name", "mfa", "--policy-document", DEVICE_POLICY)
        assert [user["UserName"] for user in cli.run("iam", "list-users")["Users"]] == ["ann", "bob"]
        assert cli.run("iam", "list-access-keys", "--user-name", "ann")["AccessKeyMetadata"] == []

        before = cli.age()
        assert cli.run("sts", "get-caller-identity") == who
        after = cli.token[1]
        assert after["refreshToken"] != before["refreshToken"]
        assert after["accessToken"]["sessionToken"] != before["accessToken"]["sessionToken"]
        assert cli.run("iam", "list-users")["Users"]

        # An SDK goes on with what the command line has got.
        assert cli.sdk() == site.arn("user/ann")
        aged = cli.age()
        assert cli.sdk() == site.arn("user/ann")
        assert cli.token[1]["refreshToken"] != aged["refreshToken"]

        page.open("/console/sessions")
        row = page.driver.find_element("xpath", "//tr[td[contains(., 'Command line')]]")
        assert "no second factor" not in row.text and "aws-cli/2" in row.text
        row.find_element("tag name", "button").click()
        page.wait_for("Your sessions")
        assert "ExpiredToken" in cli.run("sts", "get-caller-identity", code=254)
        cli.age()
        assert "Please reauthenticate using 'aws login'" in cli.run("sts", "get-caller-identity", code=255)
        # The listener of the command line has no icon.
        assert [complaint for complaint in page.complaints() if "/favicon.ico" not in complaint] == []
    [authorized] = [record for record in site.server.events("AuthorizeOAuth2Access") if record["userIdentity"].get("userName") == "ann"]
    assert authorized["eventSource"] == "signin.amazonaws.com" and authorized["readOnly"] is True
    assert authorized["requestParameters"]["clientId"] == SAME
    called = site.server.events("ListUsers")[-1]["userIdentity"]["sessionContext"]
    assert called["attributes"]["mfaAuthenticated"] == "true"
    assert called["signInSessionArn"].startswith(f"arn:aws:signin:us-east-1:{site.account}:session/")
    text = json.dumps(site.server.trail())
    for secret in (before, after):
        assert secret["refreshToken"] not in text and secret["accessToken"]["secretAccessKey"] not in text


def test_sealed_root_user_gets_the_minutes_that_its_reason_gave_it(site, cli):
    with browser(site.base) as page:
        process, address = cli.login()
        page.driver.get(address)
        page.press("Root user").fill(email="root@example.com", password=site.root)
        next_page = page.value("next")
        assert next_page.startswith("/console/authorize?")
        page.press("Sign in")
        page.fill(code=site.root_totp.now()).press("Continue")
        assert page.title == "The root user is sealed"
        page.fill(reason="look at the bill").press("Sign in as root")
        assert page.title == "Let the command line in?"
        assert "It could do everything in the account." in page.notices
        page.press("Allow")
        cli.finish(process)
        who = cli.run("sts", "get-caller-identity")
        assert who == {"UserId": site.account, "Account": site.account, "Arn": site.arn("root")}
        assert cli.run("iam", "get-account-summary")["SummaryMap"]["AccountAccessKeysPresent"] == 0
        cli.age()
        assert cli.run("sts", "get-caller-identity") == who
        # The glass is broken for a session, the seal is not: there is still no key to be made.
        assert "AccessDenied" in cli.run("iam", "create-access-key", code=254)
        page.open("/console")
        page.press("Sign out")
    # It ends with the session that it came from.
    assert "ExpiredToken" in cli.run("sts", "get-caller-identity", code=254)
    [record] = [record for record in site.server.events("CreateOAuth2Token")
                if record["userIdentity"]["type"] == "Root" and record["requestParameters"]["tokenInput"]["grantType"] != "refresh_token"]
    assert record["userIdentity"]["sessionContext"]["attributes"]["mfaAuthenticated"] == "true"


def test_command_line_on_another_computer_is_handed_its_code(site, cli):
    with browser(site.base) as page:
        sign_in(page, site.account, "bob", site.bob)
        process, address = cli.login("--remote")
        page.driver.get(address)
        assert page.title == "Let the command line in?" and "another computer" in page.text("section.card p")
        assert any("aws login --remote" in notice for notice in page.notices)
        page.press("Allow")
        assert page.title == "Your code"
        said = cli.finish(process, page.driver.find_element("id", "code").get_attribute("value") + "\n")
        assert f"to use {site.arn('user/bob')} credentials" in said
        assert cli.run("sts", "get-caller-identity")["Arn"] == site.arn("user/bob")


def test_who_says_no_lets_nobody_in(site, cli):
    with browser(site.base) as page:
        sign_in(page, site.account, "bob", site.bob)
        process, address = cli.login()
        page.driver.get(address)
        page.press("Cancel")
        said, _ = process.communicate(timeout=30)
        assert process.returncode != 0 and "Failed to retrieve an authorization code" in said
        assert not list(cli.cache.glob("*.json"))


def test_user_without_the_permission_is_told_so(site, cli):
    administrator = AwsCli(cli.home / "administrator", site.server)
    with browser(site.base) as page:
        sign_in(page, site.account, "bob", site.bob)
        process, address = administrator.login()
        page.driver.get(address)
        page.press("Allow")
        administrator.finish(process)
        administrator.run("iam", "create-user", "--user-name", "cleo")
        administrator.run("iam", "create-login-profile", "--user-name", "cleo", "--password", PASSWORD)
    with browser(site.base) as page:
        sign_in(page, site.account, "cleo", PASSWORD)
        process, address = cli.login()
        page.driver.get(address)
        page.press("Allow")
        client_arn = f"arn:aws:signin:us-east-1:{site.account}:oauth2/public-client/localhost"
        [refusal] = page.notices
        assert "not authorized to perform: signin:AuthorizeOAuth2Access" in refusal and client_arn in refusal
        administrator.run("iam", "attach-user-policy", "--user-name", "cleo", "--policy-arn", MAY_LOG_IN)
        page.press("Allow")
        cli.finish(process)
        administrator.run("iam", "detach-user-policy", "--user-name", "cleo", "--policy-arn", MAY_LOG_IN)
        cli.age()
        assert "insufficient permissions" in cli.run("sts", "get-caller-identity", code=255)


def test_sandbox_is_logged_in_to_as_well(tmp_path):
    port = free_port()
    server = Server(tmp_path, "--url", f"http://localhost:{port}", sandbox=True)
    server.port = port
    server.command[server.command.index("--listen") + 1] = f"127.0.0.1:{port}"
    server.start()
    try:
        cli = AwsCli(tmp_path / "home", server)
        iam = server.client("iam", ("test", "test", None))
        iam.create_user(UserName="dev")
        iam.create_login_profile(UserName="dev", Password=PASSWORD)
        iam.attach_user_policy(UserName="dev", PolicyArn=MAY_LOG_IN)
        account = iam.get_user(UserName="dev")["User"]["Arn"].split(":")[4]
        with browser(f"http://localhost:{port}") as page:
            process, address = cli.login()
            page.driver.get(address)
            page.fill(account=account, name="dev", password=PASSWORD).press("Sign in").press("Allow")
            cli.finish(process)
        assert cli.run("sts", "get-caller-identity")["Arn"] == f"arn:aws:iam::{account}:user/dev"
        assert iam.list_access_keys(UserName="dev")["AccessKeyMetadata"] == []
    finally:
        server.stop()


# Attacks, by a client that does what no honest one would


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Client:
    """A command line as the RFCs have it."""

    def __init__(self, site, client_id=SAME):
        self.site, self.id, self.key = site, client_id, ec.generate_private_key(ec.SECP256R1())
        self.verifier, self.state = b64(uuid.uuid4().bytes * 3), str(uuid.uuid4())
        confirmation = f"{site.server.url}/v1/sessions/confirmation"
        self.redirect = "http://127.0.0.1:43631/oauth/callback" if client_id == SAME else confirmation

    def query(self, **changes):
        challenge = b64(hashlib.sha256(self.verifier.encode()).digest())
        query = {
            "response_type": "code", "client_id": self.id, "state": self.state, "code_challenge_method": "SHA-256",
            "scope": "openid", "redirect_uri": self.redirect, "code_challenge": challenge, **changes,
        }
        return {name: value for name, value in query.items() if value is not None}

    def code(self, http=None):
        """The code that bob allows."""
        http = http or self.site.http
        page = http.get("/console/authorize?" + urlencode(self.query()))
        assert page.status_code == 200, page.text
        answer = http.post("/console/authorize", data={**self.query(), "mark": mark(page.text), "answer": "allow"})
        assert answer.status_code == 303, answer.text
        location = answer.headers["location"]
        assert location.startswith(self.redirect + "?")
        sent = parse_qs(urlsplit(location).query)
        assert sent["state"] == [self.state]
        return sent["code"][0]

    def proof(self, key=None, **changes):
        key = key or self.key
        numbers = key.public_key().public_numbers()
        jwk = {"kty": "EC", "crv": "P-256", "x": b64(numbers.x.to_bytes(32)), "y": b64(numbers.y.to_bytes(32))}
        claims = {"htm": "POST", "htu": f"{self.site.server.url}/v1/token", "iat": int(time.time()), "jti": str(uuid.uuid4())}
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, {**claims, **changes}))
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{b64(r.to_bytes(32) + s.to_bytes(32))}"

    def post(self, body, proof=None, **headers):
        headers = {"dpop": proof if proof is not None else self.proof(), **headers}
        body = {name: value for name, value in body.items() if value is not None}
        return httpx.post(f"{self.site.server.url}/v1/token", json=body, headers=headers, timeout=30)

    def redeem(self, code, proof=None, **changes):
        body = {"clientId": self.id, "grantType": "authorization_code", "code": code, "codeVerifier": self.verifier,
                "redirectUri": self.redirect, **changes}
        return self.post(body, proof)

    def refresh(self, token, proof=None, host=None, **changes):
        named = {"host": host} if host else {}
        return self.post({"clientId": self.id, "grantType": "refresh_token", "refreshToken": token, **changes}, proof, **named)


def identity(site, token):
    """Who the credentials are of; the error's code if they are nobody's."""
    shown = token["accessToken"]
    sts = boto3.client(
        "sts", region_name="us-east-1", endpoint_url=site.server.url, config=Config(retries={"total_max_attempts": 1}),
        aws_access_key_id=shown["accessKeyId"], aws_secret_access_key=shown["secretAccessKey"], aws_session_token=shown["sessionToken"])
    try:
        return sts.get_caller_identity()["Arn"]
    except sts.exceptions.ClientError as error:
        return error.response["Error"]["Code"]


def told(answer):
    return answer.status_code, answer.headers.get("x-amzn-errortype"), answer.json().get("error")


INVALID = (400, "ValidationException", "INVALID_REQUEST")
USED = (400, "AccessDeniedException", "AUTHCODE_EXPIRED")
OVER = (400, "AccessDeniedException", "TOKEN_EXPIRED")


def test_code_is_good_once_and_its_second_use_ends_what_it_gave(site):
    cli = Client(site)
    code = cli.code()
    token = cli.redeem(code).json()
    assert token["tokenType"] == "aws_sigv4" and 1 <= token["expiresIn"] <= 900
    assert identity(site, token) == site.arn("user/bob")
    assert told(cli.redeem(code)) == USED
    assert identity(site, token) == "ExpiredToken"
    assert told(cli.refresh(token["refreshToken"])) == OVER


def test_code_that_many_redeem_at_once_opens_no_session_that_stays(site):
    cli = Client(site)
    code = cli.code()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda proof: cli.redeem(code, proof), [cli.proof() for _ in range(8)]))
    given = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(given) == 1
    assert {told(answer) for answer in answers if answer.status_code != 200} == {USED}
    assert identity(site, given[0]) == "ExpiredToken"


def test_stolen_code_is_worth_nothing_without_what_its_client_knows(site):
    cli, thief = Client(site), Client(site)
    code = cli.code()
    assert told(thief.redeem(code)) == INVALID
    assert told(cli.redeem(code, codeVerifier=None)) == INVALID
    assert told(cli.redeem(code, codeVerifier="short")) == INVALID
    assert told(cli.redeem(code, redirectUri="http://127.0.0.1:43632/oauth/callback")) == INVALID
    assert told(cli.redeem(code, redirectUri=None)) == INVALID
    assert told(cli.redeem(code, clientId=CROSS)) == INVALID
    assert told(cli.redeem(code, clientId="arn:aws:signin:::devtools/other")) == INVALID
    assert told(cli.redeem(code[:-2] + "AA")) == INVALID
    assert told(cli.redeem(code, proof="")) == INVALID
    assert told(cli.redeem(code, proof=cli.proof(htu="http://evil.example/v1/token"))) == INVALID
    assert told(cli.redeem(code, proof=cli.proof(htm="GET"))) == INVALID
    assert told(cli.redeem(code, proof=cli.proof(iat=int(time.time()) - 3_600))) == INVALID
    # Nothing of this has used it up.
    assert cli.redeem(code).status_code == 200


def test_proof_for_another_server_is_refused_whatever_host_brings_it(site):
    cli = Client(site)
    token = cli.redeem(cli.code()).json()["refreshToken"]
    for host in ("evil.example", "192.0.2.1:4566", "localhost.evil.example"):
        assert told(cli.refresh(token, cli.proof(htu=f"http://{host}/v1/token"), host=host)) == INVALID
    for host in (f"localhost:{site.server.port}", "127.0.0.1:8080"):
        assert cli.refresh(token, cli.proof(htu=f"http://{host}/v1/token"), host=host).status_code == 200


def test_refresh_token_is_bound_to_its_key(site):
    cli = Client(site)
    token = cli.redeem(cli.code()).json()
    thief = Client(site)
    assert told(thief.refresh(token["refreshToken"])) == INVALID
    assert told(cli.refresh(token["refreshToken"], clientId=CROSS)) == INVALID
    assert told(cli.refresh(token["refreshToken"][:-2] + "AA")) == INVALID
    assert told(cli.refresh(None)) == INVALID
    proof = cli.proof()
    fresh = cli.refresh(token["refreshToken"], proof)
    assert fresh.status_code == 200 and "idToken" not in fresh.json()
    # The same proof, whoever shows it.
    assert told(cli.refresh(fresh.json()["refreshToken"], proof)) == INVALID
    assert identity(site, fresh.json()) == site.arn("user/bob")
    # Whoever asks again in the same moment is led to the same session.
    assert cli.refresh(token["refreshToken"]).status_code == 200


@pytest.mark.parametrize("changes", [
    {"redirect_uri": "https://evil.example/oauth/callback"}, {"redirect_uri": "http://127.0.0.1:80@evil.example/oauth/callback"},
    {"redirect_uri": "http://127.0.0.1:43631/other"}, {"redirect_uri": "javascript:alert(1)"}, {"redirect_uri": None},
    {"client_id": "arn:aws:signin:::devtools/other"}, {"client_id": CROSS}, {"client_id": None},
    {"code_challenge": None}, {"code_challenge": "a" * 64}, {"code_challenge_method": "plain"}, {"code_challenge_method": None},
    {"response_type": "token"}, {"scope": "everything"}, {"state": None},
], ids=str)
def test_request_of_no_client_is_refused_before_anybody_is_asked(site, changes):
    cli, good = Client(site), Client(site).query()
    query = cli.query(**changes)
    page = site.http.get("/console/authorize?" + urlencode(query))
    assert page.status_code == 400 and "not how a command line asks" in page.text
    assert "name=\"answer\"" not in page.text and "location" not in page.headers
    shown = site.http.get("/console/authorize?" + urlencode(good))
    for answer in ("allow", "cancel"):
        posted = site.http.post("/console/authorize", data={**query, "mark": mark(shown.text), "answer": answer})
        assert posted.status_code == 400 and "location" not in posted.headers


def test_nobody_is_sent_from_the_address_of_the_api_to_anywhere_but_the_console(site):
    for query in ("", "redirect_uri=https://evil.example", "//evil.example", "client_id=x%0d%0aLocation:%20https://evil.example"):
        answer = httpx.get(f"{site.server.url}/v1/authorize?{query}", headers={"host": "evil.example"})
        assert answer.status_code == 303 and answer.headers["location"] == f"{site.base}/console/authorize?{query}"
    assert httpx.get(f"{site.server.url}/v1/authorize?" + "a" * 5_000).status_code == 400


def test_consent_is_given_by_its_page_only(site):
    cli = Client(site)
    path = "/console/authorize?" + urlencode(cli.query())
    page = site.http.get(path)
    good = {**cli.query(), "mark": mark(page.text), "answer": "allow"}
    for form, headers in (
        ({**good, "mark": "x" * 43}, {}), ({name: value for name, value in good.items() if name != "mark"}, {}),
        (good, {"origin": "https://evil.example"}), (good, {"sec-fetch-site": "cross-site"}),
    ):
        answer = site.http.post("/console/authorize", data=form, headers=headers)
        assert answer.status_code == 403 and "location" not in answer.headers
    other = site.signed_in_as_bob()
    assert other.post("/console/authorize", data=good).status_code == 403
    stranger = client(site.server)
    assert stranger.get(path).headers["location"].startswith("/console/sign-in?next=%2Fconsole%2Fauthorize%3F")
    assert page.headers["x-frame-options"] == "DENY"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["frame-ancestors"] == "'none'" and policy["default-src"] == "'none'"
    assert policy["form-action"] == "'self' http://127.0.0.1:43631"


def test_code_of_a_session_that_has_ended_is_worth_nothing(site):
    http = site.signed_in_as_bob()
    cli, other = Client(site), Client(site)
    code, token = cli.code(http), other.redeem(other.code(http)).json()
    http.post("/console/sign-out", data={"mark": mark(http.get("/console").text)})
    assert told(cli.redeem(code)) == OVER
    assert identity(site, token) == "ExpiredToken"
    assert told(other.refresh(token["refreshToken"])) == OVER


def test_code_of_one_server_is_worth_nothing_at_another(site, tmp_path):
    code = Client(site).code()
    other = start(tmp_path)
    try:
        elsewhere = Client(site)
        elsewhere.site = type("Site", (), {"server": other})
        assert told(elsewhere.redeem(code)) == INVALID
    finally:
        other.stop()


def test_code_of_one_account_gives_nothing_in_another(site):
    other = site.server.account()
    cli = Client(site)
    token = cli.redeem(cli.code()).json()
    claims = json.loads(base64.urlsafe_b64decode(token["idToken"].split(".")[1] + "=="))
    assert claims["sub"] == site.arn("user/bob") and other.account not in claims["sub"]
    assert identity(site, token) == site.arn("user/bob")


def test_password_that_is_changed_ends_what_it_let_in(site):
    cli = AwsCli(site.server.folder / "dora", site.server)
    bob = Client(site)
    shown = bob.redeem(bob.code()).json()["accessToken"]
    iam = site.server.client("iam", (shown["accessKeyId"], shown["secretAccessKey"], shown["sessionToken"]))
    iam.create_user(UserName="dora")
    iam.create_login_profile(UserName="dora", Password=PASSWORD)
    iam.attach_user_policy(UserName="dora", PolicyArn=MAY_LOG_IN)
    with browser(site.base) as page:
        process, address = cli.login()
        page.driver.get(address)
        page.fill(account=site.account, name="dora", password=PASSWORD).press("Sign in").press("Allow")
        cli.finish(process)
    assert cli.run("sts", "get-caller-identity")["Arn"] == site.arn("user/dora")
    iam.update_login_profile(UserName="dora", Password=PASSWORD + "-new")
    assert "ExpiredToken" in cli.run("sts", "get-caller-identity", code=254)
