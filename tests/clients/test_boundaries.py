"""Permissions boundaries of users and roles."""

import pytest

from rootward_testkit import EC2, Like, allow, body, denied, explicit, deny, fresh, implicit, refused


@pytest.fixture(params=["user", "role"])
def entity(request, account):
    return Entity(account, request.param)


class Entity:
    def __init__(self, account, kind):
        self.iam, self.kind = account.iam, kind
        made = account.role(EC2) if kind == "role" else account.iam.create_user(UserName=fresh("user"))["User"]
        self.owner = {f"{kind.title()}Name": made[f"{kind.title()}Name"]}

    def put(self, arn):
        return getattr(self.iam, f"put_{self.kind}_permissions_boundary")(PermissionsBoundary=arn, **self.owner)

    def delete(self):
        return getattr(self.iam, f"delete_{self.kind}_permissions_boundary")(**self.owner)

    def shown(self):
        return getattr(self.iam, f"get_{self.kind}")(**self.owner)[self.kind.title()].get("PermissionsBoundary")


def test_boundary_is_put_shown_replaced_and_deleted(account, entity):
    own = account.policy()["Arn"]
    assert entity.shown() is None
    assert body(entity.put(own)) == {}
    assert entity.shown() == {"PermissionsBoundaryType": Like("PermissionsBoundaryPolicy|Policy"), "PermissionsBoundaryArn": own}
    assert account.iam.get_policy(PolicyArn=own)["Policy"]["PermissionsBoundaryUsageCount"] == 1
    entity.put("arn:aws:iam::aws:policy/PowerUserAccess")
    assert account.iam.get_policy(PolicyArn=own)["Policy"]["PermissionsBoundaryUsageCount"] == 0
    assert body(entity.delete()) == {}
    assert entity.shown() is None


def test_missing_and_malformed_boundaries_are_refused(account, entity):
    with refused("NoSuchEntity", Like(".*policy/ghost does not exist or is not attachable.")):
        entity.put(account.arn_of("policy/ghost"))
    with pytest.raises(account.iam.exceptions.ClientError) as caught:
        entity.put("this-is-no-arn-at-all")
    assert caught.value.response["Error"]["Code"] in ("InvalidInput", "ValidationError")


def test_boundary_given_at_creation_is_shown(account):
    own = account.policy()["Arn"]
    user = account.iam.create_user(UserName=fresh("user"), PermissionsBoundary=own)["User"]
    role = account.role(EC2, PermissionsBoundary=own)
    for made in (user, role):
        assert made["PermissionsBoundary"]["PermissionsBoundaryArn"] == own
    with refused("NoSuchEntity"):
        account.iam.create_user(UserName=fresh("user"), PermissionsBoundary=account.arn_of("policy/ghost"))


def test_boundary_limits_what_policies_allow_and_allows_nothing_itself(account):
    boundary = account.policy(allow(["iam:ListUsers", "iam:ListRoles"]))["Arn"]
    user = account.user(allow(["iam:ListUsers", "iam:ListGroups"]), PermissionsBoundary=boundary)
    user.iam.list_users()
    with denied(user.arn, "iam:ListGroups", account.arn_of("group/"), implicit("iam:ListGroups", "boundary")):
        user.iam.list_groups()
    with denied(user.arn, "iam:ListRoles", account.arn_of("role/")):
        user.iam.list_roles()
    account.iam.delete_user_permissions_boundary(UserName=user.name)
    user.iam.list_groups()


def test_deny_in_a_boundary_names_the_policy(account):
    boundary = account.policy(allow("*"), deny("iam:ListUsers"))["Arn"]
    user = account.user(allow("iam:*"), PermissionsBoundary=boundary)
    with denied(user.arn, "iam:ListUsers", account.arn_of("user/"), explicit("boundary", boundary)):
        user.iam.list_users()


def test_boundary_of_a_role_limits_its_sessions(account):
    boundary = account.policy(allow("iam:ListUsers"))["Arn"]
    role = account.role(account.root_arn, allow("iam:*"), PermissionsBoundary=boundary)
    session = account.assume(role)
    session.iam.list_users()
    with denied(session.arn, "iam:ListGroups", account.arn_of("group/"), implicit("iam:ListGroups", "boundary")):
        session.iam.list_groups()
