"""The console's audit trail, in a real browser: what is found, who may see it, and that nothing on record runs."""

import json

import httpx
import pytest
from selenium.common.exceptions import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait
from test_console import HTML, make_user, mark, open_account, register_app, session_of, sign_in, sign_in_as_root, start

from browser import browser
from rootward_testkit import NEW_PASSWORD, TIMEOUT, Credentials, Principal, allow, policy


@pytest.fixture(scope="module")
def ready(tmp_path_factory):
    """A server whose root user has tried, signed in, registered a second factor and left; ann, who may do everything."""
    server = start(tmp_path_factory.mktemp("trail"))
    root = {}
    with browser(f"http://localhost:{server.port}") as page:
        root["password"] = open_account(page, server)
        page.open("/console/sign-in?door=root").fill(email="root@example.com", password="not-it").press("Sign in")
        sign_in_as_root(page, root["password"], reason=HTML)
        register_app(page)
        root["account"], root["ann"] = make_user(page, "ann")
        page.press("Sign out")
    server.host("root", "unseal", "--account", root["account"], "--reason", "drill")
    key = json.loads(server.host("root", "create-access-key", "--account", root["account"]))["AccessKey"]
    root["key"] = Principal(server, Credentials.of(key))
    root["key"].iam.create_user(UserName="bob")
    server.host("root", "seal", "--account", root["account"])
    yield server, root
    server.stop()


def opened(page, root, path="/console/trail"):
    sign_in(page, root["account"], "ann", root["ann"])
    return page.open(path)


def rows(page):
    cells = [row.find_elements(By.TAG_NAME, "td") for row in page.driver.find_elements(By.CSS_SELECTOR, "table.events tbody tr")]
    return [[cell.text for cell in row] for row in cells]


def reload_until(page, found):
    """Records follow their calls within a second."""
    def look(_):
        page.driver.refresh()
        return found()
    WebDriverWait(page.driver, TIMEOUT).until(look)


def test_timeline_tells_what_root_did_in_words_and_in_a_picture(ready):
    server, root = ready
    with browser(f"http://localhost:{server.port}") as page:
        sign_in(page, root["account"], "ann", root["ann"])
        page.press("What it did")
        assert page.title == "Audit trail"
        told = lambda: [one.text for one in page.driver.find_elements(By.CSS_SELECTOR, ".told bdi")]
        reload_until(page, lambda: any("Seal closed" in text for text in told()))
        texts = told()
        for expected in (
            "Seal closed, by the operator at the host", "Access key created, by the operator at the host",
            "Seal broken: drill, by the operator at the host", "Session ended: signed out", "Second factor registered",
            f"Session began: {HTML}", "Signed in without a second factor from 127.0.0.1", "Sign-in failed from 127.0.0.1",
        ):
            assert expected in texts, (expected, texts)
        assert "Called iam:CreateUser, which changed something" in texts
        picture = page.driver.find_element(By.CSS_SELECTOR, ".timeline svg[role=img]")
        assert picture.get_attribute("aria-labelledby") == "timeline-title"
        assert len(page.driver.find_elements(By.CSS_SELECTOR, ".timeline title")) > 4
        page.press("24 hours")
        assert page.path == "/console/trail?span=day#root" and told() == texts
        page.driver.find_element(By.CSS_SELECTOR, ".told a").click()
        assert page.title == "rootward.host:SealRoot"
        assert page.complaints() == []


def test_events_are_filtered_paged_and_opened(ready):
    server, root = ready
    with browser(f"http://localhost:{server.port}") as page:
        opened(page, root)
        reload_until(page, lambda: any("iam:CreateUser" in row[2] for row in rows(page)))
        assert not any(name in row[2] for row in rows(page) for name in (":Get", ":List", ":LookupEvents"))
        page.press("Show everything")
        assert {"change" in row[2] for row in rows(page)} == {True, False}
        page.driver.find_element(By.CSS_SELECTOR, "option[value=EventName]").click()
        page.fill(value="CreateUser").press("Look up")
        found = rows(page)
        assert [row[2] for row in found] == ["iam:CreateUser change"] * 2 and {row[1] for row in found} == {"root user"}
        assert {row[4] for row in found} == {"ok"} and page.value("value") == "CreateUser"
        page.driver.find_element(By.CSS_SELECTOR, "table.events a").click()
        record = json.loads(page.text("pre.record"))
        assert (record["eventName"], record["requestParameters"]) == ("CreateUser", {"userName": "bob"})
        assert list(record)[:2] == ["eventVersion", "userIdentity"]
        page.open("/console/trail?by=Username&value=ann&until=2020-01-01T00:00")
        assert rows(page) == [] and "None." in page.text("#main")
        page.open("/console/trail?by=Username&value=x&from=yesterday")
        assert page.notices == ["yesterday is no time such as 2026-01-31T09:30."]
        page.open("/console/trail/00000000-0000-7000-8000-000000000000")
        assert page.title == "Event" and "There is no such event" in page.text("#main")


