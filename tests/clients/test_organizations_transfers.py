"""Billing transfer: the management account of one organization takes over the bills of another's."""

from datetime import datetime, timedelta, timezone

import pytest

from rootward_testkit import RECENT, allow, fails, fresh
from rootward_testkit import Organization as Managed

SECOND = timedelta(seconds=1)


def month(ahead):
    """The beginning of the month that is so many months ahead."""
    now = datetime.now(timezone.utc)
    months = now.year * 12 + now.month - 1 + ahead
    return datetime(months // 12, months % 12 + 1, 1, tzinfo=timezone.utc)


class Organization(Managed):
    """An organization by its management account."""

    def invite(self, other, **arguments):
        arguments = {"Target": {"Type": "ACCOUNT", "Id": other.account.account}, "SourceName": "Subsidiary", **arguments}
        return self.client.invite_organization_to_transfer_responsibility(
            **{"Type": "BILLING", "StartTimestamp": month(2), **arguments})["Handshake"]

    def accept(self, handshake):
        return self.client.accept_handshake(HandshakeId=handshake["Id"])["Handshake"]

    def transfer(self, transfer):
        return self.client.describe_responsibility_transfer(Id=transfer)["ResponsibilityTransfer"]

    def inbound(self, **arguments):
        return self.client.list_inbound_responsibility_transfers(Type="BILLING", **arguments)["ResponsibilityTransfers"]

    def outbound(self):
        return self.client.list_outbound_responsibility_transfers(Type="BILLING")["ResponsibilityTransfers"]


@pytest.fixture
def target(server):
    return Organization(server.account())


@pytest.fixture
def source(server):
    return Organization(server.account())


@pytest.fixture
def stranger(server):
    return Organization(server.account())


def transfer_of(handshake):
    """The id of the transfer that a handshake is about, where clients look for it."""
    [found] = [resource["Value"] for resource in handshake["Resources"] if resource["Type"] == "RESPONSIBILITY_TRANSFER"]
    return found


def agreed(target, source):
    handshake = target.invite(source)
    source.accept(handshake)
    return transfer_of(handshake)


def email_of(organization):
    return organization.client.describe_organization()["Organization"]["MasterAccountEmail"]


def test_a_transfer_from_invitation_to_withdrawal(target, source):
    handshake = target.invite(source, Notes="As agreed")
    parties = {(party["Type"], party["Id"]) for party in handshake["Parties"]}
    assert parties == {("ORGANIZATION", target.id), ("ACCOUNT", source.account.account)}
    assert (handshake["Action"], handshake["State"], handshake["RequestedTimestamp"]) == ("TRANSFER_RESPONSIBILITY", "OPEN", RECENT)
    assert handshake["Arn"].endswith(f"handshake/{target.id}/transfer_responsibility/{handshake['Id']}")
    transfer = transfer_of(handshake)
    asked = target.transfer(transfer)
    assert (asked["Status"], asked["ActiveHandshakeId"], asked["Name"]) == ("REQUESTED", handshake["Id"], "Subsidiary")
    [received] = source.client.list_handshakes_for_account(
        Filter={"ActionType": "TRANSFER_RESPONSIBILITY"})["Handshakes"]
    assert received == handshake
    assert [row["Id"] for row in source.outbound()] == [transfer]

    assert source.accept(handshake)["State"] == "ACCEPTED"
    [seen], [shown] = source.outbound(), target.inbound()
    assert seen["Arn"] == (
        f"arn:aws:organizations::{source.account.account}:transfer/{source.id}/billing/outbound/{transfer}")
    assert shown["Arn"] == (
        f"arn:aws:organizations::{target.account.account}:transfer/{target.id}/billing/inbound/{transfer}")
    assert "Name" not in seen and shown["Name"] == "Subsidiary"
    for row in (seen, shown):
        assert (row["Status"], row["StartTimestamp"], row["Type"]) == ("ACCEPTED", month(2), "BILLING")
        assert row["Source"] == {"ManagementAccountId": source.account.account, "ManagementAccountEmail": email_of(source)}
        assert row["Target"] == {"ManagementAccountId": target.account.account, "ManagementAccountEmail": email_of(target)}
    assert (target.outbound(), source.inbound()) == ([], [])
    renamed = target.client.update_responsibility_transfer(Id=transfer, Name="Sister")["ResponsibilityTransfer"]
    assert renamed["Name"] == "Sister"
    with fails("ConstraintViolationException", "TRANSFER_RESPONSIBILITY_UPDATE_NOT_ALLOWED"):
        source.client.update_responsibility_transfer(Id=transfer, Name="Mother")

    for end, reason in ((month(4), "END_DATE_NOT_END_OF_MONTH"), (month(0) - SECOND, "END_DATE_TOO_EARLY")):
        with fails("InvalidInputException", reason):
            source.client.terminate_responsibility_transfer(Id=transfer, EndTimestamp=end)
    ended = source.client.terminate_responsibility_transfer(Id=transfer, EndTimestamp=month(4) - SECOND)["ResponsibilityTransfer"]
    assert (ended["Status"], ended["EndTimestamp"]) == ("WITHDRAWN", month(4) - SECOND)
    with fails("ResponsibilityTransferAlreadyInStatusException"):
        target.client.terminate_responsibility_transfer(Id=transfer)
    assert target.inbound(Id=transfer)[0]["Status"] == "WITHDRAWN"


def test_invitations_are_declined_and_canceled(target, source):
    declined = target.invite(source)
    with fails("DuplicateHandshakeException"):
        target.invite(source)
    with fails("AccessDeniedException"):
        target.accept(declined)
    source.client.decline_handshake(HandshakeId=declined["Id"])
    canceled = target.invite(source)
    target.client.cancel_handshake(HandshakeId=canceled["Id"])
    statuses = {row["Id"]: row["Status"] for row in source.outbound()}
    assert statuses == {transfer_of(declined): "DECLINED", transfer_of(canceled): "CANCELED"}
    for handshake in (declined, canceled):
        with fails("InvalidHandshakeTransitionException"):
            source.accept(handshake)
        with fails("InvalidResponsibilityTransferTransitionException"):
            source.client.terminate_responsibility_transfer(Id=transfer_of(handshake))


@pytest.mark.parametrize("start, reason", [
    (month(2) + timedelta(hours=1), "START_DATE_NOT_BEGINNING_OF_DAY"),
    (month(2) + timedelta(days=1), "START_DATE_NOT_BEGINNING_OF_MONTH"),
    (month(0), "START_DATE_TOO_EARLY"),
    (month(40), "START_DATE_TOO_LATE"),
])
def test_start_that_is_no_beginning_of_a_coming_month_is_refused(target, source, start, reason):
    with fails("InvalidInputException", reason):
        target.invite(source, StartTimestamp=start)


def test_bills_go_to_one_other_organization_and_in_no_circle(target, source, stranger):
    agreed(target, source)
    with fails("HandshakeConstraintViolationException", "RESPONSIBILITY_TRANSFER_ALREADY_EXISTS"):
        target.invite(source)
    with fails("HandshakeConstraintViolationException", "SOURCE_AND_TARGET_CANNOT_MATCH"):
        target.invite(target)
    rival = stranger.invite(source)
    with fails("ConstraintViolationException", "RESPONSIBILITY_TRANSFER_MAX_OUTBOUND_QUOTA_VIOLATION"):
        source.accept(rival)
    back = source.invite(target)
    with fails("ConstraintViolationException", "RESPONSIBILITY_TRANSFER_MAX_LEVEL_VIOLATION"):
        target.accept(back)
    for organization in (target, source):
        with fails("ConstraintViolationException", "ACTIVE_RESPONSIBILITY_TRANSFER_PROCESS"):
            organization.client.delete_organization()


def test_strangers_and_who_manages_no_organization_have_no_part_in_it(server, target, source, stranger):
    handshake = target.invite(source)
    transfer = transfer_of(handshake)
    with fails("HandshakeNotFoundException"):
        stranger.accept(handshake)
    for call in ("describe_responsibility_transfer", "terminate_responsibility_transfer"):
        with fails("ResponsibilityTransferNotFoundException"):
            getattr(stranger.client, call)(Id=transfer)
    assert (stranger.inbound(), stranger.outbound()) == ([], [])
    alone = server.account()
    to_alone = target.client.invite_organization_to_transfer_responsibility(
        Type="BILLING", Target={"Type": "ACCOUNT", "Id": alone.account}, StartTimestamp=month(2), SourceName="Alone")["Handshake"]
    with fails("AWSOrganizationsNotInUseException"):
        alone.client("organizations").accept_handshake(HandshakeId=to_alone["Id"])


def test_permission_is_by_direction_resource_and_tag(target, source):
    transfer = transfer_of(target.invite(source, Tags=[{"Key": "team", "Value": "finance"}]))
    tags = target.client.list_tags_for_resource(ResourceId=transfer)["Tags"]
    assert tags == [{"Key": "team", "Value": "finance"}]
    describe, arn = "organizations:DescribeResponsibilityTransfer", target.transfer(transfer)["Arn"]
    inbound = {"StringEquals": {"organizations:TransferDirection": "INBOUND", "organizations:TransferType": "BILLING"}}
    tagged = {"StringEquals": {"aws:ResourceTag/team": "finance"}}
    outbound = {"StringEquals": {"organizations:TransferDirection": "OUTBOUND"}}
    for condition in (inbound, tagged):
        user = target.account.user(allow(describe, arn, **condition))
        user.client("organizations").describe_responsibility_transfer(Id=transfer)
    user = target.account.user(allow(describe, "*", **outbound))
    with fails("AccessDeniedException"):
        user.client("organizations").describe_responsibility_transfer(Id=transfer)
    user = source.account.user(allow(describe, "*", **outbound))
    assert user.client("organizations").describe_responsibility_transfer(Id=transfer)["ResponsibilityTransfer"]["Id"] == transfer
    # The tags are the target's.
    with fails("TargetNotFoundException"):
        source.client.list_tags_for_resource(ResourceId=transfer)


def test_address_of_the_management_account_is_invited_too(target, source):
    handshake = target.invite(source, Target={"Type": "EMAIL", "Id": email_of(source).upper()})
    assert target.transfer(transfer_of(handshake))["Source"] == {"ManagementAccountEmail": email_of(source).upper()}
    source.accept(handshake)
    assert target.transfer(transfer_of(handshake))["Source"]["ManagementAccountId"] == source.account.account


def test_transfer_is_still_there_after_a_restart(server, target, source):
    transfer = agreed(target, source)
    server.stop()
    server.start()
    assert [row["Id"] for row in target.inbound()] == [row["Id"] for row in source.outbound()] == [transfer]
