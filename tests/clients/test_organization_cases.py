"""Every conformance case about organizations and root users, asked of a server.

A case is built as it stands: accounts, an organization with units, policies attached level by level, principals and their sessions. The
ids in its text are those of the server's. Then it is asked in each way that can be asked it:

- `can`: `rootward can`, of the running node;
- `simulate`: `SimulatePrincipalPolicy`, which knows service control policies;
- `request`: a signed request. Cases about services that are not here are put in terms of one that is (`REQUESTS`).
"""

import json
import re
from collections import Counter

import pytest

from botocore.exceptions import ClientError

from rootward_testkit import RCP, ROOT, SCP, Credentials, Principal, Server, allow, denial, deny, fresh, policy, refused
from rootward_testkit import Organization as Managed

FILES = ("policy-cases", "twin-cases", "denials", "organization-cases")
OURS, THEIRS = "111111111111", "222222222222"
ORGANIZATION_ID = re.compile(r"(?<![\w-])o-[a-z]+(?![\w-])")
FULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
AUDIT = "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"

# Cases that cannot be put to a server, with the reason.
ANONYMOUS = "no operation that policies decide takes requests without a signature"
SERVICE = "no service calls a server with an identity of its own"
SAML = "the server has no AssumeRoleWithSAML"
BUCKET = "a root user asks for what a bucket's policy denies, and the server keeps no buckets"
OUT_OF_REACH = {
    "R43": ANONYMOUS, "P04": ANONYMOUS, "P05": ANONYMOUS, "X12": SERVICE, "S16": SERVICE, "Q03": SAML, "Q04": SAML, "G04": BUCKET, "G05": BUCKET,
    "G10": "the policy of a task is AWS's and denies; organization case O20 is the same situation as it is",
}
# Cases that are put in another way, each by a test of its own below.
APART = {"G07", "P03", "S09", "S14"}


def writable(case):
    """A resource control policy names services, so `*` is put as the two that the cases ask about."""
    for each in (each for level in case["rcps"] or () for document in level for each in document["Statement"]):
        if each["Action"] == "*":
            each["Action"] = ["s3:*", "sts:*"]
    return case


def read():
    found = {}
    for file in FILES:
        for case in json.loads((ROOT / "tests" / "conformance" / "cases" / f"{file}.json").read_text()):
            text = json.dumps(case)
            if (case["scps"] is not None or case["rcps"] is not None or "root" in case["principal"]["type"] or "must_be_ignored" in text
                    or re.search("Org(ID|Paths)", text) or case["request"]["principal_in_management_account"]):
                found[case["id"]] = writable(case)
    return found


CASES = read()
PUT = {name: case for name, case in CASES.items() if name not in OUT_OF_REACH and name not in APART}

# What denies where it is not a service control policy.
LAYERS = {
    **dict.fromkeys(("X11", "P02", "T15", "O39", "O40", "O42", "O43", "O44"), "resource control policy"),
    **dict.fromkeys(("S04", "O35"), "identity-based policy"),
    **dict.fromkeys(("S15", "O20"), "session policy"),
    **dict.fromkeys(("O24", "O25", "O28", "O29", "O30"), "role trust policy"),
    "G06": "resource-based policy", "O11": "permissions boundary",
}
# The account's own policies let nobody ask the simulator.
BARRED = {"S02", "S05", "S06", "S07", "S12", "S13"}

IAM_WORDS = {
    "s3:GetObject": "iam:GetUser", "s3:*": "iam:*", "arn:aws:s3:::b1/k.txt": f"arn:aws:iam::{OURS}:user/target",
    "arn:aws:s3:::b1/*": f"arn:aws:iam::{OURS}:user/*", "ec2:RunInstances": "iam:GetUser",
    f"arn:aws:ec2:us-east-1:{OURS}:instance/*": f"arn:aws:iam::{OURS}:user/target", "sqs:SendMessage": "organizations:DescribeOrganization",
    "sqs:*": "organizations:*", f"arn:aws:sqs:us-east-1:{OURS}:q1": "*",
}
STS_WORDS = {
    "s3:GetObject": "sts:AssumeRole", "s3:*": "sts:*", "arn:aws:s3:::b1/k.txt": f"arn:aws:iam::{OURS}:role/target",
    "arn:aws:s3:::b2/k.txt": f"arn:aws:iam::{THEIRS}:role/target",
}
REQUESTS = {
    "iam:GetUser": lambda who, resource: who.iam.get_user(UserName=resource.rsplit("/", 1)[1]),
    "iam:ListAccessKeys": lambda who, _: who.iam.list_access_keys(),
    "iam:ListUsers": lambda who, _: who.iam.list_users(),
    "organizations:DescribeOrganization": lambda who, _: who.client("organizations").describe_organization(),
    "sts:AssumeRole": lambda who, resource: who.sts.assume_role(RoleArn=resource, RoleSessionName="s2"),
}


