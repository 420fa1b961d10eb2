"""Attacks on the console: by requests that no browser would send, by what people can write into an account, by other sessions."""

import re
import time
from html.parser import HTMLParser
from urllib.parse import quote, urlencode, urljoin, urlsplit

import httpx
import pytest
from selenium.webdriver.common.by import By

from browser import browser
from console_client import (
    client, error, go_on, is_in, is_signed_in, knock, knock_as_root, mark, person, root_session, session, step,
)
from rootward_testkit import NEW_PASSWORD, PASSWORD, ROOT, Server, allow, deny, fresh, policy, refused, trust

ROUTES = re.findall(r'\.route\(\s*"(/console[^"]*)",([^\n]*)', (ROOT / "crates/console/src/lib.rs").read_text())
POSTED = [path for path, methods in ROUTES if "post(" in methods]
SHOWN = [path for path, methods in ROUTES if "get(" in methods]
# Forms that are shown before anybody is signed in.
BEFORE = ("/console/first-run", "/console/recover", "/console/sign-in")
KNOCKED = [path for path in POSTED if path.startswith(BEFORE)]
IN_SESSION = [path for path in POSTED if path not in KNOCKED]
FORM = {"content-type": "application/x-www-form-urlencoded"}
FOREIGN = "This form was not sent from a page of this console"

# Closes whatever it may stand in, and opens an element, an attribute and a script of its own.
HOSTILE = (
    """x-evil=1 "x-evil='"><x-evil x-evil></textarea></title>"""
    """<script>document.title="x-evil"</script><img src=x onerror=x>&lt;"""
)
# The same for what may have no angle brackets.
QUOTED = """x-evil=1 "x-evil=1 'x-evil x-evil="""
HEADERS = {
    "cache-control": "no-store", "cross-origin-opener-policy": "same-origin", "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff", "x-frame-options": "DENY",
    "content-security-policy":
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}


@pytest.fixture(scope="module")
def account(house):
    return house.account()


@pytest.fixture(scope="module")
def ann(account):
    return person(account, "ann", allow("*"))


WRONG_FACTOR = "The code or security key is wrong, or was used already."
BEGIN_AGAIN = "This sign-in took too long, or began in another browser: begin again."


# One-time codes


def test_code_is_good_once_wherever_it_is_shown(house, account, clock):
    user = person(account, fresh("user"))
    device = account.device(user)
    http = client(house)
    shown = device.next_code()
    user.sts.get_session_token(SerialNumber=device.serial, TokenCode=shown)
    page = knock(http, account, user.name)
    answer = go_on(http, "code", page, code=shown)
    assert not is_in(answer) and error(answer) == WRONG_FACTOR
    clock.set_off(30)
    shown = device.next_code()
    assert is_in(go_on(http, "code", page, code=shown))
    with refused("AccessDenied"):
        user.sts.get_session_token(SerialNumber=device.serial, TokenCode=shown)


def test_codes_of_other_times_other_devices_and_other_digits_are_wrong(house, account):
    user, other = person(account, fresh("user")), person(account, fresh("user"))
    device, others = account.device(user), account.device(other)
    http = client(house)
    page, now = knock(http, account, user.name), int(time.time()) // 30
    good = device.code(now + 1)
    full_width = good.translate(str.maketrans("0123456789", "０１２３４５６７８９"))
    elsewhen = device.code(now - 5), device.code(now + 5)
    for code in (*elsewhen, others.code(now + 1), full_width, good + "0", "+" + good[1:], good + "\0"):
        answer = go_on(http, "code", page, code=code)
        assert (is_in(answer), error(answer)) == (False, WRONG_FACTOR), code
    assert is_in(go_on(http, "code", page, code=good))


def test_finished_sign_in_opens_no_second_session(house, account, clock):
    user = person(account, fresh("user"))
    device = account.device(user)
    http = client(house)
    page = knock(http, account, user.name)
    assert is_in(go_on(http, "code", page, code=device.next_code()))
    clock.set_off(30)
    answer = go_on(http, "code", page, code=device.next_code())
    assert not is_in(answer) and error(answer) == BEGIN_AGAIN


