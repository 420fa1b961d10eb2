"""Managed policies, their versions, and those of AWS."""

import json

import pytest

from rootward_testkit import RECENT, Like, allow, body, broken, deny, every_page, fresh, policy, refused, unique

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


def test_created_policy_is_shown_whole(account):
    name = fresh("policy")
    created = account.iam.create_policy(PolicyName=name, PolicyDocument=policy(allow("s3:GetObject")))
    shown = {
        "PolicyName": name, "PolicyId": unique("ANPA"), "Arn": account.arn_of(f"policy/{name}"), "Path": "/",
        "DefaultVersionId": "v1", "AttachmentCount": 0, "PermissionsBoundaryUsageCount": 0, "IsAttachable": True,
        "CreateDate": RECENT, "UpdateDate": RECENT,
    }
    assert body(created) == {"Policy": shown}
    got = account.iam.get_policy(PolicyArn=created["Policy"]["Arn"])["Policy"]
    assert got in (shown, {**shown, "Tags": []})


def test_description_and_tags_are_shown_by_get_policy(account):
    made = account.policy(Description="what it is for", Path="/p/", Tags=[{"Key": "k", "Value": "v"}])
    shown = account.iam.get_policy(PolicyArn=made["Arn"])["Policy"]
    assert (shown["Description"], shown["Tags"], shown["Path"]) == ("what it is for", [{"Key": "k", "Value": "v"}], "/p/")
    assert shown["Arn"] == account.arn_of(f"policy/p/{made['PolicyName']}")


def test_names_are_unique_ignoring_case(account):
    name = account.policy()["PolicyName"]
    with refused("EntityAlreadyExists", Like(f"A policy called (?i:{name}) already exists. Duplicate names are not allowed.")):
        account.iam.create_policy(PolicyName=name.upper(), PolicyDocument=policy(allow("s3:GetObject")))


MALFORMED = [
    ("{", "Syntax errors in policy."),
    ("[]", "Syntax errors in policy."),
    (policy({"Effect": "Allow", "Action": "s3:*", "NotAction": "s3:*", "Resource": "*"}), "Syntax errors in policy."),
    (policy({**allow("s3:*"), "Nonsense": 1}), "Syntax errors in policy."),
    (policy(), "Syntax errors in policy."),
    (json.dumps({"Statement": [allow("s3:*")]}), "Policy document must be version 2012-10-17 or greater."),
    (json.dumps({"Version": "2008-10-17", "Statement": [allow("s3:*")]}), "Policy document must be version 2012-10-17 or greater."),
    (policy({**allow("s3:*"), "Effect": "allow"}), "The policy failed legacy parsing"),
    (policy({**allow("s3:*"), "Sid": "a"}, {**allow("s3:*"), "Sid": "a"}), "Statement IDs (SID) in a single policy must be unique."),
    (policy({"Effect": "Allow", "Resource": "*"}), "Policy statement must contain actions."),
    (policy({"Effect": "Allow", "Action": "s3:*"}), "Policy statement must contain resources."),
    (policy(allow("nocolon")), "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
    (policy(allow("a:b:c")), "Actions/Condition can contain only one colon."),
    (policy(allow("s*3:GetObject")), "Vendor s*3 is not valid"),
    (policy(allow("s3:*", "nocolon")), 'Resource nocolon must be in ARN format or "*".'),
    (policy(allow("s3:*", "arn:nope:s3:::b")), 'Partition "nope" is not valid for resource "arn:nope:s3:::b".'),
    (policy(allow("iam:*", "arn:aws:iam:us-east-1::user/a")), None),
    (policy({**allow("s3:*"), "Principal": "*"}), "Policy document should not specify a principal."),
]


@pytest.mark.parametrize("document, message", MALFORMED)
def test_malformed_document_is_refused_in_the_words_of_aws(account, document, message):
    with refused("MalformedPolicyDocument", message):
        account.iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=document)


