"""AssumeRole: who is trusted, and what the session may do."""

import json

import pytest

from rootward_testkit import (
    EC2, Credentials, Like, Principal, allow, body, broken, denied, deny, explicit, fresh, implicit, policy, refused,
)


def cannot_assume(who, role):
    return refused("AccessDenied", f"User: {who.arn} is not authorized to perform: sts:AssumeRole on resource: {role['Arn']}")


def may_not_assume(who, role):
    """Not for the role's sake: who has no permission of their own learns that, and nothing of the role."""
    return denied(who.arn, "sts:AssumeRole", role["Arn"])


def test_answer_is_whole(account):
    role = account.role(account.root_arn)
    answer = account.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="my-session")
    assert body(answer) == {
        "Credentials": {
            "AccessKeyId": Like("ASIA[A-Z2-7]{16}"), "SecretAccessKey": Like("[A-Za-z0-9+/]{40}"),
            "SessionToken": Like(".{100,}"), "Expiration": answer["Credentials"]["Expiration"],
        },
        "AssumedRoleUser": {
            "AssumedRoleId": f"{role['RoleId']}:my-session",
            "Arn": f"arn:aws:sts::{account.account}:assumed-role/{role['RoleName']}/my-session",
        },
    }


def test_tags_of_the_role_decide_under_both_their_keys(account):
    role = account.role(account.root_arn)
    account.iam.tag_role(RoleName=role["RoleName"], Tags=[{"Key": "Level", "Value": "top"}])
    for key in ("aws:ResourceTag/Level", "iam:ResourceTag/level"):
        account.user(allow("sts:AssumeRole", StringEquals={key: "top"})).assume(role)
        user = account.user(allow("sts:AssumeRole"), deny("sts:AssumeRole", StringEquals={key: "top"}))
        with refused("AccessDenied"):
            user.assume(role)


def test_trusted_user_needs_no_policy_and_trusted_account_needs_one(account, nobody):
    named = account.role(nobody.arn)
    assert nobody.assume(named).sts.get_caller_identity()["Arn"].endswith("/session")
    delegated = account.role(account.root_arn)
    with may_not_assume(nobody, delegated):
        nobody.assume(delegated)
    allowed = account.user(allow("sts:AssumeRole", delegated["Arn"]))
    allowed.assume(delegated)


def test_who_is_not_trusted_is_refused_even_as_administrator(account):
    role = account.role(EC2)
    with cannot_assume(account, role):
        account.assume(role)
    ghost = {"Arn": account.arn_of("role/ghost")}
    with cannot_assume(account, ghost):
        account.assume(ghost)


def test_roles_that_are_there_and_that_are_not_look_alike_to_who_may_not_assume_them(account, nobody):
    for role in (account.role(EC2), account.role(account.root_arn), {"Arn": account.arn_of("role/ghost")}):
        with may_not_assume(nobody, role):
            nobody.assume(role)


def test_deny_in_an_identity_policy_wins_over_trust(account):
    user = account.user(deny("sts:AssumeRole"))
    role = account.role(user.arn)
    with refused("AccessDenied", Like(f"User: {user.arn} is not authorized to perform: sts:AssumeRole on resource: {role['Arn']}.*")):
        user.assume(role)


def test_root_cannot_assume_roles(account):
    with refused("AccessDenied", "Roles may not be assumed by root accounts."):
        account.root().assume(account.role(account.root_arn))


@pytest.mark.parametrize("arguments, member, rule", [
    ({"RoleSessionName": "x"}, "roleSessionName", "have length greater than or equal to 2"),
    ({"RoleSessionName": "a b"}, "roleSessionName", r"satisfy regular expression pattern: [\w+=,.@-]*"),
    ({"DurationSeconds": 899}, "durationSeconds", "have value greater than or equal to 900"),
    ({"DurationSeconds": 43201}, "durationSeconds", "have value less than or equal to 43200"),
    ({"RoleArn": "short"}, "roleArn", "have length greater than or equal to 20"),
    ({"TokenCode": "12345"}, "tokenCode", "have length greater than or equal to 6"),
    ({"ExternalId": "x"}, "externalId", "have length greater than or equal to 2"),
])
def test_broken_constraint_is_named(account, arguments, member, rule):
    whole = {"RoleArn": account.arn_of("role/some-role"), "RoleSessionName": "session", **arguments}
    with refused("ValidationError", broken(member, rule)):
        account.sts.assume_role(**whole)


def test_external_id_must_be_the_one_asked_for(account):
    role = account.role(account.root_arn, conditions={"StringEquals": {"sts:ExternalId": "the-id"}})
    for arguments in ({}, {"ExternalId": "another"}):
        with cannot_assume(account, role):
            account.assume(role, **arguments)
    account.assume(role, ExternalId="the-id")


