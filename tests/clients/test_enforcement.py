"""Policies decide: the ways in which a statement applies or does not."""

import pytest

from rootward_testkit import (
    Like, allow, denied, deny, explicit, fresh, policy, refused, signed, statement,
)

LIST_USERS = "iam:ListUsers"


@pytest.fixture(scope="module")
def users(account):
    return account.arn_of("user/")


def can(user):
    user.iam.list_users()


def test_nothing_is_allowed_by_default(account, nobody, users):
    with denied(nobody.arn, LIST_USERS, users):
        can(nobody)


@pytest.mark.parametrize("statements, allowed", [
    ([allow("*")], True),
    ([allow("iam:*")], True),
    ([allow("iam:List*")], True),
    ([allow("IAM:listusers")], True),
    ([allow("iam:L?stUsers")], True),
    ([allow("iam:ListUser")], False),
    ([allow("s3:*")], False),
    ([statement("Allow", NotAction="s3:*", Resource="*")], True),
    ([statement("Allow", NotAction="iam:*", Resource="*")], False),
    ([statement("Allow", Action="iam:*", NotResource="arn:aws:s3:::*")], True),
    ([allow("iam:*", StringEquals={"aws:username": "nobody-has-this-name"})], False),
    ([allow("iam:*", IpAddress={"aws:SourceIp": "127.0.0.0/8"})], True),
    ([allow("iam:*", IpAddress={"aws:SourceIp": "10.0.0.0/8"})], False),
    ([allow("iam:*", NotIpAddress={"aws:SourceIp": ["10.0.0.0/8", "192.168.0.0/16"]})], True),
    ([allow("iam:*", Bool={"aws:SecureTransport": "false"})], True),
    ([allow("iam:*", Bool={"aws:SecureTransport": "true"})], False),
    ([allow("iam:*", DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})], True),
    ([allow("iam:*", DateLessThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})], False),
    ([allow("iam:*", StringEquals={"aws:RequestedRegion": "us-east-1"})], True),
    ([allow("iam:*", StringLike={"aws:UserAgent": "Boto3/*"})], True),
    ([allow("iam:*", StringEquals={"aws:PrincipalType": "User"})], True),
    ([allow("iam:*", Null={"aws:TokenIssueTime": "true"})], True),
    ([allow("iam:*", Null={"aws:MultiFactorAuthAge": "false"})], False),
    ([allow("iam:*", StringEquals={"aws:NoSuchKey": "x"})], False),
    ([allow("iam:*", StringEqualsIfExists={"aws:NoSuchKey": "x"})], True),
    ([allow("iam:*", StringNotEquals={"aws:NoSuchKey": "x"})], True),
    ([allow("iam:*"), deny("s3:*")], True),
    ([allow("iam:*"), deny("iam:*", Bool={"aws:SecureTransport": "true"})], True),
])
def test_statement_applies(account, users, statements, allowed):
    user = account.user(*statements)
    if allowed:
        can(user)
    else:
        with denied(user.arn, LIST_USERS, users):
            can(user)


@pytest.mark.parametrize("statements", [
    [allow("*"), deny(LIST_USERS)],
    [deny("iam:List*"), allow("*")],
    [allow("*"), statement("Deny", NotAction="s3:*", Resource="*")],
    [allow("*"), deny("*", Bool={"aws:SecureTransport": "false"})],
    [allow("*"), deny("*", StringNotEquals={"aws:NoSuchKey": "x"})],
    [allow("*"), deny("*", BoolIfExists={"aws:MultiFactorAuthPresent": "false"})],
])
def test_explicit_deny_wins(account, users, statements):
    user = account.user(*statements)
    with denied(user.arn, LIST_USERS, users, explicit()):
        can(user)


def test_deny_in_a_managed_policy_is_named(account, users):
    user, refusing = account.user(allow("*")), account.policy(deny(LIST_USERS))
    account.iam.attach_user_policy(UserName=user.name, PolicyArn=refusing["Arn"])
    with denied(user.arn, LIST_USERS, users, explicit("identity", refusing["Arn"])):
        can(user)


def test_default_version_is_the_one_that_decides(account, users):
    user, made = account.user(), account.policy(allow(LIST_USERS))
    account.iam.attach_user_policy(UserName=user.name, PolicyArn=made["Arn"])
    can(user)
    account.iam.create_policy_version(PolicyArn=made["Arn"], PolicyDocument=policy(allow("s3:*")), SetAsDefault=True)
    with denied(user.arn, LIST_USERS, users):
        can(user)
    account.iam.set_default_policy_version(PolicyArn=made["Arn"], VersionId="v1")
    can(user)


def test_groups_give_and_take(account, users):
    user = account.user()
    group = account.group(allow(LIST_USERS), members=[user.name])
    can(user)
    refusing = account.group(deny(LIST_USERS), members=[user.name])
    with denied(user.arn, LIST_USERS, users, explicit()):
        can(user)
    account.iam.remove_user_from_group(GroupName=refusing, UserName=user.name)
    can(user)
    account.iam.remove_user_from_group(GroupName=group, UserName=user.name)
    with denied(user.arn, LIST_USERS, users):
        can(user)


