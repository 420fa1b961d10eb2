"""A full disk: writes stop with a clear error, reads go on, nothing is lost, and writes resume when there is room."""

import os
import subprocess
import time

import pytest
from botocore.exceptions import ClientError

from rootward_testkit import Server, allow, fresh, policy, program

DISK_MIB = 64


@pytest.fixture
def small_disk(tmp_path):
    """A server whose data folder is on a small file system of its own, in a mount namespace of its own."""
    if os.geteuid() != 0:
        pytest.fail("this test mounts a small file system and so needs root (`sudo ./test`, or a container)")
    unshare, nsenter = program("unshare"), program("nsenter")
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f'mount -t tmpfs -o size={DISK_MIB}m tmpfs "{disk}" && exec "$@"'
    server = Server(tmp_path, data="disk/data", wrapper=(unshare, "--mount", "sh", "-c", mount, "sh"))
    server.start()
    server.inside = (nsenter, f"--target={server.process.pid}", "--mount")
    server.disk = disk
    yield server
    if server.process.poll() is None:
        server.stop()


def on_disk(server, *command):
    return subprocess.run([*server.inside, *command], capture_output=True, text=True, timeout=60)


def fill(server):
    done = on_disk(server, "dd", "if=/dev/zero", f"of={server.disk}/filler", "bs=4096")
    assert "No space left" in done.stderr, done.stderr


def create_until_refused(account):
    """Names of the users that were acknowledged, and the refusal."""
    made = []
    for _ in range(20_000):
        name = fresh("user")
        try:
            account.iam.create_user(UserName=name)
        except ClientError as error:
            return made, error.response
        made.append(name)
    pytest.fail("20,000 writes on a full disk were acknowledged")


def test_full_disk_stops_writes_and_nothing_else(small_disk):
    account = small_disk.account()
    before = [account.iam.create_user(UserName=fresh("user"))["User"]["UserName"] for _ in range(50)]
    fill(small_disk)
    made, refusal = create_until_refused(account)
    assert refusal["ResponseMetadata"]["HTTPStatusCode"] in (500, 503), refusal
    assert refusal["Error"]["Code"] in ("ServiceFailure", "ServiceUnavailable") and refusal["Error"]["Message"], refusal
    assert "panicked" not in small_disk.log.read_text()

    def names():
        return {user["UserName"] for page in account.iam.get_paginator("list_users").paginate() for user in page["Users"]}

    assert names() == {"admin", *before, *made}
    assert account.sts.get_caller_identity()["Arn"] == account.arn

    assert on_disk(small_disk, "rm", f"{small_disk.disk}/filler").returncode == 0
    deadline = time.monotonic() + 30
    while True:
        try:
            account.iam.put_user_policy(UserName=before[0], PolicyName="p", PolicyDocument=policy(allow("s3:*")))
            break
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] in (500, 503), error.response
            assert time.monotonic() < deadline, f"writes did not resume: {error.response}"
            time.sleep(0.2)
    assert account.iam.list_user_policies(UserName=before[0])["PolicyNames"] == ["p"]
    small_disk.host("trail", "verify")
    kept = [record["requestID"] for record in small_disk.trail()
            if record["eventName"] == "CreateUser" and "errorCode" not in record and record.get("requestID")]
    written = [call.request for call in small_disk.calls if call.operation == "CreateUser" and call.error is None]
    assert sorted(written) == sorted(request for request in kept if request in set(written))
