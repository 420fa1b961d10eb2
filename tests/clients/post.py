"""A mail server that real clients of SMTP write to."""

import time
from email import message_from_bytes, policy as email_policy

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

from rootward_testkit import free_port

# The node tries again after half a minute at most; a busy machine gets more time.
PATIENCE = 60


class Mailbox:
    """What a mail server has taken: sender, recipients and message of each mail."""

    def __init__(self):
        self.mails = []

    def wait(self, to, subject, after=0):
        """The first mail of this subject to this address behind the first `after` of all."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for _, recipients, message in self.mails[after:]:
                if recipients == [to] and subject in message["Subject"]:
                    return message
            assert time.monotonic() < deadline, f"no mail came: {self.mails}"
            time.sleep(0.01)

    async def handle_DATA(self, _server, _session, envelope):
        message = message_from_bytes(envelope.content, policy=email_policy.default)
        self.mails.append((envelope.mail_from, envelope.rcpt_tos, message))
        return "250 OK"


class Post(Controller):
    """A mail server that wants its user to sign in, if there is one."""

    def __init__(self, mailbox, user=None, password=None, tls=None, starttls=None, port=None):
        self.user, self.starttls = (user, password), starttls
        super().__init__(mailbox, hostname="127.0.0.1", port=port or free_port(), ssl_context=tls)

    def factory(self):
        def authenticate(_server, _session, _envelope, _mechanism, given):
            return AuthResult(success=(given.login.decode(), given.password.decode()) == self.user)

        wanted = self.user[0] is not None
        return SMTP(self.handler, authenticator=authenticate, auth_required=wanted, auth_require_tls=False,
                    tls_context=self.starttls)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()
