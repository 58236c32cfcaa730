"""`hoistway devices`: keys of devices. A password or certificate is made here, shown once; kept is only what the broker needs to know it by."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table
from rich.text import Text

from hoistway.cli import certificates
from hoistway.cli.common import act, fail, out, printable
from hoistway.cli.lifts import DatabaseUrl
from hoistway.errors import BadInput, HoistwayError
from hoistway.limits import CERTIFICATE_DAYS, CERTIFICATE_DAYS_MOST
from hoistway.registry.keys import Key
from hoistway.settings import Settings

DeviceName = Annotated[str, typer.Argument(metavar="DEVICE", help="the device's name")]
By = Annotated[str, typer.Option("--by", help="the person who does it: a name that may log in")]
Certificate = Annotated[
    bool, typer.Option("--certificate", help="a certificate of the local authority in place of a password")
]
Days = Annotated[int, typer.Option("--days", min=1, max=CERTIFICATE_DAYS_MOST, help="how long the certificate is good")]
Out = Annotated[
    Path | None, typer.Option("--out", help="write DEVICE.crt and DEVICE.key there (mode 0600); default: show them")
]
Request = Annotated[
    Path | None,
    typer.Option("--request", help="sign the key of this request (PEM; - is standard input): the device made its own"),
]
_DERIVED: Final = (
    "the platform on this machine makes its devices' passwords itself: `hoistway devices credentials DEVICE`"
)


def add_to(app: typer.Typer) -> None:
    """Give the group its verbs."""
    app.command("enrol")(enrol)
    app.command("rotate")(rotate)
    app.command("revoke")(revoke)
    app.command("list")(list_devices)
    app.command("accounts")(accounts)
    app.command("security")(security)
    certificates.add_to(app)


def enrol(
    device: DeviceName,
    by: By,
    lift: Annotated[
        str | None, typer.Option("--lift", help="rescue or register code, for a device that is new")
    ] = None,
    certificate: Certificate = False,
    days: Days = CERTIFICATE_DAYS,
    folder: Out = None,
    request: Request = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Give a device its key and show it once, as lines `NAME=value` and PEM. A revoked device is let in again."""
    from hoistway.registry import keys

    def give(connection: Any, key: Key) -> Awaitable[int]:
        return keys.enrol(connection, device, key=key, person=by, lift=lift)

    _give(device, give, certificate, days, folder, request, database_url)


def rotate(
    device: DeviceName,
    by: By,
    certificate: Certificate = False,
    days: Days = CERTIFICATE_DAYS,
    folder: Out = None,
    request: Request = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Replace a device's key, by one of either kind, and show the new one once. The old one ends at once."""
    from hoistway.registry import keys

    def give(connection: Any, key: Key) -> Awaitable[int]:
        return keys.rotate(connection, device, key=key, person=by)

    _give(device, give, certificate, days, folder, request, database_url)


def revoke(
    device: DeviceName,
    by: By,
    reason: Annotated[str, typer.Option("--reason", help="why")],
    database_url: DatabaseUrl = None,
) -> None:
    """End a device's access. What it still sends is refused, and is a security event."""
    from hoistway.registry import keys

    act(database_url, lambda it: keys.revoke(it, device, person=by, reason=reason))
    typer.echo(f"device {device!r} is revoked")


def list_devices(
    after: Annotated[str, typer.Option("--after", help="start after this name")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 100,
    database_url: DatabaseUrl = None,
) -> None:
    """Devices with their keys, their last word, and who last did what."""
    from hoistway.registry import keys

    rows = act(database_url, lambda it: keys.list_keys(it, after=after, limit=limit))
    table = Table("device", "shard", "kind", "key", "heard", "last act")
    for row in rows:
        heard = f"{row['heard_at']:%Y-%m-%d %H:%M} UTC" if row["heard_at"] else ""
        last = f"{row['act']} by {row['person']} {row['at']:%Y-%m-%d %H:%M} UTC" if row["act"] else ""
        reason = f": {row['reason']}" if row["reason"] else ""
        table.add_row(
            row["device"],
            str(row["shard"]),
            "gateway" if row["gateway"] else "terminal",
            _key(row),
            heard,
            last + reason,
        )
    out.print(table, markup=False)
    if len(rows) == limit:
        out.print(f"more: --after {rows[-1]['device']}", markup=False, highlight=False)


def _key(row: Any) -> str:
    if row["revoked_at"]:
        return "revoked"
    if row["issued_at"] is None:
        return "none of ours"
    if row["expires_at"] is not None:
        return f"certificate until {row['expires_at']:%Y-%m-%d}"
    return f"password since {row['issued_at']:%Y-%m-%d}"


def accounts(database_url: DatabaseUrl = None) -> None:
    """Lines `device:hash` for the broker's password file; `device:` is one that may not log in. See deploy/devices.sh."""
    from hoistway.registry import keys

    for device, hashed in act(database_url, keys.accounts):
        typer.echo(f"{device}:{hashed or ''}")


def security(
    hours: Annotated[int, typer.Option("--hours", min=1, max=9_000, help="how far back")] = 24,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 100,
    database_url: DatabaseUrl = None,
) -> None:
    """What looked like an intruder, newest first."""
    from hoistway.registry import keys

    table = Table("last", "first", "times", "kind", "device", "detail")
    for row in act(database_url, lambda it: keys.security_events(it, hours=hours, limit=limit)):
        first, last = (f"{row[name]:%Y-%m-%d %H:%M:%S}" for name in ("first_at", "last_at"))
        table.add_row(
            last, first, str(row["times"]), row["kind"], row["device"] or "(not known)", Text(printable(row["detail"]))
        )
    out.print(table, markup=False)


def _give(
    device: str,
    give: Callable[[Any, Key], Awaitable[int]],
    certificate: bool,
    days: int,
    folder: Path | None,
    request: Path | None,
    url: str | None,
) -> None:
    """Make a key, have it noted, and only then show it."""
    try:
        if url is None and not Settings().database_url:
            raise BadInput("no key to make", where="devices", expected=_DERIVED)
        if not certificate and (folder or request):
            raise BadInput("it is for certificates", where="--out, --request", expected="--certificate with it")
        if folder:
            certificates.room_for(device, folder)
        issued = certificates.issue(device, days=days, request=request) if certificate else None
    except HoistwayError as error:
        fail(error)
    password, hashed = _new_password()
    key = Key(password_hash=hashed) if issued is None else certificates.kept(issued)
    shard = act(url, lambda connection: give(connection, key))
    if issued is None:
        _show(device, shard, PASSWORD=password)
        return
    _show(device, shard, UNTIL=f"{issued.expires_at:%Y-%m-%d}", SERIAL=issued.serial, SHA256=issued.sha256)
    try:
        certificates.hand_over(device, issued, folder)
    except HoistwayError as error:
        fail(error)


def _new_password() -> tuple[str, str]:
    """A password of 192 random bits, and its hash as mosquitto reads it."""
    from hoistway.embedded.mosquitto import password_hash

    password = secrets.token_urlsafe(24)
    return password, password_hash(password)


def _show(device: str, shard: int, **said: str) -> None:
    from hoistway.registry import topic_prefix

    for name, value in {"DEVICE": device, **said, "PREFIX": topic_prefix(shard, device).rstrip("/")}.items():
        typer.echo(f"{name}={value}")
