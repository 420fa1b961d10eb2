"""The seal on root users: no key while it is closed, and the host commands and operations around it."""

import json
import subprocess
from urllib.parse import urlencode

import pytest

from rootward_testkit import BINARY, TIMEOUT, Credentials, Device, Like, Principal, Server, allow, fresh, policy, refused

SEALED = Like("The root user of account [0-9]{12} is sealed: .*")


def command(server, name, account, *arguments, **keywords):
    printed = server.host("root", name, "--account", account.account, *arguments, **keywords)
    return json.loads(printed) if printed else None


def status(server, account):
    [user] = json.loads(server.host("root", "status", "--account", account.account, "--format", "json"))["RootUsers"]
    return user


def findings(server, account):
    return [finding["Id"] for finding in status(server, account)["Findings"]]


def host_records(server, account, name):
    return [record for record in server.events(name) if record.get("recipientAccountId") == account.account]


def root_by_key(server, account):
    key = command(server, "create-access-key", account)["AccessKey"]
    server.secrets.add(key["SecretAccessKey"])
    return Principal(server, Credentials.of(key), account.root_arn)


def test_new_account_is_sealed_and_the_host_says_how_to_go_on(server):
    account = server.account()
    assert status(server, account)["Seal"] == {"State": "SEALED"}
    command(server, "create-access-key", account, code=2)
    [record] = host_records(server, account, "CreateRootAccessKey")
    assert record["errorCode"] == "OperatorCommandRefused"
    assert f"rootward root unseal --account {account.account} --reason TEXT" in record["errorMessage"]
    assert status(server, account)["AccessKeys"] == []


def test_unsealing_needs_a_reason_and_ends(server):
    account = server.account()
    for arguments in ((), ("--reason", ""), ("--reason", "drill", "--minutes", "0"), ("--reason", "drill", "--minutes", "61")):
        command(server, "unseal", account, *arguments, code=2)
    opened = command(server, "unseal", account, "--reason", "drill", "--minutes", "5")
    assert opened["Seal"] == {"State": "UNSEALED", "UnsealedUntil": Like("20.*Z"), "Reason": "drill"}
    assert "unsealed" in findings(server, account)
    for _ in range(2):
        assert command(server, "seal", account)["Seal"] == {"State": "SEALED"}
    [record] = [record for record in host_records(server, account, "UnsealRoot") if "errorCode" not in record]
    assert record["requestParameters"] == {"accountId": account.account, "reason": "drill", "minutes": 5}
    assert len(host_records(server, account, "SealRoot")) == 2


def test_key_made_while_the_seal_was_broken_is_worth_nothing_once_it_is_closed(server):
    account = server.account()
    root = account.root()
    [session] = [Credentials.of(root.sts.get_session_token()["Credentials"])]
    assert root.sts.get_caller_identity()["Arn"] == account.root_arn
    command(server, "seal", account)
    for credentials in (root.credentials, session):
        sealed = Principal(server, credentials)
        with refused("AccessDenied", SEALED) as caught:
            sealed.sts.get_caller_identity()
        record = server.record(caught.value.response)
        assert record["userIdentity"]["type"] == "Root" and record["userIdentity"]["accountId"] == account.account
        with refused("AccessDenied", SEALED):
            sealed.iam.create_access_key()
        with refused("AccessDenied", SEALED):
            sealed.iam.update_access_key(AccessKeyId=root.credentials.key, Status="Active")
    user = status(server, account)
    assert [key["AccessKeyId"] for key in user["AccessKeys"]] == [root.credentials.key]
    assert "root-access-key" in findings(server, account) and not user["Protected"]
    account.unseal(1)
    assert root.sts.get_caller_identity()["Arn"] == account.root_arn
    root.iam.delete_access_key(AccessKeyId=root.credentials.key)


def test_administrator_has_no_part_in_the_seal_whatever_policies_allow(server):
    account = server.account()
    calls = {
        "seal_root": {}, "unseal_root": {"Reason": "drill", "Minutes": 5},
        "put_root_access_settings": {"SessionMinutes": 60, "ApprovalsRequired": 0, "ApproverUserNames": []},
    }
    for name, arguments in calls.items():
        with refused("AccessDeniedException", Like(f".*: this needs the root user of account {account.account}")):
            getattr(account.rootward, name)(**arguments)
    with refused("AccessDeniedException", Like(".*second factor.*")):
        account.rootward.approve_root_access(RequestId="0" * 32)
    # And a root user by key has shown no second factor.
    with refused("AccessDeniedException", Like(".*second factor.*")):
        account.root().rootward.unseal_root(Reason="drill", Minutes=5)


def test_administrator_may_look(server):
    account = server.account()
    shown = account.rootward.get_root_protection()
    assert (shown["AccountId"], shown["RootArn"]) == (account.account, account.root_arn)
    assert shown["Seal"] == {"State": "SEALED", "SessionMinutes": 60}
    assert [finding["Id"] for finding in shown["Findings"]] == findings(server, account)
    assert account.rootward.list_root_access_requests()["Requests"] == []


