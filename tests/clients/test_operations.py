"""Every implemented operation: denied to who has no permission, refused when incomplete or invalid, and when what it
names is not there. One table; the test modules of the nouns hold what each does when it succeeds."""

import contextlib
import json
import re
import subprocess

import pytest
from botocore.exceptions import ClientError

from rootward_testkit import BINARY, MODELS, NEW_PASSWORD, PASSWORD, TIMEOUT, Like, allow, denial, deny, policy, refused, trust

DOCUMENT = policy(allow("s3:GetObject"))
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
KEY = "AKIAABCDEFGHIJKLMNOP"
TAGS = [{"Key": "k", "Value": "v"}]
GHOST = "arn:aws:iam::{account}:policy/ghost"

USER, NO_USER = {"UserName": "ghost"}, r"The user with name ghost cannot be found\."
SOURCE = {"PolicySourceArn": "arn:aws:iam::{account}:user/ghost"}
GROUP, NO_GROUP = {"GroupName": "ghost"}, r"The group with name ghost cannot be found\."
ROLE, NO_ROLE = {"RoleName": "ghost"}, r"The role with name ghost cannot be found\."
POLICY, NO_POLICY = {"PolicyArn": GHOST}, r"Policy .*:policy/ghost.* (was not found|does not exist or is not attachable)\."
PROFILE, NO_PROFILE = {"InstanceProfileName": "ghost"}, r"Instance Profile ghost cannot be found\."

SERIAL = {"SerialNumber": "arn:aws:iam::{account}:mfa/ghost"}
NO_SERIAL = r"VirtualMFADevice with serial number .*:mfa/ghost doesn't exist\."
CODES = {**SERIAL, "AuthenticationCode1": "123456", "AuthenticationCode2": "654321"}

