"""`rootward decide`: formats, exit codes, and input made to hurt: never a panic, never an allow."""

import json
import subprocess

import pytest

from rootward_testkit import BINARY, ROOT, TIMEOUT, allow, deny, policy

CASES = ROOT / "tests" / "conformance" / "cases" / "policy-cases.json"


def decide(*arguments, stdin=None, code=0):
    done = subprocess.run([BINARY, "decide", *arguments], input=stdin, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == code, done.stdout + done.stderr
    assert b"panicked" not in done.stderr
    return done.stdout.decode(), done.stderr.decode()


def case(**members):
    """A user who may do everything asks for an object of its own account."""
    return {
        "id": "T1",
        "principal": {"type": "user", "arn": "arn:aws:iam::111111111111:user/ann", "account": "111111111111"},
        "identity_policies": [json.loads(policy(allow("*", Sid="All")))],
        "request": {"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "context": {}},
        **members,
    }


def of(*cases):
    return json.dumps(list(cases)).encode()


def test_every_documented_case_is_decided_as_expected():
    out, err = decide(str(CASES))
    cases = json.loads(CASES.read_text())
    assert out.splitlines() == [f"{case['id']}\t{case['expected']}" for case in cases]
    assert err == ""


def test_explained_denials_of_the_documentation_read_as_printed():
    out, _ = decide("--explain", str(CASES.with_name("denials.json")))
    shown = (ROOT / "docs" / "denials.md").read_text().split("```text\n")[1:]
    assert "".join(block.split("```")[0] for block in shown) == out


def test_case_that_differs_is_told_and_ends_with_1():
    out, err = decide("-", stdin=of(case(expected="implicitDeny"), case(id="T2", expected="allowed")), code=1)
    assert out == "T1\tallowed\nT2\tallowed\n"
    assert err == "rootward: T1: expected implicitDeny, decided allowed\n"


def test_explanation_is_indented_below_the_line():
    out, _ = decide("-", "--explain", stdin=of(case(), case(id="T2", identity_policies=[])))
    first, second = out.split("T2\timplicitDeny\n")
    head, *lines = first.splitlines()
    assert head == "T1\tallowed"
    asked = "arn:aws:iam::111111111111:user/ann may perform s3:GetObject on arn:aws:s3:::b/k"
    because = "because the identity-based policy allows it: statement 1 (All) of identity_policies[0] at 1:"
    assert lines[0].startswith(f"  allowed: {asked}, {because}")
    assert "  this change would allow it:" in second.splitlines()
    assert all(line.startswith("  ") for line in lines + second.splitlines())


def test_json_names_the_statement_that_decided():
    denying = json.loads(policy(allow("s3:*"), deny("s3:Get*", Sid="NoReads")))
    out, _ = decide("-", "--format", "json", stdin=of(case(boundary=denying, expected="explicitDeny"), case(identity_policies=[])))
    first, second = map(json.loads, out.splitlines())
    assert first["decision"] == "explicitDeny" and first["layer"] == "permissions boundary" and first["expected"] == "explicitDeny"
    statement = first["statement"]
    assert (statement["policy"], statement["source"], statement["index"], statement["sid"]) == (0, "boundary", 1, "NoReads")
    place = json.dumps(denying)[statement["column"] - 1:]
    assert statement["line"] == 1 and place.startswith('{"Effect": "Deny"')
    assert first["explanation"] is None
    assert second["statement"] is None and second["expected"] is None


def test_json_with_explanation_holds_every_layer():
    out, _ = decide("-", "--format", "json", "--explain", stdin=of(case(boundary="{")))
    answer = json.loads(out)
    assert [layer["layer"] for layer in answer["explanation"]["layers"]] == ["identity-based policy", "permissions boundary"]
    [unreadable] = answer["unreadable"]
    assert unreadable["source"] == "boundary" and unreadable["problems"][0]["line"] == 1


def test_document_that_cannot_be_read_denies_and_is_explained():
    out, _ = decide("-", "--explain", stdin=of(case(boundary={"Version": "2012-10-17"})))
    assert out.startswith("T1\texplicitDeny\n")
    assert "  boundary cannot be read and so denies everything:\n    1:1: element `Statement` is missing; add it\n" in out


def test_wrong_input_ends_with_2_and_names_case_member_and_line(tmp_path):
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([case(), {**case(id="T2"), "principal": {"type": "alien"}}, case(id="T3")], indent=1))
    out, err = decide(str(file), code=2)
    assert out == "T1\tallowed\nT3\tallowed\n"
    line = file.read_text().splitlines().index('   "type": "alien"') + 1
    assert f"cases.json: line {line}: case `T2`: `principal.type` must be anonymous, assumed_root," in err


def test_file_that_is_not_there_ends_with_3_and_the_others_are_decided(tmp_path):
    file = tmp_path / "cases.json"
    file.write_bytes(of(case()))
    out, err = decide(str(tmp_path / "none.json"), str(file), code=3)
    assert out == "T1\tallowed\n"
    assert "cannot read" in err and "none.json" in err
    decide(str(tmp_path), code=3)


@pytest.mark.parametrize("arguments", [[], ["-", "--format", "xml"], ["-", "--threads", "2"], ["-", "--bench", "--explain"]])
def test_wrong_arguments_end_with_2(arguments):
    decide(*arguments, stdin=of(case()), code=2)


@pytest.mark.parametrize("stdin", [
    b"", b"\xff\xfe[\x00]\x00", b"[", b"{}", b"[1]", b"nonsense", b"\x00", b"[" * 1_000_000, b'[{"id": "\\ud800"}]',
    b'{"a":' * 200_000, b'[{"id":"T1","id":"T1"}]', b"[" + b"1e999999," * 10 + b"1]",
], ids=["empty", "utf-16", "open", "object", "number", "word", "null byte", "deep", "surrogate", "deep objects", "twice", "numbers"])
def test_what_is_no_case_file_is_refused(stdin):
    out, err = decide("-", stdin=stdin, code=2)
    assert out == "" and err.startswith("rootward: standard input: ")


def hostile(document):
    return of(case(identity_policies=["X"])).replace(b'"X"', document)


@pytest.mark.parametrize("document", [
    json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}] * 150_000}).encode(),
    b'{"Statement":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
    b'{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*\\udc00","Resource":"*"}}',
    b'{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"*","Resource":"*"}}',
    b'{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"},"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
    b'{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"},"Other":1}',
    b'{"Version":"2030-01-01","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}',
    b'"\\ud800"',
    json.dumps("x" * 10_000_000).encode(),
], ids=["10 MB", "deep", "surrogate", "effect twice", "statement twice", "unknown element", "unknown version", "surrogate text", "10 MB text"])
@pytest.mark.parametrize("member", ["identity_policies", "boundary"])
def test_hostile_document_never_allows(document, member):
    stdin = hostile(document)
    if member == "boundary":
        stdin = of(case(boundary="X")).replace(b'"X"', document)
    out, _ = decide("-", "--explain", stdin=stdin)
    assert out.startswith("T1\texplicitDeny\n"), out[:200]


