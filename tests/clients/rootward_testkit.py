"""A real server, accounts in it, and real clients that speak to it.

Every call that a client of this module makes is remembered, so that a server that is stopped can be held to its word:
`Server.check_trail` wants one audit record for each call, and no secret in any of them.
"""

import base64
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.session
import pyotp
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
BINARY = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / "rootward"
PASSWORD = "quiet-Otter+27-lanterns"
NEW_PASSWORD = "amber-Heron+58-ladders"
# Seconds until a call, a command or a start counts as hanging.
TIMEOUT = 30

_numbers = itertools.count(1)
# Our own service is spoken by the clients of AWS once they are given its model.
_models = tempfile.TemporaryDirectory()
_ours = Path(_models.name, "rootward", "2026-12-01")
_ours.mkdir(parents=True)
shutil.copy(ROOT / "models" / "rootward.json", _ours / "service-2.json")
_botocore = botocore.session.get_session()
_botocore.get_component("data_loader").search_paths.append(_models.name)
_session = boto3.session.Session(region_name="us-east-1", botocore_session=_botocore)
_making_clients = threading.Lock()  # a session makes one client at a time
MODELS = {
    name: _botocore.get_service_model(name)
    for name in ("account", "cloudtrail", "iam", "organizations", "rootward", "sts")
}


class Credentials(NamedTuple):
    key: str
    secret: str
    token: str | None = None

    @classmethod
    def of(cls, answer):
        return cls(answer["AccessKeyId"], answer["SecretAccessKey"], answer.get("SessionToken"))


class Call(NamedTuple):
    request: str
    operation: str
    error: str | None


class Server:
    """`rootward serve` as a process, on a port of its own."""

    running = set()

    def __init__(self, folder, *arguments, sandbox=False, data="data", wrapper=(), authority=None):
        self.folder = Path(folder)
        self.data = self.folder / data
        self.port = free_port()
        self.log = self.folder / "server.log"
        self.process = None
        self.calls = []
        self.secrets = {PASSWORD, NEW_PASSWORD}
        self.inside = ()
        self.authority = authority  # whose certificate it serves: a file that clients trust; none means no TLS
        state = ["--sandbox"] if sandbox else ["--data", str(self.data)]
        self.command = [*wrapper, str(BINARY), "serve", "--listen", f"127.0.0.1:{self.port}", *state, *arguments]

    @property
    def url(self):
        return f"{'https' if self.authority else 'http'}://127.0.0.1:{self.port}"

    def start(self):
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.running.add(self)
        deadline = time.monotonic() + TIMEOUT
        while not self.is_healthy():
            if self.process.poll() is not None:
                pytest.fail(f"the server ended with {self.process.returncode}: {self.log.read_text()}")
            if time.monotonic() > deadline:
                self.kill()
                pytest.fail(f"the server is not healthy after {TIMEOUT} s: {self.log.read_text()}")
            time.sleep(0.002)
        return self

    def is_healthy(self):
        try:
            return get(self, "/_rootward/health").status == 200
        except OSError:
            return False

    def stop(self):
        """SIGTERM drains and exits 0."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            pytest.fail(f"SIGTERM did not end the server within {TIMEOUT} s")
        finally:
            self.kill()
        assert code == 0, self.log.read_text()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.running.discard(self)

    def host(self, *arguments, code=0):
        """A host command on this server's folder; what it printed."""
        done = subprocess.run(
            [*self.inside, str(BINARY), *arguments, "--data", str(self.data)],
            capture_output=True, text=True, timeout=TIMEOUT,
        )
        assert done.returncode == code, f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def account(self, name=None, **keywords):
        return Account(self, name or fresh("account"), **keywords)

    def trail(self):
        """Every audit record, oldest first, those of all calls that were answered among them."""
        lines = self.host("trail", "tail", "-n", "1000000", "--format", "json").splitlines()
        return [json.loads(line) for line in lines]

    def events(self, name):
        """The records of this name, oldest first."""
        return [record for record in self.trail() if record["eventName"] == name]

    def records(self, *, of):
        """The records of the call with this request id."""
        return [record for record in self.trail() if record.get("requestID") == of]

    def record(self, response):
        [record] = self.records(of=response["ResponseMetadata"]["RequestId"])
        return record

    def check_trail(self):
        """Each call left exactly one record in each account it concerns, with its error; no record holds a secret."""
        trail = self.trail()
        kept = {}
        for record in trail:
            if "requestID" not in record:
                continue  # no call: a host command, a sign-in at the console
            account = record.get("recipientAccountId")
            of_call = kept.setdefault(record["requestID"], {})
            assert account not in of_call, f"two records of one call: {record}"
            of_call[account] = record
        for call in self.calls:
            records = kept.get(call.request)
            if not records and call.error == "InvalidClientTokenId":
                continue  # a key that names no account that is here: in whose trail would it be?
            assert records, f"no record of {call}"
            for record in records.values():
                assert (record["eventName"], record.get("errorCode")) == (call.operation, call.error), record
        text = self.log.read_text() + json.dumps(trail)
        assert not [secret for secret in self.secrets if secret in text], "a secret is in the trail or in the log"
        assert json.loads(self.host("trail", "verify", "--format", "json"))["whole"] is True

    def client(self, service, credentials=None, region="us-east-1", **config):
        settings = Config(
            retries={"total_max_attempts": 1}, parameter_validation=False, connect_timeout=TIMEOUT,
            read_timeout=TIMEOUT, max_pool_connections=32, **config,
        )
        key, secret, token = credentials or (None, None, None)
        with _making_clients:
            made = _session.client(
                service, region_name=region, endpoint_url=self.url, config=settings, verify=self.authority,
                aws_access_key_id=key, aws_secret_access_key=secret, aws_session_token=token,
            )
        made.meta.events.register("after-call", self._remember)
        return made

    def _remember(self, model, parsed, **_):
        metadata = parsed["ResponseMetadata"]
        assert metadata["RequestId"] == metadata["HTTPHeaders"]["x-amzn-requestid"]
        self.calls.append(Call(metadata["RequestId"], model.name, parsed.get("Error", {}).get("Code")))
        for shown in (parsed.get("AccessKey"), parsed.get("Credentials")):
            if shown:
                self.secrets.add(shown["SecretAccessKey"])
        if seed := parsed.get("VirtualMFADevice", {}).get("Base32StringSeed"):
            self.secrets |= {seed.decode(), base64.b64encode(seed).decode()}