def ways(case):
    """In which ways a case can be asked."""
    kind, request = case["principal"]["type"], case["request"]
    foreign_policy = case["resource_policy"] is not None and request["action"] != "sts:AssumeRole"
    is_user = kind in ("user", "role_session") and case["session_policies"] is None
    found = set()
    if (is_user or kind == "root") and not foreign_policy:
        found.add("can")
    if is_user and case["rcps"] is None and case["id"] not in BARRED and LAYERS.get(case["id"]) != "role trust policy":
        found.add("simulate")
    # Of another account's without a policy of its own, and without a resource, nothing is served; P01 has a test of its own.
    if case["id"] not in ("G06", "P01", "Q01"):
        found.add("request")
    return found


def worded(case, words):
    """The case with other names for what it asks."""
    text = json.dumps(case)
    for old, new in words.items():
        text = text.replace(json.dumps(old), json.dumps(new))
    return json.loads(text)


def for_request(case):
    if case["request"]["action"] in REQUESTS:
        return case
    shares = case["resource_policy"] is not None or "rcps_must_be_ignored" in json.dumps(list(case))
    case = worded(case, STS_WORDS if shares or case["rcps"] is not None else IAM_WORDS)
    if case["resource_policy"]:
        for each in case["resource_policy"]["Statement"]:
            each.pop("Resource")
    return case


class Organization(Managed):
    """One in which cases are put."""

    def __init__(self, account):
        super().__init__(account)
        self.arns = {}  # of policies, by their text

    def place(self, account, depth):
        """Takes the account in, so many units below the root; the nodes from the root down to the account."""
        nodes = [self.root]
        for _ in range(depth):
            made = self.client.create_organizational_unit(ParentId=nodes[-1], Name=fresh("unit"))
            nodes.append(made["OrganizationalUnit"]["Id"])
        if account is not self.account:
            handshake = self.client.invite_account_to_organization(Target={"Id": account.account, "Type": "ACCOUNT"})["Handshake"]
            account.client("organizations").accept_handshake(HandshakeId=handshake["Id"])
        if depth:
            self.client.move_account(AccountId=account.account, SourceParentId=self.root, DestinationParentId=nodes[-1])
        return [*nodes, account.account]

    def attach(self, kind, levels, nodes):
        """Attaches a policy of AWS to each node where it is in the level, and every other one."""
        for level, node in zip(levels, nodes, strict=True):
            for document in level:
                if document != FULL:
                    self.client.attach_policy(PolicyId=self.made(kind, document), TargetId=node)
            if kind == SCP and FULL not in level:
                self.client.detach_policy(PolicyId="p-FullAWSAccess", TargetId=node)

    def made(self, kind, document):
        text = json.dumps(document)
        if text not in self.arns:
            summary = self.client.create_policy(Type=kind, Name=fresh("policy"), Description="", Content=text)["Policy"]["PolicySummary"]
            self.arns[text] = summary["Arn"]
        return self.arns[text].rsplit("/", 1)[1]


def leveled(levels, depth):
    """The levels of a case for so many nodes: what has one level only has it at the account."""
    return [[FULL]] * (depth - 1) + levels if len(levels) == 1 else levels


