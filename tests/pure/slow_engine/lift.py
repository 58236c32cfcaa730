"""One lift through time, as docs/rules.md sections 4 to 9 tell it. Times are milliseconds; answers are plain tuples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.pure.slow_engine.expressions import Facts
from tests.pure.slow_engine.hours import UTC, Zone
from tests.pure.slow_engine.remembering import Moment
from tests.pure.slow_engine.rule import Column, PlainRule, ask
from tests.pure.slow_engine.values import Floors, effective, seconds, single, unknown

__all__ = ["Lift", "Said", "effective", "unknown"]

MAX_GAP = 90_000

_MODES = {"40", "42", "43", "44", "45", "46", "47"}


class Said(NamedTuple):
    rule: str
    what: str  # RAISE, CLEAR, PROMOTE, CHANGE
    at: int
    start: int
    demoted: bool
    level: int = 0
    witnesses: tuple[str, ...] = ("rule",)  # in the order of the alphabet: device, rule


@dataclass
class Memory:
    """What a lift remembers of one column."""

    active: bool = False
    demoted: bool = False
    judged: bool = False
    start: int | None = None  # of the running hold
    last_true: int = 0
    when: bool | None = None  # as last evaluated; of a sequence what it holds by
    unless: bool | None = None  # or a shield
    clear: bool | None = None


@dataclass
class Alarm:
    """What the columns of one rule have said together."""

    columns: set[int] = field(default_factory=set)  # the active ones
    demoted: bool = False
    level: int = 0
    witnesses: set[str] = field(default_factory=set)


class Lift:
    def __init__(self, rules: list[PlainRule], *, escalator: bool, rated_speed: float | None,
                 parameters: dict[str, float], enrolled: int, floors: Floors = (None, None), zone: Zone = UTC) -> None:  # fmt: skip
        kind = "escalator" if escalator else "lift"
        self.rules = [rule for rule in rules if rule.enabled and rule.kind in {"any", kind}]
        self.columns = [column for rule in self.rules for column in rule.columns()]
        self.memory = {column.key: Memory() for column in self.columns}
        self.alarms = {rule.id: Alarm() for rule in rules}
        calls = {
            text: call for column in self.columns for item in column.expressions for text, call in item.calls.items()
        }
        self.remembering = {text: call.memory() for text, call in calls.items()}
        self.remembered: dict[str, Any] = {}
        self.rated_speed = None if rated_speed is None else single(rated_speed)
        self.own = parameters
        self.parameters = {name: single(value) for name, value in parameters.items()}
        self.floors, self.zone = floors, zone
        self.values: dict[str, Any] = unknown()
        self.clock: int | None = None
        self.last_at: int | None = None
        self.settled: int | None = None
        self.contact = enrolled
        self.lost_at: int | None = None
        self.codes: set[str] = set()
        self.said: list[Said] = []

    def sample(self, at: int, received: int, values: dict[str, Any]) -> None:
        clock = self._time(at, received)
        gap = self.last_at is None or clock - self.last_at > MAX_GAP
        for column in self.columns:
            if gap and not column.timeless:
                self.memory[column.key].start = None
        moment = Moment(clock=clock, sample=True, gap=gap, before=self._effective(self.values), raised=None)
        self.values, self.last_at = {**unknown(), **values, "clock_lag": seconds(received - at)}, clock
        self._evaluate(self.values, moment)

    def event(self, at: int, received: int, code: str, active: bool) -> None:
        clock = self._time(at, received)
        told = code in self.codes
        if active and code in _MODES:
            self.codes -= _MODES
        (self.codes.add if active else self.codes.discard)(code)
        if told and not active and code in _MODES - {"40"}:
            self.codes.add("40")
        fresh = self.last_at is not None and clock - self.last_at <= MAX_GAP
        raised = code if active else None
        moment = Moment(clock=clock, sample=False, gap=False, before=self._effective(self.values), raised=raised)
        self._evaluate(self.values if fresh else unknown(), moment)

    def link(self, received: int, online: bool | None) -> None:
        self._silence(received)
        if online is False:
            self.lost_at = received if self.lost_at is None else min(self.lost_at, received)
            return
        if online:
            self.lost_at = None
        self._heard(received)

    def tick(self, now: int) -> None:
        self._silence(now)
        self._deadlines(now)

    def listening(self, since: int) -> None:
        self.contact = max(self.contact, since)
        if self.lost_at is not None:
            self.lost_at = max(self.lost_at, since)
        for memory in self.memory.values():
            memory.judged = memory.judged and memory.active

    def _time(self, at: int, received: int) -> int:
        self.clock = at if self.clock is None else max(self.clock, at)
        self._silence(received)
        self._deadlines(self.clock)
        self.lost_at = None
        self._heard(received)
        return self.clock

    def _heard(self, received: int) -> None:
        for column in self.columns:
            memory = self.memory[column.key]
            memory.judged = False
            if column.rule.silent and memory.active:
                self._clears(column, received, received)
        self.contact = max(self.contact, received)

    def _effective(self, values: dict[str, Any]) -> dict[str, Any]:
        return effective(values, self.floors)

    def _facts(self, values: dict[str, Any], time: int) -> Facts:
        holding = {
            column.rule.id
            for column in self.columns
            if not column.rule.silent
            and self.memory[column.key].start is not None
            and not self.alarms[column.rule.id].columns
        }
        return {
            **self._effective(values),
            "reported": self.codes,
            "holding": holding,
            "parameters": self.parameters,
            "rated_speed": self.rated_speed,
            "link_lost": self.lost_at is not None,
            "remembered": self.remembered,
            "time": time,
            "zone": self.zone,
        }

    # --- section 1: numbers of the lift's own ---

    def _length(self, column: Column) -> int:
        seconds_here = None if column.place else self.own.get(f"for:{column.rule.id}")
        return column.length if seconds_here is None else round(seconds_here * 1_000)

    def _off(self, rule: PlainRule) -> bool:
        return not rule.loud and self.own.get(f"off:{rule.id}", 0) != 0

    # --- section 5 ---

    def _evaluate(self, values: dict[str, Any], moment: Moment) -> None:
        facts = self._facts(values, moment.clock)
        for text, memory in self.remembering.items():
            self.remembered[text] = memory.value(facts, moment)
        t = moment.clock if self.settled is None else max(moment.clock, self.settled)
        shields = {rule_id for rule_id, alarm in self.alarms.items() if alarm.columns}
        for column in self.columns:
            if column.rule.silent:
                continue
            memory = self.memory[column.key]
            if memory.start is not None and not column.timeless and t - memory.last_true > MAX_GAP:
                memory.start = None
            self._look(column, memory, facts, shielded=bool(shields & set(column.rule.shielded_by)))
            if memory.active:
                self._while_active(column, memory, t)
                if memory.active:
                    continue
            self._while_quiet(column, memory, t)

    def _look(self, column: Column, memory: Memory, facts: Facts, *, shielded: bool) -> None:
        """What the column's conditions are now."""
        when, until = ask(column.when, facts), ask(column.until, facts)
        memory.unless, memory.clear = shielded or ask(column.unless, facts), ask(column.clear, facts)
        if column.until:
            holds = memory.start is not None and not memory.active
            when = False if until else True if until is False and (when or holds) else None
        memory.when = when
        if self._off(column.rule):
            memory.when, memory.clear = False, True

    def _hold(self, memory: Memory, condition: bool | None, t: int, length: int) -> bool:
        """Whether the hold is complete now."""
        if condition is True:
            if memory.start is None:
                memory.start = t
            memory.last_true = t
            return t >= memory.start + length
        if condition is False:
            memory.start = None
        return False

    def _while_active(self, column: Column, memory: Memory, t: int) -> None:
        if self._hold(memory, memory.clear, t, column.clear_length):
            assert memory.start is not None
            self._clears(column, t, memory.start)
        elif memory.demoted and memory.unless is not True:
            memory.demoted = False
            if self.alarms[column.rule.id].demoted:
                self.alarms[column.rule.id].demoted = False
                self._say(column, "PROMOTE", t, t)

    def _while_quiet(self, column: Column, memory: Memory, t: int) -> None:
        if not self._hold(memory, memory.when, t, self._length(column)):
            return
        if memory.unless is True and not column.loud:
            return
        assert memory.start is not None
        self._raises(column, t, memory.start, demoted=memory.unless is True)

    # --- section 6 ---

    def _deadlines(self, until: int) -> None:
        while due := [at for column in self.columns if (at := self._deadline(column)) is not None and at <= until]:
            at = min(due)
            column = next(column for column in self.columns if self._deadline(column) == at)
            memory = self.memory[column.key]
            assert memory.start is not None
            if memory.active:
                self._clears(column, at, memory.start)
                if memory.when is True:
                    memory.start = memory.last_true = at
            else:
                self._raises(column, at, memory.start, demoted=memory.unless is True)
            self.settled = at if self.settled is None else max(self.settled, at)

    def _deadline(self, column: Column) -> int | None:
        memory = self.memory[column.key]
        if column.rule.silent or memory.start is None:
            return None
        if memory.active:
            ready, length = memory.clear is True, column.clear_length
        else:
            ready, length = memory.when is True and (column.loud or memory.unless is not True), self._length(column)
        at = memory.start + length
        valid = column.timeless or (self.last_at is not None and at <= self.last_at + MAX_GAP)
        return at if ready and valid else None

    # --- section 7 ---

    def _silence(self, until: int) -> None:
        while True:
            due = [(at, place) for place, column in enumerate(self.columns) if (at := self._due(column)) is not None]
            if not due or min(due)[0] > until:
                return
            at, place = min(due)
            self._deadlines(at)
            column = self.columns[place]
            self.memory[column.key].judged = True
            facts = self._facts(self.values, at)
            shielded = any(self.alarms[other].columns for other in column.rule.shielded_by)
            excused = shielded or ask(column.unless, facts) is True
            true = column.when is None or ask(column.when, facts) is True
            if true and (column.loud or not excused):
                self._raises(column, at, self.contact, demoted=excused)

    def _due(self, column: Column) -> int | None:
        rule, memory = column.rule, self.memory[column.key]
        if rule.silent is None or memory.judged or memory.active or self._off(rule):
            return None
        at = self.contact + rule.silent
        if self.lost_at is not None and rule.silent_lost is not None:
            at = min(at, max(self.lost_at, self.contact) + rule.silent_lost)
        return at

    # --- section 9: transitions of columns joined ---

    def _raises(self, column: Column, at: int, start: int, *, demoted: bool) -> None:
        memory, alarm = self.memory[column.key], self.alarms[column.rule.id]
        memory.active, memory.demoted, memory.start = True, demoted, None
        what = ""
        if not alarm.columns:
            what, alarm.demoted, alarm.level, alarm.witnesses = "RAISE", demoted, column.level, {column.witness}
        elif alarm.demoted and not demoted:
            what, alarm.demoted = "PROMOTE", False
        elif column.level > alarm.level or column.witness not in alarm.witnesses:
            what = "CHANGE"
        alarm.columns.add(column.place)
        alarm.level = max(alarm.level, column.level)
        alarm.witnesses.add(column.witness)
        if what:
            self._say(column, what, at, start)

    def _clears(self, column: Column, at: int, start: int) -> None:
        memory, alarm = self.memory[column.key], self.alarms[column.rule.id]
        memory.active, memory.demoted, memory.start = False, False, None
        alarm.columns.discard(column.place)
        if not alarm.columns:
            self._say(column, "CLEAR", at, start)

    def _say(self, column: Column, what: str, at: int, start: int) -> None:
        alarm = self.alarms[column.rule.id]
        self.said.append(
            Said(column.rule.id, what, at, start, alarm.demoted, alarm.level, tuple(sorted(alarm.witnesses)))
        )