class Principal:
    """Somebody with credentials, and their clients."""

    def __init__(self, server, credentials, arn=None, name=None, unique_id=None):
        self.server, self.credentials, self.arn, self.name, self.id = server, credentials, arn, name, unique_id
        self._clients = {}

    def client(self, service):
        if service not in self._clients:
            self._clients[service] = self.server.client(service, self.credentials)
        return self._clients[service]

    @property
    def iam(self):
        return self.client("iam")

    @property
    def sts(self):
        return self.client("sts")

    @property
    def rootward(self):
        return self.client("rootward")

    def assume(self, role, session="session", **arguments):
        answer = self.sts.assume_role(RoleArn=role["Arn"], RoleSessionName=session, **arguments)
        user = answer["AssumedRoleUser"]
        return Principal(self.server, Credentials.of(answer["Credentials"]), user["Arn"], session, user["AssumedRoleId"])


class Account(Principal):
    """An account, opened by the host command; its clients are its administrator's."""

    def __init__(self, server, name, admin="admin"):
        password = server.folder / "password"
        password.write_text(PASSWORD + "\n")
        self.email = f"{name}@example.com"
        opened = json.loads(server.host(
            "account", "create", "--name", name, "--email", self.email, "--password-file", str(password),
            "--admin", admin,
        ))
        self.opened = opened
        self.account = opened["AccountId"]
        self.root_arn = opened["Root"]["Arn"]
        credentials = Credentials.of(opened["Admin"]["AccessKey"])
        server.secrets.add(credentials.secret)
        super().__init__(server, credentials, opened["Admin"]["Arn"], admin)

    def arn_of(self, resource):
        return f"arn:aws:iam::{self.account}:{resource}"

    def user(self, *statements, name=None, **arguments):
        """A user with one key and, if there are statements, one inline policy."""
        made = self.iam.create_user(UserName=name or fresh("user"), **arguments)["User"]
        if statements:
            self.iam.put_user_policy(UserName=made["UserName"], PolicyName="inline", PolicyDocument=policy(*statements))
        key = self.iam.create_access_key(UserName=made["UserName"])["AccessKey"]
        return Principal(self.server, Credentials.of(key), made["Arn"], made["UserName"], made["UserId"])

    def role(self, trusted, *statements, name=None, conditions=None, actions="sts:AssumeRole", **arguments):
        """A role that trusts an ARN or a whole principal element, with one inline policy if there are statements."""
        principal = {"AWS": trusted} if isinstance(trusted, str) else trusted
        made = self.iam.create_role(
            RoleName=name or fresh("role"), AssumeRolePolicyDocument=trust(principal, actions, conditions), **arguments
        )["Role"]
        if statements:
            self.iam.put_role_policy(RoleName=made["RoleName"], PolicyName="inline", PolicyDocument=policy(*statements))
        return made

    def group(self, *statements, members=()):
        name = fresh("group")
        self.iam.create_group(GroupName=name)
        if statements:
            self.iam.put_group_policy(GroupName=name, PolicyName="inline", PolicyDocument=policy(*statements))
        for member in members:
            self.iam.add_user_to_group(GroupName=name, UserName=member)
        return name

    def policy(self, *statements, **arguments):
        document = policy(*(statements or [allow("s3:GetObject")]))
        return self.iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=document, **arguments)["Policy"]

    def device(self, user):
        """A virtual MFA device that is bound to this user."""
        made = self.iam.create_virtual_mfa_device(VirtualMFADeviceName=fresh("device"))["VirtualMFADevice"]
        device = Device(made)
        one, two = device.first_codes()
        self.iam.enable_mfa_device(
            UserName=user.name, SerialNumber=device.serial, AuthenticationCode1=one, AuthenticationCode2=two)
        return device

    def unseal(self, minutes=60):
        """Breaks the seal on the root user, without which it has no keys."""
        of = ("--account", self.account)
        return self.server.host("root", "unseal", *of, "--reason", "tests", "--minutes", str(minutes))

    def root(self):
        """The root user by key."""
        self.unseal()
        key = json.loads(self.server.host("root", "create-access-key", "--account", self.account))["AccessKey"]
        self.server.secrets.add(key["SecretAccessKey"])
        return Principal(self.server, Credentials.of(key), self.root_arn)