def test_deeply_nested_and_huge_documents_are_refused(account):
    nested = '{"Version":"2012-10-17","Statement":' + "[" * 20_000 + "]" * 20_000 + "}"
    with refused("MalformedPolicyDocument"):
        account.iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=nested)
    with refused("ValidationError", broken("policyDocument", "have length less than or equal to 131072")):
        account.iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=" " * 131_073)


def test_policy_is_at_most_6144_characters_without_white_space(account):
    def sized(length):
        empty = len(policy(allow("s3:GetObject", "arn:aws:s3:::")).replace(" ", ""))
        return policy(allow("s3:GetObject", "arn:aws:s3:::" + "b" * (length - empty)))

    account.iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=sized(6144) + " " * 1000)
    with refused("LimitExceeded", "Cannot exceed quota for PolicySize: 6144"):
        account.iam.create_policy(PolicyName=fresh("policy"), PolicyDocument=sized(6145))


def test_versions_come_and_go_and_the_default_switches(account):
    arn = account.policy(allow("s3:GetObject"))["Arn"]
    second = account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(deny("s3:*")), SetAsDefault=True)
    assert body(second) == {"PolicyVersion": {"VersionId": "v2", "IsDefaultVersion": True, "CreateDate": RECENT}}
    third = account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("ec2:*")))
    assert third["PolicyVersion"]["IsDefaultVersion"] is False
    got = account.iam.get_policy_version(PolicyArn=arn, VersionId="v2")
    assert body(got) == {"PolicyVersion": {
        "Document": json.loads(policy(deny("s3:*"))), "VersionId": "v2", "IsDefaultVersion": True, "CreateDate": RECENT}}
    assert account.iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    assert body(account.iam.set_default_policy_version(PolicyArn=arn, VersionId="v3")) == {}
    listed = every_page(account.iam.list_policy_versions, "Versions", PolicyArn=arn)
    assert [(version["VersionId"], version["IsDefaultVersion"]) for version in listed] == [
        ("v3", True), ("v2", False), ("v1", False)]
    with refused("DeleteConflict"):
        account.iam.delete_policy_version(PolicyArn=arn, VersionId="v3")
    assert body(account.iam.delete_policy_version(PolicyArn=arn, VersionId="v1")) == {}
    with refused("NoSuchEntity", Like("Policy .* version v1 does not exist or is not attachable.")):
        account.iam.get_policy_version(PolicyArn=arn, VersionId="v1")
    fourth = account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("ec2:*")))
    assert fourth["PolicyVersion"]["VersionId"] == "v4"


def test_policy_has_at_most_five_versions(account):
    arn = account.policy()["Arn"]
    for _ in range(4):
        account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("ec2:*")))
    with refused("LimitExceeded", Like("A managed policy can have up to 5 versions.*")):
        account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("ec2:*")))
    with refused("MalformedPolicyDocument"):
        account.iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
        account.iam.create_policy_version(PolicyArn=arn, PolicyDocument="{")


def test_unknown_versions_are_not_found_and_malformed_ones_invalid(account):
    arn = account.policy()["Arn"]
    for call in (account.iam.get_policy_version, account.iam.set_default_policy_version, account.iam.delete_policy_version):
        with refused("NoSuchEntity", Like("Policy .* version v9 does not exist or is not attachable.")):
            call(PolicyArn=arn, VersionId="v9")
        with refused("ValidationError", broken("versionId", r"satisfy regular expression pattern: v[1-9][0-9]*(\.[A-Za-z0-9-]*)?")):
            call(PolicyArn=arn, VersionId="nine")


@pytest.mark.parametrize("kind", ["user", "group", "role"])
def test_attached_policy_cannot_be_deleted(account, kind):
    arn = account.policy()["Arn"]
    name = {"user": lambda: account.user().name, "group": account.group, "role": lambda: account.role(account.root_arn)["RoleName"]}[kind]()
    attach, detach = (getattr(account.iam, f"{verb}_{kind}_policy") for verb in ("attach", "detach"))
    target = {f"{kind.title()}Name": name, "PolicyArn": arn}
    attach(**target)
    assert account.iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    with refused("DeleteConflict", "Cannot delete a policy attached to entities."):
        account.iam.delete_policy(PolicyArn=arn)
    detach(**target)
    assert body(account.iam.delete_policy(PolicyArn=arn)) == {}
    with refused("NoSuchEntity", f"Policy {arn} was not found."):
        account.iam.delete_policy(PolicyArn=arn)


