"""Attacks on the root user: every way to a key of its own while the seal is closed, every way past those who must agree."""

import html
import json
import re
import subprocess
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from console_client import client, error, go_on, is_in, knock_as_root, mark, root_session
from rootward_testkit import (
    BINARY, NEW_PASSWORD, PASSWORD, Credentials, Device, Like, Principal, allow, clock_off_by, deny, fresh, policy, refused,
)

SEALED = Like("The root user of account [0-9]{12} is sealed: .*")
# What somebody might call the root user where a user's name is wanted.
NAMES_OF_ROOT = ["root", "Root", "ROOT", "<root_account>", "AWS ROOT USER", "root user", "/", " ", ""]
# The operations that can make a long-term key or take one into use. A new one belongs into the test below.
KEY_OPERATIONS = {"CreateAccessKey", "UpdateAccessKey"}
HOUR = 3_600


def host(server, name, account, *arguments, **keywords):
    printed = server.host("root", name, "--account", account.account, *arguments, **keywords)
    return json.loads(printed) if printed else None


def keys(server, account):
    """The root user's keys and whether they are active."""
    [user] = json.loads(server.host("root", "status", "--account", account.account, "--format", "json"))["RootUsers"]
    return {key["AccessKeyId"]: key["Status"] for key in user["AccessKeys"]}


# No key while the seal is closed


class Remains:
    """What somebody kept of the time when the seal was broken: keys, sessions by key, and a session at the console."""

    def __init__(self, server, account):
        self.account = account
        root = account.root()
        self.inactive = Credentials.of(root.iam.create_access_key()["AccessKey"])
        root.iam.update_access_key(AccessKeyId=self.inactive.key, Status="Inactive")
        everything = policy(allow("*"))
        self.callers = {
            "key": root.credentials,
            "inactive key": self.inactive,
            "session": Credentials.of(root.sts.get_session_token()["Credentials"]),
            "federated user": Credentials.of(root.sts.get_federation_token(Name="root", Policy=everything)["Credentials"]),
        }
        server.secrets |= {credentials.secret for credentials in self.callers.values()}
        self.principals = {name: Principal(server, credentials) for name, credentials in self.callers.items()}
        self.key = root.credentials.key


@pytest.fixture(scope="module")
def remains(house):
    account = house.account()
    remains = Remains(house, account)
    host(house, "seal", account)
    return remains


@pytest.fixture(autouse=True)
def keys_stay_as_they_are(request):
    """Whatever a test of what remains tries: no key of the root user appears or comes back."""
    if "remains" not in request.fixturenames:
        yield
        return
    server, remains = request.getfixturevalue("house"), request.getfixturevalue("remains")
    expected = {remains.key: "Active", remains.inactive.key: "Inactive"}
    assert keys(server, remains.account) == expected
    yield
    assert keys(server, remains.account) == expected
    summary = remains.account.iam.get_account_summary()["SummaryMap"]
    assert summary["AccountAccessKeysPresent"] == 1


def test_operations_that_make_or_revive_keys_are_all_tried_here():
    printed = subprocess.run([BINARY, "operations", "--format", "json"], capture_output=True, text=True, check=True).stdout
    operations = [one["operation"] for one in json.loads(printed)]
    readers = ("Delete", "Get", "List")
    assert {name for name in operations if "AccessKey" in name and not name.startswith(readers)} == KEY_OPERATIONS


@pytest.mark.parametrize("who", ["key", "session", "federated user"])
def test_nothing_of_the_root_user_that_remains_makes_or_revives_a_key(remains, who):
    caller = remains.principals[who]
    for name in [None, "admin", *NAMES_OF_ROOT]:
        named = {} if name is None else {"UserName": name}
        for call in (
            lambda: caller.iam.create_access_key(**named),
            lambda: caller.iam.update_access_key(AccessKeyId=remains.inactive.key, Status="Active", **named),
            lambda: caller.iam.update_access_key(AccessKeyId=remains.key, Status="Active", **named),
            lambda: caller.iam.delete_access_key(AccessKeyId=remains.key, **named),
        ):
            with refused("AccessDenied", SEALED):
                call()


