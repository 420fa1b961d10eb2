"""Alerts: real receivers of webhooks and mail are told what must not go unnoticed, across failures and restarts."""

import base64
import hashlib
import hmac
import json
import ssl
import subprocess
import time

import pytest
import trustme

from console_client import mark, root_session
from post import Mailbox, Post
from receivers import Hook, target, wait_for
from rootward_testkit import BINARY, PASSWORD, TIMEOUT, Server, allow, free_port, fresh, get, policy, refused

def listed(server, name):
    lines = server.host("alerts", "list", "--format", "json").splitlines()
    return next(found for found in map(json.loads, lines) if found["name"] == name)


def test_change_of_a_policy_and_use_of_root_are_told(server, account):
    root = account.root()
    with Hook() as hook, target(server, hook.url):
        made = account.policy(allow("s3:GetObject"))
        changed = hook.wait("CreatePolicy")
        root.iam.list_users()
        used = hook.wait("ListUsers")
        with refused("AccessDenied"):
            root.sts.assume_role(RoleArn=account.arn_of("role/none"), RoleSessionName="session")
        denied = hook.wait("AssumeRole")
    record = next(record for record in server.trail() if record["eventID"] == changed["id"])
    assert record["eventName"] == "CreatePolicy"
    assert changed == {
        "specversion": "1.0", "id": record["eventID"], "source": f"/rootward/accounts/{account.account}",
        "type": "dev.rootward.iam.policy.changed", "time": record["eventTime"], "subject": account.arn,
        "datacontenttype": "application/json",
        "data": {
            "severity": "info", "accountId": account.account, "actor": account.arn, "byRoot": False,
            "what": f"{account.arn} made a policy (policy {made['PolicyName']}) in account {account.account}.",
            "advice": changed["data"]["advice"], "sourceAddress": "127.0.0.1", "eventName": "CreatePolicy",
            "eventId": record["eventID"], "errorCode": None, "reason": None,
        },
    }
    assert used["type"] == "dev.rootward.root.api.used" and used["data"]["severity"] == "warning"
    assert used["data"]["what"] == f"The root user of account {account.account} called iam:ListUsers."
    assert denied["type"] == "dev.rootward.root.api.refused" and denied["data"]["errorCode"] == "AccessDenied"


def test_root_user_at_the_console_is_told_once_for_its_looks_and_each_time_for_its_changes(server):
    account = server.account()
    with Hook() as hook, target(server, hook.url, "--account", account.account):
        http = root_session(server, account)
        pages = [http.get(path) for path in ("/console", "/console/users", "/console/roles", "/console/security")]
        assert [page.status_code for page in pages] == [200] * 4
        made = http.post("/console/users", data={"mark": mark(pages[1].text), "name": "bob"})
        assert made.status_code == 303, made.text
        hook.wait("CreateUser")
        told = [event for event in hook.taken() if event["data"]["byRoot"]]
    assert [event["data"]["eventName"] for event in told] == ["ConsoleLogin", "CreateUser"]
    assert [event["data"]["reason"] for event in told] == ["drill", "drill"]
    assert [event["data"]["severity"] for event in told] == ["critical", "warning"]
    assert told[0]["type"] == "dev.rootward.root.signin.succeeded"
    who = f"The root user of account {account.account}"
    assert told[0]["data"]["what"] == f"{who} signed in without MFA, for this reason: “drill”."
    assert told[1]["data"]["what"] == f"{who} called iam:CreateUser, for this reason: “drill”."
    # A sign-in is on record before what was done in its session.
    names = [record["eventName"] for record in server.trail() if record.get("recipientAccountId") == account.account]
    began = names.index("ConsoleLogin")
    assert names[began:began + 2] == ["ConsoleLogin", "RootSessionStarted"]
    assert {"GetRootProtection", "ListUsers"} <= set(names[began + 2:])
    assert not {"GetRootProtection", "ListUsers"} & set(names[:began])


def test_what_matters_to_nobody_is_not_told(server, account, nobody):
    with Hook() as hook, target(server, hook.url):
        account.iam.list_users()
        account.user()
        with refused("AccessDenied"):
            nobody.iam.create_policy(PolicyName="p", PolicyDocument=policy(allow("*")))
        account.policy()
        hook.wait("CreatePolicy")
        assert [event["data"]["eventName"] for event in hook.taken()] == ["AddAlertTarget", "CreatePolicy"]


