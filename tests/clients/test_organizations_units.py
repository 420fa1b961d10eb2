"""The tree of an organization: its units, the accounts in them, and their tags."""

import re
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from rootward_testkit import RECENT, Like, allow, at_once, body, codes, denial
from rootward_testkit import Organization as Managed

GHOST = "ou-abcd-12345678"
NOBODY = "777788889999"


class Organization(Managed):
    """One without types of policies in force."""

    def __init__(self, account):
        super().__init__(account, types=())

    def arn_of(self, kind, name):
        return f"arn:aws:organizations::{self.account.account}:{kind}/{self.id}/{name}"

    def unit(self, parent, name, **arguments):
        return self.client.create_organizational_unit(ParentId=parent, Name=name, **arguments)["OrganizationalUnit"]


@pytest.fixture
def organization(server):
    return Organization(server.account())


@contextmanager
def refused(code, reason=None):
    """The block's call is refused with this code and, where the exception has one, this reason."""
    with pytest.raises(ClientError) as caught:
        yield
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, 400), answer
    assert answer.get("Reason") == reason
    assert answer["Error"]["Message"]


def test_five_levels_are_built_walked_and_taken_down(organization):
    client, parent, path, units = organization.client, organization.root, f"{organization.id}/{organization.root}/", []
    for level in range(5):
        unit = organization.unit(parent, f"Level {level}")
        path += unit["Id"] + "/"
        assert unit == {
            "Id": Like(f"ou-{organization.root[2:]}-[a-z0-9]{{8}}"), "Arn": organization.arn_of("ou", unit["Id"]),
            "Name": f"Level {level}", "Path": path,
        }
        assert client.describe_organizational_unit(OrganizationalUnitId=unit["Id"])["OrganizationalUnit"] == unit
        assert organization.pages("list_organizational_units_for_parent", "OrganizationalUnits", ParentId=parent) == [unit]
        assert organization.pages("list_children", "Children", ParentId=parent, ChildType="ORGANIZATIONAL_UNIT") == [
            {"Id": unit["Id"], "Type": "ORGANIZATIONAL_UNIT"}]
        assert organization.pages("list_parents", "Parents", ChildId=unit["Id"]) == [
            {"Id": parent, "Type": "ORGANIZATIONAL_UNIT" if level else "ROOT"}]
        units.append(unit["Id"])
        parent = unit["Id"]
    with refused("ConstraintViolationException", "OU_DEPTH_LIMIT_EXCEEDED"):
        organization.unit(parent, "Level 5")
    with refused("OrganizationalUnitNotEmptyException"):
        client.delete_organizational_unit(OrganizationalUnitId=units[0])
    with refused("OrganizationNotEmptyException"):
        client.delete_organization()
    for unit in reversed(units):
        client.delete_organizational_unit(OrganizationalUnitId=unit)
    assert client.list_children(ParentId=organization.root, ChildType="ORGANIZATIONAL_UNIT")["Children"] == []
    client.delete_organization()


def test_root_is_shown_without_types_of_policies(organization):
    assert organization.pages("list_roots", "Roots") == [{
        "Id": organization.root, "Arn": organization.arn_of("root", organization.root), "Name": "Root", "PolicyTypes": [],
    }]


def test_units_are_listed_to_the_end(organization):
    made = [organization.unit(organization.root, f"Unit {number}") for number in range(23)]
    expected = sorted(made, key=lambda unit: unit["Id"])
    first = organization.client.list_organizational_units_for_parent(ParentId=organization.root)
    assert (len(first["OrganizationalUnits"]), bool(first["NextToken"])) == (20, True)
    for size in (1, 7, 20):
        assert expected == organization.pages(
            "list_organizational_units_for_parent", "OrganizationalUnits", size, ParentId=organization.root)
    with refused("InvalidInputException", "INVALID_NEXT_TOKEN"):
        organization.client.list_organizational_units_for_parent(ParentId=organization.root, NextToken="none")


def test_name_is_taken_among_siblings_and_a_unit_can_be_renamed(organization):
    client = organization.client
    outer = organization.unit(organization.root, "Workloads")
    with refused("DuplicateOrganizationalUnitException"):
        organization.unit(organization.root, "Workloads")
    inner = organization.unit(outer["Id"], "Workloads")
    other = organization.unit(organization.root, "Sandbox")
    with refused("DuplicateOrganizationalUnitException"):
        client.update_organizational_unit(OrganizationalUnitId=other["Id"], Name="Workloads")
    renamed = client.update_organizational_unit(OrganizationalUnitId=outer["Id"], Name="Production")["OrganizationalUnit"]
    assert renamed == {**outer, "Name": "Production"}
    client.update_organizational_unit(OrganizationalUnitId=other["Id"], Name="Workloads")
    assert client.describe_organizational_unit(OrganizationalUnitId=inner["Id"])["OrganizationalUnit"] == inner


