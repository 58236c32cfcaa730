"""Robots of chat groups: DingTalk, WeCom and Feishu, each with its own form and signature. What a robot takes is sent: who read it nobody knows.

Forms as the makers publish them (open.dingtalk.com, developer.work.weixin.qq.com, open.feishu.cn: custom robots):
DingTalk signs `timestamp\\nsecret` with the secret, in the address; Feishu signs nothing with `timestamp\\nsecret` as the key, in the body;
WeCom has a key in the address and no signature. All answer 200 with a code of their own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from dispatch.notify.channels import LIMITS, Channel
from dispatch.notify.net.http import Answer, Http
from dispatch.notify.ways.way import NeverWorks, Outgoing, Sent, TryAgain, check
from hoistway.errors import BadInput

_LATER: Final = frozenset({-1, 130101, 410100, 45009, 9499, 11232, 11247})
"""Too many at once, or busy: DingTalk 130101 and 410100, WeCom 45009 and -1, Feishu 9499, 11232 and 11247."""


def dingtalk_address(url: str, secret: str, *, at_ms: int) -> str:
    """The address with time and signature; as it is without a secret."""
    if not secret:
        return url
    signed = hmac.new(secret.encode(), f"{at_ms}\n{secret}".encode(), hashlib.sha256).digest()
    return f"{url}&timestamp={at_ms}&sign={quote(base64.b64encode(signed).decode(), safe='')}"


def feishu_signature(secret: str, *, at_s: int) -> dict[str, str]:
    """The two fields of a signed body; none without a secret."""
    if not secret:
        return {}
    signed = hmac.new(f"{at_s}\n{secret}".encode(), b"", hashlib.sha256).digest()
    return {"timestamp": str(at_s), "sign": base64.b64encode(signed).decode()}


class RobotWay:
    """The robots of one maker."""

    def __init__(self, channel: Channel, http: Http) -> None:
        self._channel, self._http = channel, http

    async def send(self, message: Outgoing) -> Sent:
        secret = message.secrets[0] if message.secrets else ""
        url, body = self._form(message, secret)
        try:
            answer = await self._http.post(
                url,
                json.dumps(body, ensure_ascii=False).encode(),
                {"Content-Type": "application/json"},
                timeout_s=LIMITS[self._channel].timeout_s,
            )
        except BadInput as error:
            raise NeverWorks(str(error)) from error
        check(answer)
        _check_code(answer)
        return Sent(said=f"HTTP {answer.status}")

    def _form(self, message: Outgoing, secret: str) -> tuple[str, Mapping[str, Any]]:
        text = message.whole
        if self._channel is Channel.FEISHU:
            signature = feishu_signature(secret, at_s=message.at_s)
            return message.address, {**signature, "msg_type": "text", "content": {"text": text}}
        body = {"msgtype": "text", "text": {"content": text}}
        if self._channel is Channel.DINGTALK:
            return dingtalk_address(message.address, secret, at_ms=message.at_s * 1_000), body
        return message.address, body


def _check_code(answer: Answer) -> None:
    """200 with a code other than 0 did not reach the group."""
    try:
        found = json.loads(answer.body)
        code = int(found.get("errcode", found.get("code", found.get("StatusCode", 0))))
    except (ValueError, TypeError, AttributeError) as error:
        raise TryAgain("the robot's answer cannot be read") from error
    if code in _LATER:
        raise TryAgain(f"the robot answers {code}")
    if code:
        raise NeverWorks(f"the robot answers {code}")