def test_clock_that_is_set_back_brings_no_code_and_no_sign_in_back(house, account, clock):
    user = person(account, fresh("user"))
    device = account.device(user)
    http = client(house)
    page = knock(http, account, user.name)
    used = device.next_code()
    assert is_in(go_on(http, "code", page, code=used))
    clock.set_off(-60)
    # The step is of the future now, and a new one does not take the code again, nor any before it.
    assert error(go_on(http, "code", page, code=device.next_code())) == BEGIN_AGAIN
    again = knock(http, account, user.name)
    for code in (used, device.code(device.step - 2), device.code(device.step - 3)):
        assert not is_in(go_on(http, "code", again, code=code))


def test_clock_that_is_set_back_prolongs_no_session(house, account, clock):
    person(account, name := fresh("user"))
    user, root = session(house, account, name), root_session(house, account)
    assert is_signed_in(user) and is_signed_in(root)
    for seconds in (-600, -86_400):
        clock.set_off(seconds)
        assert not is_signed_in(user) and not is_signed_in(root)
    clock.set_off(0)
    assert is_signed_in(user) and is_signed_in(root)
    clock.set_off(3_601)
    assert is_signed_in(user) and not is_signed_in(root)
    clock.set_off(43_201)
    assert not is_signed_in(user)


# Sessions


def test_session_of_the_root_user_is_for_its_address(house, account):
    root = root_session(house, account)
    there = {"transport": httpx.HTTPTransport(local_address="127.0.0.2"), "cookies": dict(root.cookies)}
    with httpx.Client(base_url=house.url, headers={"user-agent": "test"}, **there) as elsewhere:
        assert not is_signed_in(elsewhere)
        # Nobody's word is taken for where they are.
        for name in ("x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip"):
            word = "for=127.0.0.1" if name == "forwarded" else "127.0.0.1"
            answer = elsewhere.get("/console/sessions", headers={name: word})
            assert answer.status_code == 303
    assert is_signed_in(root)


@pytest.mark.parametrize("ends", ["password changed", "password gone", "user gone", "session ended"])
def test_stolen_cookie_is_worth_nothing_once_its_owner_is_cut_off(house, account, ends):
    user = person(account, name := fresh("user"), allow("rootward:ListSessions"))
    thief = client(house)
    thief.cookies.update(dict(session(house, account, name).cookies))
    page = thief.get("/console/sessions")
    assert page.status_code == 200
    match ends:
        case "password changed":
            account.iam.update_login_profile(UserName=name, Password=NEW_PASSWORD)
        case "password gone":
            account.iam.delete_login_profile(UserName=name)
        case "user gone":
            account.iam.delete_login_profile(UserName=name)
            account.iam.delete_access_key(UserName=name, AccessKeyId=user.credentials.key)
            account.iam.delete_user_policy(UserName=name, PolicyName="inline")
            account.iam.delete_user(UserName=name)
        case "session ended":
            [one] = account.rootward.list_sessions(UserName=name)["Sessions"]
            account.rootward.revoke_session(SessionId=one["SessionId"])
    assert not is_signed_in(thief)
    answer = thief.post("/console/users", data={"name": "forged", "mark": mark(page.text)})
    assert answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in")


@pytest.mark.parametrize("cookie", [
    "", ".", "..", "...", "x.y.z", "000000000000.x.y", "é.é.é", "A" * 200, "A" * 60_000, "%00.%00.%00", '"quoted"', "=.=.=",
])
def test_broken_cookies_are_no_cookies(house, cookie):
    for name in ("rootward-session", "rootward-browser"):
        headers = {"cookie": f"{name}={cookie}".encode()}
        answer = client(house).get("/console/users", headers=headers)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in?")
        answer = client(house).get("/console/sign-in", headers=headers)
        assert answer.status_code == 200 and "rootward-browser=" in answer.headers["set-cookie"]


def test_cookie_for_two_sessions_is_the_first_ones(house, account):
    """What another page of the domain slips in beside ours opens nothing."""
    person(account, name := fresh("user"))
    cookie = session(house, account, name).cookies["rootward-session"]
    other = cookie.rpartition(".")[0] + "." + "A" * 43
    for first, second, seen in ((cookie, other, 200), (other, cookie, 303)):
        headers = {"cookie": f"rootward-session={first}; rootward-session={second}"}
        assert client(house).get("/console/sessions", headers=headers).status_code == seen


# Steps of a sign-in


