"""TLS, HTTP/2, and what a node takes from a client that is slow, large or broken."""

import base64
import hashlib
import json
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
from pathlib import Path

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import hpack
import httpx
import pytest
import trustme
from botocore.exceptions import SSLError
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, SettingsFrame

import console_client as console
from browser import browser
from rootward_testkit import BINARY, FORM, TIMEOUT, Like, Server, allow, deny, fresh, get, refused

WHO_AM_I = "Action=GetCallerIdentity&Version=2011-06-15"


class Certificates:
    """An authority, and the two files that the server reads."""

    def __init__(self, folder):
        self.authority = trustme.CA()
        self.certificate, self.key, self.trusted = (folder / name for name in ("tls.pem", "tls.key", "ca.pem"))
        self.authority.cert_pem.write_to_path(self.trusted)
        self.issue()

    def issue(self):
        """Puts a new certificate and key in place."""
        made = self.authority.issue_cert("127.0.0.1", "localhost")
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        self.key.write_bytes(made.private_key_pem.bytes())
        return made

    @property
    def arguments(self):
        return "--tls-cert", str(self.certificate), "--tls-key", str(self.key)

    @property
    def public_key(self):
        """SHA-256 of the public key, as Chromium is told to trust it."""
        key = x509.load_pem_x509_certificate(self.certificate.read_bytes()).public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(hashlib.sha256(encoded).digest()).decode()

    def trust(self):
        return ssl.create_default_context(cafile=self.trusted)


def tls_server(folder):
    certificates = Certificates(folder)
    server = Server(folder, *certificates.arguments, authority=str(certificates.trusted))
    server.certificates = certificates
    return server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = tls_server(tmp_path_factory.mktemp("tls")).start()
    yield server
    try:
        server.check_trail()
    finally:
        server.stop()


def connect(server, context=None, alpn=()):
    """A TLS connection with the certificate verified."""
    context = context or server.certificates.trust()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    plain = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
    return context.wrap_socket(plain, server_hostname="127.0.0.1")


def served(server):
    """The certificate that a new connection is shown."""
    with connect(server) as connection:
        return connection.getpeercert(binary_form=True)


