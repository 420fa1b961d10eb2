"""What Organizations puts on record by itself, as LookupEvents finds it in the management account."""

import json

import pytest

from receivers import wait_for
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


def event(principal, name, key, value):
    """The newest record of this name, once it is in the log and its details say this."""
    def is_it(record):
        details = record["serviceEventDetails"]
        return details.get(key) == value or any(isinstance(inner, dict) and inner.get(key) == value for inner in details.values())

    return wait_for(lambda: next(filter(is_it, events(principal, name)[:1]), None))


def opened(management, name, email):
    asked = management.create_account(Email=email, AccountName=name)
    status = management.describe_create_account_status(CreateAccountRequestId=asked["CreateAccountStatus"]["Id"])
    return asked, status["CreateAccountStatus"]


def test_account_that_is_opened_is_told_twice_and_its_name_and_address_nowhere(server, account, management):
    name, email = fresh("Secret"), f"{fresh('member')}@example.com"
    asked, done = opened(management, name, email)
    told = event(account, "CreateAccountResult", "accountId", done["AccountId"])
    assert told["userIdentity"] == {"accountId": account.account, "invokedBy": "organizations.amazonaws.com"}
    assert (told["eventType"], told["recipientAccountId"], told["readOnly"]) == ("AwsServiceEvent", account.account, False)
    status = told["serviceEventDetails"]["createAccountStatus"]
    assert (status["id"], status["state"], status["accountName"]) == (asked["CreateAccountStatus"]["Id"], "SUCCEEDED", "****")
    joined = event(account, "AccountJoinedOrganization", "accountId", done["AccountId"])
    assert joined["serviceEventDetails"]["joinedMethod"] == "Created"
    for record in (server.record(asked), told):
        assert name not in str(record) and email not in str(record)
    again, _ = opened(management, name, email)
    failed = event(account, "CreateAccountResult", "id", again["CreateAccountStatus"]["Id"])
    status = failed["serviceEventDetails"]["createAccountStatus"]
    assert (status["state"], status["failureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")


def test_who_joins_and_leaves_and_is_closed_is_told_to_the_management_account_alone(server, account, management):
    guest, other = server.account(), server.account()
    for joining in (guest, other):
        handshake = management.invite_account_to_organization(Target={"Id": joining.account, "Type": "ACCOUNT"})["Handshake"]
        joining.client("organizations").accept_handshake(HandshakeId=handshake["Id"])
        joined = event(account, "AccountJoinedOrganization", "accountId", joining.account)
        assert joined["serviceEventDetails"]["joinedMethod"] == "Invited"
    guest.client("organizations").leave_organization()
    departed = event(account, "AccountDepartedOrganization", "accountId", guest.account)
    assert departed["serviceEventDetails"]["departedMethod"] == "Left"
    management.remove_account_from_organization(AccountId=other.account)
    departed = event(account, "AccountDepartedOrganization", "accountId", other.account)
    assert departed["serviceEventDetails"]["departedMethod"] == "Removed"
    assert not events(guest, "AccountJoinedOrganization") and not events(guest, "AccountDepartedOrganization")
    _, done = opened(management, "Workload", f"{fresh('member')}@example.com")
    management.close_account(AccountId=done["AccountId"])
    closed = event(account, "CloseAccountResult", "accountId", done["AccountId"])
    assert closed["serviceEventDetails"]["closeAccountStatus"]["state"] == "SUCCEEDED"
