"""What every way out has in common: what it is given, what it answers, and how it says that it did not work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from dispatch.notify.channels import Channel
from dispatch.notify.net.http import Answer
from hoistway.errors import HoistwayError

_PASSING: Final = frozenset({408, 425, 429})
GONE: Final = 410


class TryAgain(HoistwayError):
    """It did not work, and may work later. `after_s`: the other side asks for so long a pause."""

    def __init__(self, why: str, *, after_s: int | None = None) -> None:
        self.after_s = after_s
        super().__init__(why)


class NotYet(HoistwayError):
    """It is under way elsewhere; look again soon."""


class NeverWorks(HoistwayError):
    """It will not work however often it is tried: a dead letter. `gone`: nor will anything else for this receiver."""

    def __init__(self, why: str, *, gone: bool = False) -> None:
        self.gone = gone
        super().__init__(why)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outgoing:
    """One message, ready to leave."""

    key: str  # the same over all attempts
    topic: str
    channel: Channel
    contact: str
    address: str
    language: str
    title: str
    text: str  # without the link
    link: str  # one-time; "" where nobody may use one
    label: str  # what stands before the link
    exercise: bool
    at_s: int  # now, seconds since 1970 UTC
    document: Mapping[str, Any]  # what machines get
    secrets: Sequence[str] = field(default_factory=tuple)  # the receiver's, the newest first

    @property
    def whole(self) -> str:
        """Text and link."""
        return f"{self.text}{self.label}{self.link}" if self.link else self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """It went out. `receipt`: the receiver itself said that it has it."""

    receipt: bool = False
    said: str = ""


class Way(Protocol):
    """One way out. Raises `TryAgain`, `NotYet`, `NeverWorks`; `OSError` and `TimeoutError` are like `TryAgain`."""

    async def send(self, message: Outgoing) -> Sent:
        """Hand the message over."""


def check(answer: Answer, *, stubborn: bool = False) -> None:
    """Raise for everything but 2xx. `stubborn`: also what the other side calls our mistake may be mended there, but 410."""
    if 200 <= answer.status < 300:
        return
    why = f"HTTP {answer.status}"
    if answer.status == GONE:
        raise NeverWorks(why, gone=True)
    if stubborn or answer.status >= 500 or answer.status in _PASSING or answer.status < 400:
        raise TryAgain(why, after_s=answer.retry_after_s)
    raise NeverWorks(why)
