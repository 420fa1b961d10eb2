"""The audit trail: what a record says, what it leaves out, and that nobody changes it unnoticed."""

import json
import sqlite3
from contextlib import closing

import pytest

from rootward_testkit import PASSWORD, Like, Server, allow, deny, fresh, policy, refused, signed

GUID = Like("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def test_record_of_a_write_is_whole(server, account):
    name = fresh("user")
    answer = account.iam.create_user(UserName=name, Path="/p/", Tags=[{"Key": "k", "Value": "v"}])
    record = server.record(answer)
    assert record == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "IAMUser", "principalId": Like("AIDA.*"), "arn": account.arn, "accountId": account.account,
            "accessKeyId": account.credentials.key, "userName": "admin",
        },
        "eventTime": Like(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "eventSource": "iam.amazonaws.com", "eventName": "CreateUser",
        "awsRegion": "us-east-1", "sourceIPAddress": "127.0.0.1", "userAgent": Like("Boto3/.*"),
        "requestParameters": {"userName": name, "path": "/p/", "tags": [{"key": "k", "value": "v"}]},
        "responseElements": {"user": {
            "path": "/p/", "userName": name, "userId": answer["User"]["UserId"], "arn": answer["User"]["Arn"],
            "createDate": Like(".*"), "tags": [{"key": "k", "value": "v"}],
        }},
        "requestID": answer["ResponseMetadata"]["RequestId"], "eventID": GUID, "readOnly": False, "eventType": "AwsApiCall",
        "managementEvent": True, "recipientAccountId": account.account, "eventCategory": "Management",
        "resources": [{"ARN": answer["User"]["Arn"], "accountId": account.account, "type": "AWS::IAM::User"}],
        **{key: record[key] for key in ("apiVersion", "tlsDetails", "additionalEventData") if key in record},
    }


def test_record_of_a_read_has_no_response(server, account):
    record = server.record(account.iam.get_user(UserName="admin"))
    assert (record["readOnly"], record["responseElements"], record["requestParameters"]) == (True, None, {"userName": "admin"})
    assert "errorCode" not in record and "resources" not in record


def test_record_of_a_denial_holds_code_and_text(server, nobody):
    with refused("AccessDenied") as caught:
        nobody.iam.delete_user(UserName="admin")
    answer = caught.value.response
    record = server.record(answer)
    assert (record["errorCode"], record["errorMessage"]) == ("AccessDenied", answer["Error"]["Message"])
    assert record["responseElements"] is None and record["userIdentity"]["userName"] == "nobody"
    assert record["requestParameters"] in ({"userName": "admin"}, None)


def test_records_of_refusals_are_kept(server, account):
    for code, call in (
        ("NoSuchEntity", lambda: account.iam.get_user(UserName="ghost")),
        ("ValidationError", lambda: account.iam.get_user(UserName="not valid")),
        ("EntityAlreadyExists", lambda: account.iam.create_user(UserName="admin")),
        ("NotImplemented", account.iam.list_open_id_connect_providers),
    ):
        with refused(code) as caught:
            call()
        assert server.record(caught.value.response)["errorCode"] == code


def test_records_of_root_and_sessions_name_them(server, account):
    root = account.root()
    assert server.record(root.iam.list_users())["userIdentity"] == {
        "type": "Root", "principalId": account.account, "arn": account.root_arn, "accountId": account.account,
        "accessKeyId": root.credentials.key,
    }
    role = account.role(account.root_arn, allow("iam:*"))
    session = account.assume(role, "my-session")
    identity = server.record(session.iam.list_users())["userIdentity"]
    assert identity == {
        "type": "AssumedRole", "principalId": f"{role['RoleId']}:my-session", "arn": session.arn, "accountId": account.account,
        "accessKeyId": session.credentials.key,
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "principalId": role["RoleId"], "arn": role["Arn"], "accountId": account.account,
                              "userName": role["RoleName"]},
            **{key: identity["sessionContext"][key] for key in ("webIdFederationData",) if key in identity["sessionContext"]},
            "attributes": {"creationDate": Like(r"\d{4}-.*Z"), "mfaAuthenticated": "false"},
        },
    }


def test_secrets_are_left_out(server, account):
    user = account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]
    created = account.iam.create_access_key(UserName=user)
    record = server.record(created)
    assert record["responseElements"]["accessKey"] == {
        "accessKeyId": created["AccessKey"]["AccessKeyId"], "status": "Active", "userName": user, "createDate": Like(".*")}
    issued = account.sts.get_session_token()
    record = server.record(issued)
    credentials = record["responseElements"]["credentials"]
    assert credentials["accessKeyId"] == issued["Credentials"]["AccessKeyId"] and "secretAccessKey" not in credentials
    assumed = account.sts.assume_role(RoleArn=account.role(account.root_arn)["Arn"], RoleSessionName="session")
    record = server.record(assumed)
    assert "secretAccessKey" not in record["responseElements"]["credentials"]
    assert record["requestParameters"]["roleSessionName"] == "session"
    text = json.dumps(server.trail())
    for secret in (created["AccessKey"]["SecretAccessKey"], issued["Credentials"]["SecretAccessKey"], PASSWORD):
        assert secret not in text


