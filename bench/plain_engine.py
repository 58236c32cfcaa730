"""The alarm engine as a careful programmer writes it in plain Python: an object a lift, a record at a time. What the engine is measured against.

It has the whole rule language (docs/rules.md). The conditions of a kind of unit are one generated function over local variables, which
answers the columns whose `when` is true; whatever else a column needs is asked only where a hold runs or an alarm is active. Unknown is
None, in numbers NaN. No numpy, and nothing of the engine but the checked rules. Transitions of one lift come in the order of the engine's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Final

from alarms.rules import RuleSet
from alarms.signals import BY_DEVICE, BY_RULE, CHANGE, CLEAR, EVENT_INDEX, PROMOTE, RAISE
from bench.plain_terms import Writer, opposite, seconds, single
from hoistway.limits import MAX_GAP_MS
from hoistway.model import AUTOMATIC, MODE_CODES, SIGNALS, Kind, SignalType

_MODES: Final = sum(1 << EVENT_INDEX[code] for code in MODE_CODES)
_AUTOMATIC: Final = 1 << EVENT_INDEX[AUTOMATIC]

NEVER: Final = 2**62
_NAN: Final = math.nan
UNKNOWN: Final[dict[str, Any]] = {
    **{item.name: _NAN if item.type is SignalType.NUMBER else None for item in SIGNALS},
    "clock_error": _NAN, "clock_lag": _NAN, "field_faults": 0, "moving": None, "implausible": False,
}  # fmt: skip
_MOVING_M_S: Final = single(0.05)
Condition = Callable[[Any, dict[str, Any], int], bool]


class Column:
    """What is judged as if it were a rule: a rule, a level of it, or its device's witness."""

    is_when: Condition
    is_false: Condition  # `when` is surely false
    is_until: Condition
    is_until_false: Condition
    is_unless: Condition
    is_clear: Condition
    is_clear_false: Condition

    def __init__(self, rule: int, rules: RuleSet, place: int) -> None:
        whole, terms = rules[rule], rules.terms[rule]
        witness = place > len(whole.levels)
        level = 0 if witness else place
        self.rule, self.level, self.id = rule, level, whole.id
        self.main = place == 0
        self.silent, self.lost, self.loud = whole.silent_for_ms, whole.silent_for_link_lost_ms, whole.loud
        self.for_ms = 0 if witness else whole.levels[place - 1].for_ms if place else whole.for_ms
        self.clear_ms = 0 if witness else whole.clear_for_ms
        self.shields = frozenset(rules.index(name) for name in whole.shielded_by)
        self.when = Writer.reported(whole.witness) if witness else terms.levels[place - 1] if place else terms.when
        self.until = None if witness else terms.until
        self.unless = terms.unless
        own_clear = self.when if witness else terms.clear or terms.until
        self.clear = opposite(self.when) if witness else own_clear or (terms.when and opposite(terms.when))
        named = [term for term in (self.when, self.until, self.unless, self.clear) if term is not None]
        self.timeless = not any(part.op == "signal" for term in named for part in term.walk())
        codes_only = self.when is not None and {"signal", "reported"} & {p.op for p in self.when.walk()} == {"reported"}
        self.witness = BY_DEVICE if codes_only else BY_RULE


class Kinship:
    """The columns that fit one kind of unit, compiled."""

    def __init__(self, rules: RuleSet, kind: Kind) -> None:
        mine = [index for index, rule in enumerate(rules) if rule.enabled and rule.kind in {None, kind}]
        self.columns = [
            Column(index, rules, place)
            for index in mine
            for place in range(1 + len(rules[index].levels) + bool(rules[index].witness))
        ]
        writer = Writer()
        held = {place: column for place, column in enumerate(self.columns) if column.silent is None}
        terms = [term for column in held.values() for term in (column.when, column.until, column.unless, column.clear)]
        self.look = writer.look([(place, item.when, item.until) for place, item in held.items()], terms)
        self.memory = tuple(writer.memory)
        self.empty_now = tuple(None for _ in writer.remembering)
        for column in self.columns:
            column.is_false = writer.condition(column.when, wanted=False)
            column.is_until = writer.condition(column.until)
            column.is_until_false = writer.condition(column.until, wanted=False)
            column.is_when = writer.condition(column.when)
            column.is_unless = writer.condition(column.unless)
            column.is_clear = writer.condition(column.clear)
            column.is_clear_false = writer.condition(column.clear, wanted=False)
        self.silent = [place for place, column in enumerate(self.columns) if column.silent is not None]
        self.shortest = min((self.columns[place].silent or NEVER for place in self.silent), default=NEVER)


