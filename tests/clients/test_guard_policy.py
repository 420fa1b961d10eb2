"""The guard policy of an account: it binds everybody of it, the root user included, and is changed with the approvals of others."""

import hashlib
import itertools
import json
import subprocess

import pytest
from botocore.exceptions import ClientError

from rootward_testkit import (
    BINARY, TIMEOUT, Credentials, Like, Principal, Server, allow, at_once, codes, deny, fresh, policy, refused, trust)
from test_seal import user_with_device

NO_GROUPS = policy(deny("iam:ListGroups"))
NO_POLICIES = policy(deny("iam:ListPolicies"))
WAITS = Like("0 of 1 approvals have been given for request .*")
NUMBERS = itertools.count(200000000001)


@pytest.fixture(scope="module")
def sealed_sandbox(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("guarded"), "--sealed", sandbox=True).start()
    yield server
    server.stop()


class Guarded:
    """An account of its own in which one of two approvers must agree, called by its root user."""

    def __init__(self, server, id=None):
        self.id = id or str(next(NUMBERS))
        self.arn = f"arn:aws:rootward::{self.id}:guard-policy"
        self.root = Principal(server, Credentials(self.id, "x"))
        self.approvers = [user_with_device(self.root) for _ in range(2)]
        self.require(1)

    def require(self, number):
        names = [user.name for user in self.approvers]
        self.root.rootward.put_root_access_settings(SessionMinutes=15, ApprovalsRequired=number, ApproverUserNames=names)

    def pending(self):
        [request] = self.root.rootward.list_root_access_requests(Status="PENDING")["Requests"]
        return request

    def approve(self):
        return self.approvers[0].rootward.approve_root_access(RequestId=self.pending()["RequestId"])["Request"]

    def ask(self, document):
        with refused("ConflictException", WAITS):
            self.root.rootward.put_guard_policy(Policy=document)

    def put(self, document):
        self.ask(document)
        self.approve()
        return self.root.rootward.put_guard_policy(Policy=document)["GuardPolicy"]

    def text(self):
        try:
            return self.root.rootward.get_guard_policy()["GuardPolicy"]["Policy"]
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ResourceNotFoundException"
            return None

    def user(self, *statements):
        name = fresh("user")
        made = self.root.iam.create_user(UserName=name)["User"]
        self.root.iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=policy(*statements))
        key = self.root.iam.create_access_key(UserName=name)["AccessKey"]
        return Principal(self.root.server, Credentials.of(key), made["Arn"], name)

    def organize(self):
        self.root.client("organizations").create_organization(FeatureSet="ALL")


@pytest.fixture
def guarded(sealed_sandbox):
    return Guarded(sealed_sandbox)


def test_document_is_agreed_to_as_it_is_read_and_then_binds_everybody(guarded):
    guarded.organize()
    document = policy(deny(["iam:ListGroups", "rootward:GetRootProtection"]))
    ann = guarded.user(allow("*"))
    role = guarded.root.iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust({"AWS": guarded.id}))["Role"]
    guarded.root.iam.put_role_policy(RoleName="r", PolicyName="all", PolicyDocument=policy(allow("*")))
    session = ann.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session")["Credentials"]
    federated = ann.sts.get_federation_token(Name="fay", Policy=policy(allow("*")))["Credentials"]
    session, federated = (Principal(guarded.root.server, Credentials.of(it)) for it in (session, federated))
    everybody = (guarded.root, ann, session, federated)
    assert guarded.text() is None
    guarded.ask(document)
    request = guarded.pending()
    assert (request["Purpose"], request["Policy"]) == ("PUT_GUARD_POLICY", document)
    assert request["Reason"] == f"set this guard policy, SHA-256 {hashlib.sha256(document.encode()).hexdigest()}"
    for caller in everybody:
        assert caller.rootward.get_root_protection()["GuardPolicy"] == "ABSENT"
    assert guarded.approve()["Policy"] == document
    put = guarded.root.rootward.put_guard_policy(Policy=document)["GuardPolicy"]
    assert (put["Arn"], put["Policy"]) == (guarded.arn, document)
    because = f"with an explicit deny in a guard policy: {guarded.arn}"
    for caller in everybody:
        who = caller.sts.get_caller_identity()["Arn"]
        with refused("AccessDeniedException", f"User: {who} is not authorized to perform: rootward:GetRootProtection on resource: "
                                              f"arn:aws:iam::{guarded.id}:root {because}"):
            caller.rootward.get_root_protection()
        assert caller.rootward.get_guard_policy()["GuardPolicy"] == put
    # IAM takes no federated users.
    for caller in everybody[:3]:
        with refused("AccessDenied", Like(f".*perform: iam:ListGroups on resource: .* {because}")):
            caller.iam.list_groups()
        caller.iam.list_users()


