"""One platform over HTTP: fetch a token, send a message, read the answer. Blocks; the sender calls it in threads of its own.

Authentication is OAuth 2.0 (RFC 6749, client credentials) where the link has a token address; else the secret is the bearer token
itself; without a secret nothing is shown. The secret is a file, read anew for each token, so that it can be changed while it runs.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec

from dispatch.citylink.answers import Answer, answer_of, no_answer
from dispatch.citylink.form import Form
from dispatch.citylink.queue import Link
from hoistway.errors import BadInput
from hoistway.limits import CITY_ANSWER_BYTES

TIMEOUT_S: Final = 10.0
TOKEN_EARLY_S: Final = 30.0
"""A token is fetched anew so long before it ends."""
TOKEN_S: Final = 300.0
"""How long a token is used when the platform does not say."""
SECRET_BYTES: Final = 10_000
_TROUBLE: Final = (OSError, http.client.HTTPException, ValueError)

Post = Callable[[str, bytes, dict[str, str]], tuple[int, bytes]]
"""Sends a body to an address with headers; answers status and body. Raises `OSError` when nobody answers."""


def check_address(address: str, where: str) -> str:
    """An address that may be told of people in need. Raises BadInput, which does not repeat it: it may hold a key."""
    expected = "https://host/path (http:// on this machine only)"
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError:
        raise BadInput("not an address", where=where, expected=expected) from None
    if not host or parts.username or not address.isprintable() or " " in address:
        raise BadInput("not an address", where=where, expected=expected)
    if parts.scheme != "https" and not (parts.scheme == "http" and _here(host)):
        raise BadInput("not https", where=where, expected=expected)
    return address


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Elsewhere is not where the operator wanted it."""

    def redirect_request(self, *_arguments: Any) -> None:
        return None


_opener: Final = urllib.request.build_opener(_NoRedirects)


def post(address: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """POST and read the answer, whatever its status."""
    request = urllib.request.Request(address, data=body, headers=headers, method="POST")  # noqa: S310  checked when it was set
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read(CITY_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(CITY_ANSWER_BYTES)


class Platform:
    """One link's platform. May be called by several threads at once."""

    def __init__(
        self, link: Link, form: Form, secrets: Path, *, post: Post = post, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.link, self.form = link, form
        self._file, self._post, self._clock = secrets / form.name, post, clock
        self._lock = threading.Lock()
        self._token, self._good_until = "", 0.0

    def send(self, body: bytes) -> Answer:
        """One message. A token that the platform does not take is fetched anew once."""
        try:
            shown, answer = self._send(body)
            if answer.status == 401 and self.link.token_address is not None:
                self._forget(shown)
                _, answer = self._send(body)
        except BadInput as error:
            return no_answer(str(error))
        except _TROUBLE as error:
            return no_answer(f"{type(error).__name__}: {error}")
        return answer

    def _send(self, body: bytes) -> tuple[str, Answer]:
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "hoistway"}
        if token := self._bearer():
            headers["Authorization"] = f"Bearer {token}"
        return token, answer_of(self.form, *self._post(self.link.address, body, headers))

    def _bearer(self) -> str:
        if self.link.token_address is None:
            return self._secret(needed=False)
        with self._lock:
            if self._clock() >= self._good_until:
                self._token, lasts_s = self._fetch(self.link.token_address)
                self._good_until = self._clock() + max(0.0, lasts_s - TOKEN_EARLY_S)
            return self._token

    def _forget(self, token: str) -> None:
        with self._lock:
            if self._token == token:
                self._good_until = 0.0

    def _fetch(self, address: str) -> tuple[str, float]:
        pair = f"{quote_plus(self.link.client or '')}:{quote_plus(self._secret(needed=True))}"
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
        }
        status, body = self._post(address, urlencode({"grant_type": "client_credentials"}).encode(), headers)
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            found = None
        token = found.get("access_token") if isinstance(found, dict) else None
        if status != 200 or not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise BadInput(
                f"HTTP {status} without a token", where="token address", expected="access_token (RFC 6749, 5.1)"
            )
        lasts_s = found.get("expires_in")
        return token, float(lasts_s) if isinstance(lasts_s, int | float) else TOKEN_S

    def _secret(self, *, needed: bool) -> str:
        try:
            text = self._file.read_bytes()[:SECRET_BYTES].decode("utf-8").strip()
        except FileNotFoundError:
            text = ""
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(
                type(error).__name__, where=f"secret of {self.form.name}", expected="a readable text file"
            ) from None
        if needed and not text:
            raise BadInput(
                "missing",
                where=f"secret of {self.form.name}",
                expected=f"a file {self._file.name} in HOISTWAY_CITY_LINK_SECRETS",
            )
        if not text.isprintable() or not text.isascii():
            raise BadInput("odd characters", where=f"secret of {self.form.name}", expected="printable ASCII")
        return text