class Device:
    """A phone with the seed of a virtual MFA device. It never waits: each code is of the step after the last one's, and the
    server takes one that is half a minute early."""

    def __init__(self, made):
        self.serial = made["SerialNumber"]
        self.totp = pyotp.TOTP(made["Base32StringSeed"].decode())
        self.step = int(time.time()) // 30 - 2

    def code(self, step):
        return self.totp.at(30 * step)

    def next_code(self):
        self.step += 1
        return self.code(self.step)

    def first_codes(self):
        """Two in a row, to enable the device."""
        return self.next_code(), self.next_code()

    def shown(self):
        """What a request carries to show this second factor."""
        return {"SerialNumber": self.serial, "TokenCode": self.next_code()}


def fresh(kind):
    """A name that no other test has."""
    return f"{kind}-{next(_numbers)}"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# Policies


def allow(action, resource="*", **conditions):
    return statement("Allow", Action=action, Resource=resource, **conditions)


def deny(action, resource="*", **conditions):
    return statement("Deny", Action=action, Resource=resource, **conditions)


def statement(effect, **elements):
    condition = {key: elements.pop(key) for key in list(elements) if key not in ELEMENTS}
    return {"Effect": effect, **elements, **({"Condition": condition} if condition else {})}


ELEMENTS = ("Action", "NotAction", "Resource", "NotResource", "Principal", "Sid")


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal, actions="sts:AssumeRole", conditions=None):
    made = {"Effect": "Allow", "Principal": principal, "Action": actions}
    return policy({**made, "Condition": conditions} if conditions else made)


EC2 = {"Service": "ec2.amazonaws.com"}

# What answers look like


class Like:
    """Equal to every text that this expression matches."""

    def __init__(self, expression):
        self.expression = re.compile(expression, re.DOTALL)

    def __eq__(self, other):
        return isinstance(other, str) and self.expression.fullmatch(other) is not None

    def __repr__(self):
        return f"Like({self.expression.pattern!r})"


