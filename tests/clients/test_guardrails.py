"""`rootward guardrails`: ready service control policies, listed, printed as CreatePolicy takes them, and put in force."""

import json
import subprocess

import pytest

from rootward_testkit import BINARY, TIMEOUT, Like, Server, deny, policy, refused


def guardrails(*arguments, code=0):
    done = subprocess.run([BINARY, "guardrails", *arguments], capture_output=True, timeout=TIMEOUT, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert "panicked" not in done.stderr
    return done.stdout, done.stderr


def listed():
    return json.loads(guardrails("list", "--format", "json")[0])


def shown(guardrail):
    regions = ["--regions", "eu-central-1,eu-west-1"] if guardrail["takesRegions"] else []
    return guardrails("show", guardrail["name"], *regions)


def test_list_has_a_line_for_each_with_its_purpose():
    out, err = guardrails("list")
    assert err == ""
    assert [line.split("\t") for line in out.splitlines()] == [[row["name"], row["purpose"]] for row in listed()]
    names = [row["name"] for row in listed()]
    assert names == sorted(names)
    assert {"deny-leaving", "deny-root", "limit-regions", "protect-trail"} <= set(names)


def test_document_is_json_alone_and_what_it_leaves_is_said_beside_it():
    for guardrail in listed():
        out, err = shown(guardrail)
        assert {statement["Effect"] for statement in json.loads(out)["Statement"]} == {"Deny"}
        assert len(out) < 10_240
        assert err == "".join(f"note: {left}\n" for left in guardrail["leaves"])


def test_documents_are_service_control_policies_without_a_fault(tmp_path):
    files = []
    for guardrail in listed():
        files.append(tmp_path / guardrail["name"])
        files[-1].write_text(shown(guardrail)[0])
    done = subprocess.run([BINARY, "validate", "--type", "scp", *files], capture_output=True, timeout=TIMEOUT, text=True)
    assert done.returncode == 0, done.stdout
    assert "error" not in done.stdout


def test_printed_document_denies_root_and_leaves_privileged_sessions(tmp_path):
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    guardrail = json.loads(guardrails("show", "deny-root")[0])
    root = {"arn": "arn:aws:iam::111111111111:root", "account": "111111111111"}

    def case(name, kind, expected, **facts):
        return {
            "id": name,
            "principal": {**root, "type": kind},
            "session_policies": [everything] if kind == "assumed_root" else None,
            "scps": [[everything, guardrail]],
            "request": {"action": "s3:ListAllMyBuckets", "resource": "*", "context": {}, **facts},
            "expected": expected,
        }

    file = tmp_path / "cases.json"
    file.write_text(json.dumps([
        case("root", "root", "explicitDeny"),
        case("task", "assumed_root", "allowed"),
        case("management", "root", "allowed", principal_in_management_account=True),
    ]))
    done = subprocess.run([BINARY, "decide", file], capture_output=True, timeout=TIMEOUT, text=True)
    assert (done.returncode, done.stdout) == (0, "root\texplicitDeny\ntask\tallowed\nmanagement\tallowed\n"), done.stderr


def test_regions_are_in_the_document():
    out, _ = guardrails("show", "limit-regions", "--regions", "eu-central-1", "--regions", "us-gov-east-1,eu-central-1")
    limited = json.loads(out)["Statement"][0]["Condition"]["StringNotEquals"]["aws:RequestedRegion"]
    assert limited == ["eu-central-1", "us-gov-east-1"]


@pytest.mark.parametrize("arguments, reason", [
    (["show", "limit-regions"], "it needs the regions that stay open"),
    (["show", "deny-root", "--regions", "eu-central-1"], "it takes no regions"),
    (["show", "limit-regions", "--regions", "eu-*"], "expected the name of a region"),
    (["show", "limit-regions", "--regions", "eu-central-1,"], "expected the name of a region"),
    (["show", "deny-everything"], "`rootward guardrails list` lists those there are"),
    (["show"], "<NAME>"),
])
def test_wrong_calls_print_no_document(arguments, reason):
    out, err = guardrails(*arguments, code=2)
    assert out == ""
    assert reason in err


# Put in force


def apply(server, name, *arguments, code=0):
    done = subprocess.run(
        [BINARY, "guardrails", "apply", name, *arguments, "--data", server.data], capture_output=True, timeout=TIMEOUT, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    assert "panicked" not in done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


@pytest.fixture
def organized(server):
    """A management account, its organization and a client for that."""
    account = server.account()
    organizations = account.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    account.organization_root = organizations.list_roots()["Roots"][0]["Id"]
    account.organizations = organizations
    return account


@pytest.fixture
def member(server, organized):
    """An account that was invited, with its administrator."""
    member = server.account()
    invited = organized.organizations.invite_account_to_organization(Target={"Id": member.account, "Type": "ACCOUNT"})
    member.client("organizations").accept_handshake(HandshakeId=invited["Handshake"]["Id"])
    return member


def attached(account, target):
    found = account.organizations.list_policies_for_target(TargetId=target, Filter="SERVICE_CONTROL_POLICY")["Policies"]
    return {policy["Name"] for policy in found} - {"FullAWSAccess"}


def test_guardrail_is_put_in_force_once_and_binds(server, organized, member):
    of = ("--account", organized.account)
    done = apply(server, "deny-leaving", "--target", "root", *of)
    assert done["ManagementAccountId"] == organized.account and done["TargetId"] == organized.organization_root
    assert (done["PolicyNewlyCreated"], done["PolicyTypeNewlyEnabled"], done["NewlyAttached"]) == (True, True, True)
    again = apply(server, "deny-leaving", "--target", organized.organization_root, *of)
    assert again == {**done, "PolicyNewlyCreated": False, "PolicyTypeNewlyEnabled": False, "NewlyAttached": False}
    unit = organized.organizations.create_organizational_unit(ParentId=organized.organization_root, Name="unit")
    unit = unit["OrganizationalUnit"]["Id"]
    third = apply(server, "deny-leaving", "--target", unit, *of)
    assert (third["PolicyId"], third["PolicyNewlyCreated"], third["NewlyAttached"]) == (done["PolicyId"], False, True)
    assert attached(organized, organized.organization_root) == attached(organized, unit) == {"deny-leaving"}
    shown = organized.organizations.describe_policy(PolicyId=done["PolicyId"])["Policy"]
    assert shown["Content"] == guardrails("show", "deny-leaving")[0].rstrip("\n")
    assert shown["PolicySummary"]["Description"] == "No account leaves the organization."
    with refused("AccessDeniedException", Like(f".*with an explicit deny in a service control policy: {done['PolicyArn']}")):
        member.client("organizations").leave_organization()
    records = [record for record in server.events("ApplyGuardrail") if record.get("recipientAccountId") == organized.account]
    assert [record["responseElements"]["newlyAttached"] for record in records] == [True, False, True]
    assert records[0]["requestParameters"] == {
        "accountId": organized.account, "guardrailName": "deny-leaving", "policyName": "deny-leaving", "regions": [],
        "targetId": "root"}
    assert records[0]["responseElements"]["content"] == shown["Content"]


def test_guardrail_with_regions_is_attached_to_an_account(server, organized, member):
    of = ("--account", organized.account, "--target", member.account)
    done = apply(server, "limit-regions", "--regions", "us-east-1,eu-central-1", *of)
    assert (done["TargetId"], done["NewlyAttached"]) == (member.account, True)
    assert attached(organized, member.account) == {"limit-regions"}
    assert "called `limit-regions` that says something else" in apply(
        server, "limit-regions", "--regions", "eu-west-1", *of, code=2)
    assert apply(server, "limit-regions", *of, code=2) == (
        "rootward: limit-regions: it needs the regions that stay open (--regions)\n")


def test_region_that_is_not_known_is_noted_and_taken(server, organized):
    note = "note: `eu-wst-1` is no region that is known; was another meant?"
    arguments = ("limit-regions", "--regions", "eu-central-1,eu-wst-1")
    for command in (("show",), ("apply", "--target", "root", "--account", organized.account, "--data", server.data)):
        done = subprocess.run(
            [BINARY, "guardrails", command[0], *arguments, *command[1:]], capture_output=True, timeout=TIMEOUT, text=True)
        assert done.returncode == 0 and note in done.stderr.splitlines() and "`eu-central-1`" not in done.stderr
    assert attached(organized, organized.organization_root) == {"limit-regions"}


def test_guardrail_is_put_in_force_under_a_name_of_its_own(server, organized):
    made = organized.organizations.create_policy(
        Name="DenyRoot", Description="", Type="SERVICE_CONTROL_POLICY", Content=guardrails("show", "deny-root")[0].rstrip("\n"))
    of = ("--account", organized.account, "--target", "root")
    done = apply(server, "deny-root", "--name", "DenyRoot", *of)
    assert (done["PolicyId"], done["PolicyName"]) == (made["Policy"]["PolicySummary"]["Id"], "DenyRoot")
    assert (done["PolicyNewlyCreated"], done["NewlyAttached"]) == (False, True)
    assert apply(server, "deny-root-keys", "--name", "No keys", *of)["PolicyNewlyCreated"]
    assert attached(organized, organized.organization_root) == {"DenyRoot", "No keys"}
    said = apply(server, "deny-root-keys", "--name", "DenyRoot", *of, code=2)
    assert "called `DenyRoot` that says something else: give this one another with --name" in said
    for name in ("", "n" * 129):
        assert "the name of a policy has 1 to 128 characters" in apply(server, "deny-root", "--name", name, *of, code=2)


def test_guardrail_says_of_which_organization_and_where(server, organized):
    done = subprocess.run(
        [BINARY, "guardrails", "apply", "deny-root", "--target", "root", "--account", organized.account, "--data", server.data],
        capture_output=True, timeout=TIMEOUT, text=True)
    organization = organized.organizations.describe_organization()["Organization"]["Id"]
    assert json.loads(done.stdout)["OrganizationId"] == organization
    assert done.stderr.splitlines()[0] == (
        f"note: `deny-root` is attached to {organized.organization_root} of organization {organization}, "
        f"which account {organized.account} manages, in the data folder `{server.data}`")


def test_guardrail_beside_a_sandbox_makes_no_data_folder(tmp_path):
    with_sandbox = Server(tmp_path, sandbox=True).start()
    try:
        here = tmp_path / "here"
        here.mkdir()
        for arguments in (
            ("guardrails", "apply", "deny-root", "--target", "root"),
            ("root", "guard-policy", "remove"),
            ("root", "seal"),
            ("account", "close", "--account", "123456789012"),
            ("alerts", "remove", "nobody"),
        ):
            done = subprocess.run([BINARY, *arguments], capture_output=True, timeout=TIMEOUT, text=True, cwd=here)
            assert (done.returncode, done.stdout) == (3, ""), done
            assert f"cannot use the data folder `{here}/rootward-data`: it holds no state; `--data` names another" in done.stderr
        assert list(here.iterdir()) == []
    finally:
        with_sandbox.stop()


def test_what_stands_in_the_way_of_a_guardrail_is_said(server, organized):
    of = ("--account", organized.account)
    said = apply(server, "deny-root", "--target", organized.account, *of, code=2)
    assert f"account {organized.account} manages the organization" in said and "root guard-policy set" in said
    unit = organized.organizations.create_organizational_unit(ParentId=organized.organization_root, Name="prod")
    for target, hint in (("prod", f"; {unit['OrganizationalUnit']['Id']} has this name"), ("nowhere", "")):
        assert f"`{target}` is no id of a root, a unit or an account, nor `root`{hint} (data folder" in apply(
            server, "deny-root", "--target", target, *of, code=2)
    for target in ("ou-abcd-12345678", "999999999999"):
        assert f"the organization has no root, unit or account `{target}`" in apply(
            server, "deny-root", "--target", target, *of, code=2)
    lone = server.account()
    assert f"account {lone.account} manages no organization" in apply(
        server, "deny-root", "--target", "root", "--account", lone.account, code=2)
    lone.client("organizations").create_organization(FeatureSet="CONSOLIDATED_BILLING")
    assert "consolidated billing only" in apply(server, "deny-root", "--target", "root", "--account", lone.account, code=2)
    assert "there are several organizations; say which with --account" in apply(server, "deny-root", "--target", "root", code=2)
    # None of it has left anything behind.
    assert attached(organized, organized.organization_root) == set()
    assert len(organized.organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]) == 1


def test_no_more_guardrails_are_attached_than_policies_may_be(server, organized):
    for number in range(9):
        made = organized.organizations.create_policy(
            Name=f"own-{number}", Description="", Type="SERVICE_CONTROL_POLICY", Content=policy(deny("s3:*")))
        if number == 0:
            organized.organizations.enable_policy_type(
                RootId=organized.organization_root, PolicyType="SERVICE_CONTROL_POLICY")
        organized.organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=organized.organization_root)
    said = apply(server, "deny-root", "--target", "root", "--account", organized.account, code=2)
    folder = f"(data folder `{server.data}`)"
    assert said == f"rootward: You have attached the maximum number of policies to the specified target. {folder}\n"
    names = [row["Name"] for row in organized.organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]]
    assert "deny-root" not in names


def test_guardrail_is_put_in_force_on_the_folder_of_a_server_that_does_not_run(tmp_path):
    server = Server(tmp_path).start()
    account = server.account()
    assert "there is no organization yet; `aws organizations create-organization` makes one" in apply(server, "deny-root", "--target", "root", code=2)
    account.client("organizations").create_organization(FeatureSet="ALL")
    server.stop()
    assert apply(server, "deny-root", "--target", "root")["NewlyAttached"]


def test_guardrail_is_the_guard_policy_of_the_management_account(server, organized, tmp_path):
    file = tmp_path / "guard.json"
    file.write_text(guardrails("show", "deny-root-keys")[0])
    server.host("root", "guard-policy", "set", str(file), "--account", organized.account)
    root = organized.root()
    with refused("AccessDenied", Like(".*iam:CreateAccessKey .*with an explicit deny in a guard policy: .*")):
        root.iam.create_access_key()