@pytest.mark.parametrize("who", ["key", "session", "federated user"])
def test_nothing_of_the_root_user_that_remains_becomes_somebody_else(remains, who):
    caller = remains.principals[who]
    role = remains.account.role(remains.account.arn_of("root"), allow("*"))
    for call in (
        lambda: caller.sts.get_session_token(), lambda: caller.sts.get_federation_token(Name="x"),
        lambda: caller.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="x"),
        lambda: caller.rootward.unseal_root(Reason="drill", Minutes=60),
        lambda: caller.iam.create_user(UserName=fresh("user")),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Message"] == SEALED


def test_inactive_key_says_nothing_of_the_seal(remains):
    with refused("InvalidClientTokenId"):
        remains.principals["inactive key"].iam.create_access_key()


def test_administrator_makes_keys_of_users_only(house, remains):
    account = remains.account
    role = account.role(account.arn_of("root"), allow("*"))
    federated = Principal(house, Credentials.of(account.sts.get_federation_token(
        Name="root", Policy=policy(allow("*")))["Credentials"]))
    for caller in (account, account.assume(role), federated):
        for name in [*NAMES_OF_ROOT, account.root_arn, account.account, "arn:aws:iam::aws:root"]:
            for call in (
                lambda: caller.iam.create_access_key(UserName=name),
                lambda: caller.iam.update_access_key(UserName=name, AccessKeyId=remains.inactive.key, Status="Active"),
            ):
                with pytest.raises(ClientError) as caught:
                    call()
                code = caught.value.response["Error"]["Code"]
                assert code in ("NoSuchEntity", "ValidationError", "InvalidClientTokenId", "AccessDenied"), (name, code)
    for named in ({}, {"UserName": "admin"}):
        with refused("NoSuchEntity"):
            account.iam.update_access_key(AccessKeyId=remains.inactive.key, Status="Active", **named)


def test_user_called_root_is_a_user(house, remains):
    account = remains.account
    account.iam.create_user(UserName="root")
    key = account.iam.create_access_key(UserName="root")["AccessKey"]
    made = Principal(house, Credentials.of(key))
    assert made.sts.get_caller_identity()["Arn"] == account.arn_of("user/root")
    with refused("NoSuchEntity"):
        account.iam.update_access_key(UserName="root", AccessKeyId=remains.inactive.key, Status="Active")
    account.iam.delete_access_key(UserName="root", AccessKeyId=key["AccessKeyId"])
    account.iam.delete_user(UserName="root")


def test_key_of_a_user_is_not_made_the_root_users(house, remains):
    """By renaming, by another account's administrator, or by a deleted user's key."""
    account, other = remains.account, house.account()
    user = account.user(allow("*"))
    for name in ("AWS ROOT USER", "<root_account>"):
        with pytest.raises(ClientError):
            account.iam.update_user(UserName=user.name, NewUserName=name)
    for key in (remains.inactive.key, remains.key, user.credentials.key):
        with refused("NoSuchEntity"):
            other.iam.update_access_key(AccessKeyId=key, Status="Active")


@pytest.mark.parametrize("form", [
    {"do": "create-key"}, {"do": "use-key"}, {"do": "use-key", "user": "root"}, {"do": "create-key", "name": "AWS ROOT USER"},
])
def test_console_makes_and_revives_no_key(house, remains, form):
    http = root_session(house, remains.account)
    answer = http.post("/console/security", data={
        "mark": mark(http.get("/console").text), "id": remains.inactive.key, **form})
    assert "is sealed" in (error(answer) or ""), answer.text
    assert "AKIA" not in answer.text.replace(remains.key, "").replace(remains.inactive.key, "")


@pytest.mark.parametrize("path", ["/console/users/root", "/console/users/AWS%20ROOT%20USER", "/console/users/%3Croot_account%3E"])
def test_console_knows_no_user_that_is_the_root_user(house, remains, path):
    http = root_session(house, remains.account)
    for do in ({"do": "create-key"}, {"do": "use-key", "id": remains.inactive.key}):
        answer = http.post(path, data={"mark": mark(http.get("/console").text), **do})
        assert answer.status_code in (200, 400, 404) and error(answer) and "Secret" not in answer.text