# Operation: arguments, how a denial names the resource, how the refusal reads if what is named does not exist.
# Where no recorded denial is known to us, the ARN and the friendly form are both fine.
IAM = {
    "CreateUser": ({"UserName": "new"}, "{arn}user/new", None),
    "GetUser": (USER, "user ghost", NO_USER),
    "ListUsers": ({}, "{arn}user/", None),
    "UpdateUser": ({**USER, "NewPath": "/n/"}, "user ghost", NO_USER),
    "DeleteUser": (USER, "user ghost", NO_USER),
    "TagUser": ({**USER, "Tags": TAGS}, "(user |{arn}user/)ghost", NO_USER),
    "UntagUser": ({**USER, "TagKeys": ["k"]}, "(user |{arn}user/)ghost", NO_USER),
    "ListUserTags": (USER, "(user |{arn}user/)ghost", NO_USER),
    "CreateGroup": ({"GroupName": "new"}, "{arn}group/new", None),
    "GetGroup": (GROUP, "group ghost", NO_GROUP),
    "ListGroups": ({}, "{arn}group/", None),
    "UpdateGroup": ({**GROUP, "NewPath": "/n/"}, "group ghost", NO_GROUP),
    "DeleteGroup": (GROUP, "group ghost", NO_GROUP),
    "AddUserToGroup": ({**GROUP, **USER}, "group ghost", f"{NO_GROUP}|{NO_USER}"),
    "RemoveUserFromGroup": ({**GROUP, **USER}, "group ghost", f"{NO_GROUP}|{NO_USER}"),
    "ListGroupsForUser": (USER, "user ghost", NO_USER),
    "CreateRole": ({"RoleName": "new", "AssumeRolePolicyDocument": trust({"Service": "ec2.amazonaws.com"})}, "{arn}role/new", None),
    "GetRole": (ROLE, "role ghost", NO_ROLE),
    "ListRoles": ({}, "{arn}role/", None),
    "UpdateRole": ({**ROLE, "Description": "d"}, "role ghost", NO_ROLE),
    "UpdateRoleDescription": ({**ROLE, "Description": "d"}, "role ghost", NO_ROLE),
    "UpdateAssumeRolePolicy": ({**ROLE, "PolicyDocument": trust({"Service": "ec2.amazonaws.com"})}, "role ghost", NO_ROLE),
    "DeleteRole": (ROLE, "role ghost", NO_ROLE),
    "TagRole": ({**ROLE, "Tags": TAGS}, "(role |{arn}role/)ghost", NO_ROLE),
    "UntagRole": ({**ROLE, "TagKeys": ["k"]}, "(role |{arn}role/)ghost", NO_ROLE),
    "ListRoleTags": (ROLE, "(role |{arn}role/)ghost", NO_ROLE),
    "CreatePolicy": ({"PolicyName": "new", "PolicyDocument": DOCUMENT}, "policy new", None),
    "GetPolicy": (POLICY, "policy {arn}policy/ghost", NO_POLICY),
    "ListPolicies": ({}, "policy path /", None),
    "DeletePolicy": (POLICY, "policy {arn}policy/ghost", NO_POLICY),
    "CreatePolicyVersion": ({**POLICY, "PolicyDocument": DOCUMENT}, "policy {arn}policy/ghost", NO_POLICY),
    "GetPolicyVersion": ({**POLICY, "VersionId": "v1"}, "policy {arn}policy/ghost", NO_POLICY),
    "ListPolicyVersions": (POLICY, "policy {arn}policy/ghost", NO_POLICY),
    "SetDefaultPolicyVersion": ({**POLICY, "VersionId": "v1"}, "policy {arn}policy/ghost", NO_POLICY),
    "DeletePolicyVersion": ({**POLICY, "VersionId": "v1"}, "policy {arn}policy/ghost", NO_POLICY),
    "TagPolicy": ({**POLICY, "Tags": TAGS}, "(policy )?{arn}policy/ghost", NO_POLICY),
    "UntagPolicy": ({**POLICY, "TagKeys": ["k"]}, "(policy )?{arn}policy/ghost", NO_POLICY),
    "ListPolicyTags": (POLICY, "(policy )?{arn}policy/ghost", NO_POLICY),
    "ListEntitiesForPolicy": (POLICY, "policy {arn}policy/ghost", NO_POLICY),
    **{
        f"{verb}{kind}Policy": ({f"{kind}Name": "ghost", "PolicyName": "p", **extra}, f"{kind.lower()} ghost", missing)
        for kind, missing in (("User", NO_USER), ("Group", NO_GROUP), ("Role", NO_ROLE))
        for verb, extra in (("Put", {"PolicyDocument": DOCUMENT}), ("Get", {}), ("Delete", {}))
    },
    **{
        f"{verb}{kind}{what}": ({f"{kind}Name": "ghost", **extra}, f"{kind.lower()} ghost", missing)
        for kind, missing in (("User", NO_USER), ("Group", NO_GROUP), ("Role", NO_ROLE))
        for verb, what, extra in (
            ("List", "Policies", {}), ("ListAttached", "Policies", {}),
            ("Attach", "Policy", {"PolicyArn": READ_ONLY}), ("Detach", "Policy", {"PolicyArn": READ_ONLY}),
        )
    },
    **{
        f"{verb}{kind}PermissionsBoundary": ({f"{kind}Name": "ghost", **extra}, f"{kind.lower()} ghost", missing)
        for kind, missing in (("User", NO_USER), ("Role", NO_ROLE))
        for verb, extra in (("Put", {"PermissionsBoundary": READ_ONLY}), ("Delete", {}))
    },
    "CreateAccessKey": (USER, "user ghost", NO_USER),
    "ListAccessKeys": (USER, "user ghost", NO_USER),
    "UpdateAccessKey": ({**USER, "AccessKeyId": KEY, "Status": "Inactive"}, "user ghost", NO_USER),
    "DeleteAccessKey": ({**USER, "AccessKeyId": KEY}, "user ghost", NO_USER),
    "GetAccessKeyLastUsed": ({"AccessKeyId": KEY}, r"(\*|user .*|access key .*|{arn}.*)", None),
    "CreateLoginProfile": ({**USER, "Password": NEW_PASSWORD}, "user ghost", NO_USER),
    "GetLoginProfile": (USER, "user ghost", NO_USER),
    "UpdateLoginProfile": ({**USER, "Password": NEW_PASSWORD}, "user ghost", NO_USER),
    "DeleteLoginProfile": (USER, "user ghost", NO_USER),
    # About the caller, whoever that is.
    "ChangePassword": ({"OldPassword": PASSWORD, "NewPassword": NEW_PASSWORD}, "user nobody", r"Login Profile for User admin cannot be found\."),
    "UpdateAccountPasswordPolicy": ({}, r"\*", None),
    "GetAccountPasswordPolicy": ({}, r"\*", r"The Password Policy with domain name [0-9]{12} cannot be found\."),
    "DeleteAccountPasswordPolicy": ({}, r"\*", r"The account policy with name PasswordPolicy cannot be found\."),
    "CreateInstanceProfile": ({"InstanceProfileName": "new"}, "{arn}instance-profile/new", None),
    "GetInstanceProfile": (PROFILE, "instance profile ghost", NO_PROFILE),
    "ListInstanceProfiles": ({}, "{arn}instance-profile/", None),
    "ListInstanceProfilesForRole": (ROLE, "role ghost", NO_ROLE),
    "AddRoleToInstanceProfile": ({**PROFILE, **ROLE}, "instance profile ghost", f"{NO_PROFILE}|{NO_ROLE}"),
    "RemoveRoleFromInstanceProfile": ({**PROFILE, **ROLE}, "instance profile ghost", f"{NO_PROFILE}|{NO_ROLE}"),
    "DeleteInstanceProfile": (PROFILE, "instance profile ghost", NO_PROFILE),
    "TagInstanceProfile": ({**PROFILE, "Tags": TAGS}, "(instance profile |{arn}instance-profile/)ghost", NO_PROFILE),
    "UntagInstanceProfile": ({**PROFILE, "TagKeys": ["k"]}, "(instance profile |{arn}instance-profile/)ghost", NO_PROFILE),
    "ListInstanceProfileTags": (PROFILE, "(instance profile |{arn}instance-profile/)ghost", NO_PROFILE),
    "CreateVirtualMFADevice": ({"VirtualMFADeviceName": "new"}, "{arn}mfa/new", None),
    "ListVirtualMFADevices": ({}, r"(\*|{arn}mfa/)", None),
    "DeleteVirtualMFADevice": (SERIAL, "{arn}mfa/ghost", NO_SERIAL),
    "EnableMFADevice": ({**USER, **CODES}, "user ghost", NO_USER),
    "ResyncMFADevice": ({**USER, **CODES}, "user ghost", NO_USER),
    "DeactivateMFADevice": ({**USER, **SERIAL}, "user ghost", NO_USER),
    "ListMFADevices": (USER, "user ghost", NO_USER),
    "GetMFADevice": ({**USER, **SERIAL}, "user ghost", NO_USER),
    "TagMFADevice": ({**SERIAL, "Tags": TAGS}, "{arn}mfa/ghost", NO_SERIAL),
    "UntagMFADevice": ({**SERIAL, "TagKeys": ["k"]}, "{arn}mfa/ghost", NO_SERIAL),
    "ListMFADeviceTags": (SERIAL, "{arn}mfa/ghost", NO_SERIAL),
    "CreateAccountAlias": ({"AccountAlias": "some-alias"}, r"\*", None),
    "DeleteAccountAlias": ({"AccountAlias": "some-alias"}, r"\*", ".*some-alias.*"),
    "ListAccountAliases": ({}, r"\*", None),
    "GetAccountSummary": ({}, r"\*", None),
    "GetAccountAuthorizationDetails": ({}, r"\*", None),
    "GenerateCredentialReport": ({}, r"\*", None),
    "GetCredentialReport": ({}, r"\*", None),
    "SimulateCustomPolicy": ({"PolicyInputList": [DOCUMENT], "ActionNames": ["s3:GetObject"]}, r"\*", None),
    "SimulatePrincipalPolicy": ({**SOURCE, "ActionNames": ["s3:GetObject"]}, "{arn}user/ghost", NO_USER),
    "GetContextKeysForCustomPolicy": ({"PolicyInputList": [DOCUMENT]}, r"\*", None),
    "GetContextKeysForPrincipalPolicy": (SOURCE, "{arn}user/ghost", NO_USER),
    "DisableOrganizationsRootCredentialsManagement": ({}, r"\*", None),
    "DisableOrganizationsRootSessions": ({}, r"\*", None),
    "EnableOrganizationsRootCredentialsManagement": ({}, r"\*", None),
    "EnableOrganizationsRootSessions": ({}, r"\*", None),
    "ListOrganizationsFeatures": ({}, r"\*", None),
}
STS = {
    "AssumeRole": ({"RoleArn": "arn:aws:iam::{account}:role/ghost", "RoleSessionName": "session"}, None, None),
    "AssumeRoot": (
        {"TargetPrincipal": "444455556666", "TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy"}}, None, None),
    "GetAccessKeyInfo": ({"AccessKeyId": KEY}, r"\*", None),
    "GetFederationToken": ({"Name": "guest"}, "arn:aws:sts::{account}:federated-user/guest", None),
    # No permission is needed for these two, and none can deny them.
    "GetCallerIdentity": ({}, None, None),
    "GetSessionToken": ({}, None, None),
}
OWN, SECURITY = "arn:aws:account::{account}:account", {"AlternateContactType": "SECURITY"}
PERSON = {"Name": "Ann", "Title": "CISO", "EmailAddress": "ann@example.com", "PhoneNumber": "+1 609 555 0100"}
ADDRESS = {
    "FullName": "Ann", "AddressLine1": "1 Main Street", "City": "Vienna", "PostalCode": "1010", "CountryCode": "AT",
    "PhoneNumber": "+43 1 555",
}
MEMBER, NEW_EMAIL = {"AccountId": "444455556666"}, {"PrimaryEmail": "new@example.com"}
NO_CONTACT = r"No contact of the inputted alternate contact type found\."
ACCOUNT = {
    "PutContactInformation": ({"ContactInformation": ADDRESS}, OWN, None),
    "GetContactInformation": ({}, OWN, r"No contact information was found for this account\."),
    "PutAlternateContact": ({**SECURITY, **PERSON}, OWN, None),
    "GetAlternateContact": (SECURITY, OWN, NO_CONTACT),
    "DeleteAlternateContact": (SECURITY, OWN, NO_CONTACT),
    "GetAccountInformation": ({}, OWN, None),
    "PutAccountName": ({"AccountName": "New Name"}, OWN, None),
    "GetGovCloudAccountInformation": ({}, OWN, r"There is no GovCloud account linked to this account\."),
    "ListRegions": ({}, OWN, None),
    "GetRegionOptStatus": ({"RegionName": "eu-south-2"}, OWN, None),
    "EnableRegion": ({"RegionName": "eu-south-2"}, OWN, None),
    "DisableRegion": ({"RegionName": "eu-south-2"}, OWN, None),
    "GetPrimaryEmail": (MEMBER, OWN, None),
    "StartPrimaryEmailUpdate": ({**MEMBER, **NEW_EMAIL}, OWN, None),
    "AcceptPrimaryEmailUpdate": ({**MEMBER, **NEW_EMAIL, "Otp": "123456"}, OWN, None),
}
ROOT_USER, REQUEST = "{arn}root", {"RequestId": "0" * 32}
CLOUDTRAIL = {"LookupEvents": ({}, r"\*", None)}
NODE, UNIT, CHILD = {"ParentId": "r-abcd"}, {"OrganizationalUnitId": "ou-abcd-12345678"}, {"ChildId": "444455556666"}
PLACED, HANDSHAKE = {"PolicyId": "p-abcdefgh"}, {"HandshakeId": "h-abcdefgh"}
TRUSTED = {"ServicePrincipal": "iam.amazonaws.com"}
TRANSFER, BILLING = {"Id": "rt-abcdefgh"}, {"Type": "BILLING"}
TRANSFER_ARN = r"arn:aws:organizations::\d+:transfer/\*/billing/\*/rt-abcdefgh"
INVITED = {"Target": {"Id": "444455556666", "Type": "ACCOUNT"}}
# The account is in no organization: test_organizations_units.py has what is not there in one.
ORGANIZATIONS = {
    "CreateOrganization": ({}, r"\*", None),
    "DeleteOrganization": ({}, r"\*", None),
    "DescribeOrganization": ({}, r"\*", None),
    # Units, accounts, tags.
    "CreateOrganizationalUnit": ({**NODE, "Name": "new"}, r"\*", None),
    "DeleteOrganizationalUnit": (UNIT, r"\*", None),
    "DescribeAccount": (MEMBER, r"\*", None),
    "DescribeOrganizationalUnit": (UNIT, r"\*", None),
    "ListAccounts": ({}, r"\*", None),
    "ListAccountsForParent": (NODE, r"\*", None),
    "ListChildren": ({**NODE, "ChildType": "ACCOUNT"}, r"\*", None),
    "ListOrganizationalUnitsForParent": (NODE, r"\*", None),
    "ListParents": (CHILD, r"\*", None),
    "ListRoots": ({}, r"\*", None),
    "ListTagsForResource": ({"ResourceId": "r-abcd"}, r"\*", None),
    "MoveAccount": ({**MEMBER, "SourceParentId": "r-abcd", "DestinationParentId": "ou-abcd-12345678"}, r"\*", None),
    "TagResource": ({"ResourceId": "r-abcd", "Tags": TAGS}, r"\*", None),
    "UntagResource": ({"ResourceId": "r-abcd", "TagKeys": ["k"]}, r"\*", None),
    "UpdateOrganizationalUnit": ({**UNIT, "Name": "new"}, r"\*", None),
    # Policies.
    "AttachPolicy": ({**PLACED, "TargetId": "r-abcd"}, r"\*", None),
    "CreatePolicy": ({"Type": "TAG_POLICY", "Name": "new", "Description": "", "Content": '{"tags": {}}'}, r"\*", None),
    "DeletePolicy": (PLACED, r"\*", None),
    "DescribeEffectivePolicy": ({"PolicyType": "TAG_POLICY"}, r"\*", None),
    "DescribePolicy": (PLACED, r"\*", None),
    "DetachPolicy": ({**PLACED, "TargetId": "r-abcd"}, r"\*", None),
    "DisablePolicyType": ({"RootId": "r-abcd", "PolicyType": "TAG_POLICY"}, r"\*", None),
    "EnablePolicyType": ({"RootId": "r-abcd", "PolicyType": "TAG_POLICY"}, r"\*", None),
    "ListAccountsWithInvalidEffectivePolicy": ({"PolicyType": "TAG_POLICY"}, r"\*", None),
    "ListEffectivePolicyValidationErrors": ({**MEMBER, "PolicyType": "TAG_POLICY"}, r"\*", None),
    "ListPolicies": ({"Filter": "TAG_POLICY"}, r"\*", None),
    "ListPoliciesForTarget": ({"TargetId": "r-abcd", "Filter": "TAG_POLICY"}, r"\*", None),
    "ListTargetsForPolicy": (PLACED, r"\*", None),
    "UpdatePolicy": (PLACED, r"\*", None),
    # How accounts come and go.
    "AcceptHandshake": (HANDSHAKE, r"arn:aws:organizations::\d+:handshake/\*/\*/h-abcdefgh", None),
    "CancelHandshake": (HANDSHAKE, r"arn:aws:organizations::\d+:handshake/\*/\*/h-abcdefgh", None),
    "CloseAccount": (MEMBER, r"\*", None),
    "CreateAccount": ({"Email": "new@example.com", "AccountName": "new"}, r"\*", None),
    "CreateGovCloudAccount": ({"Email": "new@example.com", "AccountName": "new"}, r"\*", None),
    "DeclineHandshake": (HANDSHAKE, r"arn:aws:organizations::\d+:handshake/\*/\*/h-abcdefgh", None),
    "DescribeCreateAccountStatus": ({"CreateAccountRequestId": "car-abcdefgh"}, r"\*", None),
    "DescribeHandshake": (HANDSHAKE, r"arn:aws:organizations::\d+:handshake/\*/\*/h-abcdefgh", None),
    "EnableAllFeatures": ({}, r"\*", None),
    "InviteAccountToOrganization": (INVITED, r"\*", None),
    "LeaveOrganization": ({}, r"\*", None),
    "ListCreateAccountStatus": ({}, r"\*", None),
    "ListHandshakesForAccount": ({}, r"\*", None),
    "ListHandshakesForOrganization": ({}, r"\*", None),
    "RemoveAccountFromOrganization": (MEMBER, r"\*", None),
    # Trust, delegation, the resource policy.
    "DeleteResourcePolicy": ({}, r"\*", None),
    "DeregisterDelegatedAdministrator": ({**MEMBER, **TRUSTED}, r"\*", None),
    "DescribeResourcePolicy": ({}, r"\*", None),
    "DisableAWSServiceAccess": (TRUSTED, r"\*", None),
    "EnableAWSServiceAccess": (TRUSTED, r"\*", None),
    "ListAWSServiceAccessForOrganization": ({}, r"\*", None),
    "ListDelegatedAdministrators": ({}, r"\*", None),
    "ListDelegatedServicesForAccount": (MEMBER, r"\*", None),
    "PutResourcePolicy": ({"Content": DOCUMENT}, r"\*", None),
    "RegisterDelegatedAdministrator": ({**MEMBER, **TRUSTED}, r"\*", None),
    # Billing transfer.
    "DescribeResponsibilityTransfer": (TRANSFER, TRANSFER_ARN, None),
    "InviteOrganizationToTransferResponsibility": (
        {**INVITED, **BILLING, "StartTimestamp": 4070908800, "SourceName": "Subsidiary"}, r"\*", None),
    "ListInboundResponsibilityTransfers": (BILLING, r"\*", None),
    "ListOutboundResponsibilityTransfers": (BILLING, r"\*", None),
    "TerminateResponsibilityTransfer": (TRANSFER, TRANSFER_ARN, None),
    "UpdateResponsibilityTransfer": ({**TRANSFER, "Name": "Sister"}, TRANSFER_ARN, None),
}
IN_NONE = r"Your account is not a member of an organization\."
ROOTWARD = {
    "ApproveRootAccess": (REQUEST, ROOT_USER, None),
    "GetGuardPolicy": ({}, ROOT_USER, r"Account \d+ has no guard policy\."),
    # In no organization; in one: test_console_organization.py.
    "ExplainMemberRoot": ({**MEMBER, "Questions": [{"Action": "iam:CreateUser"}]}, r"\*", IN_NONE),
    "GetOrganizationTree": ({}, r"\*", IN_NONE),
    "ListMemberRootCredentials": ({}, r"\*", IN_NONE),
    "SearchAccounts": ({"Text": "new"}, r"\*", IN_NONE),
    "GetRootProtection": ({}, ROOT_USER, None),
    "ListRootAccessRequests": ({}, ROOT_USER, None),
    "RejectRootAccess": (REQUEST, ROOT_USER, None),
    "ListSessions": (USER, "{arn}user/ghost", NO_USER),
    "RevokeSession": ({"SessionId": "0" * 32}, r"\*", r"There is no session 0+\."),
    "StartPasskeyRegistration": ({**USER, "DeviceName": "key"}, "user ghost", NO_USER),
    "FinishPasskeyRegistration": ({"State": "none", "Credential": "{}"}, r"\*", None),
    "GetSupportPlan": ({}, r"\*", None),
    # Nobody's while billing is not open to IAM: test_root_powers.py.
    "GetBillingPreferences": ({}, None, None),
    "PutBillingPreferences": ({"InvoiceByEmail": False, "FreeTierAlerts": False}, None, None),
    # The root user's.
    "AcceptRootEmailUpdate": ({"Email": "new@example.com", "Otp": "123456"}, None, None),
    "ChangeRootPassword": ({"OldPassword": PASSWORD, "NewPassword": NEW_PASSWORD}, None, None),
    "CloseAccount": ({}, None, None),
    "DeleteGuardPolicy": ({}, None, None),
    "GetIamBillingAccess": ({}, None, None),
    "PutGuardPolicy": ({"Policy": policy(deny("s3:*"))}, None, None),
    "PutIamBillingAccess": ({"Enabled": True}, None, None),
    "PutRootAccessSettings": ({"SessionMinutes": 60, "ApprovalsRequired": 0, "ApproverUserNames": []}, None, None),
    "PutSupportPlan": ({"Plan": "BUSINESS"}, None, None),
    "SealRoot": ({}, None, None),
    "StartRootEmailUpdate": ({"Email": "new@example.com"}, None, None),
    "UnsealRoot": ({"Reason": "drill", "Minutes": 5}, None, None),
}
# By service and name: services have operations of the same name.
ALL = {
    f"{service}:{name}": row
    for service, table in (
        ("account", ACCOUNT), ("cloudtrail", CLOUDTRAIL), ("iam", IAM), ("organizations", ORGANIZATIONS), ("rootward", ROOTWARD),
        ("sts", STS))
    for name, row in table.items()
}
# Actions that are not called like their operations.
ACTIONS = {
    "rootward:CloseAccount": "account:CloseAccount",
    "rootward:FinishPasskeyRegistration": "iam:EnableMFADevice",
    "rootward:GetIamBillingAccess": "billing:GetIAMAccessPreference",
    "rootward:GetOrganizationTree": "organizations:ListAccounts",
    "rootward:GetSupportPlan": "supportplans:GetSupportPlan",
    "rootward:PutIamBillingAccess": "billing:UpdateIAMAccessPreference",
    "rootward:PutSupportPlan": "supportplans:StartSupportPlanUpdate",
    "rootward:SearchAccounts": "organizations:ListAccounts",
    "rootward:StartPasskeyRegistration": "iam:EnableMFADevice",
}
# A pattern that nothing breaks.
ANYTHING = r"[\s\S]*"
# Constraints of the model that are refused with errors of the operation's own.
OWN_ERRORS = {("cloudtrail:LookupEvents", "EventCategory"), ("cloudtrail:LookupEvents", "MaxResults")}
IMPLEMENTED = json.loads(
    subprocess.run([BINARY, "operations", "--format", "json"], capture_output=True, text=True, check=True).stdout)


