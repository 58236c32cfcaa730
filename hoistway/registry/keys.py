"""Keys of devices in the store: enrol, rotate, revoke, each with person and time in the same transaction; lists.

Knows hashes and serials, never passwords or private keys. How the broker learns of them is deploy's; ingest reads the register itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.registry.enrolment import shard_of
from hoistway.store import queries
from hoistway.wire import DEVICE, RESERVED_DEVICES

SQL: Final = queries("hoistway.registry", "sql/keys.sql")
REASON_CHARS: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """What is kept of a key: a password's hash, or what names a certificate."""

    password_hash: str | None = None  # as mosquitto reads it
    serial: str | None = None  # hexadecimal
    sha256: str | None = None  # of the certificate, hexadecimal
    expires_at: datetime | None = None

    @property
    def row(self) -> tuple[str | None, str | None, str | None, datetime | None]:
        return self.password_hash, self.serial, self.sha256, self.expires_at


async def enrol(connection: Any, device: str, *, key: Key, person: str, lift: str | None = None) -> int:
    """Give a device its key; answers its shard. A revoked device is let in again.

    With `lift` (rescue or register code) a device that is not in the register yet is added to it. Raises `BadInput` for a
    device without a lift, one that has a key, and a person who may not log in.
    """
    async with connection.transaction():
        await _check_person(connection, person)
        found = await _device(connection, device, lift)
        if found["key_id"] is not None:
            raise BadInput(
                f"{device!r} has a key", where="DEVICE", expected="a device without one; `rotate` gives it another"
            )
        await connection.execute(SQL["let_in"], found["id"])
        await connection.execute(SQL["new_key"], found["id"], *key.row)
        await connection.execute(SQL["note_act"], found["id"], "enrolled", person, "")
    return int(found["shard"])


async def rotate(connection: Any, device: str, *, key: Key, person: str) -> int:
    """Replace a device's key; the old one ends at once. Answers its shard. Raises `BadInput`."""
    async with connection.transaction():
        await _check_person(connection, person)
        found = await _known(connection, device)
        if found["revoked_at"] is not None:
            raise BadInput(
                f"{device!r} is revoked", where="DEVICE", expected="a device with access; `enrol` lets it in again"
            )
        await connection.execute(SQL["end_key"], found["id"])
        await connection.execute(SQL["new_key"], found["id"], *key.row)
        await connection.execute(SQL["note_act"], found["id"], "rotated", person, "")
    return int(found["shard"])


async def revoke(connection: Any, device: str, *, person: str, reason: str) -> None:
    """End a device's key and refuse what it says from now on. Raises `BadInput`."""
    if not 1 <= len(reason.strip()) <= REASON_CHARS:
        raise BadInput(f"{len(reason)} characters", where="reason", expected=f"1 to {REASON_CHARS}")
    async with connection.transaction():
        await _check_person(connection, person)
        found = await _known(connection, device)
        if found["revoked_at"] is not None:
            raise BadInput(f"{device!r} is revoked already", where="DEVICE", expected="a device with access")
        await connection.execute(SQL["shut_out"], found["id"])
        await connection.execute(SQL["end_key"], found["id"])
        await connection.execute(SQL["note_act"], found["id"], "revoked", person, reason.strip())


async def list_keys(connection: Any, *, after: str, limit: int) -> list[Any]:
    """Devices in order of name with key, last word and last act."""
    rows: list[Any] = await connection.fetch(SQL["list_keys"], after, limit)
    return rows


async def accounts(connection: Any) -> list[tuple[str, str | None]]:
    """Device and hash for the broker's password file; None: it may not log in."""
    return [(row["device"], row["password_hash"]) for row in await connection.fetch(SQL["accounts"])]


async def certificates(connection: Any, *, within: timedelta | None, limit: int) -> list[Any]:
    """Certificates in force, the soonest to end first; `within`: only those that end in this time or have ended."""
    rows: list[Any] = await connection.fetch(SQL["certificates"], within, limit)
    return rows


async def ended_certificates(connection: Any) -> tuple[dict[str, datetime], int, datetime]:
    """For the next revocation list: serials of ended certificates with when they ended, its number, its date.

    The date is a little in the past, for brokers whose clock is behind, and later than that of every list before.
    """
    async with connection.transaction():
        row = await connection.fetchrow(SQL["next_revocation_list"])
        ended = await connection.fetch(SQL["ended_certificates"])
    return {it["certificate_serial"]: it["ended_at"] for it in ended}, row["number"], row["this_update"]


async def security_events(connection: Any, *, hours: int, limit: int) -> list[Any]:
    """What looked like an intruder, newest first."""
    rows: list[Any] = await connection.fetch(SQL["security_events"], hours, limit)
    return rows


async def _check_person(connection: Any, person: str) -> None:
    if await connection.fetchval(SQL["person"], person) is None:
        raise BadInput(f"nobody called {person!r} may log in", where="--by", expected="a name of `hoistway person add`")


async def _known(connection: Any, device: str) -> Any:
    if device in RESERVED_DEVICES:
        raise BadInput(f"{device!r} is the platform's own", where="DEVICE", expected="a device of the city")
    found = await connection.fetchrow(SQL["hold_device"], device)
    if found is None:
        raise BadInput(f"{device!r} is not in the register", where="DEVICE", expected="a device of the register")
    return found


async def _device(connection: Any, device: str, lift: str | None) -> Any:
    """The device's row; made when it is new and its lift is named."""
    if not DEVICE.fullmatch(device) or device in RESERVED_DEVICES:
        expected = f"{DEVICE.pattern}, not one of {', '.join(sorted(RESERVED_DEVICES))}"
        raise BadInput(f"{device!r} cannot be a device", where="DEVICE", expected=expected)
    found = await connection.fetchrow(SQL["hold_device"], device)
    if found is not None:
        return found
    if lift is None:
        expected = "`--lift CODE`, or `hoistway lifts import` first"
        raise BadInput(f"{device!r} is not in the register", where="DEVICE", expected=expected)
    known = await connection.fetchrow(SQL["lift_for_device"], lift)
    if known is None:
        raise BadInput(f"no lift {lift!r}", where="--lift", expected="a rescue or register code of the register")
    if len(known["shards"]) > 1:
        raise BadInput(f"terminals of {lift!r} are on several shards", where="--lift", expected="one shard a lift")
    shard = known["shards"][0] if known["shards"] else shard_of(known["key"])
    await connection.execute(SQL["new_device"], device, shard, known["id"])
    return await _known(connection, device)
