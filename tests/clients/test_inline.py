"""Inline policies of users, groups and roles: the same four operations three times."""

import json

import pytest

from rootward_testkit import EC2, allow, body, broken, every_page, fresh, policy, refused

SIZES = {"user": 2048, "group": 5120, "role": 10240}


@pytest.fixture(params=SIZES)
def entity(request, account):
    """Put, get, list and delete, bound to a fresh entity of each kind."""
    kind = request.param
    name = {
        "user": lambda: account.iam.create_user(UserName=fresh("user"))["User"]["UserName"],
        "group": account.group,
        "role": lambda: account.role(EC2)["RoleName"],
    }[kind]()
    return Entity(account.iam, kind, name)


class Entity:
    def __init__(self, iam, kind, name):
        self.iam, self.kind, self.name = iam, kind, name
        self.owner = {f"{kind.title()}Name": name}

    def put(self, name, document):
        return getattr(self.iam, f"put_{self.kind}_policy")(PolicyName=name, PolicyDocument=document, **self.owner)

    def get(self, name):
        return getattr(self.iam, f"get_{self.kind}_policy")(PolicyName=name, **self.owner)

    def delete(self, name):
        return getattr(self.iam, f"delete_{self.kind}_policy")(PolicyName=name, **self.owner)

    def list(self, **arguments):
        return getattr(self.iam, f"list_{self.kind}_policies")(**arguments, **self.owner)


def test_policy_is_put_shown_replaced_listed_and_deleted(entity):
    first, second = policy(allow("s3:GetObject")), policy(allow("s3:PutObject"))
    assert body(entity.put("p", first)) == {}
    assert body(entity.get("p")) == {**entity.owner, "PolicyName": "p", "PolicyDocument": json.loads(first)}
    entity.put("p", second)
    assert entity.get("p")["PolicyDocument"] == json.loads(second)
    for name in ("q", "r", "s"):
        entity.put(name, first)
    assert sorted(every_page(entity.list, "PolicyNames")) == ["p", "q", "r", "s"]
    assert body(entity.delete("q")) == {}
    assert sorted(entity.list()["PolicyNames"]) == ["p", "r", "s"]


def test_escapes_inside_a_document_survive(entity):
    resource = "arn:aws:apigateway:us-east-1::/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Faaeeieije"
    entity.put("p", policy(allow(["apigatway:PUT"], [resource])))
    assert entity.get("p")["PolicyDocument"]["Statement"][0]["Resource"] == [resource]


def test_missing_policy_is_not_found(entity):
    message = f"The {entity.kind} policy with name ghost cannot be found."
    with refused("NoSuchEntity", message):
        entity.get("ghost")
    with refused("NoSuchEntity", message):
        entity.delete("ghost")


def test_bad_names_and_documents_are_refused(entity):
    with refused("ValidationError", broken("policyName", r"satisfy regular expression pattern: [\w+=,.@-]+")):
        entity.put("a b", policy(allow("s3:GetObject")))
    with refused("MalformedPolicyDocument", "Syntax errors in policy."):
        entity.put("p", "{")
    with refused("MalformedPolicyDocument", "Policy document should not specify a principal."):
        entity.put("p", policy({**allow("s3:*"), "Principal": "*"}))
    assert entity.list()["PolicyNames"] == []


def test_all_policies_together_have_a_size(entity):
    """White space is free; replacing a policy frees its size."""
    def sized(length):
        empty = len(policy(allow("s3:GetObject", "arn:aws:s3:::")).replace(" ", ""))
        return policy(allow("s3:GetObject", "arn:aws:s3:::" + "b" * (length - empty)))

    most = SIZES[entity.kind]
    entity.put("p", sized(most - 200))
    entity.put("q", sized(200) + " " * 300)
    with refused("LimitExceeded", f"Maximum policy size of {most} bytes exceeded for {entity.kind} {entity.name}"):
        entity.put("r", sized(100))
    entity.put("p", sized(200))
    entity.put("r", sized(100))