def code(operation, name):
    """What a code of all services is called in the protocol of this one."""
    in_json = {
        "AccessDenied": "AccessDeniedException", "NoSuchEntity": "ResourceNotFoundException",
        "ValidationError": "ValidationException",
    }
    return in_json[name] if operation.split(":")[0] in ("account", "cloudtrail", "organizations", "rootward") else name


def action_of(operation):
    return ACTIONS.get(operation, operation)


def arguments_of(operation, account):
    def fill(value):
        return value.replace("{account}", account.account) if isinstance(value, str) and value.startswith("arn:") else value
    return {name: fill(value) for name, value in ALL[operation][0].items()}


def call(principal, operation, arguments):
    service, name = operation.split(":")
    return principal.client(service)._make_api_call(name, arguments)


def test_table_holds_exactly_what_is_implemented():
    implemented = {f"{row['service']}:{row['operation']}" for row in IMPLEMENTED if row["service"] in MODELS}
    assert implemented == set(ALL)


@pytest.mark.parametrize("operation", [name for name, row in ALL.items() if row[1]])
def test_who_has_no_permission_is_denied_in_the_words_of_aws(account, nobody, operation):
    shown = ALL[operation][1]
    resource = shown.replace("{arn}", account.arn_of("")).replace("{account}", account.account)
    before, after = denial(nobody.arn, action_of(operation), "@").split("@")
    with refused(code(operation, "AccessDenied"), Like(re.escape(before) + resource + re.escape(after))):
        call(nobody, operation, arguments_of(operation, account))


