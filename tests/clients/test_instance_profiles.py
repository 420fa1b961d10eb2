"""Instance profiles and the one role each can hold."""

import pytest

from rootward_testkit import (
    EC2, RECENT, Like, allow, body, broken, denied, every_page, fresh, refused, unique,
)


def profile(account, **arguments):
    return account.iam.create_instance_profile(InstanceProfileName=fresh("profile"), **arguments)["InstanceProfile"]


def test_created_profile_is_shown_whole(account):
    name = fresh("profile")
    created = account.iam.create_instance_profile(InstanceProfileName=name, Path="/i/", Tags=[{"Key": "k", "Value": "v"}])
    shown = {
        "Path": "/i/", "InstanceProfileName": name, "InstanceProfileId": unique("AIPA"),
        "Arn": account.arn_of(f"instance-profile/i/{name}"), "CreateDate": RECENT, "Roles": [], "Tags": [{"Key": "k", "Value": "v"}],
    }
    assert body(created) == {"InstanceProfile": shown}
    assert body(account.iam.get_instance_profile(InstanceProfileName=name)) == {"InstanceProfile": shown}


def test_names_are_unique_ignoring_case_and_valid(account):
    name = profile(account)["InstanceProfileName"]
    with refused("EntityAlreadyExists", Like(f"Instance Profile (?i:{name}) already exists.")):
        account.iam.create_instance_profile(InstanceProfileName=name.upper())
    with refused("ValidationError", broken("instanceProfileName", "have length less than or equal to 128")):
        account.iam.create_instance_profile(InstanceProfileName="x" * 129)


def test_role_is_added_shown_on_both_sides_and_removed(account):
    role, name = account.role(EC2), profile(account)["InstanceProfileName"]
    pair = {"InstanceProfileName": name, "RoleName": role["RoleName"]}
    assert body(account.iam.add_role_to_instance_profile(**pair)) == {}
    [shown] = account.iam.get_instance_profile(InstanceProfileName=name)["InstanceProfile"]["Roles"]
    assert (shown["Arn"], shown["RoleId"]) == (role["Arn"], role["RoleId"])
    assert shown["AssumeRolePolicyDocument"] == role["AssumeRolePolicyDocument"]
    [seen] = account.iam.list_instance_profiles_for_role(RoleName=role["RoleName"])["InstanceProfiles"]
    assert seen["InstanceProfileName"] == name
    with refused("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"):
        account.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=account.role(EC2)["RoleName"])
    with refused("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."):
        account.iam.delete_instance_profile(InstanceProfileName=name)
    assert body(account.iam.remove_role_from_instance_profile(**pair)) == {}
    with refused("NoSuchEntity"):
        account.iam.remove_role_from_instance_profile(**pair)
    assert account.iam.list_instance_profiles_for_role(RoleName=role["RoleName"])["InstanceProfiles"] == []
    assert body(account.iam.delete_instance_profile(InstanceProfileName=name)) == {}
    with refused("NoSuchEntity", f"Instance Profile {name} cannot be found."):
        account.iam.get_instance_profile(InstanceProfileName=name)


def test_both_must_exist(account):
    with refused("NoSuchEntity", "The role with name ghost cannot be found."):
        account.iam.add_role_to_instance_profile(InstanceProfileName=profile(account)["InstanceProfileName"], RoleName="ghost")
    with refused("NoSuchEntity", "Instance Profile ghost cannot be found."):
        account.iam.add_role_to_instance_profile(InstanceProfileName="ghost", RoleName=account.role(EC2)["RoleName"])


def test_lists_are_paged_and_filtered(account):
    path, role = f"/{fresh('path')}/", account.role(EC2)["RoleName"]
    names = sorted(profile(account, Path=path)["InstanceProfileName"] for _ in range(3))
    listed = every_page(account.iam.list_instance_profiles, "InstanceProfiles", PathPrefix=path)
    assert sorted(one["InstanceProfileName"] for one in listed) == names
    for name in names:
        account.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=role)
    of_role = every_page(account.iam.list_instance_profiles_for_role, "InstanceProfiles", RoleName=role)
    assert sorted(one["InstanceProfileName"] for one in of_role) == names


def test_adding_a_role_needs_to_be_allowed_to_pass_it(account):
    role, name = account.role(EC2), profile(account)["InstanceProfileName"]
    pair = {"InstanceProfileName": name, "RoleName": role["RoleName"]}
    user = account.user(allow("iam:AddRoleToInstanceProfile"))
    with denied(user.arn, "iam:PassRole", role["Arn"]):
        user.iam.add_role_to_instance_profile(**pair)
    other_service = account.user(
        allow("iam:AddRoleToInstanceProfile"),
        allow("iam:PassRole", StringEquals={"iam:PassedToService": "lambda.amazonaws.com"}),
    )
    with denied(other_service.arn, "iam:PassRole", role["Arn"]):
        other_service.iam.add_role_to_instance_profile(**pair)
    passer = account.user(
        allow("iam:AddRoleToInstanceProfile"),
        allow("iam:PassRole", role["Arn"], StringEquals={"iam:PassedToService": "ec2.amazonaws.com"}),
    )
    passer.iam.add_role_to_instance_profile(**pair)


@pytest.mark.parametrize("kind", ["role", "profile"])
def test_rename_is_not_offered_but_recreation_is_a_new_thing(account, kind):
    if kind == "profile":
        first = profile(account)
        account.iam.delete_instance_profile(InstanceProfileName=first["InstanceProfileName"])
        second = account.iam.create_instance_profile(InstanceProfileName=first["InstanceProfileName"])["InstanceProfile"]
        assert first["InstanceProfileId"] != second["InstanceProfileId"]
    else:
        first = account.role(EC2)
        account.iam.delete_role(RoleName=first["RoleName"])
        assert account.role(EC2, name=first["RoleName"])["RoleId"] != first["RoleId"]