def test_role_assumed_from_another_account_is_recorded_in_both(server, account, other):
    role = account.role(other.root_arn)
    answer = other.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session")
    records = {record["recipientAccountId"]: record for record in server.records(of=answer["ResponseMetadata"]["RequestId"])}
    assert records.keys() == {account.account, other.account}
    assert records[other.account]["userIdentity"]["type"] == "IAMUser"
    assert records[account.account]["userIdentity"]["type"] == "AWSAccount"
    assert records[account.account]["userIdentity"]["accountId"] == other.account
    touched = [{"ARN": role["Arn"], "accountId": account.account, "type": "AWS::IAM::Role"}]
    assert [record["resources"] for record in records.values()] == [touched, touched]


def test_wrong_signatures_are_recorded_without_what_was_signed(server, account):
    wrong = server.client("iam", account.credentials._replace(secret="x" * 40))
    with refused("SignatureDoesNotMatch") as caught:
        wrong.list_users()
    [record] = server.records(of=caught.value.response["ResponseMetadata"]["RequestId"])
    assert record["errorCode"] == "SignatureDoesNotMatch" and "Canonical String" not in record["errorMessage"]


def test_header_of_any_bytes_is_seen_by_policies_and_recorded(server, account):
    for header, key in (("User-Agent", "aws:UserAgent"), ("Referer", "aws:Referer")):
        user = account.user(allow("iam:ListUsers"), deny("*", StringLike={key: "attack*"}))

        def call(value):
            def edit(request):
                del request.headers[header]
                request.headers[header] = value

            return signed(server, user.credentials, "Action=ListUsers&Version=2010-05-08", edit=edit)

        assert call("other \xe9").status == 200
        told = call("attack \xe9")
        assert (told.status, told.code) == (403, "AccessDenied")
        if header == "User-Agent":
            [record] = server.records(of=told.headers["x-amzn-requestid"])
            assert record["userAgent"] == "attack \ufffd"


def test_reads_and_denials_are_on_record_when_they_are_answered(server, account, nobody):
    read = account.iam.list_users()["ResponseMetadata"]
    with refused("AccessDenied") as denial:
        nobody.iam.list_users()
    for answer in (read, denial.value.response["ResponseMetadata"]):
        assert len(server.records(of=answer["RequestId"])) == 1


def test_long_documents_are_recorded_within_the_limits_of_a_record(server, account):
    group = account.group()
    with refused("ValidationError"):
        account.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument="x" * 140_000)
    answer = account.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=policy(allow("s3:*")) + " " * 120_000)
    record = server.record(answer)
    assert len(json.dumps(record)) < 256 * 1024
    # What was asked for is too long to be kept; whom it touched is on record all the same.
    assert record["requestParameters"] is None
    arn = account.arn_of(f"group/{group}")
    assert record["resources"] == [{"ARN": arn, "accountId": account.account, "type": "AWS::IAM::Group"}]


@pytest.mark.parametrize("change", [
    "update batches set records = replace(records, 'ListUsers', 'ListRoles') where first = (select max(first) from batches where records like '%ListUsers%')",
    "delete from batches where first = (select max(first) from batches where first < (select max(first) from batches))",
    "delete from batches where first = (select max(first) from batches)",
    "update batches set time_max = time_max + 1 where first = 1",
])
def test_change_behind_the_servers_back_is_found(tmp_path, change):
    server = Server(tmp_path).start()
    account = server.account()
    for _ in range(5):
        account.iam.list_users()
        server.trail()  # reading ends a batch
    server.stop()
    assert json.loads(server.host("trail", "verify", "--format", "json"))["whole"] is True
    with closing(sqlite3.connect(server.data / "trail.sqlite")) as connection:
        for (trigger,) in connection.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            connection.execute(f'drop trigger "{trigger}"')
        assert connection.execute(change).rowcount == 1
        connection.commit()
    assert json.loads(server.host("trail", "verify", "--format", "json", code=1))["whole"] is False


def test_log_that_was_taken_away_is_missed(tmp_path):
    server = Server(tmp_path).start()
    server.account()
    server.stop()
    for file in server.data.glob("trail.sqlite*"):
        file.unlink()
    assert json.loads(server.host("trail", "verify", "--format", "json", code=1))["whole"] is False
    assert not list(server.data.glob("trail.sqlite*")), "looking must not begin a new log"


def test_trail_and_state_survive_a_restart(tmp_path):
    server = Server(tmp_path).start()
    account = server.account()
    user = account.user()
    server.stop()
    server.start()
    assert user.sts.get_caller_identity()["Arn"] == user.arn
    server.check_trail()
    server.stop()