def test_older_pages_join(ready):
    server, root = ready
    http = session_of(server, root)
    for _ in range(60):  # more than a page
        assert http.get("/console/users").status_code == 200
    with browser(f"http://localhost:{server.port}") as page:
        opened(page, root)
        page.open("/console/trail?by=EventName&value=ListUsers")
        reload_until(page, lambda: len(rows(page)) == 50)
        ids = lambda: [one.get_attribute("href") for one in page.driver.find_elements(By.CSS_SELECTOR, "table.events a")]
        first = ids()
        page.press("Older")
        assert "by=EventName&value=ListUsers" in page.path
        assert len(ids()) >= 10 and not set(first) & set(ids())


def test_nothing_on_record_runs_in_the_browser(ready):
    server, root = ready
    agent = "<script>document.title='run'</script>" + HTML
    with httpx.Client(base_url=f"http://localhost:{server.port}", headers={"user-agent": agent}) as http:
        form = {"account": root["account"], "name": HTML, "password": "x", "mark": mark(http.get("/console/sign-in").text)}
        assert http.post("/console/sign-in", data=form).status_code == 403
        form = {**form, "name": "ann", "mark": mark(http.get("/console/sign-in").text)}
        assert http.post("/console/sign-in", data=form).status_code == 403
    with browser(f"http://localhost:{server.port}") as page:
        opened(page, root, "/console/trail?by=EventName&value=ConsoleLogin")
        reload_until(page, lambda: any("Failed authentication" in row[4] and row[1] == "ann" for row in rows(page)))
        place = [row[1] == "ann" and "Failed authentication" in row[4] for row in rows(page)].index(True)
        page.driver.find_elements(By.CSS_SELECTOR, "table.events a")[place].click()
        assert json.loads(page.text("pre.record"))["userAgent"] == agent and agent in page.text("dl.facts")
        page.open("/console/trail?by=Username&value=" + "%3Cimg%20src=x%20onerror=alert(1)%3E")
        assert page.value("value") == HTML
        page.open("/console/trail")
        assert f"Session began: {HTML}" in page.text(".told")
        with pytest.raises(NoAlertPresentException):
            page.driver.switch_to.alert
        assert page.driver.find_elements(By.CSS_SELECTOR, "#main img, #main script") == []
        assert page.driver.title != "run" and page.complaints() == []


def test_who_may_not_look_up_is_told_what_is_missing(ready):
    server, root = ready
    admin = Principal(server, root["key"].credentials)
    server.host("root", "unseal", "--account", root["account"], "--reason", "drill")
    admin.iam.create_user(UserName="cleo")
    admin.iam.create_login_profile(UserName="cleo", Password=NEW_PASSWORD)
    with browser(f"http://localhost:{server.port}") as page:
        sign_in(page, root["account"], "cleo", NEW_PASSWORD)
        page.open("/console/trail")
        assert "cloudtrail:LookupEvents" in page.notices[0] and "not authorized" in page.notices[0]
        assert page.notices[0].startswith("You may not see this.") and page.title == "Audit trail"
        assert page.driver.find_elements(By.CSS_SELECTOR, "table, form.filter, .timeline") == []
        page.open("/console/trail/00000000-0000-7000-8000-000000000000")
        assert "not authorized" in page.notices[0]
        admin.iam.put_user_policy(
            UserName="cleo", PolicyName="p", PolicyDocument=policy(allow("cloudtrail:LookupEvents")))
        page.open("/console/trail")
        assert rows(page) and page.notices == []


def test_page_fits_a_phone_without_scripts_or_sideways_scrolling(ready):
    server, root = ready
    with browser(f"http://localhost:{server.port}") as page:
        opened(page, root)
        page.look(dark=True, width=390)
        page.open("/console/trail?span=all")
        widths = page.driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
        assert widths[0] <= widths[1] == 390
        assert page.driver.find_element(By.CSS_SELECTOR, ".timeline svg").size["width"] > 300
