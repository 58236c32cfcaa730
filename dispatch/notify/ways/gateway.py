"""SMS and voice through whatever HTTP gateway a city has: address, headers and body are templates of the settings.

`{phone} {text} {link} {key} {language} {topic} {contact}`: `text` has the link at its end for SMS, and none for voice. A body that begins
with `{` or `[` is JSON and filled value by value; any other is a form and filled percent-encoded, as the address is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from dispatch.notify.channels import LIMITS, Channel
from dispatch.notify.net.http import Http
from dispatch.notify.ways.way import Outgoing, Sent, check
from hoistway.errors import BadInput

_PLACE: Final = re.compile(r"\{([a-z_]+)\}")
PLACES: Final = ("phone", "text", "link", "key", "language", "topic", "contact")


class GatewayWay:
    """One gateway. What it takes is sent, not received: a receipt comes by the link, or by the API."""

    def __init__(self, channel: Channel, *, url: str, headers: str, body: str, http: Http) -> None:
        """Raises `BadInput` for templates that cannot be used."""
        where = f"HOISTWAY_{channel.upper()}"
        self._channel, self._http, self._url = channel, http, url
        self._headers: Mapping[str, str] = _object(headers or "{}", where=f"{where}_HEADERS")
        self._json = body.lstrip()[:1] in {"{", "["}
        self._body: Any = _parsed(body, where=f"{where}_BODY") if self._json else body
        for name in {*_PLACE.findall(url), *_PLACE.findall(headers), *_PLACE.findall(body)} - set(PLACES):
            raise BadInput(f"{{{name}}}", where=where, expected=", ".join(f"{{{place}}}" for place in PLACES))

    async def send(self, message: Outgoing) -> Sent:
        text = message.text if self._channel is Channel.VOICE else message.whole
        values = {
            "phone": message.address, "text": text, "link": message.link, "key": message.key,
            "language": message.language, "topic": message.topic, "contact": message.contact,
        }  # fmt: skip
        kind = "application/json" if self._json else "application/x-www-form-urlencoded"
        body = (
            json.dumps(_filled(self._body, values), ensure_ascii=False) if self._json else _quoted(self._body, values)
        )
        answer = await self._http.post(
            _quoted(self._url, values),
            body.encode(),
            {"Content-Type": kind, "Idempotency-Key": message.key, **self._headers},
            timeout_s=LIMITS[self._channel].timeout_s,
        )
        check(answer)
        return Sent(said=f"HTTP {answer.status} {answer.body[:200].decode('utf-8', 'replace')}")


def _parsed(text: str, *, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(str(error), where=where, expected="JSON, or a form such as to={phone}&text={text}") from error


def _object(text: str, *, where: str) -> dict[str, str]:
    found = _parsed(text, where=where)
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise BadInput("not an object of texts", where=where, expected='{"Authorization": "Bearer ..."}')
    return found


def _put(template: str, value: Callable[[str], str]) -> str:
    return _PLACE.sub(lambda match: value(match.group(1)), template)


def _filled(template: Any, values: Mapping[str, str]) -> Any:
    if isinstance(template, str):
        return _put(template, values.__getitem__)
    if isinstance(template, dict):
        return {name: _filled(value, values) for name, value in template.items()}
    return [_filled(value, values) for value in template] if isinstance(template, list) else template


def _quoted(template: str, values: Mapping[str, str]) -> str:
    return _put(template, lambda name: quote(values[name], safe=""))
