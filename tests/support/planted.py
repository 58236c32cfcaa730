"""Two firms in one city, every row of which says whose it is, and people of every role who look at them.

Each text that somebody wrote about a firm's lifts holds the mark of its world, and the foreign world's numbers begin with 77700, so
that a leak shows in any answer, wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from alarms.language.reader import default_rules
from api import people
from hoistway.model import Role
from tests.support import rows

RULE: Final = "door-held-open"
MARKS: Final = {"own": "zqown", "foreign": "zqforeign"}
FOREIGN_NUMBER: Final = re.compile(r"(?<![\d.])77700\d\d(?!\d)")
MISSING: Final[Mapping[str, str]] = {"rule": "no-such-rule"}
_NUMBERED: Final = (
    "lift",
    "alarm",
    "rescue_case",
    "dispatch_order",
    "unit",
    "out_of_service",
    "area_incident",
    "device",
)


@dataclass(frozen=True, kw_only=True)
class Viewer:
    """Somebody who looks, and whose rows may be seen."""

    name: str
    role: Role
    sees: frozenset[str]
    token: str  # of the session
    csrf: str
    districts: tuple[str, ...] = ()


@dataclass(kw_only=True)
class City:
    """What was planted: ids by world and kind; things of no firm are in every world."""

    ids: dict[str, dict[str, Any]] = field(default_factory=dict)
    firms: dict[str, int] = field(default_factory=dict)

    def of(self, world: str, about: str) -> str:
        """What fills the path; in the world `missing` something that is not there."""
        return str(self.ids.get(world, MISSING).get(about, "999999"))


async def plant(db: Any) -> City:
    """Both worlds, and what is of the city."""
    city = City()
    await rows.rule(db, "entrapment-between-floors")
    await rows.rule(db, RULE, text=next(rule.text for rule in default_rules().rules if rule.id == RULE))
    await db.execute("update rule_version set opens = 'ticket' where rule_id = $1", RULE)
    shared = await _shared(db)
    for world in MARKS:
        if world == "foreign":
            for table in _NUMBERED:
                await db.execute(f"alter table {table} alter column id restart with 7770001")
        firm_id, ids = await _world(db, world)
        city.firms[world], city.ids[world] = firm_id, {**ids, **shared}
    return city


async def _world(db: Any, world: str) -> tuple[int, dict[str, Any]]:
    mark = MARKS[world]
    firm_id = await rows.firm(db, f"{mark} firm")
    await db.execute("update firm set phone = $2 where id = $1", firm_id, f"{mark} phone")
    lift_id = await rows.lift(
        db, firm_id=firm_id, name=f"{mark} lift", estate=f"{mark} estate", building=f"{mark} building",
        address=f"{mark} address", district=f"{mark} district", user_unit=f"{mark} unit", user_unit_phone=f"{mark} phone",
        emergency_phone=f"{mark} phone", maker=f"{mark} maker",
    )  # fmt: skip
    device_id = await rows.device(db, lift_id, name=f"{mark}-device")
    alarm_id = await rows.alarm(db, lift_id, evidence={"note": f"{mark} evidence"})
    await db.execute(
        "insert into alarm_event (alarm_id, kind, at, person, detail) values ($1, 'commented', $2, $3, $4)",
        alarm_id, rows.NOW, f"{mark} person", {"text": f"{mark} comment"},
    )  # fmt: skip
    case_id = await rows.case(
        db, lift_id, alarm_id=alarm_id, acknowledged_by=f"{mark} person", acknowledged_at=rows.NOW
    )
    await db.execute(
        "insert into case_event (case_id, kind, at, person, role, reason) values ($1, 'commented', $2, $3, 'dispatcher', $4)",
        case_id, rows.NOW, f"{mark} person", f"{mark} reason",
    )  # fmt: skip
    await db.execute(
        "insert into case_step (case_id, step, listed_at, done_at, person, note) values ($1, 'call-119', $2, $2, $3, $4)",
        case_id, rows.NOW, f"{mark} person", f"{mark} note",
    )  # fmt: skip
    await rows.timer(db, case_id, "arrive")
    unit_id = await rows.insert(
        db, "unit", {"name": f"{mark} team", "kind": "team", "firm_id": firm_id, "phone": f"{mark} phone"}
    )
    await rows.insert(db, "unit_contact", {"unit_id": unit_id, "name": f"{mark} contact", "phone": f"{mark} phone"})
    order_id = await rows.insert(
        db, "dispatch_order",
        {"case_id": case_id, "level": 1, "addressee": "unit", "unit_id": unit_id, "firm_id": firm_id, "sent_at": rows.NOW,
         "sent_by": f"{mark} person", "reasons": {"by_hand": f"{mark} reason"}, "exercise": False},
    )  # fmt: skip
    removals = [
        await rows.insert(
            db, "out_of_service",
            {"lift_id": lift_id, "rule_id": RULE, "reason": f"{mark} reason", "since": rows.NOW, "person": f"{mark} person",
             "ended_at": ended, "ended_by": None if ended is None else f"{mark} person"},
        ) for ended in (rows.NOW, None)
    ]  # fmt: skip
    incident_id = await rows.insert(
        db, "area_incident",
        {"kind": "estate", "name": f"{mark} estate", "cause": "entrapment", "opened_at": rows.NOW, "last_joined_at": rows.NOW,
         "active_lifts": 1, "exercise": False},
    )  # fmt: skip
    await rows.insert(
        db, "area_incident_lift",
        {"incident_id": incident_id, "alarm_id": alarm_id, "lift_id": lift_id, "rule_id": "x", "joined_at": rows.NOW},
        returning="lift_id",
    )  # fmt: skip
    people_here = [
        await rows.insert(db, "person", {"name": f"{who} {len(mark)}", "role": "dispatcher"})
        for who in ("leaving", "coming")
    ]
    handover_id = await rows.insert(
        db, "handover",
        {"at": rows.NOW, "leaving_id": people_here[0], "leaving": f"{mark} leaving", "leaving_proof": "code", "coming_id": people_here[1],
         "coming": f"{mark} coming", "coming_proof": "password", "districts": [f"{mark} district"], "notes": f"{mark} notes",
         "sheet": {"cases": [], "late": [], "returning": [], "unreachable": [], "totals": dict.fromkeys(
             ("cases", "late", "returning", "unreachable"), 0)}},
    )  # fmt: skip
    ids = {"handover": handover_id, "lift": lift_id, "alarm": alarm_id, "case": case_id, "order": order_id, "unit": unit_id, "ended removal": removals[0],
           "incident": incident_id, "device": device_id}  # fmt: skip
    return firm_id, ids


async def _shared(db: Any) -> dict[str, Any]:
    await db.execute(
        "insert into rule_set (number, author, comment, state, live_at) values (1, 'x', 'x', 'live', now())"
    )
    await db.execute(
        "insert into rule_set_rule (rule_set, mode, position, rule_id, version, own)"
        " select 1, 'live', 1, rule_id, version, true from rule_version where rule_id = $1",
        RULE,
    )
    job = {"asked_by": "x", "request": {"from_ms": 0, "to_ms": 1}, "state": "done", "result": "{}", "page": "<p>"}
    backtest = await rows.insert(db, "backtest_job", job)
    person = await rows.insert(db, "person", {"name": "somebody", "role": "tester"})
    shift = await rows.insert(
        db, "desk_shift",
        {"person_id": person, "since": rows.NOW - timedelta(hours=1), "until": rows.NOW + timedelta(hours=1), "planned_by": "x"},
    )  # fmt: skip
    return {
        "shift": shift,
        "person": person,
        "rule": RULE,
        "rule set": 1,
        "backtest": backtest,
        "message": await rows.quarantined(db),
    }


# --- people ---


async def viewers(db: Any, city: City) -> list[Viewer]:
    """One of every role, and a maintainer whose firm has nothing."""
    everything = frozenset(MARKS)
    nothing: frozenset[str] = frozenset()
    idle = await rows.firm(db, "idle firm")
    found = [
        await _viewer(db, role, everything)
        for role in Role
        if role not in {Role.MAINTAINER, Role.PROPERTY}
    ]  # fmt: skip
    found.append(await _viewer(db, Role.PROPERTY, nothing))
    district = [f"{MARKS['own']} district"]
    found += [
        await _viewer(db, role, frozenset({"own"}), districts=district) for role in (Role.DISPATCHER, Role.AUDITOR)
    ]
    found.append(await _viewer(db, Role.MAINTAINER, frozenset({"own"}), firm_id=city.firms["own"]))
    found.append(await _viewer(db, Role.MAINTAINER, nothing, firm_id=idle))
    return found


async def _viewer(
    db: Any, role: Role, sees: frozenset[str], *, firm_id: int | None = None, districts: Sequence[str] = ()
) -> Viewer:
    name = f"{role} who sees {'+'.join(sorted(sees)) or 'nothing'}"
    firm = None if firm_id is None else await db.fetchval("select name from firm where id = $1", firm_id)
    async with db.acquire() as connection:
        await people.create_person(connection, name, role, firm, None)
        await connection.execute("update person set districts = $2 where name = $1", name, districts)
        link = await people.create_login_link(connection, name)
    token = await people.use_login_link(db, link)
    assert isinstance(token, str)
    csrf = await db.fetchval("select csrf from session where token_hash = $1", people.hash_token(token))
    return Viewer(name=name, role=role, sees=sees, token=token, csrf=csrf, districts=tuple(districts))