def test_approvers_need_second_factors_and_sessions_have_their_length(server):
    account = server.account()
    user = account.user()
    command(server, "approvers", account, "--required", "1", code=2)
    command(server, "approvers", account, "--required", "1", "--user", "ghost", code=2)
    command(server, "approvers", account, "--required", "1", "--user", user.name, code=2)
    put = command(server, "approvers", account, "--required", "0", "--session-minutes", "15")
    assert (put["SessionMinutes"], put["Approvers"]) == (15, {"Required": 0, "UserNames": []})
    records = host_records(server, account, "PutRootAccessSettings")
    assert sorted((record.get("errorCode") for record in records), key=str) == [None] + ["OperatorCommandRefused"] * 3


def test_password_is_made_or_taken_and_never_on_record(server, tmp_path):
    account = server.account()
    made = command(server, "reset-password", account)
    server.secrets.add(made["Password"])
    assert len(made["Password"]) == 24 and made["SessionsEnded"] == 0
    assert made["Email"] == account.email
    assert made["SignInUrl"] == f"http://localhost:{server.port}/console/sign-in?" + urlencode({"door": "root", "email": account.email})
    file = tmp_path / "password"
    for password, code in (("password", 2), ("zebra-Violet+40-crumbs", 0)):
        server.secrets.add("zebra-Violet+40-crumbs")
        file.write_text(password + "\n")
        given = command(server, "reset-password", account, "--password-file", str(file), code=code)
    assert given["Password"] is None
    command(server, "reset-password", account, "--password-file", str(tmp_path / "nothing"), code=2)
    assert len(host_records(server, account, "ResetRootPassword")) == 3


def test_second_factors_are_taken_away(server):
    account = server.account()
    gone = command(server, "reset-mfa", account)
    assert gone == {"AccountId": account.account, "MfaDevicesRemoved": [], "SessionsEnded": 0}
    [record] = host_records(server, account, "ResetRootMfa")
    assert record["responseElements"] == {"serialNumbers": [], "sessionsEnded": []}


def test_status_is_readable_and_names_what_mends(server):
    account = server.account()
    shown = server.host("root", "status", "--account", account.account)
    assert shown.startswith(f"{account.account}  ") and "not protected" in shown.splitlines()[0]
    for line in ("password     set 0 days ago, last used never", "access keys  none", "seal         closed; sessions of 60 minutes",
                 "approvers    nobody is asked", "critical     the password alone opens the root user"):
        assert f"  {line}" in shown
    assert "mend: " in shown
    assert account.account in server.host("root", "status")
    assert {"PasswordAgeDays", "AccessKeys", "MfaDevices", "Seal", "Approvers", "Findings"} <= set(status(server, account))


@pytest.mark.parametrize("name", ["seal", "create-access-key", "reset-password", "reset-mfa", "status"])
def test_account_that_is_not_there_is_refused(server, name):
    server.host("root", name, "--account", "000000000001", code=2)


