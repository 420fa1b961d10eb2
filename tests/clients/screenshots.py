"""Pictures of every page of the console, light, dark and on a phone, in docs/screenshots: run by hand after the console has changed.

What differs from run to run (times, ids, ports, the setup code) is written over before a picture is taken, so that a picture changes
only when its page does.
"""

import base64
import json
import struct
import subprocess
import tempfile
import zlib
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlencode

import boto3

from browser import browser
from post import Mailbox, Post
from rootward_testkit import BINARY, ROOT, Credentials, Principal, allow, deny, free_port, policy
from test_aws_login import CROSS, SAME, Client
from test_console_attacks import finished
from test_console import register_app, setup_code, sign_in, start
from test_federation import login, signin_token, switch
from test_mail import serving
from test_recovery import SUBJECT, link_of
from test_trail_page import reload_until

FOLDER = ROOT / "docs" / "screenshots"
ROOT_EMAIL = "root@example.com"
ROOT_PASSWORD = "amber-Heron+58-ladders"
NEW_ROOT_PASSWORD = "amber-Pickle+12-violins"
PASSWORD = "quiet-Otter+27-lanterns"
LOOKS = {"light": (False, None), "dark": (True, None), "phone": (False, 390)}
WINDOW = {"width": 1100, "height": 820}

# Texts that differ from run to run, and what stands there in every picture.
CALM = """
// In an organization each account has an id of its own, in the order in which they are met.
const met = (window.met ??= []), hasOthers = OWN_IDS;
const account = (id) => {
  if (!hasOthers) return "111122223333";
  if (id.endsWith("3333")) return id;
  if (!met.includes(id)) met.push(id);
  const place = met.indexOf(id);
  return `${1111 * (place % 9 + 1)}${2222 + place}3333`;
};
const calm = [
  [/\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z/g, "2026-05-04T09:30:00Z"], [/\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC/g, "2026-05-04 09:30 UTC"],
  [/\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d/g, "2026-05-04 09:30:00"], [/ until \\d\\d:\\d\\d(?=[,: ])/g, ""],
  [/[A-Z][a-z]{2} \\d{1,2}, \\d{4} \\d{1,2}:\\d\\d:\\d\\d [AP]M/g, "May 4, 2026 9:30:00 AM"], [/localhost:\\d+/g, "localhost:4566"],
  [/\\b(AIDA|AROA|AGPA|ANPA|AKIA|ASIA)[A-Z0-9]{16,}/g, "$1EXAMPLEEXAMPLE12"],
  [/\\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\\b/g, "0196995f-2bc0-7d00-8a1e-5f2c8e1a9b3d"],
  [/\\b[0-9a-f]{32}\\b/g, "5f2c8e1a9b3d47f6a0c1e2d3b4a59687"], [/(?<!\\d)\\d{12}(?!\\d)/g, account],
  [/\\bo-[a-z0-9]{10}\\b/g, "o-exampleorg"], [/\\br-[a-z0-9]{4}\\b/g, "r-exam"],
  [/\\bou-[a-z0-9]{4}-[a-z0-9]{8}\\b/g, "ou-exam-12345678"], [/\\bp-[a-z0-9]{8,10}\\b/g, "p-examplepol"],
  [/[A-Za-z0-9+\\/=_-]{120,}/g, (found) => "EXAMPLEcode1234567890".repeat(20).slice(0, 280)],
  [/\\b[A-Za-z0-9+\\/]{40}\\b/g, "EXAMPLEKEYwJalrXUtnFEMIK7MDENGbPxRfiCY12"],
  [/Mozilla\\/5.0 [^<"\\n]*/g, "Mozilla/5.0 (X11; Linux x86_64) Chromium"], [/Boto3\\/[^<"\\n]*/g, "Boto3/1.40"],
];
const calmed = (text) => calm.reduce((text, [found, put]) => text.replace(found, put), text);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const text = calmed(walker.currentNode.data);
  if (text !== walker.currentNode.data) walker.currentNode.data = text;
}
for (const field of document.querySelectorAll("input:not([type=hidden]), textarea")) {
  if (calmed(field.value) !== field.value) field.value = calmed(field.value);
}
// A code that leads to no secret, and the times below the timeline with what stands there.
const pattern = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 28 28"><pattern id="p" width="2" height="2"
  patternUnits="userSpaceOnUse"><path d="M0 0h1v1H0zM1 1h1v1H1z"/></pattern><rect width="28" height="28" fill="url(#p)"/></svg>`;
for (const picture of document.querySelectorAll("img.qr")) picture.src = "data:image/svg+xml," + encodeURIComponent(pattern);
["04-27", "04-29", "05-01", "05-02"].forEach((day, at) => {
  const tick = document.querySelectorAll(".timeline .tick")[at];
  if (tick) tick.textContent = day;
});
for (const mark of document.querySelectorAll(".timeline rect, .timeline svg svg")) mark.setAttribute("x", "97%");
document.activeElement?.blur();
"""


