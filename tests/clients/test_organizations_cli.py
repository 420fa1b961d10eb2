"""Every operation of organizations by the AWS CLI: how an organization is made, filled, bound by policies, handed out and taken down.

The CLI runs in this process, as one person each; a command takes hundredths of a second.
"""

import contextlib
import io
import json
import re

import awscli.clidriver
import pytest

from test_organizations_transfers import month

from rootward_testkit import MODELS, RCP, SCP, Credentials, allow, deny, fresh, policy

# What is under the one name that a type of policies sets.
SETTINGS = {
    "AISERVICES_OPT_OUT_POLICY": "services", "BACKUP_POLICY": "plans", "BEDROCK_POLICY": "bedrock", "CHATBOT_POLICY": "chatbot",
    "DECLARATIVE_POLICY_EC2": "ec2_attributes", "GUARDDUTY_POLICY": "guardduty", "INSPECTOR_POLICY": "inspector",
    "NETWORK_SECURITY_DIRECTOR_POLICY": "network_security_director", "S3_POLICY": "s3_attributes", "SECURITYHUB_POLICY": "securityhub",
    "SECURITYHUB_CSPM_POLICY": "securityhub_cspm", "TAG_POLICY": "tags", "UPGRADE_ROLLOUT_POLICY": "upgrade_rollout",
}
NO_S3 = policy(deny("s3:*"))
NO_S3_FOR_ANYONE = policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"})
RAM = "ram.amazonaws.com"

# What the CLI says of an exception, with its reason where it has some.
TEXTS = {
    "AccessDeniedException": "You don't have permissions to access this resource.",
    "AccountAlreadyClosedException": "You can't close an account that is already closed.",
    "AccountAlreadyRegisteredException": "The provided account is already a delegated administrator for your organization.",
    "AccountNotFoundException": "You specified an account that doesn't exist.",
    "AccountNotRegisteredException": "The provided account is not a registered delegated administrator for your organization.",
    "AlreadyInOrganizationException": "The AWS account is already a member of an organization.",
    "AWSOrganizationsNotInUseException": "Your account is not a member of an organization.",
    "ConstraintViolationException ACCOUNT_CANNOT_LEAVE_ORGANIZATION": "missing one or more of the prerequisites",
    "ConstraintViolationException CANNOT_CLOSE_MANAGEMENT_ACCOUNT": "You can't close the management account.",
    "ConstraintViolationException CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR": "You cannot register master account/yourself",
    "ConstraintViolationException CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG": "This member account is a delegated administrator.",
    "ConstraintViolationException DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE": "You must deregister all delegated administrators",
    "ConstraintViolationException MASTER_ACCOUNT_NOT_GOVCLOUD_ENABLED": "AWS GovCloud (US) Region",
    "ConstraintViolationException MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED": "You have attached the maximum number of policies",
    "ConstraintViolationException MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED": "You cannot remove the last policy attached",
    "ConstraintViolationException ORGANIZATION_NOT_IN_ALL_FEATURES_MODE": "must have all features enabled",
    "ConstraintViolationException OU_DEPTH_LIMIT_EXCEEDED": "at most five levels deep",
    "ConstraintViolationException POLICY_CONTENT_LIMIT_EXCEEDED": "10240",
    "ConstraintViolationException SERVICE_ACCESS_NOT_ENABLED": "You must enable service access for this service",
    "DestinationParentNotFoundException": "You specified a destination parent that doesn't exist.",
    "DuplicateAccountException": "That account is already present in the specified destination.",
    "DuplicateHandshakeException": "A handshake with the same action and target already exists.",
    "DuplicateOrganizationalUnitException": "An OU with the same name already exists.",
    "DuplicatePolicyAttachmentException": "The selected policy is already attached to the specified target.",
    "DuplicatePolicyException": "A policy with the same name already exists.",
    "HandshakeAlreadyInStateException": "The handshake is already ",
    "HandshakeConstraintViolationException ALREADY_IN_AN_ORGANIZATION": "is already a member of an organization.",
    "HandshakeConstraintViolationException INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES": "in the process of enabling all features",
    "HandshakeConstraintViolationException ORGANIZATION_ALREADY_HAS_ALL_FEATURES": "has all features enabled already",
    "HandshakeNotFoundException": "You specified a handshake that doesn't exist.",
    "InvalidHandshakeTransitionException": " handshake ",
    "InvalidInputException DUPLICATE_TAG_KEY": "Duplicate tag keys found.",
    "InvalidInputException IMMUTABLE_POLICY": "You can't modify or delete an AWS managed policy.",
    "InvalidInputException UNRECOGNIZED_SERVICE_PRINCIPAL": "You specified an unrecognized service principal.",
    "MalformedPolicyDocumentException": "does not meet the requirements of the specified policy type",
    "MasterCannotLeaveOrganizationException": "You can't remove the management account from the organization.",
    "OptInRequired": "",
    "OrganizationalUnitNotEmptyException": "The organizational unit is not empty.",
    "OrganizationalUnitNotFoundException": "You specified an organizational unit that doesn't exist.",
    "OrganizationNotEmptyException": "you must first remove all member accounts",
    "PolicyInUseException": "The policy is attached to one or more entities.",
    "PolicyNotAttachedException": "The policy isn't attached to the specified target",
    "PolicyNotFoundException": "You specified a policy that doesn't exist.",
    "PolicyTypeAlreadyEnabledException": "The specified policy type is already enabled.",
    "PolicyTypeNotAvailableForOrganizationException": "You can't use the specified policy type with the feature set currently enabled",
    "PolicyTypeNotEnabledException": "This operation can be performed only for enabled policy types.",
    "ResourcePolicyNotFoundException": "No resource policy exists for this organization.",
    "ResponsibilityTransferNotFoundException": "",
    "SourceParentNotFoundException": "You specified a source parent that doesn't exist.",
    "TargetNotFoundException": "You specified a target that doesn't exist.",
}