def test_step_of_one_account_is_worth_nothing_in_another(house, account):
    elsewhere = house.account()
    user, other = person(account, fresh("user")), person(elsewhere, fresh("user"))
    device, others = account.device(user), elsewhere.device(other)
    http = client(house)
    first, second = knock(http, account, user.name), knock(http, elsewhere, other.name)
    # Whose step it is decides, and not who is named beside it.
    beside = {"account": elsewhere.account, "name": other.name}
    answer = go_on(http, "code", first, code=others.next_code(), **beside)
    assert not is_in(answer) and error(answer) == WRONG_FACTOR
    assert is_in(go_on(http, "code", first, code=device.next_code(), **beside))
    assert account.account in http.get("/console").text and elsewhere.account not in http.get("/console").text
    stranger = client(house)
    left = {"mark": mark(stranger.get("/console/sign-in").text), "step": step(second)}
    answer = stranger.post("/console/sign-in/code", data={**left, "code": others.next_code()})
    assert not is_in(answer) and error(answer) == BEGIN_AGAIN


@pytest.mark.parametrize("form, fields", [
    ("reason", {"reason": "drill", "approvals": "0", "minutes": "60"}), ("wait", {}), ("code", {"code": ""}),
    ("passkey", {"credential": "{}"}), ("passkey", {"credential": "null", "codes": "yes"}),
    ("new-password", {"old": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD, "expired": "true"}),
])
def test_no_form_leads_past_the_second_factor(house, account, form, fields):
    user = person(account, fresh("user"), allow("*"))
    account.device(user)
    http = client(house)
    answer = go_on(http, form, knock(http, account, user.name), **fields)
    assert not is_in(answer) and not is_signed_in(http)
    http = client(house)
    assert 'name="code"' in knock(http, account, user.name).text, "the password is the old one"


@pytest.mark.parametrize("made", ["", "A", "A" * 5_000, "null", HOSTILE])
def test_made_up_step_begins_again(house, made):
    http = client(house)
    here = mark(http.get("/console/sign-in").text)
    for form, fields in {"code": {"code": "123456"}, "wait": {}, "passkey": {"credential": "{}"},
                         "reason": {"reason": "drill", "approvals": "0", "minutes": "5"}}.items():
        answer = http.post(f"/console/sign-in/{form}", data={"mark": here, "step": made, **fields})
        assert answer.status_code == 403 and not is_in(answer)
        assert strangers(answer) == []


# Where people are sent

ELSEWHERE = [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", " /console",
    "/console\r\nlocation: https://evil.example", "/console/../../evil", "/consolex", "/%2f%2fevil.example", "/console\u2028x",
    "http:evil.example", "/console/sign-out", "data:text/html,x", "?//evil.example", "///evil.example", ".evil.example",
    "@evil.example", "/console/./sign-out", "/console/x/../federation?SigninToken=x", "/console/x/%2e%2e/federation?SigninToken=x",
]


@pytest.mark.parametrize("next", ELSEWHERE)
def test_no_step_of_a_sign_in_leads_elsewhere(house, account, next):
    assert is_here(house, go_on_to(house, account, next))
    name = fresh("user")
    device = account.device(person(account, name))
    http = client(house)
    page = knock(http, account, name, next=next)
    left = re.search(r'name="next" value="([^"]*)"', page.text)[1]
    assert left.startswith("/console")
    assert is_here(house, go_on(http, "code", page, code=device.next_code(), next=next))


def go_on_to(house, account, next):
    http = client(house)
    page = knock_as_root(http, account)
    return go_on(http, "reason", page, reason="drill", approvals=0, minutes=60, next=next)


def is_here(house, answer):
    """Whether a redirect stays in the console, as browsers read addresses."""
    location = answer.headers["location"]
    resolved = urlsplit(urljoin(f"{house.url}/console/sign-in", location.replace("\\", "/")))
    assert resolved.netloc == urlsplit(house.url).netloc and len(answer.headers.get_list("location")) == 1, location
    return location.startswith("/console") and location.isascii() and location.isprintable()


@pytest.mark.parametrize("path", SHOWN)
def test_parameters_of_pages_lead_nowhere(house, account, ann, path):
    names = ("next", "to", "url", "redirect", "return", "door", "done", "marker", "of", "user", "version", "principal")
    http = session(house, account, "ann")
    for visitor in (http, client(house)):
        answer = visitor.get(filled(path), params=dict.fromkeys(names, "https://evil.example"))
        assert urlsplit(answer.headers.get("location", "")).netloc == ""
        assert "https://evil.example" not in re.findall(r'(?:href|action|src|content)="([^"]*)', answer.text)


