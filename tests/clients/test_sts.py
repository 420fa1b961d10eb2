"""Who am I, session tokens, and whose key is this."""

import json
import time
from datetime import datetime, timedelta, timezone

import pytest

from rootward_testkit import (
    Credentials, Like, Principal, allow, body, broken, deny, denied, fresh, refused,
)

MFA = Like("MultiFactorAuthentication failed.*")


def remaining(credentials):
    return (credentials["Expiration"] - datetime.now(timezone.utc)).total_seconds()


def session_of(principal, **arguments):
    credentials = principal.sts.get_session_token(**arguments)["Credentials"]
    return Principal(principal.server, Credentials.of(credentials), principal.arn, principal.name, principal.id)


@pytest.fixture(scope="module")
def root(account):
    return account.root()


def test_caller_identity_of_a_user_the_root_user_and_a_session(account, root):
    user = account.user(Path="/deep/")
    assert body(user.sts.get_caller_identity()) == {"UserId": user.id, "Account": account.account, "Arn": user.arn}
    assert user.arn == account.arn_of(f"user/deep/{user.name}")
    assert body(root.sts.get_caller_identity()) == {
        "UserId": account.account, "Account": account.account, "Arn": account.root_arn}
    role = account.role(account.root_arn, Path="/deep/")
    session = account.assume(role, "my.session")
    assert body(session.sts.get_caller_identity()) == {
        "UserId": f"{role['RoleId']}:my.session", "Account": account.account,
        "Arn": f"arn:aws:sts::{account.account}:assumed-role/{role['RoleName']}/my.session",
    }


def test_caller_identity_and_session_token_cannot_be_denied(account):
    user = account.user(deny("*"))
    assert user.sts.get_caller_identity()["Arn"] == user.arn
    assert session_of(user).sts.get_caller_identity()["Arn"] == user.arn


def test_session_token_has_the_limits_of_its_kind(account, root):
    user = account.user()
    answer = user.sts.get_session_token()
    assert body(answer) == {"Credentials": {
        "AccessKeyId": Like("ASIA[A-Z2-7]{16}"), "SecretAccessKey": Like("[A-Za-z0-9+/]{40}"),
        "SessionToken": Like("[A-Za-z0-9+/=]{100,}"), "Expiration": answer["Credentials"]["Expiration"],
    }}
    assert abs(remaining(answer["Credentials"]) - 43_200) < 60
    assert abs(remaining(user.sts.get_session_token(DurationSeconds=129_600)["Credentials"]) - 129_600) < 60
    assert abs(remaining(root.sts.get_session_token()["Credentials"]) - 3_600) < 60
    assert abs(remaining(root.sts.get_session_token(DurationSeconds=43_200)["Credentials"]) - 3_600) < 60
    assert abs(remaining(root.sts.get_session_token(DurationSeconds=900)["Credentials"]) - 900) < 60


@pytest.mark.parametrize("seconds, rule", [(899, "greater than or equal to 900"), (129_601, "less than or equal to 129600")])
def test_session_token_seconds_have_bounds(account, seconds, rule):
    with refused("ValidationError", broken("durationSeconds", f"have value {rule}")):
        account.sts.get_session_token(DurationSeconds=seconds)


def test_session_of_a_user_may_not_call_iam_nor_sts_but_assume_roles(account):
    user = account.user(allow("*"))
    session = session_of(user)
    role = account.role(account.root_arn)
    assert session.sts.get_caller_identity()["Arn"] == user.arn
    for forbidden in (session.iam.list_users, session.sts.get_session_token,
                      lambda: session.sts.get_access_key_info(AccessKeyId=user.credentials.key)):
        with pytest.raises(session.sts.exceptions.ClientError) as caught:
            forbidden()
        assert caught.value.response["Error"]["Code"] in ("AccessDenied", "InvalidClientTokenId")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert session.assume(role).sts.get_caller_identity()["Arn"].endswith("/session")


def test_session_of_root_cannot_call_iam_without_a_second_factor(account, root):
    session = session_of(root)
    assert session.sts.get_caller_identity()["Arn"] == account.root_arn
    with pytest.raises(session.iam.exceptions.ClientError):
        session.iam.list_users()