def test_resources_decide_by_arn_and_path(account):
    team = account.iam.create_user(UserName=fresh("user"), Path="/team/")["User"]["UserName"]
    outside = account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]
    user = account.user(allow("iam:GetUser", account.arn_of("user/team/*")))
    user.iam.get_user(UserName=team)
    with denied(user.arn, "iam:GetUser", f"user {outside}"):
        user.iam.get_user(UserName=outside)
    everybody = account.user(statement("Allow", Action="iam:GetUser", NotResource=account.arn_of("user/team/*")))
    everybody.iam.get_user(UserName=outside)
    with denied(everybody.arn, "iam:GetUser", f"user {team}"):
        everybody.iam.get_user(UserName=team)


def test_variables_stand_for_the_caller(account):
    own = allow("iam:*AccessKey*", account.arn_of("user/${aws:username}"))
    one, two = account.user(own), account.user(own)
    one.iam.list_access_keys(UserName=one.name)
    with denied(one.arn, "iam:ListAccessKeys", f"user {two.name}"):
        one.iam.list_access_keys(UserName=two.name)


def test_wildcard_in_what_the_caller_says_is_a_letter(account):
    """Tags cannot hold one; the name of the client, which the caller chooses, can."""
    user = account.user(allow("iam:GetUser", account.arn_of("user/${aws:UserAgent}")))

    def get_admin(agent):
        def say(request):
            request.headers["User-Agent"] = agent
        content = {"Action": "GetUser", "Version": "2010-05-08", "UserName": "admin"}
        return signed(account.server, user.credentials, content, edit=say)

    assert get_admin("admin").status == 200
    for agent in ("*", "a*", "?????"):
        assert (get_admin(agent).status, get_admin(agent).code) == (403, "AccessDenied")


def test_tags_of_the_caller_decide(account, users):
    user = account.user(allow("iam:*", StringEquals={"aws:PrincipalTag/Team": "red"}))
    with denied(user.arn, LIST_USERS, users):
        can(user)
    account.iam.tag_user(UserName=user.name, Tags=[{"Key": "Team", "Value": "red"}])
    can(user)


def test_only_named_policies_may_be_attached(account):
    good, bad = account.policy()["Arn"], account.policy()["Arn"]
    target = account.user().name
    user = account.user(allow("iam:AttachUserPolicy", ArnEquals={"iam:PolicyARN": good}))
    user.iam.attach_user_policy(UserName=target, PolicyArn=good)
    with denied(user.arn, "iam:AttachUserPolicy", f"user {target}"):
        user.iam.attach_user_policy(UserName=target, PolicyArn=bad)


def test_users_may_be_made_only_with_a_boundary(account):
    boundary = account.policy(allow("s3:*"))["Arn"]
    user = account.user(
        allow(["iam:CreateUser", "iam:PutUserPolicy", "iam:PutUserPermissionsBoundary"], StringEquals={"iam:PermissionsBoundary": boundary}),
        allow("iam:DeleteUserPermissionsBoundary"),
    )
    name = fresh("user")
    with denied(user.arn, "iam:CreateUser", account.arn_of(f"user/{name}")):
        user.iam.create_user(UserName=name)
    with denied(user.arn, "iam:CreateUser", account.arn_of(f"user/{name}")):
        user.iam.create_user(UserName=name, PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess")
    user.iam.create_user(UserName=name, PermissionsBoundary=boundary)
    user.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(allow("s3:*")))
    user.iam.delete_user_permissions_boundary(UserName=name)
    with denied(user.arn, "iam:PutUserPolicy", f"user {name}"):
        user.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(allow("s3:*")))


def test_change_takes_effect_with_the_next_call(account, users):
    user = account.user()
    for _ in range(20):
        account.iam.put_user_policy(UserName=user.name, PolicyName="p", PolicyDocument=policy(allow(LIST_USERS)))
        can(user)
        account.iam.delete_user_policy(UserName=user.name, PolicyName="p")
        with denied(user.arn, LIST_USERS, users):
            can(user)


def test_roles_decide_by_the_arn_of_the_role(account, users):
    path = fresh("path")
    role = account.role(account.root_arn, Path=f"/{path}/")
    account.iam.put_role_policy(RoleName=role["RoleName"], PolicyName="p", PolicyDocument=policy(
        allow(LIST_USERS, ArnLike={"aws:PrincipalArn": account.arn_of(f"role/{path}/*")},
              StringEquals={"aws:PrincipalType": "AssumedRole"}, StringLike={"aws:userid": f"{role['RoleId']}:*"})))
    can(account.assume(role))


def test_validation_comes_before_authorization_and_authorization_before_existence(nobody):
    with refused("ValidationError"):
        nobody.iam.get_user(UserName="not valid")
    with refused("AccessDenied", Like(".*iam:GetUser on resource: user ghost because.*")):
        nobody.iam.get_user(UserName="ghost")
