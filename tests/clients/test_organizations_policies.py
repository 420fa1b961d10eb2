"""Policies of organizations: made, attached, put in force, and what they come to for an account."""

import json
from contextlib import contextmanager

import pytest
from botocore.exceptions import ClientError

from rootward_testkit import RCP, RECENT, SCP, allow, at_once, deny, fresh, policy
from rootward_testkit import Organization as Managed

TAG, BACKUP = "TAG_POLICY", "BACKUP_POLICY"
NO_S3 = policy(deny("s3:*"))
NO_S3_FOR_ANYONE = policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"})


class Organization(Managed):
    """One with a unit and a member in it."""

    def __init__(self, account, types):
        super().__init__(account, types)
        self.unit = self.client.create_organizational_unit(ParentId=self.root, Name="Unit")["OrganizationalUnit"]["Id"]
        asked = self.client.create_account(Email=f"{fresh('member')}@example.com", AccountName="Member")
        done = self.client.describe_create_account_status(CreateAccountRequestId=asked["CreateAccountStatus"]["Id"])
        self.member = done["CreateAccountStatus"]["AccountId"]
        self.client.move_account(AccountId=self.member, SourceParentId=self.root, DestinationParentId=self.unit)

    def create(self, kind, content, **arguments):
        made = self.client.create_policy(
            **{"Type": kind, "Name": fresh("policy"), "Description": "about it", "Content": content, **arguments})
        return made["Policy"]["PolicySummary"]["Id"]

    def attach(self, policy, target):
        self.client.attach_policy(PolicyId=policy, TargetId=target)

    def detach(self, policy, target):
        self.client.detach_policy(PolicyId=policy, TargetId=target)

    def attached(self, target, kind):
        listed = self.client.list_policies_for_target(TargetId=target, Filter=kind)["Policies"]
        return {each["Id"] for each in listed}

    def effective(self, kind, **target):
        shown = self.client.describe_effective_policy(PolicyType=kind, **target)["EffectivePolicy"]
        assert (shown["PolicyType"], shown["LastUpdatedTimestamp"]) == (kind, RECENT)
        return json.loads(shown["PolicyContent"])


@pytest.fixture
def organization(server):
    return Organization(server.account(), (SCP, RCP, TAG, BACKUP))


@contextmanager
def refused(code, reason=None):
    """The block's call is refused with this code and, where the exception has one, this reason."""
    with pytest.raises(ClientError) as caught:
        yield caught
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, 400), answer
    assert answer.get("Reason") == reason
    assert answer["Error"]["Message"]


def test_service_control_policy_lives_from_its_making_to_its_deletion(organization):
    client = organization.client
    made = client.create_policy(Type=SCP, Name="no-s3", Description="no S3", Content=NO_S3)["Policy"]
    summary = made["PolicySummary"]
    assert made["Content"] == NO_S3
    assert summary == {
        "Id": summary["Id"], "Name": "no-s3", "Description": "no S3", "Type": SCP, "AwsManaged": False,
        "Arn": f"arn:aws:organizations::{organization.account.account}:policy/{organization.id}/{SCP.lower()}/{summary['Id']}",
    }
    assert client.describe_policy(PolicyId=summary["Id"])["Policy"] == made
    with refused("DuplicatePolicyException"):
        client.create_policy(Type=SCP, Name="no-s3", Description="", Content=NO_S3)
    targets = [organization.member, organization.unit, organization.root]
    for target in targets:
        organization.attach(summary["Id"], target)
        assert organization.attached(target, SCP) == {"p-FullAWSAccess", summary["Id"]}
        with refused("DuplicatePolicyAttachmentException"):
            organization.attach(summary["Id"], target)
    for size in (1, 2, 20):
        shown = organization.pages("list_targets_for_policy", "Targets", size, PolicyId=summary["Id"])
        assert [(each["TargetId"], each["Name"], each["Type"]) for each in shown] == list(zip(
            targets, ("Member", "Unit", "Root"), ("ACCOUNT", "ORGANIZATIONAL_UNIT", "ROOT")))
        assert all(each["Arn"].endswith("/" + each["TargetId"]) for each in shown)
    changed = client.update_policy(PolicyId=summary["Id"], Name="no-sqs", Content=policy(deny("sqs:*")))["Policy"]
    assert (changed["PolicySummary"]["Name"], json.loads(changed["Content"])["Statement"][0]["Action"]) == ("no-sqs", "sqs:*")
    with refused("PolicyInUseException"):
        client.delete_policy(PolicyId=summary["Id"])
    for target in targets:
        organization.detach(summary["Id"], target)
        with refused("PolicyNotAttachedException"):
            organization.detach(summary["Id"], target)
    client.delete_policy(PolicyId=summary["Id"])
    with refused("PolicyNotFoundException"):
        client.describe_policy(PolicyId=summary["Id"])