class Lift:
    __slots__ = (
        "active", "alarms", "bottom", "clock", "contact", "due", "holds", "judged", "kin", "last_at", "lost_at", "memory", "now",
        "off", "own", "own_for", "rated_speed", "reported", "settled", "slot", "top", "values",
    )  # fmt: skip

    def __init__(self, slot: int, kin: Kinship, contact: int, rated_speed: float) -> None:
        self.slot, self.kin, self.contact, self.rated_speed = slot, kin, contact, rated_speed
        self.own: dict[str, float] = {}
        self.own_for: dict[int, int] = {}  # holds of its own, ms, by column
        self.off: frozenset[int] = frozenset()  # columns that are switched off
        self.top: int | None = None
        self.bottom: int | None = None
        self.values = UNKNOWN
        self.now: tuple[Any, ...] = kin.empty_now
        self.memory = list(kin.memory)
        self.clock = self.last_at = self.settled = -NEVER
        self.lost_at = self.due = NEVER
        self.reported = 0
        self.holds: dict[int, list[Any]] = {}  # by column: start, last true, armed, `when` is true, `unless` is true
        self.active: dict[int, bool] = {}  # by column: demoted
        self.alarms: dict[int, list[Any]] = {}  # by rule: active columns, demoted, level, witnesses
        self.judged: set[int] = set()