def test_what_only_the_root_user_does_is_bound_too(guarded):
    guarded.put(policy(deny(["account:CloseAccount", "rootward:SealRoot", "iam:DeleteVirtualMFADevice"])))
    for name, action in (("close_account", "account:CloseAccount"), ("seal_root", "rootward:SealRoot")):
        with refused("AccessDeniedException", Like(f".*{action}.* with an explicit deny in a guard policy: {guarded.arn}")):
            getattr(guarded.root.rootward, name)()
    assert guarded.root.rootward.get_root_protection()["Seal"]["State"] == "SEALED"


def test_operations_of_the_root_user_are_bound_one_and_all(guarded):
    guarded.put(policy(deny("*")))
    calls = {
        "unseal_root": {"Reason": "drill", "Minutes": 5}, "put_guard_policy": {"Policy": NO_GROUPS}, "delete_guard_policy": {},
        "put_root_access_settings": {"SessionMinutes": 60, "ApprovalsRequired": 0, "ApproverUserNames": []},
        "seal_root": {}, "close_account": {}, "get_iam_billing_access": {}, "put_iam_billing_access": {"Enabled": True},
        "put_support_plan": {"Plan": "BUSINESS"}, "get_guard_policy": {}, "get_root_protection": {}, "list_root_access_requests": {},
    }
    for name, arguments in calls.items():
        with refused("AccessDeniedException", Like(f".*with an explicit deny in a guard policy: {guarded.arn}")):
            getattr(guarded.root.rootward, name)(**arguments)
    guarded.root.sts.get_caller_identity()


def test_document_that_was_changed_after_the_approval_is_not_set(guarded):
    guarded.ask(NO_GROUPS)
    guarded.approve()
    for other in (NO_POLICIES, NO_GROUPS + " ", NO_GROUPS.replace("ListGroups", "listgroups")):
        with refused("ConflictException", WAITS):
            guarded.root.rootward.put_guard_policy(Policy=other)
        for request in guarded.root.rootward.list_root_access_requests(Status="PENDING")["Requests"]:
            guarded.approvers[1].rootward.reject_root_access(RequestId=request["RequestId"])
    assert guarded.text() is None
    guarded.root.rootward.put_guard_policy(Policy=NO_GROUPS)
    assert guarded.text() == NO_GROUPS


def test_approval_is_for_what_it_replaces_and_used_once(guarded):
    guarded.ask(NO_GROUPS)
    guarded.approve()
    guarded.ask(NO_POLICIES)
    guarded.approve()
    guarded.root.rootward.put_guard_policy(Policy=NO_POLICIES)
    guarded.ask(NO_GROUPS)
    assert guarded.text() == NO_POLICIES
    assert guarded.pending()["Reason"].startswith("replace the guard policy by this guard policy, SHA-256 ")


def test_removal_needs_approval_and_shows_what_goes(guarded):
    with refused("ResourceNotFoundException", f"Account {guarded.id} has no guard policy."):
        guarded.root.rootward.delete_guard_policy()
    guarded.put(NO_GROUPS)
    for _ in range(2):
        with refused("ConflictException", WAITS):
            guarded.root.rootward.delete_guard_policy()
    request = guarded.pending()
    assert (request["Purpose"], request["Policy"]) == ("DELETE_GUARD_POLICY", NO_GROUPS)
    guarded.approvers[0].rootward.reject_root_access(RequestId=request["RequestId"])
    with refused("ConflictException", WAITS):
        guarded.root.rootward.delete_guard_policy()
    assert guarded.text() == NO_GROUPS
    guarded.approve()
    guarded.root.rootward.delete_guard_policy()
    assert guarded.text() is None
    guarded.root.iam.list_groups()


def test_administrator_and_approver_have_no_part_in_it_whatever_policies_allow(guarded):
    admin = guarded.user(allow("*"))
    guarded.ask(NO_GROUPS)
    guarded.approve()
    for caller in (admin, guarded.approvers[0]):
        for name, arguments in (("put_guard_policy", {"Policy": NO_GROUPS}), ("delete_guard_policy", {})):
            with refused("AccessDeniedException", Like(f".*: this needs the root user of account {guarded.id}")):
                getattr(caller.rootward, name)(**arguments)
    assert guarded.text() is None
    with refused("ResourceNotFoundException"):
        admin.rootward.get_guard_policy()