def filled(path):
    """The path of a route, of something that need not be there."""
    return path.replace("{name}", "ann").replace("{arn}", quote("arn:aws:iam::aws:policy/ReadOnlyAccess", safe=""))


def test_host_header_is_built_into_nothing_after_signing_in(house, account, ann):
    http = session(house, account, "ann")
    forged = {
        "host": "evil.example", "x-forwarded-host": "evil.example", "x-forwarded-proto": "https",
        "forwarded": "host=evil.example",
    }
    for path in map(filled, SHOWN):
        answer = http.get(path, headers=forged)
        # What begins elsewhere, and lacks what it brings from there, is refused.
        begins_elsewhere = path in ("/console/authorize", "/console/federation", "/console/recover/password")
        assert answer.status_code in (400, 403) if begins_elsewhere else answer.status_code in (200, 303, 308, 404), path
        assert "evil.example" not in answer.text + str(answer.headers), path
    form = {"mark": mark(http.get("/console").text), "name": fresh("key")}
    answer = http.post("/console/security/register/passkey", data=form, headers=forged)
    options = re.search(r'data-options="([^"]+)"', answer.text)[1]
    assert "evil" not in options and "&quot;localhost&quot;" in options.replace("&#34;", "&quot;")
    for cookie in knock(client(house), account, "ann").headers.get_list("set-cookie"):
        assert "domain" not in cookie.lower()


def test_cookies_and_answers_keep_to_https_where_the_address_does(tmp_path):
    server = Server(tmp_path, "--url", "https://iam.example.com").start()
    try:
        for path in ("/console/sign-in", "/console/nothing", "/console/users"):
            told = client(server).get(path)
            assert told.headers["strict-transport-security"] == "max-age=31536000"
        [cookie] = client(server).get("/console/first-run").headers.get_list("set-cookie")
        assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/console"} <= set(cookie.split("; "))
    finally:
        server.stop()


# Forms of other pages


@pytest.fixture(scope="module")
def two_sessions(house, account, ann):
    return session(house, account, "ann"), session(house, account, "ann")


def test_every_form_is_known_here():
    assert len(POSTED) > 25 and {"/console/sign-out", "/console/access", "/console/policies/check"} <= set(IN_SESSION)
    source = (ROOT / "crates/console/src").rglob("*.rs")
    # Whoever takes a form takes it by one of these two, which look at its mark.
    takers = sum(len(re.findall(r"(?:Posted|Knocked)\([^)]*\)+: (?:Posted|Knocked)<", file.read_text())) for file in source)
    assert takers == len(POSTED)


@pytest.mark.parametrize("path", IN_SESSION)
def test_form_of_a_session_needs_its_mark_and_its_site(house, two_sessions, path):
    http, other = two_sessions
    path = filled(path)
    good, others = (mark(each.get("/console").text) for each in (http, other))
    before = mark(client(house).get("/console/sign-in").text)
    assert good != others
    for form in ({}, {"mark": ""}, {"mark": "x" * 43}, {"mark": others}, {"mark": before}, {"mark": good[:-1]},
                 {"mark": [good, "x"]}, {"Mark": good}, {"mark[]": good}):
        assert is_foreign(http.post(path, data=form)), form
    assert is_foreign(http.post(path, params={"mark": good}))
    for headers in (
        {"origin": "http://evil.example"}, {"origin": "null"}, {"origin": ""}, {"origin": f"http://localhost:{house.port + 1}"},
        {"origin": f"http://localhost:{house.port}.evil.example"}, {"origin": f"http://evil@localhost:{house.port}"},
        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}, {"sec-fetch-site": ""},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
    ):
        assert is_foreign(http.post(path, data={"mark": good}, headers=headers)), headers
    answer = client(house).post(path, data={"mark": good})
    assert answer.status_code == 303 and answer.headers["location"].startswith("/console/sign-in")
    if path != "/console/sign-out":
        assert not is_foreign(http.post(path, data={"mark": good})), "what is refused above is refused for the mark"