def test_policy_with_more_versions_or_used_as_a_boundary_cannot_be_deleted(account):
    arn = account.policy()["Arn"]
    account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(allow("ec2:*")))
    with refused("DeleteConflict", Like("This policy has more than one version.*")):
        account.iam.delete_policy(PolicyArn=arn)
    boundary = account.policy()["Arn"]
    account.iam.create_user(UserName=fresh("user"), PermissionsBoundary=boundary)
    with refused("DeleteConflict"):
        account.iam.delete_policy(PolicyArn=boundary)


def test_list_filters_by_scope_attachment_path_and_use(account):
    path = f"/{fresh('path')}/"
    one, two, three = (account.policy(Path=path) for _ in range(3))
    user = account.iam.create_user(UserName=fresh("user"), PermissionsBoundary=two["Arn"])["User"]["UserName"]
    account.iam.attach_user_policy(UserName=user, PolicyArn=one["Arn"])

    def listed(**arguments):
        return sorted(shown["Arn"] for shown in every_page(account.iam.list_policies, "Policies", PathPrefix=path, **arguments))

    assert listed() == listed(Scope="Local") == listed(Scope="All") == sorted(p["Arn"] for p in (one, two, three))
    assert listed(Scope="AWS") == []
    assert listed(OnlyAttached=True, PolicyUsageFilter="PermissionsPolicy") == [one["Arn"]]
    assert listed(OnlyAttached=True, PolicyUsageFilter="PermissionsBoundary") == [two["Arn"]]
    shown = account.iam.list_policies(PathPrefix=path)["Policies"][0]
    assert "Tags" not in shown and "Description" not in shown
    with refused("ValidationError", broken("scope", "satisfy enum value set")):
        account.iam.list_policies(Scope="Global")


def test_policies_of_aws_are_all_there_and_belong_to_aws(account):
    listed = every_page(account.iam.list_policies, "Policies", size=500, Scope="AWS")
    assert len(listed) > 1_300
    assert len({shown["Arn"] for shown in listed}) == len(listed)
    administrator = account.iam.get_policy(PolicyArn=ADMINISTRATOR)["Policy"]
    assert (administrator["PolicyId"], administrator["PolicyName"]) == (unique("ANPA"), "AdministratorAccess")
    version = account.iam.get_policy_version(PolicyArn=ADMINISTRATOR, VersionId=administrator["DefaultVersionId"])
    assert version["PolicyVersion"]["Document"] == json.loads(policy(allow("*")))
    job = account.iam.get_policy(PolicyArn="arn:aws:iam::aws:policy/job-function/ViewOnlyAccess")["Policy"]
    assert job["Path"] == "/job-function/"


@pytest.mark.parametrize("change", [
    lambda iam: iam.delete_policy(PolicyArn=ADMINISTRATOR),
    lambda iam: iam.create_policy_version(PolicyArn=ADMINISTRATOR, PolicyDocument=policy(allow("s3:*"))),
    lambda iam: iam.set_default_policy_version(PolicyArn=ADMINISTRATOR, VersionId="v1"),
    lambda iam: iam.delete_policy_version(PolicyArn=ADMINISTRATOR, VersionId="v1"),
    lambda iam: iam.tag_policy(PolicyArn=ADMINISTRATOR, Tags=[{"Key": "k", "Value": "v"}]),
])
def test_policies_of_aws_cannot_be_changed_even_by_root(account, change):
    with pytest.raises(account.iam.exceptions.ClientError) as caught:
        change(account.iam)
    assert caught.value.response["Error"]["Code"] in ("AccessDenied", "InvalidInput", "NoSuchEntity")
