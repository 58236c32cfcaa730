"""Mail by SMTP, in a thread of its own. What the server takes is sent; that somebody read it nobody knows.

`smtps://user:password@host:465?from=alarm@city.example`, or `smtp://host:587?from=...&tls=start` (`tls=no` for a server on this machine).
"""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

from dispatch.notify.channels import LIMITS, Channel
from dispatch.notify.ways.way import NeverWorks, Outgoing, Sent, TryAgain
from hoistway.errors import BadInput

EXPECTED: Final = "smtps://user:password@host:465?from=alarm@city.example, or smtp:// with tls=start or tls=no"
_TLS: Final = frozenset({"start", "no"})


@dataclass(frozen=True, kw_only=True, slots=True)
class MailServer:
    """Where mail goes."""

    host: str
    port: int
    sender: str
    implicit_tls: bool
    start_tls: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def parse(cls, url: str) -> MailServer:
        """Raises `BadInput`, which does not repeat the address: it holds the password."""
        try:
            parts = urlsplit(url)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            secure = parts.scheme == "smtps"
            tls = query.get("tls", "start")
            sender = query.get("from", "")
            if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or "@" not in sender or tls not in _TLS:
                raise BadInput("cannot be used", where="HOISTWAY_SMTP_URL", expected=EXPECTED)
            return cls(
                host=parts.hostname,
                port=parts.port or (465 if secure else 587),
                sender=sender,
                implicit_tls=secure,
                start_tls=not secure and tls == "start",
                user=unquote(parts.username or ""),
                password=unquote(parts.password or ""),
            )
        except ValueError as error:
            raise BadInput("not an address", where="HOISTWAY_SMTP_URL", expected=EXPECTED) from error


class MailWay:
    """One mail server."""

    def __init__(self, server: MailServer) -> None:
        self._server = server

    async def send(self, message: Outgoing) -> Sent:
        letter = self._letter(message)
        try:
            said = await asyncio.to_thread(self._deliver, letter)
        except smtplib.SMTPRecipientsRefused as error:
            raise _by_code(next(iter(error.recipients.values()))[0], "the server refuses the address") from error
        except smtplib.SMTPResponseException as error:
            raise _by_code(error.smtp_code, "the server refuses the mail") from error
        except smtplib.SMTPException as error:
            raise TryAgain(type(error).__name__) from error
        return Sent(said=said)

    def _letter(self, message: Outgoing) -> EmailMessage:
        letter = EmailMessage(policy=SMTP)
        if not parseaddr(message.address)[1] or not message.address.isprintable():
            raise NeverWorks("not a mail address")
        letter["From"], letter["To"] = self._server.sender, message.address
        letter["Subject"] = "".join(sign for sign in message.title if sign.isprintable())
        letter["Message-ID"] = f"<{message.key}@hoistway.invalid>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(message.whole + "\n")
        return letter

    def _deliver(self, letter: EmailMessage) -> str:
        server, timeout = self._server, LIMITS[Channel.MAIL].timeout_s
        tls = ssl.create_default_context()
        opened = (
            smtplib.SMTP_SSL(server.host, server.port, timeout=timeout, context=tls)
            if server.implicit_tls
            else smtplib.SMTP(server.host, server.port, timeout=timeout)
        )
        with opened as line:
            if server.start_tls:
                line.starttls(context=tls)
            if server.user:
                line.login(server.user, server.password)
            line.send_message(letter)
        return "250"


def _by_code(code: int, why: str) -> TryAgain | NeverWorks:
    """4xx: later; 5xx: never."""
    words = f"{why}: {code}"
    return NeverWorks(words) if code >= 500 else TryAgain(words)