def test_request_is_signed_as_standard_webhooks_says(server, account):
    with Hook() as hook, target(server, hook.url) as made:
        server.secrets.add(made["Secret"])
        account.policy()
        event = hook.wait("CreatePolicy")
    assert made["Target"] == hook.url.replace("/hook/not-for-logs", "").replace("http", "webhook at http")
    server.secrets.add("not-for-logs")
    path, headers, body, _ = next(taken for taken in hook.requests if event["id"].encode() in taken[2])
    assert path == "/hook/not-for-logs"
    headers = {name.lower(): value for name, value in headers.items()}
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["webhook-id"] == event["id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    key = base64.b64decode(made["Secret"].removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_given_secret_signs_and_is_not_shown(server, account, tmp_path):
    secret = "whsec_" + base64.b64encode(bytes(range(32))).decode()
    server.secrets.add(secret)
    (tmp_path / "secret").write_text(secret + "\n")
    with Hook() as hook, target(server, hook.url, "--secret-file", str(tmp_path / "secret")) as made:
        assert "Secret" not in made
        hook.wait("AddAlertTarget")
    _, headers, body, _ = hook.requests[0]
    headers = {name.lower(): value for name, value in headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.new(bytes(range(32)), signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(digest).decode()


def test_target_is_told_of_its_account_and_severity_alone(server, account, other):
    with Hook() as hook, target(server, hook.url, "--account", account.account, "--severity", "critical"):
        account.policy()
        other.root()
        account.root().iam.list_users()
        # Alerts come in the order of what they tell of: behind the last one nothing of before is still on its way.
        account.unseal()
        told = wait_for(lambda: len(events := hook.taken()) >= 3 and events)
        # Before a root key is made the seal is broken, which is told too.
        assert [(event["data"]["eventName"], event["data"]["accountId"]) for event in told] == [
            (name, account.account) for name in ("UnsealRoot", "CreateRootAccessKey", "UnsealRoot")]


def test_receiver_that_is_down_is_told_when_it_comes_up_and_holds_up_nobody(server, account):
    port = free_port()
    with Hook() as alive, target(server, alive.url), target(server, f"http://127.0.0.1:{port}/", name="down"):
        first, second = account.policy()["PolicyName"], account.policy()["PolicyName"]
        wait_for(lambda: second in json.dumps(alive.taken()))
        failing = wait_for(lambda: (found := listed(server, "down"))["lastError"] and found)
        assert failing["waitingSince"] and failing["backlogRecords"] >= 2 and failing["lastSuccess"] is None
        assert "rootward_alerts_failing_targets 1" in get(server, "/_rootward/metrics").text
        with Hook(port, status=307) as down:
            wait_for(lambda: [status for *_, status in down.requests if status == 307])
            assert not [path for path, *_ in down.requests if path == "/elsewhere"]
            down.status = 200
            wait_for(lambda: second in json.dumps(down.taken()))
            names = [event["data"]["eventName"] for event in down.taken()]
            assert names == ["AddAlertTarget", "CreatePolicy", "CreatePolicy"]
            assert first in down.taken()[1]["data"]["what"]
            wait_for(lambda: listed(server, "down")["lastError"] is None)


def test_killed_server_delivers_after_its_restart(tmp_path):
    server = Server(tmp_path).start()
    account = server.account()
    port = free_port()
    server.host("alerts", "add", "hook", "--webhook", f"http://127.0.0.1:{port}/")
    names = [account.policy()["PolicyName"] for _ in range(5)]
    wait_for(lambda: listed(server, "hook")["lastError"])
    server.kill()
    with Hook(port) as hook:
        server.start()
        wait_for(lambda: all(name in json.dumps(hook.taken()) for name in names))
        # Killed again in the middle of a flood: some may be told twice, none is missed, the order is kept.
        flood = [account.policy()["PolicyName"] for _ in range(30)]
        server.kill()
        server.start()
        wait_for(lambda: all(name in json.dumps(hook.taken()) for name in flood))
        seen = []
        for event in hook.taken():
            if event["data"]["eventName"] == "CreatePolicy" and event["id"] not in seen:
                seen.append(event["id"])
        assert len(seen) == 35
        records = [record["eventID"] for record in server.trail() if record["eventName"] == "CreatePolicy"]
        assert seen == records
    server.stop()


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # to this machine, in the clear
def test_mail_has_every_field_and_goes_to_everybody(server, account, tmp_path):
    (tmp_path / "password").write_text(PASSWORD + "\n")
    mailbox = Mailbox()
    with Post(mailbox, "rootward", PASSWORD) as post:
        name = fresh("mail")
        server.host(
            "alerts", "add", name, "--mail", f"smtp://rootward@127.0.0.1:{post.port}", "--tls", "none",
            "--password-file", str(tmp_path / "password"), "--from", "rootward@example.com",
            "--to", "ann@example.com", "bob@example.com",
        )
        made = account.policy()
        sender, recipients, mail = wait_for(
            lambda: next((mail for mail in mailbox.mails if "CreatePolicy" in mail[2].get_content()), None))
        server.host("alerts", "remove", name)
    assert (sender, recipients) == ("rootward@example.com", ["ann@example.com", "bob@example.com"])
    what = f"{account.arn} made a policy (policy {made['PolicyName']}) in account {account.account}."
    assert mail["Subject"] == f"[Rootward] info: {what}"
    assert (mail["From"], mail["To"]) == ("rootward@example.com", "ann@example.com, bob@example.com")
    assert mail.get_content_type() == "text/plain"
    record = server.events("CreatePolicy")[-1]
    text = mail.get_content()
    for part in [what, "What to do: ", account.arn, record["eventID"], record["eventTime"], "127.0.0.1", "info"]:
        assert part in text
    assert mail["Message-ID"] == f"<{record['eventID']}@rootward>"


def test_mail_is_not_sent_in_the_clear_where_starttls_is_wanted(server):
    with Post(Mailbox()) as post:
        name = fresh("mail")
        server.host("alerts", "add", name, "--mail", f"smtp://127.0.0.1:{post.port}", "--from", "a@example.com", "--to", "b@example.com")
        tried = subprocess.run(
            [BINARY, "alerts", "test", name, "--data", server.data], capture_output=True, text=True, timeout=TIMEOUT)
        assert tried.returncode == 3 and "no STARTTLS" in tried.stderr and "--tls none" in tried.stderr, tried.stderr
        server.host("alerts", "remove", name)
        assert post.handler.mails == []


def test_certificates_are_held_against_the_roots_of_the_machine(tmp_path):
    known, unknown = trustme.CA(), trustme.CA()
    known.cert_pem.write_to_path(tmp_path / "roots.pem")

    def served_by(authority):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        return context

    server = Server(tmp_path, wrapper=("env", f"SSL_CERT_FILE={tmp_path / 'roots.pem'}")).start()
    addresses = ("--from", "a@example.com", "--to", "b@example.com")

    def tried(code, *arguments):
        name = fresh("tls")
        server.host("alerts", "add", name, *arguments)
        server.host("alerts", "test", name, code=code)
        server.host("alerts", "remove", name)

    for authority, code in [(known, 0), (unknown, 3)]:
        with Hook(tls=served_by(authority)) as hook:
            tried(code, "--webhook", hook.url)
        for tls, context in [("required", {"tls": served_by(authority)}), ("starttls", {"starttls": served_by(authority)})]:
            with Post(Mailbox(), **context) as post:
                tried(code, "--mail", f"smtp://127.0.0.1:{post.port}", "--tls", tls, *addresses)
                assert bool(post.handler.mails) == (code == 0)
    server.stop()


def test_test_tells_the_outcome(server):
    with Hook() as hook, target(server, hook.url, name="tested"):
        assert json.loads(server.host("alerts", "test", "tested"))["Name"] == "tested"
        assert hook.wait("TestAlertTarget")["type"] == "dev.rootward.alerts.test"
        hook.status = 500
        server.host("alerts", "test", "tested", code=3)
    server.host("alerts", "test", "tested", code=2)


@pytest.mark.parametrize("arguments", [
    ("x", "--webhook", "ftp://example.com/"),
    ("x", "--webhook", "https://user:pw@example.com/"),
    ("a b", "--webhook", "https://example.com/"),
    ("x", "--webhook", "https://example.com/", "--account", "000000000001"),
    ("x", "--mail", "smtp://mail.example.com:25", "--tls", "none", "--from", "a@example.com", "--to", "b@example.com"),
    ("x", "--mail", "smtp://mail.example.com:25", "--from", "a@example.com"),
    ("x",),
])
def test_target_that_cannot_be_is_refused(server, arguments):
    server.host("alerts", "add", *arguments, code=2)


def test_commands_are_on_record_without_secrets(server, account):
    with Hook() as hook, target(server, hook.url, name="recorded") as made:
        server.secrets.update({made["Secret"], "not-for-logs"})
        server.host("alerts", "add", "Recorded", "--webhook", hook.url, code=2)
        server.host("alerts", "list")
        server.host("alerts", "test", "recorded")
    wanted = [("AddAlertTarget", None), ("AddAlertTarget", "OperatorCommandRefused"), ("ListAlertTargets", None),
              ("TestAlertTarget", None), ("RemoveAlertTarget", None)]
    found = [(record["eventName"], record.get("errorCode")) for record in server.trail()
             if record["eventSource"] == "rootward.host"]
    # In the order of the log: records of writes come by way of the outbox.
    assert sorted(found[-len(wanted):], key=str) == sorted(wanted, key=str)