class Recent:
    """Equal to every instant of the last five minutes."""

    def __eq__(self, other):
        return isinstance(other, datetime) and abs(datetime.now(timezone.utc) - other) < timedelta(minutes=5)

    def __repr__(self):
        return "RECENT"


RECENT = Recent()


def unique(prefix):
    return Like(prefix + "[A-Z0-9]{17}")


def body(response):
    """A response without its metadata."""
    return {key: value for key, value in response.items() if key != "ResponseMetadata"}


def every_page(call, members, size=2, **arguments):
    """All members of a list, read in pages; no page is larger than asked for, only the last one says it is the last."""
    found, marker = [], {}
    while True:
        page = call(MaxItems=size, **marker, **arguments)
        assert len(page[members]) <= size
        found += page[members]
        if not page["IsTruncated"]:
            assert "Marker" not in page
            return found
        assert len(page[members]) == size
        marker = {"Marker": page["Marker"]}


# What refusals look like

STATUS = {
    "AccessDenied": 403, "AccessDeniedException": 403, "ConflictException": 409, "DeleteConflict": 409,
    "EntityAlreadyExists": 409, "ExpiredToken": 403, "IncompleteSignature": 400, "InvalidAction": 400,
    "InvalidAuthenticationCode": 403, "InvalidClientTokenId": 403, "InvalidEventCategoryException": 400, "InvalidInput": 400,
    "InvalidInputException": 400,
    "InvalidLookupAttributesException": 400, "InvalidMaxResultsException": 400, "InvalidNextTokenException": 400,
    "InvalidParameterValue": 400, "InvalidTimeRangeException": 400, "InvalidUserType": 400, "LimitExceeded": 409, "MalformedPolicyDocument": 400, "MissingAuthenticationToken": 403,
    "NoSuchEntity": 404, "NotImplemented": 501, "OptInRequired": 403, "PackedPolicyTooLarge": 400,
    "PasswordPolicyViolation": 400, "ReportNotPresent": 410, "ResourceNotFoundException": 404,
    "SignatureDoesNotMatch": 403, "Throttling": 400, "UnmodifiableEntity": 400, "ValidationError": 400,
    "ValidationException": 400,
}


@contextmanager
def refused(code, message=None):
    """The block's call is refused with this code, its status, and this text (or a text like this)."""
    with pytest.raises(ClientError) as caught:
        yield caught
    answer = caught.value.response
    shown = answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Type")
    # Whose fault it was is told in the XML protocols.
    fault = None if code.endswith("Exception") else "Receiver" if STATUS[code] >= 500 else "Sender"
    assert shown == (code, STATUS[code], fault), answer
    if message is not None:
        assert answer["Error"]["Message"] == message, f"{answer['Error']['Message']!r} is not {message!r}"


@contextmanager
def fails(code, reason=None):
    """The block's call fails with this code, and this reason where the exception has one."""
    with pytest.raises(ClientError) as caught:
        yield caught
    answer = caught.value.response
    assert answer["Error"]["Code"] == code, answer
    assert answer.get("Reason") == reason, answer


SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"


class Organization:
    """One that an account manages, with these types of policies in force."""

    def __init__(self, account, types=(SCP, RCP)):
        self.account, self.client = account, account.client("organizations")
        self.shown = self.client.create_organization(FeatureSet="ALL")["Organization"]
        self.id = self.shown["Id"]
        [root] = self.client.list_roots()["Roots"]
        self.root = root["Id"]
        for kind in types:
            self.client.enable_policy_type(RootId=self.root, PolicyType=kind)

    def pages(self, operation, members, size=2, **arguments):
        """All that a list has, by boto3's own paginator; no page has more than asked for."""
        found = []
        for page in self.client.get_paginator(operation).paginate(PaginationConfig={"PageSize": size}, **arguments):
            assert len(page[members]) <= size
            found += page[members]
        return found


LAYERS = {
    "identity": "an identity-based policy", "boundary": "a permissions boundary", "session": "a session policy",
}


def implicit(action, layer="identity"):
    return f" because no {LAYERS[layer].split(' ', 1)[1]} allows the {action} action"