DRIVEN = set()


class Cli:
    """Somebody at a prompt: `cli("list-roots")` is `aws organizations list-roots`; options are given as on the command line."""

    def __init__(self, server, credentials):
        self.server = server
        self.driver = awscli.clidriver.create_clidriver()
        self.driver.session.set_credentials(*credentials)
        self.driver.session.register("after-call.organizations", self.remember)
        self.answer = None

    def remember(self, model, parsed, **_):
        DRIVEN.add(model.name)
        self.answer = parsed

    def ended(self, command, options, service):
        """Exit code, standard output and standard error of a command."""
        arguments = [service, command]
        for name, value in options.items():
            arguments += [f"--{name.replace('_', '-')}", *(value if isinstance(value, list) else [value])]
        out, err = io.StringIO(), io.StringIO()
        self.answer = None
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = self.driver.main([*arguments, "--endpoint-url", self.server.url, "--region", "us-east-1"])
        return code, out.getvalue(), err.getvalue()

    def __call__(self, command, service="organizations", **options):
        code, out, err = self.ended(command, options, service)
        assert (code, err) == (0, ""), (command, options, err)
        return json.loads(out) if out else None

    def refused(self, code, reason, command, service="organizations", text=None, **options):
        """The command ends badly, and the CLI shows this exception and its text; behind it is this reason."""
        text = TEXTS[f"{code} {reason}" if reason else code] if text is None else text
        ended, out, err = self.ended(command, options, service)
        operation = "".join(word.capitalize() for word in command.split("-")).replace("Aws", "AWS")
        shown = rf"\nAn error occurred \({code}\) when calling the {operation} operation( \(reached max retries: \d\))?: .*"
        assert (ended, out) == (255, ""), (command, out, err)
        assert re.fullmatch(shown, err, re.DOTALL) and text in err, err
        assert self.answer is None or self.answer.get("Reason") == reason, self.answer


class Organization:
    """One that this account manages, with all features, by the CLI."""

    def __init__(self, account, **options):
        self.account, self.cli = account, Cli(account.server, account.credentials)
        self.id = self.cli("create-organization", **options)["Organization"]["Id"]
        [root] = self.cli("list-roots")["Roots"]
        self.root = root["Id"]

    def unit(self, parent, name):
        return self.cli("create-organizational-unit", parent_id=parent, name=name)["OrganizationalUnit"]["Id"]

    def opened(self, name="Workload"):
        """The id of a new member."""
        asked = self.cli("create-account", email=f"{fresh('member')}@example.com", account_name=name)["CreateAccountStatus"]
        done = self.cli("describe-create-account-status", create_account_request_id=asked["Id"])["CreateAccountStatus"]
        assert (asked["State"], done["State"]) == ("IN_PROGRESS", "SUCCEEDED")
        return done["AccountId"]

    def inside(self, member):
        """The administrator of a member."""
        role = f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole"
        given = Credentials.of(self.cli("assume-role", service="sts", role_arn=role, role_session_name="cli")["Credentials"])
        self.account.server.secrets.add(given.secret)
        return Cli(self.account.server, given)

    def invited(self, account, kind="ACCOUNT", **options):
        target = account.account if kind == "ACCOUNT" else account.email
        return self.cli("invite-account-to-organization", target=f"Type={kind},Id={target}", **options)["Handshake"]

    def created(self, kind, content, name=None):
        made = self.cli("create-policy", type=kind, name=name or fresh("policy"), description="by the CLI", content=content)
        return made["Policy"]["PolicySummary"]["Id"]

    def attached(self, kind, target):
        return {each["Id"] for each in self.cli("list-policies-for-target", target_id=target, filter=kind)["Policies"]}