def leaf(path):
    return ssl.PEM_cert_to_DER_cert(path.read_text().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n")


def signed(server, credentials, body=WHO_AM_I):
    """Headers and body of a signed call of STS."""
    request = botocore.awsrequest.AWSRequest("POST", server.url + "/", data=body, headers={"Content-Type": FORM})
    request.headers["Host"] = f"127.0.0.1:{server.port}"
    known = botocore.credentials.Credentials(*credentials)
    botocore.auth.SigV4Auth(known, "sts", "us-east-1").add_auth(request)
    return dict(request.headers), body


def head(headers, body, **more):
    lines = ["POST / HTTP/1.1", *(f"{name}: {value}" for name, value in {**headers, **more}.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()


def answer(connection):
    """Everything until the server closes the connection."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except (ConnectionResetError, ssl.SSLError):
        pass
    return received.decode(errors="replace")


class Http2:
    """HTTP/2 frame by frame, on an open connection.

    httpx will not do for a server that ends: its h2 takes the first GOAWAY for the end of the connection and refuses
    the PING after it, while RFC 9113, 6.8 lets streams finish and has the server announce the end in just this way.
    """

    PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    def __init__(self, connection):
        self.connection, self.incoming = connection, connection.makefile("rb")
        connection.sendall(self.PREFACE)
        self.send(SettingsFrame(0))

    def send(self, *frames):
        self.connection.sendall(b"".join(frame.serialize() for frame in frames))

    def frames(self):
        """What the server sends until it closes the connection; what asks for an acknowledgement gets one."""
        while start := self.incoming.read(9):
            frame, length = Frame.parse_frame_header(memoryview(start))
            frame.parse_body(memoryview(self.incoming.read(length)))
            if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
                self.send(SettingsFrame(0, flags=["ACK"]))
            elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
                self.send(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))
            yield frame

    def settle(self):
        """Waits until the server has taken what was sent so far: it answers a ping after what came before it."""
        self.send(PingFrame(0, opaque_data=b"received"))
        next(frame for frame in self.frames() if isinstance(frame, PingFrame) and "ACK" in frame.flags)


def until(condition):
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# Connections


def test_health_is_answered_over_tls(server):
    assert json.loads(get(server, "/_rootward/health").text)["status"] == "ready"


def test_boto3_works_over_tls_and_verifies_the_certificate(server, account):
    assert account.sts.get_caller_identity()["Arn"] == account.arn
    account.iam.create_user(UserName="over-tls")
    trustme.CA().cert_pem.write_to_path(server.folder / "other.pem")
    mistrusted = Server(server.folder, authority=str(server.folder / "other.pem"))
    mistrusted.port = server.port
    with pytest.raises(SSLError):
        mistrusted.client("sts", account.credentials).get_caller_identity()


def test_policies_see_whether_tls_protects_a_request(account):
    secure = {"Bool": {"aws:SecureTransport": "false"}}
    user = account.user(allow("iam:*"), deny("*", **secure))
    user.iam.list_users()
    user = account.user(allow("iam:*"), deny("*", Bool={"aws:SecureTransport": "true"}))
    with refused("AccessDenied"):
        user.iam.list_users()


def test_trail_holds_version_and_cipher(server, account):
    record = server.record(account.iam.list_users())
    assert record["tlsDetails"] == {
        "tlsVersion": "TLSv1.3", "cipherSuite": Like("TLS_(AES|CHACHA20)_.*"),
        "clientProvidedHostHeader": f"127.0.0.1:{server.port}",
    }


@pytest.mark.parametrize(("version", "shown"), [("TLSv1_2", "TLSv1.2"), ("TLSv1_3", "TLSv1.3")])
def test_tls_1_2_and_1_3_are_served_and_recorded(server, account, version, shown):
    context = server.certificates.trust()
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    headers, body = signed(server, account.credentials)
    with connect(server, context) as connection:
        assert connection.version() == shown
        connection.sendall(head(headers, body, Connection="close") + body.encode())
        told = answer(connection)
    assert told.startswith("HTTP/1.1 200") and account.arn in told
    request = told.lower().split("x-amzn-requestid: ")[1].split("\r\n")[0]
    [record] = server.records(of=request)
    assert record["tlsDetails"]["tlsVersion"] == shown


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_tls_1_1_is_refused(server):
    context = server.certificates.trust()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError, match="_ALERT_"):  # the server refuses, not the client
        connect(server, context)


def test_plain_http_on_the_tls_port_gets_no_answer(server):
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as connection:
        connection.sendall(b"GET /_rootward/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert "HTTP/1.1" not in answer(connection)
    assert server.is_healthy()


def test_http_2_carries_many_calls_at_once_on_one_connection(server, account):
    one = httpx.Limits(max_connections=1)
    with httpx.Client(http2=True, verify=server.certificates.trust(), timeout=TIMEOUT, limits=one) as client:
        answers = []

        def call():
            headers, body = signed(server, account.credentials)
            answers.append(client.post(server.url + "/", headers=headers, content=body))

        threads = [threading.Thread(target=call) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {(told.http_version, told.status_code) for told in answers} == {("HTTP/2", 200)}
    assert len(answers) == 20 and all(account.arn in told.text for told in answers)


def test_http_2_signature_covers_the_authority(server, account):
    headers, body = signed(server, account.credentials)
    headers["Host"] = f"localhost:{server.port}"
    with httpx.Client(http2=True, verify=server.certificates.trust(), timeout=TIMEOUT) as client:
        told = client.post(server.url + "/", headers=headers, content=body)
    assert (told.http_version, told.status_code) == ("HTTP/2", 403) and "SignatureDoesNotMatch" in told.text


def test_trail_holds_the_host_that_an_http_2_client_names(server, account):
    headers, body = signed(server, account.credentials)
    host = headers.pop("Host")
    with httpx.Client(http2=True, verify=server.certificates.trust(), timeout=TIMEOUT) as client:
        told = client.post(server.url + "/", headers=headers, content=body)
    assert (told.http_version, told.status_code) == ("HTTP/2", 200)
    [record] = server.records(of=told.headers["x-amzn-requestid"])
    assert record["tlsDetails"]["clientProvidedHostHeader"] == host


# The console


def knock(server, account, name, **headers):
    """A form of the console over HTTP/2, from a page of this origin."""
    base, trust = f"https://localhost:{server.port}", server.certificates.trust()
    with httpx.Client(http2=True, verify=trust, timeout=TIMEOUT, base_url=base, headers={"user-agent": "test", **headers}) as http:
        return console.knock(http, account, name)


def test_form_of_the_console_is_taken_over_http_2_from_its_own_page_only(server, account):
    name = fresh("person")
    console.person(account, name)
    told = knock(server, account, name, origin=f"https://localhost:{server.port}")
    assert told.http_version == "HTTP/2" and console.is_in(told), told.text
    for foreign in ("https://evil.example", f"https://localhost:{server.port + 1}", "null"):
        told = knock(server, account, name, origin=foreign)
        assert told.http_version == "HTTP/2" and told.status_code == 403 and not console.is_in(told)


def test_people_sign_in_over_tls_with_a_passkey(server, account):
    name = fresh("person")
    console.person(account, name, allow("*"))
    base = f"https://localhost:{server.port}"
    with browser(base, trusted_key=server.certificates.public_key) as page:
        page.add_authenticator()
        page.open("/console/sign-in").fill(account=account.account, name=name, password=console.PASSWORD).press("Sign in")
        protocol = "return performance.getEntriesByType('navigation')[0].nextHopProtocol"
        assert page.driver.execute_script(protocol) == "h2"
        page.open("/console/security/register").press("Register a passkey").wait_for("Security credentials")
        page.press("Sign out").open("/console/sign-in")
        page.fill(account=account.account, name=name, password=console.PASSWORD).press("Sign in")
        page.press("Use a passkey or security key").wait_until(lambda: page.path == "/console")
        assert page.complaints() == []


def test_client_chooses_the_protocol(server):
    for offered, chosen in ((["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1"), ([], None)):
        with connect(server, alpn=offered) as connection:
            assert connection.selected_alpn_protocol() == chosen


# Limits


def test_http_2_body_over_the_limit_is_refused_with_an_answer(server):
    with httpx.Client(http2=True, verify=server.certificates.trust(), timeout=TIMEOUT) as client:
        told = client.post(server.url + "/", headers={"Content-Type": FORM}, content=b"x" * ((1 << 20) + 1))
        assert (told.http_version, told.status_code) == ("HTTP/2", 413) and "RequestEntityTooLarge" in told.text
        assert client.get(server.url + "/_rootward/health").status_code == 200


LARGE = {"x-filler": "x" * 70_000}, {f"x-filler-{n}": "x" * 100 for n in range(700)}


def test_http_2_head_over_64_kib_is_refused(server):
    health = server.url + "/_rootward/health"
    with httpx.Client(http2=True, verify=server.certificates.trust(), timeout=TIMEOUT) as client:
        for headers in LARGE:
            assert client.get(health, headers={"x-filler": "x" * 32_000}).status_code == 200
            assert client.get(health, headers=headers).status_code == 431


def test_http_1_head_over_64_kib_is_refused(server):
    health = server.url + "/_rootward/health"
    with httpx.Client(verify=server.certificates.trust(), timeout=TIMEOUT) as client:
        for headers in LARGE:
            assert client.get(health, headers={"x-filler": "x" * 32_000}).status_code == 200
            try:
                assert client.get(health, headers=headers).status_code == 431
            except (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError):
                pass  # what it sends beyond the limit is not read, so the closing connection may reset the answer


def test_http_1_head_is_refused_at_64_kib_without_waiting_for_its_end(server):
    with connect(server) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Filler: ".ljust(64 * 1024, b"x"))
        assert answer(connection).startswith("HTTP/1.1 431 ")


@pytest.mark.parametrize("http2", [False, True])
def test_head_of_more_than_a_hundred_fields_is_refused(server, http2):
    health = server.url + "/_rootward/health"
    with httpx.Client(http2=http2, verify=server.certificates.trust(), timeout=TIMEOUT) as client:
        assert client.get(health, headers={f"x-{n}": "" for n in range(80)}).status_code == 200
        assert client.get(health, headers={f"x-{n}": "" for n in range(120)}).status_code == 431


def test_http_1_answers_to_good_requests_reach_a_client_whose_next_one_is_malformed(server):
    good = b"GET /_rootward/health HTTP/1.1\r\nHost: x\r\n\r\n"
    with connect(server) as connection:
        connection.sendall(good + good + b"nonsense\r\n\r\n")
        told = answer(connection)
    assert told.count("HTTP/1.1 200 ") == 2 and told.count("HTTP/1.1 400 ") == 1


def flood(connection, seconds):
    """Pipelines requests without reading an answer, until the server closes the connection; whether it did in time."""
    connection.settimeout(0.5)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            connection.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000)
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


def memory(server):
    """Resident memory of the server, in MiB."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def test_answers_that_are_not_read_do_not_pile_up_in_memory(server):
    before = memory(server)
    with connect(server) as connection:
        assert not flood(connection, 5), "it is waited for a while"
        assert memory(server) - before < 20


def test_slow_clients_are_cut_off_while_others_are_served(server, account):
    """A head and a body that trickle, a handshake that stops, answers that are not read: each ends at its limit, and nobody
    else waits."""
    ended = {}

    def watch(name, connection, *, drip=None):
        began = time.monotonic()
        connection.settimeout(0.5)
        while time.monotonic() - began < 60:
            try:
                if drip:
                    connection.sendall(drip)
                part = connection.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                part = b""
            ended[name] = (time.monotonic() - began, part.decode())
            return
        ended[name] = (time.monotonic() - began, "still open")

    def watch_unread(name, connection):
        began = time.monotonic()
        closed = flood(connection, 60)
        ended[name] = (time.monotonic() - began, "" if closed else "still open")

    slow_head = connect(server)
    slow_head.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-Filler: ")
    slow_body = connect(server)
    headers, body = signed(server, account.credentials)
    slow_body.sendall(head(headers, body + " " * 1_000))
    handshake = socket.create_connection(("127.0.0.1", server.port), TIMEOUT)
    handshake.sendall(b"\x16\x03\x01\x02\x00")
    unread = connect(server)
    threads = [
        threading.Thread(target=watch, args=["head", slow_head], kwargs={"drip": b"x"}),
        threading.Thread(target=watch, args=["body", slow_body], kwargs={"drip": b"x"}),
        threading.Thread(target=watch, args=["handshake", handshake]),
        threading.Thread(target=watch_unread, args=["unread", unread]),
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        began = time.monotonic()
        account.sts.get_caller_identity()
        assert time.monotonic() - began < 5
        time.sleep(1)
    for connection in (slow_head, slow_body, handshake, unread):
        connection.close()
    seconds = {name: after for name, (after, _) in ended.items()}
    assert 8 < seconds["handshake"] < 15 and 28 < seconds["head"] < 40 and 28 < seconds["body"] < 40, ended
    assert 28 < seconds["unread"] < 45, ended
    assert ended["head"][1] == "" or " 408 " in ended["head"][1]
    assert " 408 " in ended["body"][1] and "RequestTimeout" in ended["body"][1], ended


# Reloading


def test_hangup_serves_the_new_certificate_and_keeps_open_connections(tmp_path):
    server = tls_server(tmp_path).start()
    account, certificates = server.account(), server.certificates
    headers, body = signed(server, account.credentials)
    old = connect(server)
    before = served(server)
    assert before == leaf(certificates.certificate)
    certificates.issue()
    assert served(server) == before, "the files are read when told, not before"
    server.process.send_signal(signal.SIGHUP)
    until(lambda: served(server) == leaf(certificates.certificate))
    assert account.sts.get_caller_identity()["Arn"] == account.arn
    old.sendall(head(headers, body, Connection="close") + body.encode())
    assert answer(old).startswith("HTTP/1.1 200")
    server.stop()


def test_broken_files_keep_the_certificate_in_use(tmp_path):
    server = tls_server(tmp_path).start()
    certificates = server.certificates
    before, chain, key = served(server), certificates.certificate.read_bytes(), certificates.key.read_bytes()

    def hang_up():
        told = server.log.read_text().count("certificates not reloaded")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.log.read_text().count("certificates not reloaded") > told)
        assert served(server) == before

    for broken in (b"", b"nonsense", chain[: len(chain) // 3]):
        certificates.certificate.write_bytes(broken)
        hang_up()
    certificates.certificate.unlink()
    hang_up()
    certificates.certificate.write_bytes(chain)
    for broken in (b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"):
        certificates.key.write_bytes(broken)
        hang_up()
    certificates.issue()
    certificates.certificate.write_bytes(chain)  # a key that is not this certificate's
    hang_up()
    certificates.key.write_bytes(key)
    assert server.is_healthy() and b"PRIVATE" not in server.log.read_bytes()
    certificates.issue()
    server.process.send_signal(signal.SIGHUP)
    until(lambda: served(server) == leaf(certificates.certificate))
    server.stop()


def test_hangup_without_tls_does_nothing(tmp_path):
    server = Server(tmp_path).start()
    for times in (1, 2):
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.log.read_text().count("no certificates to reload") == times)
    assert server.is_healthy()
    server.stop()


# Ending


def test_http_1_request_under_way_is_answered_after_it_is_told_to_stop(tmp_path):
    server = tls_server(tmp_path).start()
    account = server.account()
    headers, body = signed(server, account.credentials)
    with connect(server) as connection:
        connection.sendall(head(headers, body, Expect="100-continue"))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 "), "it has the head and waits for the body"
        connection.sendall(body[:10].encode())
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not server.is_healthy())  # it takes no new connection
        connection.sendall(body[10:].encode())
        told = answer(connection)
    server.stop()
    assert told.startswith("HTTP/1.1 200") and account.arn in told
    assert is_on_record(server, told.lower().split("x-amzn-requestid: ")[1].split("\r\n")[0])


def test_http_2_request_under_way_is_answered_after_it_is_told_to_stop(tmp_path):
    server = tls_server(tmp_path).start()
    account = server.account()
    headers, body = signed(server, account.credentials)
    pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", headers.pop("Host")), (":path", "/")]
    fields = pseudo + [(name.lower(), value) for name, value in headers.items()]
    with connect(server, alpn=["h2"]) as connection:
        client, told = Http2(connection), b""
        client.send(HeadersFrame(1, data=hpack.Encoder().encode(fields), flags=["END_HEADERS"]))
        client.send(DataFrame(1, data=body[:10].encode()))
        client.settle()
        server.process.send_signal(signal.SIGTERM)
        until(lambda: not server.is_healthy())
        farewell = next(frame for frame in client.frames() if isinstance(frame, GoAwayFrame))
        assert (farewell.error_code, farewell.last_stream_id) == (0, (1 << 31) - 1), "no stream is cut off"
        client.send(DataFrame(1, data=body[10:].encode(), flags=["END_STREAM"]))
        for frame in client.frames():
            if isinstance(frame, HeadersFrame):
                shown = dict(hpack.Decoder().decode(frame.data))
            elif isinstance(frame, DataFrame):
                told += frame.data
    server.stop()
    assert shown[":status"] == "200" and account.arn in told.decode()
    assert is_on_record(server, shown["x-amzn-requestid"])


def is_on_record(server, request):
    return any(record.get("requestID") == request for record in server.trail())


def test_idle_connections_do_not_hold_up_the_end(tmp_path):
    server = tls_server(tmp_path).start()
    idle = [connect(server, alpn=[protocol]) for protocol in ("h2", "http/1.1") for _ in range(5)]
    idle[-1].sendall(b"GET /_rootward/health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert idle[-1].recv(65536).startswith(b"HTTP/1.1 200")
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
    for connection in idle:
        connection.close()


# Starts that fail


def start(*arguments):
    """One line on standard error and exit status 3; the line."""
    command = [BINARY, "serve", "--listen", "127.0.0.1:0", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
    lines = [line for line in done.stderr.splitlines() if line.startswith("rootward:")]
    assert done.returncode == 3 and len(lines) == 1 and "panicked" not in done.stderr, done.stderr
    return lines[0]


def test_unusable_tls_files_are_named_and_nothing_is_made(tmp_path):
    good, other = Certificates(tmp_path), trustme.CA().issue_cert("127.0.0.1")
    (tmp_path / "empty").write_bytes(b"")
    other.private_key_pem.write_to_path(tmp_path / "other.key")
    for certificate, key, named in (
        (tmp_path / "absent.pem", good.key, "absent.pem"),
        (good.certificate, tmp_path / "absent.key", "absent.key"),
        (tmp_path / "empty", good.key, "empty"),
        (good.certificate, tmp_path / "empty", "empty"),
        (good.certificate, tmp_path / "other.key", "other.key"),
        (tmp_path, good.key, f"{tmp_path}: "),
    ):
        line = start("--data", tmp_path / "data", "--tls-cert", certificate, "--tls-key", key)
        assert named in line, line
    assert not (tmp_path / "data").exists() and not (tmp_path / "data.key").exists()


def test_one_tls_file_without_the_other_is_a_wrong_call(tmp_path):
    files = Certificates(tmp_path)
    for arguments in (files.arguments[:2], files.arguments[2:]):
        command = [BINARY, "serve", "--data", tmp_path / "data", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 2 and "--tls-" in done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The data folder of a server that has stopped, with an account in it."""
    server = Server(tmp_path_factory.mktemp("stopped")).start()
    server.account()
    server.stop()
    return server.data


@pytest.fixture
def data(folder, tmp_path):
    """A copy of it, with its key file."""
    copy = tmp_path / "data"
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("*.sock"))
    shutil.copy2(folder.with_name("data.key"), tmp_path / "data.key")
    return copy


def test_key_file_that_others_may_read_is_refused_with_the_remedy(data):
    key = data.with_name("data.key")
    for mode in (0o640, 0o604, 0o660, 0o777):
        key.chmod(mode)
        line = start("--data", data)
        assert f"chmod 600 {key}" in line and f"{mode:04o}" in line
    key.chmod(0o400)
    Server(data.parent).start().stop()


def test_key_file_of_another_folder_is_refused(data, tmp_path):
    other = Server(tmp_path, data="other").start()
    other.stop()
    line = start("--data", data, "--key-file", tmp_path / "other.key")
    assert "key" in line and "state.redb" in line
    assert "does not exist" in start("--data", data, "--key-file", tmp_path / "absent.key")


def test_log_of_a_newer_version_is_refused(data):
    with sqlite3.connect(data / "trail.sqlite") as log:
        log.execute("PRAGMA user_version = 99")
    log.close()
    line = start("--data", data)
    assert "audit log" in line and "99" in line


def test_damaged_state_is_refused(data):
    state = data / "state.redb"
    content = state.read_bytes()
    for damaged in (b"", b"not a database" * 1_000, content[: len(content) // 2]):
        state.write_bytes(damaged)
        assert "state.redb" in start("--data", data)
    state.write_bytes(content)
    Server(data.parent).start().stop()


def test_state_without_its_log_is_refused(data):
    for file in data.glob("trail.sqlite*"):
        file.unlink()
    assert "audit log" in start("--data", data)


def test_folder_that_is_a_file_or_cannot_be_written_is_named(tmp_path):
    (tmp_path / "data").write_text("a file")
    assert str(tmp_path / "data") in start("--data", tmp_path / "data")
    assert "/proc/rootward" in start("--data", "/proc/rootward/data", "--key-file", tmp_path / "key")
