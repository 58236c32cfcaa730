"""Many alarms of one area within a short time are one area incident. Pure: no I/O, no clock; alarms in, a plan out.

Input are the active power-lost and offline alarms and those that open a rescue, with the areas of their lifts, and the
incidents that are open. The smallest area that covers what happened wins (building < estate < feeder < district): the
smallest that holds `COVERS` of the lifts of the fullest one. An incident grows into a larger area, never into a smaller.
An entrapment in an incident stays a rescue case of its own; nothing here touches it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

POWER_LOST: Final = "power-lost"
OFFLINE: Final = "offline"
COVERS: Final = 0.8
"""The share of the fullest area's lifts that a smaller area must hold to stand for it (hoistway)."""


class AreaKind(StrEnum):
    """From small to large."""

    BUILDING = "building"
    ESTATE = "estate"
    FEEDER = "feeder"
    DISTRICT = "district"


class Cause(StrEnum):
    POWER_LOST = "power-lost"
    OFFLINE = "offline"
    ENTRAPMENT = "entrapment"
    MIXED = "mixed"


_SIZE: Final = {kind: size for size, kind in enumerate(AreaKind)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Area:
    kind: AreaKind
    name: str
    exercise: bool  # simulated and real lifts share no incident


@dataclass(frozen=True, kw_only=True, slots=True)
class AreaAlarm:
    """One active alarm that counts."""

    alarm_id: int
    lift_id: int
    rule_id: str
    at_ms: int  # its latest raise, corrected device time
    areas: tuple[Area, ...]  # those that its lift lies in


@dataclass(frozen=True, kw_only=True, slots=True)
class AreaLimit:
    lifts: int  # so many different lifts
    within_ms: int  # raised within so long


LIMITS: Final[Mapping[AreaKind, AreaLimit]] = {
    AreaKind.BUILDING: AreaLimit(lifts=5, within_ms=120_000),
    AreaKind.ESTATE: AreaLimit(lifts=5, within_ms=120_000),
    AreaKind.FEEDER: AreaLimit(lifts=5, within_ms=120_000),
    AreaKind.DISTRICT: AreaLimit(lifts=20, within_ms=120_000),
}
"""hoistway's own; a city sets others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenIncident:
    incident_id: int
    area: Area
    opened_ms: int  # the earliest raise among its first alarms
    alarm_ids: frozenset[int]  # every alarm that ever joined it


@dataclass(frozen=True, kw_only=True, slots=True)
class NewIncident:
    area: Area
    opened_ms: int
    cause: Cause
    alarms: tuple[AreaAlarm, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """An open incident as it is after this round."""

    incident_id: int
    joining: tuple[AreaAlarm, ...]
    cause: Cause | None  # None: nothing of it is active, it stays what it was
    active_lifts: int
    ends: bool  # nothing active is left, or a larger incident holds all of it


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    opens: tuple[NewIncident, ...]
    standing: tuple[Standing, ...]  # one an open incident, in the order given


def areas_of(*, estate: str, building: str, feeder: str, district: str, exercise: bool) -> tuple[Area, ...]:
    """The areas of a lift, small to large. A building is told by its estate; what the register does not say is none."""
    names = {
        AreaKind.BUILDING: f"{estate} {building}" if estate and building else "",
        AreaKind.ESTATE: estate,
        AreaKind.FEEDER: feeder,
        AreaKind.DISTRICT: district,
    }
    return tuple(Area(kind=kind, name=name, exercise=exercise) for kind, name in names.items() if name)


def decide(
    alarms: Sequence[AreaAlarm], incidents: Sequence[OpenIncident], limits: Mapping[AreaKind, AreaLimit] = LIMITS
) -> Plan:
    """What follows from the active alarms. The same input again, with the plan carried out, gives an empty plan."""
    by_id, by_area = {alarm.alarm_id: alarm for alarm in alarms}, _by_area(alarms)
    members = {
        incident.incident_id: _members(by_id, by_area.get(incident.area, ()), incident, limits)
        for incident in incidents
    }
    full = {area: first for area, found in by_area.items() if (first := _window(found, limits[area.kind])) is not None}
    held = [_lifts(found) for found in members.values()]
    lifts = {area: _lifts(first) for area, first in full.items()}
    taken = {incident.area for incident in incidents}
    left = {
        area: of for area, of in lifts.items() if area not in taken and not any(_covers(other, of) for other in held)
    }
    opens: list[NewIncident] = []
    while left:
        area = _next_area(left)
        opened_ms = full[area][0].at_ms
        inside = tuple(alarm for alarm in by_area[area] if alarm.at_ms >= opened_ms)
        opens.append(NewIncident(area=area, opened_ms=opened_ms, cause=_cause(inside), alarms=inside))
        holder = _lifts(inside)
        left = {other: of for other, of in left.items() if not _covers(holder, of)}
    standing = tuple(_standing(incident, members[incident.incident_id], opens) for incident in incidents)
    return Plan(opens=tuple(opens), standing=standing)


def _members(
    by_id: Mapping[int, AreaAlarm],
    of_area: Iterable[AreaAlarm],
    incident: OpenIncident,
    limits: Mapping[AreaKind, AreaLimit],
) -> tuple[AreaAlarm, ...]:
    """The active alarms of an open incident: its own, and those of its area since it began (less the window)."""
    since = incident.opened_ms - limits[incident.area.kind].within_ms
    own = [by_id[number] for number in sorted(incident.alarm_ids) if number in by_id]
    new = [alarm for alarm in of_area if alarm.alarm_id not in incident.alarm_ids and alarm.at_ms >= since]
    return (*own, *new)


def _by_area(alarms: Iterable[AreaAlarm]) -> dict[Area, list[AreaAlarm]]:
    found: dict[Area, list[AreaAlarm]] = defaultdict(list)
    for alarm in sorted(alarms, key=lambda alarm: (alarm.at_ms, alarm.alarm_id)):
        for area in alarm.areas:
            found[area].append(alarm)
    return found


def _window(alarms: Sequence[AreaAlarm], limit: AreaLimit) -> tuple[AreaAlarm, ...] | None:
    """The window with the most lifts among alarms in order of time; None when no window has enough."""
    best: tuple[int, int, int] = (limit.lifts - 1, 0, 0)
    start, inside = 0, defaultdict[int, int](int)
    for end, alarm in enumerate(alarms):
        inside[alarm.lift_id] += 1
        while alarm.at_ms - alarms[start].at_ms > limit.within_ms:
            first = alarms[start].lift_id
            inside[first] -= 1
            if not inside[first]:
                del inside[first]
            start += 1
        if len(inside) > best[0]:
            best = (len(inside), start, end + 1)
    return tuple(alarms[best[1] : best[2]]) or None


def _lifts(alarms: Iterable[AreaAlarm]) -> frozenset[int]:
    return frozenset(alarm.lift_id for alarm in alarms)


def _next_area(left: Mapping[Area, frozenset[int]]) -> Area:
    """The area to open next, of those which no incident covers yet: the smallest that covers the fullest one."""
    fullest = min(left, key=lambda area: (-len(left[area]), _SIZE[area.kind], area.name))
    small = [area for area in left if _covers(left[area], left[fullest])]
    return min(small, key=lambda area: (_SIZE[area.kind], -len(left[area]), area.name))


def _covers(holder: frozenset[int], lifts: frozenset[int]) -> bool:
    return len(holder & lifts) >= COVERS * len(lifts)


def _cause(alarms: Iterable[AreaAlarm]) -> Cause:
    """What the area has in common. A lift without power that falls silent is one without power; an entrapment follows."""
    of_lift: dict[int, set[Cause]] = defaultdict(set)
    for alarm in alarms:
        known = {POWER_LOST: Cause.POWER_LOST, OFFLINE: Cause.OFFLINE}
        of_lift[alarm.lift_id].add(known.get(alarm.rule_id, Cause.ENTRAPMENT))
    order = (Cause.POWER_LOST, Cause.OFFLINE, Cause.ENTRAPMENT)
    causes = {next(cause for cause in order if cause in found) for found in of_lift.values()}
    if len(causes) > 1:
        causes.discard(Cause.ENTRAPMENT)
    return causes.pop() if len(causes) == 1 else Cause.MIXED


def _standing(incident: OpenIncident, active: tuple[AreaAlarm, ...], opens: Iterable[NewIncident]) -> Standing:
    lifts = _lifts(active)
    absorbed = any(lifts <= _lifts(new.alarms) and _SIZE[new.area.kind] > _SIZE[incident.area.kind] for new in opens)
    return Standing(
        incident_id=incident.incident_id,
        joining=tuple(alarm for alarm in active if alarm.alarm_id not in incident.alarm_ids),
        cause=_cause(active) if active else None,
        active_lifts=len(lifts),
        ends=absorbed or not active,
    )