@pytest.fixture
def organization(server):
    return Organization(server.account())


@pytest.fixture
def guest(server):
    """An account outside, and its administrator at a prompt."""
    account = server.account()
    return account, Cli(server, account.credentials)


def test_organization_is_made_once_and_deleted_when_it_is_empty(guest):
    account, cli = guest
    cli.refused("AWSOrganizationsNotInUseException", None, "describe-organization")
    made = cli("create-organization", feature_set="ALL")["Organization"]
    assert (made["MasterAccountId"], made["FeatureSet"]) == (account.account, "ALL")
    assert cli("describe-organization")["Organization"] == made
    cli.refused("AlreadyInOrganizationException", None, "create-organization")
    [root] = cli("list-roots")["Roots"]
    unit = cli("create-organizational-unit", parent_id=root["Id"], name="Unit")["OrganizationalUnit"]["Id"]
    cli.refused("OrganizationNotEmptyException", None, "delete-organization")
    cli("delete-organizational-unit", organizational_unit_id=unit)
    assert cli("delete-organization") is None
    cli.refused("AWSOrganizationsNotInUseException", None, "list-roots")


def test_units_are_five_levels_deep_and_named_once_among_siblings(organization):
    cli, parent, units = organization.cli, organization.root, []
    for level in range(5):
        unit = organization.unit(parent, f"Level {level}")
        [listed] = cli("list-organizational-units-for-parent", parent_id=parent)["OrganizationalUnits"]
        assert cli("describe-organizational-unit", organizational_unit_id=unit)["OrganizationalUnit"] == listed
        assert cli("list-children", parent_id=parent, child_type="ORGANIZATIONAL_UNIT")["Children"] == [
            {"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}]
        assert cli("list-parents", child_id=unit)["Parents"] == [{"Id": parent, "Type": "ORGANIZATIONAL_UNIT" if level else "ROOT"}]
        units.append(unit)
        parent = unit
    cli.refused("ConstraintViolationException", "OU_DEPTH_LIMIT_EXCEEDED", "create-organizational-unit", parent_id=parent, name="Level 5")
    cli.refused("DuplicateOrganizationalUnitException", None, "create-organizational-unit", parent_id=organization.root, name="Level 0")
    other = organization.unit(organization.root, "Other")
    cli.refused("DuplicateOrganizationalUnitException", None, "update-organizational-unit", organizational_unit_id=other, name="Level 0")
    assert cli("update-organizational-unit", organizational_unit_id=other, name="Sandbox")["OrganizationalUnit"]["Name"] == "Sandbox"
    cli.refused("OrganizationalUnitNotEmptyException", None, "delete-organizational-unit", organizational_unit_id=units[0])
    for unit in [other, *reversed(units)]:
        cli("delete-organizational-unit", organizational_unit_id=unit)
    cli.refused("OrganizationalUnitNotFoundException", None, "describe-organizational-unit", organizational_unit_id=other)
    assert cli("list-organizational-units-for-parent", parent_id=organization.root)["OrganizationalUnits"] == []


def test_accounts_are_opened_moved_and_closed(organization):
    cli, root, member = organization.cli, organization.root, organization.opened()
    unit = organization.unit(root, "Workloads")
    assert {account["Id"] for account in cli("list-accounts")["Accounts"]} == {organization.account.account, member}
    assert len(cli("list-accounts", page_size="1", max_items="1")["Accounts"]) == 1
    shown = cli("describe-account", account_id=member)["Account"]
    assert (shown["Name"], shown["State"], shown["JoinedMethod"]) == ("Workload", "ACTIVE", "CREATED")
    assert cli("move-account", account_id=member, source_parent_id=root, destination_parent_id=unit) is None
    assert [account["Id"] for account in cli("list-accounts-for-parent", parent_id=unit)["Accounts"]] == [member]
    assert cli("list-parents", child_id=member)["Parents"] == [{"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}]

    move = {"account_id": member, "source_parent_id": unit, "destination_parent_id": root}
    for changed, code in (
        ({"destination_parent_id": unit}, "DuplicateAccountException"),
        ({"source_parent_id": root}, "AccountNotFoundException"),
        ({"source_parent_id": "ou-abcd-12345678"}, "SourceParentNotFoundException"),
        ({"destination_parent_id": "ou-abcd-12345678"}, "DestinationParentNotFoundException"),
        ({"account_id": "999988887777"}, "AccountNotFoundException"),
    ):
        cli.refused(code, None, "move-account", **{**move, **changed})
    cli.refused("OrganizationalUnitNotEmptyException", None, "delete-organizational-unit", organizational_unit_id=unit)

    failed = cli("create-account", email=organization.account.email, account_name="Again")["CreateAccountStatus"]
    [listed] = cli("list-create-account-status", states=["FAILED"])["CreateAccountStatuses"]
    assert (listed["Id"], listed["FailureReason"]) == (failed["Id"], "EMAIL_ALREADY_EXISTS")
    cli.refused(
        "ConstraintViolationException", "MASTER_ACCOUNT_NOT_GOVCLOUD_ENABLED", "create-gov-cloud-account", email="gov@example.com", account_name="Gov")

    there = organization.inside(member)
    assert there("get-caller-identity", service="sts")["Account"] == member
    assert cli("close-account", account_id=member) is None
    closed = cli("describe-account", account_id=member)["Account"]
    assert (closed["State"], closed["Status"]) == ("CLOSED", "SUSPENDED")
    there.refused("OptInRequired", None, "get-caller-identity", service="sts")
    cli.refused("AccountAlreadyClosedException", None, "close-account", account_id=member)
    cli.refused("ConstraintViolationException", "CANNOT_CLOSE_MANAGEMENT_ACCOUNT", "close-account", account_id=organization.account.account)


def test_invitation_is_accepted_once_by_whom_it_is_for(server, organization, guest):
    cli, (account, theirs), stranger = organization.cli, guest, Cli(server, server.account().credentials)
    handshake = organization.invited(account, notes="Join us", tags="Key=team,Value=red")
    this = {"handshake_id": handshake["Id"]}
    cli.refused("DuplicateHandshakeException", None, "invite-account-to-organization", target=f"Type=ACCOUNT,Id={account.account}")
    assert theirs("list-handshakes-for-account")["Handshakes"] == [handshake]
    assert theirs("describe-handshake", **this)["Handshake"] == handshake
    unknown = "HandshakeNotFoundException", None
    for command in ("accept-handshake", "decline-handshake", "cancel-handshake", "describe-handshake"):
        stranger.refused(*unknown, command, **this)
    assert theirs("accept-handshake", **this)["Handshake"]["State"] == "ACCEPTED"
    theirs.refused("HandshakeAlreadyInStateException", None, "accept-handshake", **this)
    theirs.refused("InvalidHandshakeTransitionException", None, "decline-handshake", **this)
    assert [(each["Id"], each["State"]) for each in cli("list-handshakes-for-organization")["Handshakes"]] == [(handshake["Id"], "ACCEPTED")]
    assert cli("list-tags-for-resource", resource_id=account.account)["Tags"] == [{"Key": "team", "Value": "red"}]
    cli.refused(
        "HandshakeConstraintViolationException", "ALREADY_IN_AN_ORGANIZATION", "invite-account-to-organization",
        target=f"Type=ACCOUNT,Id={account.account}")
    theirs.refused("AlreadyInOrganizationException", None, "create-organization")


def test_invitation_is_declined_or_cancelled(organization, guest):
    cli, (account, theirs) = organization.cli, guest
    for who, command, state in ((theirs, "decline-handshake", "DECLINED"), (cli, "cancel-handshake", "CANCELED")):
        this = {"handshake_id": organization.invited(account, kind="EMAIL")["Id"]}
        assert who(command, **this)["Handshake"]["State"] == state
        theirs.refused("InvalidHandshakeTransitionException", None, "accept-handshake", **this)
        who.refused("HandshakeAlreadyInStateException", None, command, **this)
    assert theirs("list-handshakes-for-account")["Handshakes"][0]["State"] in ("CANCELED", "DECLINED")


def test_members_leave_and_are_sent_away(organization, guest):
    cli, (account, theirs) = organization.cli, guest
    for leave in (lambda: theirs("leave-organization"), lambda: cli("remove-account-from-organization", account_id=account.account)):
        theirs("accept-handshake", handshake_id=organization.invited(account)["Id"])
        assert theirs("describe-organization")["Organization"]["Id"] == organization.id
        cli.refused("OrganizationNotEmptyException", None, "delete-organization")
        assert leave() is None
        theirs.refused("AWSOrganizationsNotInUseException", None, "leave-organization")
    gone = "AccountNotFoundException", None
    cli.refused(*gone, "remove-account-from-organization", account_id=account.account)
    cli.refused("MasterCannotLeaveOrganizationException", None, "leave-organization")
    cli.refused("MasterCannotLeaveOrganizationException", None, "remove-account-from-organization", account_id=organization.account.account)
    member = organization.opened()
    cannot = "ConstraintViolationException", "ACCOUNT_CANNOT_LEAVE_ORGANIZATION"
    cli.refused(*cannot, "remove-account-from-organization", account_id=member)
    organization.inside(member).refused(*cannot, "leave-organization")


def test_policies_of_every_type_are_put_in_force_attached_and_taken_back(organization, tmp_path):
    cli, root, member = organization.cli, organization.root, organization.opened()
    kinds = {SCP: NO_S3, RCP: NO_S3_FOR_ANYONE, **{kind: json.dumps({name: {}}) for kind, name in SETTINGS.items()}}
    assert set(kinds) == set(MODELS["organizations"].shape_for("PolicyType").enum)
    for kind, content in kinds.items():
        own = {"p-FullAWSAccess"} if kind == SCP else {"p-RCPFullAWSAccess"} if kind == RCP else set()
        file = tmp_path / kind
        file.write_text(content)
        made = organization.created(kind, f"file://{file}")
        assert cli("describe-policy", policy_id=made)["Policy"]["Content"] == content
        assert {each["Id"] for each in cli("list-policies", filter=kind)["Policies"]} == {made, *own}
        this = {"policy_id": made, "target_id": member}
        cli.refused("PolicyTypeNotEnabledException", None, "attach-policy", **this)
        shown = cli("enable-policy-type", root_id=root, policy_type=kind)["Root"]["PolicyTypes"]
        assert shown == [{"Type": kind, "Status": "ENABLED"}]
        cli.refused("PolicyTypeAlreadyEnabledException", None, "enable-policy-type", root_id=root, policy_type=kind)
        assert cli("attach-policy", **this) is None
        cli.refused("DuplicatePolicyAttachmentException", None, "attach-policy", **this)
        assert organization.attached(kind, member) == {made, *own}
        assert [each["TargetId"] for each in cli("list-targets-for-policy", policy_id=made)["Targets"]] == [member]
        if kind in SETTINGS:
            effective = cli("describe-effective-policy", policy_type=kind, target_id=member)["EffectivePolicy"]
            assert effective["PolicyType"] == kind and json.loads(effective["PolicyContent"]) in ({}, json.loads(content))
            told = cli("list-effective-policy-validation-errors", account_id=member, policy_type=kind)
            assert told["EffectivePolicyValidationErrors"] == []
            assert cli("list-accounts-with-invalid-effective-policy", policy_type=kind)["Accounts"] == []
        cli.refused("PolicyInUseException", None, "delete-policy", policy_id=made)
        assert cli("detach-policy", **this) is None
        cli.refused("PolicyNotAttachedException", None, "detach-policy", **this)
        assert cli("update-policy", policy_id=made, name=f"Renamed {kind}")["Policy"]["PolicySummary"]["Name"] == f"Renamed {kind}"
        assert cli("delete-policy", policy_id=made) is None
        cli.refused("PolicyNotFoundException", None, "describe-policy", policy_id=made)
        assert cli("disable-policy-type", root_id=root, policy_type=kind)["Root"]["PolicyTypes"] == []
        cli.refused("PolicyTypeNotEnabledException", None, "disable-policy-type", root_id=root, policy_type=kind)


def test_service_control_policies_have_limits(organization, tmp_path):
    cli, root = organization.cli, organization.root
    cli("enable-policy-type", root_id=root, policy_type=SCP)
    fits, file = NO_S3.ljust(10_240), tmp_path / "policy.json"
    file.write_text(fits)
    whole = organization.created(SCP, f"file://{file}", name="Whole")
    assert len(cli("describe-policy", policy_id=whole)["Policy"]["Content"]) == 10_240
    file.write_text(fits + " ")
    too_long = "ConstraintViolationException", "POLICY_CONTENT_LIMIT_EXCEEDED"
    cli.refused(*too_long, "create-policy", type=SCP, name="Over", description="", content=f"file://{file}")
    cli.refused(*too_long, "update-policy", policy_id=whole, content=f"file://{file}")
    cli.refused("DuplicatePolicyException", None, "create-policy", type=SCP, name="Whole", description="", content=NO_S3)
    cli.refused("MalformedPolicyDocumentException", None, "create-policy", type=SCP, name="Torn", description="", content=NO_S3[:-1])
    last = "ConstraintViolationException", "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    for target in (root, organization.account.account):
        cli.refused(*last, "detach-policy", policy_id="p-FullAWSAccess", target_id=target)
    cli("attach-policy", policy_id=whole, target_id=root)
    cli("detach-policy", policy_id="p-FullAWSAccess", target_id=root)
    cli.refused(*last, "detach-policy", policy_id=whole, target_id=root)
    cli("attach-policy", policy_id="p-FullAWSAccess", target_id=root)
    for number in range(8):
        cli("attach-policy", policy_id=organization.created(SCP, NO_S3, name=f"Policy {number}"), target_id=root)
    cli.refused(
        "ConstraintViolationException", "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED", "attach-policy",
        policy_id=organization.created(SCP, NO_S3), target_id=root)
    immutable = "InvalidInputException", "IMMUTABLE_POLICY"
    cli.refused(*immutable, "update-policy", policy_id="p-FullAWSAccess", name="Mine")
    cli.refused(*immutable, "delete-policy", policy_id="p-FullAWSAccess")


def test_policy_binds_members_until_its_type_is_out_of_force(organization):
    cli, root = organization.cli, organization.root
    there = organization.inside(organization.opened())
    cli("enable-policy-type", root_id=root, policy_type=SCP)
    own = organization.created(SCP, policy(deny("iam:ListUsers")))
    assert there("list-users", service="iam")["Users"] == []
    cli("attach-policy", policy_id=own, target_id=root)
    arn = f"arn:aws:organizations::{organization.account.account}:policy/{organization.id}/service_control_policy/{own}"
    there.refused("AccessDenied", None, "list-users", service="iam", text=f"with an explicit deny in a service control policy: {arn}\n")
    assert cli("list-users", service="iam")["Users"]
    cli("disable-policy-type", root_id=root, policy_type=SCP)
    assert there("list-users", service="iam")["Users"] == []


def test_services_are_trusted_and_administered_by_members(organization):
    cli, member = organization.cli, organization.opened()
    there = organization.inside(member)
    register = {"account_id": member, "service_principal": RAM}
    cli.refused("ConstraintViolationException", "SERVICE_ACCESS_NOT_ENABLED", "register-delegated-administrator", **register)
    assert cli("enable-aws-service-access", service_principal=RAM) is None
    [trusted] = cli("list-aws-service-access-for-organization")["EnabledServicePrincipals"]
    assert trusted["ServicePrincipal"] == RAM
    cli.refused(
        "InvalidInputException", "UNRECOGNIZED_SERVICE_PRINCIPAL", "enable-aws-service-access", service_principal="no.amazonaws.com")
    cli.refused(
        "ConstraintViolationException", "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR", "register-delegated-administrator",
        account_id=organization.account.account, service_principal=RAM)
    there.refused("AccessDeniedException", None, "list-delegated-administrators")
    assert cli("register-delegated-administrator", **register) is None
    cli.refused("AccountAlreadyRegisteredException", None, "register-delegated-administrator", **register)
    [shown] = there("list-delegated-administrators", service_principal=RAM)["DelegatedAdministrators"]
    assert shown["Id"] == member
    [service] = there("list-delegated-services-for-account", account_id=member)["DelegatedServices"]
    assert service["ServicePrincipal"] == RAM
    cli.refused(
        "ConstraintViolationException", "DELEGATED_ADMINISTRATOR_EXISTS_FOR_THIS_SERVICE", "disable-aws-service-access",
        service_principal=RAM)
    cli.refused(
        "ConstraintViolationException", "CANNOT_REMOVE_DELEGATED_ADMINISTRATOR_FROM_ORG", "remove-account-from-organization",
        account_id=member)
    assert cli("deregister-delegated-administrator", **register) is None
    cli.refused("AccountNotRegisteredException", None, "deregister-delegated-administrator", **register)
    assert cli("disable-aws-service-access", service_principal=RAM) is None
    assert cli("list-aws-service-access-for-organization")["EnabledServicePrincipals"] == []


def test_resource_policy_hands_out_what_it_names(organization):
    cli, member = organization.cli, organization.opened()
    there = organization.inside(member)
    content = policy({
        "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{member}:root"}, "Action": "organizations:ListAccounts", "Resource": "*"})
    cli.refused("ResourcePolicyNotFoundException", None, "describe-resource-policy")
    made = cli("put-resource-policy", content=content, tags="Key=team,Value=red")["ResourcePolicy"]
    assert cli("describe-resource-policy")["ResourcePolicy"] == made
    assert cli("list-tags-for-resource", resource_id=made["ResourcePolicySummary"]["Id"])["Tags"] == [{"Key": "team", "Value": "red"}]
    assert len(there("list-accounts")["Accounts"]) == 2
    there.refused("AccessDeniedException", None, "list-roots")
    assert cli("delete-resource-policy") is None
    there.refused("AccessDeniedException", None, "list-accounts")
    cli.refused("ResourcePolicyNotFoundException", None, "delete-resource-policy")


def test_tags_are_on_accounts_units_policies_and_the_root(organization):
    cli = organization.cli
    tags = [{"Key": "stage", "Value": "test"}, {"Key": "team", "Value": "red"}]
    for resource in (
        organization.opened(), organization.unit(organization.root, "Unit"), organization.created(SCP, NO_S3), organization.root,
    ):
        assert cli("tag-resource", resource_id=resource, tags=["Key=team,Value=red", "Key=stage,Value=test"]) is None
        assert cli("list-tags-for-resource", resource_id=resource)["Tags"] == tags
        assert cli("untag-resource", resource_id=resource, tag_keys=["team", "none"]) is None
        assert cli("list-tags-for-resource", resource_id=resource)["Tags"] == tags[:1]
        cli.refused(
            "InvalidInputException", "DUPLICATE_TAG_KEY", "tag-resource", resource_id=resource, tags=["Key=a,Value=1", "Key=a,Value=2"])
    cli.refused("TargetNotFoundException", None, "tag-resource", resource_id="ou-abcd-12345678", tags="Key=a,Value=1")


def test_members_agree_to_all_features(server, guest):
    (account, theirs), organization = guest, Organization(server.account(), feature_set="CONSOLIDATED_BILLING")
    cli = organization.cli
    theirs("accept-handshake", handshake_id=organization.invited(account)["Id"])
    cli.refused("PolicyTypeNotAvailableForOrganizationException", None, "enable-policy-type", root_id=organization.root, policy_type=SCP)
    cli.refused("ConstraintViolationException", "ORGANIZATION_NOT_IN_ALL_FEATURES_MODE", "close-account", account_id=account.account)
    whole = cli("enable-all-features")["Handshake"]
    assert (whole["Action"], whole["State"]) == ("ENABLE_ALL_FEATURES", "REQUESTED")
    cli.refused("InvalidHandshakeTransitionException", None, "accept-handshake", handshake_id=whole["Id"])
    cli.refused(
        "HandshakeConstraintViolationException", "INVITE_DISABLED_DURING_ENABLE_ALL_FEATURES", "invite-account-to-organization",
        target="Type=EMAIL,Id=new@example.com")
    [part] = theirs("list-handshakes-for-account", filter=f"ParentHandshakeId={whole['Id']}")["Handshakes"]
    assert theirs("accept-handshake", handshake_id=part["Id"])["Handshake"]["State"] == "ACCEPTED"
    assert cli("accept-handshake", handshake_id=whole["Id"])["Handshake"]["State"] == "ACCEPTED"
    assert cli("describe-organization")["Organization"]["FeatureSet"] == "ALL"
    cli.refused("HandshakeConstraintViolationException", "ORGANIZATION_ALREADY_HAS_ALL_FEATURES", "enable-all-features")


MEMBER, UNIT, POLICY = {"account_id": "444455556666"}, {"organizational_unit_id": "ou-abcd-12345678"}, {"policy_id": "p-abcdefgh"}
PARENT, TARGET, TYPE = {"parent_id": "r-abcd"}, {"target_id": "r-abcd"}, {"root_id": "r-abcd", "policy_type": SCP}
NEW, ADMINISTRATOR = {"email": "new@example.com", "account_name": "New"}, {**MEMBER, "service_principal": RAM}
MANAGEMENT_ONLY = {
    "attach-policy": {**POLICY, **TARGET}, "close-account": MEMBER, "create-account": NEW, "create-gov-cloud-account": NEW,
    "create-organizational-unit": {**PARENT, "name": "new"}, "create-policy": {"type": SCP, "name": "new", "description": "", "content": NO_S3},
    "delete-organization": {}, "delete-organizational-unit": UNIT, "delete-policy": POLICY, "delete-resource-policy": {},
    "deregister-delegated-administrator": ADMINISTRATOR, "describe-account": MEMBER,
    "describe-create-account-status": {"create_account_request_id": "car-12345678"}, "describe-organizational-unit": UNIT,
    "describe-policy": POLICY, "describe-resource-policy": {}, "detach-policy": {**POLICY, **TARGET},
    "disable-aws-service-access": {"service_principal": RAM}, "disable-policy-type": TYPE, "enable-all-features": {},
    "enable-aws-service-access": {"service_principal": RAM}, "enable-policy-type": TYPE,
    "invite-account-to-organization": {"target": "Type=EMAIL,Id=new@example.com"}, "list-accounts": {}, "list-accounts-for-parent": PARENT,
    "list-accounts-with-invalid-effective-policy": {"policy_type": "TAG_POLICY"}, "list-aws-service-access-for-organization": {},
    "list-children": {**PARENT, "child_type": "ACCOUNT"}, "list-create-account-status": {}, "list-delegated-administrators": {},
    "list-delegated-services-for-account": MEMBER, "list-handshakes-for-organization": {},
    "list-organizational-units-for-parent": PARENT, "list-parents": {"child_id": "444455556666"}, "list-policies": {"filter": SCP},
    "list-policies-for-target": {**TARGET, "filter": SCP}, "list-roots": {}, "list-tags-for-resource": {"resource_id": "r-abcd"},
    "list-targets-for-policy": POLICY,
    "move-account": {**MEMBER, "source_parent_id": "r-abcd", "destination_parent_id": "ou-abcd-12345678"},
    "put-resource-policy": {"content": policy(allow("organizations:ListAccounts"))}, "register-delegated-administrator": ADMINISTRATOR,
    "remove-account-from-organization": MEMBER, "tag-resource": {"resource_id": "r-abcd", "tags": "Key=a,Value=1"},
    "untag-resource": {"resource_id": "r-abcd", "tag_keys": "a"}, "update-organizational-unit": {**UNIT, "name": "new"},
    "update-policy": {**POLICY, "name": "new"},
}


def test_bills_are_taken_over_and_given_back(organization, guest):
    cli, (account, theirs) = organization.cli, guest
    theirs("create-organization")
    asked = cli(
        "invite-organization-to-transfer-responsibility", type="BILLING", target=f"Type=ACCOUNT,Id={account.account}",
        start_timestamp=month(2).isoformat(), source_name="Subsidiary")["Handshake"]
    theirs("accept-handshake", handshake_id=asked["Id"])
    [inbound] = cli("list-inbound-responsibility-transfers", type="BILLING")["ResponsibilityTransfers"]
    [outbound] = theirs("list-outbound-responsibility-transfers", type="BILLING")["ResponsibilityTransfers"]
    this = {"id": inbound["Id"]}
    assert (outbound["Id"], inbound["Status"], outbound["Status"]) == (inbound["Id"], "ACCEPTED", "ACCEPTED")
    assert cli("update-responsibility-transfer", **this, name="Sold soon")["ResponsibilityTransfer"]["Name"] == "Sold soon"
    assert cli("describe-responsibility-transfer", **this)["ResponsibilityTransfer"]["Name"] == "Sold soon"
    assert theirs("terminate-responsibility-transfer", **this)["ResponsibilityTransfer"]["Status"] == "WITHDRAWN"
    unknown = {"id": "rt-" + "0" * 8}
    cli.refused("ResponsibilityTransferNotFoundException", None, "describe-responsibility-transfer", **unknown)


def test_administrator_of_a_member_does_nothing_of_the_management_account(organization):
    there = organization.inside(organization.opened())
    for command, options in MANAGEMENT_ONLY.items():
        there.refused("AccessDeniedException", None, command, **options)
    there.refused("AlreadyInOrganizationException", None, "create-organization")
    assert there("describe-organization")["Organization"]["Id"] == organization.id


def test_every_operation_was_driven():
    """The last one: it counts what those above have called."""
    assert DRIVEN == set(MODELS["organizations"].operation_names)
