"""Attaching managed policies to users, groups and roles, and finding out who has them."""

import pytest

from rootward_testkit import EC2, Like, body, every_page, fresh, refused, unique

AWS_POLICIES = [f"arn:aws:iam::aws:policy/{name}" for name in (
    "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess", "AmazonEC2FullAccess", "AmazonEC2ReadOnlyAccess", "AmazonSQSFullAccess",
    "AmazonSQSReadOnlyAccess", "AmazonSNSFullAccess", "AmazonSNSReadOnlyAccess", "IAMFullAccess", "IAMReadOnlyAccess",
    "ReadOnlyAccess",
)]


def make(account, kind, **arguments):
    if kind == "user":
        return account.iam.create_user(UserName=fresh("user"), **arguments)["User"]["UserName"]
    if kind == "group":
        name = fresh("group")
        return account.iam.create_group(GroupName=name, **arguments)["Group"]["GroupName"]
    return account.role(EC2, **arguments)["RoleName"]


class Entity:
    def __init__(self, account, kind):
        self.iam, self.kind, self.name = account.iam, kind, make(account, kind)
        self.owner = {f"{kind.title()}Name": self.name}

    def attach(self, arn):
        return getattr(self.iam, f"attach_{self.kind}_policy")(PolicyArn=arn, **self.owner)

    def detach(self, arn):
        return getattr(self.iam, f"detach_{self.kind}_policy")(PolicyArn=arn, **self.owner)

    def attached(self, **arguments):
        return getattr(self.iam, f"list_attached_{self.kind}_policies")(**arguments, **self.owner)


@pytest.fixture(params=["user", "group", "role"])
def entity(request, account):
    return Entity(account, request.param)


def test_policy_is_attached_listed_and_detached(account, entity):
    own = account.policy()
    assert body(entity.attach(own["Arn"])) == {}
    entity.attach(own["Arn"])
    entity.attach(AWS_POLICIES[0])
    entity.attach(AWS_POLICIES[1])
    listed = every_page(entity.attached, "AttachedPolicies")
    assert {"PolicyName": own["PolicyName"], "PolicyArn": own["Arn"]} in listed
    assert {"PolicyName": "AmazonS3FullAccess", "PolicyArn": AWS_POLICIES[0]} in listed
    assert len(listed) == 3
    assert entity.attached(PathPrefix="/nothing/")["AttachedPolicies"] == []
    assert account.iam.get_policy(PolicyArn=own["Arn"])["Policy"]["AttachmentCount"] == 1
    assert body(entity.detach(own["Arn"])) == {}
    with refused("NoSuchEntity", f"Policy {own['Arn']} was not found."):
        entity.detach(own["Arn"])
    assert account.iam.get_policy(PolicyArn=own["Arn"])["Policy"]["AttachmentCount"] == 0


def test_recorded_refusals(account, entity):
    for bad in ("longpolicynamebutnoarn", account.policy()["PolicyName"] + "x" * 20):
        with refused("ValidationError", "Invalid ARN:  Could not be parsed!"):
            entity.attach(bad)
    missing = account.arn_of("policy/ghost")
    with refused("NoSuchEntity", f"Policy {missing} does not exist or is not attachable."):
        entity.attach(missing)


def test_ten_policies_at_most(entity):
    for arn in AWS_POLICIES[:10]:
        entity.attach(arn)
    entity.attach(AWS_POLICIES[0])
    with refused("LimitExceeded", f"Cannot exceed quota for PoliciesPer{entity.kind.title()}: 10"):
        entity.attach(AWS_POLICIES[10])


def test_entities_of_a_policy_are_listed_filtered_and_paged(account):
    arn = account.policy()["Arn"]
    entities = [Entity(account, kind) for kind in ("user", "group", "role") for _ in range(2)]
    for entity in entities:
        entity.attach(arn)
    bounded = account.iam.create_user(UserName=fresh("bounded"), PermissionsBoundary=arn)["User"]["UserName"]

    def listed(**arguments):
        answer = account.iam.list_entities_for_policy(PolicyArn=arn, **arguments)
        return {
            "user": sorted(one["UserName"] for one in answer["PolicyUsers"]),
            "group": sorted(one["GroupName"] for one in answer["PolicyGroups"]),
            "role": sorted(one["RoleName"] for one in answer["PolicyRoles"]),
        }

    names = {kind: sorted(one.name for one in entities if one.kind == kind) for kind in ("user", "group", "role")}
    assert listed(PolicyUsageFilter="PermissionsPolicy") == names
    assert listed(EntityFilter="User", PolicyUsageFilter="PermissionsPolicy") == {**names, "group": [], "role": []}
    assert listed(EntityFilter="Group") == {**names, "user": [], "role": []}
    assert listed(PolicyUsageFilter="PermissionsBoundary") == {"user": [bounded], "group": [], "role": []}
    whole = account.iam.list_entities_for_policy(PolicyArn=arn)
    assert body(whole).keys() == {"PolicyUsers", "PolicyGroups", "PolicyRoles", "IsTruncated"}
    assert whole["PolicyUsers"][0] == {"UserName": Like(".*"), "UserId": unique("AIDA")}
    assert whole["PolicyGroups"][0] == {"GroupName": Like(".*"), "GroupId": unique("AGPA")}
    assert whole["PolicyRoles"][0] == {"RoleName": Like(".*"), "RoleId": unique("AROA")}

    pages, marker = [], {}
    while True:
        page = account.iam.list_entities_for_policy(PolicyArn=arn, PolicyUsageFilter="PermissionsPolicy", MaxItems=4, **marker)
        pages.append(sum(len(page[key]) for key in ("PolicyUsers", "PolicyGroups", "PolicyRoles")))
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert pages == [4, 2]
    with refused("NoSuchEntity"):
        account.iam.list_entities_for_policy(PolicyArn=account.arn_of("policy/ghost"))
