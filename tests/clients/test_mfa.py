"""MFA devices: made, bound with codes of another implementation, shown to STS, asked for by policies."""

import pytest

from rootward_testkit import (
    RECENT, Credentials, Device, Like, Principal, allow, at_once, body, codes, deny, denied, every_page, explicit, fresh,
    refused,
)

WRONG = "Authentication code for device is not valid."
FAILED = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


def create(principal, **arguments):
    arguments = {"VirtualMFADeviceName": fresh("device"), **arguments}
    return principal.iam.create_virtual_mfa_device(**arguments)["VirtualMFADevice"]


def enable(principal, user, serial, one, two):
    principal.iam.enable_mfa_device(UserName=user, SerialNumber=serial, AuthenticationCode1=one, AuthenticationCode2=two)


def serials(account, user):
    return [device["SerialNumber"] for device in account.iam.list_mfa_devices(UserName=user)["MFADevices"]]


def session_of(user, **shown):
    credentials = user.sts.get_session_token(**shown)["Credentials"]
    return Principal(user.server, Credentials.of(credentials), user.arn, user.name, user.id)


def test_new_device_shows_its_seed_and_a_picture_of_it(account):
    made = create(account, VirtualMFADeviceName="shown", Path="/team/", Tags=[{"Key": "k", "Value": "v"}])
    assert made == {
        "SerialNumber": account.arn_of("mfa/team/shown"), "Base32StringSeed": made["Base32StringSeed"],
        "QRCodePNG": made["QRCodePNG"], "Tags": [{"Key": "k", "Value": "v"}],
    }
    assert made["Base32StringSeed"].decode() == Like("[A-Z2-7]{64}")
    assert made["QRCodePNG"].startswith(b"\x89PNG\r\n\x1a\n")
    with refused("EntityAlreadyExists", "MFADevice entity at the same path and name already exists."):
        create(account, VirtualMFADeviceName="shown", Path="/team/")


def test_device_is_bound_by_two_codes_in_a_row_listed_freed_and_deleted(account):
    user = account.user(allow("iam:ListMFADevices", account.arn_of("user/${aws:username}")))
    made = create(account)
    device, serial = Device(made), made["SerialNumber"]
    one, two = device.first_codes()
    for first, second in ((two, one), (one, one), ("000000", "000000")):
        with refused("InvalidAuthenticationCode", WRONG):
            enable(account, user.name, serial, first, second)
    enable(account, user.name, serial, one, two)
    answer = account.iam.list_mfa_devices(UserName=user.name)
    assert body(answer) == {
        "MFADevices": [{"UserName": user.name, "SerialNumber": serial, "EnableDate": RECENT}], "IsTruncated": False}
    assert body(user.iam.list_mfa_devices()) == body(answer)
    with refused("EntityAlreadyExists", "MFA Device is already in use."):
        enable(account, user.name, serial, device.next_code(), device.next_code())
    with refused("DeleteConflict"):
        account.iam.delete_virtual_mfa_device(SerialNumber=serial)
    account.iam.deactivate_mfa_device(UserName=user.name, SerialNumber=serial)
    with refused("InvalidAuthenticationCode", WRONG):
        enable(account, user.name, serial, one, two)
    with refused("NoSuchEntity"):
        account.iam.deactivate_mfa_device(UserName=user.name, SerialNumber=serial)
    account.iam.delete_virtual_mfa_device(SerialNumber=serial)
    with refused("NoSuchEntity", f"VirtualMFADevice with serial number {serial} doesn't exist."):
        account.iam.delete_virtual_mfa_device(SerialNumber=serial)


def test_users_look_after_their_own_device_and_no_other(account):
    """The policy that the documentation gives users."""
    own = account.arn_of("user/${aws:username}")
    user = account.user(
        allow("iam:CreateVirtualMFADevice", account.arn_of("mfa/*")),
        allow(["iam:EnableMFADevice", "iam:ListMFADevices", "iam:ResyncMFADevice"], own),
        allow("iam:DeactivateMFADevice", own, **WITH_MFA),
    )
    device = Device(create(user))
    enable(user, user.name, device.serial, *device.first_codes())
    assert serials(user, user.name) == [device.serial]
    with denied(user.arn, "iam:DeactivateMFADevice", f"user {user.name}"):
        user.iam.deactivate_mfa_device(UserName=user.name, SerialNumber=device.serial)
    other = account.user()
    with denied(user.arn, "iam:ListMFADevices", f"user {other.name}"):
        user.iam.list_mfa_devices(UserName=other.name)
    with_mfa = session_of(user, **device.shown())
    with_mfa.iam.deactivate_mfa_device(UserName=user.name, SerialNumber=device.serial)
    assert serials(account, user.name) == []


