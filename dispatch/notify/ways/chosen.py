"""The ways that the settings ask for. What is not set up is not there: `plan` passes it over."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from dispatch.notify.channels import Channel
from dispatch.notify.net.guard import networks
from dispatch.notify.net.http import Http
from dispatch.notify.ways import apprise
from dispatch.notify.ways.apprise import AppriseWay
from dispatch.notify.ways.console import ConsoleWay
from dispatch.notify.ways.device import DeviceWay
from dispatch.notify.ways.gateway import GatewayWay
from dispatch.notify.ways.mail import MailServer, MailWay
from dispatch.notify.ways.robots import RobotWay
from dispatch.notify.ways.way import Way
from dispatch.notify.ways.webhook import WebhookWay
from hoistway.settings import Settings, default_home
from hoistway.store import Database

TO_FILE: Final = "console:"
FILE: Final = "notifications.jsonl"


def outside(settings: Settings) -> Http:
    """Requests to addresses that others wrote. Raises `BadInput` for networks that cannot be read."""
    return Http(allowed=networks(settings.webhook_networks, where="HOISTWAY_WEBHOOK_NETWORKS"))


def chosen(settings: Settings, database: Database, *, home: Path | None = None) -> dict[Channel, Way]:
    """Every way that is set up. Raises `BadInput` for a setting that cannot be used."""
    file = (home or default_home()) / FILE
    guarded, own = outside(settings), Http(allowed=(ip_network("0.0.0.0/0"), ip_network("::/0")), plain=True)
    ways: dict[Channel, Way] = {
        Channel.WEBHOOK: WebhookWay(guarded),
        Channel.CONSOLE: ConsoleWay(file, receipt=True),
        Channel.DEVICE: DeviceWay(database),
    }
    ways |= {robot: RobotWay(robot, guarded) for robot in (Channel.DINGTALK, Channel.WECOM, Channel.FEISHU)}
    if apprise.installed():
        ways[Channel.APPRISE] = AppriseWay()
    for channel, url, headers, body in (
        (Channel.SMS, settings.sms_url, settings.sms_headers, settings.sms_body),
        (Channel.VOICE, settings.voice_url, settings.voice_headers, settings.voice_body),
    ):
        if address := _text(url):
            ways[channel] = (
                ConsoleWay(file, receipt=False)
                if address == TO_FILE
                else GatewayWay(channel, url=address, headers=_text(headers), body=_text(body), http=own)
            )
    if server := _text(settings.smtp_url):
        ways[Channel.MAIL] = MailWay(MailServer.parse(server))
    return ways


def _text(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""
