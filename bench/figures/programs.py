"""The programs that take part: started, probed, loaded, measured and stopped.

Every server listens on a free loopback port and is stopped with SIGTERM, as an operator would.
"""

import http.client
import json
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.parse
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60
SETTLE_SECONDS_MAX = 60
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


class Missing(Exception):
    """Something that the measurement needs did not work; the text says what."""


class Server:
    """A running server and how long it took to its first healthy answer."""

    def __init__(self, command: list[str], port: int, probe: str, log: Path):
        self.port = port
        self.key: Path | None = None
        with open(log, "ab") as output:
            begun = time.perf_counter()
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.log = log
        try:
            self._await(probe, begun)
        except BaseException:
            self.process.kill()
            raise
        self.start_ms = (time.perf_counter() - begun) * 1000

    def _await(self, probe: str, begun: float) -> None:
        while not healthy(self.port, probe):
            if self.process.poll() is not None:
                raise Missing(f"{self.process.args[0]} ended with {self.process.returncode}, see {self.log}")
            if time.perf_counter() - begun > START_SECONDS_MAX:
                raise Missing(f"{self.process.args[0]} gave no healthy answer, see {self.log}")
            time.sleep(0.0002)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def resident_mib(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024

    def settle(self) -> float:
        """Waits until the server uses no processor, and says for how many seconds it still did: work that it put off
        is work, and must not disturb what is measured next."""
        begun, before = time.monotonic(), self._cpu_seconds()
        while time.monotonic() - begun < SETTLE_SECONDS_MAX:
            time.sleep(0.2)
            now = self._cpu_seconds()
            if now - before <= 0.01:
                break
            before = now
        return round(max(0.0, time.monotonic() - begun - 0.2), 1)

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100


def healthy(port: int, probe: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"GET {probe} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Receiver:
    """A receiver of webhooks that notes when each event came."""

    def __init__(self):
        came = self._came = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                event, now = json.loads(self.rfile.read(int(self.headers["Content-Length"]))), time.time()
                self.send_response_only(204)
                self.end_headers()
                came.append((event["data"]["eventName"], now * 1000 - int(event["id"].replace("-", "")[:12], 16)))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def waits(self, name: str, count: int) -> list[float]:
        """How many milliseconds after their calls the events of this name came, once there are that many."""
        begun = time.monotonic()
        while len(waits := [wait for found, wait in self._came if found == name]) < count:
            if time.monotonic() - begun > SETTLE_SECONDS_MAX:
                raise Missing(f"{len(waits)} of {count} alerts came")
            time.sleep(0.01)
        return waits


class Visitor:
    """A browser at the console, as far as cookies and forms go."""

    def __init__(self, server: Server):
        self._server, self._cookies = server, {}

    def get(self, path: str) -> tuple[int, bytes]:
        return self._exchange("GET", path)

    def post(self, path: str, **fields: str) -> tuple[int, bytes]:
        return self._exchange("POST", path, urllib.parse.urlencode(fields))

    def form(self, path: str) -> dict:
        """The fields that the page has filled in already."""
        _, page = self.get(path)
        return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.decode()))

    def sign_in(self, account: str, name: str, password: str) -> float:
        """Signs in through the door of IAM users; how many milliseconds the form took."""
        fields = self.form("/console/sign-in") | {"account": account, "name": name, "password": password}
        begun = time.perf_counter()
        status, _ = self.post("/console/sign-in", **fields)
        took = (time.perf_counter() - begun) * 1000
        if status != 303:
            raise Missing(f"{name} could not sign in: {status}")
        return took

    def raw_post(self, path: str, **fields: str) -> bytes:
        """The bytes of a form as this browser would send it."""
        body = urllib.parse.urlencode(fields)
        head = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{self._server.port}", *self._headers(body)]
        return "\r\n".join([*head, "", body]).encode()

    def _headers(self, body: str | None) -> list[str]:
        headers = ["User-Agent: bench", "Accept-Encoding: gzip, br"]
        if self._cookies:
            headers.append("Cookie: " + "; ".join(f"{name}={value}" for name, value in self._cookies.items()))
        if body is not None:
            headers += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        return headers

    def _exchange(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        headers = dict(header.split(": ", 1) for header in self._headers(body))
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        for header in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = header.partition(";")[0].partition("=")
            self._cookies[name] = value
        content = answer.read()
        connection.close()
        return answer.status, content


class Organizer:
    """Root users of a sandbox who call organizations, over one connection. The sandbox takes them at their word."""

    def __init__(self, server: Server):
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def call(self, account: str, operation: str, **parameters) -> tuple[dict, float]:
        """What it answers, and after how many milliseconds."""
        signed = "AWS4-HMAC-SHA256 Credential={}/{}/us-east-1/organizations/aws4_request, SignedHeaders=host;x-amz-date, Signature={}"
        headers = {
            "Authorization": signed.format(account, time.strftime("%Y%m%d", time.gmtime()), "0" * 64),
            "X-Amz-Date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AWSOrganizationsV20161128.{operation}",
        }
        begun = time.perf_counter()
        self._connection.request("POST", "/", json.dumps(parameters), headers)
        answer = self._connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - begun) * 1000
        if answer.status != 200:
            raise Missing(f"{operation} failed: {answer.status} {content.decode()}")
        return json.loads(content or "{}"), took


