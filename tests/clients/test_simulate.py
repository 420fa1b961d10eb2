"""The policy simulator: what policies would decide, given as text or attached to somebody."""

import json

import pytest

from rootward_testkit import allow, body, denial, deny, every_page, fresh, policy, refused
from test_cli import aws  # noqa: F401

BUCKET = "arn:aws:s3:::bucket"
# The name of a result over resources is the form of their ARNs.
OBJECT = "arn:${Partition}:s3:::${BucketName}/${ObjectName}"
# The text of a simulation that was recorded, and where the service found its statement.
RECORDED = policy().replace("[]", json.dumps({"Sid": "", **allow("s3:PutObject")}))
RECORDED_AT = {"StartPosition": {"Line": 1, "Column": 41}, "EndPosition": {"Line": 1, "Column": 113}}
SHARED = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": BUCKET})
GIVEN = {"SourcePolicyId": "PolicyInputList.1", "SourcePolicyType": "IAM Policy"}


def custom(principal, *policies, actions=("s3:PutObject",), **arguments):
    return principal.iam.simulate_custom_policy(PolicyInputList=list(policies), ActionNames=list(actions), **arguments)


def decisions(answer):
    return {result["EvalActionName"]: result["EvalDecision"] for result in answer["EvaluationResults"]}


def sources(result):
    return [(statement["SourcePolicyId"], statement["SourcePolicyType"]) for statement in result["MatchedStatements"]]


def test_answer_has_the_form_that_was_recorded(account):
    matched = [{**GIVEN, **RECORDED_AT}]
    assert body(custom(account, RECORDED, ResourceArns=[BUCKET])) == {"IsTruncated": False, "EvaluationResults": [{
        "EvalActionName": "s3:PutObject", "EvalResourceName": OBJECT, "EvalDecision": "allowed", "EvalDecisionDetails": {},
        "MatchedStatements": matched, "MissingContextValues": [],
        "ResourceSpecificResults": [{
            "EvalResourceName": BUCKET, "EvalResourceDecision": "allowed", "MatchedStatements": matched,
            "MissingContextValues": []}],
    }]}
    assert body(custom(account, RECORDED, actions=["s3:GetObject"])) == {"IsTruncated": False, "EvaluationResults": [{
        "EvalActionName": "s3:GetObject", "EvalResourceName": "*", "EvalDecision": "implicitDeny", "MatchedStatements": [],
        "MissingContextValues": []}]}


def test_resources_are_decided_one_by_one_and_the_worst_counts(account):
    text = policy(allow("s3:*", ["arn:aws:s3:::a", "arn:aws:s3:::b"]), deny("s3:Delete*", "arn:aws:s3:::b"))
    resources = [f"arn:aws:s3:::{name}" for name in "abc"]
    [result] = custom(account, text, actions=["s3:DeleteBucket"], ResourceArns=resources)["EvaluationResults"]
    assert (result["EvalDecision"], result["EvalResourceName"]) == ("explicitDeny", "arn:${Partition}:s3:::${BucketName}")
    assert [each["EvalResourceDecision"] for each in result["ResourceSpecificResults"]] == ["allowed", "explicitDeny", "implicitDeny"]


