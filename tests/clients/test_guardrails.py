"""`rootward guardrails`: ready service control policies, listed and printed as CreatePolicy takes them."""

import json
import subprocess

import pytest

from rootward_testkit import BINARY, TIMEOUT


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
