"""The organization at the console: its tree, its accounts and what their root users can do, and members' root credentials."""

import json
import re
import subprocess
from html import unescape
from types import SimpleNamespace

import pytest

from browser import browser
from console_client import error, mark, person, root_session, session
from post import Mailbox, Post
from rootward_testkit import (
    BINARY, PASSWORD, Credentials, Like, Principal, allow, deny, denial, fresh, free_port, policy, refused,
)
from test_mail import serving

HTML = """<img src=x onerror="document.title='x'">'&quot;"""
QUOTES = """'x" onclick="alert(1)" &amp;"""
HERE = "/console/organization"
CREDENTIALS = f"{HERE}/root-access"


@pytest.fixture(scope="module")
def world(house):
    """An organization with units, one below the other, members in them, and policies; ann may do everything in the account that manages
    it."""
    management = house.account()
    person(management, "ann", allow("*"))
    person(management, "nobody")
    organizations = management.client("organizations")
    organizations.create_organization()
    root = organizations.list_roots()["Roots"][0]["Id"]
    for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        organizations.enable_policy_type(RootId=root, PolicyType=kind)
    world = SimpleNamespace(server=house, management=management, organizations=organizations, root=root, units={}, members={})
    for parent, name in ((None, "one"), ("one", "two"), ("two", "three"), ("three", "four"), ("four", "five"), (None, HTML)):
        made = organizations.create_organizational_unit(ParentId=world.units.get(parent, root), Name=name)
        world.units[name] = made["OrganizationalUnit"]["Id"]
    for name, unit in (("Deep", "five"), ("Middle", "two"), ("Closed", None), (QUOTES, HTML)):
        world.members[name] = open_member(world, name, world.units.get(unit))
    attach(world, "KeepTrail", guardrail("protect-trail"), root)
    attach(world, "DenyRoot", guardrail("deny-root"), world.units["five"])
    attach(world, HTML, policy(deny("s3:DeleteBucket")), world.units[HTML])
    organizations.close_account(AccountId=world.members["Closed"])
    organizations.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    management.iam.enable_organizations_root_credentials_management()
    return world


def open_member(world, name, unit=None):
    asked = world.organizations.create_account(Email=f"{fresh('member')}@example.com", AccountName=name)["CreateAccountStatus"]
    while asked["State"] == "IN_PROGRESS":
        asked = world.organizations.describe_create_account_status(CreateAccountRequestId=asked["Id"])["CreateAccountStatus"]
    assert asked["State"] == "SUCCEEDED", asked
    if unit:
        world.organizations.move_account(
            AccountId=asked["AccountId"], SourceParentId=world.root, DestinationParentId=unit)
    return asked["AccountId"]


def attach(world, name, content, target):
    made = world.organizations.create_policy(Type="SERVICE_CONTROL_POLICY", Name=name, Description=name, Content=content)
    world.organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)
    return made["Policy"]["PolicySummary"]["Id"]


def guardrail(name):
    return subprocess.run([BINARY, "guardrails", "show", name], capture_output=True, text=True, check=True).stdout


def owner_of(world, member):
    """A session of the role that a member lets the account that manages the organization assume."""
    return world.management.assume({"Arn": f"arn:aws:iam::{member}:role/OrganizationAccountAccessRole"})


def root_by_key(world, member):
    """The root user of a member, by an access key that the host has made for it."""
    world.server.host("root", "unseal", "--account", member, "--reason", "drill", "--minutes", "5")
    key = json.loads(world.server.host("root", "create-access-key", "--account", member))["AccessKey"]
    world.server.secrets.add(key["SecretAccessKey"])
    return Principal(world.server, Credentials.of(key))


def user_of(world, member, *statements):
    """A user of a member, signed in at the console."""
    owner, name = owner_of(world, member), fresh("user")
    owner.iam.create_user(UserName=name)
    owner.iam.create_login_profile(UserName=name, Password=PASSWORD)
    owner.iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*statements))
    return session(world.server, SimpleNamespace(account=member), name)


@pytest.fixture(scope="module")
def ann(world):
    return session(world.server, world.management, "ann")


def post(http, path, **fields):
    return http.post(path, data={"mark": mark(http.get("/console").text), **fields})


