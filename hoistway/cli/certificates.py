"""`hoistway devices ca`, `certificates`, `crl`, `kick`: certificates of devices. A private key is shown or written once and kept by nobody."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.table import Table

from hoistway.cli.common import act, fail, out
from hoistway.cli.lifts import DatabaseUrl
from hoistway.errors import BadInput, HoistwayError
from hoistway.registry.authority import Authority, Issued
from hoistway.registry.keys import Key
from hoistway.settings import Settings

ca: Final = typer.Typer(no_args_is_help=True, help="The authority that signs certificates of devices.")
CERTIFICATE_FILE: Final = "hoistway_device_ca"
KEY_FILE: Final = "hoistway_device_ca_key"
LIST_FILE: Final = "mqtt_device_crl"
"""The names under which deploy/ mounts them, and the first two those of the settings."""
_WITHIN: Final = re.compile(r"([1-9][0-9]{0,3})d")


def add_to(app: typer.Typer) -> None:
    """Give the group its verbs."""
    app.add_typer(ca, name="ca")
    app.command("certificates")(certificates)
    app.command("crl")(crl)
    app.command("kick")(kick)


@ca.command("init")
def init(folder: Annotated[Path, typer.Option("--dir", help="where its files go")]) -> None:
    """Make an authority: its certificate, its key (mode 0600) and an empty revocation list. What is there is never replaced."""
    now = datetime.now(UTC)
    made = Authority.found(now)
    empty = made.revocation_list({}, number=0, this_update=now - timedelta(minutes=10))
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for name in (KEY_FILE, CERTIFICATE_FILE, LIST_FILE):
            if (folder / name).exists():
                raise BadInput(
                    "it is there already", where=str(folder / name), expected="a folder without an authority"
                )
        write_once(folder / KEY_FILE, made.key)
        write_once(folder / CERTIFICATE_FILE, made.certificate, mode=0o644)
        write_once(folder / LIST_FILE, empty, mode=0o644)
    except HoistwayError as error:
        fail(error)
    _describe(made)


@ca.command("show")
def show() -> None:
    """Subject, fingerprint and dates of the authority, as lines `NAME=value`."""
    try:
        _describe(authority())
    except HoistwayError as error:
        fail(error)


def certificates(
    expiring: Annotated[
        str | None, typer.Option("--expiring", help="only those that end within this time, such as 30d, or have ended")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000)] = 1_000,
    database_url: DatabaseUrl = None,
) -> None:
    """Certificates in force, the soonest to end first."""
    from hoistway.registry import keys

    try:
        within = None if expiring is None else _days(expiring)
    except BadInput as error:
        fail(error)
    table = Table("device", "ends", "since", "serial", "SHA-256")
    for row in act(database_url, lambda it: keys.certificates(it, within=within, limit=limit)):
        ends = f"{row['expires_at']:%Y-%m-%d}" + (" (over)" if row["ended"] else "")
        fingerprint = row["certificate_sha256"][:16]
        table.add_row(row["device"], ends, f"{row['issued_at']:%Y-%m-%d}", row["certificate_serial"], fingerprint)
    out.print(table, markup=False)


def crl(database_url: DatabaseUrl = None) -> None:
    """The list of certificates that are worth nothing any more, signed, as PEM for the broker. See deploy/devices.sh."""
    from hoistway.registry import keys

    try:
        signer = authority()
    except HoistwayError as error:
        fail(error)
    ended, number, this_update = act(database_url, keys.ended_certificates)
    typer.echo(signer.revocation_list(ended, number=number, this_update=this_update), nl=False)


def kick(
    devices: Annotated[list[str], typer.Argument(help="whose sessions end; they may come back if their keys are good")],
    mqtt_url: Annotated[
        str | None, typer.Option("--mqtt-url", help="our own account at the broker; default: HOISTWAY_MQTT_URL")
    ] = None,
) -> None:
    """End devices' sessions at the broker. A broker that was told of a revoked certificate looks at it at the next connect only."""
    from hoistway.embedded.probe import end_session
    from hoistway.mqtt_url import MqttAddress
    from hoistway.wire import DEVICE, RESERVED_DEVICES

    try:
        address = MqttAddress.parse(mqtt_url or Settings().need_mqtt_url(), where="--mqtt-url")
        for device in devices:
            if not DEVICE.fullmatch(device) or device in RESERVED_DEVICES:
                raise BadInput(f"{device!r} cannot be a device", where="DEVICE", expected=DEVICE.pattern)
        for device in devices:
            end_session(address, device)
            typer.echo(f"the session of {device!r} is ended")
    except HoistwayError as error:
        fail(error)


def authority() -> Authority:
    """The authority of the settings. Raises `BadInput`."""
    settings = Settings()
    key = settings.device_ca_key.get_secret_value() if settings.device_ca_key else ""
    if not settings.device_ca or not key:
        raise BadInput(
            "no authority of device certificates",
            where="HOISTWAY_DEVICE_CA, HOISTWAY_DEVICE_CA_KEY",
            expected=f"PEM texts, or HOISTWAY_SECRETS_DIR with {CERTIFICATE_FILE} and {KEY_FILE} (`devices ca init`)",
        )
    return Authority.load(settings.device_ca, key)


def issue(device: str, *, days: int, request: Path | None) -> Issued:
    """A new certificate of the authority of the settings. Raises `BadInput`."""
    try:
        text = None if request is None else sys.stdin.read() if str(request) == "-" else request.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{request} cannot be read ({error})", where="--request", expected="a signing request as PEM"
        ) from error
    return authority().issue(device, datetime.now(UTC), days=days, request=text)


def kept(issued: Issued) -> Key:
    """What the store keeps of a certificate."""
    return Key(serial=issued.serial, sha256=issued.sha256, expires_at=issued.expires_at)


def room_for(device: str, folder: Path) -> None:
    """Before anything is done: the files can be written. Raises `BadInput`."""
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadInput(f"{folder} cannot be written", where="--out", expected="a folder")
    for path in _files(device, folder):
        if path.exists():
            raise BadInput(f"{path} is there already", where="--out", expected="a folder without it")


def hand_over(device: str, issued: Issued, folder: Path | None) -> None:
    """Write certificate and key with mode 0600, or show them; this once."""
    if folder is None:
        typer.echo(issued.certificate + (issued.key or ""), nl=False)
        return
    certificate_file, key_file = _files(device, folder)
    for name, path, text in (("CERTIFICATE", certificate_file, issued.certificate), ("KEY", key_file, issued.key)):
        if text is not None:
            write_once(path, text)
            typer.echo(f"{name}={path}")


def write_once(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file that is not there yet. Raises `BadInput`."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"it cannot be written ({error.strerror})", where=str(path), expected="a new file") from error


def _files(device: str, folder: Path) -> tuple[Path, Path]:
    return folder / f"{device}.crt", folder / f"{device}.key"


def _days(text: str) -> timedelta:
    match = _WITHIN.fullmatch(text)
    if match is None:
        raise BadInput(repr(text), where="--expiring", expected="days, such as 30d")
    return timedelta(days=int(match.group(1)))


def _describe(authority_: Authority) -> None:
    for name, value in authority_.described().items():
        typer.echo(f"{name}={value}")
