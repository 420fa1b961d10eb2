"""The console without a browser: forms sent with what the page before left for them."""

import html
import re

import httpx

from rootward_testkit import PASSWORD


def client(server, agent="test"):
    return httpx.Client(base_url=f"http://localhost:{server.port}", headers={"user-agent": agent}, timeout=30)


def mark(html):
    return re.search(r'name="mark" value="([^"]+)"', html)[1]


def person(account, name, *statements):
    """A user with a password."""
    user = account.user(*statements, name=name)
    account.iam.create_login_profile(UserName=name, Password=PASSWORD)
    return user


def knock(http, account, name, **extra):
    """Sends name and password; the answer."""
    form = {"account": account.account, "name": name, "password": PASSWORD, "mark": mark(http.get("/console/sign-in").text)}
    return http.post("/console/sign-in", data={**form, **extra})


def knock_as_root(http, account):
    form = {"email": account.email, "password": PASSWORD, "mark": mark(http.get("/console/sign-in").text)}
    return http.post("/console/sign-in", data=form)


def go_on(http, form, page, **fields):
    """Sends the next form of a sign-in with what the page left for it."""
    left = {"mark": mark(page.text), "step": step(page)}
    return http.post(f"/console/sign-in/{form}", data={**left, **fields})


def step(page):
    return re.search(r'name="step" value="([^"]+)"', page.text)[1]


def session(server, account, name, device=None, agent="test"):
    """A client that is signed in as this user."""
    http = client(server, agent)
    answer = knock(http, account, name)
    if device:
        answer = go_on(http, "code", answer, code=device.next_code())
    assert is_in(answer), answer.text
    return http


def root_session(server, account):
    http = client(server)
    assert is_in(go_on(http, "reason", knock_as_root(http, account), reason="drill", approvals=0, minutes=60))
    return http


def is_in(answer):
    """Whether the answer leaves the browser a session."""
    return answer.status_code == 303 and any(
        cookie.startswith("rootward-session=") and "Max-Age=0" not in cookie
        for cookie in answer.headers.get_list("set-cookie")
    )


def is_signed_in(http):
    answer = http.get("/console/sessions")
    assert answer.status_code == 200 or answer.headers["location"].startswith("/console/sign-in?"), answer.text
    return answer.status_code == 200


def error(answer):
    """What a page says was refused, or is still missing, as text."""
    found = re.search(r'<(p|section)[^>]* role="alert">(.*?)</\1>', answer.text, re.DOTALL)
    return found and html.unescape(re.sub(r"<[^>]*>", "", found[2]))
