"""Account Management for members: whoever manages an organization names them by AccountId, and the caller's own policies decide."""

import re

import pytest

from post import Mailbox, Post
from rootward_testkit import Like, Server, allow, deny, fresh, free_port, policy, refused

SERVICE = "account.amazonaws.com"
PERSON = {"Name": "Sue Example", "Title": "CISO", "EmailAddress": "sue@example.com", "PhoneNumber": "+1 609 555 0101"}
CONTACT = {
    "FullName": "Ann Example", "AddressLine1": "1 Main Street", "City": "Trenton", "StateOrRegion": "NJ",
    "PostalCode": "08601", "CountryCode": "US", "PhoneNumber": "+1 609 555 0100",
}
STANDALONE = "The management account can only be managed using the standalone context from the management account."
UNTRUSTED = "Your organization must first enable trusted access with AWS Account Management."


@pytest.fixture(scope="module")
def box():
    return Mailbox()


@pytest.fixture(scope="module")
def server(tmp_path_factory, box):
    """A node that can send mail."""
    port = free_port()
    mail = ("--mail-server", f"smtp://127.0.0.1:{port}", "--mail-tls", "none", "--mail-from", "rootward@example.com")
    server = Server(tmp_path_factory.mktemp("server"), *mail)
    with Post(box, port=port):
        server.start()
        yield server
        server.check_trail()
        server.stop()


@pytest.fixture(scope="module")
def organization(account):
    organizations = account.client("organizations")
    made = organizations.create_organization(FeatureSet="ALL")["Organization"]
    organizations.enable_aws_service_access(ServicePrincipal=SERVICE)
    return made


def opened(account, **tags):
    """A member of the organization."""
    client = account.client("organizations")
    tags = [{"Key": key, "Value": value} for key, value in tags.items()]
    email = f"{fresh('member')}@example.com"
    asked = client.create_account(Email=email, AccountName="Workload", Tags=tags)["CreateAccountStatus"]
    return client.describe_create_account_status(CreateAccountRequestId=asked["Id"])["CreateAccountStatus"]["AccountId"]