def text(answer):
    """What a page says, without its elements."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", answer.text.partition("<main")[2])))


def tree(answer):
    """Names of the tree with how deep each is, the policies at each, and its marks."""
    lines, depth = [], 0
    for token in re.findall(r'<ul>|</ul>|<div class="node.*?</div>', answer.text.partition('<nav class="tree"')[2], re.DOTALL):
        depth += {"<ul>": 1, "</ul>": -1}.get(token, 0)
        if token.startswith("<div"):
            [name] = re.findall(r'class="name"><a [^>]*>(.*?)</a>', token)
            chips = [unescape(chip) for chip in re.findall(r"<small>[SR]CP</small> (.*?)</a>", token)]
            badges = re.findall(r'class="badge[^"]*">(.*?)<', token)
            lines.append((depth - 1, unescape(name), chips, badges))
    assert depth == 0
    return lines


def verdicts(answer):
    """What a root user can do, by task."""
    rows = re.findall(r'<tr><td data-label="Task">(.*?)</td><td data-label="Its root user">(.*?)</td>', answer.text, re.DOTALL)
    clean = lambda html: re.sub(r"<[^>]*>", "", html.partition("<br>")[0])
    return {clean(task): clean(verdict) for task, verdict in rows}


# The tree


def test_account_without_an_organization_learns_what_that_is_and_makes_one(house):
    account = house.account()
    person(account, "ann", allow("*"))
    with browser(house.url.replace("127.0.0.1", "localhost")) as page:
        page.open("/console/sign-in").fill(account=account.account, name="ann", password=PASSWORD).press("Sign in")
        page.open(HERE)
        assert "bind everybody in them, their root users too" in page.text("main")
        page.press("Create an organization")
        assert page.notices[0].startswith("The organization is there")
        assert "Service control policies are off" in page.text(".binding")
        page.press("Turn on SCPs")
        assert page.notices[0] == "Policies of this type are in force."
        assert "Service control policies are off" not in page.text(".binding")
        assert page.complaints() == []
    assert account.client("organizations").describe_organization()["Organization"]["MasterAccountId"] == account.account


def test_types_of_policies_are_turned_on_in_the_overview_and_nowhere_else(house):
    account = house.account()
    person(account, "ann", allow("*"))
    organizations = account.client("organizations")
    organizations.create_organization()
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name="plain")["OrganizationalUnit"]["Id"]
    member = open_member(SimpleNamespace(organizations=organizations), fresh("Plain"))
    http = session(house, account, "ann")
    buttons = lambda place: re.findall("<button[^>]*>(Turn on .*?)</button>", http.get(place).text)
    elsewhere = (f"{HERE}?at={unit}", f"{HERE}?at={member}", f"{HERE}/accounts/{member}", f"{HERE}/accounts/{account.account}")
    for off in (["Turn on SCPs", "Turn on RCPs"], ["Turn on RCPs"], []):
        assert buttons(HERE) == buttons(f"{HERE}?at={root}") == off
        for place in elsewhere:
            assert buttons(place) == [], place
        told = text(http.get(elsewhere[0]))
        assert told.count("are off. They are turned on in the overview .") == len(off), off
        if off:
            change = {"Turn on SCPs": "enable-scps", "Turn on RCPs": "enable-rcps"}[off[0]]
            assert post(http, HERE, do=change, root=root).status_code < 400


def test_types_of_policies_are_offered_to_the_account_that_manages_alone(house):
    account = house.account()
    organizations = account.client("organizations")
    organizations.create_organization()
    root = organizations.list_roots()["Roots"][0]["Id"]
    world = SimpleNamespace(server=house, management=account, organizations=organizations)
    member = open_member(world, fresh("Delegated"))
    organizations.enable_aws_service_access(ServicePrincipal="ram.amazonaws.com")
    organizations.register_delegated_administrator(AccountId=member, ServicePrincipal="ram.amazonaws.com")
    http = user_of(world, member, allow("*"))
    answer = http.get(HERE)
    assert "Turn on" not in answer.text
    assert text(answer).count("are off:") == text(answer).count("The account that manages the organization turns them on.") == 2
    told = text(http.get(f"{HERE}/accounts/{member}"))
    assert told.count("are off. The account that manages the organization turns them on.") == 2 and "overview" not in told
    assert post(http, HERE, do="enable-rcps", root=root).status_code >= 400
    assert organizations.list_roots()["Roots"][0]["PolicyTypes"] == []


def test_who_may_make_no_organization_is_told_so(house):
    account = house.account()
    person(account, "viewer", allow("organizations:Describe*"))
    http = session(house, account, "viewer")
    answer = post(http, HERE, do="create")
    assert answer.status_code == 403 and "organizations:CreateOrganization" in error(answer)


def test_tree_shows_units_five_deep_with_what_is_attached_and_accounts_with_their_state(world, ann):
    lines = tree(ann.get(HERE))
    assert lines[0] == (0, "Root", ["KeepTrail"], [])
    at = {name: (depth, chips, badges) for depth, name, chips, badges in lines}
    assert [at[name][0] for name in ("one", "two", "three", "four", "five", "Deep")] == [1, 2, 3, 4, 5, 6]
    assert at["five"][1] == ["DenyRoot"] and at["Middle"] == (3, [], [])
    assert at["Closed"] == (1, [], ["CLOSED"])
    management = [badges for _, _, _, badges in lines if "management" in badges]
    assert management == [["management"]]
    told = text(ann.get(HERE))
    assert "FullAWSAccess is attached everywhere" in told
    assert "The tree is read-only here, and changed with the AWS CLI: aws organizations" in told


def test_chosen_unit_tells_what_binds_it_and_where_that_comes_from(world, ann):
    answer = ann.get(f"{HERE}?at={world.units['five']}")
    told = text(answer)
    assert "What binds five" in told
    for level in ("Root root, inherited SCP KeepTrail", "four unit, inherited", "five unit, attached here SCP DenyRoot"):
        assert level in told, level
    assert text(ann.get(f"{HERE}?at={world.management.account}")).count("binds the account that manages it") == 1


def test_what_is_attached_to_the_account_that_manages_is_marked_as_without_effect(world):
    management = world.server.account()
    person(management, "ann", allow("*"))
    organizations = management.client("organizations")
    organizations.create_organization()
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    ann, place = session(world.server, management, "ann"), f"{HERE}/accounts/{management.account}"
    told = text(ann.get(place))
    assert "Nothing: no policy of the organization binds the account that manages it." in told
    assert "Attached to it all the same, without effect : FullAWSAccess" in told
    vain = attach(SimpleNamespace(organizations=organizations), "Vain", policy(deny("*")), management.account)
    for answer in (ann.get(place), ann.get(f"{HERE}?at={management.account}")):
        assert "Attached to it all the same, without effect : SCP Vain FullAWSAccess" in text(answer)
        [listed] = re.findall(r'<p class="chips idle">(.*?)</p>', answer.text)
        assert "Vain" in listed and "attached here" not in text(answer)
    drawn = ann.get(HERE)
    assert "SCP Vain without effect" in text(drawn) and drawn.text.count('<span class="chips idle">') == 1
    assert "manages the organization: without effect" in text(ann.get(f"{HERE}/policies/{vain}"))
    assert "No policy of the organization binds the account that manages it," in text(ann.get(place))
    organizations.attach_policy(PolicyId=vain, TargetId=root)
    told = ann.get(HERE).text
    assert told.count("without effect") == 1 and text(ann.get(f"{HERE}/policies/{vain}")).count("without effect") == 1


def test_level_without_full_access_is_marked(world, ann):
    unit = world.organizations.create_organizational_unit(ParentId=world.root, Name="narrow")["OrganizationalUnit"]["Id"]
    attach(world, "OnlyS3", policy(allow("s3:*")), unit)
    world.organizations.detach_policy(PolicyId="p-FullAWSAccess", TargetId=unit)
    assert (1, "narrow", ["OnlyS3"], ["no FullAWSAccess"]) in tree(ann.get(HERE))


def test_large_unit_stays_closed_and_is_read_page_by_page(world, ann):
    unit = world.organizations.create_organizational_unit(ParentId=world.root, Name="many")["OrganizationalUnit"]["Id"]
    accounts = {open_member(world, f"Shop {number:02}", unit) for number in range(53)}
    closed = ann.get(HERE)
    assert "53 accounts" in text(closed) and not [name for _, name, *_ in tree(closed) if name.startswith("Shop")]
    opened = ann.get(f"{HERE}?at={unit}")
    first = [name for _, name, *_ in tree(opened) if name.startswith("Shop")]
    assert first == [f"Shop {number:02}" for number in range(50)]
    [following] = re.findall(r'<a href="([^"]*marker=[^"]*)">Next page', opened.text)
    second = [name for _, name, *_ in tree(ann.get(unescape(following))) if name.startswith("Shop")]
    assert second == ["Shop 50", "Shop 51", "Shop 52"]
    one = sorted(accounts)[7]
    assert one in ann.get(f"{HERE}?at={one}").text
    # Searched by name and by id.
    assert text(ann.get(f"{HERE}?search=shop+5")).count("Root / many") == 3
    assert one in text(ann.get(f"{HERE}?search={one[:9]}"))
    assert "No account here has “nowhere”" in text(ann.get(f"{HERE}?search=nowhere"))


def test_policy_is_shown_with_what_it_says_and_where_it_is_attached(world, ann):
    [link] = {link for link in re.findall(r'href="([^"]*/policies/[^"]*)"><small>SCP</small> KeepTrail', ann.get(HERE).text)}
    shown = ann.get(unescape(link))
    assert "cloudtrail:StopLogging" in shown.text and "Service control policy" in shown.text
    assert world.root in text(shown)
    assert ann.get(f"{HERE}/policies/p-nothing12").status_code == 400
    assert ann.get(f"{HERE}/policies/nothing").status_code == 404


def test_one_call_and_one_record_show_the_tree(world):
    person(world.management, name := fresh("user"), allow("*"))
    session(world.server, world.management, name).get(HERE)
    mine = [record["eventName"] for record in world.server.trail() if record.get("userIdentity", {}).get("userName") == name]
    assert mine.count("GetOrganizationTree") == 1 and "ListPoliciesForTarget" not in mine
    [record] = [
        record for record in world.server.events("GetOrganizationTree") if record["userIdentity"].get("userName") == name]
    assert record["readOnly"] is True and record["eventSource"] == "rootward"


# Who sees what


def test_member_sees_its_organization_and_who_manages_it_and_no_tree(world):
    http = user_of(world, world.members["Middle"], allow("*"))
    answer = http.get(HERE)
    organization = world.organizations.describe_organization()["Organization"]["Id"]
    assert answer.status_code == 200 and organization in answer.text and world.management.account in answer.text
    assert '<nav class="tree"' not in answer.text and "KeepTrail" not in answer.text
    account = http.get(f"{HERE}/accounts/{world.members['Deep']}")
    assert account.status_code == 400 and "DenyRoot" not in account.text and "What can its root" not in account.text
    assert "member of an organization" in text(http.get(CREDENTIALS))
    assert "Members of the organization" not in http.get("/console").text


def test_what_every_member_is_refused_is_not_asked_and_so_not_on_record(world):
    member = open_member(world, fresh("Quiet"))
    http = user_of(world, member, allow("*"))
    for path in (HERE, "/console"):
        assert http.get(path).status_code == 200
    asked = {record["eventName"] for record in world.server.trail() if record.get("recipientAccountId") == member}
    assert "DescribeOrganization" in asked and asked.isdisjoint({"GetOrganizationTree", "ListMemberRootCredentials"})


def test_who_may_not_look_is_told_which_permission_lacks(world):
    http = session(world.server, world.management, "nobody")
    for path in (HERE, f"{HERE}/accounts/{world.members['Deep']}", CREDENTIALS):
        answer = http.get(path)
        assert answer.status_code in (400, 403) and "You may not see this." in text(answer), path
        assert "organizations:Describe" in text(answer) or "iam:ListOrganizationsFeatures" in text(answer)
        assert "DenyRoot" not in answer.text and "Deep" not in answer.text


def test_member_that_administers_a_service_sees_the_tree(world):
    member = open_member(world, "Administers")
    http = user_of(world, member, allow("*"))
    assert tree(http.get(HERE)) == []
    world.organizations.enable_aws_service_access(ServicePrincipal="ram.amazonaws.com")
    world.organizations.register_delegated_administrator(AccountId=member, ServicePrincipal="ram.amazonaws.com")
    assert ("five", ["DenyRoot"]) in [(name, chips) for _, name, chips, _ in tree(http.get(HERE))]
    assert "Root users of members are managed from" in text(http.get(CREDENTIALS))


def test_menu_leads_to_members_root_users_from_where_they_are_managed(world, ann, house):
    offers = lambda http: [f'href="{CREDENTIALS}"' in re.search(r'<nav class="menu".*?</nav>', http.get(path).text, re.DOTALL)[0]
                           for path in (HERE, CREDENTIALS)]
    assert offers(ann) == [True, True]
    member = open_member(world, fresh("Plain"))
    http = user_of(world, member, allow("*"))
    assert offers(http) == [False, False]
    for service, offered in (("ram.amazonaws.com", False), ("iam.amazonaws.com", True)):
        world.organizations.enable_aws_service_access(ServicePrincipal=service)
        world.organizations.register_delegated_administrator(AccountId=member, ServicePrincipal=service)
        assert offers(http) == [offered, offered], service
    alone = house.account()
    person(alone, "ann", allow("*"))
    assert offers(session(house, alone, "ann")) == [False, False]


def test_operations_behind_the_pages_refuse_members_and_whom_no_policy_allows(world):
    member, nobody = owner_of(world, world.members["Middle"]), world.management.user()
    calls = {
        "explain_member_root": {"AccountId": world.members["Deep"], "Questions": [{"Action": "iam:CreateUser"}]},
        "get_organization_tree": {}, "list_member_root_credentials": {}, "search_accounts": {"Text": "deep"},
    }
    for name, arguments in calls.items():
        with refused("AccessDeniedException", "You don't have permissions to access this resource."):
            getattr(member.rootward, name)(**arguments)
        with refused("AccessDeniedException", Like(".*is not authorized to perform: (rootward|organizations):.*")):
            getattr(nobody.rootward, name)(**arguments)
        assert getattr(world.management.rootward, name)(**arguments)["ResponseMetadata"]["HTTPStatusCode"] == 200
    reader = world.management.user(allow("rootward:*"))
    with refused("AccessDeniedException", denial(reader.arn, "organizations:ListAccounts", "*")):
        reader.rootward.get_organization_tree()
    # What shows units asks for units, and what shows policies of both types for both.
    counter = world.management.user(allow("organizations:ListAccounts"))
    with refused("AccessDeniedException", Like(".* is not authorized to perform: organizations:ListOrganizationalUnitsForParent .*")):
        counter.rootward.search_accounts(Text="deep")
    lists = ["organizations:ListAccounts", "organizations:ListOrganizationalUnitsForParent"]
    types = ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
    seen = [world.management.user(allow(lists), allow(
        "organizations:ListPoliciesForTarget", StringEquals={"organizations:PolicyType": kinds})) for kinds in (types, *types)]
    assert seen[0].rootward.get_organization_tree()["Items"]
    for half in seen[1:]:
        with refused("AccessDeniedException", Like(".* is not authorized to perform: organizations:ListPoliciesForTarget .*")):
            half.rootward.get_organization_tree()


def test_what_a_policy_hides_of_one_unit_or_account_is_on_no_page_in_no_token_and_in_no_place_that_is_found(world):
    unit = world.organizations.create_organizational_unit(ParentId=world.root, Name=fresh("outer"))["OrganizationalUnit"]["Id"]
    inner = world.organizations.create_organizational_unit(ParentId=unit, Name="inner")["OrganizationalUnit"]["Id"]
    prefix = fresh("Item")
    members = [open_member(world, f"{prefix} {number}", unit) for number in range(4)]
    deep = open_member(world, f"{prefix} deep", inner)
    hidden = [f"arn:aws:organizations::*:account/*/{members[number]}" for number in (0, 3)]
    reader = world.management.user(
        allow("organizations:List*"), deny("organizations:ListPoliciesForTarget", hidden),
        deny("organizations:ListAccountsForParent", f"arn:aws:organizations::*:ou/*/{unit}"))
    with refused("AccessDeniedException", Like(".* is not authorized to perform: organizations:ListAccountsForParent .*")):
        reader.rootward.get_organization_tree(At=unit)
    [found] = reader.rootward.search_accounts(Text=f"{prefix} deep")["Accounts"]
    assert found["AccountId"] == deep and len(found["UnitNames"]) == 2
    pager = world.management.user(allow("organizations:List*"), deny("organizations:ListPoliciesForTarget", hidden))
    assert len(pager.rootward.search_accounts(Text=f"{prefix} deep")["Accounts"][0]["UnitNames"]) == 3
    pages, token = [], {}
    while token is not None:
        answer = pager.rootward.get_organization_tree(At=unit, MaxResults=1, **token)
        pages.append([item["Id"] for item in answer["Items"] if item.get("ParentId") == unit])
        token = {"NextToken": answer["NextToken"]} if "NextToken" in answer else None
        assert token is None or token["NextToken"] == pages[-1][-1]
    assert pages == [[inner], [members[1]], [members[2]]]
    with refused("ValidationException", "NextToken is none that was given."):
        pager.rootward.get_organization_tree(At=unit, NextToken=members[0])


def test_names_that_are_searched_for_and_read_by_page_are_in_no_record(world):
    name = fresh("hushed")
    unit = world.organizations.create_organizational_unit(ParentId=world.root, Name=fresh("paged"))["OrganizationalUnit"]["Id"]
    members = [open_member(world, f"{name} {number}", unit) for number in range(2)]
    token = world.management.rootward.get_organization_tree(At=unit, MaxResults=1)["NextToken"]
    assert token == members[0]
    page = world.management.rootward.get_organization_tree(At=unit, MaxResults=1, NextToken=token)
    assert [item["Id"] for item in page["Items"] if item.get("ParentId") == unit] == [members[1]]
    assert len(world.management.rootward.search_accounts(Text=name)["Accounts"]) == 2
    read = [record for record in world.server.trail() if record["eventName"] in ("GetOrganizationTree", "SearchAccounts")]
    assert token in str(read) and name not in str(read)


# What a root user can do


def test_account_tells_what_its_root_user_can_do_and_which_policy_forbids_it(world, ann):
    answer = ann.get(f"{HERE}/accounts/{world.members['Middle']}")
    can = verdicts(answer)
    assert len(can) == 22 and can["Make access keys for itself"] == "can" and can["Close the account"] == "can"
    assert (can["Stop the audit trail"], can["Delete the audit trail"]) == ("cannot", "cannot")
    told = text(answer)
    assert "It has no way in. With one, it could do 18 of the 20 things asked here." in told and "SCP KeepTrail at Root" in told
    bound = ann.get(f"{HERE}/accounts/{world.members['Deep']}?action=dynamodb%3ADeleteTable")
    denied = {task: verdict for task, verdict in verdicts(bound).items() if task not in ("Sign in at the console", "Sign requests")}
    assert set(denied.values()) == {"cannot"} and "dynamodb:DeleteTable" in denied
    assert "It has no way in, and could do none of the 20 things asked here." in text(bound) and "SCP DenyRoot at five" in text(bound)


@pytest.mark.parametrize("unit, verdict", [("five", "cannot"), ("two", "can")])
def test_what_the_page_says_of_a_root_user_is_what_happens_when_it_asks(world, ann, unit, verdict):
    member = open_member(world, fresh("Asks"), world.units[unit])
    can = verdicts(ann.get(f"{HERE}/accounts/{member}"))
    assert (can["Make access keys for itself"], can["Create users"]) == (verdict, verdict)
    root = root_by_key(world, member)
    calls = {"CreateAccessKey": root.iam.create_access_key, "CreateUser": lambda: root.iam.create_user(UserName="any")}
    for name, call in calls.items():
        if verdict == "can":
            assert call()["ResponseMetadata"]["HTTPStatusCode"] == 200
            continue
        with refused("AccessDenied", Like(f".*:root is not authorized to perform: iam:{name} .*explicit deny in a service control policy.*")):
            call()


def test_guard_policy_of_the_account_that_manages_is_named_as_the_reason(house):
    account = house.account()
    person(account, "ann", allow("*"))
    account.client("organizations").create_organization()
    asked = {"AccountId": account.account, "Questions": [{"Action": "s3:DeleteBucket"}, {"Action": "iam:CreateUser"}]}
    document = house.folder / "guard.json"
    document.write_text(policy(deny("s3:DeleteBucket")))
    house.host("root", "guard-policy", "set", str(document), "--account", account.account)
    told = [(verdict["Verdict"], verdict["Reason"]) for verdict in account.rootward.explain_member_root(**asked)["Verdicts"]]
    assert told == [("DENIED", "GUARD_POLICY"), ("ALLOWED", "ROOT_USER")]
    page = session(house, account, "ann").get(f"{HERE}/accounts/{account.account}")
    assert verdicts(page)["Delete a bucket"] == "cannot" and "A guard policy of the account." in text(page)


def test_question_that_is_none_is_told_beside_the_form_and_takes_nothing_away(world, ann):
    answer = ann.get(f"{HERE}/accounts/{world.members['Middle']}?action=nonsense")
    assert answer.status_code == 400 and "ValidationException" in text(answer)
    assert "it could do 18 of the 20 things asked here." in text(answer) and 'name="action" value="nonsense"' in answer.text


def test_account_tells_what_is_known_of_it(world, ann):
    told = text(ann.get(f"{HERE}/accounts/{world.members['Deep']}"))
    assert "Deep" in told and "opened in the organization" in told and "Root / one / two / three / four / five" in told
    assert f"/{world.units['five']}/{world.members['Deep']}/" in told
    told = text(ann.get(f"{HERE}/accounts/{world.management.account}"))
    assert told.count("No policy of the organization binds the account that manages it") == 1
    assert "It can do all of the 20 things asked here." in told
    assert "UTC, made the organization" in told and "invited" not in told
    assert ann.get(f"{HERE}/accounts/999988887777").status_code == 400
    assert ann.get(f"{HERE}/accounts/nothing").status_code == 404


# Members' root credentials


def has(world, member):
    listed = world.management.rootward.list_member_root_credentials(AccountId=member)["Members"][0]
    return {name: listed[name] for name in ("PasswordPresent", "PasswordRecoverable", "RecoveryAllowed", "AccessKeys", "MfaDevices")}


NOTHING = {"PasswordPresent": False, "PasswordRecoverable": False, "RecoveryAllowed": False, "AccessKeys": 0, "MfaDevices": 0}


def test_features_are_turned_on_and_off_step_by_step(house):
    account = house.account()
    person(account, "ann", allow("*"))
    account.client("organizations").create_organization()
    with browser(house.url.replace("127.0.0.1", "localhost")) as page:
        page.open("/console/sign-in").fill(account=account.account, name="ann", password=PASSWORD).press("Sign in")
        page.open(CREDENTIALS).press("Trust IAM")
        assert page.notices[0].startswith("The organization trusts IAM.")
        page.press("Turn on")
        assert "The organization has no members yet." in page.text("main")
        assert account.iam.list_organizations_features()["EnabledFeatures"] == ["RootCredentialsManagement"]
        page.press("Turn on").press("Turn off")
        assert page.title == "Turn the management of root credentials off?"
        page.press("Leave it on")
        assert len(account.iam.list_organizations_features()["EnabledFeatures"]) == 2
        page.press("Turn off").press("Turn it off")
        assert account.iam.list_organizations_features()["EnabledFeatures"] == ["RootSessions"]
        assert page.complaints() == []


def test_credentials_of_a_members_root_user_are_deleted_and_recovery_is_allowed_in_sessions_of_that_root_user(world, house):
    member = open_member(world, fresh("Keyed"))
    house.host("root", "unseal", "--account", member, "--reason", "old key", "--minutes", "5")
    house.host("root", "create-access-key", "--account", member)
    assert has(world, member) == {**NOTHING, "AccessKeys": 1}
    with browser(house.url.replace("127.0.0.1", "localhost")) as page:
        page.open("/console/sign-in").fill(account=world.management.account, name="ann", password=PASSWORD).press("Sign in")
        page.open(f"{CREDENTIALS}?only=some").driver.find_element("link text", name_of(world, member)).click()
        page.wait_for(name_of(world, member))
        verdict = page.driver.find_element("css selector", ".verdict")
        assert verdict.get_attribute("class") == "verdict warn" and verdict.text.startswith("It has a way in, and can do ")
        page.press("Delete its credentials")
        assert page.title == "Delete the root user’s credentials?"
        assert page.notices[0].startswith(
            f"The root user of account {member} loses its access key. It cannot sign in again")
        assert has(world, member)["AccessKeys"] == 1
        page.press("Delete the credentials")
        assert page.notices[0] == "The root user has no credentials any more, and cannot sign in."
        assert has(world, member) == NOTHING
        page.press("Allow a password to be recovered")
        assert "This node sends no mail, and so this alone lets nobody in." in page.text("main")
        page.press("Allow it")
        assert page.notices[0].startswith("Recovery is allowed. This node sends no mail")
        assert has(world, member) == {**NOTHING, "RecoveryAllowed": True}
        assert "It may set a first password by mail, but this node sends no mail." in page.text("main")
        assert name_of(world, member) not in page.open(f"{CREDENTIALS}?only=some").text("main")
        assert page.complaints() == []
    trail = [record for record in house.trail() if record.get("recipientAccountId") == member]
    by_root = [record["eventName"] for record in trail if record.get("userIdentity", {}).get("type") in ("Root", "AssumedRoot")]
    assert {"DeleteAccessKey", "CreateLoginProfile"} <= set(by_root), by_root
    assumed = [
        record for record in house.events("AssumeRoot")
        if record["userIdentity"].get("userName") == "ann" and member in str(record["requestParameters"])]
    assert len({record["requestID"] for record in assumed}) == 2


def test_recovery_that_is_allowed_is_a_way_in_where_mail_is_sent(tmp_path):
    port = free_port()
    with Post(Mailbox(), port=port), serving(tmp_path, port) as server:
        account = server.account()
        person(account, "ann", allow("*"))
        organizations = account.client("organizations")
        organizations.create_organization()
        world = SimpleNamespace(organizations=organizations, management=account)
        member = open_member(world, "Mailed")
        organizations.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
        account.iam.enable_organizations_root_credentials_management()
        assert has(world, member) == {**NOTHING, "PasswordRecoverable": True, "RecoveryAllowed": True}
        http = session(server, account, "ann")
        assert "1 of 1 has a way in" in text(http.get(CREDENTIALS))
        assert verdicts(http.get(f"{HERE}/accounts/{member}"))["Sign in at the console"] == "can"
        asked = text(post(http, CREDENTIALS, do="delete", account=member))
        assert "Take recovery from the root user?" in asked and "access key" not in asked and "factor" not in asked
        assert post(http, CREDENTIALS, do="delete", account=member, confirm="yes").status_code < 400
        assert has(world, member) == NOTHING
        assert "Whoever reads the mail" in text(post(http, CREDENTIALS, do="recover", account=member))


def name_of(world, member):
    return world.organizations.describe_account(AccountId=member)["Account"]["Name"]


def test_nothing_is_done_before_it_is_confirmed_or_by_whom_no_policy_lets_assume_the_root_user(world, ann, house):
    member = open_member(world, fresh("Guarded"))
    house.host("root", "unseal", "--account", member, "--reason", "old key", "--minutes", "5")
    house.host("root", "create-access-key", "--account", member)
    assert "Delete the root user" in post(ann, CREDENTIALS, do="delete", account=member).text
    person(world.management, name := fresh("user"), allow(["iam:*", "rootward:*", "organizations:*"]))
    answer = post(session(house, world.management, name), CREDENTIALS, do="delete", account=member, confirm="yes")
    assert answer.status_code == 403 and "sts:AssumeRoot" in error(answer)
    assert has(world, member) == {**NOTHING, "AccessKeys": 1}
    # While it has something, it gets nothing.
    answer = post(ann, CREDENTIALS, do="recover", account=member, confirm="yes")
    assert answer.status_code >= 400 and error(answer) and has(world, member) == {**NOTHING, "AccessKeys": 1}
    for other in (world.management.account, "999988887777"):
        assert post(ann, CREDENTIALS, do="delete", account=other, confirm="yes").status_code == 403


def test_root_user_is_told_that_it_cannot(world, house):
    root = root_session(house, world.management)
    member = world.members["Middle"]
    for path in (CREDENTIALS, f"{HERE}/accounts/{member}"):
        answer = root.get(path)
        assert answer.status_code == 200 and "cannot assume another one" in text(answer)
        assert 'value="delete"' not in answer.text and 'value="recover"' not in answer.text
    answer = post(root, CREDENTIALS, do="delete", account=member, confirm="yes")
    assert answer.status_code == 403 and "Roles may not be assumed by root accounts." in error(answer)


def test_overview_lists_all_members_or_those_with_a_way_in_and_home_counts_them(world, ann):
    everybody, some = text(ann.get(CREDENTIALS)), text(ann.get(f"{CREDENTIALS}?only=some"))
    listed = world.management.rootward.list_member_root_credentials()
    count = f"{listed['MembersWithCredentials']} of {listed['MembersTotal']}"
    assert f"{count} ha" in everybody and f"{count} ha" in some and count in text(ann.get("/console"))
    without = [member["AccountId"] for member in listed["Members"] if not any(
        member[name] for name in ("PasswordPresent", "PasswordRecoverable", "AccessKeys", "MfaDevices"))]
    assert any(member["RecoveryAllowed"] for member in listed["Members"] if member["AccountId"] in without)
    assert all(account in everybody and account not in some for account in without)


# What people write


def test_names_are_shown_as_text_and_nothing_of_them_runs(world, house):
    with browser(house.url.replace("127.0.0.1", "localhost")) as page:
        page.open("/console/sign-in").fill(account=world.management.account, name="ann", password=PASSWORD).press("Sign in")
        policies = world.organizations.list_policies(Filter="SERVICE_CONTROL_POLICY")["Policies"]
        hostile = next(found["Id"] for found in policies if found["Name"] == HTML)
        member = world.members[QUOTES]
        for path, shown in {
            f"{HERE}?at={world.units[HTML]}": (HTML, QUOTES), f"{HERE}/accounts/{member}": (HTML, QUOTES),
            f"{HERE}/policies/{hostile}": (HTML,), f"{HERE}?search=onclick": (HTML, QUOTES), CREDENTIALS: (),
        }.items():
            page.open(path)
            main = page.text("main")
            assert all(name in main for name in shown), path
            assert page.driver.execute_script("return document.querySelectorAll('main img, main script, main [onclick]').length") == 0
            assert page.driver.title.endswith("Rootward") and page.complaints() == [], path