@pytest.mark.parametrize("operation", [
    f"{row['service']}:{row['operation']}" for row in IMPLEMENTED if row["callers"] == "root"])
def test_what_is_the_root_users_is_refused_to_an_administrator_with_the_reason(account, operation):
    who = f"User: {account.arn} is not authorized to perform: {action_of(operation)}"
    with refused(code(operation, "AccessDenied"), f"{who}: this needs the root user of account {account.account}"):
        call(account, operation, arguments_of(operation, account))


@pytest.mark.parametrize("operation", [name for name, row in ALL.items() if row[2]])
def test_what_is_not_there_is_not_found(account, operation):
    with refused(code(operation, "NoSuchEntity"), Like(ALL[operation][2])):
        call(account, operation, arguments_of(operation, account))


def outcome(principal, operation):
    try:
        call(principal, operation, arguments_of(operation, principal))
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return None, None


def test_question_is_answered_with_a_note_where_the_accounts_place_forbids_the_operation(server):
    lone, member, management = server.account(), server.account(), server.account()
    organizations = management.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    invited = organizations.invite_account_to_organization(Target={"Id": member.account, "Type": "ACCOUNT"})
    member.client("organizations").accept_handshake(HandshakeId=invited["Handshake"]["Id"])

    def ask(*arguments):
        return subprocess.run(
            [BINARY, *arguments, "--data", server.data], capture_output=True, text=True, timeout=TIMEOUT)

    def note(account, name):
        done = ask("can", account.arn, f"organizations:{name}", "--format", "json")
        [*remarks] = json.loads(done.stdout)["remarks"]
        assert all(f"note: {remark}" in done.stderr.splitlines() for remark in remarks)
        return "; ".join(remarks)

    # What changes where an account is comes last.
    for name in sorted(ORGANIZATIONS, key=lambda name: name in ("CreateOrganization", "LeaveOrganization")):
        assert note(management, name) == ""
        # A handshake that is not there is nobody's to cancel.
        if name != "CancelHandshake":
            of_lone, of_member = note(lone, name), note(member, name)
            code, _ = outcome(lone, f"organizations:{name}")
            assert ("is in no organization" in of_lone) is (code == "AWSOrganizationsNotInUseException"), name
            refused = outcome(member, f"organizations:{name}") == (
                "AccessDeniedException", "You don't have permissions to access this resource.")
            assert (f"is for the management account {management.account}" in of_member) is refused, name
    # It has left by now.
    who = ask("who-can", "organizations:CloseAccount", "--account", member.account)
    assert f"{member.arn}\tallowed" in who.stdout and f"note: account {member.account} is in no organization" in who.stderr


