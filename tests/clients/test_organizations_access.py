"""Trusted services, delegated administrators, the resource policy, and members' root users managed from one place."""

import json

import pytest
from botocore.exceptions import ClientError

from rootward_testkit import Credentials, Principal, allow, body, deny, fails, fresh

TASK = "arn:aws:iam::aws:policy/root-task/"
AUDIT, CREATE, DELETE, UNLOCK = (
    TASK + name for name in
    ("IAMAuditRootUserCredentials", "IAMCreateRootUserPassword", "IAMDeleteRootUserCredentials", "S3UnlockBucketPolicy")
)


@pytest.fixture
def management(server):
    """An account that manages an organization."""
    account = server.account()
    account.client("organizations").create_organization(FeatureSet="ALL")
    return account


@pytest.fixture
def member(management):
    """A user without permissions in a member, its administrator, and the member's id."""
    organizations = management.client("organizations")
    asked = organizations.create_account(Email=f"{fresh('member')}@example.com", AccountName="Member")["CreateAccountStatus"]
    while asked["State"] == "IN_PROGRESS":
        asked = organizations.describe_create_account_status(CreateAccountRequestId=asked["Id"])["CreateAccountStatus"]
    assert asked["State"] == "SUCCEEDED", asked
    return asked["AccountId"]