def test_resync_follows_a_clock_that_has_drifted(account):
    user = account.user()
    device = account.device(user)
    device.step += 10
    with refused("AccessDenied", FAILED):
        user.sts.get_session_token(**device.shown())
    one, two = device.next_code(), device.next_code()
    with refused("InvalidAuthenticationCode", WRONG):
        account.iam.resync_mfa_device(
            UserName=user.name, SerialNumber=device.serial, AuthenticationCode1=two, AuthenticationCode2=one)
    account.iam.resync_mfa_device(
        UserName=user.name, SerialNumber=device.serial, AuthenticationCode1=one, AuthenticationCode2=two)
    user.sts.get_session_token(**device.shown())


def test_ninth_device_is_one_too_many(account):
    user = account.user()
    devices = [account.device(user) for _ in range(8)]
    with refused("LimitExceeded", "Cannot exceed quota for MFADevicesPerUser: 8"):
        account.device(user)
    found = every_page(account.iam.list_mfa_devices, "MFADevices", size=3, UserName=user.name)
    assert sorted(one["SerialNumber"] for one in found) == sorted(device.serial for device in devices)


def test_virtual_devices_are_listed_by_assignment(other):
    user = other.user()
    bound, free = other.device(user).serial, create(other)["SerialNumber"]
    listed = {status: other.iam.list_virtual_mfa_devices(AssignmentStatus=status)["VirtualMFADevices"]
              for status in ("Assigned", "Unassigned", "Any")}
    assert listed["Unassigned"] == [{"SerialNumber": free}]
    assert listed["Assigned"] == [{"SerialNumber": bound, "EnableDate": RECENT, "User": {
        "Path": "/", "UserName": user.name, "UserId": user.id, "Arn": user.arn, "CreateDate": RECENT}}]
    assert sorted(device["SerialNumber"] for device in listed["Any"]) == sorted([bound, free])
    assert len(every_page(other.iam.list_virtual_mfa_devices, "VirtualMFADevices", size=1)) == 2
    summary = other.iam.get_account_summary()["SummaryMap"]
    assert (summary["MFADevices"], summary["MFADevicesInUse"], summary["AccountMFAEnabled"]) == (2, 1, 0)


def test_tags_of_a_device_answer_conditions(account):
    serial = create(account, Tags=[{"Key": "team", "Value": "blue"}])["SerialNumber"]
    account.iam.tag_mfa_device(SerialNumber=serial, Tags=[{"Key": "cost", "Value": "7"}])
    account.iam.untag_mfa_device(SerialNumber=serial, TagKeys=["cost"])
    assert account.iam.list_mfa_device_tags(SerialNumber=serial)["Tags"] == [{"Key": "team", "Value": "blue"}]
    user = account.user(allow("iam:DeleteVirtualMFADevice", StringEquals={"aws:ResourceTag/team": "blue"}))
    untagged = create(account)["SerialNumber"]
    with denied(user.arn, "iam:DeleteVirtualMFADevice", untagged):
        user.iam.delete_virtual_mfa_device(SerialNumber=untagged)
    user.iam.delete_virtual_mfa_device(SerialNumber=serial)


def test_root_user_enables_no_device_by_key(account):
    root, device = account.root(), Device(create(account))
    with refused("NoSuchEntity"):
        enable(root, "AWS ROOT USER", device.serial, *device.first_codes())
    assert body(root.iam.list_mfa_devices()) == {"MFADevices": [], "IsTruncated": False}


def test_codes_are_not_on_record(server, account):
    user, device = account.user(), Device(create(account))
    one, two = device.first_codes()
    answer = account.iam.enable_mfa_device(
        UserName=user.name, SerialNumber=device.serial, AuthenticationCode1=one, AuthenticationCode2=two)
    assert server.record(answer)["requestParameters"] == {"userName": user.name, "serialNumber": device.serial}
    answer = user.sts.get_session_token(**device.shown())
    assert server.record(answer)["requestParameters"] == {"serialNumber": device.serial}


# Shown to STS


def test_session_with_a_second_factor_may_what_policies_keep_for_it(server, account):
    user = account.user(allow("iam:ListUsers", **WITH_MFA), allow("iam:ListRoles", NumericLessThan={"aws:MultiFactorAuthAge": "3600"}))
    device = account.device(user)
    with denied(user.arn, "iam:ListUsers", account.arn_of("user/")):
        user.iam.list_users()
    with refused("InvalidClientTokenId"):  # a session without a second factor calls no IAM at all
        session_of(user).iam.list_users()
    session = session_of(user, **device.shown())
    attributes = server.record(session.iam.list_users())["userIdentity"]["sessionContext"]["attributes"]
    assert attributes["mfaAuthenticated"] == "true"
    session.iam.list_roles()