def test_account_is_named_only_where_there_are_several(tmp_path):
    server = Server(tmp_path).start()
    server.host("root", "reset-password", code=2)
    account = server.account()
    made = json.loads(server.host("root", "unseal", "--reason", "drill"))
    assert (made["AccountId"], made["Seal"]["State"]) == (account.account, "UNSEALED")
    for name in ("create-access-key", "reset-password", "reset-mfa", "seal"):
        answer = json.loads(server.host("root", name))
        server.secrets |= {answer.get("Password"), answer.get("AccessKey", {}).get("SecretAccessKey")} - {None}
        assert answer["AccountId"] == account.account
    other = server.account()
    done = subprocess.run([BINARY, "root", "reset-password", "--data", server.data], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.returncode == 2 and "--account" in done.stderr
    assert account.account in done.stderr and f"{other.account} (" in done.stderr and other.email in done.stderr
    server.stop()
    assert json.loads(server.host("root", "reset-password", "--account", other.account))["SignInUrl"] is None


def test_commands_work_on_the_folder_of_a_server_that_does_not_run(tmp_path):
    server = Server(tmp_path).start()
    account = server.account()
    server.stop()
    command(server, "create-access-key", account, code=2)
    command(server, "unseal", account, "--reason", "drill")
    command(server, "create-access-key", account)
    command(server, "seal", account)
    assert status(server, account)["Seal"] == {"State": "SEALED"}


@pytest.fixture
def sealed_sandbox(tmp_path):
    server = Server(tmp_path, "--sealed", sandbox=True).start()
    yield server
    server.stop()


def test_sandbox_has_a_seal_if_asked(sealed_sandbox, sandbox):
    for key in ("test", "111122223333"):
        root = Principal(sealed_sandbox, Credentials(key, "x"))
        assert root.rootward.get_root_protection()["Seal"]["State"] == "SEALED"
        with refused("AccessDenied", SEALED):
            root.iam.create_access_key()
        assert root.iam.list_access_keys()["AccessKeyMetadata"] == []
        opened = root.rootward.unseal_root(Reason="drill", Minutes=5)["Seal"]
        assert (opened["State"], opened["Reason"]) == ("UNSEALED", "drill")
        issued = Principal(sealed_sandbox, Credentials.of(root.iam.create_access_key()["AccessKey"]))
        assert issued.sts.get_caller_identity()["Arn"].endswith(":root")
        root.rootward.seal_root()
        with refused("AccessDenied", SEALED):
            issued.sts.get_caller_identity()
        # Keys of nobody's making are taken at their word as before.
        root.iam.create_user(UserName=fresh("user"))
    free = Principal(sandbox, Credentials("test", "x"))
    assert free.rootward.get_root_protection()["Seal"]["State"] == "UNSEALED"
    free.iam.delete_access_key(AccessKeyId=free.iam.create_access_key()["AccessKey"]["AccessKeyId"])
    with refused("ConflictException", Like("The root user of account 123456789012 has no seal.*")):
        free.rootward.unseal_root(Reason="drill", Minutes=5)


def test_seal_is_broken_once_enough_others_agree(sealed_sandbox):
    root = Principal(sealed_sandbox, Credentials("test", "x"))
    users = [user_with_device(root) for _ in range(2)]
    settings = {"SessionMinutes": 15, "ApprovalsRequired": 1, "ApproverUserNames": [user.name for user in users]}
    assert root.rootward.put_root_access_settings(**settings)["Approvers"]["Required"] == 1
    for _ in range(2):
        with refused("ConflictException", Like("0 of 1 approvals have been given for request .*")):
            root.rootward.unseal_root(Reason="drill", Minutes=5)
    [request] = root.rootward.list_root_access_requests(Status="PENDING")["Requests"]
    assert (request["Purpose"], request["Reason"]) == ("UNSEAL", "drill (unsealed for 5 minutes)")
    assert (request["SourceIpAddress"], request["Approvals"]) == ("127.0.0.1", [])
    with refused("AccessDeniedException", Like(".*second factor.*")):
        users[0].by_key.rootward.approve_root_access(RequestId=request["RequestId"])
    approved = users[0].rootward.approve_root_access(RequestId=request["RequestId"])["Request"]
    assert (approved["Status"], [one["UserName"] for one in approved["Approvals"]]) == ("APPROVED", [users[0].name])
    with refused("ConflictException", "The user has decided on this request already."):
        users[0].rootward.reject_root_access(RequestId=request["RequestId"])
    # What was agreed to, and nothing else.
    with refused("ConflictException"):
        root.rootward.unseal_root(Reason="drill", Minutes=60)
    assert root.rootward.unseal_root(Reason="drill", Minutes=5)["Seal"]["State"] == "UNSEALED"
    [used] = root.rootward.list_root_access_requests(Status="USED")["Requests"]
    with refused("ConflictException", "The request for root access cannot be decided any more: it has been used."):
        users[1].rootward.reject_root_access(RequestId=used["RequestId"])


def user_with_device(root):
    """A user of the sandbox who may decide, in a session with a second factor."""
    name = fresh("user")
    made = root.iam.create_user(UserName=name)["User"]
    statement = allow(["rootward:ApproveRootAccess", "rootward:RejectRootAccess"])
    root.iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policy(statement))
    by_key = Principal(root.server, Credentials.of(root.iam.create_access_key(UserName=name)["AccessKey"]), made["Arn"], name)
    device = Device(root.iam.create_virtual_mfa_device(VirtualMFADeviceName=name)["VirtualMFADevice"])
    one, two = device.first_codes()
    root.iam.enable_mfa_device(UserName=name, SerialNumber=device.serial, AuthenticationCode1=one, AuthenticationCode2=two)
    session = by_key.sts.get_session_token(**device.shown())["Credentials"]
    user = Principal(root.server, Credentials.of(session), made["Arn"], name)
    user.by_key = by_key
    return user


def test_hardware_token_is_taken_in_once(server, tmp_path):
    account = server.account()
    seed = "3132333435363738393031323334353637383930"
    server.secrets.add(seed)
    file = tmp_path / "seed"
    file.write_text(seed + "\n")
    arguments = ("--serial", "GALT12345678", "--seed-file", str(file))
    assert command(server, "import-token", account, *arguments) == {"AccountId": account.account, "SerialNumber": "GALT12345678"}
    command(server, "import-token", account, *arguments, code=2)
    file.write_text("no seed\n")
    command(server, "import-token", account, "--serial", "GALT12345679", "--seed-file", str(file), code=2)
    ended = [record.get("errorCode") for record in host_records(server, account, "ImportHardwareToken")]
    # Records of writes and those of refusals come by ways of their own.
    assert sorted(ended, key=str) == [None, "OperatorCommandRefused", "OperatorCommandRefused"]
