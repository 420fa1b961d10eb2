"""What Organizations puts on record by itself, as LookupEvents finds it in the management account."""

import json

import pytest

from rootward_testkit import fresh


@pytest.fixture(scope="module")
def management(account):
    client = account.client("organizations")
    client.create_organization(FeatureSet="ALL")
    return client


def events(principal, name):
    """The records of this name in the log of the principal's account, the newest first."""
    attributes = [{"AttributeKey": "EventName", "AttributeValue": name}]
    found = principal.client("cloudtrail").lookup_events(LookupAttributes=attributes)["Events"]
    return [json.loads(event["CloudTrailEvent"]) for event in found]


def details(principal, name):
    return events(principal, name)[0]["serviceEventDetails"]


def opened(management, name, email):
    asked = management.create_account(Email=email, AccountName=name)
    status = management.describe_create_account_status(CreateAccountRequestId=asked["CreateAccountStatus"]["Id"])
    return asked, status["CreateAccountStatus"]


def test_account_that_is_opened_is_told_twice_and_its_name_and_address_nowhere(server, account, management):
    name, email = fresh("Secret"), f"{fresh('member')}@example.com"
    asked, done = opened(management, name, email)
    [event, *_] = events(account, "CreateAccountResult")
    assert event["userIdentity"] == {"accountId": account.account, "invokedBy": "organizations.amazonaws.com"}
    assert (event["eventType"], event["recipientAccountId"], event["readOnly"]) == ("AwsServiceEvent", account.account, False)
    status = event["serviceEventDetails"]["createAccountStatus"]
    assert (status["id"], status["state"], status["accountId"], status["accountName"]) == (
        asked["CreateAccountStatus"]["Id"], "SUCCEEDED", done["AccountId"], "****")
    joined = details(account, "AccountJoinedOrganization")
    assert (joined["accountId"], joined["joinedMethod"]) == (done["AccountId"], "Created")
    for record in (server.record(asked), event):
        assert name not in str(record) and email not in str(record)
    opened(management, name, email)
    failed = details(account, "CreateAccountResult")["createAccountStatus"]
    assert (failed["state"], failed["failureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")


def test_who_joins_and_leaves_and_is_closed_is_told_to_the_management_account_alone(server, account, management):
    guest, other = server.account(), server.account()
    for joining in (guest, other):
        handshake = management.invite_account_to_organization(Target={"Id": joining.account, "Type": "ACCOUNT"})["Handshake"]
        joining.client("organizations").accept_handshake(HandshakeId=handshake["Id"])
        joined = details(account, "AccountJoinedOrganization")
        assert (joined["accountId"], joined["joinedMethod"]) == (joining.account, "Invited")
    guest.client("organizations").leave_organization()
    departed = details(account, "AccountDepartedOrganization")
    assert (departed["accountId"], departed["departedMethod"]) == (guest.account, "Left")
    management.remove_account_from_organization(AccountId=other.account)
    departed = details(account, "AccountDepartedOrganization")
    assert (departed["accountId"], departed["departedMethod"]) == (other.account, "Removed")
    assert not events(guest, "AccountJoinedOrganization") and not events(guest, "AccountDepartedOrganization")
    _, done = opened(management, "Workload", f"{fresh('member')}@example.com")
    management.close_account(AccountId=done["AccountId"])
    closed = details(account, "CloseAccountResult")["closeAccountStatus"]
    assert (closed["accountId"], closed["state"]) == (done["AccountId"], "SUCCEEDED")
