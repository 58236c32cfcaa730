"""From rows to documents: the one place that says how an alarm, a case or a lift looks in JSON.

Pure: rows and values in, plain documents out. `schemas` says the same to OpenAPI; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from api.exchange import Document, moment
from hoistway import lifecycle
from hoistway.lifecycle import CaseState, OrderState
from hoistway.model import BUILT_IN, SIGNALS, Kind, Role, Signal, SignalType
from hoistway.wire import PREFIX

Row = Mapping[str, Any]

MOVING_SPEED_M_S: Final = 0.05
UNKNOWN: Final = -1


def lift_in_brief(row: Row) -> Document:
    """What an alarm, a case or an incident says of its lift."""
    return {
        "name": row["name"],
        "rescue_code": row["rescue_code"],
        "estate": row["estate"],
        "building": row["building"],
        "address": row["address"],
        "district": row["district"],
        "kind": row["lift_kind"],
    }


def _title(row: Row) -> dict[str, str]:
    """Of a rule, of a notice that no rule makes, or the bare id of a rule that is gone."""
    plain = BUILT_IN.get(row["rule_id"], {"zh": row["rule_id"], "en": row["rule_id"]})
    return {"zh": row["title_zh"] or plain["zh"], "en": row["title_en"] or plain["en"]}


def alarm(row: Row) -> Document:
    """One alarm, from `alarm_documents`."""
    return {
        "id": row["id"],
        "lift_id": row["lift_id"],
        "lift": lift_in_brief(row),
        "rule_id": row["rule_id"],
        "rule_version": row["rule_version"],
        "title": _title(row),
        "severity": row["severity"],
        "opens": row["opens"],
        "condition": row["condition"],
        "operator_state": row["operator_state"],
        "hold_start": moment(row["hold_start"]),
        "raised_at": moment(row["raised_at"]),
        "last_raised_at": moment(row["last_raised_at"]),
        "detected_at": moment(row["detected_at"]),
        "cleared_at": moment(row["cleared_at"]),
        "repeats": row["repeats"],
        "acknowledged_at": moment(row["acknowledged_at"]),
        "acknowledged_by": row["acknowledged_by"],
        "shelved_until": moment(row["shelved_until"]),
        "shelved_by": row["shelved_by"],
        "shelve_reason": row["shelve_reason"],
        "chattering": row["chattering"],
        "stale": row["stale"],
        "out_of_service": row["out_of_service"],
        "witnesses": row["witnesses"],
        "correction": row["correction"],
        "case_id": row["case_id"],
        "ticket_id": row["ticket_id"],
        "maintenance_order_id": row["maintenance_order_id"],
        "exercise": row["exercise"],
        "open": row["open"],
        "version": row["version"],
    }


def removal(row: Row) -> Document:
    """A rule of a lift that a person took out of service, from `removal_documents`."""
    plain = ("id", "lift_id", "rule_id", "reason", "person", "ended_by", "end_reason")
    return {
        **{name: row[name] for name in plain},
        "lift": lift_in_brief(row),
        "title": _title(row),
        **{name: moment(row[name]) for name in ("since", "until", "ended_at")},
    }


def incident(row: Row, lifts: Sequence[Row], cases: Sequence[Row]) -> Document:
    """One area incident, from `incident_documents`, with its lifts and the entrapments among them."""
    times = ("opened_at", "last_joined_at", "ended_at")
    return {
        **{
            name: row[name]
            for name in ("id", "kind", "name", "cause", "active_lifts", "lift_count", "exercise", "version")
        },
        **{name: moment(row[name]) for name in times},
        "open": row["ended_at"] is None,
        "entrapments": [
            {
                **{
                    name: case[name]
                    for name in (
                        "case_id",
                        "alarm_id",
                        "lift_id",
                        "state",
                        "level",
                        "open",
                        "coming",
                        "vulnerable",
                        "injured",
                    )
                },
                "lift": lift_in_brief(case),
                **{name: moment(case[name]) for name in ("opened_at", "acknowledged_at", "waits_since")},
            }
            for case in cases
        ],
        "lifts": [
            {
                "lift_id": lift["lift_id"],
                "lift": lift_in_brief(lift),
                "rules": lift["rules"],
                "alarm_ids": lift["alarm_ids"],
                "active": lift["active"],
                "joined_at": moment(lift["joined_at"]),
            }
            for lift in lifts
        ],
    }


def flood(row: Row) -> Document:
    """One alarm flood, from `flood_documents`."""
    plain = ("id", "positions", "peak", "exercise", "version")
    times = {name: moment(row[name]) for name in ("began_at", "ended_at")}
    return {**{name: row[name] for name in plain}, **times, "open": row["ended_at"] is None}


def order(document: Document, role: Role | None, *, firm_id: int | None = None) -> Document:
    """One order, from `order_document`, with the moves that `role` may make: a maintainer with those of the own firm only."""
    moves: tuple[lifecycle.OrderMove, ...] = ()
    firm = document["firm"]
    if role is not None and (role is not Role.MAINTAINER or (firm is not None and firm["id"] == firm_id)):
        moves = lifecycle.allowed_order_moves(OrderState(document["state"]), role)
    allowed = [{"name": move.name, "target": move.target, "reason": move.reason} for move in moves]
    return {**document, "allowed_moves": allowed}


def case(row: Row, role: Role | None, *, firm_id: int | None = None) -> Document:
    """One case, from `case_documents`, with the moves that `role` may make; None: a reader who makes none."""
    moves = lifecycle.allowed_moves(CaseState(row["state"]), role) if role else ()
    columns = (row[f"timer_{name}"] or () for name in ("kinds", "due", "fired", "orders"))
    timers = zip(*columns, strict=True)
    return {
        "id": row["id"],
        "kind": row["kind"],
        "channel": row["channel"],
        "lift_id": row["lift_id"],
        "lift": lift_in_brief(row),
        "state": row["state"],
        "level": row["level"],
        "alarm_id": row["alarm_id"],
        "opened_at": moment(row["opened_at"]),
        "acknowledged_at": moment(row["acknowledged_at"]),
        "acknowledged_by": row["acknowledged_by"],
        "dispatched_at": moment(row["dispatched_at"]),
        "accepted_at": moment(row["accepted_at"]),
        "arrived_at": moment(row["arrived_at"]),
        "released_at": moment(row["released_at"]),
        "closed_at": moment(row["closed_at"]),
        "firm": None if row["firm_id"] is None else {"id": row["firm_id"], "name": row["firm_name"]},
        "waits_since": moment(row["waits_since"]),
        **{name: row[name] for name in ("trapped", "injured", "dead", "vulnerable", "release_method")},
        "confirmed_by": row["confirmed_by"],
        "confirmation": row["confirmation"],
        "reported_by_device": row["reported_by_device"],
        "device_says_clear_at": moment(row["device_says_clear_at"]),
        "contact_lost_at": moment(row["contact_lost_at"]),
        "past": row["past"],
        "exercise": row["exercise"],
        "open": row["open"],
        "version": row["version"],
        "allowed_moves": [
            {"name": move.name, "target": move.target, "confirmation": move.confirmation} for move in moves
        ],
        "timers": [
            {"kind": kind, "due_at": moment(due), "fired_at": moment(fired), "order_id": order_id}
            for kind, due, fired, order_id in timers
        ],
        "orders": [order(item, role, firm_id=firm_id) for item in row["orders"] or ()],
        "steps": row["steps"] or [],
        "calls": row["calls"],
    }


def happening(row: Row) -> Document:
    """One line of an alarm's history or of a case's log: the columns as they are, times as text."""
    return {name: moment(value) if name in ("at", "recorded_at") else value for name, value in row.items()}


def lift(row: Row) -> Document:
    """One lift of the register, from `lift_documents`."""
    firm = None
    if row["firm_id"] is not None:
        firm = {"id": row["firm_id"], "name": row["firm_name"], "phone": row["firm_phone"]}
    plain = ("id", "kind", "rescue_code", "register_code", "name", "estate", "building", "address", "district",
             "lon", "lat", "floors")  # fmt: skip
    return {
        **{name: row[name] for name in plain},
        "rated_speed_m_s": number(row["rated_speed_m_s"]),
        "rated_load_kg": number(row["rated_load_kg"]),
        "firm": firm,
        **{
            name: row[name]
            for name in ("user_unit", "user_unit_phone", "emergency_phone", "urban", "feeder", "exercise")
        },
        "devices": [],
    }


def device(row: Row) -> Document:
    """One terminal of a lift, from `devices_of_lifts`."""
    return {
        "device": row["device"],
        "shard": row["shard"],
        "topic_prefix": f"{PREFIX}/{row['shard']}/{row['device']}/",
        "online": row["online"],
        "last_seen": moment(row["received"]),
    }


# --- values of a sample ---


def signals_of(kind: str) -> tuple[Signal, ...]:
    """The signals that a lift or an escalator has."""
    return _SIGNALS_OF[Kind(kind)]


_SIGNALS_OF: Final = {kind: tuple(signal for signal in SIGNALS if signal.kind in (None, kind)) for kind in Kind}


def number(stored: float | None) -> float | None:
    """A `real` column as people wrote it: 0.3, not 0.30000001192092896; unknown is None."""
    if stored is None or stored != stored:  # noqa: PLR0124  NaN is unknown
        return None
    return float(f"{stored:.7g}")


def value(signal: Signal, stored: float, labels: Mapping[int, str]) -> bool | float | int | str | None:
    """A signal's stored value as the contract writes it; unknown is None."""
    match signal.type:
        case SignalType.NUMBER:
            return number(stored)
        case SignalType.BOOL:
            return None if stored == UNKNOWN else bool(stored)
        case SignalType.LABEL:
            return labels.get(int(stored))
        case SignalType.ENUM:
            return None if stored in (UNKNOWN, signal.unknown_value) else int(stored)


def moving(running: bool | None, speed: float | None) -> bool | None:
    """Whether it moves, from two witnesses: its own word and the speed. When they disagree nobody knows."""
    by_speed = None if speed is None else abs(speed) > MOVING_SPEED_M_S
    if running is None or by_speed is None:
        return by_speed if running is None else running
    return running if running == by_speed else None


def moving_of(kind: str, values: Mapping[str, Any]) -> bool | None:
    """`moving` of one lift or escalator from its values."""
    word = values.get("car_status" if kind == Kind.LIFT else "operation_status")
    return moving(None if word is None else bool(word), values.get("speed"))
