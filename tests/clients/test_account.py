"""The account as a whole: alias, summary, authorization details."""

import json

import pytest

from rootward_testkit import EC2, RECENT, Like, allow, body, broken, fresh, policy, refused, trust, unique


@pytest.fixture
def fresh_account(server):
    return server.account()


def test_account_is_opened_as_printed(fresh_account):
    opened = fresh_account.opened
    assert opened == {
        "AccountId": Like("[0-9]{12}"),
        "Root": {"Arn": f"arn:aws:iam::{opened['AccountId']}:root", "Email": fresh_account.email},
        "Admin": {
            "UserName": "admin", "Arn": fresh_account.arn_of("user/admin"),
            "AccessKey": {"AccessKeyId": Like("AKIA[A-Z2-7]{16}"), "SecretAccessKey": Like("[A-Za-z0-9+/]{40}")},
        },
    }
    attached = fresh_account.iam.list_attached_user_policies(UserName="admin")["AttachedPolicies"]
    assert attached == [{"PolicyName": "AdministratorAccess", "PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}]


@pytest.mark.parametrize("name, email, password", [
    ("Weak", "weak@example.com", "password"),
    ("No symbol", "nosymbol@example.com", "Abcdefgh12345678"),
    ("Short", "short@example.com", "aB3$"),
    ("Same", "Same1$@example.com", "Same1$@example.com"),
    ("", "noname@example.com", None),
    ("Mail", "no-mail-address", None),
    ("x" * 51, "long@example.com", None),
])
def test_bad_account_is_refused_and_nothing_is_opened(server, name, email, password):
    from rootward_testkit import PASSWORD
    file = server.folder / "bad-password"
    file.write_text((password or PASSWORD) + "\n")
    server.host("account", "create", "--name", name, "--email", email, "--password-file", str(file), code=2)


def test_root_user_without_a_password_is_protected_until_it_is_given_one(server):
    opened = json.loads(server.host("account", "create", "--name", "quiet", "--email", "quiet@example.com"))
    status = ("root", "status", "--account", opened["AccountId"], "--format", "json")
    [user] = json.loads(server.host(*status))["RootUsers"]
    assert (user["PasswordPresent"], user["Protected"]) == (False, True)
    server.host("root", "reset-password", "--account", opened["AccountId"])
    [user] = json.loads(server.host(*status))["RootUsers"]
    assert (user["PasswordPresent"], user["Protected"]) == (True, False)


def test_email_belongs_to_one_account(server, fresh_account):
    server.host("account", "create", "--name", "twin", "--email", fresh_account.email.upper(),
                "--password-file", str(server.folder / "password"), code=2)


def test_alias_is_set_replaced_listed_and_deleted(fresh_account):
    iam = fresh_account.iam
    assert body(iam.list_account_aliases()) == {"AccountAliases": [], "IsTruncated": False}
    first, second = fresh("alias"), fresh("alias")
    assert body(iam.create_account_alias(AccountAlias=first)) == {}
    iam.create_account_alias(AccountAlias=second)
    assert iam.list_account_aliases()["AccountAliases"] == [second]
    with refused("NoSuchEntity"):
        iam.delete_account_alias(AccountAlias=first)
    assert body(iam.delete_account_alias(AccountAlias=second)) == {}
    assert iam.list_account_aliases()["AccountAliases"] == []


def test_alias_belongs_to_one_account(account, other):
    alias = fresh("alias")
    account.iam.create_account_alias(AccountAlias=alias)
    with refused("EntityAlreadyExists", Like(f".*{alias}.* already exists.*")):
        other.iam.create_account_alias(AccountAlias=alias)
    account.iam.delete_account_alias(AccountAlias=alias)
    other.iam.create_account_alias(AccountAlias=alias)


@pytest.mark.parametrize("alias", ["Upper", "-a-b", "a--b", "a.b"])
def test_bad_alias_is_refused(account, alias):
    with refused("ValidationError", Like(".*'accountAlias' failed to satisfy constraint: Member must satisfy regular expression pattern.*")):
        account.iam.create_account_alias(AccountAlias=alias)
    with refused("ValidationError", Like(".*Member must have length greater than or equal to 3.*")):
        account.iam.create_account_alias(AccountAlias="ab")


QUOTAS = {
    "UsersQuota": 1_000_000, "GroupsQuota": 300, "RolesQuota": 1000, "PoliciesQuota": 1500, "PolicyVersionsInUseQuota": 10000,
    "VersionsPerPolicyQuota": 5, "PolicySizeQuota": 6144, "UserPolicySizeQuota": 2048, "GroupPolicySizeQuota": 5120,
    "RolePolicySizeQuota": 10240, "AssumeRolePolicySizeQuota": 2048, "AttachedPoliciesPerUserQuota": 10,
    "AttachedPoliciesPerGroupQuota": 10, "AttachedPoliciesPerRoleQuota": 10, "GroupsPerUserQuota": 10,
    "AccessKeysPerUserQuota": 2, "SigningCertificatesPerUserQuota": 2, "InstanceProfilesQuota": 1000,
    "ServerCertificatesQuota": 20,
}


def test_summary_counts(fresh_account):
    before = fresh_account.iam.get_account_summary()["SummaryMap"]
    assert {key: before[key] for key in QUOTAS} == QUOTAS
    counts = {key: before[key] for key in ("Users", "Groups", "Roles", "Policies", "InstanceProfiles", "AccountAccessKeysPresent",
                                           "AccountMFAEnabled", "Providers", "ServerCertificates", "MFADevices")}
    assert counts == {"Users": 1, "Groups": 0, "Roles": 0, "Policies": 0, "InstanceProfiles": 0, "AccountAccessKeysPresent": 0,
                      "AccountMFAEnabled": 0, "Providers": 0, "ServerCertificates": 0, "MFADevices": 0}
    assert before["AccountPasswordPresent"] == 1
    fresh_account.user()
    fresh_account.group()
    fresh_account.role(EC2)
    fresh_account.policy()
    fresh_account.iam.create_instance_profile(InstanceProfileName="p")
    fresh_account.root()
    after = fresh_account.iam.get_account_summary()["SummaryMap"]
    changed = {key: after[key] for key in after if after[key] != before[key]}
    assert {key: changed[key] for key in ("Users", "Groups", "Roles", "Policies", "InstanceProfiles", "AccountAccessKeysPresent")} == {
        "Users": 2, "Groups": 1, "Roles": 1, "Policies": 1, "InstanceProfiles": 1, "AccountAccessKeysPresent": 1}


@pytest.fixture(scope="module")
def furnished(server):
    """An account with one of everything."""
    account = server.account()
    made = account.policy(allow("s3:GetObject"), Description="d")
    user = account.user(allow("s3:PutObject"), PermissionsBoundary=made["Arn"], Tags=[{"Key": "k", "Value": "v"}])
    group = account.group(allow("s3:ListBucket"), members=[user.name])
    role = account.role(EC2, allow("s3:DeleteObject"))
    account.iam.attach_user_policy(UserName=user.name, PolicyArn=made["Arn"])
    account.iam.attach_group_policy(GroupName=group, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    account.iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn=made["Arn"])
    account.iam.create_instance_profile(InstanceProfileName="profile")
    account.iam.add_role_to_instance_profile(InstanceProfileName="profile", RoleName=role["RoleName"])
    account.made, account.member, account.group_name, account.role_made = made, user, group, role
    return account


def test_details_show_every_entity_whole(furnished):
    details = furnished.iam.get_account_authorization_details(Filter=["User", "Group", "Role", "LocalManagedPolicy"], MaxItems=1000)
    assert details["IsTruncated"] is False
    made, user = furnished.made, furnished.member
    attached = {"PolicyName": made["PolicyName"], "PolicyArn": made["Arn"]}
    shown = {one["UserName"]: one for one in details["UserDetailList"]}
    assert shown.keys() == {"admin", user.name}
    assert shown[user.name] == {
        "Path": "/", "UserName": user.name, "UserId": user.id, "Arn": user.arn, "CreateDate": RECENT,
        "UserPolicyList": [{"PolicyName": "inline", "PolicyDocument": json.loads(policy(allow("s3:PutObject")))}],
        "GroupList": [furnished.group_name], "AttachedManagedPolicies": [attached],
        "PermissionsBoundary": {"PermissionsBoundaryType": Like(".*"), "PermissionsBoundaryArn": made["Arn"]},
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    assert details["GroupDetailList"] == [{
        "Path": "/", "GroupName": furnished.group_name, "GroupId": unique("AGPA"),
        "Arn": furnished.arn_of(f"group/{furnished.group_name}"), "CreateDate": RECENT,
        "GroupPolicyList": [{"PolicyName": "inline", "PolicyDocument": json.loads(policy(allow("s3:ListBucket")))}],
        "AttachedManagedPolicies": [{"PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
    }]
    [role] = details["RoleDetailList"]
    assert role["AssumeRolePolicyDocument"] == json.loads(trust(EC2))
    assert role["RolePolicyList"][0]["PolicyName"] == "inline"
    assert role["AttachedManagedPolicies"] == [attached]
    assert [(one["InstanceProfileName"], one["Roles"][0]["RoleName"]) for one in role["InstanceProfileList"]] == [
        ("profile", furnished.role_made["RoleName"])]
    [shown_policy] = details["Policies"]
    assert (shown_policy["Arn"], shown_policy["AttachmentCount"], shown_policy["PermissionsBoundaryUsageCount"]) == (made["Arn"], 2, 1)
    assert shown_policy["PolicyVersionList"] == [{
        "Document": json.loads(policy(allow("s3:GetObject"))), "VersionId": "v1", "IsDefaultVersion": True, "CreateDate": RECENT}]


LISTS = {"User": "UserDetailList", "Group": "GroupDetailList", "Role": "RoleDetailList", "LocalManagedPolicy": "Policies"}


@pytest.mark.parametrize("kind", LISTS)
def test_details_filter(furnished, kind):
    details = furnished.iam.get_account_authorization_details(Filter=[kind])
    assert {name for name in LISTS.values() if details.get(name)} == {LISTS[kind]}


def test_details_come_in_pages_that_hold_everything_once(furnished):
    seen, marker = [], {}
    while True:
        page = furnished.iam.get_account_authorization_details(
            Filter=list(LISTS), MaxItems=2, **marker)
        arns = [one["Arn"] for name in LISTS.values() for one in page.get(name, [])]
        assert len(arns) <= 2
        seen += arns
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert len(seen) == len(set(seen)) == 5


def test_details_without_a_filter_hold_the_policies_of_aws_too(furnished):
    arns, marker = set(), {}
    while True:
        page = furnished.iam.get_account_authorization_details(MaxItems=1000, **marker)
        arns |= {one["Arn"] for name in LISTS.values() for one in page.get(name, [])}
        if not page["IsTruncated"]:
            break
        marker = {"Marker": page["Marker"]}
    assert furnished.made["Arn"] in arns and "arn:aws:iam::aws:policy/ReadOnlyAccess" in arns
    assert not any(arn.endswith(":root") for arn in arns)


def test_details_validate_their_filter(account):
    with refused("ValidationError", broken(
        "filter", "satisfy constraint: [Member must satisfy enum value set, Member must not be null]"
    )):
        account.iam.get_account_authorization_details(Filter=["Everything"])
    with refused("ValidationError", broken("maxItems", "have value less than or equal to 1000")):
        account.iam.get_account_authorization_details(MaxItems=1001)