class Stage:
    """The situation of a case on a server."""

    def __init__(self, server, case):
        self.server = server
        request = case["request"]
        ours = server.account()
        theirs = ours if request["resource_account"] in (None, OURS) else server.account()
        self.accounts = {OURS: ours, THEIRS: theirs}
        scps, rcps = case["scps"], case["rcps"]
        others_rcps, others_scps = (case.get(f"{whose}_must_be_ignored") for whose in ("principal_account_rcps", "resource_account_scps"))
        ids = [request["context"].get(f"aws:{side}OrgID") for side in ("Principal", "Resource")]
        management = request["principal_in_management_account"]
        bounds = {ours.account: (scps, others_rcps), theirs.account: (others_scps, rcps)}
        if ours is theirs:
            bounds = {ours.account: (scps, rcps)}
        is_in = scps or others_rcps or ids[0] or management or case["principal"]["type"] == "assumed_root"
        are_in = rcps or others_scps or ids[1]
        # Whether both sides are of one account or organization: only then is a denial explained.
        self.together = ours is theirs or None not in ids and ids[0] == ids[1]
        first = Organization(ours if management else server.account()) if is_in or are_in and ours is theirs else None
        second = first if self.together else Organization(server.account()) if are_in else None
        self.organizations = [first, second]
        self.nodes = {}
        for account, organization in {ours.account: (ours, first), theirs.account: (theirs, second)}.values():
            if organization:
                depth = max([2, *(len(levels) for levels in bounds[account.account] if levels)])
                self.nodes[account.account] = organization, organization.place(account, depth - 2)
        self.case = json.loads(self.of_here(json.dumps(case), ids))
        self.make_principal(self.case)
        for account, (organization, nodes) in self.nodes.items():
            for kind, levels in zip((SCP, RCP), bounds[account], strict=True):
                if levels:
                    levels = json.loads(self.of_here(json.dumps(levels), ids))
                    organization.attach(kind, leveled(levels, len(nodes)), nodes)

    def of_here(self, text, ids):
        """A text of the case with the ids of this server."""
        def organization(found):
            which = 0 if found.group() == ids[0] else 1
            known = self.organizations[which]
            return known.id if known else found.group()

        for said, account in self.accounts.items():
            text = text.replace(said, account.account)
        text = ORGANIZATION_ID.sub(organization, text)
        if "r-ab12" in text:
            of, nodes = self.nodes[self.accounts[OURS].account] if self.accounts[OURS].account in self.nodes else (self.organizations[1], [])
            text = text.replace("r-ab12", of.root)
            text = text.replace("ou-ab12-11111111", nodes[1] if len(nodes) > 2 else f"ou-{of.root[2:]}-11111111")
        return text

    def make_principal(self, case):
        ours, theirs = self.accounts.values()
        kind, request, resources = case["principal"]["type"], case["request"], case["resource_policy"]
        if kind in ("user", "federated_user"):
            name = case["principal"]["user_arn" if kind == "federated_user" else "arn"].rsplit("/", 1)[1]
            tags = [{"Key": key.split("/")[1], "Value": value} for key, value in request["context"].items() if key.startswith("aws:PrincipalTag/")]
            self.caller = ours.user(name=name, Tags=tags)
            self.grant(ours.iam.put_user_policy, ours.iam.put_user_permissions_boundary, UserName=name)
        if kind == "federated_user":
            given = self.caller.sts.get_federation_token(Name="ann", Policy=json.dumps(case["session_policies"][0]))
            self.caller = Principal(self.server, Credentials.of(given["Credentials"]), given["FederatedUser"]["Arn"])
        if kind == "role_session":
            name = case["principal"]["role_arn"].rsplit("/", 1)[1]
            role = ours.role(ours.root_arn, name=name)
            self.grant(ours.iam.put_role_policy, ours.iam.put_role_permissions_boundary, RoleName=name)
            session = {"Policy": json.dumps(case["session_policies"][0])} if case["session_policies"] else {}
            self.caller = ours.assume(role, session="s1", **session)
        if kind == "root":
            self.caller = ours.root()
        if kind == "assumed_root":
            manager = self.organizations[0].account
            self.organizations[0].client.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
            manager.iam.enable_organizations_root_credentials_management()
            manager.iam.enable_organizations_root_sessions()
            given = manager.sts.assume_root(TargetPrincipal=ours.account, TaskPolicyArn={"arn": AUDIT})
            self.caller = Principal(self.server, Credentials.of(given["Credentials"]), ours.root_arn)
        if request["resource"].endswith("user/target"):
            ours.iam.create_user(UserName="target")
        if request["action"] == "sts:AssumeRole":
            document = resources or {"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": ours.account}, "Action": "sts:AssumeRole"}]}
            theirs.iam.create_role(RoleName="target", AssumeRolePolicyDocument=json.dumps(document))

    def grant(self, put, bound, **whom):
        for number, document in enumerate(self.case["identity_policies"]):
            put(**whom, PolicyName=f"policy-{number}", PolicyDocument=json.dumps(document))
        if boundary := self.case["boundary"]:
            fence = self.accounts[OURS].iam.create_policy(PolicyName=fresh("fence"), PolicyDocument=json.dumps(boundary))["Policy"]
            bound(**whom, PermissionsBoundary=fence["Arn"])

    def reason(self):
        """How the denial that the case expects reads from its reason on."""
        action, layer = self.case["request"]["action"], LAYERS.get(self.case["id"], "service control policy")
        if not self.together or layer == "role trust policy":
            return ""
        if self.case["expected"] == "implicitDeny":
            return f" because no {layer} allows the {action} action"
        if layer == "session policy":
            return f" with an explicit deny in a {layer}: {AUDIT}"
        return f" with an explicit deny in a {layer}: {self.denying(layer)}"

    def denying(self, layer):
        """The ARN of the one policy of this type that denies."""
        found = {
            arn for organization in self.organizations if organization for text, arn in organization.arns.items()
            if f"/{layer.replace(' ', '_')}/" in arn and '"Effect": "Deny"' in text
        }
        [arn] = found
        return arn


