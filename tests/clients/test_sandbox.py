"""The sandbox: any key is root, except the keys it has issued itself."""

import json
import subprocess

import pytest

from rootward_testkit import (
    BINARY, FORM, Credentials, Principal, Server, allow, body, clock_off_by, denied, deny, exchange, fresh, get, policy, refused,
)

ANY = Credentials("test", "test")


@pytest.fixture
def root(sandbox):
    assert exchange(sandbox, "POST", "/_rootward/reset", None, {}).status in (200, 204)
    return Principal(sandbox, ANY)


def issued(root, *statements):
    name = fresh("user")
    user = root.iam.create_user(UserName=name)["User"]
    if statements:
        root.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*statements))
    key = root.iam.create_access_key(UserName=name)["AccessKey"]
    return Principal(root.server, Credentials.of(key), user["Arn"], name, user["UserId"])


@pytest.mark.parametrize("key", ["test", "AKIAIOSFODNN7EXAMPLE", "x", "mock_access_key"])
def test_key_that_was_not_issued_is_root_of_the_sandbox_account(root, key):
    shown = Principal(root.server, Credentials(key, "whatever")).sts.get_caller_identity()
    assert body(shown) == {"UserId": "123456789012", "Account": "123456789012", "Arn": "arn:aws:iam::123456789012:root"}


def test_twelve_digits_are_the_root_of_that_account(root):
    other = Principal(root.server, Credentials("111122223333", "x"))
    assert other.sts.get_caller_identity()["Arn"] == "arn:aws:iam::111122223333:root"
    other.iam.create_user(UserName="ann")
    assert [user["UserName"] for user in other.iam.list_users()["Users"]] == ["ann"]
    assert root.iam.list_users()["Users"] == []


@pytest.mark.parametrize("region, partition", [
    ("us-east-1", "aws"), ("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"),
])
def test_region_decides_the_partition(root, region, partition):
    sts = root.server.client("sts", ANY, region=region)
    assert sts.get_caller_identity()["Arn"] == f"arn:{partition}:iam::123456789012:root"
    iam = root.server.client("iam", ANY, region=region)
    name = fresh("user")
    assert iam.create_user(UserName=name)["User"]["Arn"] == f"arn:{partition}:iam::123456789012:user/{name}"
    attached = f"arn:{partition}:iam::aws:policy/ReadOnlyAccess"
    iam.attach_user_policy(UserName=name, PolicyArn=attached)
    assert iam.list_attached_user_policies(UserName=name)["AttachedPolicies"][0]["PolicyArn"] == attached


def test_issued_key_is_known_in_the_partition_it_was_made_in(root):
    victim = "arn:aws:iam::123456789012:user/victim"
    root.iam.create_user(UserName="victim")
    user = issued(root, allow("*"), deny("*", victim))
    session = Credentials.of(user.sts.get_session_token()["Credentials"])
    for credentials in (user.credentials, session):
        for region in ("cn-north-1", "us-gov-west-1"):
            with refused("InvalidClientTokenId"):
                root.server.client("sts", credentials, region=region).get_caller_identity()
    with refused("InvalidClientTokenId"):
        root.server.client("iam", user.credentials, region="cn-north-1").delete_user(UserName="victim")
    elsewhere = root.server.client("iam", ANY, region="cn-north-1")
    key = Credentials.of(elsewhere.create_access_key(UserName=user.name)["AccessKey"])
    sts = root.server.client("sts", key, region="cn-northwest-1")
    assert sts.get_caller_identity()["Arn"] == f"arn:aws-cn:iam::123456789012:user/{user.name}"
    with refused("InvalidClientTokenId"):
        Principal(root.server, key).sts.get_caller_identity()


def test_neither_signature_nor_date_of_a_foreign_key_is_checked(root):
    with clock_off_by(-86_400 * 365):
        root.iam.list_users()


def test_issued_keys_are_verified_and_enforced(root):
    user = issued(root)
    with denied(user.arn, "iam:ListUsers", "arn:aws:iam::123456789012:user/"):
        user.iam.list_users()
    with refused("SignatureDoesNotMatch"):
        Principal(root.server, user.credentials._replace(secret="x" * 40)).sts.get_caller_identity()
    with clock_off_by(-16 * 60), refused("SignatureDoesNotMatch"):
        user.sts.get_caller_identity()
    root.iam.put_user_policy(UserName=user.name, PolicyName="p", PolicyDocument=policy(allow("iam:ListUsers")))
    user.iam.list_users()
    root.iam.update_access_key(UserName=user.name, AccessKeyId=user.credentials.key, Status="Inactive")
    with refused("InvalidClientTokenId"):
        user.sts.get_caller_identity()


