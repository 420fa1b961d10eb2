"""The same thing done at the same time: exactly one wins, nobody gets an internal error, nothing is left half done."""

import pytest

from rootward_testkit import EC2, allow, at_once, codes, fresh, policy

CLIENTS = 8


@pytest.fixture(scope="module")
def clients(account):
    return [account.server.client("iam", account.credentials) for _ in range(CLIENTS)]


def race(clients, job):
    """What each client's job ended with, all started at once."""
    ended = codes(at_once([lambda iam=iam, number=number: job(iam, number) for number, iam in enumerate(clients)]))
    assert not set(ended) & {"ServiceFailure", "InternalFailure", "ServiceUnavailable"}, ended
    return ended


@pytest.mark.parametrize("round_", range(10))
def test_one_of_many_creations_wins(account, clients, round_):
    name = fresh("Raced")
    document = policy(allow("s3:GetObject"))
    creations = {
        "user": lambda iam, spelt: iam.create_user(UserName=spelt),
        "group": lambda iam, spelt: iam.create_group(GroupName=spelt),
        "policy": lambda iam, spelt: iam.create_policy(PolicyName=spelt, PolicyDocument=document),
        "profile": lambda iam, spelt: iam.create_instance_profile(InstanceProfileName=spelt),
    }
    for create in creations.values():
        ended = race(clients, lambda iam, number: create(iam, name if number % 2 else name.upper()))
        assert sorted(ended, key=str) == ["EntityAlreadyExists"] * (CLIENTS - 1) + [None], ended


@pytest.mark.parametrize("round_", range(10))
def test_one_of_many_deletions_wins(account, clients, round_):
    user = account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]
    ended = race(clients, lambda iam, _: iam.delete_user(UserName=user))
    assert sorted(ended, key=str) == ["NoSuchEntity"] * (CLIENTS - 1) + [None], ended


def test_quota_holds_against_a_crowd(account, clients):
    user = account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]
    ended = race(clients, lambda iam, _: iam.create_access_key(UserName=user))
    assert sorted(ended, key=str) == ["LimitExceeded"] * (CLIENTS - 2) + [None] * 2, ended
    assert len(account.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]) == 2
    arn = account.policy()["Arn"]
    ended = race(clients, lambda iam, _: iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("s3:*"))))
    assert sorted(ended, key=str) == ["LimitExceeded"] * (CLIENTS - 4) + [None] * 4, ended
    versions = account.iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert sorted(version["VersionId"] for version in versions) == ["v1", "v2", "v3", "v4", "v5"]
    assert sum(version["IsDefaultVersion"] for version in versions) == 1


def test_inline_policies_together_stay_within_their_size(account, clients):
    user = account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]
    document = policy(allow("s3:GetObject", "arn:aws:s3:::" + "b" * 500)).replace(" ", "")
    ended = race(clients, lambda iam, number: iam.put_user_policy(UserName=user, PolicyName=f"p{number}", PolicyDocument=document))
    fits = 2048 // len(document)
    assert ended.count(None) == fits and ended.count("LimitExceeded") == CLIENTS - fits, ended


def test_attaching_the_same_policy_at_once_attaches_it_once(account, clients):
    user, arn = account.iam.create_user(UserName=fresh("user"))["User"]["UserName"], account.policy()["Arn"]
    assert set(race(clients, lambda iam, _: iam.attach_user_policy(UserName=user, PolicyArn=arn))) == {None}
    assert account.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    ended = race(clients, lambda iam, _: iam.detach_user_policy(UserName=user, PolicyArn=arn))
    assert sorted(ended, key=str) == ["NoSuchEntity"] * (CLIENTS - 1) + [None], ended
    assert account.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 0


def test_different_members_join_one_group_at_once(account, clients):
    group = account.group()
    users = [account.iam.create_user(UserName=fresh("user"))["User"]["UserName"] for _ in clients]
    assert set(race(clients, lambda iam, number: iam.add_user_to_group(GroupName=group, UserName=users[number]))) == {None}
    assert sorted(user["UserName"] for user in account.iam.get_group(GroupName=group)["Users"]) == sorted(users)


def two_ways(clients, first, second):
    """Half of the clients do one thing while the other half do the other."""
    return race(clients, lambda iam, number: (first if number % 2 else second)(iam))


@pytest.mark.parametrize("round_", range(20))
def test_deleted_user_is_in_no_group_and_a_member_is_not_deleted(account, clients, round_):
    group, user = account.group(), account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]
    two_ways(clients, lambda iam: iam.add_user_to_group(GroupName=group, UserName=user), lambda iam: iam.delete_user(UserName=user))
    members = [member["UserName"] for member in account.iam.get_group(GroupName=group)["Users"]]
    assert members == ([user] if exists(account.iam.get_user, UserName=user) else [])


@pytest.mark.parametrize("round_", range(20))
def test_deleted_policy_is_attached_to_nobody_and_an_attached_one_is_not_deleted(account, clients, round_):
    user, arn = account.iam.create_user(UserName=fresh("user"))["User"]["UserName"], account.policy()["Arn"]
    two_ways(clients, lambda iam: iam.attach_user_policy(UserName=user, PolicyArn=arn), lambda iam: iam.delete_policy(PolicyArn=arn))
    attached = [one["PolicyArn"] for one in account.iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]]
    assert attached == ([arn] if exists(account.iam.get_policy, PolicyArn=arn) else [])


@pytest.mark.parametrize("round_", range(20))
def test_deleted_user_has_no_keys_and_one_with_keys_is_not_deleted(account, clients, round_):
    user = account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]
    two_ways(clients, lambda iam: iam.create_access_key(UserName=user), lambda iam: iam.delete_user(UserName=user))
    if exists(account.iam.get_user, UserName=user):
        assert account.iam.list_access_keys(UserName=user)["AccessKeyMetadata"]
    else:
        account.iam.create_user(UserName=user)
        assert account.iam.list_access_keys(UserName=user)["AccessKeyMetadata"] == []


@pytest.mark.parametrize("round_", range(10))
def test_deleted_role_is_in_no_profile_and_one_in_a_profile_is_not_deleted(account, clients, round_):
    role, profile = account.role(EC2)["RoleName"], fresh("profile")
    account.iam.create_instance_profile(InstanceProfileName=profile)
    two_ways(clients, lambda iam: iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role),
             lambda iam: iam.delete_role(RoleName=role))
    roles = [one["RoleName"] for one in account.iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"]]
    assert roles == ([role] if exists(account.iam.get_role, RoleName=role) else [])


def test_one_of_many_renames_to_a_name_wins(account, clients):
    users = [account.iam.create_user(UserName=fresh("user"))["User"]["UserName"] for _ in clients]
    new = fresh("wanted")
    ended = race(clients, lambda iam, number: iam.update_user(UserName=users[number], NewUserName=new))
    assert sorted(ended, key=str) == ["EntityAlreadyExists"] * (CLIENTS - 1) + [None], ended


def test_alias_goes_to_one_account(account, other, clients):
    alias = fresh("alias")
    outside = [other.server.client("iam", other.credentials) for _ in clients]
    ended = codes(at_once([lambda iam=iam: iam.create_account_alias(AccountAlias=alias) for iam in clients + outside]))
    owners = [one for one in (account, other) if one.iam.list_account_aliases()["AccountAliases"] == [alias]]
    assert len(owners) == 1 and set(ended) == {None, "EntityAlreadyExists"}, ended


def exists(get, **name):
    try:
        get(**name)
    except get.__self__.exceptions.NoSuchEntityException:
        return False
    return True