@pytest.fixture(scope="module")
def stages(server):
    return lambda case: Stage(server, case)


def named(way):
    return [name for name, case in PUT.items() if way in ways(case)]


def context(stage, names=()):
    """The keys of the case that neither the principal nor the place of the accounts gives."""
    given = stage.case["request"]["context"].items()
    return {key: value for key, value in given if key.startswith(("aws:RequestedRegion", "aws:SecureTransport", *names))}


def test_every_case_is_put_or_has_a_reason_why_not():
    assert len(CASES) == 91 and len(PUT) == 91 - len(OUT_OF_REACH) - len(APART)
    assert all(ways(case) for case in PUT.values())
    assert {*OUT_OF_REACH, *APART, *LAYERS, *BARRED} <= set(CASES)
    assert Counter(way for case in PUT.values() for way in ways(case)) == {"can": 65, "request": 74, "simulate": 33}


@pytest.mark.parametrize("name", named("can"))
def test_operator_is_told_what_the_case_says(server, stages, name):
    case = PUT[name]
    if name == "G06":
        case = worded(case, {"s3:GetObject": "sqs:SendMessage", "arn:aws:s3:::b2/k.txt": f"arn:aws:sqs:us-east-1:{THEIRS}:q"})
    stage = stages(case)
    request, principal = stage.case["request"], stage.case["principal"]
    given = [f"{key}={value}" for key, value in context(stage).items()]
    told = json.loads(server.host(
        "can", principal.get("role_arn", principal["arn"]), request["action"], request["resource"], "--format", "json",
        *(["--context", *given] if given else []), code=0 if case["expected"] == "allowed" else 1))
    assert told["decision"] == case["expected"], told
    if case["expected"] != "allowed":
        layer = LAYERS.get(name, "service control policy")
        assert told["layer"] == layer, told
        if case["expected"] == "explicitDeny":
            assert told["statement"]["source"] == stage.denying(layer)


@pytest.mark.parametrize("name", named("simulate"))
def test_simulation_says_what_the_case_says(stages, name):
    case = PUT[name]
    stage = stages(case)
    ours, theirs = stage.accounts.values()
    request, principal = stage.case["request"], stage.case["principal"]
    shared = request["action"] != "sts:AssumeRole" and stage.case["resource_policy"]
    others = {"ResourcePolicy": json.dumps(shared), "ResourceOwner": theirs.root_arn, "CallerArn": principal["arn"]} if shared else {}
    keys = [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for key, value in context(stage, names=("aws:PrincipalOrgID", "aws:ResourceOrgID")).items()
    ]
    [result] = ours.iam.simulate_principal_policy(
        PolicySourceArn=principal.get("role_arn", principal["arn"]), ActionNames=[request["action"]], ResourceArns=[request["resource"]],
        ContextEntries=keys, **others)["EvaluationResults"]
    assert result["EvalDecision"] == case["expected"], result
    if ours.account in stage.nodes and not request["principal_in_management_account"]:
        by_scps = case["expected"] == "allowed" or LAYERS.get(name, "service control policy") != "service control policy"
        assert result["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": by_scps}
    else:
        assert "OrganizationsDecisionDetail" not in result


@pytest.mark.parametrize("name", sorted(BARRED))
def test_simulation_is_barred_where_nothing_but_some_services_is_allowed(stages, name):
    stage = stages(PUT[name])
    ours, source = stage.accounts[OURS], stage.case["principal"]["arn"]
    with refused("AccessDenied", denial(
            ours.arn, "iam:SimulatePrincipalPolicy", source, " because no service control policy allows the iam:SimulatePrincipalPolicy action")):
        ours.iam.simulate_principal_policy(PolicySourceArn=source, ActionNames=["s3:GetObject"])


@pytest.mark.parametrize("name", named("request"))
def test_request_is_answered_as_the_case_says(stages, name):
    stage = stages(for_request(PUT[name]))
    request, caller = stage.case["request"], stage.caller
    send = REQUESTS[request["action"]]
    if stage.case["expected"] == "allowed":
        send(caller, request["resource"])
        return
    shown = request["resource"].replace(f"{stage.accounts[OURS].arn_of('user/target')}", "user target")
    reason = stage.reason()
    code = "AccessDeniedException" if request["action"].startswith("organizations:") else "AccessDenied"
    with refused(code, denial(caller.arn, request["action"], shown, reason)):
        send(caller, request["resource"])


