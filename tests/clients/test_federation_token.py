"""Federated users: sessions for somebody whom a user or the root user vouches for."""

from datetime import datetime, timezone

import pytest

from rootward_testkit import Credentials, Like, Principal, allow, body, broken, denied, implicit, policy, refused

ALL = policy(allow("*"))


@pytest.fixture(scope="module")
def maker(account):
    """A user who may everything."""
    return account.user(allow("*"))


def federate(principal, name="guest", **arguments):
    answer = principal.sts.get_federation_token(Name=name, **arguments)
    user = answer["FederatedUser"]
    return Principal(principal.server, Credentials.of(answer["Credentials"]), user["Arn"], name, user["FederatedUserId"])


def remaining(answer):
    return (answer["Credentials"]["Expiration"] - datetime.now(timezone.utc)).total_seconds()


def test_federated_user_is_named_after_account_and_name(server, account, maker):
    answer = maker.sts.get_federation_token(Name="guest", Policy=ALL)
    arn = f"arn:aws:sts::{account.account}:federated-user/guest"
    assert body(answer) == {
        "Credentials": {
            "AccessKeyId": Like("ASIA[A-Z2-7]{16}"), "SecretAccessKey": Like("[A-Za-z0-9+/]{40}"),
            "SessionToken": Like("[A-Za-z0-9+/=]{100,}"), "Expiration": answer["Credentials"]["Expiration"],
        },
        "FederatedUser": {"FederatedUserId": f"{account.account}:guest", "Arn": arn}, "PackedPolicySize": 3,
    }
    guest = federate(maker)
    told = guest.sts.get_caller_identity()
    assert body(told) == {"UserId": f"{account.account}:guest", "Account": account.account, "Arn": arn}
    identity = server.record(told)["userIdentity"]
    assert (identity["type"], identity["arn"]) == ("FederatedUser", arn)
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == maker.arn


@pytest.mark.parametrize("asked, seconds", [({}, 43_200), ({"DurationSeconds": 900}, 900), ({"DurationSeconds": 129_600}, 129_600)])
def test_session_lasts_as_long_as_asked(maker, asked, seconds):
    assert abs(remaining(maker.sts.get_federation_token(Name="guest", **asked)) - seconds) < 60


def test_session_of_root_lasts_an_hour_at_most(account):
    root = account.root()
    for asked, seconds in (({}, 3_600), ({"DurationSeconds": 900}, 900), ({"DurationSeconds": 43_200}, 3_600)):
        assert abs(remaining(root.sts.get_federation_token(Name="guest", **asked)) - seconds) < 60
    assert federate(root).sts.get_caller_identity()["Arn"] == f"arn:aws:sts::{account.account}:federated-user/guest"


@pytest.mark.parametrize("arguments, member, rule", [
    ({"Name": "x"}, "name", "have length greater than or equal to 2"),
    ({"Name": "x" * 33}, "name", "have length less than or equal to 32"),
    ({"Name": "a b"}, "name", r"satisfy regular expression pattern: [\w+=,.@-]*"),
    ({"DurationSeconds": 899}, "durationSeconds", "have value greater than or equal to 900"),
    ({"DurationSeconds": 129_601}, "durationSeconds", "have value less than or equal to 129600"),
    ({"Policy": "x" * 2049}, "policy", "have length less than or equal to 2048"),
])
def test_broken_constraint_is_named(maker, arguments, member, rule):
    with refused("ValidationError", broken(member, rule)):
        maker.sts.get_federation_token(**{"Name": "guest", **arguments})


def test_permission_is_on_the_federated_user(account):
    arn = f"arn:aws:sts::{account.account}:federated-user/"
    user = account.user(allow("sts:GetFederationToken", arn + "guest-*"))
    federate(user, "guest-1")
    with denied(user.arn, "sts:GetFederationToken", arn + "other"):
        federate(user, "other")
    with denied(user.arn, "sts:TagSession", arn + "guest-1", implicit("sts:TagSession")):
        federate(user, "guest-1", Tags=[{"Key": "k", "Value": "v"}])


@pytest.mark.parametrize("by_root", [False, True])
def test_federated_user_calls_no_iam_and_of_sts_only_who_it_is(account, maker, by_root):
    guest = federate(account.root() if by_root else maker, Policy=ALL)
    guest.sts.get_caller_identity()
    role = account.role(account.root_arn)
    for forbidden in (
        guest.iam.list_users, guest.iam.list_mfa_devices, guest.sts.get_session_token,
        lambda: guest.sts.get_federation_token(Name="guest"), lambda: guest.assume(role),
        lambda: guest.sts.get_access_key_info(AccessKeyId=maker.credentials.key),
    ):
        with pytest.raises(guest.sts.exceptions.ClientError) as caught:
            forbidden()
        assert caught.value.response["Error"]["Code"] in ("AccessDenied", "InvalidClientTokenId")
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_who_has_temporary_credentials_vouches_for_nobody(account, maker):
    session = Principal(maker.server, Credentials.of(maker.sts.get_session_token()["Credentials"]))
    for caller in (session, account.assume(account.role(account.root_arn, allow("*"))), federate(maker, Policy=ALL)):
        with refused("AccessDenied", "Cannot call GetFederationToken with session credentials"):
            federate(caller)


def test_policies_and_tags_that_will_not_do_are_refused(account, maker):
    with refused("MalformedPolicyDocument"):
        federate(maker, Policy="{")
    with refused("ValidationError"):
        federate(maker, PolicyArns=[{"arn": account.arn_of("policy/ghost")}])
    with refused("InvalidParameterValue"):
        federate(maker, Tags=[{"Key": "k", "Value": "1"}, {"Key": "K", "Value": "2"}])
    with refused("PackedPolicyTooLarge"):
        federate(maker, Tags=[{"Key": f"k{number}", "Value": "v" * 250} for number in range(20)])
    answer = maker.sts.get_federation_token(
        Name="guest", Policy=ALL, PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
        Tags=[{"Key": "team", "Value": "blue"}])
    assert answer["PackedPolicySize"] == 4


def test_federated_user_ends_with_its_maker(account):
    user = account.user(allow("*"))
    guest = federate(user, Policy=ALL)
    guest.sts.get_caller_identity()
    account.iam.delete_user_policy(UserName=user.name, PolicyName="inline")
    account.iam.delete_access_key(UserName=user.name, AccessKeyId=user.credentials.key)
    account.iam.delete_user(UserName=user.name)
    with refused("InvalidClientTokenId"):
        guest.sts.get_caller_identity()