def test_nothing_is_changed_while_nobody_needs_to_agree(sealed_sandbox):
    root = Principal(sealed_sandbox, Credentials(str(next(NUMBERS)), "x"))
    with refused("ConflictException", Like("A guard policy is changed with the approvals of others, .* set approvers up first, .*")):
        root.rootward.put_guard_policy(Policy=NO_GROUPS)
    assert root.rootward.get_root_protection()["GuardPolicy"] == "ABSENT"


@pytest.mark.parametrize("document, reason", [
    (policy(allow("*")), ".* a guard policy only denies, and takes no `Allow` at line 1 column [0-9]+: .*"),
    (policy(deny("*"), allow("s3:*")), ".* a guard policy only denies, .*"),
    ('{"Version": "2012-10-17"}', ".*element `Statement` is missing.*"),
    ("no policy", "The document is no guard policy: .*"),
    (NO_GROUPS.replace("ListGroups", "List\u00adGroups"), ".* it may have printable ASCII characters alone, and no escapes."),
    (NO_GROUPS + " " * 10_240, ".*10240.*"),
])
def test_document_that_is_none_is_refused_before_anybody_is_asked(guarded, document, reason):
    with refused("ValidationException", Like(reason)):
        guarded.root.rootward.put_guard_policy(Policy=document)
    assert guarded.root.rootward.list_root_access_requests()["Requests"] == []


def test_account_joins_an_organization_without_one_and_sets_none_there(sealed_sandbox):
    management, member = Guarded(sealed_sandbox), Guarded(sealed_sandbox)
    management.organize()
    member.put(NO_GROUPS)
    invited = management.root.client("organizations").invite_account_to_organization(Target={"Id": member.id, "Type": "ACCOUNT"})
    accept = {"HandshakeId": invited["Handshake"]["Id"]}
    with pytest.raises(ClientError, match=r"\(AccessDeniedException\).* The account has a guard policy, "):
        member.root.client("organizations").accept_handshake(**accept)
    with refused("ConflictException", WAITS):
        member.root.rootward.delete_guard_policy()
    member.approve()
    member.root.rootward.delete_guard_policy()
    member.root.client("organizations").accept_handshake(**accept)
    assert member.root.rootward.get_root_protection()["GuardPolicy"] == "ABSENT"
    with refused("ConflictException", Like(f"Account {member.id} is a member of an organization, .*")):
        member.root.rootward.put_guard_policy(Policy=NO_POLICIES)


def test_guard_that_denies_its_removal_stays(guarded):
    document = policy(deny(["rootward:DeleteGuardPolicy", "rootward:PutGuardPolicy"]))
    guarded.put(document)
    for call, arguments in (("delete_guard_policy", {}), ("put_guard_policy", {"Policy": NO_GROUPS})):
        with refused("AccessDeniedException", Like(f".*with an explicit deny in a guard policy: {guarded.arn}")):
            getattr(guarded.root.rootward, call)(**arguments)
    assert guarded.text() == document


def test_one_of_several_at_once_uses_the_approval(guarded):
    for document in (NO_GROUPS, NO_POLICIES):
        guarded.ask(document)
        guarded.approve()
    outcomes = at_once(
        [lambda document=document: guarded.root.rootward.put_guard_policy(Policy=document) for document in (NO_GROUPS, NO_POLICIES) * 4])
    # Whoever comes too late is told to ask, or that enough requests wait.
    assert sorted(codes(outcomes), key=str).count(None) == 1, codes(outcomes)
    assert guarded.text() in (NO_GROUPS, NO_POLICIES)


def test_simulator_shows_it_as_its_own_and_not_as_the_organizations(guarded):
    guarded.organize()
    ann = guarded.user(allow("*"))
    guarded.put(NO_GROUPS)
    [result] = guarded.root.iam.simulate_principal_policy(PolicySourceArn=ann.arn, ActionNames=["iam:ListGroups"])["EvaluationResults"]
    assert result["EvalDecision"] == "explicitDeny"
    assert [one["SourcePolicyId"] for one in result["MatchedStatements"]] == ["GuardPolicy"]
    assert "OrganizationsDecisionDetail" not in result


