"""Signatures of webhooks as Standard Webhooks 1.0 has them (standardwebhooks.com). Pure: bytes and seconds in, headers out.

Signed is `id.timestamp.body` with HMAC-SHA256; while a secret is being changed, the old and the new one both sign.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Final

from hoistway.errors import BadInput

PREFIX: Final = "whsec_"
KEY_BYTES: Final = (24, 64)
TOLERANCE_S: Final = 300
"""What was signed longer ago, or so far ahead, is taken for a replay."""
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"


def secret_of(key: bytes) -> str:
    """The written form of a secret of 24 to 64 bytes."""
    return PREFIX + base64.b64encode(key).decode()


def key_of(secret: str) -> bytes:
    """The bytes of a written secret. Raises `BadInput`, which never repeats it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not KEY_BYTES[0] <= len(key) <= KEY_BYTES[1]:
        low, high = KEY_BYTES
        raise BadInput("not a secret", where="secret", expected=f"{PREFIX} and {low} to {high} bytes in base64")
    return key


def sign(secret: str, *, message_id: str, at_s: int, body: bytes) -> str:
    """One signature, `v1,` and base64."""
    signed = f"{message_id}.{at_s}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()


def headers(secrets: Sequence[str], *, message_id: str, at_s: int, body: bytes) -> dict[str, str]:
    """The three headers. `at_s`: when this attempt is made, seconds since 1970 UTC; the id stays over all attempts."""
    signatures = (sign(secret, message_id=message_id, at_s=at_s, body=body) for secret in secrets)
    return {ID: message_id, TIMESTAMP: str(at_s), SIGNATURE: " ".join(signatures)}


def verify(secrets: Sequence[str], given: Mapping[str, str], body: bytes, *, now_s: int) -> bool:
    """Whether the headers (lower-case names) fit the body, one of the secrets, and the time."""
    message_id, stamp = given.get(ID, ""), given.get(TIMESTAMP, "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12) or abs(int(stamp) - now_s) > TOLERANCE_S:
        return False
    shown = [part.encode() for part in given.get(SIGNATURE, "").split()]
    expected = [sign(secret, message_id=message_id, at_s=int(stamp), body=body).encode() for secret in secrets]
    return any(hmac.compare_digest(one, other) for one in shown for other in expected)
