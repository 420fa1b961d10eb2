"""Passwords of users: create, get, update, delete, and users who change their own."""

import json

import pytest

from rootward_testkit import (
    NEW_PASSWORD, PASSWORD, RECENT, Like, allow, at_once, body, codes, denied, deny, fresh, refused,
)

REFUSED = "Password does not conform to the account password policy. It {}."


@pytest.fixture
def user(account):
    """A user with a password, who may change it."""
    user = account.user(allow("iam:ChangePassword"))
    account.iam.create_login_profile(UserName=user.name, Password=PASSWORD)
    return user


@pytest.fixture(scope="module")
def root(account):
    return account.root()


def test_created_profile_is_shown_without_its_password(account):
    name = account.user().name
    created = account.iam.create_login_profile(UserName=name, Password=PASSWORD, PasswordResetRequired=True)
    assert body(created) == {"LoginProfile": {"UserName": name, "CreateDate": RECENT, "PasswordResetRequired": True}}
    assert body(account.iam.get_login_profile(UserName=name)) == body(created)


def test_user_has_one_password_at_most(account, user):
    with refused("EntityAlreadyExists", f"Login Profile for user {user.name} already exists."):
        account.iam.create_login_profile(UserName=user.name, Password=NEW_PASSWORD)
    with refused("ValidationError", Like(".*'password' failed to satisfy constraint: Member must not be null")):
        account.iam.create_login_profile(UserName=account.user().name)


def test_profile_is_updated_and_deleted(account, user):
    created = account.iam.get_login_profile(UserName=user.name)["LoginProfile"]
    assert body(account.iam.update_login_profile(UserName=user.name, PasswordResetRequired=True)) == {}
    assert body(account.iam.update_login_profile(UserName=user.name, Password=NEW_PASSWORD)) == {}
    shown = account.iam.get_login_profile(UserName=user.name)["LoginProfile"]
    assert shown == {**created, "PasswordResetRequired": True}
    assert body(account.iam.delete_login_profile(UserName=user.name)) == {}
    for call in (account.iam.get_login_profile, account.iam.update_login_profile, account.iam.delete_login_profile):
        with refused("NoSuchEntity", f"Login Profile for User {user.name} cannot be found."):
            call(UserName=user.name)


def test_profile_stays_with_a_renamed_user(account, user):
    name = fresh("renamed")
    account.iam.update_user(UserName=user.name, NewUserName=name)
    assert account.iam.get_login_profile(UserName=name)["LoginProfile"]["UserName"] == name


def test_without_a_name_the_caller_is_meant(account, root):
    user = account.user(allow("iam:*LoginProfile"))
    assert user.iam.create_login_profile(Password=PASSWORD)["LoginProfile"]["UserName"] == user.name
    assert user.iam.get_login_profile()["LoginProfile"]["UserName"] == user.name
    assert body(user.iam.delete_login_profile()) == {}
    for call in (root.iam.get_login_profile, root.iam.delete_login_profile):
        with refused("ValidationError", "Must specify userName when calling with non-User credentials"):
            call()


@pytest.mark.parametrize("password, wrong", [
    ("aB3$", "must have at least 8 characters.*"),
    ("vuxlopimqa", "must contain three of the four kinds of characters: .*"),
    ("P@ssw0rd", "is a common one: use one that nobody else would think of"),
])
def test_refused_password_is_told_what_is_wrong(account, user, password, wrong):
    message = Like(REFUSED.format(wrong))
    with refused("PasswordPolicyViolation", message):
        account.iam.create_login_profile(UserName=account.user().name, Password=password)
    with refused("PasswordPolicyViolation", message):
        account.iam.update_login_profile(UserName=user.name, Password=password)
    with refused("PasswordPolicyViolation", message):
        user.iam.change_password(OldPassword=PASSWORD, NewPassword=password)


def test_user_changes_the_password_with_the_old_one_only(account, user):
    account.iam.update_login_profile(UserName=user.name, PasswordResetRequired=True)
    with refused("AccessDenied", "The old password is not correct."):
        user.iam.change_password(OldPassword=NEW_PASSWORD, NewPassword=PASSWORD)
    assert body(user.iam.change_password(OldPassword=PASSWORD, NewPassword=NEW_PASSWORD)) == {}
    assert account.iam.get_login_profile(UserName=user.name)["LoginProfile"]["PasswordResetRequired"] is False
    with refused("AccessDenied", "The old password is not correct."):
        user.iam.change_password(OldPassword=PASSWORD, NewPassword=NEW_PASSWORD)


def test_users_alone_have_a_password_of_their_own_to_change(account, root):
    role = account.assume(account.role(account.root_arn, allow("iam:ChangePassword")))
    for principal in (root, role):
        with refused("InvalidUserType", "Only IAM Users can change their own password"):
            principal.iam.change_password(OldPassword=PASSWORD, NewPassword=NEW_PASSWORD)


def test_user_changes_the_password_with_permission_only(account, user):
    account.iam.put_user_policy(
        UserName=user.name, PolicyName="no",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": deny("iam:ChangePassword")}),
    )
    with denied(user.arn, "iam:ChangePassword", f"user {user.name}", " with an explicit deny in an identity-based policy"):
        user.iam.change_password(OldPassword=PASSWORD, NewPassword=NEW_PASSWORD)


def test_user_with_a_password_is_not_deleted(account):
    name = fresh("user")
    account.iam.create_user(UserName=name)
    account.iam.create_login_profile(UserName=name, Password=PASSWORD)
    with refused("DeleteConflict", "Cannot delete entity, must delete login profile first."):
        account.iam.delete_user(UserName=name)
    account.iam.delete_login_profile(UserName=name)
    account.iam.delete_user(UserName=name)


def test_user_deleted_while_a_password_is_given_has_none_after(account):
    for _ in range(5):
        name = fresh("user")
        account.iam.create_user(UserName=name)
        created, deleted = codes(at_once([
            lambda: account.iam.create_login_profile(UserName=name, Password=PASSWORD),
            lambda: account.iam.delete_user(UserName=name),
        ]))
        assert (created, deleted) in [(None, "DeleteConflict"), ("NoSuchEntity", None)]


def test_passwords_are_not_recorded(server, account, user):
    calls = [
        account.iam.create_login_profile(UserName=account.user().name, Password=PASSWORD),
        account.iam.update_login_profile(UserName=user.name, Password=NEW_PASSWORD),
        user.iam.change_password(OldPassword=NEW_PASSWORD, NewPassword=PASSWORD),
    ]
    for call in calls:
        record = server.record(call)
        assert "assword" not in json.dumps(record.get("requestParameters"))
    with refused("PasswordPolicyViolation") as caught:
        user.iam.change_password(OldPassword=PASSWORD, NewPassword="tram")
    record = server.record(caught.value.response)
    assert record["errorCode"] == "PasswordPolicyViolation"
    text = json.dumps(server.trail())
    assert not [secret for secret in (PASSWORD, NEW_PASSWORD, "tram") if secret in text]
