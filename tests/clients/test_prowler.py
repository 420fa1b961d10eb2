"""Prowler's checks of root users, second factors, passwords and keys: what is badly kept fails, what is well kept passes.

Prowler has an environment of its own, because it pins another boto3. Some checks are about what happened long ago: the server
begins with a clock that is late, and goes on with the right one.
"""

import json
import os
import re
import subprocess
import time
from base64 import b32encode
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx
import pyotp
import pytest

from browser import browser
from rootward_testkit import PASSWORD, ROOT, Clock, Credentials, Device, Server, clock_off_by

PROWLER = ROOT / ".venv-prowler" / "bin" / "prowler"
# Prowler reads its tables for half a minute before it asks anything, and longer when it has just been installed.
SCAN_SECONDS_MAX = 600
# Longer than any check has patience for.
LONG_AGO_SECONDS = 100 * 86_400

PASSWORD_POLICY_CHECKS = [
    "iam_password_policy_expires_passwords_within_90_days_or_less", "iam_password_policy_lowercase",
    "iam_password_policy_minimum_length_14", "iam_password_policy_number", "iam_password_policy_reuse_24",
    "iam_password_policy_symbol", "iam_password_policy_uppercase",
]
# Whom each check blames in the account that is badly kept.
BLAMED = {
    "iam_administrator_access_with_mfa": ["group/admins"],
    "iam_avoid_root_usage": ["root"],
    "iam_no_root_access_key": ["root"],
    "iam_root_hardware_mfa_enabled": ["mfa"],
    "iam_root_mfa_enabled": ["root"],
    "iam_rotate_access_key_90_days": ["user/admin", "user/stale"],
    "iam_user_accesskey_unused": ["user/stale"],
    "iam_user_console_access_unused": ["user/stale"],
    "iam_user_hardware_mfa_enabled": ["user/admin", "user/careless", "user/stale"],
    "iam_user_mfa_enabled_console_access": ["user/careless", "user/stale"],
    "iam_user_no_setup_initial_access_key": ["user/careless", "user/careless"],
    "iam_user_two_active_access_key": ["user/careless"],
    **{check: ["password-policy"] for check in PASSWORD_POLICY_CHECKS},
}
# And in the one that is half-way there: one-time codes are no hardware.
HALF_BLAMED = {
    "iam_root_hardware_mfa_enabled": ["mfa"], "iam_user_hardware_mfa_enabled": ["user/admin"],
    **{check: ["password-policy"] for check in PASSWORD_POLICY_CHECKS},
}
# It is about an organization, and here is none to say anything about.
SAYS_NOTHING = "iam_root_credentials_management_enabled"

WEAK = {"MinimumPasswordLength": 13, "MaxPasswordAge": 91, "PasswordReusePrevention": 23}
STRONG = {
    "MinimumPasswordLength": 14, "RequireSymbols": True, "RequireNumbers": True, "RequireUppercaseCharacters": True,
    "RequireLowercaseCharacters": True, "MaxPasswordAge": 90, "PasswordReusePrevention": 24,
}


class Finding(NamedTuple):
    status: str
    resource: str


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """What each check finds in accounts that are badly, half and well kept."""
    if not PROWLER.exists():
        pytest.fail(f"{PROWLER} is not there: ./test installs it")
    folder = tmp_path_factory.mktemp("prowler")
    clock = Clock(folder)
    clock.set_off(-LONG_AGO_SECONDS)
    earlier = Server(folder, wrapper=clock.wrapper)
    earlier.command += ["--url", f"http://localhost:{earlier.port}"]
    earlier.start()
    with clock_off_by(-LONG_AGO_SECONDS):
        accounts = {name: earlier.account(name) for name in ("bad", "half", "good")}
        leave_a_user_behind(accounts["bad"])
        register_second_factors_of_root(accounts["half"], passkey=False)
        register_second_factors_of_root(accounts["good"], passkey=True)
    earlier.stop()
    server = Server(folder)
    server.calls, server.secrets = earlier.calls, earlier.secrets
    server.start()
    accounts = {name: moved(account, server) for name, account in accounts.items()}
    keep_badly(accounts["bad"])
    keep_half(accounts["half"])
    keep_well(accounts["good"])
    with ThreadPoolExecutor(os.cpu_count()) as at_once:
        found = at_once.map(scan, accounts.values())
        scans = dict(zip(accounts, found))
    yield scans
    try:
        server.check_trail()
    finally:
        server.stop()


def moved(account, server):
    """The same account at a server that was started anew."""
    account.server, account._clients = server, {}
    return account


def leave_a_user_behind(account):
    """A user who has used password and key once, long ago."""
    stale = account.user(name="stale")
    stale.sts.get_caller_identity()
    account.iam.create_login_profile(UserName="stale", Password=PASSWORD)
    with httpx.Client(base_url=account.server.url, timeout=30) as http:
        mark = re.search(r'name="mark" value="([^"]+)"', http.get("/console/sign-in").text)[1]
        form = {"account": account.account, "name": "stale", "password": PASSWORD, "mark": mark}
        assert http.post("/console/sign-in", data=form).status_code == 303