def inside(account, member):
    return account.assume({"Arn": f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole"})


def refusal(principal, operation, reason=None):
    return f"User: {principal.arn} is not authorized to perform: account:{operation}" + (f" ({reason})" if reason else "")


def test_what_is_put_for_a_member_is_the_members_and_on_record_in_both(server, account, organization):
    member = opened(account)
    management, theirs = account.client("account"), inside(account, member).client("account")
    put = management.put_contact_information(AccountId=member, ContactInformation=CONTACT)
    assert theirs.get_contact_information()["ContactInformation"] == CONTACT
    records = {record["recipientAccountId"]: record for record in server.records(of=put["ResponseMetadata"]["RequestId"])}
    assert set(records) == {account.account, member}
    assert records[member]["userIdentity"]["type"] == "AWSAccount"
    assert records[member]["sharedEventID"] == records[account.account]["sharedEventID"]
    management.put_alternate_contact(AccountId=member, AlternateContactType="SECURITY", **PERSON)
    assert theirs.get_alternate_contact(AlternateContactType="SECURITY")["AlternateContact"]["Name"] == "Sue Example"
    management.delete_alternate_contact(AccountId=member, AlternateContactType="SECURITY")
    management.put_account_name(AccountId=member, AccountName="Renamed")
    assert theirs.get_account_information()["AccountName"] == "Renamed"
    management.enable_region(AccountId=member, RegionName="eu-south-2")
    status = {"AccountId": member, "RegionName": "eu-south-2"}
    assert management.get_region_opt_status(**status)["RegionOptStatus"] == "ENABLED"
    assert theirs.list_regions(RegionOptStatusContains=["ENABLED"])["Regions"][0]["RegionName"] == "eu-south-2"
    assert management.list_regions(RegionOptStatusContains=["ENABLED"])["Regions"] == []
    management.disable_region(**status)
    for call in (management.get_contact_information, lambda: management.get_alternate_contact(AlternateContactType="SECURITY")):
        with refused("ResourceNotFoundException"):
            call()


def test_delegated_administrator_names_members_and_other_members_nobody(account, organization):
    administrator, member = opened(account), opened(account)
    there = inside(account, administrator)
    client = there.client("account")
    for named in (member, administrator, account.account):
        with refused("AccessDeniedException", refusal(there, "GetAccountInformation")):
            client.get_account_information(AccountId=named)
    organizations = account.client("organizations")
    organizations.register_delegated_administrator(AccountId=administrator, ServicePrincipal=SERVICE)
    for named in (member, administrator):
        assert client.get_account_information(AccountId=named)["AccountId"] == named
    for principal in (account, there):
        with refused("AccessDeniedException", refusal(principal, "GetAccountInformation", STANDALONE)):
            principal.client("account").get_account_information(AccountId=account.account)
    organizations.deregister_delegated_administrator(AccountId=administrator, ServicePrincipal=SERVICE)
    with refused("AccessDeniedException", refusal(there, "ListRegions")):
        client.list_regions(AccountId=member)


def test_no_other_account_is_named(account, other, organization):
    for principal, named in ((account, other.account), (account, "999999999999")):
        with refused("AccessDeniedException", refusal(principal, "GetPrimaryEmail")):
            principal.client("account").get_primary_email(AccountId=named)


def test_trusted_access_ends_it(account, organization):
    member, organizations = opened(account), account.client("organizations")
    organizations.disable_aws_service_access(ServicePrincipal=SERVICE)
    try:
        with refused("AccessDeniedException", refusal(account, "ListRegions", UNTRUSTED)):
            account.client("account").list_regions(AccountId=member)
    finally:
        organizations.enable_aws_service_access(ServicePrincipal=SERVICE)


def test_policies_name_members_and_where_they_are_and_how_they_are_tagged(account, organization):
    member, tagged = opened(account), opened(account, Team="blue")
    organizations = account.client("organizations")
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name="Unit")["OrganizationalUnit"]["Id"]
    organizations.move_account(AccountId=tagged, SourceParentId=root, DestinationParentId=unit)

    def arn(named):
        return f"arn:aws:account::{account.account}:account/{organization['Id']}/{named}"

    def may(statement, named, **arguments):
        client = account.user(statement, deny("account:EnableRegion", StringEquals={"account:TargetRegion": "me-south-1"})).client("account")
        client.enable_region(AccountId=named, RegionName="eu-south-2")
        with refused("AccessDeniedException", Like(rf".*account:EnableRegion on resource: {arn(named)} with an explicit deny.*")):
            client.enable_region(AccountId=named, RegionName="me-south-1")

    path = f"{organization['Id']}/{root}/{unit}/"
    for statement in (
        allow("account:EnableRegion", arn(tagged)),
        allow("account:EnableRegion", **{"ForAnyValue:StringLike": {"account:AccountResourceOrgPaths": [path + "*"]}}),
        allow("account:EnableRegion", StringEquals={"account:AccountResourceOrgTags/Team": "blue"}),
    ):
        may(statement, tagged)
        with refused("AccessDeniedException", Like(rf".*account:EnableRegion on resource: {arn(member)} because no identity-based.*")):
            account.user(statement).client("account").enable_region(AccountId=member, RegionName="eu-south-2")
    # What is about one's own account is about no member.
    own = account.user(allow("account:*", f"arn:aws:account::{account.account}:account")).client("account")
    own.list_regions()
    with refused("AccessDeniedException", Like(rf".*on resource: {arn(member)} .*")):
        own.list_regions(AccountId=member)


def test_policies_of_the_organization_bind_who_calls_and_not_whom_it_is_about(account, organization):
    administrator, member = opened(account), opened(account)
    organizations = account.client("organizations")
    organizations.register_delegated_administrator(AccountId=administrator, ServicePrincipal=SERVICE)
    root = organizations.list_roots()["Roots"][0]
    if not root["PolicyTypes"]:
        organizations.enable_policy_type(RootId=root["Id"], PolicyType="SERVICE_CONTROL_POLICY")
    made = organizations.create_policy(
        Type="SERVICE_CONTROL_POLICY", Name=fresh("scp"), Description="", Content=policy(deny("account:PutAccountName")))
    scp = made["Policy"]["PolicySummary"]["Id"]
    organizations.attach_policy(PolicyId=scp, TargetId=member)
    there = inside(account, administrator).client("account")
    for client in (account.client("account"), there):
        client.put_account_name(AccountId=member, AccountName="By its manager")
    organizations.attach_policy(PolicyId=scp, TargetId=administrator)
    with refused("AccessDeniedException", Like(".*with an explicit deny in a service control policy.*")):
        there.put_account_name(AccountId=member, AccountName="Denied")


def test_address_of_a_member_changes_by_the_code_that_its_manager_reads(server, box, account, organization):
    member, new = opened(account), f"{fresh('new')}@example.com"
    client = account.client("account")
    old = client.get_primary_email(AccountId=member)["PrimaryEmail"]
    started = client.start_primary_email_update(AccountId=member, PrimaryEmail=new)
    assert started["Status"] == "PENDING"
    mail, warning = box.wait(new, f"The code for the root user of account {member}"), box.wait(old, "is to have another address")
    code = re.search(r"The code is ([A-Z2-9]{6})\.", mail.get_content())[1]
    assert code not in warning.as_string() and new not in warning.as_string()
    with refused("ValidationException"):
        client.accept_primary_email_update(AccountId=member, PrimaryEmail=new, Otp="nocode")
    accepted = client.accept_primary_email_update(AccountId=member, PrimaryEmail=new, Otp=code)
    assert accepted["Status"] == "ACCEPTED"
    assert client.get_primary_email(AccountId=member)["PrimaryEmail"] == new
    box.wait(old, "has another address")
    with refused("ResourceNotFoundException"):
        client.accept_primary_email_update(AccountId=member, PrimaryEmail=new, Otp=code)
    for record in server.records(of=started["ResponseMetadata"]["RequestId"]):
        assert new not in str(record) and code not in str(record)


def test_address_may_be_kept_to_a_domain(account, organization):
    member = opened(account)
    user = account.user(
        allow("account:StartPrimaryEmailUpdate", StringEquals={"account:EmailTargetDomain": "example.com"})).client("account")
    user.start_primary_email_update(AccountId=member, PrimaryEmail=f"{fresh('domain')}@example.com")
    with refused("AccessDeniedException"):
        user.start_primary_email_update(AccountId=member, PrimaryEmail="new@elsewhere.example")
