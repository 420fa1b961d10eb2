"""A server and an account for every test module, checked against its own audit trail when the module is done."""

import os

import pytest

from rootward_testkit import BINARY, Clock, Server

# Nothing that this machine has configured for AWS gets into the tests.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull, AWS_EC2_METADATA_DISABLED="true")


def pytest_sessionstart():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: run `cargo build --release`, or ./test, which does it all", returncode=3)


def pytest_sessionfinish():
    for server in list(Server.running):  # those of tests that failed
        server.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server")).start()
    yield server
    try:
        server.check_trail()
    finally:
        server.stop()


@pytest.fixture(scope="module")
def account(server):
    return server.account()


@pytest.fixture(scope="module")
def other(server):
    """Another account on the same server."""
    return server.account()


@pytest.fixture(scope="module")
def nobody(account):
    """A user without any permission."""
    return account.user(name="nobody")


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """A server with an account, whose clock can be set and which knows the name that browsers reach it by."""
    folder = tmp_path_factory.mktemp("house")
    clock = Clock(folder)
    server = Server(folder, wrapper=clock.wrapper)
    server.command += ["--url", f"http://localhost:{server.port}"]
    server.clock = clock
    server.start().account()
    yield server
    clock.set_off(0)
    try:
        server.check_trail()
    finally:
        server.stop()


@pytest.fixture
def clock(house):
    yield house.clock
    house.clock.set_off(0)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("sandbox"), sandbox=True).start()
    yield server
    server.stop()