def register_second_factors_of_root(account, passkey):
    with browser(f"http://localhost:{account.server.port}") as page:
        page.add_authenticator()
        page.open("/console/sign-in?door=root").fill(email=account.email, password=PASSWORD).press("Sign in")
        page.fill(reason="set-up").press("Sign in as root").open("/console/security/register")
        if passkey:
            page.press("Register a passkey").wait_for("Security credentials")
        else:
            totp, now = pyotp.TOTP(page.press("Set up an app").text("details code")), time.time() - LONG_AGO_SECONDS
            page.fill(first=totp.at(now), second=totp.at(now + 30)).press("Register")
        assert page.title == "Security credentials"


def keep_badly(account):
    account.root().sts.get_caller_identity()
    account.iam.create_user(UserName="careless")
    account.iam.create_login_profile(UserName="careless", Password=PASSWORD)
    for _ in range(2):
        account.iam.create_access_key(UserName="careless")
    make_administrator(account, "careless")


def keep_half(account):
    account.iam.update_account_password_policy(**WEAK)
    account.device(account)
    replace_key(account)


def keep_well(account):
    account.iam.update_account_password_policy(**STRONG)
    bind_token(account, "admin", "3132333435363738393031323334353637383930")
    account.iam.create_user(UserName="careful")
    account.iam.create_login_profile(UserName="careful", Password=PASSWORD)
    bind_token(account, "careful", "3030333435363738393031323334353637383930")
    make_administrator(account, "careful")
    replace_key(account)


def make_administrator(account, user):
    account.iam.create_group(GroupName="admins")
    account.iam.attach_group_policy(GroupName="admins", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    account.iam.add_user_to_group(GroupName="admins", UserName=user)


def bind_token(account, user, seed):
    """A hardware token: its seed comes with it, and is taken in on the host."""
    serial, file = f"GALT-{user}", account.server.folder / "seed"
    file.write_text(seed + "\n")
    account.server.secrets.add(seed)
    account.server.host(
        "root", "import-token", "--account", account.account, "--serial", serial, "--seed-file", str(file))
    token = Device({"SerialNumber": serial, "Base32StringSeed": b32encode(bytes.fromhex(seed))})
    one, two = token.first_codes()
    account.iam.enable_mfa_device(
        UserName=user, SerialNumber=serial, AuthenticationCode1=one, AuthenticationCode2=two)


def replace_key(account):
    """A new key for the administrator; the old one is deleted with it."""
    old = account.credentials
    account.credentials = Credentials.of(account.iam.create_access_key()["AccessKey"])
    account._clients = {}
    account.iam.delete_access_key(AccessKeyId=old.key)


def scan(account):
    """Runs Prowler as an auditor who may look and nothing else."""
    role = account.role(account.arn_of("root"), name="auditor")
    for name in ("SecurityAudit", "job-function/ViewOnlyAccess"):
        account.iam.attach_role_policy(RoleName="auditor", PolicyArn=f"arn:aws:iam::aws:policy/{name}")
    auditor = account.assume(role)
    output = account.server.folder / account.account
    environment = {
        **os.environ, "HOME": str(output), "AWS_ENDPOINT_URL": account.server.url,
        "AWS_ACCESS_KEY_ID": auditor.credentials.key, "AWS_SECRET_ACCESS_KEY": auditor.credentials.secret,
        "AWS_SESSION_TOKEN": auditor.credentials.token,
    }
    done = subprocess.run(
        [PROWLER, "aws", "--region", "us-east-1", "--no-banner", "--no-color", "--output-formats", "json-ocsf",
         "--output-directory", output, "--output-filename", "found", "--check", *BLAMED, SAYS_NOTHING],
        env=environment, capture_output=True, text=True, timeout=SCAN_SECONDS_MAX,
    )
    # 3: somebody is blamed. What the server does not implement, Prowler logs as an error, and goes on.
    assert done.returncode in (0, 3), done.stdout + done.stderr
    found = {}
    for one in json.loads((output / "found.ocsf.json").read_text()):
        [resource] = one["resources"]
        assert one["cloud"]["account"]["uid"] == account.account
        finding = Finding(one["status_code"], resource["uid"].rpartition(":")[2])
        found.setdefault(one["metadata"]["event_code"], []).append(finding)
    return found


@pytest.mark.parametrize("check", BLAMED)
def test_badly_kept_account_fails(scans, check):
    assert blamed(scans["bad"], check) == BLAMED[check]


@pytest.mark.parametrize("check", BLAMED)
def test_half_kept_account_fails_where_it_is_weak(scans, check):
    # It has no group whose members could be administrators.
    groups = check != "iam_administrator_access_with_mfa"
    assert blamed(scans["half"], check, groups) == HALF_BLAMED.get(check, [])


@pytest.mark.parametrize("check", BLAMED)
def test_well_kept_account_passes(scans, check):
    assert blamed(scans["good"], check) == []


def test_account_of_no_organization_is_not_blamed_for_it(scans):
    assert not [name for name, found in scans.items() if SAYS_NOTHING in found]


def blamed(scan, check, groups=True):
    """Who fails a check; everybody else it looked at passes."""
    found = scan.get(check, [])
    assert {finding.status for finding in found} <= {"PASS", "FAIL"}
    assert found or not groups
    return sorted(finding.resource for finding in found if finding.status == "FAIL")
