"""Groups and who is in them."""

import pytest

from rootward_testkit import RECENT, Like, allow, body, broken, every_page, fresh, policy, refused, unique


def test_created_group_is_shown_whole(account):
    name = fresh("group")
    created = account.iam.create_group(GroupName=name, Path="/g/")
    assert body(created) == {"Group": {
        "Path": "/g/", "GroupName": name, "GroupId": unique("AGPA"), "Arn": account.arn_of(f"group/g/{name}"), "CreateDate": RECENT,
    }}
    assert body(account.iam.get_group(GroupName=name)) == {"Group": created["Group"], "Users": [], "IsTruncated": False}


def test_names_are_unique_ignoring_case(account):
    name = account.group()
    with refused("EntityAlreadyExists", Like(f"Group with name (?i:{name}) already exists.")):
        account.iam.create_group(GroupName=name.upper())


@pytest.mark.parametrize("arguments, member, rule", [
    ({"GroupName": "x" * 129}, "groupName", "have length less than or equal to 128"),
    ({"GroupName": "a/b"}, "groupName", r"satisfy regular expression pattern: [\w+=,.@-]+"),
])
def test_broken_constraint_is_named(account, arguments, member, rule):
    with refused("ValidationError", broken(member, rule)):
        account.iam.create_group(**arguments)


def test_list_is_paged_and_filtered_by_path(account):
    path = f"/{fresh('path')}/"
    names = [fresh("group") for _ in range(3)]
    for name in names:
        account.iam.create_group(GroupName=name, Path=path)
    listed = every_page(account.iam.list_groups, "Groups", PathPrefix=path)
    assert sorted(group["GroupName"] for group in listed) == sorted(names)
    assert listed == account.iam.list_groups(PathPrefix=path)["Groups"]


def test_members_are_seen_from_both_sides_in_pages(account):
    users = [account.iam.create_user(UserName=fresh("member"))["User"] for _ in range(5)]
    group, second, third = (account.group() for _ in range(3))
    for user in users:
        assert body(account.iam.add_user_to_group(GroupName=group, UserName=user["UserName"])) == {}
        account.iam.add_user_to_group(GroupName=group, UserName=user["UserName"])
    for further in (second, third):
        account.iam.add_user_to_group(GroupName=further, UserName=users[0]["UserName"])
    members = every_page(account.iam.get_group, "Users", GroupName=group)
    assert sorted(members, key=lambda user: user["UserName"]) == sorted(users, key=lambda user: user["UserName"])
    groups = every_page(account.iam.list_groups_for_user, "Groups", UserName=users[0]["UserName"])
    assert sorted(shown["GroupName"] for shown in groups) == sorted([group, second, third])
    assert groups[0].keys() == {"Path", "GroupName", "GroupId", "Arn", "CreateDate"}
    assert body(account.iam.remove_user_from_group(GroupName=group, UserName=users[0]["UserName"])) == {}
    assert users[0] not in account.iam.get_group(GroupName=group)["Users"]
    assert group not in [shown["GroupName"] for shown in
                         account.iam.list_groups_for_user(UserName=users[0]["UserName"])["Groups"]]


def test_membership_needs_both(account):
    group, user = account.group(), account.user().name
    for change in (account.iam.add_user_to_group, account.iam.remove_user_from_group):
        with refused("NoSuchEntity", "The user with name ghost cannot be found."):
            change(GroupName=group, UserName="ghost")
        with refused("NoSuchEntity", "The group with name ghost cannot be found."):
            change(GroupName="ghost", UserName=user)


def test_user_can_be_in_ten_groups(account):
    user = account.user().name
    for _ in range(10):
        account.group(members=[user])
    with refused("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10"):
        account.group(members=[user])


def test_rename_keeps_members_and_policies(account):
    user = account.user()
    group = account.group(allow("iam:ListUsers"), members=[user.name])
    new = fresh("renamed")
    assert body(account.iam.update_group(GroupName=group, NewGroupName=new, NewPath="/n/")) == {}
    with refused("NoSuchEntity", f"The group with name {group} cannot be found."):
        account.iam.get_group(GroupName=group)
    assert account.iam.get_group(GroupName=new)["Group"]["Arn"] == account.arn_of(f"group/n/{new}")
    assert [shown["GroupName"] for shown in account.iam.list_groups_for_user(UserName=user.name)["Groups"]] == [new]
    user.iam.list_users()
    taken = account.group()
    with refused("EntityAlreadyExists", Like(f"Group with name (?i:{taken}) already exists.")):
        account.iam.update_group(GroupName=new, NewGroupName=taken.upper())


@pytest.mark.parametrize("what, message", [
    ("member", "Cannot delete entity, must remove users from group first."),
    ("inline", "Cannot delete entity, must delete policies first."),
    ("attached", "Cannot delete entity, must detach all policies first."),
])
def test_group_that_still_has_something_cannot_be_deleted(account, what, message):
    group = account.group(members=[account.user().name] if what == "member" else [])
    if what == "inline":
        account.iam.put_group_policy(GroupName=group, PolicyName="p", PolicyDocument=policy(allow("s3:GetObject")))
    if what == "attached":
        account.iam.attach_group_policy(GroupName=group, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    with refused("DeleteConflict", message):
        account.iam.delete_group(GroupName=group)


def test_deleted_group_is_gone(account):
    group = account.group()
    assert body(account.iam.delete_group(GroupName=group)) == {}
    with refused("NoSuchEntity", f"The group with name {group} cannot be found."):
        account.iam.get_group(GroupName=group)
