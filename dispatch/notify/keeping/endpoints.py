"""Webhook endpoints: made, given a new secret, tried, removed. In the caller's transaction; `now` is an argument."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from dispatch.notify import texts
from dispatch.notify.channels import Channel
from dispatch.notify.net import signature
from dispatch.notify.net.guard import Network, target_of
from dispatch.notify.net.http import Http
from dispatch.notify.plan import NO_WEBHOOK
from dispatch.notify.ways.way import NeverWorks, Outgoing, Sent, TryAgain
from dispatch.notify.ways.webhook import WebhookWay
from hoistway.errors import BadInput
from hoistway.limits import WEBHOOK_ENDPOINTS, WEBHOOK_OLD_SECRET_HOURS
from hoistway.store import queries

SQL: Final = queries("dispatch.notify.keeping", "sql/keeping.sql")
_KEY_BYTES: Final = 32


@dataclass(frozen=True, kw_only=True, slots=True)
class NewEndpoint:
    """What somebody wants to be told, and where. `firm_id` None: the city's."""

    name: str
    firm_id: int | None
    url: str
    topics: Sequence[str] = ()
    exercise: bool = False


def new_secret() -> str:
    """A secret of 256 random bits."""
    return signature.secret_of(secrets.token_bytes(_KEY_BYTES))


async def add(
    connection: Any, wanted: NewEndpoint, now: datetime, *, by: str, allowed: Sequence[Network] = ()
) -> tuple[int, str]:
    """Make an endpoint; answers its id and its secret, which is shown this once. Raises `BadInput`."""
    target_of(wanted.url, allowed=allowed)
    known = texts.topics() - NO_WEBHOOK
    for topic in wanted.topics:
        if topic not in known:
            raise BadInput(repr(topic), where="topics", expected=f"of {', '.join(sorted(known))}")
    secret = new_secret()
    made = await connection.fetchval(
        SQL["add_endpoint"], wanted.name.strip(), wanted.firm_id, wanted.url, sorted(set(wanted.topics)), secret,
        wanted.exercise, now, by, WEBHOOK_ENDPOINTS,
    )  # fmt: skip
    if made is None:
        raise BadInput(
            repr(wanted.name), where="name", expected=f"a name nobody has, and at most {WEBHOOK_ENDPOINTS} endpoints"
        )
    return made, secret


async def rotate(connection: Any, endpoint_id: int, now: datetime) -> str | None:
    """A new secret; the old one signs as well for a day. An endpoint that was shut is in use again. None: there is none."""
    secret = new_secret()
    found = await connection.fetchval(SQL["rotate"], endpoint_id, secret, now, WEBHOOK_OLD_SECRET_HOURS)
    return None if found is None else secret


async def remove(connection: Any, endpoint_id: int, now: datetime) -> bool:
    """Nothing goes there any more."""
    return await connection.fetchval(SQL["remove"], endpoint_id, now) is not None


async def test(source: Any, endpoint_id: int, now: datetime, http: Http) -> tuple[bool, str] | None:
    """Send the message `hoistway.test` once, now: whether it was taken, and what was said. None: there is no such endpoint."""
    row = await source.fetchrow(SQL["endpoint_to_test"], endpoint_id)
    if row is None:
        return None
    stamp = now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = Outgoing(
        key=f"test-{endpoint_id}-{int(now.timestamp() * 1_000)}",
        topic="test", channel=Channel.WEBHOOK, contact="", address=row["url"], language="en", title="", text="", link="", label="",
        exercise=row["exercise"], at_s=int(now.timestamp()), secrets=(row["secret"],),
        document={"type": "hoistway.test", "timestamp": stamp, "data": {"exercise": row["exercise"]}},
    )  # fmt: skip
    try:
        sent: Sent = await WebhookWay(http).send(message)
    except (TryAgain, NeverWorks, OSError) as error:
        return False, str(error) or type(error).__name__
    return True, sent.said
