"""Receivers of alerts, and how a server is told of them."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from rootward_testkit import fresh

# Alerts arrive within a second (bench/run.sh alerts); a busy machine gets more time.
PATIENCE = 20


class Hook:
    """A receiver of webhooks that keeps every request and answers with `status`."""

    def __init__(self, port=0, status=204, tls=None):
        self.requests, self.status, self.changed = [], status, threading.Condition()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with hook.changed:
                    hook.requests.append((self.path, dict(self.headers), body, hook.status))
                    hook.changed.notify_all()
                self.send_response(hook.status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}/hook/not-for-logs"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def taken(self):
        with self.changed:
            return [json.loads(body) for _, _, body, status in self.requests if status < 300]

    def wait(self, name):
        """The first event of this name that it took."""
        return wait_for(lambda: next((event for event in self.taken() if event["data"]["eventName"] == name), None))


def wait_for(found):
    deadline = time.monotonic() + PATIENCE
    while not (value := found()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.01)
    return value


@contextmanager
def target(server, url, *options, name=None):
    name = name or fresh("target")
    made = json.loads(server.host("alerts", "add", name, "--webhook", url, *options))
    yield made
    server.host("alerts", "remove", name)
