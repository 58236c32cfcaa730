"""One-time codes by time (RFC 6238): six digits, a step of 30 s, HMAC with SHA-1, as every authenticator app reads them.

Pure: time is an argument, secrets come and go as bytes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from typing import Final
from urllib.parse import quote

STEP_S: Final = 30
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # RFC 4226, 4: as long as the hash
AROUND: Final = 1  # steps to either side: RFC 6238, 5.2, one for the way and a clock that is off


def code_of(secret: bytes, step: int) -> str:
    """The code of one step since 1970."""
    digest = hmac.new(secret, struct.pack(">Q", step), hashlib.sha1).digest()
    place = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[place : place + 4])[0] & 0x7FFF_FFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def step_of(secret: bytes, code: str, *, at_s: float, used: int) -> int | None:
    """The step of `code`, at `at_s` seconds since 1970; None when it is wrong, or not newer than `used`: a code is good once."""
    now = int(at_s) // STEP_S
    found = None
    for step in range(now - AROUND, now + AROUND + 1):
        if hmac.compare_digest(code_of(secret, step).encode(), code.encode()) and step > used:
            found = step
    return found


def text_of(secret: bytes) -> str:
    """The secret as a person types it: Base32 in groups of four."""
    plain = base64.b32encode(secret).decode()
    return " ".join(plain[start : start + 4] for start in range(0, len(plain), 4))


def link_of(secret: bytes, *, person: str, issuer: str) -> str:
    """What an authenticator app opens."""
    key = base64.b32encode(secret).decode()
    return f"otpauth://totp/{quote(f'{issuer}:{person}')}?secret={key}&issuer={quote(issuer)}&digits={DIGITS}&period={STEP_S}"
