"""`rootward validate`: findings like a compiler's, in three formats, of every file."""

import json
import subprocess

import pytest

from rootward_testkit import BINARY, TIMEOUT, allow, policy, trust

FAULTY = '{\n  "Version": "2012-10-17",\n\t"Statement": [{"Effect": "Allow", "Action": "s3GetObject", "Resource": "*"}]\n}\n'


def validate(*arguments, stdin=None, code=0):
    done = subprocess.run([BINARY, "validate", *arguments], input=stdin, capture_output=True, timeout=TIMEOUT)
    assert done.returncode == code, done.stdout + done.stderr
    assert b"panicked" not in done.stderr
    return done.stdout.decode(), done.stderr.decode()


def test_finding_is_shown_with_its_line(tmp_path):
    file = tmp_path / "policy.json"
    file.write_text(FAULTY)
    out, err = validate("--type", "identity", str(file), code=1)
    assert out == (
        "error: action `s3GetObject` names no service\n"
        f" --> {file}:3:46\n"
        "  |\n"
        '3 |     "Statement": [{"Effect": "Allow", "Action": "s3GetObject", "Resource": "*"}]\n'
        "  |                                                 ^^^^^^^^^^^^^\n"
        "  = help: write `service:Name`, or `*` alone for every action\n\n"
    )
    assert err == ""


@pytest.mark.parametrize("document, kind", [
    (policy(allow("s3:*")), "identity"),
    (policy({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}), "resource"),
    (trust({"Service": "ec2.amazonaws.com"}), "trust"),
])
def test_type_is_told_when_it_is_assumed(document, kind):
    out, err = validate("-", stdin=document.encode())
    assert out == ""
    assert err == f"note: standard input: checked as type {kind}; give --type for another\n"
    assert validate("-", "--type", kind, stdin=document.encode()) == ("", "")


@pytest.mark.parametrize("kind", ["identity", "resource", "trust", "scp", "rcp", "boundary", "session"])
def test_types_take_different_elements(kind):
    accepted = {
        "resource": {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"},
        "rcp": {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"},
        "trust": {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"},
    }.get(kind, {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    validate("-", "--type", kind, stdin=policy(accepted).encode())
    refused = "trust" if kind != "trust" else "identity"
    validate("-", "--type", refused, stdin=policy(accepted).encode(), code=1)


def test_json_has_one_object_for_each_file(tmp_path):
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(policy(allow("s3:*")))
    bad.write_text(FAULTY)
    out, err = validate("--format", "json", str(good), str(bad), code=1)
    first, second = map(json.loads, out.splitlines())
    assert first == {"file": str(good), "type": "identity", "assumed": True, "findings": []}
    [finding] = second["findings"]
    assert (finding["line"], finding["column"], finding["endLine"], finding["endColumn"]) == (3, 46, 3, 59)
    assert err == ""


def test_sarif_is_one_log_and_nothing_else(tmp_path):
    bad = tmp_path / "a b.json"
    bad.write_text(FAULTY)
    out, err = validate("--format", "sarif", str(bad), code=1)
    assert err == ""
    log = json.loads(out)
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    assert run["tool"]["driver"]["name"] == "rootward"
    [result] = run["results"]
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == f"file://{tmp_path}/a%20b.json"
    assert place["region"] == {"startLine": 3, "startColumn": 46, "endLine": 3, "endColumn": 59}
    out, _ = validate("--format", "sarif", "-", stdin=policy(allow("s3:*")).encode())
    assert json.loads(out)["runs"][0]["results"] == []


def test_file_that_is_not_there_ends_with_3_and_the_others_are_checked(tmp_path):
    out, err = validate(str(tmp_path / "none.json"), "-", stdin=FAULTY.encode(), code=3)
    assert "names no service" in out and "none.json" in err


@pytest.mark.parametrize("arguments", [[], ["-", "--type", "bucket"], ["-", "--format", "xml"]])
def test_wrong_arguments_end_with_2(arguments):
    validate(*arguments, stdin=b"{}", code=2)


@pytest.mark.parametrize("document", [
    b"", b"\xff", b"{", b"\x00", b"[]", b"[" * 1_000_000, b'{"a":' * 200_000, b'"\\ud800"', b"{}" * 1000,
    b'{"Statement":{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}}',
    b'{"Statement":[' + b'{"Effect":"Allow"},' * 500_000 + b"1]}",
    b'{"Statement":"' + b"x" * 10_000_000 + b'"}', b"\xc3\xa4" * 100_000 + b"\xff",
], ids=["empty", "not utf-8", "open", "null byte", "list", "deep", "deep objects", "surrogate", "many", "twice", "10 MB", "10 MB text", "late"])
@pytest.mark.parametrize("form", ["text", "json", "sarif"])
def test_hostile_document_is_a_finding(document, form):
    out, _ = validate("-", "--format", form, stdin=document, code=1)
    assert len(out) < 100_000
    if form == "text":
        assert max(map(len, out.splitlines())) < 500


def test_control_characters_are_not_shown():
    out, err = validate("-", stdin='{"Version": "\u001b[31m\u0007", "St\u202eatement": 1}'.encode(), code=1)
    assert "\u001b" not in out + err and "\u0007" not in out
    assert "error" in out


def test_colours_are_for_terminals_only():
    script = f"{BINARY} validate - <<< '{{' || true"
    shown = subprocess.run(["script", "-qec", f"bash -c \"{script}\"", "/dev/null"], capture_output=True, timeout=TIMEOUT)
    assert b"\x1b[" in shown.stdout
    plain = subprocess.run(
        ["script", "-qec", f"NO_COLOR=1 bash -c \"{script}\"", "/dev/null"], capture_output=True, timeout=TIMEOUT
    )
    assert b"error" in plain.stdout and b"\x1b[" not in plain.stdout


def test_reference_warns_and_changes_no_exit_code(tmp_path):
    file = tmp_path / "policy.json"
    file.write_text(policy({"Effect": "Allow", "Action": "s3:GetObjct", "Resource": "*"}))
    out, _ = validate("--type", "identity", str(file))
    assert out.startswith("warning: service `s3` has no action `GetObjct`\n") and "= help: did you mean `s3:GetObject`?\n" in out
    out, _ = validate("--format", "json", str(file))
    [finding] = json.loads(out)["findings"]
    assert (finding["level"], finding["line"]) == ("warning", 1)
    out, _ = validate("--format", "sarif", str(file))
    [run] = json.loads(out)["runs"]
    [result] = run["results"]
    assert result["level"] == "warning" and run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
