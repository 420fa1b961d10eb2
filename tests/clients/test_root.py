"""The root user by key: everything in its account, nothing elsewhere."""

import json
import subprocess

import pytest

from rootward_testkit import BINARY, RECENT, Like, body, deny, fresh, policy, refused


@pytest.fixture(scope="module")
def root(account):
    return account.root()


def test_root_can_do_everything_in_its_account(account, root):
    name = fresh("user")
    root.iam.create_user(UserName=name)
    root.iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    root.iam.detach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    root.iam.delete_user(UserName=name)
    assert root.iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 1


def test_root_is_shown_without_a_name_or_path(account, root):
    shown = root.iam.get_user()["User"]
    shown.pop("PasswordLastUsed", None)
    assert shown == {"UserId": account.account, "Arn": account.root_arn, "CreateDate": RECENT}


def test_root_keys_are_roots_alone(server):
    account = server.account()
    root = account.root()
    [listed] = root.iam.list_access_keys()["AccessKeyMetadata"]
    assert (listed["AccessKeyId"], listed["Status"]) == (root.credentials.key, "Active")
    assert root.credentials.key not in [key["AccessKeyId"] for key in account.iam.list_access_keys()["AccessKeyMetadata"]]
    with refused("NoSuchEntity"):
        account.iam.update_access_key(UserName="admin", AccessKeyId=root.credentials.key, Status="Inactive")
    with refused("NoSuchEntity"):
        account.iam.delete_access_key(AccessKeyId=root.credentials.key)
    second = root.iam.create_access_key()["AccessKey"]
    assert second["AccessKeyId"] == Like("AKIA.*")
    with refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2"):
        root.iam.create_access_key()
    server.host("root", "create-access-key", "--account", account.account, code=2)
    root.iam.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    assert body(root.iam.delete_access_key(AccessKeyId=second["AccessKeyId"])) == {}
    root.iam.delete_access_key(AccessKeyId=root.credentials.key)
    with refused("InvalidClientTokenId"):
        root.sts.get_caller_identity()
    assert account.iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0


def test_host_command_warns_and_is_audited(server):
    account = server.account()
    account.unseal()
    done = subprocess.run([BINARY, "root", "create-access-key", "--account", account.account, "--data", server.data],
                          capture_output=True, text=True)
    assert done.returncode == 0 and "warning" in done.stderr
    key = json.loads(done.stdout)["AccessKey"]
    server.secrets.add(key["SecretAccessKey"])
    records = [record for record in server.events("CreateRootAccessKey") if key["AccessKeyId"] in json.dumps(record)]
    assert len(records) == 1 and key["SecretAccessKey"] not in json.dumps(records)


def test_no_policy_binds_root(account, root):
    """Groups and users have policies; root has none, and cannot be given any."""
    with refused("NoSuchEntity", "The user with name root cannot be found."):
        account.iam.put_user_policy(UserName="root", PolicyName="p", PolicyDocument=policy(deny("*")))
    root.iam.list_users()


def test_root_has_no_power_elsewhere(root, other):
    user = other.user()
    with refused("NoSuchEntity"):
        root.iam.get_user(UserName=user.name)
    assert root.iam.list_users()["Users"] != other.iam.list_users()["Users"]
    assert user.arn not in [one["Arn"] for one in root.iam.list_users()["Users"]]


def test_unknown_account_is_refused(server):
    server.host("root", "create-access-key", "--account", "000000000001", code=2)
