"""The address of an MQTT broker as one URL: `mqtt://user:password@host:port`, or `mqtts://...?ca=FILE&cert=FILE&key=FILE`.

Pure: text and values. `configure` hands them to a paho client that somebody else made.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from hoistway.errors import BadInput

if TYPE_CHECKING:
    from paho.mqtt.client import Client

FORM: Final = "mqtt://user:password@host:port, or mqtts:// with TLS; ?ca=FILE&cert=FILE&key=FILE"
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_FILES: Final = ("ca", "cert", "key")


@dataclass(frozen=True, kw_only=True, slots=True)
class MqttAddress:
    """Where a broker is and who we are there."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca: str | None = None  # PEM file of who signed the broker's certificate; None: the machine's own list
    cert: str | None = None  # PEM file of our own certificate
    key: str | None = field(default=None, repr=False)  # PEM file of its key; None: in the same file

    @classmethod
    def parse(cls, url: str, *, where: str = "MQTT address") -> Self:
        """The address that `url` writes; raises `BadInput`, which never repeats the password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise BadInput("the port or host is not readable", where=where, expected=FORM) from error
        if parts.scheme not in _PORTS:
            raise BadInput(f"the scheme is {parts.scheme or 'missing'!r}", where=where, expected=FORM)
        if not parts.hostname or parts.path not in ("", "/") or parts.fragment:
            raise BadInput("the host is missing or followed by a path", where=where, expected=FORM)
        if parts.password and not parts.username:
            raise BadInput("a password without a user", where=where, expected=FORM)
        files = dict(parse_qsl(parts.query, keep_blank_values=True))
        if wrong := sorted(set(files) - set(_FILES)):
            raise BadInput(f"unknown option {wrong[0]!r}", where=where, expected=FORM)
        if files and parts.scheme != "mqtts":
            raise BadInput("certificates need mqtts://", where=where, expected=FORM)
        if "key" in files and "cert" not in files:
            raise BadInput("a key without a certificate", where=where, expected=FORM)
        return cls(
            host=parts.hostname,
            port=_PORTS[parts.scheme] if port is None else port,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password is not None else None,
            tls=parts.scheme == "mqtts",
            **files,
        )

    @property
    def url(self) -> str:
        """The same as one URL, with the password: not for logs."""
        person = ""
        if self.user is not None:
            secret = f":{quote(self.password, safe='')}" if self.password is not None else ""
            person = f"{quote(self.user, safe='')}{secret}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        files = {name: value for name in _FILES if (value := getattr(self, name)) is not None}
        query = f"?{urlencode(files)}" if files else ""
        return f"{'mqtts' if self.tls else 'mqtt'}://{person}{host}:{self.port}{query}"

    def __str__(self) -> str:
        """For people and logs: without password and files."""
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.user + '@' if self.user else ''}{self.host}:{self.port}"


def configure(client: Client, address: MqttAddress) -> None:
    """Give a paho client the user, password and certificates of `address`; host and port go to its `connect`."""
    if address.user is not None:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        try:
            context = ssl.create_default_context(cafile=address.ca)
            if address.cert is not None:
                context.load_cert_chain(address.cert, address.key)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                f"a certificate file cannot be read ({error})", where="MQTT address", expected="PEM files"
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        client.tls_set_context(context)