# The host


@pytest.mark.parametrize("document, said", [
    (policy(deny("iam:ListGroup")), ["warning: ", "ListGroup`", "iam:ListGroups`"]),
    (policy(deny("nowhere:Do")), ["note: ", "nowhere`"]),
    (policy({**deny("iam:ListGroups"), "Condition": {"Bool": {"aws:MultiFactorAuthPresnt": "false"}}}), ["aws:MultiFactorAuthPresnt`"]),
    (NO_GROUPS, None),
])
def test_host_tells_of_mistakes_in_what_it_sets(server, tmp_path, document, said):
    account, file = server.account(), tmp_path / "guard.json"
    file.write_text(document)
    # Both, as a file and by standard input.
    for path, name in ((str(file), str(file)), ("-", "standard input")):
        command = [BINARY, "root", "guard-policy", "set", "--replace", path, "--account", account.account, "--data", server.data]
        done = subprocess.run(command, input=document, capture_output=True, text=True, timeout=TIMEOUT)
        assert (done.returncode, json.loads(done.stdout)["Policy"]) == (0, document)
        if said is None:
            assert done.stderr == ""
        else:
            assert all(part in done.stderr for part in [*said, f"--> {name}:1:", "help: "]), done.stderr
            checked = subprocess.run(
                [BINARY, "validate", "--type", "guard", path], input=document, capture_output=True, text=True, timeout=TIMEOUT)
            assert checked.stdout == done.stderr


def test_host_tells_of_no_mistakes_in_what_it_does_not_set(server, tmp_path):
    account, file = server.account(), tmp_path / "guard.json"
    file.write_text(policy(allow("iam:ListGroup")))
    done = subprocess.run(
        [BINARY, "root", "guard-policy", "set", str(file), "--account", account.account, "--data", server.data],
        capture_output=True, text=True, timeout=TIMEOUT)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1) and "ListGroup" not in done.stderr


def findings(server, account):
    [user] = json.loads(server.host("root", "status", "--account", account.account, "--format", "json"))["RootUsers"]
    return user["GuardPolicy"], [finding["Id"] for finding in user["Findings"]]


def test_host_shows_sets_and_removes_it_on_record(server, tmp_path):
    account = server.account()
    file = tmp_path / "guard.json"
    file.write_text(NO_GROUPS)
    host = lambda name, *arguments, **keywords: server.host(
        "root", "guard-policy", name, *arguments, "--account", account.account, **keywords)
    host("show", code=2)
    host("remove", code=2)
    account.client("organizations").create_organization(FeatureSet="ALL")
    assert findings(server, account)[0] == "ABSENT" and "no-guard-policy" in findings(server, account)[1]
    put = json.loads(host("set", str(file)))
    assert (put["Arn"], put["Policy"]) == (f"arn:aws:rootward::{account.account}:guard-policy", NO_GROUPS)
    assert host("show").rstrip("\n") == NO_GROUPS
    assert findings(server, account) == ("IN_FORCE", [id for id in findings(server, account)[1] if id != "no-guard-policy"])
    with refused("AccessDenied", Like(f".*with an explicit deny in a guard policy: {put['Arn']}")):
        account.iam.list_groups()
    can = json.loads(server.host("can", "root", "iam:ListGroups", "--account", account.account, "--format", "json", code=1))
    assert (can["allowed"], can["layer"]) == (False, "guard policy")
    server.host("who-can", "iam:ListGroups", "--account", account.account, code=1)
    file.write_text(NO_POLICIES)
    host("set", str(file), code=2)
    assert host("show").rstrip("\n") == NO_GROUPS
    assert json.loads(host("set", "--replace", str(file)))["Policy"] == NO_POLICIES
    file.write_text(policy(allow("*")))
    host("set", "--replace", str(file), code=2)
    assert host("show").rstrip("\n") == NO_POLICIES
    assert json.loads(host("remove")) == {"AccountId": account.account}
    account.iam.list_groups()
    records = [record["requestParameters"] for record in server.events("PutGuardPolicy")
               if record.get("recipientAccountId") == account.account and "errorCode" not in record]
    # The audit trail has the latest last.
    assert records == [{"accountId": account.account, "policy": document} for document in (NO_GROUPS, NO_POLICIES)]
    assert [record for record in server.events("DeleteGuardPolicy")
            if record.get("recipientAccountId") == account.account and "errorCode" not in record]
