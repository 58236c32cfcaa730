"""What is open in the city, mirrored in memory and kept up by following the `change` table. The stream reads only this.

A place in the feed is a PostgreSQL snapshot: exactly the transactions that were committed when it was taken. What comes
after a place is what its snapshot did not see, so nothing is jumped over and nothing comes twice.

Knows the database and the documents; knows no reader and no frame.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from api import incidents, shapes
from api.exchange import Document, encode
from api.people import EVERY_FIRM, PROBE_ONLY, WHOLE
from hoistway.limits import CHANGE_HOURS
from hoistway.model import CaseKind, Condition, OperatorState, Role
from hoistway.store import queries

OFFLINE_RULE: Final = "offline"
COUNTED: Final = (
    "unhandled_entrapments", "open_alarms", "shelved_alarms", "out_of_service_alarms", "open_cases", "lifts_offline",
)  # fmt: skip
KINDS: Final = {"alarm": "alarms", "case": "cases", "incident": "incidents", "flood": "floods"}
"""From a kind of change to its list in a frame. Incidents and floods tell of every firm: only staff sees them."""
_PORTION: Final = 500
_PLACE: Final = re.compile(r"[0-9]{1,19}:[0-9]{1,19}:[0-9,]{0,4000}")

_sql: Final = queries("api", "sql/stream.sql")
_desk: Final = queries("api", "sql/desk.sql")
_lifts: Final = queries("api", "sql/lifts.sql")

Key = tuple[str, int]
"""(a list of `KINDS`, id): where the object stands in a frame."""
Ids = Mapping[str, list[int]]
"""Ids by list."""


class Owner(NamedTuple):
    """Whose an object is, and where: what decides who sees it."""

    firm: int | None  # None: seen by those who see every firm; PROBE_ONLY: by the watcher alone
    district: str | None  # None: of the whole city, or of several districts


class Audience(NamedTuple):
    """Readers who see the same bytes: of one scope, of some districts or all, and with or without the desk's moves."""

    scope: int | None
    desk: bool
    districts: tuple[str, ...] = ()  # none: the whole city

    def sees(self, owner: Owner) -> bool:
        firm, district = owner
        if PROBE_ONLY in (firm, self.scope):
            return firm == self.scope
        if self.districts and district not in self.districts:
            return False
        return self.scope == EVERY_FIRM or (self.scope is not None and firm == self.scope)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One alarm, case, incident or flood, written once for all its readers."""

    lift_id: int | None  # None: of the whole city
    owner: Owner
    open: bool
    plain: bytes
    desk: bytes  # with the moves that the desk may make
    counts: tuple[str, ...]

    def text(self, audience: Audience) -> bytes:
        return self.desk if audience.desk else self.plain


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One object's new state, and whose it was before when it changed hands."""

    entry: Entry
    left: Owner | None = None


class Tick:
    """What changed between two places; written once for each audience, however many readers it has."""

    def __init__(self, place: str, changes: Mapping[Key, Change]) -> None:
        self.place = place
        self._changes = changes
        self._parts: dict[Audience, dict[Key, bytes]] = {}

    def part(self, audience: Audience) -> dict[Key, bytes]:
        """The objects of this tick that `audience` sees. What went to another firm is sent as closed."""
        part = self._parts.get(audience)
        if part is None:
            part = self._parts[audience] = {}
            for key, change in self._changes.items():
                if audience.sees(change.entry.owner):
                    part[key] = change.entry.text(audience)
                elif change.left is not None and audience.sees(change.left):
                    part[key] = encode({"id": key[1], "open": False, "out_of_scope": True})
        return part