def test_session_of_a_role_gets_no_session_token(account):
    session = account.assume(account.role(account.root_arn, allow("*")))
    with refused("AccessDenied", "Cannot call GetSessionToken with session credentials"):
        session.sts.get_session_token()


def test_unknown_factor_is_refused(account):
    serial = account.arn_of("mfa/ghost")
    with refused("AccessDenied", MFA):
        account.sts.get_session_token(SerialNumber=serial, TokenCode="123456")
    with refused("AccessDenied", MFA):
        account.sts.assume_role(RoleArn=account.role(account.root_arn)["Arn"], RoleSessionName="session",
                                SerialNumber=serial, TokenCode="123456")


def test_keys_tell_their_account_without_a_look_up(account, other):
    user = account.user(allow("sts:GetAccessKeyInfo"))
    assert body(user.sts.get_access_key_info(AccessKeyId=account.credentials.key)) == {"Account": account.account}
    assert user.sts.get_access_key_info(AccessKeyId=other.credentials.key)["Account"] == other.account
    temporary = account.sts.get_session_token()["Credentials"]["AccessKeyId"]
    assert user.sts.get_access_key_info(AccessKeyId=temporary)["Account"] == account.account
    assert user.sts.get_access_key_info(AccessKeyId="ASIAQNZGKIQY56JQ7WML")["Account"] == "029608264753"
    with refused("ValidationError"):
        user.sts.get_access_key_info(AccessKeyId="NOTANACCESSKEYID")


def test_token_is_needed_unchanged_and_with_its_own_key(account):
    user = account.user()
    one, two = (Credentials.of(user.sts.get_session_token()["Credentials"]) for _ in range(2))
    invalid = "The security token included in the request is invalid."
    changed = one.token[:-8] + ("AAAAAAA=" if one.token[-8:] != "AAAAAAA=" else "BBBBBBB=")
    for credentials in (Credentials(one.key, one.secret), one._replace(token=two.token), one._replace(token=changed),
                        one._replace(token="x"), user.credentials._replace(token=one.token)):
        with refused("InvalidClientTokenId", invalid):
            Principal(account.server, credentials).sts.get_caller_identity()
    with refused("SignatureDoesNotMatch"):
        Principal(account.server, one._replace(secret=two.secret)).sts.get_caller_identity()


def test_sessions_end_with_their_principal(account):
    name = fresh("user")
    account.iam.create_user(UserName=name)
    key = account.iam.create_access_key(UserName=name)["AccessKey"]
    user = Principal(account.server, Credentials.of(key))
    session = session_of(user)
    role = account.role(account.root_arn)
    of_role = account.assume(role)
    account.iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    account.iam.delete_user(UserName=name)
    account.iam.delete_role(RoleName=role["RoleName"])
    account.role(account.root_arn, name=role["RoleName"])
    for gone in (session, of_role):
        with refused("InvalidClientTokenId"):
            gone.sts.get_caller_identity()


def test_sessions_are_revoked_by_the_time_of_their_token(account):
    """What the console's "revoke active sessions" puts on a role."""
    role = account.role(account.root_arn, allow("iam:ListUsers"))
    old = account.assume(role, "old")
    old.iam.list_users()
    late = (datetime.now(timezone.utc) + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    account.iam.put_role_policy(RoleName=role["RoleName"], PolicyName="AWSRevokeOlderSessions", PolicyDocument=json.dumps({
        "Version": "2012-10-17",
        "Statement": [deny("*", DateLessThan={"aws:TokenIssueTime": late})]}))
    with denied(old.arn, "iam:ListUsers", account.arn_of("user/"), " with an explicit deny in an identity-based policy"):
        old.iam.list_users()
    time.sleep(2.1)
    account.assume(role, "new").iam.list_users()


def test_sts_answers_in_every_region(account):
    for region in ("eu-central-1", "ap-southeast-2", "us-east-1"):
        sts = account.server.client("sts", account.credentials, region=region)
        assert sts.get_caller_identity()["Arn"] == account.arn
