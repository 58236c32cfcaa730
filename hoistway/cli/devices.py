"""`hoistway devices`: keys of devices. A password is made here, shown once, and kept only as the hash that the broker reads."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.table import Table

from hoistway.cli.common import out, resolve_database_url, run
from hoistway.errors import BadInput
from hoistway.settings import Settings

_Answer = TypeVar("_Answer")

DatabaseUrl = Annotated[
    str | None, typer.Option("--database-url", help="postgresql://...; default: the environment, else the running home")
]
By = Annotated[str, typer.Option("--by", help="the person who does it: a name that may log in")]
_DERIVED: Final = (
    "the platform on this machine makes its devices' passwords itself: `hoistway device credentials DEVICE`"
)


def add_to(app: typer.Typer) -> None:
    """Give the group its verbs."""
    app.command("enrol")(enrol)
    app.command("rotate")(rotate)
    app.command("revoke")(revoke)
    app.command("list")(list_devices)
    app.command("accounts")(accounts)
    app.command("security")(security)


def enrol(
    device: str,
    by: By,
    lift: Annotated[
        str | None, typer.Option("--lift", help="rescue or register code, for a device that is new")
    ] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Give a device its key and show it once, as lines `NAME=value`. A revoked device is let in again."""
    from hoistway.registry import keys

    password, hashed = _new_password()
    shard = _act(database_url, lambda it: keys.enrol(it, device, password_hash=hashed, person=by, lift=lift), own=True)
    _show(device, password, shard)


def rotate(device: str, by: By, database_url: DatabaseUrl = None) -> None:
    """Replace a device's key and show the new one once. The old one ends at once."""
    from hoistway.registry import keys

    password, hashed = _new_password()
    shard = _act(database_url, lambda it: keys.rotate(it, device, password_hash=hashed, person=by), own=True)
    _show(device, password, shard)


def revoke(
    device: str, by: By, reason: Annotated[str, typer.Option("--reason", help="why")], database_url: DatabaseUrl = None
) -> None:
    """End a device's access. What it still sends is refused, and is a security event."""
    from hoistway.registry import keys

    _act(database_url, lambda it: keys.revoke(it, device, person=by, reason=reason))
    typer.echo(f"device {device!r} is revoked")


def list_devices(
    after: Annotated[str, typer.Option("--after", help="start after this name")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 100,
    database_url: DatabaseUrl = None,
) -> None:
    """Devices with their keys, their last word, and who last did what."""
    from hoistway.registry import keys

    rows = _act(database_url, lambda it: keys.list_keys(it, after=after, limit=limit))
    table = Table("device", "shard", "kind", "key", "heard", "last act")
    for row in rows:
        key = (
            "revoked"
            if row["revoked_at"]
            else f"since {row['issued_at']:%Y-%m-%d}"
            if row["issued_at"]
            else "none of ours"
        )
        heard = f"{row['heard_at']:%Y-%m-%d %H:%M} UTC" if row["heard_at"] else ""
        act = f"{row['act']} by {row['person']} {row['at']:%Y-%m-%d %H:%M} UTC" if row["act"] else ""
        reason = f": {row['reason']}" if row["reason"] else ""
        table.add_row(
            row["device"], str(row["shard"]), "gateway" if row["gateway"] else "terminal", key, heard, act + reason
        )
    out.print(table, markup=False)
    if len(rows) == limit:
        out.print(f"more: --after {rows[-1]['device']}", markup=False, highlight=False)


def accounts(database_url: DatabaseUrl = None) -> None:
    """Lines `device:hash` for the broker's password file; `device:` is one that may not log in. See deploy/devices.sh."""
    from hoistway.registry import keys

    for device, hashed in _act(database_url, keys.accounts):
        typer.echo(f"{device}:{hashed or ''}")


def security(
    hours: Annotated[int, typer.Option("--hours", min=1, max=9_000, help="how far back")] = 24,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 100,
    database_url: DatabaseUrl = None,
) -> None:
    """What looked like an intruder, newest first."""
    from hoistway.registry import keys

    table = Table("last", "first", "times", "kind", "device", "detail")
    for row in _act(database_url, lambda it: keys.security_events(it, hours=hours, limit=limit)):
        first, last = (f"{row[name]:%Y-%m-%d %H:%M:%S}" for name in ("first_at", "last_at"))
        table.add_row(last, first, str(row["times"]), row["kind"], row["device"] or "(not known)", row["detail"])
    out.print(table, markup=False)


def _new_password() -> tuple[str, str]:
    """A password of 192 random bits, and its hash as mosquitto reads it."""
    from hoistway.embedded.mosquitto import password_hash

    password = secrets.token_urlsafe(24)
    return password, password_hash(password)


def _show(device: str, password: str, shard: int) -> None:
    from hoistway.registry import topic_prefix

    for name, value in (
        ("DEVICE", device),
        ("PASSWORD", password),
        ("PREFIX", topic_prefix(shard, device).rstrip("/")),
    ):
        typer.echo(f"{name}={value}")


def _act(url: str | None, act: Callable[[Any], Awaitable[_Answer]], *, own: bool = False) -> _Answer:
    """Do something in the database. `own`: it makes a password, which the embedded platform does by itself."""
    from hoistway.store import connect_url

    async def body() -> _Answer:
        found = resolve_database_url(url)
        if own and url is None and not Settings().database_url:
            raise BadInput("no password to make", where="devices", expected=_DERIVED)
        connection = await connect_url(found, name="hoistway-cli", patience_s=5)
        try:
            return await act(connection)
        finally:
            await connection.close()

    return run(body())
