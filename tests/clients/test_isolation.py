"""Accounts do not see each other."""

import pytest

from rootward_testkit import EC2, Like, allow, fresh, refused


def test_names_are_free_in_every_account(account, other):
    name = fresh("user")
    one = account.iam.create_user(UserName=name)["User"]
    two = other.iam.create_user(UserName=name)["User"]
    assert one["UserId"] != two["UserId"] and one["Arn"] != two["Arn"]
    account.iam.delete_user(UserName=name)
    assert other.iam.get_user(UserName=name)["User"]["UserId"] == two["UserId"]


def test_lists_hold_ones_own_only(account, other):
    user = account.user()
    role, made = account.role(EC2), account.policy()
    assert user.name not in [one["UserName"] for one in other.iam.list_users()["Users"]]
    assert role["Arn"] not in [one["Arn"] for one in other.iam.list_roles()["Roles"]]
    assert made["Arn"] not in [one["Arn"] for one in other.iam.list_policies(Scope="Local")["Policies"]]
    details = other.iam.get_account_authorization_details(Filter=["User", "Role", "Group", "LocalManagedPolicy"])
    assert account.account not in str({key: value for key, value in details.items() if key != "ResponseMetadata"})


def test_policy_of_another_account_can_be_neither_read_nor_changed_nor_attached(account, other):
    arn = account.policy()["Arn"]
    user = other.user().name
    calls = [
        lambda: other.iam.get_policy(PolicyArn=arn),
        lambda: other.iam.get_policy_version(PolicyArn=arn, VersionId="v1"),
        lambda: other.iam.list_entities_for_policy(PolicyArn=arn),
        lambda: other.iam.delete_policy(PolicyArn=arn),
        lambda: other.iam.create_policy_version(PolicyArn=arn, PolicyDocument='{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}'),
        lambda: other.iam.attach_user_policy(UserName=user, PolicyArn=arn),
        lambda: other.iam.put_user_permissions_boundary(UserName=user, PermissionsBoundary=arn),
        lambda: other.iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "k", "Value": "v"}]),
    ]
    for call in calls:
        with pytest.raises(other.iam.exceptions.ClientError) as caught:
            call()
        error = caught.value.response
        assert error["Error"]["Code"] in ("AccessDenied", "NoSuchEntity"), error
    shown = account.iam.get_policy(PolicyArn=arn)["Policy"]
    assert (shown["AttachmentCount"], shown["DefaultVersionId"]) == (0, "v1") and not shown.get("Tags")


def test_foreign_policy_looks_like_a_missing_one(account, other):
    existing = account.policy()["Arn"]
    answers = []
    for arn in (existing, existing + "-missing"):
        with pytest.raises(other.iam.exceptions.ClientError) as caught:
            other.iam.get_policy(PolicyArn=arn)
        answers.append((caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"].replace("-missing", "")))
    assert answers[0] == answers[1]


def test_role_that_does_not_trust_looks_like_a_missing_one(account, other):
    closed = account.role(EC2)["Arn"]
    for arn in (closed, closed + "-missing"):
        with refused("AccessDenied", f"User: {other.arn} is not authorized to perform: sts:AssumeRole on resource: {arn}"):
            other.sts.assume_role(RoleArn=arn, RoleSessionName="session")


def test_key_of_another_account_cannot_be_touched(account, other):
    user = account.user()
    for call in (
        lambda: other.iam.delete_access_key(AccessKeyId=user.credentials.key),
        lambda: other.iam.update_access_key(AccessKeyId=user.credentials.key, Status="Inactive"),
    ):
        with refused("NoSuchEntity", f"The Access Key with id {user.credentials.key} cannot be found."):
            call()
    user.sts.get_caller_identity()


def test_marker_of_one_account_shows_nothing_of_it_in_another(account, other):
    for _ in range(3):
        account.user()
    marker = account.iam.list_users(MaxItems=1)["Marker"]
    try:
        users = other.iam.list_users(Marker=marker)["Users"]
    except other.iam.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationError"
    else:
        assert all(f"::{other.account}:" in user["Arn"] for user in users)


def test_principal_of_another_account_may_be_trusted_by_arn(account, other):
    friend = other.user(allow("sts:AssumeRole"))
    role = account.role(friend.arn)
    friend.assume(role)
    shown = account.iam.get_role(RoleName=role["RoleName"])["Role"]["AssumeRolePolicyDocument"]
    assert shown["Statement"][0]["Principal"] == {"AWS": friend.arn}


def test_trail_of_an_account_holds_its_own_calls(server, account, other):
    answer = account.iam.list_users()
    [record] = server.records(of=answer["ResponseMetadata"]["RequestId"])
    assert record["recipientAccountId"] == account.account
    assert record["userIdentity"] == {
        "type": "IAMUser", "principalId": Like("AIDA.*"), "arn": account.arn, "accountId": account.account,
        "accessKeyId": account.credentials.key, "userName": "admin",
    }
    mine = server.host("trail", "tail", "-n", "100000", "--format", "json", "--account", other.account)
    assert record["eventID"] not in mine
