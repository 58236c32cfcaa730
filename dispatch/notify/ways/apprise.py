"""Everything else that the library apprise knows (extra `apprise`): the address is an apprise address, written by the operator."""

from __future__ import annotations

import asyncio
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dispatch.notify.ways.way import NeverWorks, Outgoing, Sent, TryAgain


def installed() -> bool:
    """Whether the extra is there."""
    return find_spec("apprise") is not None


class AppriseWay:
    """One message, one address; apprise works in a thread."""

    async def send(self, message: Outgoing) -> Sent:
        if not await asyncio.to_thread(_notify, message):
            raise TryAgain("apprise could not deliver it")
        return Sent(said="apprise")


def _notify(message: Outgoing) -> bool:
    speaker: Any = import_module("apprise").Apprise()
    if not speaker.add(message.address):
        raise NeverWorks("apprise does not know this address")
    return bool(speaker.notify(title=message.title, body=message.whole))