@pytest.mark.parametrize("path", KNOCKED)
def test_form_before_a_session_needs_the_mark_of_its_browser(house, path):
    http, other = client(house), client(house)
    good, others = (mark(each.get("/console/sign-in").text) for each in (http, other))
    for form in ({}, {"mark": ""}, {"mark": "x" * 43}, {"mark": others}, {"mark": [good, good]}):
        assert is_foreign(http.post(path, data=form)), form
    assert is_foreign(client(house).post(path, data={"mark": good}))
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"},
                    {"sec-fetch-site": "same-site"}):
        assert is_foreign(http.post(path, data={"mark": good}, headers=headers)), headers
    assert not is_foreign(http.post(path, data={"mark": good}))


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_forms_are_taken_by_post_alone(house, account, two_sessions, method):
    http, _ = two_sessions
    users = {user["UserName"] for user in account.iam.list_users()["Users"]}
    form = urlencode({"name": "forged", "mark": mark(http.get("/console").text)})
    http.request(method, f"/console/users?{form}", content=form, headers=FORM)
    assert {user["UserName"] for user in account.iam.list_users()["Users"]} == users
    for path in map(filled, set(POSTED) - set(SHOWN)):
        answer = http.request(method, path)
        # People come back by the history, and are led to the page that has the form.
        back = (303, path.rpartition("/")[0])
        assert (answer.status_code, answer.headers.get("location")) == (back if method == "GET" else (405, None)), path


def is_foreign(answer):
    return answer.status_code == 403 and FOREIGN in answer.text


# What people write


class Page(HTMLParser):
    """Elements and attributes that no page of ours has."""

    OURS = {
        "script": [{"src", "defer"}],
        "svg": [{"width", "height", "role", "aria-labelledby", "aria-describedby"}, {"class", "x", "y", "overflow"}],
    }

    def __init__(self, text):
        super().__init__()
        self.strange, self.links, self.is_whole = [], [], False
        self.feed(text)
        if not self.is_whole:
            self.strange.append("swallowed by a quote that is not closed")

    def handle_endtag(self, tag):
        self.is_whole |= tag == "html"

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src", "action", "formaction"):
                ours = (value or "").startswith(("/console", "#", "data:image/png;base64,"))
                if not ours:
                    self.strange.append((tag, name, value))
                if name == "href":
                    self.links.append(value)
            if name.startswith("on") or name in ("style", "srcdoc", "x-evil"):
                self.strange.append((tag, name, value))
        names = {name for name, _ in attributes}
        is_ours = tag not in self.OURS or names in self.OURS[tag]
        if tag in ("x-evil", "iframe", "object", "embed", "base") or not is_ours:
            self.strange.append((tag, names))


def strangers(answer):
    return Page(answer.text).strange


def test_reader_of_pages_sees_what_is_hostile():
    for text in (HOSTILE, f'<input value="{HOSTILE}">', f"<textarea>{HOSTILE}</textarea>", f'<input value="{QUOTED}">'):
        assert Page(f"<html>{text}</html>").strange
    assert not Page("<html><input value='x'></html>").strange