def test_session_name_can_be_asked_for(account, nobody):
    role = account.role(nobody.arn, conditions={"StringLike": {"sts:RoleSessionName": "${aws:username}"}})
    with may_not_assume(nobody, role):
        nobody.assume(role, "somebody")
    nobody.assume(role, nobody.name)


def test_factor_can_be_asked_for_and_a_key_has_none(account):
    role = account.role(account.root_arn, conditions={"Bool": {"aws:MultiFactorAuthPresent": "true"}})
    with cannot_assume(account, role):
        account.assume(role)
    if_exists = account.role(account.root_arn, conditions={"BoolIfExists": {"aws:MultiFactorAuthPresent": "true"}})
    account.assume(if_exists)
    session = account.sts.get_session_token()["Credentials"]
    with cannot_assume(account, if_exists):
        Principal(account.server, Credentials.of(session), account.arn).assume(if_exists)


def test_duration_is_bounded_by_the_role_and_in_a_chain_by_an_hour(account):
    role = account.role(account.root_arn, allow("sts:*"), MaxSessionDuration=7200)
    account.assume(role, DurationSeconds=7200)
    with refused("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."):
        account.assume(role, DurationSeconds=7201)
    session = account.assume(role)
    target = account.role(role["Arn"], MaxSessionDuration=7200)
    session.assume(target, DurationSeconds=3600)
    chain = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."
    with refused("ValidationError", chain):
        session.assume(target, DurationSeconds=3601)


def test_session_of_a_user_counts_as_a_link_of_the_chain(account):
    role = account.role(account.root_arn, MaxSessionDuration=7200)
    session = Principal(account.server, Credentials.of(account.sts.get_session_token()["Credentials"]), account.arn)
    session.assume(role, DurationSeconds=3600)
    with refused("ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining."):
        session.assume(role, DurationSeconds=3601)


def test_inline_session_policy_cuts_and_never_adds(account):
    role = account.role(account.root_arn, allow(["iam:ListUsers", "iam:ListRoles"]))
    session = account.assume(role, Policy=policy(allow(["iam:ListUsers", "iam:ListGroups"])))
    session.iam.list_users()
    with denied(session.arn, "iam:ListRoles", account.arn_of("role/"), implicit("iam:ListRoles", "session")):
        session.iam.list_roles()
    with denied(session.arn, "iam:ListGroups", account.arn_of("group/")):
        session.iam.list_groups()
    refusing = account.assume(role, Policy=policy(allow("*"), deny("iam:ListUsers")))
    with denied(refusing.arn, "iam:ListUsers", account.arn_of("user/"), explicit("session")):
        refusing.iam.list_users()