def test_context_decides_and_what_is_missing_is_told(account):
    text = policy(allow("s3:*", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))
    [result] = custom(account, text)["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("implicitDeny", ["aws:SourceIp"])
    home = {"ContextKeyName": "aws:SourceIp", "ContextKeyValues": ["10.1.2.3"], "ContextKeyType": "ip"}
    [result] = custom(account, text, ContextEntries=[home])["EvaluationResults"]
    assert (result["EvalDecision"], result["MissingContextValues"]) == ("allowed", [])
    with refused("InvalidInput", "Invalid value for context key aws:SourceIp: here is not of its type."):
        custom(account, text, ContextEntries=[{**home, "ContextKeyValues": ["here"]}])


def test_boundary_and_organization_limit(account):
    everything = policy(allow("*"))
    [result] = custom(account, everything, PermissionsBoundaryPolicyInputList=[policy(allow("ec2:*"))])["EvaluationResults"]
    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    levels = [{"ServiceControlPolicyInputList": [policy(allow("*")), policy(deny("s3:*"))]}]
    [result] = custom(account, everything, OrderedOrganizationPolicyInputList=levels)["EvaluationResults"]
    assert (result["EvalDecision"], result["MatchedStatements"]) == ("explicitDeny", [])
    assert result["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}


def test_resource_policy_of_another_account_needs_both_sides(account, other):
    bob = account.arn_of("user/bob")
    shares = policy({"Effect": "Allow", "Principal": {"AWS": bob}, "Action": "s3:*", "Resource": BUCKET})
    arguments = {"ResourceArns": [BUCKET], "ResourcePolicy": shares, "CallerArn": bob}
    own = custom(account, policy(allow("ec2:*")), **arguments)["EvaluationResults"][0]
    assert (own["EvalDecision"], sources(own)) == ("allowed", [("ResourcePolicy", "Resource Policy")])
    across = custom(account, policy(allow("ec2:*")), ResourceOwner=other.root_arn, **arguments)["EvaluationResults"][0]
    assert across["EvalDecision"] == "implicitDeny"
    assert across["EvalDecisionDetails"] == {"IAM Policy": "implicitDeny", "Resource Policy": "allowed"}
    with refused("InvalidInput", "Invalid caller - Caller must be an IAM user in this context."):
        custom(account, RECORDED, ResourceArns=[BUCKET], ResourcePolicy=shares)


def test_simulation_of_a_user_foretells_what_happens(account):
    group = account.group(deny("iam:GetGroup"))
    user = account.user(allow("iam:List*"), allow("iam:Get*"))
    account.iam.add_user_to_group(GroupName=group, UserName=user.name)
    asked = ["iam:ListUsers", "iam:GetGroup", "iam:CreateUser"]
    answer = account.iam.simulate_principal_policy(PolicySourceArn=user.arn, ActionNames=asked)
    assert decisions(answer) == {"iam:ListUsers": "allowed", "iam:GetGroup": "explicitDeny", "iam:CreateUser": "implicitDeny"}
    [listed, got, _] = answer["EvaluationResults"]
    assert sources(listed) == [(f"user_{user.name}_inline", "IAM Policy")]
    assert sources(got) == [(f"group_{group}_inline", "IAM Policy")]
    user.iam.list_users()
    with refused("AccessDenied"):
        user.iam.get_group(GroupName=group)
    with refused("AccessDenied"):
        user.iam.create_user(UserName=fresh("user"))


def test_role_and_group_with_a_boundary_and_exclusions(account):
    fence = account.policy(allow("s3:GetObject"))
    role = account.role(account.root_arn, PermissionsBoundary=fence["Arn"])
    account.iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    arguments = {"PolicySourceArn": role["Arn"], "ActionNames": ["s3:GetObject", "s3:PutObject"]}
    answer = account.iam.simulate_principal_policy(**arguments)
    assert decisions(answer) == {"s3:GetObject": "allowed", "s3:PutObject": "implicitDeny"}
    assert sources(answer["EvaluationResults"][0]) == [("AdministratorAccess", "IAM Policy")]
    excluded = account.iam.simulate_principal_policy(**arguments, PolicyExclusionList=[{"PolicyType": "permission-boundary"}])
    assert decisions(excluded) == {"s3:GetObject": "allowed", "s3:PutObject": "allowed"}
    replaced = account.iam.simulate_principal_policy(**arguments, PermissionsBoundaryPolicyInputList=[policy(allow("s3:PutObject"))])
    assert decisions(replaced) == {"s3:GetObject": "implicitDeny", "s3:PutObject": "allowed"}
    group = account.arn_of(f"group/{account.group(allow('s3:GetObject'))}")
    added = account.iam.simulate_principal_policy(
        PolicySourceArn=group, ActionNames=["s3:GetObject", "s3:PutObject"], PolicyInputList=[RECORDED])
    assert decisions(added) == {"s3:GetObject": "allowed", "s3:PutObject": "allowed"}


def test_another_account_is_not_simulated(account, other, nobody):
    for who in (other, other.root()):
        with refused("AccessDenied", f"User: {who.arn} is not authorized to perform: iam:SimulatePrincipalPolicy on resource: {nobody.arn}"):
            who.iam.simulate_principal_policy(PolicySourceArn=nobody.arn, ActionNames=["s3:GetObject"])


def test_leave_to_simulate_is_given_for_single_users(account, nobody):
    user = account.user(allow("iam:SimulatePrincipalPolicy", nobody.arn))
    user.iam.simulate_principal_policy(PolicySourceArn=nobody.arn, ActionNames=["s3:GetObject"])
    with refused("AccessDenied", denial(user.arn, "iam:SimulatePrincipalPolicy", user.arn)):
        user.iam.simulate_principal_policy(PolicySourceArn=user.arn, ActionNames=["s3:GetObject"])


@pytest.mark.parametrize("arguments, message", [
    ({"PolicyInputList": ["{"]}, "Invalid policy document at policyInputList.1: Syntax errors in policy."),
    ({"ActionNames": ["s3:*"]}, 'Invalid Input Actions: "s3:*" must be a service and an action, without wildcards.'),
    ({"ResourceArns": ["bucket"]}, 'Resource bucket must be in ARN format or "*".'),
    ({"ResourceArns": [BUCKET, BUCKET + "s"], "ResourcePolicy": SHARED, "CallerArn": "arn:aws:iam::111122223333:user/bob"},
     f"The resource policy does not apply to resource {BUCKET}s."),
    ({"ResourceOwner": "bucket"}, "Invalid ResourceOwner: bucket is not the ARN of an account."),
    ({"ResourceHandlingOption": "EC2-VPC-EBS"}, "EC2-VPC-EBS needs a resource of type instance."),
    ({"PermissionsBoundaryPolicyInputList": [RECORDED] * 2}, "Only one permissions boundary policy can be simulated."),
])
def test_invalid_input_is_refused(account, arguments, message):
    with refused("InvalidInput", message):
        account.iam.simulate_custom_policy(**{"PolicyInputList": [RECORDED], "ActionNames": ["s3:GetObject"], **arguments})


def test_session_is_no_policy_source(account):
    session = f"arn:aws:sts::{account.account}:assumed-role/role/session"
    with refused("InvalidInput", f"Invalid Entity Arn: {session} does not clearly define entity type and name."):
        account.iam.simulate_principal_policy(PolicySourceArn=session, ActionNames=["s3:GetObject"])


def test_results_come_in_pages(account):
    actions = [f"s3:Action{number}" for number in range(120)]
    first = custom(account, RECORDED, actions=actions)
    assert first["IsTruncated"] and len(first["EvaluationResults"]) == 100
    every = every_page(
        account.iam.simulate_custom_policy, "EvaluationResults", size=50, PolicyInputList=[RECORDED], ActionNames=actions)
    assert [result["EvalActionName"] for result in every] == actions


def test_context_keys_are_listed(account):
    text = policy(allow("s3:*", "arn:aws:s3:::b/${aws:username}", IpAddress={"aws:SourceIp": "10.0.0.0/8"}))
    got = account.iam.get_context_keys_for_custom_policy(PolicyInputList=[text, RECORDED])
    assert body(got) == {"ContextKeyNames": ["aws:username", "aws:SourceIp"]}
    user = account.user(allow("s3:*", StringEquals={"aws:PrincipalTag/Team": "red"}))
    got = account.iam.get_context_keys_for_principal_policy(PolicySourceArn=user.arn, PolicyInputList=[text])
    assert got["ContextKeyNames"] == ["aws:PrincipalTag/Team", "aws:username", "aws:SourceIp"]
    with refused("InvalidInput"):
        account.iam.get_context_keys_for_custom_policy(PolicyInputList=["{"])


def test_cli_simulates(aws, account):  # noqa: F811
    user = account.user(allow("iam:ListUsers"))
    answer = aws("iam", "simulate-principal-policy", "--policy-source-arn", user.arn, "--action-names", "iam:ListUsers", "iam:CreateUser")
    assert decisions(answer) == {"iam:ListUsers": "allowed", "iam:CreateUser": "implicitDeny"}
