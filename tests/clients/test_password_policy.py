"""The account's rule for passwords: update, get, delete, and what it grants to users."""

import json

import pytest

from rootward_testkit import NEW_PASSWORD, PASSWORD, allow, body, denied, deny, explicit, policy, refused

DEFAULTS = {
    "MinimumPasswordLength": 6, "RequireSymbols": False, "RequireNumbers": False, "RequireUppercaseCharacters": False,
    "RequireLowercaseCharacters": False, "AllowUsersToChangePassword": False, "ExpirePasswords": False, "HardExpiry": False,
}
EVERYTHING = {
    "MinimumPasswordLength": 14, "RequireSymbols": True, "RequireNumbers": True, "RequireUppercaseCharacters": True,
    "RequireLowercaseCharacters": True, "AllowUsersToChangePassword": True, "MaxPasswordAge": 90,
    "PasswordReusePrevention": 5, "HardExpiry": True,
}


@pytest.fixture
def fresh_account(server):
    return server.account()


@pytest.fixture
def user(fresh_account):
    """A user with a password and without any policy."""
    user = fresh_account.user()
    fresh_account.iam.create_login_profile(UserName=user.name, Password=PASSWORD)
    return user


def shown(account):
    return account.iam.get_account_password_policy()["PasswordPolicy"]


def test_policy_is_replaced_as_a_whole_and_deleted(fresh_account):
    iam = fresh_account.iam
    missing = f"The Password Policy with domain name {fresh_account.account} cannot be found."
    with refused("NoSuchEntity", missing):
        iam.get_account_password_policy()
    with refused("NoSuchEntity", "The account policy with name PasswordPolicy cannot be found."):
        iam.delete_account_password_policy()
    assert body(iam.update_account_password_policy(**EVERYTHING)) == {}
    assert shown(fresh_account) == {**EVERYTHING, "ExpirePasswords": True}
    iam.update_account_password_policy()
    assert shown(fresh_account) == DEFAULTS
    assert body(iam.delete_account_password_policy()) == {}
    with refused("NoSuchEntity", missing):
        iam.get_account_password_policy()


@pytest.mark.parametrize("arguments, said", [
    ({"MinimumPasswordLength": 129}, ['"129" at "minimumPasswordLength" failed to satisfy constraint: Member must have value less than or equal to 128']),
    ({"MinimumPasswordLength": 5}, ['"5" at "minimumPasswordLength" failed to satisfy constraint: Member must have value greater than or equal to 6']),
    ({"MaxPasswordAge": 0, "PasswordReusePrevention": 25}, [
        '"0" at "maxPasswordAge" failed to satisfy constraint: Member must have value greater than or equal to 1',
        '"25" at "passwordReusePrevention" failed to satisfy constraint: Member must have value less than or equal to 24',
    ]),
])
def test_number_out_of_range_is_quoted(account, arguments, said):
    count = "1 validation error" if len(said) == 1 else f"{len(said)} validation errors"
    with refused("ValidationError", f"{count} detected: " + "; ".join(f"Value {each}" for each in said)):
        account.iam.update_account_password_policy(**arguments)


def test_next_password_is_held_against_the_policy(fresh_account, user):
    iam = fresh_account.iam
    iam.update_account_password_policy(MinimumPasswordLength=10, RequireNumbers=True, PasswordReusePrevention=2)
    with refused("PasswordPolicyViolation", "Password does not conform to the account password policy. It must contain a digit."):
        iam.update_login_profile(UserName=user.name, Password="aaaaaaaaaa")
    reused = "Password does not conform to the account password policy. It must not be one of the user's last 2 passwords."
    with refused("PasswordPolicyViolation", reused):
        iam.update_login_profile(UserName=user.name, Password=PASSWORD)
    iam.update_login_profile(UserName=user.name, Password="aaaaaaaaaa7")
    with refused("PasswordPolicyViolation", reused):
        iam.update_login_profile(UserName=user.name, Password=PASSWORD)
    iam.update_login_profile(UserName=user.name, Password="bbbbbbbbbb7")
    iam.update_login_profile(UserName=user.name, Password=PASSWORD)


def test_users_change_their_own_password_without_a_policy_of_their_own(fresh_account, user):
    iam = fresh_account.iam
    iam.update_account_password_policy()
    with denied(user.arn, "iam:ChangePassword", f"user {user.name}"):
        user.iam.change_password(OldPassword=PASSWORD, NewPassword=NEW_PASSWORD)
    with denied(user.arn, "iam:GetAccountPasswordPolicy", "*"):
        user.iam.get_account_password_policy()
    iam.update_account_password_policy(AllowUsersToChangePassword=True)
    assert shown(user)["AllowUsersToChangePassword"] is True
    assert body(user.iam.change_password(OldPassword=PASSWORD, NewPassword=NEW_PASSWORD)) == {}
    with denied(user.arn, "iam:UpdateLoginProfile", f"user {user.name}"):
        user.iam.update_login_profile(UserName=user.name, Password=PASSWORD)
    iam.delete_account_password_policy()
    with denied(user.arn, "iam:ChangePassword", f"user {user.name}"):
        user.iam.change_password(OldPassword=NEW_PASSWORD, NewPassword=PASSWORD)


def test_deny_and_boundary_win_over_the_grant(fresh_account, user):
    iam = fresh_account.iam
    iam.update_account_password_policy(AllowUsersToChangePassword=True)
    iam.put_user_policy(UserName=user.name, PolicyName="no", PolicyDocument=policy(deny("iam:ChangePassword")))
    with denied(user.arn, "iam:ChangePassword", f"user {user.name}", explicit()):
        user.iam.change_password(OldPassword=PASSWORD, NewPassword=NEW_PASSWORD)
    iam.delete_user_policy(UserName=user.name, PolicyName="no")
    boundary = fresh_account.policy(allow("iam:GetAccountPasswordPolicy"))["Arn"]
    iam.put_user_permissions_boundary(UserName=user.name, PermissionsBoundary=boundary)
    with denied(user.arn, "iam:ChangePassword", f"user {user.name}", " because no permissions boundary allows the iam:ChangePassword action"):
        user.iam.change_password(OldPassword=PASSWORD, NewPassword=NEW_PASSWORD)
    assert user.iam.get_account_password_policy()["PasswordPolicy"]


def test_grant_is_explained_and_simulated(server, fresh_account, user):
    fresh_account.iam.update_account_password_policy(AllowUsersToChangePassword=True)
    told = server.host("can", user.arn, "iam:ChangePassword", user.arn)
    assert "statement 1 of the account's setting `AllowUsersToChangePassword`" in told.splitlines()[0]
    server.host("can", user.arn, "iam:ChangePassword", fresh_account.arn, code=1)
    may = [json.loads(line) for line in server.host("who-can", "iam:ChangePassword", user.arn, "--format", "json").splitlines()]
    assert user.arn in [row["principal"] for row in may]
    [result] = fresh_account.iam.simulate_principal_policy(
        PolicySourceArn=user.arn, ActionNames=["iam:ChangePassword"], ResourceArns=[user.arn],
    )["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"
    assert result["MatchedStatements"][0]["SourcePolicyId"] == "AllowUsersToChangePassword"
