"""Mail of the node: a real mail server is written to, goes down and comes back, and nobody else notices."""

import json
import re
import time
from contextlib import contextmanager

import pytest

from browser import browser
from post import Mailbox, Post
from receivers import wait_for
from rootward_testkit import PASSWORD, Server, free_port, get
from test_console import open_account, sign_in_as_root

ROOT, NEW = "root@example.com", "new@example.com"


@contextmanager
def serving(folder, port, *arguments, user=""):
    """A node that sends its mail to this port of this machine."""
    server = Server(folder, "--mail-server", f"smtp://{user}127.0.0.1:{port}", "--mail-tls", "none", "--mail-from", "rootward@example.com", *arguments)
    server.command += ["--url", f"http://localhost:{server.port}"]
    server.start()
    try:
        yield server
    finally:
        server.stop()


def test_server_that_is_down_at_the_start_is_in_the_log_and_keeps_nothing_from_starting(tmp_path):
    with serving(tmp_path, free_port()) as server:
        assert server.account()
        wait_for(lambda: "mail cannot be delivered now" in server.log.read_text())
        assert "WARN" in next(line for line in server.log.read_text().splitlines() if "mail cannot be delivered now" in line)


def code_of(mail):
    return re.search(r"The code is ([A-Z2-9]{6})\.", mail.get_content())[1]


def other(code):
    return "000000" if code != "000000" else "000001"


def ask(page, email):
    page.open("/console/security/email").fill(email=email).press("Send code")


def test_address_is_changed_by_the_code_that_was_sent_to_it(tmp_path):
    box, port = Mailbox(), free_port()
    with Post(box, port=port), serving(tmp_path, port) as server, browser(f"http://localhost:{server.port}") as page:
        password = open_account(page, server)
        sign_in_as_root(page, password)
        page.open("/console/security").press("Change the e-mail address")
        page.fill(email=NEW).press("Send code")
        mail, warning = box.wait(NEW, "The code for the root user"), box.wait(ROOT, "is to have another address")
        code = code_of(mail)
        assert mail["From"] == "rootward@example.com" and mail["Auto-Submitted"] == "auto-generated"
        assert code not in warning.as_string() and NEW not in warning.as_string()
        page.fill(code=other(code)).press("Change address")
        assert page.notices == ["ValidationException: This is not the code that was sent; 4 more attempts are left."]
        page.fill(code=code).press("Change address")
        assert page.notices == ["The e-mail address of the root user is changed."]
        notice = box.wait(ROOT, "has another address")
        assert NEW not in notice.as_string()
        # A code is good once.
        assert page.complaints() == [] or all("400" in line or "404" in line for line in page.complaints())
        page.press("Sign out").open("/console/sign-in?door=root").fill(email=ROOT, password=password).press("Sign in")
        assert page.notices == ["The e-mail address or password is wrong."]
        page.fill(email=NEW, password=password).press("Sign in")
        assert page.title == "The root user is sealed"
        accepted = server.events("AcceptRootEmailUpdate")
        assert [record.get("errorCode") for record in accepted] == ["ValidationException", None]
        text = server.log.read_text()
        taken = re.findall(r"mail=\"?(\w+)", text)
        assert text.count("a mail was delivered") == 3 and mail["Message-ID"] == f"<{taken[0]}@rootward>"
        for secret in (code, NEW, ROOT, "The code is"):
            assert secret not in text and (secret in (NEW, ROOT) or secret not in json.dumps(server.trail())), secret
        assert 'rootward_mails_total{outcome="delivered"} 3' in get(server, "/_rootward/metrics").text


def test_server_that_is_down_holds_up_nobody_and_gets_its_mail_when_it_is_up(tmp_path):
    box, port = Mailbox(), free_port()
    with serving(tmp_path, port) as server, browser(f"http://localhost:{server.port}") as page:
        password = open_account(page, server)
        sign_in_as_root(page, password)
        began = time.monotonic()
        ask(page, NEW)
        account = server.account()
        account.iam.list_users()
        assert time.monotonic() - began < 30
        assert "A code is on its way" in page.text("main")
        with Post(box, port=port):
            code = code_of(box.wait(NEW, "The code for the root user"))
            page.fill(code=code).press("Change address")
            assert page.notices == ["The e-mail address of the root user is changed."]
            box.wait(ROOT, "has another address")
        assert "a mail was not delivered and is tried again" in server.log.read_text()
        assert code not in server.log.read_text()


def test_mail_that_waits_when_the_node_stops_is_said_to_be_lost(tmp_path):
    with serving(tmp_path, free_port()) as server, browser(f"http://localhost:{server.port}") as page:
        sign_in_as_root(page, open_account(page, server))
        ask(page, NEW)
    log = server.log.read_text()
    assert log.count("a mail was not delivered and will not be") == 2 and NEW not in log


def test_without_a_mail_server_the_host_command_is_named(tmp_path):
    server = Server(tmp_path)
    server.command += ["--url", f"http://localhost:{server.port}"]
    server.start()
    with browser(f"http://localhost:{server.port}") as page:
        sign_in_as_root(page, open_account(page, server))
        ask(page, NEW)
        assert "rootward account change-email --account" in page.notices[0]
    server.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # to this machine, in the clear
def test_password_is_read_from_a_file(tmp_path):
    box, port = Mailbox(), free_port()
    (tmp_path / "password").write_text(PASSWORD + "\n")
    arguments = ("--mail-password-file", str(tmp_path / "password"))
    with Post(box, "rootward", PASSWORD, port=port), serving(tmp_path, port, *arguments, user="rootward@") as server:
        with browser(f"http://localhost:{server.port}") as page:
            sign_in_as_root(page, open_account(page, server))
            ask(page, NEW)
            box.wait(NEW, "The code for the root user")
        assert PASSWORD not in server.log.read_text()


@pytest.mark.parametrize("arguments", [
    ("--mail-server", "smtp://127.0.0.1:25"),
    ("--mail-from", "a@example.com"),
    ("--mail-server", "127.0.0.1:25", "--mail-from", "a@example.com"),
    ("--mail-server", "smtp://me:pw@127.0.0.1:25", "--mail-from", "a@example.com"),
    ("--mail-server", "smtp://me@127.0.0.1:25", "--mail-from", "a@example.com"),
    ("--mail-server", "smtp://192.0.2.1:25", "--mail-from", "a@example.com", "--mail-tls", "none"),
    ("--mail-server", "smtp://127.0.0.1:25", "--mail-from", "nobody"),
])
def test_server_that_cannot_be_is_refused_before_anything_is_made(tmp_path, arguments):
    Server(tmp_path).host("serve", "--listen", "127.0.0.1:0", *arguments, code=2)
    assert not (tmp_path / "data").exists()
