"""What the root user alone does: billing, the support plan, the end of an account; and what the host does for it."""

import json

import pytest

from receivers import Hook, target
from rootward_testkit import Like, Principal, allow, body, denial, fresh, refused

# What the root user alone can do: with its key, with a second factor too, and only signed in.
BY_ROOT = {
    "get_iam_billing_access": {},
    "put_iam_billing_access": {"Enabled": True},
    "put_support_plan": {"Plan": "DEVELOPER"},
    "seal_root": {},
    "close_account": {},
}
BY_ROOT_WITH_FACTOR = {
    "put_root_access_settings": {"SessionMinutes": 30, "ApprovalsRequired": 0, "ApproverUserNames": []},
    "unseal_root": {"Reason": "drill", "Minutes": 5},
}
BY_ROOT_SIGNED_IN = {
    "change_root_password": {"OldPassword": "x", "NewPassword": "y"},
    "start_root_email_update": {"Email": "new@example.com"},
    "accept_root_email_update": {"Email": "new@example.com", "Otp": "123456"},
}
ROOTS_OWN = BY_ROOT | BY_ROOT_WITH_FACTOR | BY_ROOT_SIGNED_IN
PREFERENCES = {"InvoiceByEmail": True, "InvoiceEmail": "bills@example.com", "FreeTierAlerts": False, "Currency": "EUR"}


@pytest.fixture
def own(server):
    """An account of this test's own."""
    return server.account()


def switched_off(principal, account, action):
    who = f"User: {principal.arn} is not authorized to perform: billing:{action}"
    reason = f"access of IAM users and roles to billing is off; the root user of account {account.account} can turn it on"
    return refused("AccessDeniedException", f"{who}: {reason}")


def test_billing_is_closed_to_administrators_until_the_root_user_opens_it(server, own):
    root, nobody = own.root(), own.user()
    root.rootward.put_billing_preferences(**PREFERENCES)
    with switched_off(own, own, "GetBillingPreferences") as caught:
        own.rootward.get_billing_preferences()
    assert server.record(caught.value.response)["errorCode"] == "AccessDeniedException"
    with switched_off(own, own, "UpdateBillingPreferences"):
        own.rootward.put_billing_preferences(**PREFERENCES)
    opened = root.rootward.put_iam_billing_access(Enabled=True)
    record = server.record(opened)
    assert (record["eventName"], record["userIdentity"]["type"]) == ("PutIamBillingAccess", "Root")
    assert record["requestParameters"] == {"enabled": True}
    assert own.rootward.get_billing_preferences()["BillingPreferences"] == PREFERENCES
    action = "billing:GetBillingPreferences"
    with refused("AccessDeniedException", denial(nobody.arn, action, "*")):
        nobody.rootward.get_billing_preferences()
    assert body(root.rootward.get_iam_billing_access()) == {"Enabled": True}
    root.rootward.put_iam_billing_access(Enabled=False)
    with switched_off(own, own, "GetBillingPreferences"):
        own.rootward.get_billing_preferences()


def test_can_tells_the_switch_and_the_root_users_own(server, own):
    for action, reason in (
        ("billing:GetBillingPreferences", "can turn it on"), ("account:CloseAccount", "this needs the root user"),
    ):
        told = json.loads(server.host("can", own.arn, action, "--format", "json", code=1))
        assert told["allowed"] is False and reason in told["refusal"]


def test_root_user_chooses_the_support_plan_and_others_may_look(server, own):
    root, viewer = own.root(), own.user(allow("supportplans:*"))
    assert viewer.rootward.get_support_plan()["Plan"] == "BASIC"
    with refused("AccessDeniedException", Like(".*supportplans:StartSupportPlanUpdate: this needs the root user of account .*")):
        viewer.rootward.put_support_plan(Plan="ENTERPRISE")
    chosen = root.rootward.put_support_plan(Plan="ENTERPRISE")
    assert server.record(chosen)["requestParameters"] == {"plan": "ENTERPRISE"}
    assert viewer.rootward.get_support_plan()["Plan"] == "ENTERPRISE"


@pytest.mark.parametrize("call", ROOTS_OWN)
def test_administrator_is_refused_what_is_the_root_users_and_told_why(server, own, call):
    reason = Like(f"User: {own.arn} is not authorized to perform: .*: this needs the root user of account {own.account}.*")
    with refused("AccessDeniedException", reason) as caught:
        getattr(own.rootward, call)(**ROOTS_OWN[call])
    record = server.record(caught.value.response)
    assert (record["errorCode"], record["userIdentity"]["arn"]) == ("AccessDeniedException", own.arn)