@dataclass
class Bench:
    """Where the programs are, and a folder on the disk that is measured; it is removed at the end."""

    rootward: Path
    bench: Path
    venv: Path
    folder: Path

    @classmethod
    def prepare(cls, rootward: Path, bench: Path, venv: Path):
        bench.mkdir(parents=True, exist_ok=True)
        return cls(rootward, bench, venv, Path(tempfile.mkdtemp(prefix="figures-", dir=bench)))

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # Servers

    def sandbox(self) -> Server:
        return self._rootward("--sandbox")

    def node(self, data: "Data") -> Server:
        server = self._rootward("--data", str(data.folder))
        server.key = data.key
        return server

    def _rootward(self, *state: str) -> Server:
        port = free_port()
        command = [str(self.rootward / "rootward"), "serve", "--listen", f"127.0.0.1:{port}", *state]
        return Server(command, port, "/_rootward/health", self.folder / "rootward.log")

    def moto(self) -> Server:
        port = free_port()
        command = [str(self.venv / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
        server = Server(command, port, "/moto-api/", Path("/dev/null"))
        server.key = self.any_key()
        return server

    def floor(self, answer: bytes) -> Server:
        recorded = self.folder / "answer.http"
        recorded.write_bytes(answer)
        port = free_port()
        command = [str(self.bench / "floor"), "--listen", f"127.0.0.1:{port}", "--answer", str(recorded)]
        server = Server(command, port, "/", self.folder / "floor.log")
        server.key = self.any_key()
        return server

    def data(self, name: str) -> "Data":
        """A data folder with one account and an administrator who is not root."""
        folder, password = self.folder / name, self.folder / "password"
        password.write_text("quiet-Otter+27-lanterns\n")
        options = ["--name", "Bench", "--email", "root@example.com", "--password-file", str(password), "--admin", "admin"]
        account = json.loads(self._host(folder, "account", "create", *options))
        return Data(folder, account["AccountId"], self._key(name, account["Admin"]["AccessKey"]))

    def host(self, data: "Data", *command: str) -> str:
        """A host command on a data folder; what it printed."""
        return self._host(data.folder, *command)

    def _host(self, folder: Path, *command: str) -> str:
        done = subprocess.run([str(self.rootward / "rootward"), *command, "--data", str(folder)], capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"rootward {' '.join(command[:2])} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def any_key(self) -> Path:
        """A key that nobody issued, for servers that do not look."""
        return self._key("any", {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "not-a-secret"})

    def issued_key(self, server: Server) -> Path:
        """Makes an administrator in a sandbox, so that the calls after this are verified."""
        server.key = self.any_key()
        self.show(server, "iam:CreateUser", UserName="admin")
        self.show(server, "iam:AttachUserPolicy", UserName="admin", PolicyArn=ADMINISTRATOR)
        answer = self.show(server, "iam:CreateAccessKey", UserName="admin").decode()
        fields = {name: re.search(f"<{name}>(.*?)</{name}>", answer)[1] for name in ("AccessKeyId", "SecretAccessKey")}
        return self._key("sandbox", fields)

    def _key(self, name: str, key: dict) -> Path:
        file = self.folder / f"{name}.key.json"
        file.write_text(json.dumps(key))
        return file

    # Load

    def show(self, server: Server, call: str, **parameters: str) -> bytes:
        """Makes one call and returns the whole answer."""
        return self._load(server, call, parameters, ["--show"])

    def attempts(self, server: Server, request: bytes, per_second: int, seconds: float) -> subprocess.Popen:
        """Begins to send this request at a steady rate, from 64 addresses; `ended` has the report."""
        recorded = str(self._recorded(request))
        command = [str(self.bench / "load"), "--to", f"127.0.0.1:{server.port}", "--request", recorded, "--spread"]
        command += ["--per-second", str(per_second), "--seconds", str(seconds), "--connections", "64", "--expect", "403,429,503"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def answer(self, server: Server, request: bytes) -> bytes:
        """Sends these bytes once and returns the whole answer to a guess that is wrong."""
        command = [str(self.bench / "load"), "--to", f"127.0.0.1:{server.port}", "--request", str(self._recorded(request))]
        done = subprocess.run([*command, "--show", "--expect", "403"], capture_output=True)
        if done.returncode:
            raise Missing(f"a wrong guess was answered by {done.stdout.decode().strip() or done.stderr.decode().strip()}")
        return done.stdout

    def ended(self, attempts: subprocess.Popen) -> dict:
        out, err = attempts.communicate()
        if attempts.returncode:
            raise Missing(f"the attempts failed: {err.decode().strip()}")
        return json.loads(out)

    def load_beside(
        self, server: Server, request: bytes, to: Server, per_second: int, call: str, *options: str
    ) -> tuple[dict, dict]:
        """`load`, while the same thread sends this request `to` a server from 64 addresses: the reports of the calls and of the requests."""
        beside = ["--beside", str(self._recorded(request)), "--beside-per-second", str(per_second)]
        beside += ["--beside-to", f"127.0.0.1:{to.port}"]
        counted = ["--process", str(server.process.pid), *options]
        calls, requests = self._load(server, call, {}, beside + counted).splitlines()
        return json.loads(calls), json.loads(requests)

    def _recorded(self, request: bytes) -> Path:
        recorded = self.folder / "attempt.http"
        recorded.write_bytes(request)
        return recorded

    def hash_cost(self) -> float:
        """Milliseconds of one password hash alone, median."""
        done = subprocess.run([str(self.rootward / "examples" / "hash_cost"), "21"], capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"hash_cost failed: {done.stderr.strip()}")
        return float(done.stdout)

    def organization_cost(self) -> dict:
        """What an organization costs a decision, in process."""
        done = subprocess.run([str(self.rootward / "examples" / "organization_cost"), "101"], capture_output=True, text=True)
        if done.returncode:
            raise Missing(f"organization_cost failed: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def load(self, server: Server, call: str, *options: str, **parameters: str) -> dict:
        """Sends many calls; the report says how many a second, how long they took, what they cost."""
        counted = ["--process", str(server.process.pid), *options]
        return json.loads(self._load(server, call, parameters, counted))

    def _load(self, server: Server, call: str, parameters: dict, options: list[str]) -> bytes:
        command = [str(self.bench / "load"), "--to", f"127.0.0.1:{server.port}", "--key", str(server.key), "--call", call]
        command += [f"--with={name}={value}" for name, value in parameters.items()]
        done = subprocess.run(command + options, capture_output=True)
        if done.returncode:
            raise Missing(f"{call} failed: {done.stderr.decode().strip()} {done.stdout.decode().strip()}")
        return done.stdout

    def create_users(self, server: Server, count: int, connections: int, prefix: str = "user", seconds: float = 600) -> dict:
        """Creates `{prefix}-0` and so on, each once."""
        options = ["--once", "--numbers", f"0..{count}", "--connections", str(connections), "--seconds", str(seconds)]
        return self.load(server, "iam:CreateUser", *options, UserName=prefix + "-{n}")

    def create_and_delete_users(self, server: Server, count: int, connections: int, seconds: float = 30) -> dict:
        """Measures creating users and leaves none of them: the account is afterwards as large as before."""
        report = self.create_users(server, count, connections, "passing", seconds)
        # Sent in order and all answered, so exactly the first ones exist, even when the time was up.
        options = ["--once", "--numbers", f"0..{report['answers']}", "--connections", "64", "--seconds", "600"]
        self.load(server, "iam:DeleteUser", *options, UserName="passing-{n}")
        return report

    def commit_rate(self) -> float:
        """Durable commits a second of the database alone, one client, on the same disk."""
        program = self.rootward / "examples" / "commit_rate"
        done = subprocess.run([str(program), str(self.folder), "floor"], capture_output=True, text=True)
        found = re.search(r"^redb alone, 1 client\s+([\d.]+)/s", done.stdout, re.MULTILINE)
        if done.returncode or not found:
            raise Missing(f"commit_rate failed: {done.stderr.strip()}")
        return float(found[1])


@dataclass
class Data:
    """A data folder and its administrator's key."""

    folder: Path
    account: str
    key: Path