class PlainEngine:
    """The fleet; `found` collects (slot, rule, kind, at, hold_start, demoted, level, witnesses)."""

    def __init__(self, rules: RuleSet) -> None:
        self.kin = {kind: Kinship(rules, kind) for kind in (Kind.LIFT, Kind.ESCALATOR)}
        self.lifts: dict[int, Lift] = {}
        self.contacts: dict[int, int] = {}  # last sign of life, by slot
        self.holding: set[int] = set()  # lifts with a hold
        self.lost: set[int] = set()  # lifts whose link is lost
        self.found: list[tuple[int, int, int, int, int, bool, int, int]] = []

    def add(self, slot: int, *, escalator: bool, rated_speed: float, contact: int, own: dict[str, float]) -> None:
        kin = self.kin[Kind.ESCALATOR if escalator else Kind.LIFT]
        lift = self.lifts[slot] = Lift(slot, kin, contact, rated_speed)
        lift.own = {name: single(value) for name, value in own.items()}
        for place, column in enumerate(kin.columns):
            if column.main and f"for:{column.id}" in own:
                lift.own_for[place] = round(own[f"for:{column.id}"] * 1_000)
            if own.get(f"off:{column.id}", 0) and not column.loud:
                lift.off |= {place}
        self.contacts[slot] = contact

    # --- records ---

    def samples(self, records: Iterable[tuple[int, int, int, dict[str, Any]]]) -> None:
        """(slot, at, received, values) in order of arrival; the values are the engine's from here on."""
        lifts = self.lifts
        for slot, stamped, received, values in records:
            lift = lifts[slot]
            at = self._time(lift, stamped, received, values)
            gap = at - lift.last_at > MAX_GAP_MS
            if gap and lift.holds:
                columns = lift.kin.columns
                lift.holds = {place: hold for place, hold in lift.holds.items() if columns[place].timeless}
            before, lift.values, lift.last_at = lift.values, values, at
            self._judge(lift, values, before, at, sample=True, gap=gap, raised=-1)

    def event(self, slot: int, at: int, received: int, code: int, *, active: bool) -> None:
        lift = self.lifts[slot]
        at = self._time(lift, at, received, None)
        lift.reported = reported(lift.reported, code, active=active)
        values = lift.values if at - lift.last_at <= MAX_GAP_MS else UNKNOWN
        self._judge(lift, values, values, at, sample=False, gap=False, raised=code if active else -1)

    def link(self, slot: int, received: int, *, online: bool | None) -> None:
        lift = self.lifts[slot]
        self._advance(lift, -NEVER, received)
        if online is False:
            lift.lost_at = min(lift.lost_at, received)
            self.lost.add(slot)
            return
        if online:
            self._found_again(lift)
        self._heard(lift, received)

    def tick(self, now: int) -> None:
        """What time alone has changed by `now`."""
        lifts = self.lifts
        limit = now - min(kin.shortest for kin in self.kin.values())
        due = {slot for slot, contact in self.contacts.items() if contact <= limit}
        due |= {slot for slot in self.holding if lifts[slot].due <= now}
        for slot in due | self.lost:
            self._advance(lifts[slot], now, now)

    def _time(self, lift: Lift, at: int, received: int, values: dict[str, Any] | None) -> int:
        """Silence and deadlines up to a record, then its contact; answers its time."""
        if values is not None:
            _derive(values, received - at)
        at = lift.clock = max(lift.clock, at)
        if at >= lift.due or received - lift.contact >= lift.kin.shortest or lift.lost_at != NEVER:
            self._advance(lift, at, received)
            self._found_again(lift)
        self._heard(lift, received)
        return at

    def _found_again(self, lift: Lift) -> None:
        lift.lost_at = NEVER
        self.lost.discard(lift.slot)

    def _heard(self, lift: Lift, received: int) -> None:
        if lift.judged:
            lift.judged.clear()
            for place in [place for place in lift.kin.silent if place in lift.active]:
                self._clear(lift, place, received, received)
        lift.contact = self.contacts[lift.slot] = max(lift.contact, received)

    # --- evaluation of every column (docs/rules.md, section 5) ---

    def _judge(
        self,
        lift: Lift,
        values: dict[str, Any],
        before: dict[str, Any],
        at: int,
        *,
        sample: bool,
        gap: bool,
        raised: int,
    ) -> None:
        hits = lift.kin.look(lift, values, before, at, sample, gap, raised)
        holds, active = lift.holds, lift.active
        if not (hits or holds or active):
            return
        now = max(at, lift.settled)
        columns, places = lift.kin.columns, hits
        if holds or active:
            places = sorted({*hits, *holds, *active})
        shields = frozenset(columns[place].rule for place in active) if active else frozenset()
        for place in places:
            column = columns[place]
            if column.silent is not None:
                continue
            hold = holds.get(place)
            if hold is not None and now - hold[1] > MAX_GAP_MS and not column.timeless:
                del holds[place]
                hold = None
            off = place in lift.off
            unless = bool(column.shields & shields) or column.is_unless(lift, values, at)
            if place in active:
                if off or column.is_clear(lift, values, at):
                    hold = holds.setdefault(place, [now, now, True, False, False])
                    hold[1], hold[2] = now, True
                    if now - hold[0] >= column.clear_ms:
                        self._clear(lift, place, now, hold[0])
                elif hold is not None:
                    hold[2] = False
                    if column.is_clear_false(lift, values, at):
                        del holds[place]
                if place in active:
                    if active[place] and not unless:
                        self._promote(lift, place, now)
                    if place in holds:
                        holds[place][3:] = place in hits and not off, unless
                    continue
                hold = None
            when = place in hits
            if column.until is not None and hold is not None and not when:
                when = column.is_until_false(lift, values, at)
            if when and not off:
                if hold is None:
                    hold = holds[place] = [now, now, True, True, unless]
                length = column.for_ms if not lift.own_for else lift.own_for.get(place, column.for_ms)
                if now - hold[0] >= length and (column.loud or not unless):
                    self._raise(lift, place, now, hold[0], demoted=unless)
                else:
                    hold[1:] = now, column.loud or not unless, True, unless
            elif hold is not None:
                hold[2:] = False, False, unless
                no_more = column.is_until if column.until is not None else column.is_false
                if off or no_more(lift, values, at):
                    del holds[place]
        self._schedule(lift)

    # --- what time alone does (sections 6 and 7) ---

    def _schedule(self, lift: Lift) -> None:
        if lift.holds:
            lift.due = self._next(lift)[0]
            self.holding.add(lift.slot)
        else:
            lift.due = NEVER
            self.holding.discard(lift.slot)

    def _next(self, lift: Lift) -> tuple[int, int]:
        """When the next armed hold completes by itself, and its column."""
        best, which = NEVER, -1
        columns, until = lift.kin.columns, lift.last_at + MAX_GAP_MS
        for place, hold in lift.holds.items():
            if hold[2]:
                column = columns[place]
                length = column.clear_ms if place in lift.active else lift.own_for.get(place, column.for_ms)
                at = hold[0] + length
                if (at <= until or column.timeless) and (at, place) < (best, which if which >= 0 else NEVER):
                    best, which = at, place
        return best, which

    def _silence(self, lift: Lift) -> tuple[int, int]:
        """When the next silent rule is to be judged, and its column."""
        best, which = NEVER, -1
        for place in lift.kin.silent:
            column = lift.kin.columns[place]
            if place in lift.judged or place in lift.active or place in lift.off or column.silent is None:
                continue
            at = lift.contact + column.silent
            if lift.lost_at != NEVER and column.lost is not None:
                at = min(at, max(lift.lost_at, lift.contact) + column.lost)
            if at < best:
                best, which = at, place
        return best, which

    def _advance(self, lift: Lift, until: int, received: int) -> None:
        while True:
            (hold_at, place), (silent_at, silent) = self._next(lift), self._silence(lift)
            judge = silent_at <= received
            if hold_at <= (silent_at if judge else until) and place >= 0:
                self._complete(lift, place, hold_at)
            elif judge:
                self._judge_silence(lift, silent, silent_at)
            else:
                break
        self._schedule(lift)

    def _complete(self, lift: Lift, place: int, at: int) -> None:
        start, _, _, when, unless = lift.holds.pop(place)
        lift.settled = max(lift.settled, at)
        if place not in lift.active:
            self._raise(lift, place, at, start, demoted=unless)
            return
        self._clear(lift, place, at, start)
        if when:
            lift.holds[place] = [at, at, lift.kin.columns[place].loud or not unless, True, unless]

    def _judge_silence(self, lift: Lift, place: int, at: int) -> None:
        column = lift.kin.columns[place]
        lift.judged.add(place)
        shields = {lift.kin.columns[other].rule for other in lift.active}
        unless = bool(column.shields & shields) or column.is_unless(lift, lift.values, at)
        if (column.when is None or column.is_when(lift, lift.values, at)) and (column.loud or not unless):
            self._raise(lift, place, at, lift.contact, demoted=unless)

    # --- transitions of columns joined (section 9) ---

    def _raise(self, lift: Lift, place: int, at: int, start: int, *, demoted: bool) -> None:
        column = lift.kin.columns[place]
        lift.active[place] = demoted
        lift.holds.pop(place, None)
        alarm = lift.alarms.get(column.rule)
        kind = 0
        if alarm is None:
            kind, alarm = RAISE, [set(), demoted, column.level, 0]
            lift.alarms[column.rule] = alarm
        elif alarm[1] and not demoted:
            kind, alarm[1] = PROMOTE, False
        elif column.level > alarm[2] or not column.witness & alarm[3]:
            kind = CHANGE
        alarm[0].add(place)
        alarm[2:] = max(alarm[2], column.level), alarm[3] | column.witness
        if kind:
            self.found.append((lift.slot, column.rule, kind, at, start, *alarm[1:]))

    def _clear(self, lift: Lift, place: int, at: int, start: int) -> None:
        rule = lift.kin.columns[place].rule
        del lift.active[place]
        lift.holds.pop(place, None)
        alarm = lift.alarms[rule]
        alarm[0].discard(place)
        if not alarm[0]:
            del lift.alarms[rule]
            self.found.append((lift.slot, rule, CLEAR, at, start, *alarm[1:]))

    def _promote(self, lift: Lift, place: int, at: int) -> None:
        rule = lift.kin.columns[place].rule
        lift.active[place] = False
        if lift.alarms[rule][1]:
            lift.alarms[rule][1] = False
            self.found.append((lift.slot, rule, PROMOTE, at, at, *lift.alarms[rule][1:]))