def test_request_over_tls_is_no_plain_one(tmp_path):
    """P01: a proxy on this machine says that it was asked over TLS."""
    server = Server(tmp_path, "--trusted-proxy", "127.0.0.1/32").start()
    stage = Stage(server, for_request(PUT["P01"]))
    sts = stage.caller.sts
    with refused("AccessDenied"):
        REQUESTS["sts:AssumeRole"](stage.caller, stage.case["request"]["resource"])
    sts.meta.events.register("before-send.sts", lambda request, **_: request.headers.update({"X-Forwarded-Proto": "https"}))
    REQUESTS["sts:AssumeRole"](stage.caller, stage.case["request"]["resource"])
    server.check_trail()
    server.stop()


def test_service_linked_role_is_bound_by_nothing_of_the_organization(server):
    """S09 and P03, by the one such role that there is: no service wears it here, so the operator is asked."""
    ours = server.account()
    organization = Organization(server.account())
    nodes = organization.place(ours, 0)
    linked = ours.arn_of("role/aws-service-role/organizations.amazonaws.com/AWSServiceRoleForOrganizations")
    own = ours.role(ours.root_arn, allow("*"))["Arn"]
    may = "iam:CreateServiceLinkedRole", linked

    def told(who, action, resource, code):
        return json.loads(server.host("can", who, action, resource, "--format", "json", code=code))

    organization.attach(SCP, [[FULL], [FULL, json.loads(policy(deny(may[0])))]], nodes)
    organization.attach(RCP, [[json.loads(policy({"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Resource": "*"}))], []], nodes)
    assert told(own, *may, 1)["decision"] == "explicitDeny"
    assert told(linked, *may, 0)["decision"] == "allowed"
    [result] = ours.iam.simulate_principal_policy(
        PolicySourceArn=linked, ActionNames=[may[0]], ResourceArns=[linked])["EvaluationResults"]
    assert result["EvalDecision"] == "allowed" and "OrganizationsDecisionDetail" not in result
    # What its own policy does not allow it may not do either way: which layer it was tells whether the RCP was asked.
    for who, decision, layer in ((own, "explicitDeny", "resource control policy"), (linked, "implicitDeny", "identity-based policy")):
        answer = told(who, "sts:AssumeRole", own, 1)
        assert (answer["decision"], answer["layer"]) == (decision, layer)


def test_level_without_a_service_control_policy_cannot_be_made(server):
    """S14: the last policy of a node stays; one that allows nothing comes to the same."""
    ours = server.account()
    user = ours.user(allow("iam:GetUser"), name="dev1")
    organization = Organization(server.account())
    nodes = organization.place(ours, 1)
    with pytest.raises(ClientError) as caught:
        organization.client.detach_policy(PolicyId="p-FullAWSAccess", TargetId=nodes[1])
    assert caught.value.response["Error"]["Code"] == "ConstraintViolationException"
    assert caught.value.response["Reason"] == "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"
    user.iam.get_user(UserName="dev1")
    organization.attach(SCP, [[FULL], [json.loads(policy(deny("iam:GetUser", ours.arn_of("user/nobody"))))], [FULL]], nodes)
    with refused("AccessDenied", denial(user.arn, "iam:GetUser", "user dev1", " because no service control policy allows the iam:GetUser action")):
        user.iam.get_user(UserName="dev1")


def test_resource_control_policy_names_services(server):
    """Q01 and Q02 deny `*`, which is not taken."""
    organization = Organization(server.account())
    with pytest.raises(ClientError) as caught:
        organization.made(RCP, {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]})
    assert caught.value.response["Error"]["Code"] == "MalformedPolicyDocumentException"


def test_root_user_is_let_in_by_the_policy_of_another_account(server):
    """G07: the resource is the organization, which belongs to the account that manages it and has a policy of its own."""
    ours = server.account()
    organization = Organization(server.account())
    organization.place(ours, 0)
    root = ours.root().client("organizations")
    with pytest.raises(ClientError) as caught:
        root.list_delegated_administrators()
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    organization.client.put_resource_policy(Content=policy({
        "Effect": "Allow", "Principal": {"AWS": ours.account}, "Action": "organizations:ListDelegatedAdministrators", "Resource": "*"}))
    assert root.list_delegated_administrators()["DelegatedAdministrators"] == []