def shape_of(operation):
    service, name = operation.split(":")
    return MODELS[service].operation_model(name).input_shape


def members(operation):
    shape = shape_of(operation)
    return shape.members if shape else {}


def required(operation):
    shape = shape_of(operation)
    return [name for name in (shape.members if shape else {}) if name in shape.required_members]


def lower(member):
    return member[0].lower() + member[1:]


# How the services that answer the first broken constraint alone, with a reason of their own, put it.
REASONS = {
    "organizations": {
        "null": ("INPUT_REQUIRED", "You must include a value for all required parameters."),
        "enum": ("INVALID_ENUM", "You specified an invalid value."),
        "enum PolicyType": ("INVALID_ENUM_POLICY_TYPE", "You specified an invalid value."),
        "enum EffectivePolicyType": ("INVALID_ENUM_POLICY_TYPE", "You specified an invalid value."),
        "short": ("MIN_LENGTH_EXCEEDED", "You provided a string parameter that is shorter than allowed."),
        "long": ("MAX_LENGTH_EXCEEDED", "You provided a string parameter that is longer than allowed."),
        "pattern": ("INVALID_PATTERN", "You provided a value that does not match the required pattern."),
        "low": ("MIN_VALUE_EXCEEDED", "You provided a numeric parameter that has a smaller value than allowed."),
        "high": ("MAX_VALUE_EXCEEDED", "You provided a numeric parameter that has a larger value than allowed."),
        "member": ("INVALID_LIST_MEMBER", "You provided a list to a parameter that contains at least one invalid value."),
    },
}