def reported(before: int, code: int, *, active: bool) -> int:
    """The codes after an event, as bits: of the modes one at a time, and after its end automatic operation."""
    bit = 1 << code
    if active:
        return (before & ~_MODES if bit & _MODES else before) | bit
    return before & ~bit | (_AUTOMATIC if before & bit & _MODES & ~_AUTOMATIC else 0)


def _derive(values: dict[str, Any], lag_ms: int) -> None:
    """The standard's own words for unknown, and what follows from the sample itself."""
    if values["service_mode"] == 7:
        values["service_mode"] = None
    door = values["door_status"]
    if door == 0:
        door = values["door_status"] = None
    status, speed = values["car_status"], values["speed"]
    implausible = values["field_faults"] > 0
    moving = None if status is None else status == 1
    if speed == speed:  # noqa: PLR0124 - not a number
        fast = abs(speed) > _MOVING_M_S
        if moving is None:
            moving = fast
        elif moving != fast:
            moving, implausible = None, True
    values["moving"] = moving
    if door is not None:
        shut, closed = door in {2, 5}, values["door_closed"]
        if closed is None:
            values["door_closed"] = shut
        elif closed != shut:
            values["door_closed"], implausible = None, True
    values["implausible"], values["clock_lag"] = implausible, seconds(lag_ms)