class Mirror:
    """What is open at one place in the feed."""

    def __init__(self) -> None:
        self.place = ""
        self.epoch = ""
        self.revision = 0
        self._entries: dict[Key, Entry] = {}
        self._of_lift: dict[int, set[Key]] = {}
        self._counts: dict[int | str, Counter[str]] = {}  # by scope, and by district
        self._lifts: dict[int | str, tuple[int, bool]] = {}

    # --- reading ---

    def objects(self, audience: Audience) -> dict[Key, bytes]:
        """Everything open that `audience` sees."""
        return {key: entry.text(audience) for key, entry in self._entries.items() if audience.sees(entry.owner)}

    def of_lift(self, lift_id: int, audience: Audience) -> dict[Key, bytes]:
        """Everything open of one lift, newest first."""
        keys = sorted(self._of_lift.get(lift_id, ()), reverse=True)
        return {key: self._entries[key].text(audience) for key in keys if audience.sees(self._entries[key].owner)}

    def some(self, keys: Iterable[Key], audience: Audience) -> dict[Key, bytes]:
        """Those of `keys` that are open and seen by `audience`."""
        entries = ((key, self._entries.get(key)) for key in keys)
        return {key: entry.text(audience) for key, entry in entries if entry and audience.sees(entry.owner)}

    def is_offline(self, lift_id: int) -> bool:
        """Whether the offline rule says now that nobody hears from the lift."""
        return any("lifts_offline" in self._entries[key].counts for key in self._of_lift.get(lift_id, ()))

    def counters(self, audience: Audience) -> Document:
        """The fixed counters of the console."""
        scopes: tuple[int | str, ...] = audience.districts or (-1 if audience.scope is None else audience.scope,)
        counts = sum((self._counts.get(scope, Counter()) for scope in scopes), Counter())
        lifts = sum(self._lifts.get(scope, (0, False))[0] for scope in scopes)
        exercise = any(self._lifts.get(scope, (0, False))[1] for scope in scopes)
        return {**{name: counts[name] for name in COUNTED}, "lifts": lifts, "exercise": exercise}

    def lift_ids(self) -> list[int]:
        """Lifts with something open."""
        return list(self._of_lift)

    def wrong_firms(self, firms: Mapping[int, int | None]) -> dict[str, list[int]]:
        """Objects whose lift now belongs to another firm, by list. A case stays with its firm."""
        found: dict[str, list[int]] = {}
        for (kind, number), entry in self._entries.items():
            if kind == "cases":
                continue
            if entry.lift_id is not None and entry.lift_id in firms and firms[entry.lift_id] != entry.owner.firm:
                found.setdefault(kind, []).append(number)
        return found

    # --- writing: without awaiting, so that a reader sees one place or the next ---

    def clear(self) -> None:
        self._entries, self._of_lift, self._counts = {}, {}, {}

    def count_lifts(self, rows: Iterable[Mapping[str, Any]], districts: Iterable[Mapping[str, Any]]) -> None:
        """How many lifts each scope and each district has (`lifts_by_firm`, `lifts_by_district`)."""
        by_firm = {row["firm_id"]: (row["lifts"], row["exercise"]) for row in rows}
        by_district = {row["district"]: (row["lifts"], row["exercise"]) for row in districts}
        everything = (sum(lifts for lifts, _ in by_firm.values()), any(exercise for _, exercise in by_firm.values()))
        self._lifts = {**by_firm, EVERY_FIRM: everything, **by_district}
        self._lifts.pop(-1, None)

    def apply(self, place: str, entries: Mapping[Key, Entry]) -> Tick:
        """Take over the new states; answers what really changed."""
        changes: dict[Key, Change] = {}
        for key, entry in entries.items():
            before = self._entries.get(key)
            if before == entry:
                continue
            moved = before is not None and before.owner != entry.owner
            changes[key] = Change(entry=entry, left=before.owner if before is not None and moved else None)
            if before is not None:
                self._remove(key, before)
            if entry.open:
                self._add(key, entry)
        self.place = place
        self.revision += bool(changes)
        return Tick(place, changes)

    def _add(self, key: Key, entry: Entry) -> None:
        self._entries[key] = entry
        if entry.lift_id is not None:
            self._of_lift.setdefault(entry.lift_id, set()).add(key)
        for scope in _scopes(entry):
            self._counts.setdefault(scope, Counter()).update(entry.counts)

    def _remove(self, key: Key, entry: Entry) -> None:
        del self._entries[key]
        if entry.lift_id is not None:
            keys = self._of_lift[entry.lift_id]
            keys.discard(key)
            if not keys:
                del self._of_lift[entry.lift_id]
        for scope in _scopes(entry):
            self._counts[scope].subtract(entry.counts)


def _scopes(entry: Entry) -> tuple[int | str, ...]:
    firm, district = entry.owner
    if firm == PROBE_ONLY:
        return (PROBE_ONLY,)
    return (EVERY_FIRM, *(() if firm is None else (firm,)), *(() if district is None else (district,)))


# --- reading the store ---


