"""Cases, orders and rosters for tests of the decisions, every value with a plain default."""

from __future__ import annotations

from typing import Any

from dispatch.outcome import CaseView, OrderView
from dispatch.units import Roster, Unit
from hoistway.lifecycle import CaseState, OrderState
from hoistway.model import Addressee, CaseKind, UnitKind

FIRM = 7


def case(*orders: OrderView, **changes: Any) -> CaseView:
    """An open entrapment of firm 7, a minute old."""
    values: dict[str, Any] = {
        "case_id": 1, "kind": CaseKind.ENTRAPMENT, "state": CaseState.OPEN, "level": 1, "opened_ms": 0, "acknowledged": False,
        "dispatched": False, "arrived": False, "past": False, "exercise": False, "firm_id": FIRM, "lift_kind": "lift",
        "urban": True, "lon": 120.1, "lat": 30.2, "hurt": False, "vulnerable": False, "waits": False, "in_area": False,
        "called_119": False, "other_entrapment": False,
    }  # fmt: skip
    return CaseView(**{**values, **changes}, orders=orders)


def order(
    order_id: int,
    *,
    level: int = 1,
    state: str = "sent",
    unit_id: int | None = None,
    addressee: Addressee | None = None,
) -> OrderView:
    return OrderView(
        order_id=order_id,
        level=level,
        state=OrderState(state),
        addressee=addressee or (Addressee.FIRM if unit_id is None else Addressee.UNIT),
        unit_id=unit_id,
        firm_id=FIRM if level == 1 else None,
    )


def unit(unit_id: int, *, km: float = 1.0, **changes: Any) -> Unit:
    """A free station so many kilometres north of the case."""
    values: dict[str, Any] = {
        "kind": UnitKind.STATION, "firm_id": None, "lift_kinds": frozenset({"lift", "escalator"}), "crews": 1, "load": 0,
        "lon": 120.1, "lat": 30.2 + km / 111.195, "position_age_s": None, "exercise": False,
    }  # fmt: skip
    return Unit(unit_id=unit_id, **{**values, **changes})


def team(unit_id: int, **changes: Any) -> Unit:
    return unit(unit_id, **{"kind": UnitKind.TEAM, "firm_id": FIRM, **changes})


def roster(*units: Unit) -> Roster:
    return Roster(units)