def explicit(layer="identity", policy_arn=None):
    return f" with an explicit deny in {LAYERS[layer]}" + (f": {policy_arn}" if policy_arn else "")


def denial(who, action, resource, reason=None):
    return f"User: {who} is not authorized to perform: {action} on resource: {resource}" + (
        implicit(action) if reason is None else reason
    )


def denied(who, action, resource, reason=None):
    return refused("AccessDenied", denial(who, action, resource, reason))


def broken(member, rule):
    """The message for one broken constraint. IAM leaves the value out; where it is shown, it is shown quoted."""
    return Like(
        r"1 validation error detected: Value( null| '.*')? at '" + re.escape(member)
        + r"' failed to satisfy constraint: Member must " + re.escape(rule) + r"(: \[.*\])?"
    )


# Clocks


class Clock:
    """The clock of one server, which starts with this wrapper; it may be set while the server runs."""

    def __init__(self, folder):
        self.file = Path(folder) / "clock"
        library = subprocess.run(
            [program("faketime"), "-f", "+0", "printenv", "LD_PRELOAD"], capture_output=True, text=True, check=True,
        ).stdout.strip()
        self.wrapper = (
            "env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={self.file}", "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        )
        self.set_off(0)

    def set_off(self, seconds):
        """From now on it differs from the machine's by so much."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.rename(self.file)


# Requests that no client makes


class Answer(NamedTuple):
    status: int
    headers: dict
    text: str

    @property
    def code(self):
        found = re.search("<Code>(.*?)</Code>", self.text)
        return found and found.group(1)

    @property
    def message(self):
        found = re.search("<Message>(.*?)</Message>", self.text, re.DOTALL)
        return found and found.group(1)


def get(server, path, headers=None):
    return exchange(server, "GET", path, None, headers or {})


def exchange(server, method, path, content, headers):
    if server.authority:
        trust = ssl.create_default_context(cafile=server.authority)
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=TIMEOUT, context=trust)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
    try:
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read().decode())
    finally:
        connection.close()


FORM = "application/x-www-form-urlencoded; charset=utf-8"


def signed(server, credentials, content, *, service="iam", region="us-east-1", method="POST", path="/", kind=FORM, edit=None):
    """Sends a request signed over exactly this content; `edit` may change the signed request before it leaves."""
    if isinstance(content, dict):
        content = urlencode(content)
    request = botocore.awsrequest.AWSRequest(method, server.url + path, data=content)
    if kind:
        request.headers["Content-Type"] = kind
    request.headers["Host"] = f"127.0.0.1:{server.port}"
    signer = botocore.auth.SigV4Auth(botocore.credentials.Credentials(*credentials), service, region)
    signer.add_auth(request)
    if edit:
        edit(request)
    url = urlsplit(request.url)
    return exchange(server, method, url.path + ("?" + url.query if url.query else ""), request.data, dict(request.headers))


@contextmanager
def clock_off_by(seconds):
    """Clients sign with a clock that is wrong."""
    real = botocore.auth.get_current_datetime

    def wrong(*arguments, **keywords):
        return real(*arguments, **keywords) + timedelta(seconds=seconds)

    botocore.auth.get_current_datetime = wrong
    try:
        yield
    finally:
        botocore.auth.get_current_datetime = real


def at_once(jobs):
    """Runs the jobs at the same time; what each returned or the ClientError it raised, in order."""
    barrier = threading.Barrier(len(jobs))
    outcomes = [None] * len(jobs)

    def run(number, job):
        barrier.wait()
        try:
            outcomes[number] = job()
        except ClientError as error:
            outcomes[number] = error
        except Exception as error:  # shown by whoever looks at the outcomes
            outcomes[number] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for outcome in outcomes:
        assert not isinstance(outcome, Exception) or isinstance(outcome, ClientError), repr(outcome)
    return outcomes


def codes(outcomes):
    """How each of these ended: `None` for success, else the code."""
    return [outcome.response["Error"]["Code"] if isinstance(outcome, ClientError) else None for outcome in outcomes]


def program(name):
    found = shutil.which(name)
    if not found:
        pytest.fail(f"this test needs the program `{name}`")
    return found
