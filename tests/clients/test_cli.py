"""The AWS CLI: the story of the README, word by word, and what else people do at a prompt."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rootward_testkit import BINARY, ROOT, TIMEOUT, Credentials, Server, allow, fresh, policy

TOOLS = Path(sys.executable).parent


def test_the_readme_works_as_pasted(tmp_path):
    server = Server(tmp_path, data="rootward-data").start()
    release = tmp_path / "target" / "release"
    release.mkdir(parents=True)
    (release / "rootward").symlink_to(BINARY)
    start = (ROOT / "README.md").read_text().split("## Start")[1].split("\n## ")[0]
    serve, *blocks = re.findall(r"```sh\n(.*?)```", start, re.DOTALL)
    assert "serve" in serve
    script = "".join(f"{block}\necho \"@@ $?\"\n" for block in blocks).replace(":4566", f":{server.port}")
    done, endings = pasted(script, tmp_path)
    failed = [number for number, ending in enumerate(endings) if ending != "0"]
    shown = done.stdout + done.stderr
    assert len(endings) == len(blocks) and len(failed) == 1, shown
    assert "list-users" in blocks[failed[0]].splitlines()[-1], shown
    account = json.loads((tmp_path / "account.json").read_text())["AccountId"]
    assert (
        f"An error occurred (AccessDenied) when calling the ListUsers operation: User: arn:aws:iam::{account}:user/bob is not "
        f"authorized to perform: iam:ListUsers on resource: arn:aws:iam::{account}:user/ because no identity-based policy "
        "allows the iam:ListUsers action"
    ) in done.stderr
    assert done.stderr.count("An error occurred") == 1, shown
    assert re.search(r"iam:ListUsers +arn:aws:iam::\d+:user/bob .* AccessDenied", done.stdout), shown
    assert re.search(r"^whole, \d+ records$", done.stdout, re.MULTILINE), shown
    # Whoever pastes it again loses nothing and is told of no error: bob may by now.
    kept = {file: (tmp_path / file).read_text() for file in ("account.json", "alice-password", "bob.json")}
    assert all(kept.values())
    for _ in range(2):
        done, endings = pasted(script, tmp_path)
        assert set(endings) == {"0"} and done.stderr.count("rror") == 0, done.stdout + done.stderr
        assert {file: (tmp_path / file).read_text() for file in kept} == kept
    server.stop()


def pasted(script, folder):
    done = subprocess.run(
        ["bash"], input=script, cwd=folder, env=environment(), capture_output=True, text=True, timeout=10 * TIMEOUT)
    return done, re.findall(r"^@@ (\d+)$", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [("operations",), ("operations", "--format", "json"), ("--help",), ("account", "list")])
def test_reader_that_has_seen_enough_ends_no_command_badly(server, arguments):
    data = ["--data", str(server.data)] if arguments[0] == "account" else []
    command = subprocess.Popen([BINARY, *arguments, *data], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    command.stdout.close()
    assert (command.wait(TIMEOUT), command.stderr.read()) == (0, "")


def told(*arguments):
    """Exit code and standard error of a command."""
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=TIMEOUT)
    return done.returncode, done.stderr


def test_commands_say_what_to_do_next(tmp_path, server):
    empty = ["--data", str(tmp_path / "empty")]
    code, said = told("root", "status", *empty)
    assert code == 3 and "--data" in said
    code, said = told("serve", "--listen", f"127.0.0.1:{server.port}", *empty)
    assert code == 3 and "in use" in said and "--listen" in said
    data, name = ["--data", str(server.data)], fresh("entered-by-nobody")
    code, said = told("account", "create", "--name", name, "--email", f"{name}@example.com", *data)
    assert code == 0 and "nobody can enter" in said and "root reset-password" in said
    code, said = told("account", "create", "--name", name, "--email", f"{name}2@example.com", "--admin", "ann", *data)
    assert (code, said) == (0, "")
    code, said = told("alerts", "add", name, "--webhook", "http://127.0.0.1:9/", *data)
    assert code == 0 and f"rootward alerts test {name}" in said
    code, said = told("alerts", "add", name, "--webhook", "http://127.0.0.1:9/", *data)
    assert code == 2 and f"rootward alerts remove {name}" in said
    assert told("alerts", "remove", name, *data) == (0, "")
    assert "connections at once" not in server.log.read_text()


def environment(**settings):
    path = os.pathsep.join([str(TOOLS), os.environ["PATH"]])
    return {"PATH": path, "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_PAGER": "", **settings}


@pytest.fixture(scope="module")
def aws(server, account):
    def run(*arguments, credentials=account.credentials, code=0):
        settings = {
            "AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1",
            "AWS_ACCESS_KEY_ID": credentials.key, "AWS_SECRET_ACCESS_KEY": credentials.secret,
        }
        if credentials.token:
            settings["AWS_SESSION_TOKEN"] = credentials.token
        done = subprocess.run([TOOLS / "aws", *arguments], env=environment(**settings), capture_output=True, text=True, timeout=2 * TIMEOUT)
        assert done.returncode == code, done.stdout + done.stderr
        return (json.loads(done.stdout) if done.stdout.strip() else None) if code == 0 else done.stderr
    return run


def test_user_is_made_refused_granted_and_deleted(aws, account):
    name = fresh("user")
    made = aws("iam", "create-user", "--user-name", name, "--tags", "Key=Team,Value=red")["User"]
    assert made["Arn"] == account.arn_of(f"user/{name}")
    key = aws("iam", "create-access-key", "--user-name", name)["AccessKey"]
    account.server.secrets.add(key["SecretAccessKey"])
    mine = Credentials.of(key)
    assert aws("sts", "get-caller-identity", credentials=mine)["UserId"] == made["UserId"]
    said = aws("iam", "get-user", "--user-name", "admin", credentials=mine, code=255)
    assert f"(AccessDenied) when calling the GetUser operation: User: {made['Arn']} is not authorized to perform: iam:GetUser" in said
    arn = aws("iam", "create-policy", "--policy-name", name, "--policy-document", policy(allow("iam:GetUser")))["Policy"]["Arn"]
    aws("iam", "attach-user-policy", "--user-name", name, "--policy-arn", arn)
    assert aws("iam", "get-user", "--user-name", "admin", credentials=mine)["User"]["UserName"] == "admin"
    assert "(DeleteConflict)" in aws("iam", "delete-user", "--user-name", name, code=255)
    aws("iam", "detach-user-policy", "--user-name", name, "--policy-arn", arn)
    aws("iam", "delete-access-key", "--user-name", name, "--access-key-id", key["AccessKeyId"])
    aws("iam", "delete-user", "--user-name", name)
    assert "(NoSuchEntity)" in aws("iam", "get-user", "--user-name", name, code=255)


def test_role_is_assumed_by_a_profile_of_the_cli(aws, account, server, tmp_path):
    role = account.role(account.root_arn, allow("iam:ListUsers"))
    profile = tmp_path / "config"
    profile.write_text(
        f"[profile reader]\nrole_arn = {role['Arn']}\ncredential_source = Environment\nrole_session_name = from-cli\n"
        f"region = us-east-1\nendpoint_url = {server.url}\n")
    done = subprocess.run(
        [TOOLS / "aws", "--profile", "reader", "sts", "get-caller-identity"],
        env={**environment(AWS_ACCESS_KEY_ID=account.credentials.key, AWS_SECRET_ACCESS_KEY=account.credentials.secret,
                           AWS_ENDPOINT_URL=server.url), "AWS_CONFIG_FILE": str(profile)},
        capture_output=True, text=True, timeout=2 * TIMEOUT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["Arn"] == f"arn:aws:sts::{account.account}:assumed-role/{role['RoleName']}/from-cli"


def test_long_lists_are_read_to_their_end(aws, account):
    path = f"/{fresh('path')}/"
    for _ in range(7):
        account.iam.create_user(UserName=fresh("user"), Path=path)
    assert len(aws("iam", "list-users", "--path-prefix", path, "--page-size", "2")["Users"]) == 7
    first = aws("iam", "list-users", "--path-prefix", path, "--max-items", "3")
    rest = aws("iam", "list-users", "--path-prefix", path, "--starting-token", first["NextToken"])
    assert len(first["Users"]) == 3 and len(rest["Users"]) == 4


def test_documents_come_back_as_json(aws, account):
    group = account.group(allow("s3:GetObject", "arn:aws:s3:::b%20c/*"))
    shown = aws("iam", "get-group-policy", "--group-name", group, "--policy-name", "inline")
    assert shown["PolicyDocument"]["Statement"][0]["Resource"] == "arn:aws:s3:::b%20c/*"


def test_root_works_from_the_cli_too(aws, account):
    root = account.root()
    assert aws("sts", "get-caller-identity", credentials=root.credentials)["Arn"] == account.root_arn
    assert aws("iam", "get-account-summary", credentials=root.credentials)["SummaryMap"]["AccountAccessKeysPresent"] == 1