def test_deleted_key_does_not_turn_into_root(root):
    user = issued(root)
    root.iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials.key)
    with refused("InvalidClientTokenId"):
        user.sts.get_caller_identity()


def test_sessions_are_verified_and_enforced(root):
    user = issued(root, allow("sts:AssumeRole"))
    trust = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sts:AssumeRole"}})
    role = root.iam.create_role(RoleName="reader", AssumeRolePolicyDocument=trust)["Role"]
    session = user.assume(role)
    with denied(session.arn, "iam:ListUsers", "arn:aws:iam::123456789012:user/"):
        session.iam.list_users()
    with refused("InvalidClientTokenId"):
        Principal(root.server, session.credentials._replace(token=None)).sts.get_caller_identity()


CREATE = "Action=CreateUser&UserName=page&Version=2010-05-08"
MARKS = [
    {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example", "Origin": "http://evil.example"},  # a name that was rebound
]


@pytest.mark.parametrize("mark", MARKS)
def test_web_page_is_not_root(root, mark):
    for key in ("test", "111122223333"):
        query = f"/?X-Amz-Credential={key}"
        told = exchange(root.server, "POST", query, CREATE, {"Content-Type": FORM, **mark})
        assert (told.status, told.code) == (403, "AccessDenied")
        assert exchange(root.server, "GET", f"{query}&{CREATE}", None, mark).status == 403
    assert exchange(root.server, "POST", "/_rootward/reset", None, mark).status == 403
    assert root.iam.list_users()["Users"] == []


def test_what_is_not_marked_changes_by_post_and_reads_by_get(root):
    other = {"Host": "rootward.ci.example:4566", "Content-Type": FORM, "Sec-Fetch-Mode": "cors"}
    assert exchange(root.server, "POST", "/?X-Amz-Credential=test", CREATE, other).status == 200
    query = "/?X-Amz-Credential=test&"
    assert get(root.server, query + "Action=ListUsers&Version=2010-05-08").status == 200
    for action in ("Action=DeleteUser&UserName=page&Version=2010-05-08", "Action=GetSessionToken&Version=2011-06-15"):
        told = get(root.server, query + action)
        assert (told.status, told.code) == (403, "AccessDenied")
    assert len(root.iam.list_users()["Users"]) == 1


def test_reset_empties_it(root):
    user = issued(root)
    assert len(root.iam.list_users()["Users"]) == 1
    assert exchange(root.server, "POST", "/_rootward/reset", None, {}).status in (200, 204)
    assert root.iam.list_users()["Users"] == []
    with pytest.raises(user.sts.exceptions.ClientError):
        user.iam.list_groups()


def test_durable_server_has_no_reset_and_no_open_door(server):
    assert exchange(server, "POST", "/_rootward/reset", None, {}).status in (403, 404, 405)
    for key in ("test", "123456789012", "AKIAIOSFODNN7EXAMPLE"):
        with refused("InvalidClientTokenId"):
            Principal(server, Credentials(key, "test")).sts.get_caller_identity()


def test_it_says_what_it_is_on_stderr(sandbox):
    assert "sandbox" in sandbox.log.read_text().lower()


def test_seed_makes_ids_and_times_reproducible(tmp_path):
    seen = []
    for attempt in ("one", "two"):
        folder = tmp_path / attempt
        folder.mkdir()
        server = Server(folder, "--seed", "7", sandbox=True).start()
        root = Principal(server, ANY)
        root.iam.create_user(UserName="ann")
        key = root.iam.create_access_key(UserName="ann")["AccessKey"]
        seen.append((root.iam.get_user(UserName="ann")["User"], key))
        server.stop()
    assert seen[0] == seen[1]


def test_sandbox_refuses_a_data_folder(tmp_path):
    done = subprocess.run([BINARY, "serve", "--sandbox", "--data", tmp_path], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2


def test_health_and_metrics_answer(sandbox, root):
    assert json.loads(get(sandbox, "/_rootward/health").text)
    metrics = get(sandbox, "/_rootward/metrics")
    assert metrics.status == 200 and "# TYPE" in metrics.text