def _epoch(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


async def read_all(database: Any, mirror: Mirror) -> None:
    """Fill the mirror from nothing, at one place."""
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        place = await connection.fetchrow(_sql["place"])
        alarms = [row["id"] for row in await connection.fetch(_sql["open_alarms"])]
        cases = [row["id"] for row in await connection.fetch(_sql["open_cases"])]
        areas, floods = await incidents.open_ids(connection)
        ids = {"alarms": alarms, "cases": cases, "incidents": areas, "floods": floods}
        entries = await _entries(connection, ids)
        lifts = await connection.fetch(_lifts["lifts_by_firm"])
        districts = await connection.fetch(_lifts["lifts_by_district"])
    mirror.clear()
    mirror.count_lifts(lifts, districts)
    mirror.apply(place["position"], entries)
    mirror.epoch = _epoch(place["epoch"])


async def read_changes(database: Any, mirror: Mirror) -> Tick | None:
    """Bring the mirror to now. None when the epoch changed: then everything must be read again."""
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        place = await connection.fetchrow(_sql["place"])
        if _epoch(place["epoch"]) != mirror.epoch:
            return None
        entries: dict[Key, Entry] = {}
        if place["position"] != mirror.place:
            entries = await _entries(connection, await _changed(connection, mirror.place))
    return mirror.apply(place["position"], entries)


async def read_firms(database: Any, mirror: Mirror) -> Tick:
    """Bring lifts that changed hands, and their open alarms and cases, to their new firm."""
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        districts = await connection.fetch(_lifts["lifts_by_district"])
        mirror.count_lifts(await connection.fetch(_lifts["lifts_by_firm"]), districts)
        rows = await connection.fetch(_lifts["firms_of_lifts"], mirror.lift_ids())
        wrong = mirror.wrong_firms({row["id"]: row["firm_id"] for row in rows})
        entries = await _entries(connection, wrong)
    return mirror.apply(mirror.place, entries)


async def read_missed(database: Any, place: str, audience: Audience) -> tuple[list[Key], dict[Key, bytes]] | None:
    """What changed after `place`: all keys, and the texts of those that are no longer open.

    None when the place is no longer kept or never was one: then a snapshot must be sent.
    """
    if _PLACE.fullmatch(place) is None:
        return None
    async with database.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        try:
            async with connection.transaction():
                kept = await connection.fetchval(_sql["place_is_kept"], place)
        except Exception as error:
            if getattr(error, "sqlstate", None) != "22P02":
                raise
            kept = False
        if not kept:
            return None
        changed = await _changed(connection, place)
        keys: list[Key] = [(kind, number) for kind, numbers in changed.items() for number in numbers]
        entries = await _entries(connection, changed)
    closed = {key: e.text(audience) for key, e in entries.items() if not e.open and audience.sees(e.owner)}
    return keys, closed


async def _changed(connection: Any, place: str) -> dict[str, list[int]]:
    """What changed after `place`, by list."""
    return {KINDS[row["kind"]]: row["ids"] for row in await connection.fetch(_sql["changes_since"], place)}


async def _entries(connection: Any, ids: Ids) -> dict[Key, Entry]:
    """The present state of these objects; in portions, so that a storm does not hold up every other request."""
    entries: dict[Key, Entry] = {}
    for portion in _portions(ids.get("alarms", [])):
        for row in await connection.fetch(_desk["alarm_documents"], WHOLE, portion, None):
            entries["alarms", row["id"]] = _alarm(row)
    for portion in _portions(ids.get("cases", [])):
        for row in await connection.fetch(_desk["case_documents"], WHOLE, portion):
            entries["cases", row["id"]] = _case(row)
    for area in await incidents.incident_documents(connection, ids.get("incidents", [])):
        entries["incidents", area["id"]] = _of_the_city(area)
    for flood in await incidents.flood_documents(connection, ids.get("floods", [])):
        entries["floods", flood["id"]] = _of_the_city(flood)
    return entries


def _portions(ids: list[int]) -> Iterable[list[int]]:
    return (ids[start : start + _PORTION] for start in range(0, len(ids), _PORTION))


def _of_the_city(document: Document) -> Entry:
    """An incident is of a district when every lift of it is; a flood never is."""
    text = encode(document)
    found = {lift["lift"]["district"] for lift in document.get("lifts", ())}
    district = found.pop() if len(found) == 1 and document["lift_count"] == len(document["lifts"]) else None
    return Entry(lift_id=None, owner=Owner(None, district), open=document["open"], plain=text, desk=text, counts=())


def _alarm(row: Mapping[str, Any]) -> Entry:
    text = encode(shapes.alarm(row))
    counts = [_counted(row)]
    if row["rule_id"] == OFFLINE_RULE and row["condition"] == Condition.ACTIVE:
        counts.append("lifts_offline")
    return Entry(
        lift_id=row["lift_id"],
        owner=Owner(row["firm_id"], row["district"]),
        open=row["open"],
        plain=text,
        desk=text,
        counts=tuple(counts),
    )


def _counted(row: Mapping[str, Any]) -> str:
    """The counter of an alarm: what a person silenced is counted apart."""
    if row["out_of_service"]:
        return "out_of_service_alarms"
    return "shelved_alarms" if row["operator_state"] == OperatorState.SHELVED else "open_alarms"


def _case(row: Mapping[str, Any]) -> Entry:
    document = shapes.case(row, Role.DISPATCHER)
    plain = {**document, "allowed_moves": [], "orders": [{**item, "allowed_moves": []} for item in document["orders"]]}
    unhandled = row["kind"] == CaseKind.ENTRAPMENT and row["acknowledged_at"] is None
    return Entry(
        lift_id=row["lift_id"],
        owner=Owner(row["firm_id"], row["district"]),
        open=row["open"],
        plain=encode(plain),
        desk=encode(document),
        counts=("open_cases", "unhandled_entrapments") if unhandled else ("open_cases",),
    )


async def forget_old(database: Any) -> int:
    """Delete changes that nobody may resume from any more; answers how many."""
    rows: int = await database.fetchval(_sql["forget_changes"], CHANGE_HOURS)
    return rows