def test_code_is_taken_once(account):
    user = account.user()
    device = account.device(user)
    shown = device.shown()
    user.sts.get_session_token(**shown)
    role = account.role(user.arn)
    for again in (lambda: user.sts.get_session_token(**shown), lambda: user.assume(role, **shown)):
        with refused("AccessDenied", FAILED):
            again()


@pytest.mark.parametrize("round_", range(5))
def test_code_that_many_requests_show_at_once_lets_one_through(account, round_):
    user = account.user()
    device, role = account.device(user), account.role(user.arn, conditions=WITH_MFA)
    shown = device.shown()
    clients = [account.server.client("sts", user.credentials) for _ in range(8)]
    ended = codes(at_once([
        lambda sts=sts, number=number: sts.get_session_token(**shown) if number % 2 else
        sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session", **shown)
        for number, sts in enumerate(clients)]))
    assert sorted(ended, key=str) == ["AccessDenied"] * 7 + [None], ended


def test_code_of_another_user_another_device_or_no_code_is_refused(account):
    user, stranger = account.user(), account.user()
    device, second, foreign = account.device(user), account.device(user), account.device(stranger)
    code = device.next_code()
    for shown in (
        {"SerialNumber": second.serial, "TokenCode": code},
        {"SerialNumber": foreign.serial, "TokenCode": foreign.next_code()},
        {"SerialNumber": account.arn_of("mfa/ghost"), "TokenCode": code},
        {"SerialNumber": "GAHT12345678", "TokenCode": code},
        {"SerialNumber": device.serial, "TokenCode": "000000"},
        {"SerialNumber": device.serial},
        {"TokenCode": code},
    ):
        with refused("AccessDenied", FAILED):
            user.sts.get_session_token(**shown)
    user.sts.get_session_token(SerialNumber=device.serial, TokenCode=code)


def test_who_guesses_codes_is_slowed_down_and_nobody_else_is(account):
    user, other = account.user(), account.user()
    device, untouched = account.device(user), account.device(other)
    for _ in range(20):
        with refused("AccessDenied", FAILED):
            user.sts.get_session_token(SerialNumber=device.serial, TokenCode=device.code(0))
    with refused("Throttling", "Rate exceeded"):
        user.sts.get_session_token(**device.shown())
    other.sts.get_session_token(**untouched.shown())


def test_role_that_wants_a_second_factor_gets_it_with_the_request(account):
    user = account.user()
    device = account.device(user)
    role = account.role(
        user.arn, allow("iam:ListUsers", **WITH_MFA),
        conditions={**WITH_MFA, "NumericLessThan": {"aws:MultiFactorAuthAge": "60"}})
    with refused("AccessDenied", Like(f"User: {user.arn} is not authorized to perform: sts:AssumeRole .*")):
        user.assume(role)
    session = user.assume(role, **device.shown())
    session.iam.list_users()


def test_deny_without_a_second_factor_spares_who_shows_it(account):
    user = account.user(allow("*"), deny("*", BoolIfExists={"aws:MultiFactorAuthPresent": "false"}))
    device, role = account.device(user), account.role(account.root_arn)
    with denied(user.arn, "sts:AssumeRole", role["Arn"], explicit()):
        user.assume(role)
    user.assume(role, **device.shown())


def test_role_of_another_account_sees_the_second_factor_and_both_keep_a_record(server, account, other):
    user = account.user(allow("sts:AssumeRole"))
    device = account.device(user)
    role = other.role(account.root_arn, conditions=WITH_MFA)
    answer = user.sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session", **device.shown())
    records = server.records(of=answer["ResponseMetadata"]["RequestId"])
    assert {record["recipientAccountId"] for record in records} == {account.account, other.account}
    assert len({record["sharedEventID"] for record in records}) == 1


def test_second_factor_goes_along_when_its_session_assumes_a_role_and_is_not_shown_again(account):
    user = account.user(allow("*"))
    device = account.device(user)
    role = account.role(account.root_arn, allow("iam:ListUsers", **WITH_MFA), conditions=WITH_MFA)
    session = session_of(user, **device.shown())
    session.assume(role).iam.list_users()
    with refused("AccessDenied", FAILED):
        session.assume(role, SerialNumber=device.serial, TokenCode=device.code(device.step + 1))
