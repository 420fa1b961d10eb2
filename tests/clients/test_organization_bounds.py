"""What binds whom when accounts move, join, leave and close, sessions are older than policies, and one session leads to the next."""

from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

import console_client
from rootward_testkit import RCP, SCP, Credentials, Principal, Server, allow, denial, deny, fails, fresh, policy, refused
from rootward_testkit import Organization as Managed
from test_aws_login import Client

TASK = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"
OF_ROOTS = {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:root"}}


class Organization(Managed):
    """One managed by an account of its own."""

    def member(self, account):
        """Takes an account in."""
        handshake = self.client.invite_account_to_organization(Target={"Id": account.account, "Type": "ACCOUNT"})["Handshake"]
        account.client("organizations").accept_handshake(HandshakeId=handshake["Id"])
        return account

    def unit(self):
        return self.client.create_organizational_unit(ParentId=self.root, Name=fresh("unit"))["OrganizationalUnit"]["Id"]

    def move(self, account, source, destination):
        self.client.move_account(AccountId=account.account, SourceParentId=source, DestinationParentId=destination)

    def attach(self, kind, target, *statements):
        """Attaches a policy of these statements; its ARN."""
        made = self.client.create_policy(Type=kind, Name=fresh("policy"), Description="", Content=policy(*statements))
        summary = made["Policy"]["PolicySummary"]
        self.client.attach_policy(PolicyId=summary["Id"], TargetId=target)
        return summary["Arn"]

    def detach(self, arn, target):
        self.client.detach_policy(PolicyId=arn.rsplit("/", 1)[1], TargetId=target)

    def centralize(self):
        self.client.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
        self.account.iam.enable_organizations_root_credentials_management()
        self.account.iam.enable_organizations_root_sessions()


@pytest.fixture
def organization(server):
    return Organization(server.account())


@pytest.fixture
def member(server, organization):
    return organization.member(server.account())


def by(arn, kind="service"):
    return f" with an explicit deny in a {kind} control policy: {arn}"


def for_anyone(action, **condition):
    return {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*", **({"Condition": condition} if condition else {})}


def assumed_root(who, member):
    given = who.sts.assume_root(TargetPrincipal=member.account, TaskPolicyArn={"arn": TASK})["Credentials"]
    return Principal(who.server, Credentials.of(given), member.root_arn)


def session_of(user):
    return Principal(user.server, Credentials.of(user.sts.get_session_token()["Credentials"]), user.arn)


def federated(maker, *statements):
    given = maker.sts.get_federation_token(Name="ann", Policy=policy(*statements))
    return Principal(maker.server, Credentials.of(given["Credentials"]), given["FederatedUser"]["Arn"])


def test_sessions_older_than_the_policy_are_bound_by_it_and_freed_again(organization, member):
    user = member.user(allow("*"))
    root = member.root()
    sessions = [
        user, root, member.assume(member.role(member.root_arn, allow("*"))), session_of(user), session_of(root),
        federated(user, allow("*")), federated(root, allow("*")),
    ]

    def describe(who):
        return who.client("organizations").describe_organization()

    for who in sessions:
        describe(who)
    arn = organization.attach(SCP, organization.root, deny("organizations:DescribeOrganization"))
    for who in sessions:
        with refused("AccessDeniedException", denial(who.arn, "organizations:DescribeOrganization", "*", by(arn))):
            describe(who)
    organization.detach(arn, organization.root)
    for who in sessions:
        describe(who)


@pytest.mark.parametrize("statement", [
    deny("*"), deny("iam:*"), deny("iam:List*"), deny("IAM:listUsers"), deny("*:ListUsers"), deny("iam:L?st*s"),
    {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}, {"Effect": "Deny", "NotAction": ["iam:Get*", "*:Create*"], "Resource": "*"},
    {"Effect": "Deny", "Action": "iam:*", "NotResource": "arn:aws:s3:::*"},
], ids=str)
def test_policy_binds_however_it_names_the_action(organization, member, statement):
    user = member.user(allow("*"))
    arn = organization.attach(SCP, organization.root, statement)
    with refused("AccessDenied", denial(user.arn, "iam:ListUsers", member.arn_of("user/"), by(arn))):
        user.iam.list_users()


@pytest.mark.parametrize("statement, allowed", [
    (allow("iam:*"), True), (allow("*:List*"), True), (allow("iam:*st?sers"), True), (allow("s3:*"), False),
    (allow("*:Get*"), False), ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, True),
    ({"Effect": "Allow", "NotAction": "iam:List*", "Resource": "*"}, False), (allow("*", "arn:aws:s3:::*"), False),
    (allow("*", StringEquals={"aws:RequestedRegion": "eu-central-1"}), False), (deny("s3:*"), False),
], ids=str)
def test_level_allows_however_it_names_the_action(organization, member, statement, allowed):
    user = member.user(allow("*"))
    organization.attach(SCP, member.account, statement)
    organization.client.detach_policy(PolicyId="p-FullAWSAccess", TargetId=member.account)
    if allowed:
        user.iam.list_users()
        return
    reason = " because no service control policy allows the iam:ListUsers action"
    with refused("AccessDenied", denial(user.arn, "iam:ListUsers", member.arn_of("user/"), reason)):
        user.iam.list_users()


def test_statements_of_one_policy_are_about_different_services(organization, member):
    user = member.user(allow("*"))
    organization.attach(SCP, member.account, allow("s3:*"), allow("iam:List*"), deny("ec2:*"), deny("iam:ListRoles"))
    organization.client.detach_policy(PolicyId="p-FullAWSAccess", TargetId=member.account)
    user.iam.list_users()
    for refused_one in (user.iam.list_roles, user.iam.get_user):
        with fails("AccessDenied"):
            refused_one()


def test_operator_is_told_of_nobody_who_is_bound(server, organization, member):
    user = member.user(allow("iam:ListUsers"))
    asked = ("who-can", "iam:ListUsers", "--account", member.account)
    listed = [line.split("\t")[0] for line in server.host(*asked).splitlines()]
    assert {user.arn, member.root_arn, member.arn} <= set(listed)
    organization.attach(SCP, organization.root, deny("iam:ListUsers", StringNotEquals={"aws:PrincipalArn": member.arn}))
    assert [line.split("\t")[0] for line in server.host(*asked).splitlines()] == [member.arn]


def test_operator_is_told_where_in_the_organization_a_policy_is_attached(server, organization, member):
    user, unit = member.user(allow("iam:ListUsers")), organization.unit()
    organization.move(member, organization.root, unit)
    organization.attach(SCP, unit, deny("iam:ListUsers"))
    name = organization.client.describe_organizational_unit(OrganizationalUnitId=unit)["OrganizationalUnit"]["Name"]
    told = server.host("can", user.arn, "iam:ListUsers", code=1)
    account = organization.client.describe_account(AccountId=member.account)["Account"]["Name"]
    for place in (f"the root ({organization.root})", f"unit {name} ({unit})", f"account {account} ({member.account})"):
        assert f"\nservice control policy at {place}: " in told
    assert f"  in a service control policy at unit {name} ({unit}), remove statement 1 " in told
    assert " at level " not in told


def test_operator_is_told_that_a_root_user_is_denied_what_only_assumed_ones_are_spared(server, organization, member):
    asked = ("who-can", "iam:ListUsers", "--account", member.account)
    organization.attach(SCP, member.account, deny("*", **OF_ROOTS, Null={"aws:AssumedRoot": "true"}))
    assert [line.split("\t")[:2] for line in server.host(*asked).splitlines()] == [[member.arn, "allowed"]]
    told = server.host("can", "root", "iam:ListUsers", "--account", member.account, code=1)
    assert "keys that only a request settles" not in told and "other values of these keys" not in told


def test_new_content_of_a_policy_binds_with_the_next_request(organization, member):
    user = member.user(allow("iam:*"))
    arn = organization.attach(SCP, organization.root, deny("s3:*"))
    for _ in range(2):
        user.iam.list_users()
        organization.client.update_policy(PolicyId=arn.rsplit("/", 1)[1], Content=policy(deny("iam:ListUsers")))
        with refused("AccessDenied", denial(user.arn, "iam:ListUsers", member.arn_of("user/"), by(arn))):
            user.iam.list_users()
        organization.client.update_policy(PolicyId=arn.rsplit("/", 1)[1], Content=policy(deny("s3:*")))


def test_account_is_bound_where_it_is_from_the_move_on(organization, member):
    user, unit = member.user(allow("iam:*")), organization.unit()
    arn = organization.attach(SCP, unit, deny("iam:ListUsers"))
    asked = {"PolicySourceArn": user.arn, "ActionNames": ["iam:ListUsers"]}

    def foretold():
        [result] = user.iam.simulate_principal_policy(**asked)["EvaluationResults"]
        return result["EvalDecision"]

    for _ in range(2):
        user.iam.list_users()
        assert foretold() == "allowed"
        organization.move(member, organization.root, unit)
        with refused("AccessDenied", denial(user.arn, "iam:ListUsers", member.arn_of("user/"), by(arn))):
            user.iam.list_users()
        assert foretold() == "explicitDeny"
        organization.move(member, unit, organization.root)


def test_role_that_trusts_a_unit_follows_who_is_moved(server, organization, member):
    inner, unit = server.account(), organization.unit()
    organization.member(inner)
    conditions = {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": f"{organization.id}/{organization.root}/{unit}/*"}}
    role = inner.role({"AWS": "*"}, conditions=conditions)
    user = member.user(allow("sts:AssumeRole"))
    with fails("AccessDenied"):
        user.assume(role)
    organization.move(member, organization.root, unit)
    user.assume(role)
    organization.client.remove_account_from_organization(AccountId=member.account)
    with fails("AccessDenied"):
        user.assume(role)


def test_invited_account_is_bound_from_acceptance_until_it_leaves(server, organization):
    account = server.account()
    user = account.user(allow("iam:*"))
    organization.attach(SCP, organization.root, deny("iam:ListUsers"))
    handshake = organization.client.invite_account_to_organization(Target={"Id": account.account, "Type": "ACCOUNT"})["Handshake"]
    user.iam.list_users()
    account.client("organizations").accept_handshake(HandshakeId=handshake["Id"])
    with fails("AccessDenied"):
        user.iam.list_users()
    account.client("organizations").leave_organization()
    user.iam.list_users()


def test_type_of_resource_control_policies_binds_while_it_is_in_force(organization, member):
    role, user = member.role(member.root_arn), member.user(allow("sts:AssumeRole"))
    arn = organization.attach(RCP, member.account, for_anyone("sts:AssumeRole"))
    with refused("AccessDenied", denial(user.arn, "sts:AssumeRole", role["Arn"], by(arn, "resource"))):
        user.assume(role)
    organization.client.disable_policy_type(RootId=organization.root, PolicyType=RCP)
    user.assume(role)
    organization.client.enable_policy_type(RootId=organization.root, PolicyType=RCP)
    user.assume(role)


def test_each_link_of_a_chain_is_bound_by_its_own_account(server, organization, member):
    outsider, last = server.account(), organization.member(server.account())
    user = outsider.user(allow("sts:AssumeRole"))
    middle = member.role(outsider.root_arn, allow("sts:AssumeRole"))
    end = last.role(member.root_arn)
    inside = {"StringNotEqualsIfExists": {"aws:PrincipalOrgID": organization.id}}
    # Of the organization is whoever is a principal of its accounts: the session of its role is, whoever has it.
    organization.attach(RCP, last.account, for_anyone("sts:AssumeRole", **inside))
    link = user.assume(middle)
    link.assume(end)
    direct = last.role(outsider.root_arn)
    with refused("AccessDenied", denial(user.arn, "sts:AssumeRole", direct["Arn"], "")):
        user.assume(direct)
    arn = organization.attach(SCP, member.account, deny("sts:AssumeRole"))
    with refused("AccessDenied", denial(link.arn, "sts:AssumeRole", end["Arn"], by(arn))):
        link.assume(end)
    # What binds the members does not bind who comes from outside.
    user.assume(middle)
    organization.attach(RCP, member.account, for_anyone("sts:*", **inside))
    with fails("AccessDenied"):
        user.assume(middle)


def test_tags_and_source_identity_of_a_session_are_bound_too(organization, member):
    role = member.role(member.root_arn, actions=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])
    user = member.user(allow("sts:*"))
    given = {"sts:TagSession": {"Tags": [{"Key": "k", "Value": "v"}]}, "sts:SetSourceIdentity": {"SourceIdentity": "ann"}}
    for kind, statement, layer in ((SCP, deny, "service"), (RCP, for_anyone, "resource")):
        for action, arguments in given.items():
            user.assume(role, **arguments)
            arn = organization.attach(kind, member.account, statement(action))
            with refused("AccessDenied", denial(user.arn, action, role["Arn"], by(arn, layer))):
                user.assume(role, **arguments)
            user.assume(role)
            organization.detach(arn, member.account)


def test_who_administers_root_access_is_bound_as_a_member(organization, server, member):
    organization.centralize()
    delegate = organization.member(server.account())
    user = delegate.user(allow("sts:AssumeRoot"))
    with fails("AccessDenied"):
        assumed_root(user, member)
    organization.client.register_delegated_administrator(AccountId=delegate.account, ServicePrincipal="iam.amazonaws.com")
    assumed_root(user, member).iam.get_account_summary()
    arn = organization.attach(SCP, delegate.account, deny("sts:AssumeRoot"))
    with refused("AccessDenied", denial(user.arn, "sts:AssumeRoot", member.root_arn, by(arn))):
        assumed_root(user, member)
    # The management account is bound by none of its organization, but by what binds the member's own resources.
    assumed_root(organization.account, member)
    arn = organization.attach(RCP, member.account, for_anyone("sts:AssumeRoot"))
    with refused("AccessDenied", denial(organization.account.arn, "sts:AssumeRoot", member.root_arn, by(arn, "resource"))):
        assumed_root(organization.account, member)


def test_privileged_session_is_bound_where_the_member_is_and_ends_with_membership(organization, member):
    organization.centralize()
    root = assumed_root(organization.account, member)
    root.iam.get_account_summary()
    arn = organization.attach(SCP, member.account, deny("*", **OF_ROOTS))
    with refused("AccessDenied", denial(member.root_arn, "iam:GetAccountSummary", "*", by(arn))):
        root.iam.get_account_summary()
    organization.detach(arn, member.account)
    organization.attach(SCP, member.account, deny("*", **OF_ROOTS, Null={"aws:AssumedRoot": "true"}))
    root.iam.get_account_summary()
    member.client("organizations").leave_organization()
    with pytest.raises(ClientError):
        root.iam.get_account_summary()


def test_root_user_of_a_closed_member_is_not_assumed(organization, member):
    organization.centralize()
    root = assumed_root(organization.account, member)
    organization.client.close_account(AccountId=member.account)
    with fails("OptInRequired"):
        root.iam.get_account_summary()
    with fails("AccessDenied"):
        assumed_root(organization.account, member)


def test_role_of_a_closed_member_is_not_assumed(organization, member):
    role = member.role(organization.account.root_arn)
    organization.account.assume(role)
    organization.client.close_account(AccountId=member.account)
    with fails("AccessDenied"):
        organization.account.assume(role)


def test_member_that_may_not_leave_stays(organization, member):
    root = member.root()
    arn = organization.attach(SCP, organization.root, deny("organizations:LeaveOrganization"))
    for who in (member, root):
        with refused("AccessDeniedException", denial(who.arn, "organizations:LeaveOrganization", "*", by(arn))):
            who.client("organizations").leave_organization()


def test_resource_policy_of_the_organization_lifts_no_service_control_policy(organization, member):
    client = member.client("organizations")
    organization.client.put_resource_policy(Content=policy({
        "Effect": "Allow", "Principal": {"AWS": member.account}, "Action": "organizations:ListAccounts", "Resource": "*"}))
    client.list_accounts()
    arn = organization.attach(SCP, organization.root, deny("organizations:ListAccounts"))
    with refused("AccessDeniedException", denial(member.arn, "organizations:ListAccounts", "*", by(arn))):
        client.list_accounts()


def test_console_is_bound_as_requests_are(server, organization, member):
    role = member.role(member.root_arn)
    console_client.person(member, "carl", allow("*"))
    http = console_client.session(server, member, "carl")

    def switch():
        mark = console_client.mark(http.get("/console/switch-role").text)
        return http.post(
            "/console/switch-role", data={"account": member.account, "role": role["RoleName"], "display": "", "mark": mark})

    assert "/console/users/carl" in http.get("/console/users").text
    arn = organization.attach(SCP, organization.root, deny(["iam:ListUsers", "sts:AssumeRole"]))
    shown = http.get("/console/users").text
    assert f"iam:ListUsers on resource: {member.arn_of('user/')}{by(arn)}" in shown and "/console/users/carl" not in shown
    assert f"sts:AssumeRole on resource: {role['Arn']}{by(arn)}" in switch().text
    organization.detach(arn, organization.root)
    assert switch().status_code == 303


def test_root_user_of_a_member_does_no_more_at_the_console_than_it_may(server, organization, member):
    http = console_client.root_session(server, member)
    assert "service control policy" not in http.get("/console/users").text
    arn = organization.attach(SCP, organization.root, deny("*", **OF_ROOTS))
    assert f"iam:ListUsers on resource: {member.arn_of('user/')}{by(arn)}" in http.get("/console/users").text


def test_command_line_that_was_let_in_gets_no_further_than_the_organization_lets_it(server, organization, member):
    console_client.person(member, "dora", allow("*"))
    http = console_client.session(server, member, "dora")
    command_line = Client(SimpleNamespace(server=server, http=http))
    token = command_line.redeem(command_line.code()).json()["refreshToken"]
    token = command_line.refresh(token).json()["refreshToken"]
    for kind, statement in ((SCP, deny), (RCP, for_anyone)):
        arn = organization.attach(kind, member.account, statement("signin:CreateOAuth2Token"))
        answer = command_line.refresh(token)
        assert answer.status_code != 200 and arn in answer.text, answer.text
        organization.detach(arn, member.account)
        token = command_line.refresh(token).json()["refreshToken"]
        arn = organization.attach(kind, member.account, statement("signin:AuthorizeOAuth2Access"))
        with pytest.raises(AssertionError, match=arn):  # what the page says instead
            Client(SimpleNamespace(server=server, http=http)).code()
        organization.detach(arn, member.account)


def test_what_binds_is_there_again_when_the_server_is(tmp_path):
    server = Server(tmp_path).start()
    organization = Organization(server.account())
    member, unit = organization.member(server.account()), organization.unit()
    user, role = member.user(allow("*")), member.role(member.root_arn)
    organization.move(member, organization.root, unit)
    of_callers = organization.attach(SCP, unit, deny("iam:ListUsers"))
    of_resources = organization.attach(RCP, member.account, for_anyone("sts:AssumeRole"))
    for _ in range(2):
        with refused("AccessDenied", denial(user.arn, "iam:ListUsers", member.arn_of("user/"), by(of_callers))):
            user.iam.list_users()
        with refused("AccessDenied", denial(user.arn, "sts:AssumeRole", role["Arn"], by(of_resources, "resource"))):
            user.assume(role)
        user.iam.list_groups()
        server.stop()
        server.start()
    server.check_trail()
    server.stop()
