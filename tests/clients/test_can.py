"""`rootward can` and `rootward who-can`: what the server would decide, asked by the operator, on a server and on its folder."""

import json
import subprocess

import pytest

from rootward_testkit import BINARY, EC2, TIMEOUT, Server, allow, denial, deny, fresh, refused

HOME = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}


def can(server, *arguments, code=0, command="can"):
    return server.host(command, *arguments, code=code)


def answer(server, *arguments, code=0):
    return json.loads(can(server, *arguments, "--format", "json", code=code))


def who(server, *arguments, code=0):
    """Outlook and missing keys of everybody who may."""
    found = map(json.loads, can(server, *arguments, "--format", "json", code=code, command="who-can").splitlines())
    return {row["principal"]: (row["outlook"], row["missingKeys"]) for row in found}


def test_answer_is_what_happens(account, server):
    user = account.user(allow("iam:List*"), deny("iam:ListRoles"))
    assert can(server, user.arn, "iam:ListUsers").splitlines()[0] == (
        f"allowed: {user.arn} may perform iam:ListUsers on *, because the identity-based policy allows it: "
        f"statement 1 of inline policy `inline` of user `{user.name}` at 1:41")
    user.iam.list_users()
    assert answer(server, user.arn, "iam:ListRoles", code=1)["decision"] == "explicitDeny"
    with refused("AccessDenied"):
        user.iam.list_roles()
    resource = account.arn_of("user/new")
    denied = can(server, user.arn, "iam:CreateUser", resource, code=1).splitlines()
    assert denied[0] == (
        f"implicitDeny: {user.arn} may not perform iam:CreateUser on {resource}, because no identity-based policy allows it")
    assert "this change would allow it:" in denied
    with refused("AccessDenied", denial(user.arn, "iam:CreateUser", resource)):
        user.iam.create_user(UserName="new")


def test_json_has_the_statement_and_the_explanation(account, server):
    user = account.user(allow("s3:GetObject", Sid="Read"))
    told = answer(server, user.arn, "s3:GetObject", "arn:aws:s3:::b/k")
    assert (told["principal"], told["action"], told["resource"]) == (user.arn, "s3:GetObject", "arn:aws:s3:::b/k")
    assert (told["allowed"], told["decision"], told["outlook"], told["missingKeys"]) == (True, "allowed", "allowed", [])
    assert told["statement"]["sid"] == "Read"
    assert told["explanation"]["layers"][0]["statements"][0]["verdict"] == "matched"


