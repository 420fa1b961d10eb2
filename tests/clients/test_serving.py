"""The process: starting, ending, and what it says when it cannot start."""

import json
import socket
import stat
import subprocess
import threading
import time

from rootward_testkit import BINARY, TIMEOUT, Server, get


def run(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=TIMEOUT)


def one_clear_line(done):
    lines = [line for line in done.stderr.splitlines() if line.startswith("rootward:")]
    assert done.returncode == 3 and len(lines) == 1 and "panicked" not in done.stderr, done.stderr
    return lines[0]


def test_health_and_metrics_answer(server, account):
    account.iam.list_users()
    health = get(server, "/_rootward/health")
    assert health.status == 200 and json.loads(health.text)
    metrics = get(server, "/_rootward/metrics")
    assert metrics.status == 200 and "# TYPE" in metrics.text


def test_taken_port_is_named(server, tmp_path):
    line = one_clear_line(run("serve", "--listen", f"127.0.0.1:{server.port}", "--data", tmp_path / "data"))
    assert str(server.port) in line
    assert not list(tmp_path.iterdir()), "a start that fails for its port makes no folder and no key"


def test_folder_of_another_server_is_refused(server):
    line = one_clear_line(run("serve", "--listen", "127.0.0.1:0", "--data", server.data))
    assert str(server.data) in line


def test_wrong_key_file_is_refused(tmp_path):
    server = Server(tmp_path).start()
    server.stop()
    key = tmp_path / "data.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    good = key.read_bytes()
    for bad in (b"", b"short", bytes(len(good))):
        key.write_bytes(bad)
        assert "key" in one_clear_line(run("serve", "--listen", "127.0.0.1:0", "--data", server.data))
    key.unlink()
    assert "key" in one_clear_line(run("serve", "--listen", "127.0.0.1:0", "--data", server.data))
    assert not key.exists(), "a new key file next to old data would make every secret unreadable for good"
    key.write_bytes(good)
    key.chmod(0o600)
    server.start().stop()


def test_first_start_says_to_back_up_the_key_file(tmp_path):
    server = Server(tmp_path).start()
    server.stop()
    said = server.log.read_text().lower()
    assert "data.key" in said and ("back" in said)


def test_operator_socket_is_for_its_owner_alone(server):
    sockets = [file for file in server.data.rglob("*") if stat.S_ISSOCK(file.lstat().st_mode)]
    assert [stat.S_IMODE(file.lstat().st_mode) for file in sockets] == [0o600]


def test_silent_client_of_the_operator_socket_keeps_no_command_waiting(server):
    silent = [socket.socket(socket.AF_UNIX) for _ in range(5)]
    for connection in silent:
        connection.connect(str(server.data / "operator.sock"))
    began = time.monotonic()
    server.host("trail", "tail", "-n", "1")
    assert time.monotonic() - began < 5
    for connection in silent:
        connection.close()


def test_host_commands_work_without_a_server(tmp_path):
    server = Server(tmp_path)
    account = server.account()
    records = server.trail()
    assert records and json.loads(server.host("trail", "verify", "--format", "json"))["whole"] is True
    server.start()
    assert account.sts.get_caller_identity()["Account"] == account.account
    server.stop()


def test_told_to_stop_in_its_first_moment_it_ends_cleanly(tmp_path):
    for _ in range(20):
        Server(tmp_path, sandbox=True).start().stop()


def test_requests_under_way_are_finished_when_it_is_told_to_stop(tmp_path):
    server = Server(tmp_path).start()
    account = server.account()
    clients = [server.client("iam", account.credentials) for _ in range(4)]
    acknowledged, enough, stopping = [], threading.Event(), threading.Event()

    def write(number):
        for turn in range(10_000):
            name = f"u{number}-{turn}"
            try:
                clients[number].create_user(UserName=name)
            except Exception:
                assert stopping.is_set()
                return
            acknowledged.append(name)
            if len(acknowledged) >= 100:
                enough.set()

    threads = [threading.Thread(target=write, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    assert enough.wait(TIMEOUT)
    stopping.set()
    server.stop()
    for thread in threads:
        thread.join()
    server.start()
    kept = {user["UserName"] for page in account.iam.get_paginator("list_users").paginate() for user in page["Users"]}
    assert set(acknowledged) <= kept
    server.check_trail()
    server.stop()


def test_slow_client_does_not_keep_it_from_stopping_nor_others_from_being_served(tmp_path):
    server = Server(tmp_path).start()
    account = server.account()
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    for connection in slow:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le")
    account.iam.list_users()
    for connection in slow:
        connection.close()
    server.stop()


def test_connections_leave_file_descriptors_for_its_own_work(tmp_path):
    limited = ("sh", "-c", 'ulimit -Sn 40 && ulimit -Hn 120 && exec "$@"', "sh")
    server = Server(tmp_path, wrapper=limited).start()
    account = server.account()
    account.iam.list_users()
    crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(200)]
    time.sleep(2)
    account.iam.create_user(UserName="on-a-connection-from-before")
    assert server.trail()[-1]["eventName"] == "CreateUser", "a host command works too"
    for connection in crowd:
        connection.close()
    account.user()
    server.stop()
    log = server.log.read_text()
    assert "at most 60 connections" in log and log.count("cannot accept") == 0, log


def test_wrong_call_exits_2():
    for arguments in (["serve", "--nonsense"], ["serve", "--seed", "1"], ["nonsense"], ["account", "create"]):
        assert run(*arguments).returncode == 2
