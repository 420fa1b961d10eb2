"""Accounts of an organization, as boto3 sees them: opened in it, invited, agreeing to all features, closed, and leaving."""

import re
import subprocess
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from rootward_testkit import BINARY, RECENT, TIMEOUT, Like, allow, at_once, denial, fresh


@contextmanager
def refused(code, message=None):
    """The block's call is refused with this code, and this text (or a text like this)."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    if message is not None:
        assert error["Message"] == message, f"{error['Message']!r} is not {message!r}"


@pytest.fixture(scope="module")
def organization(account):
    return organizations(account).create_organization(FeatureSet="ALL")["Organization"]


@pytest.fixture(scope="module")
def management(account, organization):
    return organizations(account)


def organizations(principal):
    return principal.client("organizations")


def outcome(client, **arguments):
    """What has become of a request to open an account."""
    arguments = {"Email": f"{fresh('member')}@example.com", "AccountName": "Workload", **arguments}
    asked = client.create_account(**arguments)["CreateAccountStatus"]
    assert (asked["State"], asked["AccountName"], asked["RequestedTimestamp"]) == ("IN_PROGRESS", arguments["AccountName"], RECENT)
    return client.describe_create_account_status(CreateAccountRequestId=asked["Id"])["CreateAccountStatus"]


def opened(client, **arguments):
    done = outcome(client, **arguments)
    assert (done["State"], done["CompletedTimestamp"]) == ("SUCCEEDED", RECENT)
    return done["AccountId"]


def inside(account, member, role="OrganizationAccountAccessRole"):
    """An administrator of the management account in a member."""
    return account.assume({"Arn": f"arn:aws:iam::{member}:role/{role}"})


def joined(management, principal):
    handshake = invited(management, principal.account)
    return organizations(principal).accept_handshake(HandshakeId=handshake["Id"])["Handshake"]


def invited(management, target, kind="ACCOUNT", **arguments):
    return management.invite_account_to_organization(Target={"Id": target, "Type": kind}, **arguments)["Handshake"]


def reason(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"], caught.value.response.get("Reason")


def set_root_password(server, member):
    command = [BINARY, "root", "reset-password", "--account", member, "--password-file", server.folder / "password"]
    subprocess.run([*command, "--data", server.data], check=True, capture_output=True, timeout=TIMEOUT)


def test_management_account_gets_into_what_it_opens(account, management):
    member = opened(management)
    there = inside(account, member)
    assert there.sts.get_caller_identity()["Account"] == member
    assert organizations(there).describe_organization()["Organization"]["MasterAccountId"] == account.account
    roles = {role["RoleName"]: role for role in there.iam.list_roles()["Roles"]}
    assert set(roles) == {"OrganizationAccountAccessRole", "AWSServiceRoleForOrganizations"}
    assert roles["AWSServiceRoleForOrganizations"]["Path"] == "/aws-service-role/organizations.amazonaws.com/"
    [statement] = roles["OrganizationAccountAccessRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{account.account}:root"}
    with refused("UnmodifiableEntity"):
        there.iam.delete_role(RoleName="AWSServiceRoleForOrganizations")
    summary = there.iam.get_account_summary()["SummaryMap"]
    assert (summary["AccountAccessKeysPresent"], summary["AccountPasswordPresent"]) == (0, 0)


def test_other_accounts_do_not_get_in(other, management):
    member = opened(management, RoleName="Way-In")
    with refused("AccessDenied"):
        inside(other, member, "Way-In")


def test_role_is_called_as_asked_for(account, management):
    member = opened(management, RoleName="Way-In", IamUserAccessToBilling="DENY", Tags=[{"Key": "k", "Value": "v"}])
    assert inside(account, member, "Way-In").sts.get_caller_identity()["Account"] == member


def test_account_that_cannot_be_opened_is_a_failed_request(account, management):
    failed = outcome(management, Email=account.email)
    assert (failed["State"], failed["FailureReason"]) == ("FAILED", "EMAIL_ALREADY_EXISTS")
    assert outcome(management, Email="a,b@example.com")["FailureReason"] == "INVALID_EMAIL"
    listed = management.list_create_account_status(States=["FAILED"])["CreateAccountStatuses"]
    assert {status["FailureReason"] for status in listed} == {"EMAIL_ALREADY_EXISTS", "INVALID_EMAIL"}
    with refused("CreateAccountStatusNotFoundException"):
        management.describe_create_account_status(CreateAccountRequestId="car-12345678")


def test_one_address_opens_one_account_of_many_at_once(management):
    email = f"{fresh('race')}@example.com"
    outcomes = at_once([lambda: outcome(management, Email=email) for _ in range(4)])
    states = sorted(status["State"] for status in outcomes)
    assert states == ["FAILED", "FAILED", "FAILED", "SUCCEEDED"]


def test_gov_cloud_account_has_no_pair(management):
    found = reason(management.create_gov_cloud_account, Email="gov@example.com", AccountName="Gov")
    assert found == ("ConstraintViolationException", "MASTER_ACCOUNT_NOT_GOVCLOUD_ENABLED")


def test_invitation_is_seen_by_both_sides_and_accepted_once(server, account, organization, management):
    guest = server.account()
    handshake = invited(management, guest.account, Notes="Join us", Tags=[{"Key": "k", "Value": "v"}])
    assert handshake["Arn"] == (
        f"arn:aws:organizations::{account.account}:handshake/{organization['Id']}/invite/{handshake['Id']}")
    assert (handshake["Action"], handshake["State"]) == ("INVITE", "OPEN")
    assert handshake["Parties"] == [
        {"Id": organization["Id"], "Type": "ORGANIZATION"}, {"Id": guest.account, "Type": "ACCOUNT"}]
    sender, recipient, notes = handshake["Resources"]
    assert {item["Type"]: item["Value"] for item in sender["Resources"]} == {
        "MASTER_EMAIL": account.email, "MASTER_NAME": Like("account-.*"), "ORGANIZATION_FEATURE_SET": "ALL"}
    assert (recipient["Type"], notes) == ("ACCOUNT", {"Type": "NOTES", "Value": "Join us"})
    theirs = organizations(guest)
    assert theirs.list_handshakes_for_account(Filter={"ActionType": "INVITE"})["Handshakes"] == [handshake]
    assert theirs.describe_handshake(HandshakeId=handshake["Id"])["Handshake"] == handshake
    assert theirs.accept_handshake(HandshakeId=handshake["Id"])["Handshake"]["State"] == "ACCEPTED"
    with refused("HandshakeAlreadyInStateException"):
        theirs.accept_handshake(HandshakeId=handshake["Id"])
    assert theirs.describe_organization()["Organization"]["Id"] == organization["Id"]
    listed = management.list_handshakes_for_organization()["Handshakes"]
    assert [entry["State"] for entry in listed if entry["Id"] == handshake["Id"]] == ["ACCEPTED"]
    found = reason(management.invite_account_to_organization, Target={"Id": guest.email, "Type": "EMAIL"})
    assert found == ("HandshakeConstraintViolationException", "ALREADY_IN_AN_ORGANIZATION")


def test_invitation_by_address_is_for_whose_address_it_is(server, other, management):
    guest = server.account()
    handshake = invited(management, guest.email.upper().replace("EXAMPLE", "example"), kind="EMAIL")
    with refused("HandshakeNotFoundException"):
        organizations(other).accept_handshake(HandshakeId=handshake["Id"])
    with refused("DuplicateHandshakeException"):
        invited(management, guest.email, kind="EMAIL")
    organizations(guest).decline_handshake(HandshakeId=handshake["Id"])
    with refused("InvalidHandshakeTransitionException"):
        organizations(guest).accept_handshake(HandshakeId=handshake["Id"])
    again = invited(management, guest.email, kind="EMAIL")
    assert management.cancel_handshake(HandshakeId=again["Id"])["Handshake"]["State"] == "CANCELED"
    with refused("InvalidHandshakeTransitionException"):
        organizations(guest).accept_handshake(HandshakeId=again["Id"])
    with refused("AWSOrganizationsNotInUseException"):
        organizations(guest).describe_organization()


def test_one_of_two_that_accept_at_once_is_told_that_it_is_done(server, management):
    guest = server.account()
    handshake = invited(management, guest.account)

    def accept():
        try:
            return organizations(guest).accept_handshake(HandshakeId=handshake["Id"])["Handshake"]["State"]
        except ClientError as error:
            return error.response["Error"]["Code"]

    organizations(guest)
    assert sorted(at_once([accept, accept])) == ["ACCEPTED", "HandshakeAlreadyInStateException"]


def test_invited_account_leaves_and_another_is_sent_away(server, management):
    leaves, removed = server.account(), server.account()
    for guest in (leaves, removed):
        joined(management, guest)
    organizations(leaves).leave_organization()
    with refused("AccessDeniedException", "You don't have permissions to access this resource."):
        organizations(removed).remove_account_from_organization(AccountId=removed.account)
    management.remove_account_from_organization(AccountId=removed.account)
    for guest in (leaves, removed):
        with refused("AWSOrganizationsNotInUseException"):
            organizations(guest).describe_organization()
    with refused("AccountNotFoundException"):
        management.remove_account_from_organization(AccountId=removed.account)
    with refused("MasterCannotLeaveOrganizationException"):
        management.leave_organization()


def test_account_that_was_opened_leaves_when_its_root_user_can_sign_in(server, account, management):
    member = opened(management)
    found = reason(management.remove_account_from_organization, AccountId=member)
    assert found == ("ConstraintViolationException", "ACCOUNT_CANNOT_LEAVE_ORGANIZATION")
    set_root_password(server, member)
    organizations(inside(account, member)).leave_organization()
    with refused("AccountNotFoundException"):
        management.remove_account_from_organization(AccountId=member)


def test_closed_account_is_out_of_use_at_once(account, management):
    member = opened(management)
    there = inside(account, member)
    management.close_account(AccountId=member)
    with refused("OptInRequired"):
        there.sts.get_caller_identity()
    with refused("AccountAlreadyClosedException"):
        management.close_account(AccountId=member)
    found = reason(management.close_account, AccountId=account.account)
    assert found == ("ConstraintViolationException", "CANNOT_CLOSE_MANAGEMENT_ACCOUNT")
    assert reason(management.remove_account_from_organization, AccountId=member)[1] == "ACCOUNT_CANNOT_LEAVE_ORGANIZATION"


def test_members_agree_before_an_organization_gets_all_features(server):
    host, guest = server.account(), server.account()
    management, theirs = organizations(host), organizations(guest)
    management.create_organization(FeatureSet="CONSOLIDATED_BILLING")
    joined(management, guest)
    found = reason(management.close_account, AccountId=guest.account)
    assert found == ("ConstraintViolationException", "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE")
    whole = management.enable_all_features()["Handshake"]
    assert (whole["Action"], whole["State"]) == ("ENABLE_ALL_FEATURES", "REQUESTED")
    with refused("InvalidHandshakeTransitionException"):
        management.accept_handshake(HandshakeId=whole["Id"])
    [part] = theirs.list_handshakes_for_account(Filter={"ParentHandshakeId": whole["Id"]})["Handshakes"]
    assert (part["Action"], part["Resources"][-1]) == (
        "APPROVE_ALL_FEATURES", {"Type": "PARENT_HANDSHAKE", "Value": whole["Id"]})
    theirs.accept_handshake(HandshakeId=part["Id"])
    assert management.describe_handshake(HandshakeId=whole["Id"])["Handshake"]["State"] == "OPEN"
    assert management.accept_handshake(HandshakeId=whole["Id"])["Handshake"]["State"] == "ACCEPTED"
    assert theirs.describe_organization()["Organization"]["FeatureSet"] == "ALL"
    for principal in (host, guest):
        role = principal.iam.get_role(RoleName="AWSServiceRoleForOrganizations")["Role"]
        assert role["Path"] == "/aws-service-role/organizations.amazonaws.com/"


def test_who_accepts_needs_permission_to_make_the_service_linked_role(server, management):
    guest = server.account()
    handshake = invited(management, guest.account)
    handshakes_only = guest.user(allow("organizations:*"))
    role = "role/aws-service-role/organizations.amazonaws.com/AWSServiceRoleForOrganizations"
    text = denial(handshakes_only.arn, "iam:CreateServiceLinkedRole", guest.arn_of(role))
    with refused("AccessDeniedException", text):
        organizations(handshakes_only).accept_handshake(HandshakeId=handshake["Id"])
    for_organizations = allow("iam:CreateServiceLinkedRole", StringEquals={"iam:AWSServiceName": "organizations.amazonaws.com"})
    allowed = guest.user(allow("organizations:AcceptHandshake", handshake["Arn"]), for_organizations)
    assert organizations(allowed).accept_handshake(HandshakeId=handshake["Id"])["Handshake"]["State"] == "ACCEPTED"


MEMBER, HANDSHAKE = {"AccountId": "444455556666"}, {"HandshakeId": "h-12345678"}
NEW = {"Email": "new@example.com", "AccountName": "New"}
OF_MEMBER = "arn:aws:organizations::{account}:account/{organization}/444455556666"
OF_HANDSHAKE = r"arn:aws:organizations::{account}:handshake/\*/\*/h-12345678"


@pytest.mark.parametrize("operation, arguments, resource", [
    ("AcceptHandshake", HANDSHAKE, OF_HANDSHAKE),
    ("CancelHandshake", HANDSHAKE, OF_HANDSHAKE),
    ("CloseAccount", MEMBER, OF_MEMBER),
    ("CreateAccount", NEW, r"\*"),
    ("CreateGovCloudAccount", NEW, r"\*"),
    ("DeclineHandshake", HANDSHAKE, OF_HANDSHAKE),
    ("DescribeCreateAccountStatus", {"CreateAccountRequestId": "car-12345678"}, r"\*"),
    ("DescribeHandshake", HANDSHAKE, OF_HANDSHAKE),
    ("EnableAllFeatures", {}, r"\*"),
    ("InviteAccountToOrganization", {"Target": {"Id": "444455556666", "Type": "ACCOUNT"}}, OF_MEMBER),
    ("LeaveOrganization", {}, r"\*"),
    ("ListCreateAccountStatus", {}, r"\*"),
    ("ListHandshakesForAccount", {}, r"\*"),
    ("ListHandshakesForOrganization", {}, r"\*"),
    ("RemoveAccountFromOrganization", MEMBER, OF_MEMBER),
])
def test_who_has_no_permission_is_denied(account, nobody, organization, operation, arguments, resource):
    before, after = denial(nobody.arn, f"organizations:{operation}", "@").split("@")
    shown = resource.replace("{account}", account.account).replace("{organization}", organization["Id"])
    with refused("AccessDeniedException", Like(re.escape(before) + shown + re.escape(after))):
        organizations(nobody)._make_api_call(operation, arguments)
