"""Chromium as people use it: fields by name, buttons and links by what they say."""

from contextlib import contextmanager
from shutil import which

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.virtual_authenticator import VirtualAuthenticatorOptions
from selenium.webdriver.support.ui import WebDriverWait

from rootward_testkit import TIMEOUT

ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--lang=en", "--force-color-profile=srgb",
)


class Browser:
    def __init__(self, base, width=1100, height=900, dark=False, trusted_key=None):
        chromium, driver = which("chromium"), which("chromedriver")
        if not (chromium and driver):
            pytest.fail("please install what the Debian packages `chromium` and `chromium-driver` hold")
        options = webdriver.ChromeOptions()
        for argument in (*ARGUMENTS, f"--window-size={width},{height}"):
            options.add_argument(argument)
        if trusted_key:  # SHA-256 of a server's public key, in base64: its certificate is as good as one of a known authority
            options.add_argument(f"--ignore-certificate-errors-spki-list={trusted_key}")
        options.binary_location = chromium
        self.base = base
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        self.driver.set_page_load_timeout(TIMEOUT)
        self.look(dark)

    def look(self, dark, width=None):
        """Dark or light; as wide as a phone if asked for."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        if width:
            size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": True}
            self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        else:
            self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def open(self, path):
        self.driver.get(self.base + path)
        return self

    def fill(self, **fields):
        for name, value in fields.items():
            field = self.driver.find_element(By.NAME, name)
            field.clear()
            field.send_keys(value)
        return self

    def press(self, text):
        """Presses the button or follows the link that says so, and waits for what it leads to."""
        quoted = f"normalize-space()='{text}'"
        pressed = self.driver.find_element(By.XPATH, f"//main//button[{quoted}]|//a[{quoted}]|//header//button[{quoted}]")
        page = self.driver.find_element(By.TAG_NAME, "html")
        pressed.click()
        if pressed_stays(pressed):
            return self
        WebDriverWait(self.driver, TIMEOUT).until(lambda _: is_stale(page))
        return self

    def wait_for(self, title):
        """Waits for the page of this title: scripts lead there by themselves."""
        def arrived(_):
            try:
                return self.title == title
            except Exception:  # between two pages
                return False
        WebDriverWait(self.driver, TIMEOUT).until(arrived)
        return self

    def wait_until(self, holds):
        """Waits for what a script does to the page."""
        WebDriverWait(self.driver, TIMEOUT).until(lambda _: holds())
        return self

    @property
    def title(self):
        return self.driver.find_element(By.TAG_NAME, "h1").text

    @property
    def notices(self):
        return [notice.text for notice in self.driver.find_elements(By.CLASS_NAME, "notice") if notice.is_displayed()]

    @property
    def path(self):
        return self.driver.current_url.removeprefix(self.base)

    def text(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css).get_attribute("textContent")

    def value(self, name):
        return self.driver.find_element(By.NAME, name).get_attribute("value")

    def complaints(self):
        """What the browser has logged of broken pages: blocked scripts and styles, missing files. That a page itself says what was
        refused is none."""
        messages = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        refused = f"{self.driver.current_url} - Failed to load resource: the server responded with a status of 4"
        return [message for message in messages if not message.startswith(refused)]

    def add_authenticator(self):
        """A security key that is plugged in, with a fingerprint that fits."""
        options = VirtualAuthenticatorOptions()
        options.has_user_verification = options.is_user_verified = options.has_resident_key = True
        self.driver.add_virtual_authenticator(options)


@contextmanager
def browser(base, **options):
    opened = Browser(base, **options)
    try:
        yield opened
    finally:
        opened.driver.quit()


def pressed_stays(element):
    """Whether a button does its work on the page it is on."""
    try:
        return element.get_attribute("type") == "button"
    except Exception:  # the page has gone already
        return False


def is_stale(element):
    try:
        element.is_enabled()
        return False
    except Exception:
        return True