@contextlib.contextmanager
def refused_with_reason(operation, rule, shape=None):
    reasons = REASONS[operation.split(":")[0]]
    reason, message = reasons.get(f"{rule} {shape}") or reasons[rule]
    with refused("InvalidInputException", message) as caught:
        yield
    assert caught.value.response["Reason"] == reason


@pytest.mark.parametrize("operation", [name for name in ALL if required(name)])
def test_every_missing_member_is_named_in_the_order_of_the_model(account, operation):
    if operation.split(":")[0] in REASONS:
        for name in required(operation):
            arguments = arguments_of(operation, account)
            del arguments[name]
            with refused_with_reason(operation, "null"):
                call(account, operation, arguments)
        return
    missing = required(operation)
    count = "1 validation error" if len(missing) == 1 else f"{len(missing)} validation errors"
    each = [f"Value( null)? at '{lower(name)}' failed to satisfy constraint: Member must not be null" for name in missing]
    with refused(code(operation, "ValidationError"), Like(f"{count} detected: " + "; ".join(each))):
        call(account, operation, {})


def violations():
    for operation in ALL:
        for name, shape in members(operation).items():
            if (operation, name) in OWN_ERRORS:
                continue
            limits = shape.metadata
            if shape.type_name == "string" and "enum" in limits:
                yield operation, name, "no-such-value", "enum"
            elif shape.type_name == "string":
                if limits.get("min", 0) > 0:
                    yield operation, name, "a" * (limits["min"] - 1), "short"
                if limits.get("max", 1 << 20) <= 4096:
                    yield operation, name, "a" * (limits["max"] + 1), "long"
                if limits.get("pattern", ANYTHING) != ANYTHING:
                    # Not so long that the length is what is wrong.
                    yield operation, name, "aaaaaaaaaaaaaaaaaaaa\x07aaa"[-min(limits.get("max", 24), 24):], "pattern"
            elif shape.type_name == "integer" and "min" in limits:
                yield operation, name, limits["min"] - 1, "low"
                yield operation, name, limits["max"] + 1, "high"