def main():
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    box, port = Mailbox(), free_port()
    with tempfile.TemporaryDirectory() as folder, Post(box, port=port), serving(Path(folder), port) as server:
        with browser(f"http://localhost:{server.port}") as page:
            take_all(Camera(page), page, server, box)
    with tempfile.TemporaryDirectory() as folder:
        server = start(Path(folder))
        with browser(f"http://localhost:{server.port}") as page:
            page.open("/console/recover")
            Camera(page).shoot("recover-without-mail")
        server.stop()
    shoot_organization()
    write_index()


class Camera:
    def __init__(self, page, own_ids=False):
        """`own_ids`: accounts differ, so that each keeps another id in the pictures."""
        self.page, self.calm = page, CALM.replace("OWN_IDS", json.dumps(own_ids))

    def shoot(self, name, at=None):
        """Pictures of what the browser shows, from the element `at` on."""
        for look, (dark, width) in LOOKS.items():
            self.page.look(dark, width)
            if not width:
                size = {**WINDOW, "deviceScaleFactor": 1, "mobile": False}
                self.page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            self.page.driver.execute_script(self.calm)
            self.page.driver.execute_script(
                "const at = arguments[0] && document.querySelector(arguments[0]); at ? at.scrollIntoView() : scrollTo(0, 0);", at
            )
            taken = self.page.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
            (FOLDER / f"{name}-{look}.png").write_bytes(smaller(base64.b64decode(taken["data"])))
        self.page.look(dark=False)

    def shoot_menu(self):
        """The menu, which is behind a button on a phone only."""
        self.page.look(False, LOOKS["phone"][1])
        self.page.driver.find_element("css selector", ".menu-button").click()
        self.page.driver.execute_script(self.calm)
        taken = self.page.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
        (FOLDER / "menu-phone.png").write_bytes(smaller(base64.b64decode(taken["data"])))
        self.page.look(dark=False)


def smaller(png):
    """The same picture without its alpha channel, which is full everywhere, and compressed as well as zlib can."""
    chunks, at = {}, 8
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at:at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8:at + 8 + length]
        at += 12 + length
    width, height, depth, colour = struct.unpack(">IIBB", chunks[b"IHDR"][:10])
    if depth != 8 or colour not in (2, 6):
        return png
    pixels = unfiltered(zlib.decompress(chunks[b"IDAT"]), width, height, 4 if colour == 6 else 3)
    return encoded(width, height, pixels)


