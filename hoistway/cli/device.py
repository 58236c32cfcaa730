"""Terminals from the command line: what one needs to connect to the platform that runs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from hoistway.cli.common import run
from hoistway.errors import BadInput
from hoistway.settings import default_home
from hoistway.wire import PREFIX

app: Final = typer.Typer(no_args_is_help=True)


@app.callback()
def group() -> None:
    """Devices and their keys."""


@app.command("credentials")
def credentials(
    device: str, home: Annotated[Path | None, typer.Option(help="state folder of the running platform")] = None
) -> None:
    """Address, password and topic prefix of a terminal of the platform on this machine, as lines `NAME=value`."""
    from hoistway.up.state import State

    facts = State(home or default_home()).running()
    shard = run(_shard(str(facts["database_url"]), device))
    for name, value in credentials_of(home or default_home(), device, shard=shard).items():
        typer.echo(f"{name}={value}")


def credentials_of(home: Path, device: str, *, shard: int) -> dict[str, str]:
    """What a terminal of the platform running on `home` connects with."""
    from hoistway.embedded.credentials import device_password
    from hoistway.up.state import State

    state = State(home)
    return {
        "HOST": "127.0.0.1",
        "PORT": str(state.running()["mqtt_port"]),
        "PASSWORD": device_password(state.secret("device-key").encode(), device),
        "PREFIX": f"{PREFIX}/{shard}/{device}",
    }


async def _shard(url: str, device: str) -> int:
    from hoistway.store import connect_url

    connection = await connect_url(url, name="hoistway-cli", patience_s=5)
    try:
        shard = await connection.fetchval("select shard from device where device = $1 and revoked_at is null", device)
    finally:
        await connection.close()
    if shard is None:
        raise BadInput(f"device {device!r} is not enrolled", where="DEVICE", expected="a device of the register")
    return int(shard)