def put(rule, limits):
    return {
        "enum": "satisfy enum value set",
        "short": f"have length greater than or equal to {limits.get('min')}",
        "long": f"have length less than or equal to {limits.get('max')}",
        "pattern": "satisfy regular expression pattern: ",
        "low": f"have value greater than or equal to {limits.get('min')}",
        "high": f"have value less than or equal to {limits.get('max')}",
    }[rule]


@pytest.mark.parametrize("operation, member, value, rule", list(violations()), ids=lambda value: str(value)[:24])
def test_every_constraint_of_the_model_is_checked(account, operation, member, value, rule):
    shape = members(operation)[member]
    if operation.split(":")[0] in REASONS:
        expected = refused_with_reason(operation, rule, shape.name)
    else:
        must = re.escape(put(rule, shape.metadata))
        named = Like(rf".*at ['\"]{lower(member)}['\"] failed to satisfy constraint: Member must {must}.*")
        expected = refused(code(operation, "ValidationError"), named)
    with expected:
        call(account, operation, {**arguments_of(operation, account), member: value})


def test_bad_member_of_a_list_has_the_reason_of_the_list_or_of_its_own_member(account):
    resource = {"ResourceId": "r-abcd"}
    with refused_with_reason("organizations:UntagResource", "member"):
        call(account, "organizations:UntagResource", {**resource, "TagKeys": ["k", "no\x07key"]})
    with refused_with_reason("organizations:TagResource", "pattern"):
        call(account, "organizations:TagResource", {**resource, "Tags": [{"Key": "k", "Value": "no\x07value"}]})


def test_only_the_first_broken_constraint_in_the_order_of_the_model_is_answered(account):
    with refused_with_reason("organizations:ListChildren", "pattern"):
        call(account, "organizations:ListChildren", {"ParentId": "nowhere", "ChildType": "ROOT"})
    with refused_with_reason("organizations:ListChildren", "enum"):
        call(account, "organizations:ListChildren", {**NODE, "ChildType": "ROOT", "MaxResults": 21})
