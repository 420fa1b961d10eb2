"""The server is killed again and again while clients write: every acknowledged write is there, and no half of another.

Each writer owns some users and knows what it was told about them. When a call is cut off, the user is either as it was
before or as it would be after, never in between; the writer looks, goes on from there, and does not forget it again.
"""

import collections
import random
import threading
import time

import pytest
from botocore.exceptions import BotoCoreError
from botocore.parsers import ResponseParserError

from rootward_testkit import Server, allow, policy

KILLS = 200
WRITERS = 4
CHECK_EVERY = 25
SECONDS_MAX = 90
CUT_OFF = (BotoCoreError, ResponseParserError)

# What one user has: whether it exists, keys, policies attached, groups, inline policies.
State = collections.namedtuple("State", "exists keys attached groups inline", defaults=(False, 0, False, False, False))
GONE = State()


class Writer(threading.Thread):
    """Makes users, gives them things, takes them away again, and deletes them, for ever."""

    def __init__(self, number, account, shared_policy, group):
        super().__init__(name=f"writer-{number}", daemon=True)
        self.number, self.iam = number, account.server.client("iam", account.credentials)
        self.policy, self.group = shared_policy, group
        self.known = {}
        self.acknowledged = 0
        self.cut_off = 0
        self.failure = None
        self.go, self.idle, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.go.set()

    def run(self):
        try:
            for turn in range(1_000_000):
                self.one_life(f"w{self.number}-{turn}", keep=turn % 3 == 0)
        except StopIteration:
            pass
        except BaseException as failure:
            self.failure = failure
        self.idle.set()

    def one_life(self, name, keep):
        user = {"UserName": name}
        arn, group = {"PolicyArn": self.policy}, {"GroupName": self.group}
        inline = {"PolicyName": "p"}
        self.write(name, State(True), "create_user", **user)
        self.write(name, State(True, 1), "create_access_key", **user)
        self.write(name, State(True, 1, True), "attach_user_policy", **user, **arn)
        self.write(name, State(True, 1, True, True), "add_user_to_group", **user, **group)
        self.write(name, State(True, 1, True, True, True), "put_user_policy", **user, **inline, PolicyDocument=policy(allow("s3:*")))
        if keep:
            return
        self.write(name, State(True, 1, True, True), "delete_user_policy", **user, **inline)
        self.write(name, State(True, 1, True), "remove_user_from_group", **user, **group)
        self.write(name, State(True, 1), "detach_user_policy", **user, **arn)
        self.write(name, State(True), "delete_access_key", **user, AccessKeyId=self.key_of(name))
        self.write(name, GONE, "delete_user", **user)

    def write(self, name, after, operation, **arguments):
        before = self.known.get(name, GONE)
        while True:
            self.pause()
            try:
                getattr(self.iam, operation)(**arguments)
                self.acknowledged += 1
                break
            except CUT_OFF:
                self.cut_off += 1
            seen = self.look(name)
            assert seen in (before, after), f"{operation} of {name} was cut off; before {before}, after {after}, now {seen}"
            if seen == after:
                break
        self.known[name] = after

    def pause(self):
        """Waits while the server is being checked."""
        if not self.go.is_set():
            self.idle.set()
            self.go.wait()
            self.idle.clear()
        if self.ended.is_set():
            raise StopIteration

    def key_of(self, name):
        return self.surely(lambda: self.iam.list_access_keys(UserName=name))["AccessKeyMetadata"][0]["AccessKeyId"]

    def look(self, name):
        return self.surely(lambda: state_of(self.iam, name))

    def surely(self, read):
        """Never pauses: until it has looked, this writer does not know what is so."""
        while True:
            try:
                return read()
            except CUT_OFF:
                time.sleep(0.005)


def state_of(iam, name):
    try:
        iam.get_user(UserName=name)
    except iam.exceptions.NoSuchEntityException:
        return GONE
    return State(
        True,
        len(iam.list_access_keys(UserName=name)["AccessKeyMetadata"]),
        bool(iam.list_attached_user_policies(UserName=name)["AttachedPolicies"]),
        bool(iam.list_groups_for_user(UserName=name)["Groups"]),
        bool(iam.list_user_policies(UserName=name)["PolicyNames"]),
    )


def check_state(account, writers):
    """Everything the writers know is so, seen from every side, and there is nothing else."""
    known = {name: state for writer in writers for name, state in writer.known.items()}
    shown = {}
    for page in account.iam.get_paginator("get_account_authorization_details").paginate(Filter=["User"]):
        for user in page["UserDetailList"]:
            shown[user["UserName"]] = State(
                True, None, bool(user["AttachedManagedPolicies"]), bool(user["GroupList"]), bool(user.get("UserPolicyList")))
    del shown["admin"]
    assert shown == {name: state._replace(keys=None) for name, state in known.items() if state.exists}
    arn, group = writers[0].policy, writers[0].group
    pages = account.iam.get_paginator("list_entities_for_policy").paginate(PolicyArn=arn)
    attached = {user["UserName"] for page in pages for user in page["PolicyUsers"]}
    assert attached == {name for name, state in known.items() if state.attached}
    assert account.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == len(attached)
    members = {user["UserName"] for page in account.iam.get_paginator("get_group").paginate(GroupName=group) for user in page["Users"]}
    assert members == {name for name, state in known.items() if state.groups}
    assert account.iam.get_account_summary()["SummaryMap"]["Users"] == len(shown) + 1
    return known


def test_no_acknowledged_write_is_lost_and_no_other_is_half_done(tmp_path):
    chance = random.Random(20_261_124)
    server = Server(tmp_path).start()
    account = server.account()
    shared, group = account.policy()["Arn"], account.group()
    writers = [Writer(number, account, shared, group) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    began = time.monotonic()
    slowest = 0
    for kill in range(1, KILLS + 1):
        time.sleep(chance.uniform(0.02, 0.2))
        server.kill()
        restarted = time.monotonic()
        server.start()
        slowest = max(slowest, time.monotonic() - restarted)
        failures = [writer.failure for writer in writers if writer.failure]
        assert not failures, failures
        if kill % CHECK_EVERY == 0:
            for writer in writers:
                writer.go.clear()
            for writer in writers:
                if not writer.idle.wait(10):
                    pytest.fail(f"{writer.name} hangs")
            check_state(account, writers)
            server.host("trail", "verify")
            for writer in writers:
                writer.go.set()
        if time.monotonic() - began > SECONDS_MAX:
            pytest.fail(f"only {kill} kills in {SECONDS_MAX} s; the slowest start took {slowest:.2f} s")
    for writer in writers:
        writer.ended.set()
    for writer in writers:
        writer.join(10)
        assert not writer.failure, writer.failure
    known = check_state(account, writers)
    for name in chance.sample(sorted(known), min(50, len(known))):
        assert state_of(account.iam, name) == known[name]
    acknowledged = sum(writer.acknowledged for writer in writers)
    assert acknowledged > KILLS and sum(writer.cut_off for writer in writers) > KILLS / 4
    # One record for each acknowledged write; those of reads and refusals may die with the process.
    writes = {call.request for call in server.calls if call.error is None and not call.operation.startswith(("Get", "List"))}
    kept = collections.Counter(
        record["requestID"] for record in server.trail() if not record["readOnly"] and record.get("requestID"))
    assert not [request for request in writes if kept[request] != 1]
    assert not [request for request, times in kept.items() if times != 1]
    server.host("trail", "verify")
    server.stop()
    print(f"{KILLS} kills, {acknowledged} acknowledged writes, slowest start {slowest * 1000:.0f} ms")