def test_what_the_root_user_does_is_on_record_and_told_at_once(server, own):
    root = own.root()
    with Hook() as hook, target(server, hook.url, "--account", own.account):
        for call, arguments in BY_ROOT.items():
            answer = getattr(root.rootward, call)(**arguments)
            record = server.record(answer)
            assert (record["userIdentity"]["type"], record.get("errorCode")) == ("Root", None), call
            told = hook.wait(record["eventName"])
            assert (told["id"], told["data"]["byRoot"]) == (record["eventID"], True)
            assert told["data"]["severity"] in ("warning", "critical") and told["data"]["advice"]
            # What is sealed takes no keys.
            own.unseal()


def test_key_alone_changes_nothing_about_the_seal(own):
    root = own.root()
    for call, arguments in BY_ROOT_WITH_FACTOR.items():
        with refused("AccessDeniedException", Like("This needs a session in which a second factor was shown.*")):
            getattr(root.rootward, call)(**arguments)


def test_key_of_the_root_user_changes_neither_its_password_nor_its_address(own):
    root = own.root()
    for call, arguments in BY_ROOT_SIGNED_IN.items():
        with refused("AccessDeniedException", Like(f".*: this needs the root user of account {own.account}, signed in")):
            getattr(root.rootward, call)(**arguments)


def listed(server, account):
    accounts = json.loads(server.host("account", "list", "--format", "json"))["Accounts"]
    [found] = [row for row in accounts if row["AccountId"] == account.account]
    return found


def test_closed_account_refuses_everybody_until_the_host_opens_it_again(server, own):
    root = own.root()
    closed = root.rootward.close_account()
    record = server.record(closed)
    assert (record["eventName"], record["userIdentity"]["arn"]) == ("CloseAccount", own.root_arn)
    for principal in (own, root):
        fresh_client = Principal(server, principal.credentials).client("sts")
        with refused("OptInRequired"):
            fresh_client.get_caller_identity()
    shown = listed(server, own)
    assert shown["Status"] == "SUSPENDED" and shown["ReopenableUntil"]
    server.host("account", "close", "--account", own.account, code=2)
    server.host(
        "account", "create", "--name", "Again", "--email", own.email, "--password-file", str(server.folder / "password"), code=2)
    assert json.loads(server.host("account", "reopen", "--account", own.account))["Status"] == "ACTIVE"
    assert own.sts.get_caller_identity()["Arn"] == own.arn
    server.host("account", "reopen", "--account", own.account, code=2)


def test_host_closes_accounts_too_and_is_on_record(server, own):
    server.host("account", "close", "--account", own.account)
    with refused("OptInRequired"):
        own.sts.get_caller_identity()
    server.host("account", "reopen", "--account", own.account)
    records = [record for record in server.trail() if record["eventSource"] == "rootward.host"]
    names = [record["eventName"] for record in records if record.get("recipientAccountId") == own.account]
    assert names[-2:] == ["CloseAccount", "ReopenAccount"]


def test_address_of_a_root_user_is_changed_on_the_host(server, own, other):
    new = f"{fresh('moved')}@example.com"
    shown = json.loads(server.host("account", "change-email", "--account", own.account, "--email", new))
    assert shown == {"AccountId": own.account, "Email": new}
    assert listed(server, own)["Email"] == new
    server.host("account", "change-email", "--account", own.account, "--email", other.email.upper(), code=2)
    server.host("account", "change-email", "--account", own.account, "--email", "no-address", code=2)
    # The old one is free.
    server.host("account", "change-email", "--account", own.account, "--email", own.email)
    record = server.events("ChangeRootEmail")[-1]
    assert record["recipientAccountId"] == own.account
    assert record["responseElements"] == {"previousEmail": new}


def test_accounts_are_listed_with_their_aliases(server, own):
    alias = fresh("alias")
    own.iam.create_account_alias(AccountAlias=alias)
    lines = [line.split("\t") for line in server.host("account", "list").splitlines()]
    assert [own.account, "ACTIVE", own.email, alias, listed(server, own)["Name"]] in lines
    assert "ListAccounts" in [record["eventName"] for record in server.trail()]