def test_keys_that_only_a_request_has_are_given_or_left_open(account, server):
    user = account.user(allow("s3:*", **HOME))
    told = answer(server, user.arn, "s3:GetObject", code=1)
    assert (told["decision"], told["outlook"], told["missingKeys"]) == ("implicitDeny", "depends", ["aws:SourceIp"])
    assert "--context gives them" in can(server, user.arn, "s3:GetObject", code=1)
    assert answer(server, user.arn, "s3:GetObject", "--context", "aws:SourceIp=10.1.2.3")["outlook"] == "allowed"
    assert answer(server, user.arn, "s3:GetObject", "--context", "aws:SourceIp=192.0.2.1", "k=v", code=1)["outlook"] == "denied"
    tags = account.user(allow("sqs:*", **{"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}, "Null": {"aws:TagKeys": "false"}}))
    assert answer(server, tags.arn, "sqs:X", "--context", "aws:TagKeys=a", "aws:TagKeys=b")["allowed"]
    assert not answer(server, tags.arn, "sqs:X", "--context", "aws:TagKeys=a", "aws:TagKeys=c", code=1)["allowed"]


def test_second_factor_of_a_session_is_not_known_before_there_is_one(account, server):
    role = account.role(EC2, allow("s3:*", Bool={"aws:MultiFactorAuthPresent": "true"}))
    user = account.user(allow("s3:*"), deny("s3:*", BoolIfExists={"aws:MultiFactorAuthPresent": "false"}))
    for arn in (role["Arn"], user.arn):
        told = answer(server, arn, "s3:GetObject", code=1)
        assert (told["outlook"], told["missingKeys"]) == ("depends", ["aws:MultiFactorAuthPresent"])
        assert answer(server, arn, "s3:GetObject", "--context", "aws:MultiFactorAuthPresent=true")["outlook"] == "allowed"


def test_boundaries_groups_and_tags_count(account, server):
    fence = account.policy(allow("s3:*"))
    tagged = {"StringEquals": {"aws:PrincipalTag/Team": "red"}}
    user = account.user(PermissionsBoundary=fence["Arn"], Tags=[{"Key": "Team", "Value": "red"}])
    group = account.group(allow(["s3:GetObject", "ec2:*"], **tagged), members=[user.name])
    told = answer(server, user.arn, "s3:GetObject")
    assert told["statement"]["source"] == f"inline policy `inline` of group `{group}`"
    told = answer(server, user.arn, "ec2:RunInstances", code=1)
    assert (told["decision"], told["layer"]) == ("implicitDeny", "permissions boundary")


def test_tags_of_the_resource_count(account, server):
    user = account.user(allow("iam:GetUser", StringEquals={"aws:ResourceTag/Open": "yes"}))
    shown = account.user(Tags=[{"Key": "Open", "Value": "yes"}])
    assert answer(server, user.arn, "iam:GetUser", shown.arn)["allowed"]
    assert not answer(server, user.arn, "iam:GetUser", user.arn, code=1)["allowed"]


def test_role_is_assumed_by_whom_it_trusts(account, other, server):
    friend, stranger = account.user(), account.user(allow("sts:AssumeRole"))
    outside = other.user(allow("sts:AssumeRole"))
    role = account.role({"AWS": [friend.arn, outside.arn]})
    for user, may in ((friend, True), (outside, True), (stranger, False)):
        assert answer(server, user.arn, "sts:AssumeRole", role["Arn"], code=0 if may else 1)["allowed"] is may
        if may:
            user.assume(role)
        else:
            with refused("AccessDenied"):
                user.assume(role)
    told = can(server, account.root_arn, "sts:AssumeRole", account.role(account.root_arn)["Arn"], code=1)
    assert told.endswith("whatever policies say: Roles may not be assumed by root accounts.\n")
    assert set(who(server, "sts:AssumeRole", role["Arn"])) == {friend.arn, outside.arn}


def test_principal_is_named_in_short_where_the_account_is_clear(account, other, server):
    user, role = account.user(allow("s3:GetObject"), Path="/team/"), account.role(EC2, allow("s3:GetObject"))
    for principal in (f"user/{user.name}", f"user/team/{user.name}", f"role/{role['RoleName']}", "root"):
        assert answer(server, principal, "s3:GetObject", "--account", account.account)["allowed"]
    told = answer(server, f"role/{role['RoleName']}", "s3:GetObject", "--account", account.account)
    assert told["principal"] == role["Arn"] and role["Arn"] in told["explanation"]["text"]
    several = subprocess.run(
        [BINARY, "can", "root", "s3:GetObject", "--data", server.data], capture_output=True, text=True, timeout=TIMEOUT)
    assert several.returncode == 2 and "there are several accounts; say which with --account: " in several.stderr
    can(server, "root", "s3:GetObject", "--account", "000000000000", code=2)
    can(server, user.arn, "s3:GetObject", "--account", other.account, code=2)


@pytest.mark.parametrize("arguments", [
    ("user/ghost", "s3:GetObject"), ("user/x/admin", "s3:GetObject"), ("group/g", "s3:GetObject"), ("admin", "s3:GetObject"),
    ("arn:aws:s3:::b", "s3:GetObject"), ("user/admin", "s3:*"), ("user/admin", "GetObject"), ("user/admin", "s3:GetObject", "bucket"),
    ("user/admin", "s3:GetObject", "--context", "novalue"), ("user/admin",),
])
def test_question_that_is_none_ends_with_2(account, server, arguments):
    can(server, *arguments, "--account", account.account, code=2)


def test_everybody_who_may_is_listed_and_nobody_else(server):
    account = server.account()
    reader, maybe = account.user(allow("s3:GetObject")), account.user(allow("s3:*", **HOME))
    role = account.role(EC2, allow("s3:*"), deny("s3:*", StringNotEquals={"aws:RequestedRegion": "us-east-1"}))
    account.user(allow("ec2:*"))
    account.user(allow("s3:*"), deny("s3:GetObject"))
    asked = ("s3:GetObject", "arn:aws:s3:::b/k", "--account", account.account)
    certain = {account.root_arn: ("allowed", []), account.arn: ("allowed", []), reader.arn: ("allowed", [])}
    open_ones = {maybe.arn: ("depends", ["aws:SourceIp"]), role["Arn"]: ("depends", ["aws:RequestedRegion"])}
    assert who(server, *asked) == {**certain, **open_ones}
    given = ("--context", "aws:SourceIp=192.0.2.1", "aws:RequestedRegion=us-east-1")
    assert who(server, *asked, *given) == {**certain, role["Arn"]: ("allowed", [])}
    lines = can(server, *asked, command="who-can").splitlines()
    assert f"{reader.arn}\tallowed\tinline policy `inline` of user `{reader.name}`, statement 1 at 1:41" in lines
    assert f"{account.root_arn}\tallowed\tthe root user may do everything in its account" in lines
    assert f"{maybe.arn}\tdepends on aws:SourceIp\tinline policy `inline` of user `{maybe.name}`, statement 1 at 1:41" in lines


def test_nobody_ends_with_1(account, server):
    nowhere = f"arn:aws:iam::{account.account}:role/{fresh('ghost')}"
    assert can(server, "sts:AssumeRole", nowhere, command="who-can", code=1) == ""


def test_all_accounts_are_asked_unless_one_is_named(account, other, server):
    assert {account.root_arn, account.arn, other.root_arn, other.arn} <= set(who(server, "sts:GetCallerIdentity"))
    assert other.arn not in who(server, "sts:GetCallerIdentity", "--account", account.account)


def test_questions_are_on_record(account, server):
    can(server, account.arn, "s3:OnRecord")
    can(server, "user/ghost", "s3:OnRecord", "--account", account.account, code=2)
    can(server, "s3:OnRecord", "--account", account.account, command="who-can")
    records = [record for record in server.trail() if (record["requestParameters"] or {}).get("action") == "s3:OnRecord"]
    assert [(record["eventName"], record["readOnly"], record["recipientAccountId"], record.get("errorCode")) for record in records] == [
        ("Can", True, account.account, None), ("Can", True, account.account, "OperatorCommandRefused"),
        ("WhoCan", True, account.account, None)]


def test_folder_is_asked_while_no_server_runs(tmp_path):
    server = Server(tmp_path).start()
    account = server.account()
    server.stop()
    assert answer(server, "user/admin", "iam:CreateUser")["allowed"]
    assert set(who(server, "iam:CreateUser")) == {account.arn, account.root_arn}
    assert [record["eventName"] for record in server.trail() if record["eventSource"] == "rootward.host"][-2:] == ["Can", "WhoCan"]


def test_folder_that_is_not_there_is_not_made(tmp_path):
    for arguments in (("can", "root", "s3:GetObject"), ("who-can", "s3:GetObject"), ("trail", "tail"), ("trail", "verify")):
        done = subprocess.run([BINARY, *arguments, "--data", tmp_path / "none"], capture_output=True, text=True, timeout=TIMEOUT)
        assert (done.returncode, done.stdout) == (3, "")
        assert "holds no state" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_slips_of_the_pen_are_noted_and_answered(account, server):
    user = account.user(allow("iam:*"))
    for asked, note in (
        (["iam:ListUser"], "service `iam` has no action `ListUser`; did you mean `iam:ListUsers`?"),
        (["foo:Bar"], "service `foo` is not in the reference"),
        (["iam:DeleteUser"], "`iam:DeleteUser` is about resources; "),
        (["iam:DeleteUser", "arn:aws:s3:::bucket"], "`iam:DeleteUser` is not about a resource like `arn:aws:s3:::bucket`; "),
        (["iam:ListUsers", "--context", "Colour=red"], "condition key `Colour` is not in the reference"),
    ):
        done = subprocess.run(
            [BINARY, "can", user.arn, *asked, "--data", server.data], capture_output=True, text=True, timeout=TIMEOUT)
        assert done.stdout and done.stderr.startswith(f"note: {note}"), done
    done = subprocess.run([BINARY, "can", user.arn, "iam:ListUsers", "--data", server.data], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stderr == ""


def test_trust_is_told_by_arn(account, server):
    user, other = account.user(allow("sts:AssumeRole")), account.user()
    role = account.role({"AWS": other.arn})
    told = can(server, user.arn, "sts:AssumeRole", role["Arn"], code=1)
    assert f"it is about `{other.arn}`, the caller is `{user.arn}`" in told


def test_session_and_nobody_are_told_so(account, server):
    role = account.role(EC2)
    session = role["Arn"].replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/one"
    for asked, code, told in (
        (["can", session, "s3:GetObject", "*"], 2, "is a session: ask about its role or user"),
        (["who-can", "sts:AssumeRole", role["Arn"]], 1, "nobody may"),
    ):
        done = subprocess.run([BINARY, *asked, "--data", server.data], capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == code and told in done.stderr, done


def test_who_can_asks_every_account_unless_one_is_named(server):
    one, two = server.account(), server.account()
    every = who(server, "s3:GetObject", "arn:aws:s3:::b/k")
    assert {one.root_arn, two.root_arn} <= set(every)
    assert two.root_arn not in who(server, "s3:GetObject", "arn:aws:s3:::b/k", "--account", one.account)
    told = subprocess.run([BINARY, "who-can", "--help"], capture_output=True, text=True, timeout=TIMEOUT).stdout
    assert "[default: those of every account]" in told
