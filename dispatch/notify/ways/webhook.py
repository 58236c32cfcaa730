"""A firm's or the city's own program: JSON, signed as Standard Webhooks has it. A 2xx answer is the receipt."""

from __future__ import annotations

import json

from dispatch.notify.channels import LIMITS, Channel
from dispatch.notify.net import signature
from dispatch.notify.net.http import Http
from dispatch.notify.ways.way import NeverWorks, Outgoing, Sent, check
from hoistway.errors import BadInput


class WebhookWay:
    """The guard against foreign addresses is `http`'s."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def send(self, message: Outgoing) -> Sent:
        if not message.address:
            raise NeverWorks("the endpoint was removed")
        body = json.dumps(message.document, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/json",
            **signature.headers(message.secrets, message_id=message.key, at_s=message.at_s, body=body),
        }
        try:
            answer = await self._http.post(message.address, body, headers, timeout_s=LIMITS[Channel.WEBHOOK].timeout_s)
        except BadInput as error:
            raise NeverWorks(str(error)) from error
        check(answer, stubborn=True)
        return Sent(receipt=True, said=f"HTTP {answer.status}")
