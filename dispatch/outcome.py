"""What a decision is about and what it says: a case as the decisions see it, and the outcome that the shell writes. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from hoistway.lifecycle import COMING, LIVE, RUNNING, WAITING, CaseState, OrderState
from hoistway.model import Addressee, CaseKind, Step


class TimerKind(StrEnum):
    SEND = "send"  # somebody is to be sent
    ACKNOWLEDGE = "acknowledge"  # nobody at the desk has taken the case
    VOICE = "voice"  # an alarm call that nobody has answered by voice
    ACCEPT = "accept"  # an order is not accepted
    SET_OUT = "set-out"  # an order is accepted, and nobody is on the way
    ARRIVE = "arrive"  # nobody is on site, counted from the first dispatch; never starts again
    ARRIVE_AGAIN = "arrive-again"  # and still nobody
    CALL_119 = "call-119"  # level 3, and 119 is not called
    RELEASE = "release"  # somebody is on site, and nobody says that they are out


class Teller(StrEnum):
    """Whom the outbox tells."""

    UNIT = "unit"
    FIRM = "firm"
    SUPERVISOR = "supervisor"
    PROPERTY = "property"
    LIFT = "lift"  # whoever is in the car, by its terminal


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderView:
    """An order of a case."""

    order_id: int
    level: int
    state: OrderState
    addressee: Addressee
    unit_id: int | None
    firm_id: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseView:
    """A case with its lift and its orders. Times are ms since 1970 UTC."""

    case_id: int
    kind: CaseKind
    state: CaseState
    level: int
    opened_ms: int
    acknowledged: bool
    dispatched: bool  # somebody was sent once, or should have been
    arrived: bool
    past: bool
    exercise: bool
    firm_id: int | None
    lift_kind: str
    urban: bool
    lon: float | None
    lat: float | None
    hurt: bool  # somebody is injured
    vulnerable: bool
    waits: bool  # no unit is left for it
    in_area: bool  # its lift belongs to an open area incident
    called_119: bool
    other_entrapment: bool  # the lift has another running entrapment
    orders: tuple[OrderView, ...]

    @property
    def running(self) -> bool:
        return self.state in RUNNING

    @property
    def waiting(self) -> bool:
        """Nobody is with them yet."""
        return self.state in WAITING

    @property
    def unfinished(self) -> tuple[OrderView, ...]:
        """Every order that is still somebody's work, the ambulance's too."""
        return tuple(order for order in self.orders if order.state in LIVE)

    @property
    def live(self) -> tuple[OrderView, ...]:
        """Those of them that rescue. An ambulance opens no car: it takes nobody's place."""
        return tuple(order for order in self.unfinished if order.addressee is not Addressee.AMBULANCE)

    @property
    def coming(self) -> tuple[OrderView, ...]:
        """Orders that somebody has taken on."""
        return tuple(order for order in self.live if order.state in COMING)

    @property
    def unattended(self) -> bool:
        """Nobody is with them: not yet, or who was there has given up."""
        there = {OrderState.ARRIVED, OrderState.DONE}
        states = {order.state for order in self.orders if order.addressee is not Addressee.AMBULANCE}
        return self.waiting or (self.running and OrderState.FAILED in states and not states & there)

    def higher(self, order: OrderView) -> bool:
        """Whether an order of a higher level than this one is somebody's work."""
        return any(other.level > order.level for other in self.live)

    def order(self, order_id: int | None) -> OrderView | None:
        return next((order for order in self.orders if order.order_id == order_id), None)

    def with_order(self, order_id: int, state: OrderState) -> CaseView:
        """The case after a move of one order."""
        moved = tuple(replace(order, state=state) if order.order_id == order_id else order for order in self.orders)
        return replace(self, orders=moved)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerPlan:
    """A timer to set. One of the same kind, case and order starts anew, but for `arrive`."""

    kind: TimerKind
    after_s: int
    order_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class TimerEnd:
    """Timers to cancel: of one kind or all (None), of one order or whatever they guard (None)."""

    kind: TimerKind | None = None
    order_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A line of the case's log. `own`: what the person did; else it follows by itself, whoever set it off."""

    kind: str
    own: bool = False
    reason: str | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sending:
    """An order to give out. A service is called by telephone: its order is accepted from the first moment."""

    level: int
    addressee: Addressee
    unit_id: int | None = None
    firm_id: int | None = None
    reasons: Mapping[str, Any] = field(default_factory=dict)
    accept_s: int | None = None  # its own limit to accept


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something that somebody must be told, beside the order itself. `key` tells repeats of one topic apart."""

    topic: str
    to: Teller
    to_id: int | None = None
    order_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """All that follows for one case. None: stays as it is."""

    state: CaseState | None = None
    level: int | None = None
    kind: CaseKind | None = None
    firm_id: int | None = None
    accepted: bool = False  # now for the first time, perhaps
    waits: bool | None = None
    lines: tuple[Line, ...] = ()
    sendings: tuple[Sending, ...] = ()
    order_moves: tuple[tuple[int, OrderState], ...] = ()
    late_orders: tuple[int, ...] = ()
    timers: tuple[TimerPlan, ...] = ()
    ends: tuple[TimerEnd, ...] = ()
    notices: tuple[Notice, ...] = ()
    steps: tuple[Step, ...] = ()
    done_steps: tuple[Step, ...] = ()

    def __add__(self, later: Outcome) -> Outcome:
        """This and then the other: what the later one says of a field counts, lists follow each other."""
        single = {
            name: getattr(self, name) if getattr(later, name) is None else getattr(later, name)
            for name in ("state", "level", "kind", "firm_id", "waits")
        }
        many = {
            name: getattr(self, name) + getattr(later, name)
            for name in (
                "lines", "sendings", "order_moves", "late_orders", "timers", "ends", "notices", "steps", "done_steps",
            )
        }  # fmt: skip
        return Outcome(**single, **many, accepted=self.accepted or later.accepted)
