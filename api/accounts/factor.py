"""The second factor: shown and confirmed, asked for at login and when something is signed, replaced by recovery codes, taken away.

The secret is sealed with a key of the installation and never leaves this file but once, to be shown. Times are the database's.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from api.accounts import totp
from hoistway.errors import BadInput, OurFault
from hoistway.store import queries

RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
_NONCE_BYTES: Final = 12

_sql: Final = queries("api", "sql/accounts.sql")


@dataclass(frozen=True, slots=True)
class Seal:
    """The installation's key for secrets that must be read again; whoever has only the database cannot."""

    key: bytes

    @classmethod
    def of(cls, text: str) -> Seal:
        """The key of any text of 32 or more characters; raises `BadInput` for a shorter one."""
        if len(text) < 32:
            raise BadInput(f"{len(text)} characters", where="HOISTWAY_SEAL_KEY", expected="a random text of 32 or more")
        return cls(hashlib.sha256(text.encode()).digest())

    def close(self, secret: bytes, person_id: int) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self.key).encrypt(nonce, secret, str(person_id).encode())

    def open(self, sealed: bytes, person_id: int) -> bytes:
        """The secret; raises `OurFault` when another key has sealed it, or it is another person's."""
        try:
            return AESGCM(self.key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], str(person_id).encode())
        except InvalidTag:
            raise OurFault("the second factor was sealed with another key than HOISTWAY_SEAL_KEY") from None


async def begin(connection: Any, seal: Seal, person_id: int) -> bytes:
    """A fresh secret that is asked for only once it was confirmed. Raises `BadInput` while one is in force."""
    secret = secrets.token_bytes(totp.SECRET_BYTES)
    if await connection.fetchval(_sql["begin_factor"], person_id, seal.close(secret, person_id)) is None:
        raise BadInput("the second factor is on", where="account", expected="taken away before a new one is made")
    return secret


async def pending(connection: Any, seal: Seal, person_id: int) -> bytes | None:
    """The secret that was shown and not yet confirmed."""
    sealed = await connection.fetchval(_sql["pending_factor"], person_id)
    return None if sealed is None else seal.open(bytes(sealed), person_id)


async def confirm(connection: Any, seal: Seal, person_id: int, code: str) -> list[str] | None:
    """Turn it on by its first code; answers the recovery codes, which are shown once. None: the code is wrong."""
    row = await connection.fetchrow(_sql["factor_for_update"], person_id)
    if row is None or row["totp_secret"] is None or row["totp_since"] is not None:
        return None
    secret = seal.open(bytes(row["totp_secret"]), person_id)
    step = totp.step_of(secret, _digits(code), at_s=row["now_s"], used=row["totp_step"])
    if step is None:
        return None
    await connection.execute(_sql["turn_factor_on"], person_id, step)
    codes = [base64.b32encode(secrets.token_bytes(_RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES)]
    await connection.execute(_sql["drop_recovery_codes"], person_id)
    await connection.execute(_sql["add_recovery_codes"], person_id, [_hash(code) for code in codes])
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


async def check(connection: Any, seal: Seal, person_id: int, code: str) -> bool:
    """Whether the code of now, or an unused recovery code, is right. It is spent by this: the same code is refused afterwards."""
    row = await connection.fetchrow(_sql["factor_for_update"], person_id)
    if row is None or row["totp_since"] is None:
        return False
    secret = seal.open(bytes(row["totp_secret"]), person_id)
    step = totp.step_of(secret, _digits(code), at_s=row["now_s"], used=row["totp_step"])
    if step is not None:
        await connection.execute(_sql["note_step"], person_id, step)
        return True
    spent = await connection.fetchval(_sql["spend_recovery_code"], person_id, _hash(_letters(code)))
    return spent is not None


async def take_away(connection: Any, person_id: int) -> None:
    """No second factor any more; its recovery codes go with it."""
    await connection.execute(_sql["turn_factor_off"], person_id)
    await connection.execute(_sql["drop_recovery_codes"], person_id)


def _digits(code: str) -> str:
    return "".join(code.split())[:20]


def _letters(code: str) -> str:
    return "".join(sign for sign in code.upper() if sign.isalnum())[:40]


def _hash(code: str) -> bytes:
    return hashlib.sha256(code.encode()).digest()