def unfiltered(data, width, height, size):
    """Rows of (red, green, blue)."""
    rows, before, line = [], bytearray(width * size), width * size + 1
    for y in range(height):
        kind, row = data[y * line], bytearray(data[y * line + 1:(y + 1) * line])
        if kind == 1:
            for x in range(size, len(row)):
                row[x] = (row[x] + row[x - size]) & 255
        elif kind == 2:
            row = bytearray((a + b) & 255 for a, b in zip(row, before))
        elif kind == 3:
            for x in range(len(row)):
                left = row[x - size] if x >= size else 0
                row[x] = (row[x] + (left + before[x]) // 2) & 255
        elif kind == 4:
            for x in range(len(row)):
                left, corner = (row[x - size], before[x - size]) if x >= size else (0, 0)
                guess = left + before[x] - corner
                near = min((left, before[x], corner), key=lambda one: abs(guess - one))
                row[x] = (row[x] + near) & 255
        rows.append([tuple(row[x:x + 3]) for x in range(0, len(row), size)])
        before = row
    return rows


def encoded(width, height, rows):
    """With a palette: of the most frequent colours, each other one told by the nearest."""
    counts = {}
    for row in rows:
        for pixel in row:
            counts[pixel] = counts.get(pixel, 0) + 1
    palette = sorted(counts, key=counts.get, reverse=True)[:256]
    index = {colour: place for place, colour in enumerate(palette)}
    for colour in counts:
        if colour not in index:
            index[colour] = min(
                range(len(palette)), key=lambda place: sum((a - b) ** 2 for a, b in zip(palette[place], colour))
            )
    data = b"".join(b"\0" + bytes(index[pixel] for pixel in row) for row in rows)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", b"".join(bytes(colour) for colour in palette)),
        (b"IDAT", zlib.compress(data, 9)),
        (b"IEND", b""),
    )
    chunks = (struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def take_all(camera, page, server, box):
    account, totp = shoot_newcomer(camera, page, server)
    sign_in(page, account, "ann", PASSWORD)
    page.open("/console")
    camera.shoot("home-password-alone")
    ann = register_app(page)
    ids = fill(page, server, account)
    shoot_access(camera, page, account, totp, ann)
    page.open("/console")
    camera.shoot("home-protected")
    camera.shoot_menu()
    shoot_pages(camera, page, ids)
    shoot_trail(camera, page)
    shoot_command_line(camera, page, server)
    shoot_roles(camera, page, server, account, ids["key"])
    shoot_users(camera, page, account)
    shoot_recovery(camera, page, box)


def shoot_newcomer(camera, page, server):
    """From an empty server to the first user, and what only the root user sees."""
    shoot = camera.shoot
    page.open("/console")
    shoot("first-run")
    page.fill(code=setup_code(server), name="Example Corp", email=ROOT_EMAIL, password=ROOT_PASSWORD, again=ROOT_PASSWORD)
    page.press("Open the account")
    shoot("sign-in-root")
    page.open("/console/sign-in?door=root").fill(email=ROOT_EMAIL, password=ROOT_PASSWORD).press("Sign in")
    shoot("sign-in-reason")
    page.fill(reason="first set-up").press("Sign in as root")
    shoot("home-not-protected")
    page.open("/console/security/register")
    shoot("register")
    page.press("Set up an app")
    shoot("register-app")
    totp = register_app(page)
    shoot("register-done")
    page.open("/console/start")
    shoot("start")
    page.fill(name="ann", password=PASSWORD).press("Create user")
    account = page.text("dl.facts dd:nth-of-type(1)")
    shoot("start-made")
    page.open("/console")
    shoot("home-root-done")
    for name, path in {"account-root": "/account", "root-access-root": "/access", "security-root": "/security"}.items():
        page.open(f"/console{path}")
        shoot(name)
    page.press("Change the e-mail address")
    shoot("root-email")
    page.fill(email="root-users@example.com").press("Send code")
    shoot("root-email-code")
    page.open(f"/console/authorize?{command_line(server, SAME)}")
    shoot("authorize-root")
    page.open("/console/switch-role")
    shoot("switch-role-root")
    page.press("Sign out")
    shoot("sign-in")
    return account, totp


def shoot_pages(camera, page, ids):
    for name, path in {
        "users": "/users", "user": "/users/bob", "groups": "/groups", "group": "/groups/developers", "roles": "/roles",
        "role": "/roles/deploy", "policies": "/policies", "policies-aws": "/policies?of=aws&search=readonly",
        "policies-none": "/policies?search=nothing", "policy": f"/policies/{ids['policy']}", "security": "/security",
        "password-policy": "/password-policy", "sessions": "/sessions", "sessions-of-user": "/sessions?user=bob", "account": "/account",
        "simulator": "/simulator?principal=bob", "not-found": "/nothing",
    }.items():
        page.open(f"/console{path}")
        camera.shoot(name)
    page.open("/console/users")
    page.driver.execute_script("document.querySelector('#main input[name=mark]').value = 'another';")
    page.fill(name="dora").press("Create user")
    camera.shoot("refused-form")
    shoot_editor(camera, page)
    page.open("/console/simulator").fill(
        principal="bob", actions="s3:GetObject\ns3:DeleteObject", resources="arn:aws:s3:::reports/2026.csv"
    ).press("Simulate")
    camera.shoot("simulator-answers")
    page.open("/console/security").driver.find_element("xpath", "//button[normalize-space()='Remove']").click()
    page.wait_for("Remove the second factor?")
    camera.shoot("remove-factor")
    page.open("/console/users/bob").fill(password=PASSWORD).press("Set password")
    camera.shoot("user-password-set")


def shoot_trail(camera, page):
    page.open("/console/trail")
    reload_until(page, lambda: "CreateLoginProfile" in page.text("table.events tbody"))
    camera.shoot("trail")
    camera.shoot("trail-events", at="#events-title")
    page.open("/console/trail?by=EventName&value=NoSuchEvent")
    camera.shoot("trail-nothing")
    page.open("/console/trail?by=EventName&value=CreateRole").driver.find_element("css selector", "table.events a").click()
    page.wait_for("iam:CreateRole")
    camera.shoot("event")


def command_line(server, client_id):
    return urlencode(Client(SimpleNamespace(server=server), client_id).query())


def shoot_command_line(camera, page, server):
    page.open(f"/console/authorize?{command_line(server, SAME)}")
    camera.shoot("authorize")
    page.open(f"/console/authorize?{command_line(server, CROSS)}")
    camera.shoot("authorize-remote")
    page.press("Allow")
    camera.shoot("authorize-code")
    page.open(f"/console/authorize?{command_line(server, CROSS)}").press("Cancel")
    camera.shoot("authorize-cancelled")
    page.open("/console/authorize?client_id=nobody")
    camera.shoot("authorize-refused")


def shoot_roles(camera, page, server, account, key):
    """A link of a federation, which asks before it replaces a session; roles that are switched to."""
    role = boto3.client("sts", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id=key[0], aws_secret_access_key=key[1])
    made = role.assume_role(RoleArn=f"arn:aws:iam::{account}:role/deploy", RoleSessionName="jane")["Credentials"]
    token = signin_token(server, (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]))
    page.open(login(token)).wait_for("Sign in as somebody else?")
    camera.shoot("federation")
    page.open("/console/switch-role")
    camera.shoot("switch-role")
    switch(page, account, "deploy", "Deployment")
    camera.shoot("switched-role")
    page.open("/console/roles")
    camera.shoot("switched-role-denied")
    page.open("/console/sessions")
    camera.shoot("switched-role-sessions")
    page.press("Switch back")
    switch(page, account, "nobody-has-it")
    camera.shoot("switch-role-refused")
    page.open("/console/switch-role")
    camera.shoot("switch-role-recent")


