"""Users: create, get, list, update, delete."""

import pytest

from rootward_testkit import (
    RECENT, Like, allow, body, broken, every_page, fresh, policy, refused, unique,
)


def test_created_user_is_shown_whole(account):
    name = fresh("user")
    created = account.iam.create_user(UserName=name, Path="/a/b/", Tags=[{"Key": "Team", "Value": "red"}])
    user = {
        "Path": "/a/b/", "UserName": name, "UserId": unique("AIDA"), "Arn": account.arn_of(f"user/a/b/{name}"),
        "CreateDate": RECENT, "Tags": [{"Key": "Team", "Value": "red"}],
    }
    assert body(created) == {"User": user}
    assert body(account.iam.get_user(UserName=name)) == {"User": created["User"]}


def test_path_is_the_root_unless_given_and_absent_members_stay_absent(account):
    name = fresh("user")
    assert body(account.iam.create_user(UserName=name)) == {"User": {
        "Path": "/", "UserName": name, "UserId": unique("AIDA"), "Arn": account.arn_of(f"user/{name}"), "CreateDate": RECENT,
    }}


def test_without_a_name_the_caller_is_shown(account, nobody):
    assert account.iam.get_user()["User"]["UserName"] == "admin"


def test_session_of_a_role_must_name_a_user(account):
    role = account.role(account.root_arn)
    account.iam.attach_role_policy(RoleName=role["RoleName"], PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    with refused("ValidationError", "Must specify userName when calling with non-User credentials"):
        account.assume(role).iam.get_user()


def test_names_are_unique_ignoring_case_and_kept_as_written(account):
    name = fresh("Mixed-Case")
    account.iam.create_user(UserName=name)
    for twin in (name, name.upper(), name.lower()):
        with refused("EntityAlreadyExists", Like(f"User with name ({name}|{twin}) already exists.")):
            account.iam.create_user(UserName=twin)
    assert account.iam.get_user(UserName=name.upper())["User"]["UserName"] == name


@pytest.mark.parametrize("arguments, member, rule", [
    ({"UserName": "x" * 65}, "userName", "have length less than or equal to 64"),
    ({"UserName": "a b"}, "userName", r"satisfy regular expression pattern: [\w+=,.@-]+"),
    ({"UserName": "a", "Path": "no-slash"}, "path", r"satisfy regular expression pattern: (\u002F)|(\u002F[\u0021-\u007E]+\u002F)"),
    ({"UserName": "a", "PermissionsBoundary": "short"}, "permissionsBoundary", "have length greater than or equal to 20"),
    ({"UserName": "a", "Tags": [{"Key": "k" * 129, "Value": ""}]}, "tags.1.member.key", "have length less than or equal to 128"),
    ({"UserName": "a", "Tags": [{"Key": "k", "Value": "v" * 257}]}, "tags.1.member.value", "have length less than or equal to 256"),
])
def test_broken_constraint_is_named(account, arguments, member, rule):
    with refused("ValidationError", broken(member, rule)):
        account.iam.create_user(**arguments)


def test_every_broken_constraint_is_named_in_the_order_of_the_model(account):
    with refused("ValidationError") as caught:
        account.iam.create_user(UserName="a b", Path="x")
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("2 validation errors detected: ")
    assert message.index("at 'path'") < message.index("at 'userName'")


def test_list_is_paged_and_filtered_by_path(account):
    path = f"/{fresh('path')}/"
    names = [fresh("listed") for _ in range(5)]
    for name in names:
        account.iam.create_user(UserName=name, Path=path)
    listed = every_page(account.iam.list_users, "Users", PathPrefix=path)
    assert sorted(user["UserName"] for user in listed) == sorted(names)
    assert listed == account.iam.list_users(PathPrefix=path)["Users"]
    assert listed[0] == {
        "Path": path, "UserName": Like("listed-.*"), "UserId": unique("AIDA"), "Arn": Like("arn:aws:iam::.*"), "CreateDate": RECENT,
    }
    assert account.iam.list_users(PathPrefix="/nothing-here/")["Users"] == []
    found = [user["UserName"] for page in account.iam.get_paginator("list_users").paginate(
        PaginationConfig={"PageSize": 3}) for user in page["Users"]]
    assert set(names) < set(found) and len(found) == len(set(found))


@pytest.mark.parametrize("size, rule", [(0, "greater than or equal to 1"), (1001, "less than or equal to 1000")])
def test_page_size_has_bounds(account, size, rule):
    with refused("ValidationError", broken("maxItems", f"have value {rule}")):
        account.iam.list_users(MaxItems=size)


def test_marker_that_was_never_given_out_is_refused(account):
    with refused("ValidationError"):
        account.iam.list_users(Marker="never given out")


def test_rename_keeps_the_user_and_everything_it_has(account):
    user = account.user(Tags=[{"Key": "k", "Value": "v"}])
    group = account.group(members=[user.name])
    account.iam.attach_user_policy(UserName=user.name, PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    new = fresh("renamed")
    assert body(account.iam.update_user(UserName=user.name, NewUserName=new, NewPath="/moved/")) == {}
    with refused("NoSuchEntity", f"The user with name {user.name} cannot be found."):
        account.iam.get_user(UserName=user.name)
    shown = account.iam.get_user(UserName=new)["User"]
    assert (shown["UserId"], shown["Arn"], shown["Tags"]) == (
        user.id, account.arn_of(f"user/moved/{new}"), [{"Key": "k", "Value": "v"}])
    assert [member["UserName"] for member in account.iam.get_group(GroupName=group)["Users"]] == [new]
    assert user.sts.get_caller_identity()["Arn"] == shown["Arn"]
    assert user.iam.get_user()["User"]["UserName"] == new


def test_rename_to_a_taken_name_is_refused_and_to_another_case_of_ones_own_is_not(account):
    one, two = account.user(), account.user()
    with refused("EntityAlreadyExists", f"User with name {two.name.upper()} already exists."):
        account.iam.update_user(UserName=one.name, NewUserName=two.name.upper())
    account.iam.update_user(UserName=one.name, NewUserName=one.name.upper())
    assert account.iam.get_user(UserName=one.name)["User"]["UserName"] == one.name.upper()


def test_deleted_user_is_gone_and_the_name_is_free(account):
    name = fresh("user")
    account.iam.create_user(UserName=name)
    assert body(account.iam.delete_user(UserName=name)) == {}
    with refused("NoSuchEntity", f"The user with name {name} cannot be found."):
        account.iam.delete_user(UserName=name)
    again = account.iam.create_user(UserName=name)["User"]
    assert again["UserId"] == unique("AIDA")


@pytest.mark.parametrize("what, message", [
    ("key", "Cannot delete entity, must delete access keys first."),
    ("inline", "Cannot delete entity, must delete policies first."),
    ("attached", "Cannot delete entity, must detach all policies first."),
    ("group", "Cannot delete entity, must remove users from group first."),
])
def test_user_that_still_has_something_cannot_be_deleted(account, what, message):
    name = fresh("user")
    account.iam.create_user(UserName=name)
    if what == "key":
        account.iam.create_access_key(UserName=name)
    elif what == "inline":
        account.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(allow("s3:GetObject")))
    elif what == "attached":
        account.iam.attach_user_policy(UserName=name, PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    else:
        account.group(members=[name])
    with refused("DeleteConflict", message):
        account.iam.delete_user(UserName=name)
    assert account.iam.get_user(UserName=name)["User"]["UserName"] == name