def test_document_is_refused_with_the_place_of_its_fault(organization):
    for kind, content, place in (
        (SCP, '{"Version": "2012-10-17",\n "Statement": [{"Effekt": "Deny", "Action": "*", "Resource": "*"}]}', "line 2 column 17"),
        (RCP, NO_S3_FOR_ANYONE.replace("Deny", "Allow"), "a resource control policy only denies at line 1 column"),
        (RCP, NO_S3, "element `Principal` is missing"),
        (TAG, '{"tags": {"team":\n {"tag_key": "Team"}}}', "at line 2 column"),
        (TAG, '{"plans": {}}', '"plans" has no place here'),
        (BACKUP, "{", "EOF while parsing an object at line 1 column 1"),
    ):
        with refused("MalformedPolicyDocumentException") as caught:
            organization.create(kind, content)
        assert place in caught.value.response["Error"]["Message"]


def test_length_counts_white_space(organization):
    for kind, content, most in ((SCP, NO_S3, 10_240), (RCP, NO_S3_FOR_ANYONE, 5_120), (TAG, '{"tags": {}}', 10_000)):
        organization.create(kind, content.ljust(most))
        with refused("ConstraintViolationException", "POLICY_CONTENT_LIMIT_EXCEEDED"):
            organization.create(kind, content.ljust(most + 1))


def test_policies_of_aws_stay(organization):
    client = organization.client
    for identifier, kind in (("p-FullAWSAccess", SCP), ("p-RCPFullAWSAccess", RCP)):
        [shown] = client.list_policies(Filter=kind)["Policies"]
        arn = f"arn:aws:organizations::aws:policy/{kind.lower()}/{identifier}"
        assert (shown["Id"], shown["Arn"], shown["AwsManaged"]) == (identifier, arn, True)
        with refused("InvalidInputException", "IMMUTABLE_POLICY"):
            client.update_policy(PolicyId=identifier, Name="mine")
        with refused("InvalidInputException", "IMMUTABLE_POLICY"):
            client.delete_policy(PolicyId=identifier)
    with refused("InvalidInputException", "NON_DETACHABLE_POLICY"):
        organization.detach("p-RCPFullAWSAccess", organization.root)
    with refused("ConstraintViolationException", "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"):
        organization.detach("p-FullAWSAccess", organization.root)
    own = organization.create(SCP, NO_S3)
    organization.attach(own, organization.root)
    organization.detach("p-FullAWSAccess", organization.root)
    assert organization.attached(organization.root, SCP) == {own}


def test_last_service_control_policy_is_left_by_two_that_are_detached_at_once(organization):
    own = organization.create(SCP, NO_S3)
    for _ in range(5):
        organization.attach(own, organization.member)

        def detached(policy):
            try:
                organization.detach(policy, organization.member)
                return policy
            except ClientError as error:
                return error.response.get("Reason")

        outcomes = at_once([lambda: detached(own), lambda: detached("p-FullAWSAccess")])
        assert "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED" in outcomes
        [left] = organization.attached(organization.member, SCP)
        if left == own:
            organization.attach("p-FullAWSAccess", organization.member)
            organization.detach(own, organization.member)


def test_policy_that_is_deleted_while_it_is_attached_is_one_or_the_other(organization):
    for _ in range(5):
        own = organization.create(SCP, NO_S3)

        def outcome(call):
            try:
                call()
            except ClientError as error:
                return error.response["Error"]["Code"]

        attaching, deleting = at_once([
            lambda: outcome(lambda: organization.attach(own, organization.root)),
            lambda: outcome(lambda: organization.client.delete_policy(PolicyId=own)),
        ])
        if attaching is None:
            assert deleting == "PolicyInUseException"
            organization.detach(own, organization.root)
        else:
            assert (attaching, deleting) == ("PolicyNotFoundException", None)
    assert organization.attached(organization.root, SCP) == {"p-FullAWSAccess"}


def test_as_many_as_the_quota_are_attached(organization):
    for kind, content, most in ((SCP, NO_S3, 10), (RCP, NO_S3_FOR_ANYONE, 5)):
        for _ in range(most - 1):
            organization.attach(organization.create(kind, content), organization.unit)
        assert len(organization.attached(organization.unit, kind)) == most
        with refused("ConstraintViolationException", "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED"):
            organization.attach(organization.create(kind, content), organization.unit)
    listed = organization.pages("list_policies", "Policies", 3, Filter=SCP)
    assert len(listed) == 11 and listed[0]["Name"] == "FullAWSAccess"
    shown = organization.pages("list_policies_for_target", "Policies", 3, TargetId=organization.unit, Filter=SCP)
    assert {each["Id"] for each in shown} == organization.attached(organization.unit, SCP)


