"""Recovery of a root user's password by mail: in a real browser, and by those who would like to have it."""

import re

from browser import browser
from post import Mailbox, Post
from rootward_testkit import Server, free_port
from test_alerts import Hook, target
from test_console import client, mark, open_account, register_app, sign_in_as_root
from test_mail import ROOT, serving

NEW = "amber-Pickle+12-violins"
SUBJECT = "A new password for the root user"


def link_of(mail):
    return re.search(r"https?://\S+", mail.get_content())[0]


def ask(http, email, headers=None):
    form = {"email": email, "mark": mark(http.get("/console/recover").text)}
    return http.post("/console/recover", data=form, headers=headers)


def recover(http, link, password=NEW):
    form = {"link": link.partition("?link=")[2], "password": password, "again": password, "mark": mark(http.get("/console/recover").text)}
    return http.post("/console/recover/password", data=form)


def as_read(page):
    """The page but for what differs each time."""
    return re.sub(r'name="mark" value="[^"]+"', "", page.text)


def test_forgotten_password_is_replaced_and_the_seal_and_the_second_factor_stay(tmp_path):
    box, port = Mailbox(), free_port()
    with Post(box, port=port), serving(tmp_path, port) as server, browser(f"http://localhost:{server.port}") as page:
        old = open_account(page, server)
        sign_in_as_root(page, old)
        totp = register_app(page)
        with Hook() as hook, target(server, hook.url), browser(f"http://localhost:{server.port}") as other:
            other.open("/console/sign-in?door=root").press("Forgot the password?").fill(email=ROOT).press("Send link")
            assert other.title == "Look into the mailbox"
            link = link_of(box.wait(ROOT, SUBJECT))
            assert link.startswith(f"http://localhost:{server.port}/console/recover/password?link=")
            # Opened twice, as mail programs do, and with passwords that will not do.
            for _ in range(2):
                other.driver.get(link)
            other.fill(password=NEW, again=NEW + "x").press("Change password")
            assert other.notices == ["The new password was not typed the same twice."]
            other.fill(password="password-1", again="password-1").press("Change password")
            assert other.title == "New password" and "password" in other.notices[0]
            other.fill(password=NEW, again=NEW).press("Change password")
            assert other.title == "The password is changed"
            box.wait(ROOT, "has another password")
            # The session that was open has ended.
            assert page.open("/console").title == "Sign in"
            other.press("Sign in")
            assert other.value("email") == ROOT
            other.fill(password=old).press("Sign in")
            assert other.notices == ["The e-mail address or password is wrong."]
            other.fill(password=NEW).press("Sign in")
            assert other.title == "Second factor"
            other.fill(code=totp.now()).press("Continue")
            assert other.title == "The root user is sealed"
            other.fill(reason="forgot it").press("Sign in as root")
            assert other.title == "Root is protected"
            other.driver.get(link)
            assert other.notices == ["This link is no longer good: ask for another."]
            for name, severity in [("PasswordRecoveryRequested", "warning"), ("PasswordRecoveryCompleted", "critical")]:
                told = hook.wait(name)
                assert (told["type"], told["data"]["severity"]) == ("dev.rootward.root.credentials.changed", severity)
        [ended] = [event["requestParameters"]["reason"] for event in server.events("RootSessionEnded")]
        assert ended == "password changed"
        assert [record["sourceIPAddress"] for record in server.events("PasswordRecoveryCompleted")] == ["127.0.0.1"]
        secret = link.partition("?link=")[2]
        assert secret not in server.log.read_text() and not any(secret in str(record) for record in server.trail())


def test_answer_is_the_same_whether_or_not_the_address_is_anybodys(tmp_path):
    box, port = Mailbox(), free_port()
    with Post(box, port=port), serving(tmp_path, port) as server:
        server.account(name="known")
        with client(server) as http:
            answers = [ask(http, email) for email in ("nobody@example.com", "known@example.com", "root")]
            email = next(line.split("\t")[2] for line in server.host("account", "list").splitlines())
            answers.append(ask(http, email))
            assert email == "known@example.com"
            box.wait(email, SUBJECT, after=1)
        assert [answer.status_code for answer in answers] == [200] * 4
        assert len({as_read(answer) for answer in answers}) == 1
        assert len({tuple(sorted(name for name in answer.headers)) for answer in answers}) == 1
        assert len(server.events("PasswordRecoveryRequested")) == len(box.mails) == 2


def test_link_leads_to_us_whatever_host_the_request_names(tmp_path):
    box, port = Mailbox(), free_port()
    with Post(box, port=port), serving(tmp_path, port) as server:
        account = server.account()
        with client(server) as http:
            answer = ask(http, account.email, {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"})
            assert answer.status_code == 200
            mail = box.wait(account.email, SUBJECT)
        assert link_of(mail).startswith(f"http://localhost:{server.port}/console/recover/password?link=")
        assert "evil" not in mail.as_string()


def test_link_is_for_one_account_and_one_use_and_is_not_guessed(tmp_path):
    box, port = Mailbox(), free_port()
    with Post(box, port=port), serving(tmp_path, port) as server:
        one, other = server.account(), server.account()
        with client(server) as http:
            for account in (one, other):
                ask(http, account.email)
            links = [link_of(box.wait(account.email, SUBJECT)) for account in (one, other)]
            token = links[0].partition("?link=")[2]
            for wrong in (token[:-4] + "AAAA", token[4:], "AAAA" + token[4:], "", "A" * 10_000, token + token):
                assert recover(http, "?link=" + wrong).status_code == 403
            assert recover(http, links[0]).status_code == 200
            assert recover(http, links[0]).status_code == 403
        completed = server.events("PasswordRecoveryCompleted")
        assert [record["recipientAccountId"] for record in completed] == [one.account]
        with client(server) as http:  # the other's link was not touched
            assert recover(http, links[1]).status_code == 200


def test_form_of_another_page_is_refused_and_changes_nothing(tmp_path):
    box, port = Mailbox(), free_port()
    with Post(box, port=port), serving(tmp_path, port) as server:
        account = server.account()
        with client(server) as http, client(server) as stranger:
            ask(http, account.email)
            link = link_of(box.wait(account.email, SUBJECT))
            form = {"link": link.partition("?link=")[2], "password": NEW, "again": NEW, "mark": mark(http.get(link).text)}
            assert stranger.post("/console/recover/password", data=form).status_code == 403
            assert http.post("/console/recover/password", data=form, headers={"origin": "http://evil.example"}).status_code == 403
            assert http.post("/console/recover/password", data=form).status_code == 200


def test_who_asks_too_often_is_slowed_down(tmp_path):
    box, port = Mailbox(), free_port()
    with Post(box, port=port), serving(tmp_path, port) as server:
        account = server.account()
        with client(server) as http:
            answers = [ask(http, account.email) for _ in range(11)]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429]
        assert int(answers[-1].headers["retry-after"]) <= 61
        box.wait(account.email, SUBJECT, after=2)
        assert len(server.events("PasswordRecoveryRequested")) == 3


def test_without_a_mail_server_the_page_names_the_host_command(tmp_path):
    server = Server(tmp_path)
    server.command += ["--url", f"http://localhost:{server.port}"]
    server.start()
    server.account()
    with browser(f"http://localhost:{server.port}") as page:
        page.open("/console/sign-in?door=root").press("Forgot the password?")
        assert "rootward root reset-password" in page.text("main")
        assert page.complaints() == []
    server.stop()
