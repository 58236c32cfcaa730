"""What a page says of one order: its clocks, its moves, the car, what happened. Pure: rows and values in, plain values out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from api.firm.view import span_until
from hoistway import lifecycle
from hoistway.lifecycle import RUNNING, CaseState, OrderState
from hoistway.model import CarDirection, DoorStatus, Power, Role, ServiceMode

Row = Mapping[str, Any]

_CLOCKS: Final[Mapping[str, frozenset[str]]] = {
    OrderState.SENT: frozenset({"accept", "arrive", "arrive-again"}),
    OrderState.ACCEPTED: frozenset({"set-out", "arrive", "arrive-again"}),
    OrderState.ON_THE_WAY: frozenset({"arrive", "arrive-again"}),
    OrderState.ARRIVED: frozenset({"release"}),
}
"""Limits that a crew works against, by the state of its order."""
SHARED: Final = (
    "dispatch", "arrive", "release", "cancel", "close", "facts", "handed-over", "level-raised", "device-says-clear", "contact-lost",
    "contact-back", "alarm-joined", "holds-now", "raised-to-entrapment", "area-incident",
)  # fmt: skip
"""Lines of a case's log that each of its crews may read: the emergency's own. Whom else the desk has sent is not among them."""
FORMS: Final = frozenset({"arrive", "refuse", "fail", "finish"})
"""Moves with words: they have a page that stands still while somebody types."""


def clocks(row: Row, now: datetime) -> list[dict[str, Any]]:
    """Limits that run for this crew: the timer's name, when it is due, seconds left (negative: it is late)."""
    wanted = _CLOCKS.get(row["state"], frozenset()) if row["live"] else frozenset()
    timers = zip(row["timer_kinds"] or (), row["timer_due"] or (), strict=True)
    return [
        {"name": kind, "due_at": due, "left_s": span_until(now, due), "late": due <= now}
        for kind, due in timers
        if kind in wanted
    ]


def moves(row: Row) -> list[str]:
    """What this crew may do now, the next step first, refusals last. `release` is a word, not a move."""
    allowed = [move.name for move in lifecycle.allowed_order_moves(OrderState(row["state"]), Role.MAINTAINER)]
    if row["state"] != OrderState.ARRIVED:
        return allowed
    again = ["release"] if CaseState(row["case_state"]) in RUNNING else []
    return again + allowed if row["released_at"] is None else [*allowed[:1], *again, *allowed[1:]]


def already_done(rows: Sequence[Row], kind: str, person: str) -> bool:
    """Whether the newest line about the order is this very act of this very person: a button that was pressed twice."""
    own = [row for row in rows if row["own"]]
    return bool(own) and own[-1]["kind"] == kind and own[-1]["person"] == person


def car(state: Mapping[str, Any], kind: str) -> list[tuple[str, str, str]]:
    """What the lift says now: label, family of words (or "text"), word. Unknown is left out."""
    values = state["values"]
    found: list[tuple[str, str, str]] = []

    def add(label: str, family: str, word: object) -> None:
        if word is not None:
            found.append((label, family, str(word)))

    moving = state["moving"]
    add("car.moving", "car.moving", None if moving is None else str(moving).lower())
    if kind == "lift":
        add("car.floor", "text", values["car_position"])
        add("car.level", "car.level", None if values["door_zone"] is None else str(values["door_zone"]).lower())
        add("car.doors", "door", _number(DoorStatus, values["door_status"]))
        add("car.person", "car.person", None if values["passenger"] is None else str(values["passenger"]).lower())
        if moving:
            add("car.direction", "direction", _number(CarDirection, values["car_direction"]))
        add("car.power", "power", _number(Power, values["power"]))
    add("car.mode", "mode", _number(ServiceMode, values["service_mode"]))
    return found


def _number(words: Any, stored: int | None) -> int | None:
    return None if stored is None else int(words(stored))
