"""The credential report: generated, complete, and what it says of the root user and of users."""

import csv
import io
import time

import pytest

from rootward_testkit import PASSWORD, RECENT, Like, Server, body, refused

HEADER = [
    "user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
    "password_next_rotation", "mfa_active", *(
        f"access_key_{number}_{what}"
        for number in (1, 2)
        for what in ("active", "last_rotated", "last_used_date", "last_used_region", "last_used_service")
    ), "cert_1_active", "cert_1_last_rotated", "cert_2_active", "cert_2_last_rotated",
]
TIME = Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00")


@pytest.fixture
def fresh_account(server):
    return server.account()


def report(account):
    assert account.iam.generate_credential_report()["State"] == "STARTED"
    text = account.iam.get_credential_report()["Content"].decode()
    assert not text.endswith("\n") and "\r" not in text
    assert text.split("\n")[0] == ",".join(HEADER)
    return {row["user"]: row for row in csv.DictReader(io.StringIO(text))}


def test_report_is_started_complete_and_the_same_until_it_expires(fresh_account):
    iam = fresh_account.iam
    with refused("ReportNotPresent"):
        iam.get_credential_report()
    assert body(iam.generate_credential_report()) == {
        "State": "STARTED", "Description": "No report exists. Starting a new report generation task"}
    first = body(iam.get_credential_report())
    assert {**first, "Content": ...} == {"Content": ..., "ReportFormat": "text/csv", "GeneratedTime": RECENT}
    fresh_account.user(name="later")
    assert body(iam.generate_credential_report()) == {"State": "COMPLETE"}
    assert body(iam.get_credential_report()) == first


def test_everybody_is_in_it_with_their_credentials(fresh_account):
    iam = fresh_account.iam
    iam.update_account_password_policy(MaxPasswordAge=90)
    for name in ("bob", "Ann"):
        iam.create_user(UserName=name, Path="/team/")
    iam.create_login_profile(UserName="Ann", Password=PASSWORD)
    key = iam.create_access_key(UserName="Ann")["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName="Ann", AccessKeyId=key, Status="Inactive")
    deadline = time.monotonic() + 30
    last_used = iam.get_access_key_last_used(AccessKeyId=fresh_account.credentials.key)
    while "LastUsedDate" not in last_used["AccessKeyLastUsed"] and time.monotonic() < deadline:
        time.sleep(0.2)  # written down every few seconds
        last_used = iam.get_access_key_last_used(AccessKeyId=fresh_account.credentials.key)
    rows = report(fresh_account)
    assert list(rows) == ["<root_account>", "admin", "Ann", "bob"]
    nothing = {
        "user_creation_time": TIME, "password_enabled": "false", "password_last_used": "N/A", "password_last_changed": "N/A",
        "password_next_rotation": "N/A", "mfa_active": "false",
        **{name: "false" if name.endswith("active") else "N/A" for name in HEADER if name.startswith(("access_key", "cert"))},
    }
    assert rows["bob"] == {**nothing, "user": "bob", "arn": fresh_account.arn_of("user/team/bob")}
    assert rows["Ann"] == {
        **nothing, "user": "Ann", "arn": fresh_account.arn_of("user/team/Ann"), "password_enabled": "true",
        "password_last_used": "no_information", "password_last_changed": TIME, "password_next_rotation": TIME,
        "access_key_1_last_rotated": TIME,
    }
    assert rows["<root_account>"] == {
        **nothing, "user": "<root_account>", "arn": fresh_account.root_arn, "password_enabled": "true",
        "password_last_used": "no_information", "password_last_changed": TIME, "password_next_rotation": "not_supported",
    }
    assert rows["admin"] == {
        **nothing, "user": "admin", "arn": fresh_account.arn_of("user/admin"), "access_key_1_active": "true",
        "access_key_1_last_rotated": TIME, "access_key_1_last_used_date": TIME,
        "access_key_1_last_used_region": "us-east-1", "access_key_1_last_used_service": "iam",
    }


def test_report_outlives_a_restart(tmp_path):
    server = Server(tmp_path).start()
    account = server.account()
    account.iam.generate_credential_report()
    first = body(account.iam.get_credential_report())
    server.stop()
    server.start()
    assert body(account.iam.get_credential_report()) == first
    server.stop()


def test_report_is_not_written_into_the_trail(server, fresh_account):
    fresh_account.iam.generate_credential_report()
    record = server.record(fresh_account.iam.get_credential_report())
    assert record.get("responseElements") is None