def shoot_users(camera, page, account):
    """Users who must do something first, or may not do much."""
    page.press("Sign out")
    sign_in(page, account, "bob", PASSWORD)
    camera.shoot("sign-in-new-password")
    sign_in(page, account, "cleo", PASSWORD)
    camera.shoot("home-denied")
    for name, path in {"users-denied": "/users", "trail-denied": "/trail", "account-denied": "/account"}.items():
        page.open(f"/console{path}")
        camera.shoot(name)
    page.press("Sign out")
    sign_in(page, account, "cleo", "not-the-password")
    camera.shoot("sign-in-refused")
    sign_in(page, account, "ann", PASSWORD)
    camera.shoot("sign-in-second-factor")


def shoot_recovery(camera, page, box):
    page.open("/console/recover")
    camera.shoot("recover")
    page.fill(email=ROOT_EMAIL).press("Send link")
    camera.shoot("recover-asked")
    link = link_of(box.wait(ROOT_EMAIL, SUBJECT))
    page.driver.get(link)
    camera.shoot("recover-password")
    page.fill(password=NEW_ROOT_PASSWORD, again=NEW_ROOT_PASSWORD).press("Change password")
    camera.shoot("recover-changed")
    page.driver.get(link)
    camera.shoot("recover-old-link")


def fill(page, server, account):
    """What an account of a small company holds, by the API, as ann."""
    page.open("/console/users/ann").press("Create access key")
    key, secret = (page.text(f"section.notice dd:nth-of-type({place})") for place in (1, 2))
    session = boto3.session.Session(key, secret, region_name="us-east-1")
    iam = session.client("iam", endpoint_url=f"http://localhost:{server.port}")
    for name in ("bob", "cleo", "build-robot"):
        iam.create_user(UserName=name)
    iam.create_login_profile(UserName="cleo", Password=PASSWORD)
    iam.create_access_key(UserName="build-robot")
    for name in ("developers", "auditors"):
        iam.create_group(GroupName=name)
    iam.attach_group_policy(GroupName="auditors", PolicyArn="arn:aws:iam::aws:policy/SecurityAudit")
    iam.add_user_to_group(GroupName="developers", UserName="bob")
    statement = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::reports/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    policy = iam.create_policy(
        PolicyName="ReportsReadWrite", PolicyDocument=document, Description="Read and write the reports."
    )["Policy"]["Arn"]
    iam.attach_group_policy(GroupName="developers", PolicyArn=policy)
    deny = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}
    iam.put_user_policy(
        UserName="bob", PolicyName="no-deletes",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Action": "s3:GetObject"}, deny]}),
    )
    trust = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName="deploy", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        Description="Puts a new version into service.",
    )
    iam.attach_role_policy(RoleName="deploy", PolicyArn="arn:aws:iam::aws:policy/PowerUserAccess")
    server.host("root", "approvers", "--account", account, "--required", "1", "--user", "ann")
    server.host("alerts", "add", "team", "--webhook", "https://alerts.example.com/rootward")
    return {"policy": policy.replace("/", "%2F"), "key": (key, secret)}