def test_managed_session_policies_cut_too_and_are_joined(account):
    role = account.role(account.root_arn, allow("iam:List*"))
    users, roles = account.policy(allow("iam:ListUsers")), account.policy(allow("iam:ListRoles"))
    session = account.assume(role, PolicyArns=[{"arn": users["Arn"]}], Policy=policy(allow("iam:ListGroups")))
    session.iam.list_users()
    session.iam.list_groups()
    with denied(session.arn, "iam:ListRoles", account.arn_of("role/"), implicit("iam:ListRoles", "session")):
        session.iam.list_roles()
    both = account.assume(role, PolicyArns=[{"arn": users["Arn"]}, {"arn": roles["Arn"]}])
    both.iam.list_users()
    both.iam.list_roles()
    by_aws = account.assume(role, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/IAMReadOnlyAccess"}])
    by_aws.iam.list_users()


def test_bad_session_policies_are_refused(account):
    role = account.role(account.root_arn)
    with refused("MalformedPolicyDocument"):
        account.assume(role, Policy="{")
    with pytest.raises(account.sts.exceptions.ClientError):
        account.assume(role, PolicyArns=[{"arn": account.arn_of("policy/ghost")}])
    with pytest.raises(account.sts.exceptions.ClientError) as caught:
        account.assume(role, Policy=policy(allow("s3:GetObject", "arn:aws:s3:::" + "b" * 2048)))
    assert caught.value.response["Error"]["Code"] in ("PackedPolicyTooLarge", "ValidationError")
    with pytest.raises(account.sts.exceptions.ClientError):
        account.assume(role, PolicyArns=[{"arn": f"arn:aws:iam::aws:policy/Policy{n}"} for n in range(11)])


def test_packed_size_is_told_when_there_is_something_to_pack(account):
    role = account.role(account.root_arn)
    answer = account.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session", Policy=policy(allow("s3:GetObject")))
    assert 1 <= answer["PackedPolicySize"] <= 100


def tagging(account, *statements, **arguments):
    return account.role(account.root_arn, *statements, actions=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"], **arguments)


def tags(**pairs):
    return [{"Key": key, "Value": value} for key, value in pairs.items()]


def test_session_tags_decide_and_win_over_the_tags_of_the_role(account):
    one = allow("iam:ListUsers", StringEquals={"aws:PrincipalTag/Team": "red"})
    role = tagging(account, one, Tags=tags(Team="blue"))
    account.assume(role, Tags=tags(Team="red")).iam.list_users()
    without = account.assume(role)
    with denied(without.arn, "iam:ListUsers", account.arn_of("user/")):
        without.iam.list_users()


def test_tagging_a_session_needs_its_own_permission_on_both_sides(account):
    untagged = account.role(account.root_arn)
    with refused("AccessDenied", Like(f"User: {account.arn} is not authorized to perform: sts:TagSession on resource: {untagged['Arn']}.*")):
        account.assume(untagged, Tags=tags(Team="red"))
    role = tagging(account)
    user = account.user(allow("sts:AssumeRole"))
    with refused("AccessDenied", Like(f"User: {user.arn} is not authorized to perform: sts:TagSession on resource: {role['Arn']}.*")):
        user.assume(role, Tags=tags(Team="red"))


def test_transitive_tags_stay_along_the_chain_and_cannot_be_changed(account):
    needs_red = allow("iam:ListUsers", StringEquals={"aws:PrincipalTag/Team": "red"})
    last = tagging(account, needs_red, allow("sts:*"))
    first = tagging(account, allow("sts:*"))
    kept = account.assume(first, Tags=tags(Team="red", Cost="1"), TransitiveTagKeys=["Team"])
    kept.assume(last).iam.list_users()
    lost = account.assume(first, Tags=tags(Team="red")).assume(last)
    with denied(lost.arn, "iam:ListUsers", account.arn_of("user/")):
        lost.iam.list_users()
    with refused("InvalidParameterValue"):
        kept.assume(last, Tags=tags(Team="blue"))
    # The third link still has it.
    third = tagging(account, needs_red)
    kept.assume(last).assume(third).iam.list_users()


@pytest.mark.parametrize("arguments", [
    {"Tags": [{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}]},
    {"Tags": [{"Key": "aws:mine", "Value": "1"}]},
    {"TransitiveTagKeys": ["Missing"]},
])
def test_bad_session_tags_are_refused(account, arguments):
    with pytest.raises(account.sts.exceptions.ClientError) as caught:
        account.assume(tagging(account), **arguments)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_source_identity_is_told_kept_and_cannot_be_changed(account):
    needs = allow("iam:ListUsers", StringEquals={"aws:SourceIdentity": "ann"})
    first, second = tagging(account, allow("sts:*")), tagging(account, needs)
    answer = account.sts.assume_role(RoleArn=first["Arn"], RoleSessionName="session", SourceIdentity="ann")
    assert answer["SourceIdentity"] == "ann"
    session = account.assume(first, SourceIdentity="ann")
    session.assume(second).iam.list_users()
    with refused("AccessDenied"):
        session.assume(second, SourceIdentity="bob")
    untrusting = account.role(account.root_arn)
    with refused("AccessDenied", Like(f"User: {account.arn} is not authorized to perform: sts:SetSourceIdentity on resource: .*")):
        account.assume(untrusting, SourceIdentity="ann")


def test_other_account_needs_trust_there_and_a_policy_here(account, other):
    trusting = account.role(other.root_arn, allow("iam:ListUsers"))
    session = other.assume(trusting)
    assert session.sts.get_caller_identity()["Account"] == account.account
    names = {user["UserName"] for user in session.iam.list_users()["Users"]}
    assert names == {user["UserName"] for user in account.iam.list_users()["Users"]}
    stranger = other.user()
    with cannot_assume(stranger, trusting):
        stranger.assume(trusting)
    named = account.role(stranger.arn)
    with cannot_assume(stranger, named):
        stranger.assume(named)
    allowed = other.user(allow("sts:AssumeRole", trusting["Arn"]))
    allowed.assume(trusting)
    closed = account.role(account.root_arn)
    with cannot_assume(other, closed):
        other.assume(closed)


def test_everybody_trusted_still_needs_an_own_permission_from_elsewhere(account, other):
    open_role, stranger = account.role("*"), other.user()
    with cannot_assume(stranger, open_role):
        stranger.assume(open_role)


def test_trust_follows_the_user_and_not_a_namesake(account):
    user = account.user()
    role = account.role(user.arn)
    user.assume(role)
    account.iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials.key)
    account.iam.delete_user(UserName=user.name)
    namesake = account.user(name=user.name)
    with may_not_assume(namesake, role):
        namesake.assume(role)


def test_role_does_not_trust_itself_unless_it_says_so(account):
    name = fresh("role")
    role = account.role(account.root_arn, name=name)
    session = account.assume(role)
    with may_not_assume(session, role):
        session.assume(role)
    shown = account.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    shown["Statement"][0]["Principal"] = {"AWS": [account.root_arn, role["Arn"]]}
    account.iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(shown))
    session.assume(role)