@pytest.fixture(scope="module")
def littered(house):
    """An account where everything that may be written freely is hostile, and its administrator's session."""
    account = house.account()
    sly, iam = person(account, "sly", allow("*")), account.iam
    path = "/<x-evil>\"'/<script>x-evil()</script>/"
    hostile = {"StringEquals": {"aws:PrincipalTag/x": HOSTILE}}
    document = policy(allow("s3:*", "arn:aws:s3:::*", **hostile))
    iam.create_user(UserName="sly-too", Path=path)
    iam.create_group(GroupName="group", Path=path)
    iam.add_user_to_group(GroupName="group", UserName="sly-too")
    iam.create_role(RoleName="role", Path=path, Description=HOSTILE,
                    AssumeRolePolicyDocument=trust({"AWS": sly.arn}, conditions=hostile))
    made = iam.create_policy(PolicyName="policy", Path="/x/", Description=HOSTILE, PolicyDocument=document)["Policy"]
    for attach, inline, of in ((iam.attach_user_policy, iam.put_user_policy, {"UserName": "sly-too"}),
                               (iam.attach_group_policy, iam.put_group_policy, {"GroupName": "group"}),
                               (iam.attach_role_policy, iam.put_role_policy, {"RoleName": "role"})):
        attach(PolicyArn=made["Arn"], **of)
        inline(PolicyName="inline", PolicyDocument=document, **of)
    account.client("account").put_contact_information(ContactInformation={
        "FullName": HOSTILE[:50], "AddressLine1": HOSTILE[:60], "City": HOSTILE[:50], "CountryCode": "DE", "PostalCode": "1",
        "PhoneNumber": "+4912345678", "StateOrRegion": HOSTILE[:50],
    })
    litter_organization(account)
    http = session(house, account, "sly", account.device(sly), agent=HOSTILE)
    root = client(house)
    go_on(root, "reason", knock_as_root(root, account), reason=HOSTILE, approvals=0, minutes=60)
    form = {"mark": mark(root.get("/console").text), "do": "name", "name": QUOTED}
    renamed = root.post("/console/account", data=form)
    assert renamed.status_code == 303, renamed.text
    house.host("root", "unseal", "--account", account.account, "--reason", HOSTILE, "--minutes", "60")
    house.host("root", "approvers", "--account", account.account, "--required", "1", "--user", "sly")
    waiting = client(house)
    page = go_on(waiting, "reason", knock_as_root(waiting, account), reason=HOSTILE, approvals=0, minutes=60)
    assert "0 of 1" in page.text and strangers(page) == []
    return http, root


def litter_organization(account):
    organizations = account.client("organizations")
    organizations.create_organization()
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    unit = organizations.create_organizational_unit(ParentId=root, Name=HOSTILE[:128])["OrganizationalUnit"]["Id"]
    asked = organizations.create_account(Email=f"{fresh('member')}@example.com", AccountName=QUOTED[:50])["CreateAccountStatus"]
    member = finished(organizations, asked)
    organizations.move_account(AccountId=member, SourceParentId=root, DestinationParentId=unit)
    made = organizations.create_policy(
        Type="SERVICE_CONTROL_POLICY", Name=HOSTILE[:128], Description=HOSTILE, Content=policy(deny("iam:CreateUser")))
    for target in (unit, member):
        organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)
    organizations.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    account.iam.enable_organizations_root_credentials_management()


def finished(organizations, asked):
    """The account that was asked for, once it is there."""
    while asked["State"] == "IN_PROGRESS":
        asked = organizations.describe_create_account_status(CreateAccountRequestId=asked["Id"])["CreateAccountStatus"]
    assert asked["State"] == "SUCCEEDED", asked
    return asked["AccountId"]


def crawl(http):
    """Every page that links of pages lead to, with its path; of the audit trail, which grows meanwhile, some events."""
    seen, left = {}, ["/console"]
    while left:
        path = left.pop().partition("#")[0]
        events = sum(one.startswith("/console/trail/") for one in seen)
        if path.startswith("/console/trail/") and events >= 20 or "token=" in path:
            continue
        if path in seen or "/assets/" in path or "of=aws" in path or "policies/arn%3Aaws%3Aiam%3A%3Aaws%3A" in path:
            continue
        seen[path] = http.get(path)
        assert seen[path].status_code == 200, (path, seen[path].text)
        left += [link for link in Page(seen[path].text).links if link.startswith("/console")]
    return seen


def test_nothing_that_people_write_becomes_part_of_a_page(littered):
    http, root = littered
    pages = {**crawl(root), **crawl(http)}
    one_of = re.compile(r"/console/(users|groups|roles|policies|trail|organization/accounts|organization/policies)/[^/?]+$")
    shown = {one_of.sub(r"/console/\1/{}", path.partition("?")[0]) for path in pages}
    assert shown >= {re.sub(r"\{\w+\}", "{}", path) for path in SHOWN} - {
        "/console/", "/console/assets/{}", "/console/authorize", "/console/federation", "/console/first-run",
        "/console/policies/names", "/console/recover", "/console/recover/password", "/console/security/register",
        "/console/sign-in", "/console/start"}
    for path, page in pages.items():
        assert strangers(page) == [], path
    assert pages["/console/access"].text.count("x-evil") >= 2
    # And it is there to be seen, in most of these places.
    assert sum("x-evil" in page.text for page in pages.values()) >= 8