def test_misspelt_policy_member_is_refused():
    out, err = decide("-", stdin=of(case(boundry=json.loads(policy(deny("*"))))), code=2)
    assert out == "" and "`boundry` is no member of the format" in err


def test_nothing_that_is_quoted_speaks_to_the_terminal():
    sid = "a\u001b[2J\nT9\tallowed"
    spoken = case(id="T\u001b[31m1\n2", identity_policies=[json.loads(policy(allow("*", Sid=sid)))], expected="implicitDeny")
    out, err = decide("-", "--explain", stdin=of(spoken), code=1)
    assert "\u001b" not in out + err and "\nT9" not in out
    assert out.startswith("T\\u{1b}[31m1\\n2\tallowed\n")


def test_reader_that_stops_early_is_no_error():
    producer = subprocess.Popen([BINARY, "decide", "--explain", str(CASES)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    producer.stdout.read(10)
    producer.stdout.close()
    assert producer.wait(TIMEOUT) == 0
    assert producer.stderr.read() == b""


def test_bench_prints_the_fixed_columns():
    out, err = decide("--bench", "-", stdin=of(case(), case(id="T2", identity_policies=[])))
    [line] = out.splitlines()
    name, rate, p50, p99, allowed, denied = line.split("\t")
    assert (name, allowed, denied) == ("-", "1", "1")
    assert int(rate) > 1000 and 0 < float(p50) <= float(p99)
    assert err == ""
    out, _ = decide("--bench", "--format", "json", "-", stdin=of(case()))
    assert json.loads(out)["decide"]["perSecond"] > 1000


def test_bench_tells_more_on_indented_lines_and_differences_on_standard_error():
    out, err = decide("--bench", "--verbose", "--threads", "2", "-", stdin=of(case(expected="implicitDeny")), code=1)
    first, *more = out.splitlines()
    assert len(first.split("\t")) == 6
    assert more and all(line.startswith("  ") for line in more)
    assert err == "rootward: T1: expected implicitDeny, decided allowed\n"
