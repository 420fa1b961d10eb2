"""CloudTrail's LookupEvents: what happened in an account, for whoever has no shell on the host."""

import json
import subprocess
import time
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from botocore.exceptions import ClientError
from test_cli import TOOLS, environment

from rootward_testkit import RECENT, TIMEOUT, Server, allow, denial, fresh, refused


def look_up(principal, **arguments):
    """Every event of a look-up, in pages."""
    pages = principal.client("cloudtrail").get_paginator("lookup_events").paginate(**arguments)
    return [event for page in pages for event in page["Events"]]


def by(key, value):
    return {"LookupAttributes": [{"AttributeKey": key, "AttributeValue": value}]}


def wait_for(principal, request):
    """The event of the call with this request id: it is there within a second."""
    deadline = time.monotonic() + 3
    while True:
        for event in look_up(principal):
            if json.loads(event["CloudTrailEvent"]).get("requestID") == request:
                return event
        assert time.monotonic() < deadline, f"no event of request {request}"
        time.sleep(0.05)


def event_of(principal, response):
    return wait_for(principal, response["ResponseMetadata"]["RequestId"])


@pytest.fixture(scope="module")
def made(account):
    """A user, made by the administrator, and the event that tells."""
    name = fresh("user")
    return name, event_of(account, account.iam.create_user(UserName=name))


def test_event_shows_what_is_on_record(server, account, made):
    name, event = made
    record = json.loads(event.pop("CloudTrailEvent"))
    assert event == {
        "EventId": record["eventID"], "EventName": "CreateUser", "ReadOnly": "false", "EventTime": RECENT,
        "AccessKeyId": account.credentials.key, "EventSource": "iam.amazonaws.com", "Username": "admin",
        "Resources": [
            {"ResourceType": "AWS::IAM::User", "ResourceName": name},
            {"ResourceType": "AWS::IAM::User", "ResourceName": account.arn_of(f"user/{name}")},
        ],
    }
    assert record == server.records(of=record["requestID"])[0]
    assert record["requestParameters"] == {"userName": name}


def test_every_attribute_finds_the_event(account, made):
    name, event = made
    for key, value in {
        "AccessKeyId": account.credentials.key, "EventId": event["EventId"], "EventName": "CreateUser",
        "EventSource": "iam.amazonaws.com", "ReadOnly": "false", "ResourceName": name, "ResourceType": "AWS::IAM::User",
        "Username": "admin",
    }.items():
        found = look_up(account, **by(key, value))
        assert event["EventId"] in [one["EventId"] for one in found], key
        shown = {"ResourceName": lambda one: [resource["ResourceName"] for resource in one["Resources"]],
                 "ResourceType": lambda one: [resource["ResourceType"] for resource in one["Resources"]]}
        for one in found:
            assert value in shown.get(key, lambda one: [one[key]])(one), key
        assert look_up(account, **by(key, "false" if key == "ReadOnly" else "nothing-like-this")) == (
            look_up(account, **by("ReadOnly", "false")) if key == "ReadOnly" else []), key


def test_pages_join_newest_first(account):
    names = [fresh("user") for _ in range(7)]
    for name in names:
        last = account.iam.create_user(UserName=name)
    event_of(account, last)
    query = {**by("EventName", "CreateUser"), "PaginationConfig": {"PageSize": 2}}
    events = look_up(account, **query)
    assert [event["Resources"][0]["ResourceName"] for event in events][:7] == names[::-1]
    assert len({event["EventId"] for event in events}) == len(events)
    first = account.client("cloudtrail").lookup_events(MaxResults=3, **by("EventName", "CreateUser"))
    assert len(first["Events"]) == 3 and first["NextToken"]


def test_token_belongs_to_its_query_and_account(account, other):
    token = account.client("cloudtrail").lookup_events(MaxResults=1)["NextToken"]
    assert account.client("cloudtrail").lookup_events(MaxResults=1, NextToken=token)["Events"]
    for who, query in ((account, by("Username", "admin")), (account, {"StartTime": 0}), (other, {})):
        with refused("InvalidNextTokenException"):
            who.client("cloudtrail").lookup_events(NextToken=token, **query)
    with refused("InvalidNextTokenException"):
        account.client("cloudtrail").lookup_events(NextToken="made-up")


def test_times_bound_what_is_found(account, made):
    _, event = made
    at, second = event["EventTime"], timedelta(seconds=1)
    ids = lambda **times: [one["EventId"] for one in look_up(account, **times)]
    assert event["EventId"] in ids(StartTime=at, EndTime=at)
    assert event["EventId"] not in ids(StartTime=at + second)
    assert event["EventId"] not in ids(EndTime=at - second)
    assert ids(EndTime=datetime.now(timezone.utc) - timedelta(days=91)) == []
    with refused("InvalidTimeRangeException"):
        look_up(account, StartTime=at, EndTime=at - second)