def test_type_out_of_force_leaves_nothing_but_the_policy_of_aws(organization):
    client, scp, tags = organization.client, organization.create(SCP, NO_S3), organization.create(TAG, '{"tags": {"a": {}}}')
    for target in (organization.root, organization.member):
        organization.attach(scp, target)
        organization.attach(tags, target)
    organization.detach("p-FullAWSAccess", organization.member)
    shown = client.disable_policy_type(RootId=organization.root, PolicyType=SCP)["Root"]
    assert [each["Type"] for each in shown["PolicyTypes"]] == [BACKUP, RCP, TAG]
    assert organization.attached(organization.member, SCP) == set()
    with refused("PolicyTypeNotEnabledException"):
        organization.attach(scp, organization.member)
    with refused("PolicyTypeNotEnabledException"):
        client.disable_policy_type(RootId=organization.root, PolicyType=SCP)
    shown = client.enable_policy_type(RootId=organization.root, PolicyType=SCP)["Root"]
    assert {"Type": SCP, "Status": "ENABLED"} in shown["PolicyTypes"]
    for target in (organization.root, organization.member):
        assert organization.attached(target, SCP) == {"p-FullAWSAccess"}
        assert organization.attached(target, TAG) == {tags}
    with refused("PolicyTypeAlreadyEnabledException"):
        client.enable_policy_type(RootId=organization.root, PolicyType=SCP)
    with refused("RootNotFoundException"):
        client.enable_policy_type(RootId="r-none", PolicyType=SCP)


def test_tag_policies_are_merged_from_the_root_to_the_account(organization):
    def tag(value, key=None):
        rule = {"tag_value": value, **({"tag_key": key} if key else {})}
        return organization.create(TAG, json.dumps({"tags": {"CostCenter": rule}}))

    allowed = {"@@operators_allowed_for_child_policies": ["@@append"]}
    fixed = {"@@assign": "CostCenter", "@@operators_allowed_for_child_policies": ["@@none"]}
    organization.attach(tag({"@@assign": ["Development", "Support"], **allowed}, fixed), organization.root)
    organization.attach(tag({"@@append": ["Marketing"]}, {"@@assign": "COSTCENTER"}), organization.unit)
    organization.attach(tag({"@@assign": ["Sandbox"]}), organization.member)
    merged = {"tags": {"costcenter": {"tag_key": "CostCenter", "tag_value": ["Development", "Support", "Marketing"]}}}
    assert organization.effective(TAG, TargetId=organization.member) == merged
    merged["tags"]["costcenter"]["tag_value"].remove("Marketing")
    assert organization.effective(TAG) == merged
    assert organization.effective(BACKUP) == {}
    client = organization.client
    with refused("InvalidInputException", "TARGET_NOT_SUPPORTED"):
        client.describe_effective_policy(PolicyType=TAG, TargetId=organization.unit)
    with refused("TargetNotFoundException"):
        client.describe_effective_policy(PolicyType=TAG, TargetId="999988887777")
    with refused("EffectivePolicyNotFoundException"):
        client.describe_effective_policy(PolicyType="CHATBOT_POLICY")


def test_plan_that_is_incomplete_is_told_with_the_accounts_it_is_for(organization):
    client, account = organization.client, {"AccountId": organization.member, "PolicyType": BACKUP}
    plan = organization.create(BACKUP, '{"plans": {"daily": {"regions": {"@@assign": ["us-east-1"]}}}}')
    assert client.list_effective_policy_validation_errors(**account)["EffectivePolicyValidationErrors"] == []
    organization.attach(plan, organization.unit)
    answer = client.list_effective_policy_validation_errors(**account)
    assert answer["Path"] == f"{organization.id}/{organization.root}/{organization.unit}/{organization.member}/"
    assert answer["EvaluationTimestamp"] == RECENT
    assert answer["EffectivePolicyValidationErrors"] == [
        {"ErrorCode": "KEY_REQUIRED", "ErrorMessage": f"'{name}' is missing", "PathToError": "plans/daily",
         "ContributingPolicies": [plan]}
        for name in ("rules", "selections")
    ]
    [told] = client.list_accounts_with_invalid_effective_policy(PolicyType=BACKUP)["Accounts"]
    assert (told["Id"], told["Name"], told["State"], told["JoinedMethod"]) == (organization.member, "Member", "ACTIVE", "CREATED")
    organization.detach(plan, organization.unit)
    assert client.list_accounts_with_invalid_effective_policy(PolicyType=BACKUP)["Accounts"] == []


def test_who_may_work_with_one_type_of_policies_may_not_with_another(organization):
    only_tags = {"StringEquals": {"organizations:PolicyType": TAG}}
    user = organization.account.user(allow("organizations:*", **only_tags)).client("organizations")
    made = user.create_policy(Type=TAG, Name="tags", Description="", Content='{"tags": {}}')["Policy"]["PolicySummary"]["Id"]
    user.attach_policy(PolicyId=made, TargetId=organization.root)
    own = organization.create(SCP, NO_S3)
    for call in (
        lambda: user.create_policy(Type=SCP, Name="scp", Description="", Content=NO_S3),
        lambda: user.attach_policy(PolicyId=own, TargetId=organization.root),
        lambda: user.delete_policy(PolicyId=own),
        lambda: user.list_policies(Filter=SCP),
        lambda: user.disable_policy_type(RootId=organization.root, PolicyType=SCP),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"


def test_attaching_is_on_record_with_policy_and_target(server, organization):
    own = organization.create(SCP, NO_S3, Tags=[{"Key": "team", "Value": "red"}])
    record = server.record(organization.client.attach_policy(PolicyId=own, TargetId=organization.unit))
    assert (record["eventSource"], record["eventName"]) == ("organizations.amazonaws.com", "AttachPolicy")
    assert record["requestParameters"] == {"policyId": own, "targetId": organization.unit}
