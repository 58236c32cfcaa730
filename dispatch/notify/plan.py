"""Who is told by which way, in which order. Pure: a notification, contacts and preferences in, steps out.

Contacts by rank, and each by the city's or firm's channels: the first at once, a later one when no receipt came in time. A robot speaks
to a group that sees it now or later, so it goes at once and the next step with it. Exercises end in a file, whoever they are for; a
drill alone goes the real way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from dispatch.notify.channels import ADDRESS_OF, Channel

DRILL: Final = "drill"
ORDER: Final = "order"
STAND_DOWN: Final = "stand-down"
SOOTHE: Final = "soothe"
UNREACHABLE: Final = "unreachable"
SUPERVISOR: Final = "supervisor"
LIFT: Final = "lift"
ALONE: Final = frozenset({ORDER, STAND_DOWN, SOOTHE, DRILL})
"""Topics of which each is said for itself; another one of the same addressee joins."""
NO_WEBHOOK: Final = frozenset({SOOTHE, DRILL})
STEPS: Final = 12
"""Steps of one notification at most."""
URGENT: Final[Mapping[str, int]] = {ORDER: 0, STAND_DOWN: 0, SOOTHE: 0, SUPERVISOR: 1}
"""By topic, else by addressee; what is not named comes last (2)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """Somebody who may be told."""

    name: str
    rank: int
    language: str
    exercise: bool  # of a unit or lift that is there for exercises only
    addresses: Mapping[str, tuple[str, int | None]]  # kind: address, id of its `notify_contact`


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """A webhook endpoint that is in use and sees the notification's firm."""

    endpoint_id: int
    topics: Collection[str]  # empty: all
    exercise: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Preference:
    """One channel of an addressee, in its order."""

    channel: Channel
    receipt_s: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A notification as planning sees it."""

    outbox_id: int
    topic: str
    addressee: str
    exercise: bool
    name: str = ""  # of the unit or firm
    contact: str | None = None  # of a drill: the one who is asked
    lift_is_exercise: bool = False
    devices: Sequence[str] = field(default_factory=tuple)  # terminals of the lift

    @property
    def urgency(self) -> int:
        """0 goes first."""
        return URGENT.get(self.topic, URGENT.get(self.addressee, 2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One way to one contact. `step` None: beside the others; equal ones go together."""

    step: int | None
    channel: Channel
    receiver: str
    contact: str
    address: str = ""
    contact_id: int | None = None
    endpoint_id: int | None = None
    language: str = "zh"
    receipt_s: int = 0
    to_exercise: bool = False


def plan(
    told: Told,
    *,
    contacts: Sequence[Contact],
    preferences: Sequence[Preference],
    endpoints: Iterable[Endpoint],
    available: Collection[Channel],
) -> tuple[Step, ...]:
    """The steps of one notification; () when there is no way at all."""
    if told.addressee == LIFT:
        return _soothe(told, available)
    hooks = [] if told.topic in NO_WEBHOOK else [_hook(e) for e in endpoints if _wants(e, told)]
    if told.exercise and told.topic != DRILL:
        return (_console(told.name or told.addressee, contacts[0] if contacts else None, 0), *hooks)
    asked = [c for c in sorted(contacts, key=lambda c: c.rank) if told.contact in {None, c.name}]
    ladder = _ladder(told, asked, preferences, available)
    if ladder:
        return (*ladder, *hooks)
    return tuple(Step(**{**_values(hook), "step": 0}) for hook in hooks)


def _wants(endpoint: Endpoint, told: Told) -> bool:
    return endpoint.exercise is told.exercise and (not endpoint.topics or told.topic in endpoint.topics)


def _ladder(
    told: Told, contacts: Sequence[Contact], preferences: Sequence[Preference], available: Collection[Channel]
) -> list[Step]:
    found: list[Step] = []
    for contact in contacts:
        if contact.exercise:
            if told.exercise:  # a drill in a pretended city
                found.append(_console(told.addressee, contact, len(found)))
            continue
        for preference in preferences:
            address = contact.addresses.get(ADDRESS_OF.get(preference.channel, ""))
            if address is None or preference.channel not in available:
                continue
            found.append(
                Step(
                    step=len(found),
                    channel=preference.channel,
                    receiver=_receiver(preference.channel, address[0]),
                    contact=contact.name,
                    address=address[0],
                    contact_id=address[1],
                    language=contact.language,
                    receipt_s=preference.receipt_s,
                )
            )
    return found[:STEPS]


def _receiver(channel: Channel, address: str) -> str:
    """Gateways and the mail server are one receiver each; every robot is one of its own."""
    return channel.value if ADDRESS_OF[channel] in {"phone", "mail"} else f"{channel.value} {address}"


def _console(nobody: str, contact: Contact | None, step: int) -> Step:
    name, language = (contact.name, contact.language) if contact else (nobody, "zh")
    return Step(
        step=step, channel=Channel.CONSOLE, receiver="console", contact=name, language=language, to_exercise=True
    )


def _hook(endpoint: Endpoint) -> Step:
    number = endpoint.endpoint_id
    return Step(
        step=None,
        channel=Channel.WEBHOOK,
        receiver=f"webhook {number}",
        contact=f"webhook {number}",
        endpoint_id=number,
        to_exercise=endpoint.exercise,
    )


def _soothe(told: Told, available: Collection[Channel]) -> tuple[Step, ...]:
    """Every terminal of the lift together. A terminal of a real lift says nothing in an exercise."""
    if told.lift_is_exercise is not told.exercise or Channel.DEVICE not in available:
        return ()
    return tuple(
        Step(
            step=0,
            channel=Channel.DEVICE,
            receiver="device",
            contact=device,
            address=device,
            to_exercise=told.exercise,
        )
        for device in told.devices
    )


def _values(step: Step) -> dict[str, Any]:
    return {name: getattr(step, name) for name in step.__dataclass_fields__}
