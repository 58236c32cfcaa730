"""`hoistway gateway`: terminals that speak frames over TCP, brought to the broker. Reads options and files; runs `hoistway.gateway`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from hoistway.cli.adapt import rescue_codes
from hoistway.cli.common import fail
from hoistway.cli.parts import run_part
from hoistway.errors import BadInput, HoistwayError
from hoistway.settings import Settings, default_home
from hoistway.wire import DEVICE


def gateway(
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="the gateway's name in the register")],
    lifts: Annotated[
        Path, typer.Option(metavar="CSV", help="terminal's name and rescue code, two columns without a heading")
    ],
    shard: Annotated[int, typer.Option(min=0, max=63, help="the gateway's shard: `hoistway lifts show DEVICE`")],
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="where terminals connect")] = "127.0.0.1:9010",
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="keeps the boot number; in the state folder unless set")
    ] = None,
) -> None:
    """Take terminals of the format `json-tcp` and publish their records by our contract.

    The broker is HOISTWAY_MQTT_URL, with the gateway's own user and password. The terminals' protocol has no password and no
    encryption: listen on a network that only terminals reach.
    """
    from hoistway.gateway.serve import Plan, serve
    from hoistway.mqtt_url import MqttAddress
    from ingest.adapters.spec import shipped_format

    try:
        if not DEVICE.fullmatch(device):
            raise BadInput(f"device {device!r}", where="DEVICE", expected="1 to 64 of A-Z a-z 0-9 _ -")
        host, port = _listen(listen)
        plan = Plan(
            spec=shipped_format("json-tcp"),
            device=device,
            shard=shard,
            lifts=rescue_codes(lifts, one_each=True),
            address=MqttAddress.parse(Settings().need_mqtt_url(), where="HOISTWAY_MQTT_URL"),
            host=host,
            port=port,
            state=state or default_home() / f"gateway-{device}.json",
        )
        plan.state.parent.mkdir(parents=True, exist_ok=True)
    except HoistwayError as error:
        fail(error)

    async def body(_settings: Settings, stop: asyncio.Event) -> int:
        return await serve(plan, stop)

    run_part(body)


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise BadInput(repr(text), where="--listen", expected="host:port")
    return host.strip("[]"), int(port)
