"""Tags of users, roles, policies and instance profiles: the same three operations four times."""

import pytest

from rootward_testkit import EC2, Like, allow, body, broken, denied, every_page, fresh, refused


class Tagged:
    def __init__(self, account, kind):
        self.iam, self.kind = account.iam, kind
        if kind == "user":
            self.owner = {"UserName": account.iam.create_user(UserName=fresh("user"))["User"]["UserName"]}
        elif kind == "role":
            self.owner = {"RoleName": account.role(EC2)["RoleName"]}
        elif kind == "policy":
            self.owner = {"PolicyArn": account.policy()["Arn"]}
        else:
            name = fresh("profile")
            account.iam.create_instance_profile(InstanceProfileName=name)
            self.owner = {"InstanceProfileName": name}

    def tag(self, **tags):
        return self.tag_all([{"Key": key, "Value": value} for key, value in tags.items()])

    def tag_all(self, tags):
        return getattr(self.iam, f"tag_{self.kind}")(Tags=tags, **self.owner)

    def untag(self, *keys):
        return getattr(self.iam, f"untag_{self.kind}")(TagKeys=list(keys), **self.owner)

    def list(self, **arguments):
        return getattr(self.iam, f"list_{self.kind}_tags")(**arguments, **self.owner)

    @property
    def tags(self):
        return {tag["Key"]: tag["Value"] for tag in self.list()["Tags"]}


@pytest.fixture(params=["user", "role", "policy", "instance_profile"])
def tagged(request, account):
    return Tagged(account, request.param)


def test_tags_are_set_replaced_listed_and_removed(tagged):
    assert body(tagged.list()) == {"Tags": [], "IsTruncated": False}
    assert body(tagged.tag(a="1", b="2", c="", d="4")) == {}
    assert tagged.tags == {"a": "1", "b": "2", "c": "", "d": "4"}
    tagged.tag(b="new")
    assert tagged.tags["b"] == "new"
    assert {tag["Key"] for tag in every_page(tagged.list, "Tags")} == {"a", "b", "c", "d"}
    assert body(tagged.untag("a", "never-there")) == {}
    assert tagged.tags.keys() == {"b", "c", "d"}


def test_keys_that_differ_only_by_case_are_one_key(tagged):
    tagged.tag(Team="red")
    tagged.tag(TEAM="blue")
    both = [{"Key": "x", "Value": "1"}, {"Key": "X", "Value": "2"}]
    assert tagged.tags == {"TEAM": "blue"}
    with refused("InvalidInput", Like("Duplicate tag keys found.*")):
        tagged.tag_all(both)
    tagged.untag("team")
    assert tagged.tags == {}


def test_same_key_twice_in_one_request_is_refused(tagged):
    with refused("InvalidInput", Like("Duplicate tag keys found.*")):
        tagged.tag_all([{"Key": "x", "Value": "1"}, {"Key": "x", "Value": "2"}])
    assert tagged.tags == {}


def test_fifty_tags_at_most(tagged):
    tagged.tag(**{f"k{number}": "v" for number in range(50)})
    tagged.tag(k0="again")
    with refused("LimitExceeded"):
        tagged.tag(one_more="v")
    assert len(tagged.tags) == 50


@pytest.mark.parametrize("tag, member, rule", [
    ({"Key": "k" * 129, "Value": "v"}, "tags.1.member.key", "have length less than or equal to 128"),
    ({"Key": "k", "Value": "v" * 257}, "tags.1.member.value", "have length less than or equal to 256"),
    ({"Key": "k!", "Value": "v"}, "tags.1.member.key", r"satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+"),
])
def test_broken_tag_is_named(tagged, tag, member, rule):
    with refused("ValidationError", broken(member, rule)):
        tagged.tag_all([tag])


def test_empty_key_breaks_two_rules(tagged):
    at = "Value at 'tags.1.member.key' failed to satisfy constraint: Member must"
    with refused("ValidationError", f"2 validation errors detected: {at} have length greater than or equal to 1; "
                 rf"{at} satisfy regular expression pattern: [\p{{L}}\p{{Z}}\p{{N}}_.:/=+\-@]+"):
        tagged.tag_all([{"Key": "", "Value": "v"}])


def test_reserved_keys_are_refused(tagged):
    with pytest.raises(tagged.iam.exceptions.ClientError) as caught:
        tagged.tag_all([{"Key": "aws:mine", "Value": "v"}])
    assert caught.value.response["Error"]["Code"] in ("InvalidInput", "ValidationError")
    assert tagged.tags == {}


def test_letters_of_every_script_are_fine(tagged):
    tagged.tag_all([{"Key": "Größe", "Value": "大きい"}])
    assert tagged.tags == {"Größe": "大きい"}


def test_tags_of_the_resource_decide(account):
    red = account.iam.create_user(UserName=fresh("user"), Tags=[{"Key": "Team", "Value": "red"}])["User"]["UserName"]
    blue = account.iam.create_user(UserName=fresh("user"), Tags=[{"Key": "Team", "Value": "blue"}])["User"]["UserName"]
    for key in ("aws:ResourceTag/Team", "iam:ResourceTag/team"):
        user = account.user(allow("iam:GetUser", StringEquals={key: "red"}))
        user.iam.get_user(UserName=red)
        with denied(user.arn, "iam:GetUser", f"user {blue}"):
            user.iam.get_user(UserName=blue)


def test_tags_of_the_request_decide(account):
    user = account.user(
        allow("iam:CreateUser"),
        allow("iam:TagUser", StringEquals={"aws:RequestTag/Team": "red"},
              **{"ForAllValues:StringEquals": {"aws:TagKeys": ["Team", "Owner"]}}),
    )
    user.iam.create_user(UserName=fresh("user"))
    user.iam.create_user(UserName=fresh("user"), Tags=[{"Key": "Team", "Value": "red"}])
    name = fresh("user")
    for tags in ([{"Key": "Team", "Value": "blue"}],
                 [{"Key": "Team", "Value": "red"}, {"Key": "Cost", "Value": "1"}]):
        with denied(user.arn, "iam:TagUser", account.arn_of(f"user/{name}")):
            user.iam.create_user(UserName=name, Tags=tags)
    with refused("NoSuchEntity"):
        account.iam.get_user(UserName=name)