def administrator_of(management, member):
    """A session of the role that the member lets the management account assume."""
    role = {"Arn": f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole"}
    return management.assume(role)


def assumed(who, member, task, **arguments):
    answer = who.sts.assume_root(TargetPrincipal=member, TaskPolicyArn={"arn": task}, **arguments)
    return Principal(who.server, Credentials.of(answer["Credentials"]), f"arn:aws:iam::{member}:root")


def centralize(management):
    management.client("organizations").enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    management.iam.enable_organizations_root_credentials_management()
    management.iam.enable_organizations_root_sessions()


def document(member, *actions, effect="Allow", **elements):
    statement = {
        "Effect": effect, "Principal": {"AWS": f"arn:aws:iam::{member}:root"}, "Action": list(actions), "Resource": "*", **elements,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_services_are_trusted_and_listed_until_they_are_not(management):
    organizations = management.client("organizations")
    for name in ("sso.amazonaws.com", "ram.amazonaws.com"):
        organizations.enable_aws_service_access(ServicePrincipal=name)
    pages = organizations.get_paginator("list_aws_service_access_for_organization").paginate(PaginationConfig={"PageSize": 1})
    names = [service["ServicePrincipal"] for page in pages for service in page["EnabledServicePrincipals"]]
    assert names == ["ram.amazonaws.com", "sso.amazonaws.com"]
    organizations.disable_aws_service_access(ServicePrincipal="ram.amazonaws.com")
    [left] = organizations.list_aws_service_access_for_organization()["EnabledServicePrincipals"]
    assert left["ServicePrincipal"] == "sso.amazonaws.com" and left["DateEnabled"]
    with fails("InvalidInputException", "UNRECOGNIZED_SERVICE_PRINCIPAL"):
        organizations.enable_aws_service_access(ServicePrincipal="nothing.amazonaws.com")


def test_service_principal_is_a_condition_key(management):
    user = management.user(
        allow("organizations:*"),
        deny("organizations:EnableAWSServiceAccess", StringNotEquals={"organizations:ServicePrincipal": "ram.amazonaws.com"}),
    )
    organizations = user.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal="ram.amazonaws.com")
    with fails("AccessDeniedException"):
        organizations.enable_aws_service_access(ServicePrincipal="sso.amazonaws.com")


def test_account_without_an_organization_has_neither_trust_nor_features(server):
    account = server.account()
    with fails("AWSOrganizationsNotInUseException"):
        account.client("organizations").list_delegated_administrators()
    with fails("OrganizationNotFoundException"):
        account.iam.list_organizations_features()


def test_management_account_is_no_delegated_administrator(management):
    organizations = management.client("organizations")
    organizations.enable_aws_service_access(ServicePrincipal="ram.amazonaws.com")
    with fails("ConstraintViolationException", "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR"):
        organizations.register_delegated_administrator(AccountId=management.account, ServicePrincipal="ram.amazonaws.com")
    with fails("AccountNotFoundException"):
        organizations.register_delegated_administrator(AccountId="999988887777", ServicePrincipal="ram.amazonaws.com")
    assert organizations.list_delegated_administrators()["DelegatedAdministrators"] == []


def test_resource_policy_is_put_described_and_deleted(management):
    organizations = management.client("organizations")
    with fails("ResourcePolicyNotFoundException"):
        organizations.describe_resource_policy()
    content = document(management.account, "organizations:List*", "organizations:CreatePolicy")
    made = organizations.put_resource_policy(Content=content, Tags=[{"Key": "team", "Value": "blue"}])["ResourcePolicy"]
    described = body(organizations.describe_resource_policy())
    assert described == {"ResourcePolicy": made} and made["Content"] == content
    summary = made["ResourcePolicySummary"]
    organization = organizations.describe_organization()["Organization"]["Id"]
    assert summary["Arn"] == (
        f"arn:aws:organizations::{management.account}:resourcepolicy/{organization}/{summary['Id']}")
    with fails("InvalidInputException", "UNSUPPORTED_ACTION_IN_RESOURCE_POLICY"):
        organizations.put_resource_policy(Content=document(management.account, "organizations:*"))
    with fails("InvalidInputException", "INVALID_RESOURCE_POLICY_JSON"):
        organizations.put_resource_policy(Content="no JSON")
    organizations.delete_resource_policy()
    with fails("ResourcePolicyNotFoundException"):
        organizations.delete_resource_policy()


def test_features_of_central_root_access_need_trust_in_iam(management):
    with fails("ServiceAccessNotEnabledException"):
        management.iam.enable_organizations_root_sessions()
    centralize(management)
    shown = management.iam.list_organizations_features()
    assert shown["EnabledFeatures"] == ["RootCredentialsManagement", "RootSessions"]
    assert shown["OrganizationId"] == management.client("organizations").describe_organization()["Organization"]["Id"]
    left = management.iam.disable_organizations_root_credentials_management()["EnabledFeatures"]
    assert left == ["RootSessions"]
    assert management.iam.disable_organizations_root_sessions()["EnabledFeatures"] == []


def test_root_of_what_is_no_member_is_not_assumed(management):
    centralize(management)
    for target in (management.account, "999988887777"):
        with fails("AccessDenied"):
            assumed(management, target, AUDIT)
    with fails("ValidationError"):
        assumed(management, "arn:aws:iam::999988887777:user/ann", AUDIT)
    with fails("AccessDenied") as caught:
        assumed(management.root(), "999988887777", AUDIT)
    assert "Roles may not be assumed by root accounts." in str(caught.value)


def test_member_administers_a_service_until_it_is_deregistered(management, member):
    organizations = management.client("organizations")
    with fails("ConstraintViolationException", "SERVICE_ACCESS_NOT_ENABLED"):
        organizations.register_delegated_administrator(AccountId=member, ServicePrincipal="ram.amazonaws.com")
    organizations.enable_aws_service_access(ServicePrincipal="ram.amazonaws.com")
    own = administrator_of(management, member).client("organizations")
    with fails("AccessDeniedException"):
        own.list_delegated_administrators()
    organizations.register_delegated_administrator(AccountId=member, ServicePrincipal="ram.amazonaws.com")
    with fails("AccountAlreadyRegisteredException"):
        organizations.register_delegated_administrator(AccountId=member, ServicePrincipal="ram.amazonaws.com")
    [shown] = own.list_delegated_administrators(ServicePrincipal="ram.amazonaws.com")["DelegatedAdministrators"]
    assert (shown["Id"], shown["Status"], shown["JoinedMethod"]) == (member, "ACTIVE", "CREATED")
    [service] = own.list_delegated_services_for_account(AccountId=member)["DelegatedServices"]
    assert service["ServicePrincipal"] == "ram.amazonaws.com"
    with fails("ConstraintViolationException", "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE"):
        organizations.disable_aws_service_access(ServicePrincipal="ram.amazonaws.com")
    organizations.deregister_delegated_administrator(AccountId=member, ServicePrincipal="ram.amazonaws.com")
    with fails("AccountNotRegisteredException"):
        organizations.list_delegated_services_for_account(AccountId=member)
    with fails("AccessDeniedException"):
        own.list_delegated_administrators()


def test_resource_policy_lets_members_look(management, member):
    own = administrator_of(management, member).client("organizations")
    with fails("AccessDeniedException"):
        own.list_delegated_administrators()
    organizations = management.client("organizations")
    organizations.put_resource_policy(Content=document(member, "organizations:ListDelegatedAdministrators"))
    assert own.list_delegated_administrators()["DelegatedAdministrators"] == []
    with fails("AccessDeniedException"):
        own.list_aws_service_access_for_organization()
    organizations.delete_resource_policy()
    with fails("AccessDeniedException"):
        own.list_delegated_administrators()


def test_assumed_root_does_its_task_and_nothing_else(server, management, member):
    with fails("AccessDenied"):
        assumed(management, member, AUDIT)
    centralize(management)
    # It was opened before that, with a way to a password by mail.
    assumed(management, member, DELETE).iam.delete_login_profile()
    root = assumed(management, member, AUDIT)
    identity = body(root.sts.get_caller_identity())
    assert identity == {"UserId": member, "Account": member, "Arn": f"arn:aws:iam::{member}:root"}
    answer = root.iam.get_user()
    assert answer["User"]["Arn"] == f"arn:aws:iam::{member}:root"
    assert root.iam.list_access_keys()["AccessKeyMetadata"] == []
    assert root.iam.list_mfa_devices()["MFADevices"] == []
    assert root.iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0
    with fails("NoSuchEntity"):
        root.iam.get_login_profile()
    for call in (root.iam.list_users, root.iam.create_access_key, root.iam.delete_login_profile, root.rootward.close_account):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
    identity = server.record(answer)["userIdentity"]
    assert (identity["type"], identity["accountId"]) == ("Root", member)
    assert identity["sessionContext"]["assumedRoot"] == "true"


def test_assume_root_is_on_record_in_both_accounts(server, management, member):
    centralize(management)
    answer = management.sts.assume_root(TargetPrincipal=member, TaskPolicyArn={"arn": AUDIT}, DurationSeconds=60)
    records = server.records(of=answer["ResponseMetadata"]["RequestId"])
    assert {record["recipientAccountId"] for record in records} == {management.account, member}
    for record in records:
        assert record["requestParameters"]["targetPrincipal"] == member
        assert record["requestParameters"]["taskPolicyArn"] == {"arn": AUDIT}


def test_assume_root_takes_a_permission_which_can_be_for_one_task(management, member):
    centralize(management)
    root = f"arn:aws:iam::{member}:root"
    auditor = management.user(allow("sts:AssumeRoot", root, ArnEquals={"sts:TaskPolicyArn": AUDIT}))
    assumed(auditor, member, AUDIT).iam.get_user()
    for who, task in ((auditor, DELETE), (management.user(allow("iam:*")), AUDIT)):
        with fails("AccessDenied") as caught:
            assumed(who, member, task)
        assert f"{who.arn} is not authorized to perform: sts:AssumeRoot on resource: {root}" in str(caught.value)


def test_feature_that_is_off_gives_no_session(management, member):
    centralize(management)
    before = assumed(management, member, AUDIT)
    before.iam.get_user()
    management.iam.disable_organizations_root_credentials_management()
    with fails("AccessDenied"):
        assumed(management, member, DELETE)
    with fails("InvalidClientTokenId"):
        before.iam.get_user()
    assumed(management, member, UNLOCK)


def test_recovery_of_a_member_is_allowed_and_taken_back(management, member):
    centralize(management)
    deletes, creates = (assumed(management, member, task).iam for task in (DELETE, CREATE))
    try:
        deletes.delete_login_profile()
    except deletes.exceptions.NoSuchEntityException:
        pass
    made = creates.create_login_profile()["LoginProfile"]
    assert made["CreateDate"] and not made.get("UserName")
    with fails("EntityAlreadyExists"):
        creates.create_login_profile()
    deletes.delete_login_profile()
    with fails("NoSuchEntity"):
        deletes.get_login_profile()


def test_member_that_administers_iam_assumes_root_of_others(management, member):
    centralize(management)
    organizations = management.client("organizations")
    asked = organizations.create_account(Email=f"{fresh('other')}@example.com", AccountName="Other")["CreateAccountStatus"]
    while asked["State"] == "IN_PROGRESS":
        asked = organizations.describe_create_account_status(CreateAccountRequestId=asked["Id"])["CreateAccountStatus"]
    other, own = asked["AccountId"], administrator_of(management, member)
    with fails("AccessDenied"):
        assumed(own, other, AUDIT)
    with fails("AccountNotManagementOrDelegatedAdministratorException"):
        own.iam.list_organizations_features()
    organizations.register_delegated_administrator(AccountId=member, ServicePrincipal="iam.amazonaws.com")
    assumed(own, other, AUDIT).iam.get_user()
    with fails("CallerIsNotManagementAccountException"):
        own.iam.enable_organizations_root_sessions()


def test_question_about_assuming_root_is_answered_as_the_operation_answers(server, management, member):
    root, action = f"arn:aws:iam::{member}:root", "sts:AssumeRoot"
    everything, one_task = management.user(allow(action)), management.user(
        allow(action, StringEquals={"sts:TaskPolicyArn": AUDIT}))
    insider = administrator_of(management, member)
    of_member = f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole"

    def told(principal, *arguments, code=0):
        return server.host("can", principal, action, root, *arguments, code=code)

    def who(*arguments, code=0):
        return {line.split("\t")[0] for line in server.host("who-can", action, root, *arguments, code=code).splitlines()}

    off = "whatever policies say: Principals of account {} cannot assume the root user of account {}."
    assert off.format(management.account, member) in told(everything.arn, code=1)
    assert who(code=1) == set()
    centralize(management)
    assert told(everything.arn).startswith("allowed:")
    assumed(everything, member, AUDIT)
    assert "identity-based policy" in told(management.user().arn, code=1)
    assert off.format(member, member) in told(of_member, code=1)
    with fails("AccessDenied"):
        assumed(insider, member, AUDIT)
    assert told(one_task.arn, "--context", f"sts:TaskPolicyArn={AUDIT}").startswith("allowed:")
    told(one_task.arn, "--context", f"sts:TaskPolicyArn={DELETE}", code=1)
    assert who() == who("--account", management.account) == {management.arn, everything.arn, one_task.arn}
    assert who("--account", member, code=1) == set()
    management.iam.disable_organizations_root_sessions()
    unlock = ("--context", f"sts:TaskPolicyArn={UNLOCK}")
    assert off.format(management.account, member) in told(everything.arn, *unlock, code=1)
    with fails("AccessDenied"):
        assumed(everything, member, UNLOCK)
