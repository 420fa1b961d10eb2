"""Access keys: create, list, switch off and on, delete, last use."""

import time
from datetime import datetime, timezone

import pytest

from rootward_testkit import RECENT, Credentials, Like, Principal, allow, body, broken, every_page, fresh, refused

INVALID = "The security token included in the request is invalid."


@pytest.fixture
def user(account):
    return account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]


def test_created_key_shows_its_secret_once(account, user):
    created = account.iam.create_access_key(UserName=user)
    assert body(created) == {"AccessKey": {
        "UserName": user, "AccessKeyId": Like("AKIA[A-Z2-7]{16}"), "Status": "Active",
        "SecretAccessKey": Like("[A-Za-z0-9+/]{40}"), "CreateDate": RECENT,
    }}
    key = dict(created["AccessKey"])
    del key["SecretAccessKey"]
    assert body(account.iam.list_access_keys(UserName=user)) == {"AccessKeyMetadata": [key], "IsTruncated": False}


def test_two_keys_at_most(account, user):
    for _ in range(2):
        account.iam.create_access_key(UserName=user)
    with refused("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2"):
        account.iam.create_access_key(UserName=user)
    assert len(every_page(account.iam.list_access_keys, "AccessKeyMetadata", size=1, UserName=user)) == 2


def test_inactive_key_does_nothing_until_it_is_active_again(account):
    user = account.user()
    key = user.credentials.key
    assert body(account.iam.update_access_key(UserName=user.name, AccessKeyId=key, Status="Inactive")) == {}
    with refused("InvalidClientTokenId", INVALID):
        user.sts.get_caller_identity()
    assert account.iam.list_access_keys(UserName=user.name)["AccessKeyMetadata"][0]["Status"] == "Inactive"
    account.iam.update_access_key(UserName=user.name, AccessKeyId=key, Status="Active")
    assert user.sts.get_caller_identity()["Arn"] == user.arn


def test_deleted_key_does_nothing(account):
    user = account.user()
    assert body(account.iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials.key)) == {}
    with refused("InvalidClientTokenId", INVALID):
        user.sts.get_caller_identity()
    with refused("NoSuchEntity", f"The Access Key with id {user.credentials.key} cannot be found."):
        account.iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials.key)


def test_key_of_another_user_is_not_found(account, user):
    key = account.user().credentials.key
    message = f"The Access Key with id {key} cannot be found."
    with refused("NoSuchEntity", message):
        account.iam.update_access_key(UserName=user, AccessKeyId=key, Status="Inactive")
    with refused("NoSuchEntity", message):
        account.iam.delete_access_key(UserName=user, AccessKeyId=key)


def test_status_and_id_are_validated(account, user):
    key = account.iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    with refused("ValidationError", "1 validation error detected: Value at 'status' failed to satisfy constraint: "
                 "Member must satisfy enum value set"):
        account.iam.update_access_key(UserName=user, AccessKeyId=key, Status="Sleeping")
    with refused("ValidationError", broken("accessKeyId", r"satisfy regular expression pattern: [\w]+")):
        account.iam.delete_access_key(UserName=user, AccessKeyId="with-hyphens-and-more")
    with refused("ValidationError", broken("accessKeyId", "have length greater than or equal to 16")):
        account.iam.delete_access_key(UserName=user, AccessKeyId="AKIA")


def test_without_a_name_ones_own_keys_are_meant(account):
    user = account.user(allow("iam:*AccessKey*"))
    assert [key["AccessKeyId"] for key in user.iam.list_access_keys()["AccessKeyMetadata"]] == [user.credentials.key]
    second = user.iam.create_access_key()["AccessKey"]
    assert second["UserName"] == user.name
    user.iam.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    user.iam.delete_access_key(AccessKeyId=second["AccessKeyId"])


def test_last_use_is_told(account):
    user = account.user()
    key = user.credentials.key
    assert body(account.iam.get_access_key_last_used(AccessKeyId=key)) == {
        "UserName": user.name, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    before = datetime.now(timezone.utc)
    user.sts.get_caller_identity()
    deadline = time.monotonic() + 10
    while True:
        used = account.iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"]
        if used["ServiceName"] != "N/A" or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert (used["ServiceName"], used["Region"]) == ("sts", "us-east-1")
    assert abs((used["LastUsedDate"] - before).total_seconds()) < 60


def test_unknown_key_is_not_told_from_a_foreign_one(account, other):
    for key in ("AKIAABCDEFGHIJKLMNOP", other.credentials.key):
        with pytest.raises(account.iam.exceptions.ClientError) as caught:
            account.iam.get_access_key_last_used(AccessKeyId=key)
        assert caught.value.response["Error"]["Code"] in ("AccessDenied", "NoSuchEntity")


def test_key_goes_with_its_user_through_rename_but_not_to_a_namesake(account):
    user = account.user()
    account.iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials.key)
    key = account.iam.create_access_key(UserName=user.name)["AccessKey"]
    again = Principal(account.server, Credentials.of(key))
    new = fresh("renamed")
    account.iam.update_user(UserName=user.name, NewUserName=new)
    account.iam.create_user(UserName=user.name)
    assert again.sts.get_caller_identity()["Arn"] == account.arn_of(f"user/{new}")
    assert account.iam.list_access_keys(UserName=user.name)["AccessKeyMetadata"] == []