def test_console_opens_no_further_account(house, remains):
    http = client(house)
    form = {"code": "x", "name": "n", "email": "second@example.com", "password": PASSWORD, "again": PASSWORD}
    answer = http.post("/console/first-run", data={**form, "mark": mark(http.get("/console/sign-in").text)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/sign-in?done=open")
    assert "second@example.com" not in house.host("account", "list")


def test_host_makes_none_either(house, remains):
    host(house, "create-access-key", remains.account, code=2)


def test_new_account_comes_without_a_root_key(house):
    for admin in ("root", "admin"):
        account = house.account(admin=admin)
        assert keys(house, account) == {}
        assert account.sts.get_caller_identity()["Arn"] == account.arn_of(f"user/{admin}")
        assert account.root_arn not in json.dumps(account.opened["Admin"])


def test_closed_and_reopened_account_has_its_seal_and_no_key(house):
    account = house.account()
    account.unseal()
    house.host("account", "close", "--account", account.account)
    house.host("account", "reopen", "--account", account.account)
    host(house, "seal", account)
    host(house, "create-access-key", account, code=2)
    assert keys(house, account) == {}


@pytest.mark.parametrize("seconds", [5 * 60, -1, -HOUR])
def test_clock_closes_a_broken_seal_wherever_it_goes(house, clock, seconds):
    account = house.account()
    host(house, "unseal", account, "--reason", "drill", "--minutes", "5")
    key = Credentials.of(host(house, "create-access-key", account)["AccessKey"])
    house.secrets.add(key.secret)
    clock.set_off(seconds)
    root = Principal(house, key)
    with clock_off_by(seconds):
        with refused("AccessDenied", SEALED):
            root.iam.create_access_key()
    host(house, "create-access-key", account, code=2)
    assert list(keys(house, account)) == [key.key]


def root_device(server, account):
    """An authenticator app of the root user."""
    http = root_session(server, account)
    page = http.post("/console/security/register/app", data={"mark": mark(http.get("/console").text), "name": "app"})
    left = {name: re.search(f'name="{name}" value="([^"]+)"', page.text)[1] for name in ("mark", "serial", "seed", "picture")}
    device = Device({"SerialNumber": left["serial"], "Base32StringSeed": left["seed"].encode()})
    first, second = device.first_codes()
    assert http.post("/console/security/register/app/finish", data={**left, "first": first, "second": second}).status_code == 303
    server.secrets.add(left["seed"])
    return device


# Two of three


class Guarded:
    """An account whose root user is let in by two of three approvers."""

    def __init__(self, server, required=2):
        self.server, self.account = server, server.account()
        decide = allow(["rootward:ApproveRootAccess", "rootward:RejectRootAccess"])
        self.users = [self.account.user(decide, name=name) for name in ("ann", "bob", "cleo")]
        self.devices = [self.account.device(user) for user in self.users]
        self.require(required)
        self.approvers = [self.with_factor(user, device) for user, device in zip(self.users, self.devices)]

    def require(self, number, names=("ann", "bob", "cleo")):
        named = [part for name in names for part in ("--user", name)]
        host(self.server, "approvers", self.account, "--required", str(number), *named)

    @contextmanager
    def unnamed(self):
        """The host names nobody meanwhile, so that an administrator may give approvers devices and keys."""
        self.require(0, ())
        yield
        self.require(2)

    def with_factor(self, user, device):
        session = user.sts.get_session_token(**device.shown())["Credentials"]
        self.server.secrets.add(session["SecretAccessKey"])
        return Principal(self.server, Credentials.of(session), user.arn, user.name)

    def ask(self, device=None):
        http = client(self.server)
        page = knock_as_root(http, self.account)
        if device:
            page = go_on(http, "code", page, code=device.next_code())
        return Asked(http, go_on(http, "reason", page, reason="drill", approvals=0, minutes=60))

    def reject(self, number, asked):
        return self.approvers[number].rootward.reject_root_access(RequestId=asked.id)

    def approve(self, number, asked):
        return self.approvers[number].rootward.approve_root_access(RequestId=asked.id)

    def nobody_is_in(self):
        """Whether no session of the root user has begun."""
        trail = [record["eventName"] for record in self.server.trail() if record.get("recipientAccountId") == self.account.account]
        return "RootSessionStarted" not in trail


class Asked:
    """A sign-in that waits."""

    def __init__(self, http, page):
        self.http, self.page = http, page
        self.id = re.search(r"<code>([0-9a-z]{32})</code>", page.text)[1]

    def look(self):
        """How it stands: how many have agreed, `in`, or what is said against it."""
        answer = go_on(self.http, "wait", self.page)
        if is_in(answer):
            return "in"
        counted = re.search(r"\d+ of \d+", answer.text)
        return counted[0] if counted else error(answer)


def test_two_of_three_let_in_and_one_does_not(house):
    guarded = Guarded(house)
    asked = guarded.ask()
    assert asked.look() == "0 of 2"
    guarded.approve(0, asked)
    assert asked.look() == "1 of 2"
    with refused("ConflictException", "The user has decided on this request already."):
        guarded.approve(0, asked)
    assert asked.look() == "1 of 2" and guarded.nobody_is_in()
    guarded.approve(1, asked)
    assert asked.look() == "in"
    assert asked.look() == "This sign-in took too long, or began in another browser: begin again."


def test_one_person_counts_once_whatever_they_sign_with(house, clock):
    guarded = Guarded(house)
    asked = guarded.ask()
    guarded.approve(0, asked)
    ann = guarded.users[0]
    with guarded.unnamed():
        device = guarded.account.device(ann)
        second_key = guarded.account.iam.create_access_key(UserName="ann")["AccessKey"]
    by_key = Principal(house, Credentials.of(second_key), ann.arn, ann.name)
    clock.set_off(30)
    for other in (guarded.with_factor(by_key, device), guarded.with_factor(ann, guarded.devices[0])):
        with refused("ConflictException", "The user has decided on this request already."):
            other.rootward.approve_root_access(RequestId=asked.id)
    assert asked.look() == "1 of 2"
    # A new name is no new person.
    guarded.account.iam.update_user(UserName="ann", NewUserName="anna")
    with refused("ConflictException"):
        guarded.approve(0, asked)
    assert asked.look() == "1 of 2"


def test_who_is_gone_has_not_agreed_and_their_name_is_nobodys(house):
    guarded = Guarded(house)
    asked = guarded.ask()
    guarded.approve(0, asked)
    iam = guarded.account.iam
    iam.deactivate_mfa_device(UserName="ann", SerialNumber=guarded.devices[0].serial)
    assert asked.look() == "0 of 2"
    iam.delete_user_policy(UserName="ann", PolicyName="inline")
    iam.delete_access_key(UserName="ann", AccessKeyId=guarded.users[0].credentials.key)
    iam.delete_user(UserName="ann")
    assert asked.look() == "0 of 2"
    with pytest.raises(ClientError):
        guarded.approve(0, asked)
    ann = guarded.account.user(allow("rootward:*"), name="ann")
    stranger = guarded.with_factor(ann, guarded.account.device(ann))
    with refused("AccessDeniedException"):
        stranger.rootward.approve_root_access(RequestId=asked.id)
    guarded.approve(1, asked)
    assert asked.look() == "1 of 2"
    guarded.approve(2, asked)
    assert asked.look() == "in"


def test_approvers_without_a_second_factor_agree_to_nothing(house):
    guarded = Guarded(house)
    asked = guarded.ask()
    by_key = guarded.users[0]
    plain = Principal(house, Credentials.of(by_key.sts.get_session_token()["Credentials"]))
    for caller in (by_key, plain, guarded.account):
        with refused("AccessDeniedException", Like(".*second factor.*")):
            caller.rootward.approve_root_access(RequestId=asked.id)
    # Shown once, and taken away since: the session is not what it was.
    guarded.account.iam.deactivate_mfa_device(UserName="ann", SerialNumber=guarded.devices[0].serial)
    with refused("AccessDeniedException"):
        guarded.approve(0, asked)
    assert asked.look() == "0 of 2"


def test_second_factor_that_came_after_the_question_agrees_to_nothing(house, clock):
    """Also where the host has let an administrator give an approver another device meanwhile."""
    guarded = Guarded(house)
    asked = guarded.ask()
    clock.set_off(2)
    guarded.account.iam.deactivate_mfa_device(UserName="ann", SerialNumber=guarded.devices[0].serial)
    with guarded.unnamed():
        device = guarded.account.device(guarded.users[0])
    late = guarded.with_factor(guarded.users[0], device)
    for decide in (late.rootward.approve_root_access, late.rootward.reject_root_access):
        with refused("AccessDeniedException", Like("An approver's MFA device must have been registered before .*")):
            decide(RequestId=asked.id)
    assert asked.look() == "0 of 2"


def test_administrator_of_iam_does_not_become_an_approver(house):
    """With `iam:*` alone: not by a device, a key or a password of its own making, whoever had what before, nor by a name."""
    guarded = Guarded(house)
    dan = guarded.account.user(allow(["iam:*", "sts:*"]), name="dan")
    free = Device(dan.iam.create_virtual_mfa_device(VirtualMFADeviceName="eves")["VirtualMFADevice"])
    first, second = free.first_codes()
    codes = {"AuthenticationCode1": first, "AuthenticationCode2": second}
    ann = guarded.users[0].name
    dan.iam.update_access_key(UserName=ann, AccessKeyId=guarded.users[0].credentials.key, Status="Inactive")
    refusals = [
        lambda: dan.iam.create_access_key(UserName=ann),
        lambda: dan.iam.update_access_key(UserName=ann, AccessKeyId=guarded.users[0].credentials.key, Status="Active"),
        lambda: dan.iam.create_login_profile(UserName=ann, Password=NEW_PASSWORD),
        lambda: dan.iam.resync_mfa_device(UserName=ann, SerialNumber=guarded.devices[0].serial, **codes),
        lambda: dan.iam.enable_mfa_device(UserName=ann, SerialNumber=free.serial, **codes),
        lambda: guarded.account.iam.create_access_key(UserName=ann),
    ]
    told = Like(f"The user {ann} is an approver of root access: .*")
    for refusal in refusals:
        with refused("AccessDenied", told):
            refusal()
    with refused("AccessDeniedException", told):
        dan.rootward.start_passkey_registration(UserName=ann, DeviceName="eves")
    dan.iam.deactivate_mfa_device(UserName=ann, SerialNumber=guarded.devices[0].serial)
    with refused("AccessDenied", told):
        dan.iam.enable_mfa_device(UserName=ann, SerialNumber=free.serial, **codes)
    # Another user of the approver's name is another user.
    dan.iam.update_user(UserName=ann, NewUserName="ann-before")
    dan.iam.update_user(UserName="dan", NewUserName=ann)
    dan.iam.enable_mfa_device(UserName=ann, SerialNumber=free.serial, **codes)
    told = Like("The user ann-before is an approver of root access: .*")
    with refused("AccessDenied", told):
        dan.iam.create_access_key(UserName="ann-before")
    guarded.account.iam.put_user_policy(
        UserName=ann, PolicyName="decide", PolicyDocument=policy(allow(["rootward:*", "sts:*"])))
    asked = guarded.ask()
    eve = guarded.with_factor(dan, free)
    with refused("AccessDeniedException"):
        eve.rootward.approve_root_access(RequestId=asked.id)
    guarded.approve(1, asked)
    guarded.approve(2, asked)
    assert asked.look() == "in"


def test_approver_replaces_what_it_proves_itself_with(house):
    guarded = Guarded(house)
    bob, session = guarded.users[1], guarded.approvers[1]
    guarded.account.iam.put_user_policy(UserName="bob", PolicyName="own", PolicyDocument=policy(allow("iam:*")))
    key = session.iam.create_access_key()["AccessKey"]["AccessKeyId"]
    session.iam.delete_access_key(AccessKeyId=key)
    session.iam.create_login_profile(UserName="bob", Password=PASSWORD)
    another = Device(session.iam.create_virtual_mfa_device(VirtualMFADeviceName=fresh("another"))["VirtualMFADevice"])
    first, second = another.first_codes()
    session.iam.enable_mfa_device(
        UserName="bob", SerialNumber=another.serial, AuthenticationCode1=first, AuthenticationCode2=second)
    assert len(bob.iam.list_mfa_devices(UserName="bob")["MFADevices"]) == 2


def test_other_people_agree_to_nothing(house):
    guarded, elsewhere = Guarded(house), Guarded(house)
    asked, others = guarded.ask(), elsewhere.ask()
    dan = guarded.account.user(allow("*"))
    outsider = guarded.with_factor(dan, guarded.account.device(dan))
    for caller in (outsider, elsewhere.approvers[0]):
        with pytest.raises(ClientError):
            caller.rootward.approve_root_access(RequestId=asked.id)
    elsewhere.approve(0, others)
    elsewhere.approve(1, others)
    assert (asked.look(), others.look()) == ("0 of 2", "in")


def test_approval_is_for_one_request_and_no_other(house):
    guarded = Guarded(house)
    first, second = guarded.ask(), guarded.ask()
    assert first.id != second.id
    guarded.approve(0, first)
    guarded.approve(1, second)
    guarded.approve(2, second)
    assert (first.look(), second.look()) == ("1 of 2", "in")
    # Nor does another browser profit from it, or the same one by another step.
    mixed = go_on(first.http, "wait", second.page, mark=mark(first.page.text))
    assert not is_in(mixed)
    assert first.look() == "1 of 2"
    third = guarded.ask()
    with refused("ConflictException"):
        guarded.reject(0, second)
    assert third.look() == "0 of 2"


def test_approval_to_sign_in_breaks_no_seal(house):
    guarded = Guarded(house, required=0)
    device = root_device(house, guarded.account)
    guarded.require(2)
    asked = guarded.ask(device)
    guarded.approve(0, asked)
    guarded.approve(1, asked)
    assert asked.look() == "in"
    for form in ({"do": "unseal", "reason": "drill", "minutes": "60"},
                 {"do": "settings", "required": "0", "approvers": "", "minutes": "60"}):
        answer = asked.http.post("/console/access", data={"mark": mark(asked.http.get("/console").text), **form})
        assert "0 of 2 have agreed" in error(answer)
    host(house, "create-access-key", guarded.account, code=2)


def test_approver_reads_the_whole_guard_policy_as_text(house):
    guarded = Guarded(house, required=0)
    many = [deny(f"s{number}:*") for number in range(100)]
    document = policy(deny("s3:*", StringNotLike={"aws:username": "<x-evil>&amp;"}), *many)
    wish = Wish(guarded, {"do": "put-policy", "policy": document})
    assert wish.ask() == "0 of 2"
    page = wish.http.get("/console/access").text
    shown = re.search(f'<pre [^>]*id="policy-{wish.id}"[^>]*>(.*?)</pre>', page, re.DOTALL)[1]
    assert html.unescape(shown) == document and "<x-evil>" not in page
    assert guarded.account.rootward.list_root_access_requests(Status="PENDING")["Requests"][0]["Policy"] == document


def test_approvals_lapse(house, clock):
    guarded = Guarded(house)
    asked = guarded.ask()
    guarded.approve(0, asked)
    guarded.approve(1, asked)
    clock.set_off(HOUR)
    assert asked.look() == "The request was not approved in time: begin again."
    clock.set_off(0)
    late = guarded.ask()
    guarded.approve(0, late)
    clock.set_off(HOUR)
    with clock_off_by(HOUR), refused("ConflictException", Like(".*not decided in time.*")):
        guarded.approve(1, late)
    assert guarded.nobody_is_in()


def test_clock_that_is_set_back_brings_no_request_back(house, clock):
    guarded = Guarded(house)
    asked = guarded.ask()
    guarded.approve(0, asked)
    guarded.approve(1, asked)
    clock.set_off(-60)
    assert asked.look() == "This sign-in took too long, or began in another browser: begin again."
    clock.set_off(0)
    assert asked.look() == "in"


@pytest.mark.parametrize("names", [("ann", "bob", "cleo"), ("cleo", "bob", "ann")])
def test_number_that_is_raised_counts_at_once(house, names):
    guarded = Guarded(house)
    asked = guarded.ask()
    guarded.approve(0, asked)
    guarded.approve(1, asked)
    guarded.require(3, names)
    assert asked.look() == "2 of 3" and guarded.nobody_is_in()
    guarded.approve(2, asked)
    assert asked.look() == "in"


def test_approver_who_is_struck_off_has_not_agreed(house):
    guarded = Guarded(house)
    asked = guarded.ask()
    guarded.approve(0, asked)
    guarded.approve(1, asked)
    guarded.require(2, ("bob", "cleo"))
    assert asked.look() == "1 of 2"
    guarded.approve(2, asked)
    assert asked.look() == "in"


def test_one_rejection_outweighs_all_who_agreed(house):
    guarded = Guarded(house)
    asked = guarded.ask()
    guarded.approve(0, asked)
    guarded.approve(1, asked)
    guarded.reject(2, asked)
    assert asked.look() == "The request was rejected by cleo." and guarded.nobody_is_in()


def test_password_that_is_changed_meanwhile_ends_the_waiting(house):
    guarded = Guarded(house)
    asked = guarded.ask()
    guarded.approve(0, asked)
    guarded.approve(1, asked)
    file = house.folder / "new-password"
    file.write_text(NEW_PASSWORD + "\n")
    host(house, "reset-password", guarded.account, "--password-file", str(file))
    assert asked.look() == "This sign-in took too long, or began in another browser: begin again."
    assert guarded.nobody_is_in()


def test_no_form_of_a_sign_in_goes_round_those_who_must_agree(house):
    guarded = Guarded(house)
    http = client(house)
    page = knock_as_root(http, guarded.account)
    for form, fields in (("wait", {}), ("code", {"code": "000000"}), ("passkey", {"credential": "{}"}),
                         ("new-password", {"old": PASSWORD, "new": NEW_PASSWORD, "again": NEW_PASSWORD, "expired": "true"})):
        assert not is_in(go_on(http, form, page, **fields))
    # What the form says of approvals and minutes decides nothing.
    answer = go_on(http, "reason", page, reason="drill", approvals=0, minutes=60)
    assert not is_in(answer) and "0 of 2" in answer.text
    assert guarded.nobody_is_in()


class Wish:
    """What a root user who is in asks for at the console, and others must agree to."""

    def __init__(self, guarded, form):
        self.guarded, self.form = guarded, form
        device = root_device(guarded.server, guarded.account)
        guarded.require(0)
        self.http = client(guarded.server)
        page = go_on(self.http, "code", knock_as_root(self.http, guarded.account), code=device.next_code())
        assert is_in(go_on(self.http, "reason", page, reason="drill", approvals=0, minutes=60))
        guarded.require(2)

    def ask(self, **other):
        """How many have agreed; `done` if that is enough."""
        form = {"mark": mark(self.http.get("/console").text), **self.form, **other}
        answer = self.http.post("/console/access", data=form)
        if answer.status_code == 303:
            return "done"
        return re.search(r"\d+ of \d+", error(answer))[0]

    @property
    def id(self):
        waiting = self.guarded.account.rootward.list_root_access_requests(Status="PENDING")["Requests"]
        return waiting[0]["RequestId"]


@pytest.mark.parametrize("form, another", [
    ({"do": "unseal", "reason": "drill", "minutes": "5"}, {"minutes": "60"}),
    ({"do": "unseal", "reason": "drill", "minutes": "5"}, {"reason": "another"}),
    ({"do": "settings", "required": "1", "approvers": "bob", "minutes": "5"}, {"approvers": "bob ann"}),
    ({"do": "settings", "required": "1", "approvers": "bob", "minutes": "5"}, {"minutes": "60"}),
    ({"do": "put-policy", "policy": policy(deny("s3:*"))}, {"policy": policy(deny("sqs:*"))}),
    ({"do": "put-policy", "policy": policy(deny("s3:*"))}, {"policy": policy(deny("s3:*")) + "\n"}),
])
def test_two_of_three_agree_to_one_wish_once(house, form, another):
    guarded = Guarded(house, required=0)
    wish = Wish(guarded, form)
    assert wish.ask() == "0 of 2"
    asked = wish.id
    approve = lambda number: guarded.approvers[number].rootward.approve_root_access(RequestId=asked)
    approve(0)
    with refused("ConflictException", "The user has decided on this request already."):
        approve(0)
    assert wish.ask() == "1 of 2"
    approve(1)
    assert wish.ask(**another) == "0 of 2"
    guarded.require(3)
    assert wish.ask() == "2 of 3"
    approve(2)
    assert wish.ask() == "done"
    if form["do"] == "unseal":
        host(house, "seal", guarded.account)
        assert wish.ask() == "0 of 3"
        host(house, "create-access-key", guarded.account, code=2)