def test_name_that_many_ask_for_at_once_is_given_once(organization):
    def make():
        return organization.unit(organization.root, "Workloads")
    ended = codes(at_once([make] * 8))
    assert sorted(ended, key=str) == ["DuplicateOrganizationalUnitException"] * 7 + [None]
    children = organization.client.list_children(ParentId=organization.root, ChildType="ORGANIZATIONAL_UNIT")["Children"]
    assert len(children) == 1


def test_account_is_moved_and_shown_where_it_is(organization):
    client, account = organization.client, organization.account
    unit = organization.unit(organization.root, "Management")
    shown = {
        "Id": account.account, "Arn": organization.shown["MasterAccountArn"], "Email": account.email,
        "Name": account.opened["Root"]["Email"].split("@")[0], "Status": "ACTIVE", "State": "ACTIVE",
        "Paths": [f"{organization.id}/{organization.root}/{account.account}/"], "JoinedMethod": "INVITED",
        "JoinedTimestamp": RECENT,
    }
    assert client.describe_account(AccountId=account.account)["Account"] == shown
    assert organization.pages("list_accounts", "Accounts") == [shown]
    assert organization.pages("list_accounts_for_parent", "Accounts", ParentId=organization.root) == [shown]
    move = {"AccountId": account.account, "SourceParentId": organization.root, "DestinationParentId": unit["Id"]}
    assert body(client.move_account(**move)) == {}
    moved = {**shown, "Paths": [f"{unit['Path']}{account.account}/"]}
    assert organization.pages("list_accounts", "Accounts") == [moved]
    assert organization.pages("list_accounts_for_parent", "Accounts", ParentId=organization.root) == []
    assert organization.pages("list_accounts_for_parent", "Accounts", ParentId=unit["Id"]) == [moved]
    assert organization.pages("list_children", "Children", ParentId=unit["Id"], ChildType="ACCOUNT") == [
        {"Id": account.account, "Type": "ACCOUNT"}]
    assert organization.pages("list_parents", "Parents", ChildId=account.account) == [
        {"Id": unit["Id"], "Type": "ORGANIZATIONAL_UNIT"}]
    with refused("OrganizationalUnitNotEmptyException"):
        client.delete_organizational_unit(OrganizationalUnitId=unit["Id"])
    for wrong, code in (
        ({}, "AccountNotFoundException"),  # It is not there any more.
        ({"AccountId": NOBODY}, "AccountNotFoundException"),
        ({"SourceParentId": GHOST}, "SourceParentNotFoundException"),
        ({"SourceParentId": unit["Id"], "DestinationParentId": GHOST}, "DestinationParentNotFoundException"),
        ({"SourceParentId": unit["Id"]}, "DuplicateAccountException"),
    ):
        with refused(code):
            client.move_account(**{**move, **wrong})


def test_unit_is_deleted_or_moved_into_but_not_both(organization):
    client, account = organization.client, organization.account.account
    for number in range(5):
        unit = organization.unit(organization.root, f"Unit {number}")["Id"]
        gone, into = codes(at_once([
            lambda: client.delete_organizational_unit(OrganizationalUnitId=unit),
            lambda: client.move_account(AccountId=account, SourceParentId=organization.root, DestinationParentId=unit),
        ]))
        assert (gone, into) in [
            (None, "DestinationParentNotFoundException"), ("OrganizationalUnitNotEmptyException", None)]
        [parent] = client.list_parents(ChildId=account)["Parents"]
        assert parent["Id"] == (organization.root if gone is None else unit)
        if into is None:
            client.move_account(AccountId=account, SourceParentId=unit, DestinationParentId=organization.root)


NOT_THERE = [
    ("create_organizational_unit", {"ParentId": GHOST, "Name": "x"}, "ParentNotFoundException"),
    ("delete_organizational_unit", {"OrganizationalUnitId": GHOST}, "OrganizationalUnitNotFoundException"),
    ("describe_account", {"AccountId": NOBODY}, "AccountNotFoundException"),
    ("describe_organizational_unit", {"OrganizationalUnitId": GHOST}, "OrganizationalUnitNotFoundException"),
    ("list_accounts_for_parent", {"ParentId": "r-none"}, "ParentNotFoundException"),
    ("list_children", {"ParentId": GHOST, "ChildType": "ACCOUNT"}, "ParentNotFoundException"),
    ("list_organizational_units_for_parent", {"ParentId": GHOST}, "ParentNotFoundException"),
    ("list_parents", {"ChildId": NOBODY}, "ChildNotFoundException"),
    ("list_parents", {"ChildId": GHOST}, "ChildNotFoundException"),
    ("list_tags_for_resource", {"ResourceId": GHOST}, "TargetNotFoundException"),
    ("tag_resource", {"ResourceId": NOBODY, "Tags": [{"Key": "k", "Value": "v"}]}, "TargetNotFoundException"),
    ("untag_resource", {"ResourceId": "p-abcdefgh", "TagKeys": ["k"]}, "TargetNotFoundException"),
    ("update_organizational_unit", {"OrganizationalUnitId": GHOST, "Name": "x"}, "OrganizationalUnitNotFoundException"),
]