def shoot_access(camera, page, account, totp, ann):
    """The root user asks, ann agrees; what waits is looked at from both sides."""
    page.press("Sign out").open("/console/sign-in?door=root")
    page.fill(email=ROOT_EMAIL, password=ROOT_PASSWORD).press("Sign in")
    page.fill(code=totp.now()).press("Continue")
    page.fill(reason="close the old billing contact").press("Ask for approval")
    camera.shoot("sign-in-approval")
    sign_in(page, account, "ann", PASSWORD)
    page.fill(code=ann.now()).press("Continue").open("/console/access")
    camera.shoot("root-access")


def shoot_editor(camera, page):
    document = (
        '{\n  "Version": "2012-10-17",\n  "Statement": [\n    {\n      "Effect": "Allow",\n      "Action": "s3:GetObjct"\n'
        '    }\n  ]\n}'
    )
    page.open("/console/policies").fill(name="Reports")
    page.driver.execute_script("document.getElementById('document').value = arguments[0];", document)
    page.press("Create policy")
    camera.shoot("editor", at="label[for=name]")


def shoot_organization():
    """The account that manages an organization of some departments, a member of it, and an account without one."""
    with tempfile.TemporaryDirectory() as folder:
        server = start(Path(folder))
        account = server.account("example")
        with browser(f"http://localhost:{server.port}") as page:
            camera = Camera(page, own_ids=True)
            for name in ("ann", "cleo"):
                account.user(*([allow("*")] if name == "ann" else []), name=name)
                account.iam.create_login_profile(UserName=name, Password=PASSWORD)
            sign_in(page, account.account, "ann", PASSWORD)
            page.open("/console/organization")
            camera.shoot("organization-none")
            page.press("Create an organization")
            camera.shoot("organization-created")
            page.open("/console/organization/root-access")
            camera.shoot("root-credentials-not-trusted")
            units, members = departments(account)
            for name, path in {
                "organization": "/organization", "organization-unit": f"/organization?at={units['Payments']}",
                "organization-search": "/organization?search=prod",
                "organization-account": f"/organization/accounts/{members['Payments production']}",
                "organization-account-bound": f"/organization/accounts/{members['Sandbox of Bob']}?action=ec2%3ARunInstances#ask",
                "organization-management": f"/organization/accounts/{account.account}",
                "root-credentials": "/organization/root-access", "root-credentials-some": "/organization/root-access?only=some",
            }.items():
                page.open(f"/console{path}")
                camera.shoot(name)
            page.open(f"/console/organization/accounts/{members['Payments production']}")
            camera.shoot("organization-account-binding", at=".binding")
            page.open("/console/organization").driver.find_element("link text", "SCP KeepTrail").click()
            page.wait_for("KeepTrail")
            camera.shoot("organization-policy")
            page.open("/console/organization/root-access").press("Delete credentials")
            camera.shoot("root-credentials-delete")
            page.open("/console")
            camera.shoot("home-management", at="#members")
            page.press("Sign out")
            sign_in(page, account.account, "cleo", PASSWORD)
            page.open("/console/organization")
            camera.shoot("organization-denied")
            page.press("Sign out")
            sign_in(page, members["Payments production"], "ops", PASSWORD)
            page.open("/console/organization")
            camera.shoot("organization-member")
        server.stop()


