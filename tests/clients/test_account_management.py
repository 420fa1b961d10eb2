"""Account Management: contacts, regions, name and state, by the account's own policies."""

import pytest

from rootward_testkit import RECENT, Like, allow, body, deny, refused

CONTACT = {
    "FullName": "Ann Example", "AddressLine1": "1 Main Street", "AddressLine3": "Door 3", "City": "Trenton",
    "StateOrRegion": "NJ", "PostalCode": "08601", "CountryCode": "US", "PhoneNumber": "+1 609 555 0100",
    "CompanyName": "Example", "WebsiteUrl": "https://example.com",
}
PERSON = {"Name": "Sue Example", "Title": "CISO", "EmailAddress": "sue@example.com", "PhoneNumber": "+1 609 555 0101"}


@pytest.fixture(scope="module")
def management(account):
    return account.client("account")


def test_contact_reads_back_and_no_part_of_it_is_on_record(server, management):
    put = management.put_contact_information(ContactInformation=CONTACT)
    shown = body(management.get_contact_information())
    assert shown == {"ContactInformation": CONTACT, "VerificationStatus": "NOT_SUPPORTED"}
    record = server.record(put)
    assert (record["eventSource"], record["eventName"]) == ("account.amazonaws.com", "PutContactInformation")
    assert "Main Street" not in str(record) and "Trenton" not in str(record)
    with refused("ValidationException") as caught:
        management.put_contact_information(ContactInformation={**CONTACT, "CountryCode": "JP", "StateOrRegion": None})
    assert caught.value.response["reason"] == "fieldValidationFailed"
    assert [field["name"] for field in caught.value.response["fieldList"]] == ["stateOrRegion"]


def test_alternate_contacts_are_one_of_each_kind(management):
    for kind, name in (("SECURITY", "Old"), ("BILLING", "Bea"), ("SECURITY", "Sue")):
        management.put_alternate_contact(AlternateContactType=kind, **{**PERSON, "Name": name})
    shown = management.get_alternate_contact(AlternateContactType="SECURITY")["AlternateContact"]
    assert shown == {**PERSON, "Name": "Sue", "AlternateContactType": "SECURITY"}
    management.delete_alternate_contact(AlternateContactType="SECURITY")
    for call in (management.get_alternate_contact, management.delete_alternate_contact):
        with refused("ResourceNotFoundException"):
            call(AlternateContactType="SECURITY")
    assert management.get_alternate_contact(AlternateContactType="BILLING")["AlternateContact"]["Name"] == "Bea"


def test_name_changes_and_the_state_is_told(account, management):
    management.put_account_name(AccountName="Other Name")
    assert body(management.get_account_information()) == {
        "AccountId": account.account, "AccountName": "Other Name", "AccountCreatedDate": RECENT, "AccountState": "ACTIVE",
    }


def test_regions_are_listed_in_pages_and_switched(management):
    management.enable_region(RegionName="eu-south-2")
    pages = management.get_paginator("list_regions").paginate(PaginationConfig={"PageSize": 10})
    regions = {region["RegionName"]: region["RegionOptStatus"] for page in pages for region in page["Regions"]}
    assert list(regions) == sorted(regions) and len(regions) == 36
    told = regions["us-east-1"], regions["eu-south-2"], regions["eu-south-1"]
    assert told == ("ENABLED_BY_DEFAULT", "ENABLED", "DISABLED")
    only = management.list_regions(RegionOptStatusContains=["ENABLED"])
    assert [region["RegionName"] for region in only["Regions"]] == ["eu-south-2"] and "NextToken" not in only
    management.disable_region(RegionName="eu-south-2")
    assert management.get_region_opt_status(RegionName="eu-south-2")["RegionOptStatus"] == "DISABLED"
    for region in ("us-east-1", "nowhere-1"):
        with refused("ValidationException") as caught:
            management.disable_region(RegionName=region)
        assert caught.value.response["reason"] == "invalidRegionOptTarget"


def test_account_manages_itself_without_its_id_and_no_other(account, other, management):
    for named, reason in ((account.account, "AccountId"), (other.account, "only in an organization")):
        for call, arguments in (
            (management.get_contact_information, {}), (management.get_primary_email, {}),
            (management.start_primary_email_update, {"PrimaryEmail": "new@example.com"}),
        ):
            with refused("AccessDeniedException", Like(rf"User: {account.arn} is not authorized to perform: .*{reason}.*")):
                call(AccountId=named, **arguments)


def test_policies_name_kinds_of_contacts_and_regions(account):
    security = {"ForAllValues:StringEquals": {"account:AlternateContactTypes": ["SECURITY"]}}
    user = account.user(
        allow("account:*AlternateContact", account_arn(account), **security),
        allow(["account:EnableRegion", "account:ListRegions"]),
        deny("account:EnableRegion", StringEquals={"account:TargetRegion": "me-south-1"}),
    )
    client = user.client("account")
    client.put_alternate_contact(AlternateContactType="SECURITY", **PERSON)
    with refused("AccessDeniedException", Like(f".*account:PutAlternateContact on resource: {account_arn(account)} .*")):
        client.put_alternate_contact(AlternateContactType="OPERATIONS", **PERSON)
    client.enable_region(RegionName="me-central-1")
    with refused("AccessDeniedException", Like(".*with an explicit deny in an identity-based policy")):
        client.enable_region(RegionName="me-south-1")


def account_arn(account):
    return f"arn:aws:account::{account.account}:account"