@pytest.fixture(scope="module")
def standing(server):
    """An organization that no test changes."""
    return Organization(server.account())


@pytest.mark.parametrize("operation, arguments, code", NOT_THERE)
def test_what_is_not_there_is_not_found(standing, operation, arguments, code):
    with refused(code):
        getattr(standing.client, operation)(**arguments)


@pytest.mark.parametrize("operation, arguments", [
    *(row[:2] for row in NOT_THERE), ("list_accounts", {}), ("list_roots", {}),
    ("move_account", {"AccountId": NOBODY, "SourceParentId": "r-none", "DestinationParentId": GHOST}),
])
def test_who_is_in_no_organization_is_told_so(other, operation, arguments):
    with refused("AWSOrganizationsNotInUseException"):
        getattr(other.client("organizations"), operation)(**arguments)


def test_tags_are_set_replaced_listed_and_removed(organization):
    client = organization.client
    unit = organization.unit(organization.root, "Tagged", Tags=[{"Key": "team", "Value": "red"}])["Id"]
    assert client.list_tags_for_resource(ResourceId=unit)["Tags"] == [{"Key": "team", "Value": "red"}]
    for resource in (unit, organization.root, organization.account.account):
        tags = [{"Key": f"key-{number:02}", "Value": ""} for number in range(49)] + [{"Key": "team", "Value": "blue"}]
        client.tag_resource(ResourceId=resource, Tags=tags)
        with refused("ConstraintViolationException", "MAX_TAG_LIMIT_EXCEEDED"):
            client.tag_resource(ResourceId=resource, Tags=[{"Key": "more", "Value": ""}])
        pages = client.get_paginator("list_tags_for_resource").paginate(ResourceId=resource)
        assert [tag for page in pages for tag in page["Tags"]] == tags
        client.untag_resource(ResourceId=resource, TagKeys=[tag["Key"] for tag in tags[:-1]] + ["none"])
        assert client.list_tags_for_resource(ResourceId=resource)["Tags"] == [tags[-1]]
    with refused("InvalidInputException", "DUPLICATE_TAG_KEY"):
        client.tag_resource(ResourceId=unit, Tags=[{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}])
    with refused("InvalidInputException", "INVALID_SYSTEM_TAGS_PARAMETER"):
        client.tag_resource(ResourceId=unit, Tags=[{"Key": "aws:x", "Value": "1"}])
    with refused("InvalidInputException", "IMMUTABLE_POLICY"):
        client.tag_resource(ResourceId="p-FullAWSAccess", Tags=[{"Key": "a", "Value": "1"}])


def denied(who, action, resource):
    """The block's call is denied for want of a permission on this resource."""
    return pytest.raises(ClientError, match=re.escape(denial(who.arn, f"organizations:{action}", resource)))


def test_permissions_are_on_units_and_by_their_tags(organization):
    red = organization.unit(organization.root, "Red", Tags=[{"Key": "team", "Value": "red"}])
    blue = organization.unit(organization.root, "Blue", Tags=[{"Key": "team", "Value": "blue"}])
    user = organization.account.user(
        allow("organizations:UpdateOrganizationalUnit", StringEquals={"aws:ResourceTag/team": "red"}),
        allow("organizations:CreateOrganizationalUnit", red["Arn"]),
        allow("organizations:TagResource", organization.arn_of("ou", "ou-*"), StringEquals={"aws:RequestTag/team": "red"}),
    )
    client = user.client("organizations")
    client.update_organizational_unit(OrganizationalUnitId=red["Id"], Name="Crimson")
    with denied(user, "UpdateOrganizationalUnit", blue["Arn"]):
        client.update_organizational_unit(OrganizationalUnitId=blue["Id"], Name="Azure")
    client.create_organizational_unit(ParentId=red["Id"], Name="Plain")
    client.create_organizational_unit(ParentId=red["Id"], Name="Tagged", Tags=[{"Key": "team", "Value": "red"}])
    with denied(user, "TagResource", organization.arn_of("ou", "ou-*")):
        client.create_organizational_unit(ParentId=red["Id"], Name="Other", Tags=[{"Key": "team", "Value": "blue"}])
    root = organization.arn_of("root", organization.root)
    with denied(user, "CreateOrganizationalUnit", root):
        client.create_organizational_unit(ParentId=organization.root, Name="Plain")


def test_account_is_moved_by_who_may_do_so_on_it_and_both_its_parents(organization):
    unit, account = organization.unit(organization.root, "Unit"), organization.account.account
    arns = [organization.shown["MasterAccountArn"], organization.arn_of("root", organization.root), unit["Arn"]]
    for missing in arns:
        user = organization.account.user(allow("organizations:MoveAccount", [arn for arn in arns if arn != missing]))
        with denied(user, "MoveAccount", missing):
            user.client("organizations").move_account(
                AccountId=account, SourceParentId=organization.root, DestinationParentId=unit["Id"])
    user = organization.account.user(allow("organizations:MoveAccount", arns))
    user.client("organizations").move_account(
        AccountId=account, SourceParentId=organization.root, DestinationParentId=unit["Id"])
