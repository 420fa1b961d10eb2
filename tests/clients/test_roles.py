"""Roles: create with their trust policy, get, list, update, delete."""

import json

import pytest

from rootward_testkit import EC2, RECENT, Like, allow, body, broken, every_page, fresh, policy, refused, trust, unique

TRUST = json.loads(trust(EC2))


def test_created_role_is_shown_whole(account):
    name = fresh("role")
    created = account.iam.create_role(
        RoleName=name, Path="/r/", AssumeRolePolicyDocument=trust(EC2), Description="tests", MaxSessionDuration=7200,
        Tags=[{"Key": "k", "Value": "v"}],
    )
    role = {
        "Path": "/r/", "RoleName": name, "RoleId": unique("AROA"), "Arn": account.arn_of(f"role/r/{name}"),
        "CreateDate": RECENT, "AssumeRolePolicyDocument": TRUST, "Tags": [{"Key": "k", "Value": "v"}],
    }
    shown = {**role, "Description": "tests", "MaxSessionDuration": 7200}
    assert created["Role"] in (role, shown, {**role, "Description": "tests"})
    assert body(account.iam.get_role(RoleName=name)) == {"Role": {**shown, "RoleLastUsed": {}}}


def test_recorded_shapes_of_a_plain_role(account):
    path = f"/{fresh('path')}/"
    name = fresh("role")
    plain = {
        "Path": path, "RoleName": name, "RoleId": unique("AROA"), "Arn": account.arn_of(f"role{path}{name}"),
        "CreateDate": RECENT, "AssumeRolePolicyDocument": TRUST,
    }
    assert body(account.iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=trust(EC2))) == {"Role": plain}
    assert body(account.iam.get_role(RoleName=name)) == {"Role": {**plain, "MaxSessionDuration": 3600, "RoleLastUsed": {}}}
    assert body(account.iam.list_roles(PathPrefix=path)) == {
        "Roles": [{**plain, "MaxSessionDuration": 3600}], "IsTruncated": False}


def test_names_are_unique_ignoring_case(account):
    name = account.role(EC2)["RoleName"]
    with refused("EntityAlreadyExists", Like(f"Role with name (?i:{name}) already exists.")):
        account.role(EC2, name=name.upper())


@pytest.mark.parametrize("document, message", [
    ("{", "This policy contains invalid Json"),
    (policy({"Effect": "Allow", "Principal": EC2, "Action": "sts:AssumeRole", "Resource": "*"}), "Has prohibited field Resource."),
    (trust(EC2, "iam:ListUsers"),
     "Trust Policy statement actions can only be sts:AssumeRole, sts:AssumeRoleWithSAML,  and sts:AssumeRoleWithWebIdentity"),
    (policy({"Effect": "Allow", "Action": "sts:AssumeRole"}), None),
])
def test_malformed_trust_policy_is_refused(account, document, message):
    with refused("MalformedPolicyDocument", message):
        account.iam.create_role(RoleName=fresh("role"), AssumeRolePolicyDocument=document)
    name = account.role(EC2)["RoleName"]
    with refused("MalformedPolicyDocument", message):
        account.iam.update_assume_role_policy(RoleName=name, PolicyDocument=document)
    assert account.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"] == TRUST


def test_unknown_principal_in_a_trust_policy_is_refused(account):
    ghost = account.arn_of("user/ghost")
    with refused("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{ghost}"'):
        account.role(ghost)


@pytest.mark.parametrize("arguments, member, rule", [
    ({"RoleName": "x" * 65}, "roleName", "have length less than or equal to 64"),
    ({"MaxSessionDuration": 3599}, "maxSessionDuration", "have value greater than or equal to 3600"),
    ({"MaxSessionDuration": 43201}, "maxSessionDuration", "have value less than or equal to 43200"),
    ({"Description": "x" * 1001}, "description", "have length less than or equal to 1000"),
])
def test_broken_constraint_is_named(account, arguments, member, rule):
    with refused("ValidationError", broken(member, rule)):
        account.iam.create_role(**{"RoleName": "r", "AssumeRolePolicyDocument": trust(EC2), **arguments})


def test_trust_policy_is_at_most_2048_characters_without_white_space(account):
    def sized(length):
        empty = len(trust(EC2, conditions={"StringEquals": {"aws:x": ""}}).replace(" ", ""))
        return trust(EC2, conditions={"StringEquals": {"aws:x": "y" * (length - empty)}})

    account.iam.create_role(RoleName=fresh("role"), AssumeRolePolicyDocument=sized(2048) + " " * 500)
    with refused("LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"):
        account.iam.create_role(RoleName=fresh("role"), AssumeRolePolicyDocument=sized(2049))


def test_list_is_paged(account):
    path = f"/{fresh('path')}/"
    names = [account.role(EC2, Path=path)["RoleName"] for _ in range(5)]
    listed = every_page(account.iam.list_roles, "Roles", PathPrefix=path)
    assert sorted(role["RoleName"] for role in listed) == sorted(names)


def test_update_changes_what_it_names(account):
    name = account.role(EC2, Description="before")["RoleName"]
    assert body(account.iam.update_role(RoleName=name, MaxSessionDuration=43200)) == {}
    assert body(account.iam.update_role(RoleName=name, Description="after")) == {}
    shown = account.iam.get_role(RoleName=name)["Role"]
    assert shown["Description"] == "after"
    new = trust({"Service": "lambda.amazonaws.com"})
    assert body(account.iam.update_assume_role_policy(RoleName=name, PolicyDocument=new)) == {}
    assert account.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"] == json.loads(new)


def test_trust_policy_comes_back_byte_for_byte(account):
    source = "arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Faaeeieije"
    document = trust(EC2, conditions={"StringEquals": {"aws:SourceArn": source}})
    name = account.role(EC2, conditions={"StringEquals": {"aws:SourceArn": source}})["RoleName"]
    assert account.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"] == json.loads(document)


def test_deleted_principal_in_a_trust_policy_turns_into_its_id(account):
    user = account.iam.create_user(UserName=fresh("user"))["User"]
    name = account.role(user["Arn"])["RoleName"]
    account.iam.update_user(UserName=user["UserName"], NewUserName=fresh("renamed"))
    shown = account.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"]
    renamed = shown.rsplit("/", 1)[1]
    assert renamed != user["UserName"]
    account.iam.delete_user(UserName=renamed)
    account.iam.create_user(UserName=renamed)
    shown = account.iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["AWS"]
    assert shown == user["UserId"]


@pytest.mark.parametrize("what, message", [
    ("inline", "Cannot delete entity, must delete policies first."),
    ("attached", "Cannot delete entity, must detach all policies first."),
    ("profile", "Cannot delete entity, must remove roles from instance profile first."),
])
def test_role_that_still_has_something_cannot_be_deleted(account, what, message):
    name = account.role(EC2, *([allow("s3:GetObject")] if what == "inline" else []))["RoleName"]
    if what == "attached":
        account.iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    if what == "profile":
        account.iam.create_instance_profile(InstanceProfileName=name)
        account.iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    with refused("DeleteConflict", message):
        account.iam.delete_role(RoleName=name)


def test_deleted_role_is_gone(account):
    name = account.role(EC2)["RoleName"]
    assert body(account.iam.delete_role(RoleName=name)) == {}
    with refused("NoSuchEntity", f"The role with name {name} cannot be found."):
        account.iam.get_role(RoleName=name)


def test_path_of_service_linked_roles_is_reserved(account):
    with pytest.raises(account.iam.exceptions.ClientError):
        account.role(EC2, Path="/aws-service-role/batch.amazonaws.com/")