def departments(account):
    """Units by name, and members by name."""
    organizations, iam = account.client("organizations"), account.iam
    root = organizations.list_roots()["Roots"][0]["Id"]
    for kind in ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"):
        organizations.enable_policy_type(RootId=root, PolicyType=kind)
    units, members = {}, {}
    for parent, name in (
        (None, "Security"), (None, "Workloads"), (None, "Sandboxes"), ("Workloads", "Retail"), ("Retail", "Europe"),
        ("Europe", "Payments"), ("Payments", "Cards"), ("Workloads", "Research"),
    ):
        made = organizations.create_organizational_unit(ParentId=units.get(parent, root), Name=name)
        units[name] = made["OrganizationalUnit"]["Id"]
    for unit, name in (
        ("Security", "Log archive"), ("Security", "Audit"), ("Payments", "Payments production"), ("Payments", "Payments staging"),
        ("Cards", "Cards production"), ("Research", "Notebooks"), ("Sandboxes", "Sandbox of Bob"), ("Sandboxes", "Sandbox of Cleo"),
        *(("Retail", f"Shop {number:02}") for number in range(1, 25)),
    ):
        asked = organizations.create_account(
            Email=f"{name.lower().replace(' ', '-')}@example.com", AccountName=name)["CreateAccountStatus"]
        members[name] = finished(organizations, asked)
        organizations.move_account(AccountId=members[name], SourceParentId=root, DestinationParentId=units[unit])
    organizations.close_account(AccountId=members["Sandbox of Cleo"])
    organizations.enable_aws_service_access(ServicePrincipal="iam.amazonaws.com")
    for name in ("Log archive", "Audit", "Notebooks", "Sandbox of Bob"):
        no_way_in(account, members[name])
    iam.enable_organizations_root_sessions()
    attach(account, "SERVICE_CONTROL_POLICY", "KeepTrail", "Nobody stops the audit trail", guardrail(account, "protect-trail"), root)
    attach(account, "SERVICE_CONTROL_POLICY", "DenyRoot", "Nobody works as root", guardrail(account, "deny-root"), units["Sandboxes"])
    attach(account, "SERVICE_CONTROL_POLICY", "EuropeOnly", "Work goes on in Europe",
           guardrail(account, "limit-regions", "--regions", "eu-central-1,eu-west-1"), units["Europe"])
    attach(account, "SERVICE_CONTROL_POLICY", "NoRootKeys", "Root users have no keys", guardrail(account, "deny-root-keys"),
           units["Workloads"])
    attach(account, "RESOURCE_CONTROL_POLICY", "OnlyOurs", "Buckets are for the organization alone", policy(deny(
        "s3:*", Principal="*", StringNotEqualsIfExists={"aws:PrincipalOrgID": "${aws:ResourceOrgID}"})), units["Payments"])
    owner = account.assume({"Arn": f"arn:aws:iam::{members['Payments production']}:role/OrganizationAccountAccessRole"})
    owner.iam.create_user(UserName="ops")
    owner.iam.create_login_profile(UserName="ops", Password=PASSWORD)
    owner.iam.attach_user_policy(UserName="ops", PolicyArn="arn:aws:iam::aws:policy/AWSOrganizationsReadOnlyAccess")
    account.server.host("root", "unseal", "--account", members["Payments production"], "--reason", "old key", "--minutes", "5")
    account.server.host("root", "create-access-key", "--account", members["Payments production"])
    return units, members


def no_way_in(account, member):
    """Takes the recovery by mail from a member's root user."""
    account.iam.enable_organizations_root_credentials_management()
    answer = account.sts.assume_root(
        TargetPrincipal=member, TaskPolicyArn={"arn": "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials"})
    Principal(account.server, Credentials.of(answer["Credentials"])).iam.delete_login_profile()


def guardrail(account, name, *arguments):
    shown = subprocess.run([BINARY, "guardrails", "show", name, *arguments], capture_output=True, text=True, check=True)
    return shown.stdout


def attach(account, kind, name, description, content, target):
    organizations = account.client("organizations")
    made = organizations.create_policy(Type=kind, Name=name, Description=description, Content=content)
    organizations.attach_policy(PolicyId=made["Policy"]["PolicySummary"]["Id"], TargetId=target)


def write_index():
    names = sorted({path.name.rsplit("-", 1)[0] for path in FOLDER.glob("*.png")})
    lines = [
        "# The console in pictures", "",
        "Each page light, dark and on a phone. `tests/clients/screenshots.py` takes them anew.", "",
    ]
    for name in names:
        widths = {"light": 420, "dark": 420, "phone": 150}
        looks = [look for look in LOOKS if (FOLDER / f"{name}-{look}.png").exists()]
        pictures = [f'<img src="{name}-{look}.png" alt="{name}, {look}" width="{widths[look]}">' for look in looks]
        lines += [f"## {name}", "", " ".join(pictures), ""]
    (FOLDER / "README.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