def test_nothing_that_people_write_runs_in_a_browser(house, littered):
    http, root = littered
    paths = {path for path, page in crawl(http).items() if "x-evil" in page.text}
    with browser(house.url.replace("127.0.0.1", "localhost")) as page:
        page.driver.execute_cdp_cmd("Network.setUserAgentOverride", {"userAgent": HOSTILE})
        page.open("/console/sign-in")
        page.driver.add_cookie({"name": "rootward-session", "value": http.cookies["rootward-session"], "path": "/console"})
        for path in sorted(paths):
            page.open(path)
            assert page.title != "Sign in" and "x-evil" not in page.driver.title, path
            assert page.driver.find_elements(By.CSS_SELECTOR, "x-evil, main script, main img, [x-evil], [onerror]") == [], path
            assert page.complaints() == [], path


@pytest.mark.parametrize("path, fields", [
    ("/console/sign-in", {"account": HOSTILE, "name": HOSTILE, "password": HOSTILE, "next": HOSTILE}),
    ("/console/sign-in", {"email": HOSTILE, "password": HOSTILE}),
    ("/console/sign-in/code", {"step": HOSTILE, "code": HOSTILE, "next": HOSTILE}),
    ("/console/sign-in/passkey", {"step": HOSTILE, "credential": HOSTILE, "codes": HOSTILE}),
    ("/console/sign-in/new-password", {"step": HOSTILE, "old": HOSTILE, "new": HOSTILE, "again": "x", "expired": "true"}),
    ("/console/sign-in/reason", {"step": HOSTILE, "reason": HOSTILE, "approvals": HOSTILE, "minutes": "1"}),
])
def test_what_a_sign_in_form_brings_comes_back_as_text(house, path, fields):
    http = client(house)
    answer = http.post(path, data={"mark": mark(http.get("/console/sign-in").text), **fields})
    assert answer.status_code in (400, 403) and shows_text_only(answer)


@pytest.mark.parametrize("path, fields", [
    ("/console/users", {"name": HOSTILE}),
    ("/console/users/ann", {"do": HOSTILE}),
    ("/console/users/ann", {"do": "join", "group": HOSTILE}),
    ("/console/users/ann", {"do": "delete-key", "id": HOSTILE}),
    ("/console/users/ann/policies", {"do": "attach", "policy": HOSTILE}),
    ("/console/groups", {"name": HOSTILE}),
    ("/console/roles", {"name": HOSTILE, "description": HOSTILE, "trust": HOSTILE}),
    ("/console/policies", {"name": HOSTILE, "description": HOSTILE, "document": HOSTILE}),
    ("/console/policies/check", {"kind": "identity", "document": HOSTILE}),
    ("/console/policies/check", {"kind": "identity", "document": '{"Version": "2012-10-17", "<x-evil x-evil>": 1}'}),
    ("/console/simulator", {"principal": HOSTILE, "actions": HOSTILE, "resources": HOSTILE, "context": "k=" + HOSTILE}),
    ("/console/simulator",
     {"principal": "ann", "actions": "s3:GetObject", "resources": "", "context": HOSTILE.replace("=", "")}),
    ("/console/start", {"name": HOSTILE, "password": HOSTILE}),
    ("/console/password-policy", {"length": HOSTILE}),
    ("/console/sessions", {"id": HOSTILE}),
    ("/console/access", {"do": "approve", "id": HOSTILE}),
    ("/console/access", {"do": "settings", "required": HOSTILE, "approvers": HOSTILE, "minutes": HOSTILE}),
    ("/console/access", {"do": "put-policy", "policy": HOSTILE}),
    ("/console/security", {"do": "remove-factor", "serial": HOSTILE}),
    ("/console/security/password", {"old": HOSTILE, "new": HOSTILE, "again": "x"}),
    ("/console/security/register/app", {"name": HOSTILE}),
    ("/console/security/register/app/finish",
     {"serial": HOSTILE, "seed": HOSTILE, "picture": HOSTILE, "first": HOSTILE, "second": "1"}),
    ("/console/security/register/passkey", {"name": HOSTILE}),
    ("/console/security/register/passkey/finish", {"state": HOSTILE, "credential": HOSTILE}),
    ("/console/account", {"do": "name", "name": HOSTILE}),
    ("/console/organization", {"do": "enable-scps", "root": HOSTILE}),
    ("/console/organization/root-access", {"do": "delete", "account": HOSTILE}),
    ("/console/organization/root-access", {"do": "delete", "account": HOSTILE, "confirm": "yes"}),
    ("/console/organization/root-access", {"do": "recover", "account": HOSTILE, "confirm": "yes"}),
])
def test_what_a_form_brings_comes_back_as_text(two_sessions, path, fields):
    http, _ = two_sessions
    answer = http.post(path, data={"mark": mark(http.get("/console").text), **fields})
    assert answer.status_code in (200, 400, 403, 404, 409, 422) and shows_text_only(answer)