def test_what_is_not_valid_is_refused_with_errors_of_its_own(account):
    two = by("Username", "a")["LookupAttributes"] * 2
    for code, arguments in (
        ("InvalidMaxResultsException", {"MaxResults": 0}),
        ("InvalidMaxResultsException", {"MaxResults": 51}),
        ("InvalidLookupAttributesException", {"LookupAttributes": two}),
        ("InvalidLookupAttributesException", by("ReadOnly", "maybe")),
        ("InvalidEventCategoryException", {"EventCategory": "data"}),
        ("ValidationException", by("Colour", "red")),
        ("ValidationException", by("Username", "")),
    ):
        with refused(code):
            account.client("cloudtrail").lookup_events(**arguments)
    assert account.client("cloudtrail").lookup_events(EventCategory="insight")["Events"] == []


def test_events_of_other_accounts_are_invisible(account, other, made):
    _, event = made
    assert look_up(other, **by("EventId", event["EventId"])) == []
    for one in look_up(other):
        assert json.loads(one["CloudTrailEvent"])["recipientAccountId"] == other.account


def test_who_has_no_permission_sees_nothing_and_who_has_sees_the_refusal(account, nobody):
    with refused("AccessDeniedException", denial(nobody.arn, "cloudtrail:LookupEvents", "*")) as error:
        look_up(nobody)
    request = error.value.response["ResponseMetadata"]["RequestId"]
    reader = account.user(allow("cloudtrail:LookupEvents"))
    event = wait_for(reader, request)
    record = json.loads(event["CloudTrailEvent"])
    assert (event["EventName"], event["Username"], record["errorCode"]) == ("LookupEvents", "nobody", "AccessDeniedException")


def test_session_of_a_role_is_found_by_its_name(account):
    role = account.role(account.arn, allow("iam:ListUsers"))
    session = account.assume(role, session="night-shift")
    event = event_of(account, session.iam.list_users())
    assert (event["Username"], event["AccessKeyId"]) == ("night-shift", session.credentials.key)
    [found] = look_up(account, **by("Username", "night-shift"))
    assert found["EventId"] == event["EventId"]
    [assumed] = [one for one in look_up(account, **by("ResourceName", role["RoleName"])) if one["EventName"] == "AssumeRole"]
    assert assumed["Username"] == "admin"


@pytest.fixture
def with_console(tmp_path):
    server = Server(tmp_path)
    server.command += ["--url", f"http://localhost:{server.port}"]
    yield server.start()
    server.stop()


def test_roots_calls_its_refused_ones_and_failed_sign_ins_are_found_as_root(with_console):
    server = with_console
    account = server.account()
    root = account.root()
    done = event_of(account, root.iam.create_user(UserName="made-by-root"))
    with refused("NoSuchEntity") as error:
        root.iam.get_user(UserName="nobody-like-this")
    failed = wait_for(account, error.value.response["ResponseMetadata"]["RequestId"])
    server.host("root", "seal", "--account", account.account)
    with refused("AccessDenied") as error:
        root.iam.list_users()
    kept_out = wait_for(account, error.value.response["ResponseMetadata"]["RequestId"])
    base = f"http://localhost:{server.port}"
    door = httpx.Client(base_url=base, timeout=TIMEOUT)
    page = door.get("/console/sign-in?door=root").text
    form = {"email": account.email, "password": "not-it", "mark": page.split('name="mark" value="')[1].split('"')[0]}
    door.post("/console/sign-in?door=root", data=form, headers={"origin": base})
    deadline = time.monotonic() + 3
    while not (logins := [one for one in look_up(account, **by("Username", "root")) if one["EventName"] == "ConsoleLogin"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    found = {one["EventId"] for one in look_up(account, **by("Username", "root"))}
    assert {done["EventId"], failed["EventId"], kept_out["EventId"], logins[0]["EventId"]} <= found
    login = json.loads(logins[0]["CloudTrailEvent"])
    assert (login["errorMessage"], login["responseElements"]) == ("Failed authentication", {"ConsoleLogin": "Failure"})
    assert {"UnsealRoot", "SealRoot"} <= {one["EventName"] for one in look_up(account, **by("EventSource", "rootward.host"))}


def test_other_operations_of_the_service_are_not_implemented(account):
    with pytest.raises(ClientError, match="cloudtrail:DescribeTrails is not implemented") as error:
        account.client("cloudtrail").describe_trails()
    answer = error.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == ("NotImplemented", 501)


def test_aws_cli_looks_up(server, account, made):
    _, event = made
    settings = {
        "AWS_ENDPOINT_URL": server.url, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": account.credentials.key,
        "AWS_SECRET_ACCESS_KEY": account.credentials.secret,
    }
    command = [
        TOOLS / "aws", "cloudtrail", "lookup-events", "--lookup-attributes",
        f"AttributeKey=EventId,AttributeValue={event['EventId']}", "--query", "Events[].EventName", "--output", "text",
    ]
    done = subprocess.run(command, env=environment(**settings), capture_output=True, text=True, timeout=2 * TIMEOUT)
    assert (done.returncode, done.stdout.strip()) == (0, "CreateUser"), done.stderr