@pytest.mark.parametrize("path", [path for path in SHOWN if "assets" not in path])
def test_what_an_address_brings_comes_back_as_text(house, two_sessions, path):
    http, _ = two_sessions
    path = re.sub(r"\{\w+\}", quote(HOSTILE, safe=""), path)
    names = (
        "user", "version", "principal", "actions", "action", "resource", "marker", "of", "at", "only", "search", "done", "door",
        "email", "account", "next", HOSTILE,
    )
    for visitor in (http, client(house)):
        for query in ([(name, HOSTILE)] for name in names):
            assert shows_text_only(visitor.get(path, params=query)), query


def shows_text_only(answer):
    """What is no page is nothing that browsers would take for one."""
    is_page = answer.headers.get("content-type", "").startswith("text/html")
    assert has_headers(answer) and (is_page or "html" not in answer.headers.get("content-type", ""))
    return not is_page or strangers(answer) == []


# Sizes and bytes


@pytest.mark.parametrize("path", POSTED)
def test_no_form_is_too_broken_to_be_refused(house, two_sessions, path):
    http, _ = two_sessions
    knocked = path in KNOCKED
    visitor = client(house) if knocked else http
    good = mark(visitor.get("/console/sign-in" if knocked else "/console").text)
    if path in ("/console/sign-out", "/console/switch-role/exit"):
        good = "x"
    several = "&".join(f"f{number}=x" for number in range(5_000))
    for content in (
        b"", b"&&&&==&=", b"mark", b"\xff\xfe\x00", b"mark=%ff%00%zz", b"{" * 100_000,
        f"mark={good}&name=%ff%fe&do=%c3%28&step=%00".encode(), f"mark={good}&{several}".encode(),
        f"mark={good}&name={'x' * 900_000}&do=name&step=x".encode(),
        f"mark={good}&do=x&do=y&name=a&name=b".encode(), f"{several}&mark={good}".encode(),
    ):
        answer = visitor.post(filled(path), content=content, headers=FORM)
        # Some pages tell a refusal with 200; the check of a policy is an answer to any document.
        done = answer.status_code == 200 and (path == "/console/policies/check" or error(answer))
        assert done or answer.status_code in (400, 403, 404, 409, 422), (answer.status_code, content[:80])
        assert shows_text_only(answer)


def test_form_past_the_limit_is_refused_with_all_headers(house, two_sessions):
    for visitor in (client(house), two_sessions[0]):
        answer = visitor.post("/console/users", content=b"name=" + b"x" * (1 << 20), headers=FORM)
        assert answer.status_code == 413 and has_headers(answer)


@pytest.mark.parametrize("path", [
    "/console/nothing", "/console/users/%ff", "/console/users/%00", "/console/users/" + "x" * 5_000,
    "/console/assets/..%2f..%2fetc%2fpasswd", "/console/assets/console.js", "/console/", "/console//evil.example",
    "/console/%2e%2e/", "/console/users?marker=%ff", "/console/users?marker=a&marker=b", "/console/policies/arn%3A",
    "/console/policies?of=nothing", "/console/users/ann/policies", "/console/sign-in?next=a&next=b", "/console/sign-in",
    "/console/simulator?principal=%00",
])
def test_every_answer_has_the_headers(house, two_sessions, path):
    for visitor in (two_sessions[0], client(house)):
        for method in ("GET", "HEAD", "POST", "DELETE"):
            answer = visitor.request(method, path)
            assert answer.status_code < 500 and has_headers(answer), (method, answer.status_code, dict(answer.headers))


def has_headers(answer):
    told = {name: answer.headers.get(name) for name in HEADERS}
    # Styles and scripts are the same for everybody, and may be kept.
    expected = {**HEADERS, "cache-control": told["cache-control"]} if "/assets/" in answer.url.path else HEADERS
    assert told == expected, (answer.status_code, answer.url, told)
    return True
