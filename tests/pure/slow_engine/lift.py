"""One lift through time, as docs/rules.md sections 4 to 8 tell it. Times are milliseconds; answers are plain tuples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hoistway.model import SIGNALS, DoorStatus
from tests.pure.slow_engine.expressions import Facts, Reader, read, single

MAX_GAP = 90_000


class Said(NamedTuple):
    rule: str
    what: str  # RAISE, CLEAR, PROMOTE
    at: int
    start: int
    demoted: bool


@dataclass
class PlainRule:
    """A rule as it stands in the file, read with this engine's own reader."""

    id: str
    kind: str  # lift, escalator, any
    when: str | None
    length: int
    unless: str | None
    clear: str | None
    clear_length: int
    silent: int | None
    silent_lost: int | None
    opens: str
    readers: dict[str, Reader] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clear = self.clear or f"not ({self.when})"
        texts = {"when": self.when, "unless": self.unless, "clear": None if self.silent else clear}
        self.readers = {name: read(text) for name, text in texts.items() if text}
        names = {item.name for item in SIGNALS} | {"moving"}
        words = " ".join(text for text in texts.values() if text)
        for sign in "()!=<>,+-*/":
            words = words.replace(sign, " ")
        self.timeless = not names & set(words.split())
        self.loud = self.opens in {"rescue", "alarm-call"}

    def ask(self, name: str, facts: Facts) -> bool | None:
        reader = self.readers.get(name)
        return reader(facts) if reader else None


@dataclass
class Memory:
    """What a lift remembers of one rule."""

    active: bool = False
    demoted: bool = False
    judged: bool = False
    start: int | None = None  # of the running hold
    last_true: int = 0
    when: bool | None = None  # as last evaluated
    unless: bool | None = None
    clear: bool | None = None


class Lift:
    def __init__(self, rules: list[PlainRule], *, escalator: bool, rated_speed: float | None,
                 parameters: dict[str, float], enrolled: int) -> None:  # fmt: skip
        kind = "escalator" if escalator else "lift"
        self.rules = [rule for rule in rules if rule.kind in {"any", kind}]
        self.memory = {rule.id: Memory() for rule in rules}
        self.rated_speed = None if rated_speed is None else single(rated_speed)
        self.parameters = {name: single(value) for name, value in parameters.items()}
        self.values: dict[str, Any] = unknown()
        self.clock: int | None = None
        self.last_at: int | None = None
        self.settled: int | None = None
        self.contact = enrolled
        self.lost_at: int | None = None
        self.codes: set[str] = set()
        self.said: list[Said] = []

    def sample(self, at: int, received: int, values: dict[str, Any]) -> None:
        self._time(at, received)
        assert self.clock is not None
        if self.last_at is None or self.clock - self.last_at > MAX_GAP:
            for rule in self.rules:
                if not rule.timeless:
                    self.memory[rule.id].start = None
        self.values, self.last_at = {**unknown(), **values}, self.clock
        self._evaluate(self.values)

    def event(self, at: int, received: int, code: str, active: bool) -> None:
        self._time(at, received)
        (self.codes.add if active else self.codes.discard)(code)
        assert self.clock is not None
        fresh = self.last_at is not None and self.clock - self.last_at <= MAX_GAP
        self._evaluate(self.values if fresh else unknown())

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

    def _time(self, at: int, received: int) -> None:
        self.clock = at if self.clock is None else max(self.clock, at)
        self._silence(received)
        self._deadlines(self.clock)
        self.lost_at = None
        self._heard(received)

    def _heard(self, received: int) -> None:
        for rule in self.rules:
            memory = self.memory[rule.id]
            memory.judged = False
            if rule.silent and memory.active:
                self._say(rule, "CLEAR", received, received, memory.demoted)
                memory.active = memory.demoted = False
        self.contact = max(self.contact, received)

    def _say(self, rule: PlainRule, what: str, at: int, start: int, demoted: bool) -> None:
        self.said.append(Said(rule.id, what, at, start, demoted))

    def _facts(self, values: dict[str, Any]) -> Facts:
        holding = {
            rule.id
            for rule in self.rules
            if not rule.silent and self.memory[rule.id].start is not None and not self.memory[rule.id].active
        }
        return {
            **effective(values),
            "reported": self.codes,
            "holding": holding,
            "parameters": self.parameters,
            "rated_speed": self.rated_speed,
            "link_lost": self.lost_at is not None,
        }

    # --- section 5 ---

    def _evaluate(self, values: dict[str, Any]) -> None:
        assert self.clock is not None
        t = self.clock if self.settled is None else max(self.clock, self.settled)
        facts = self._facts(values)
        for rule in self.rules:
            if rule.silent:
                continue
            memory = self.memory[rule.id]
            memory.when, memory.unless = rule.ask("when", facts), rule.ask("unless", facts)
            memory.clear = rule.ask("clear", facts)
            if memory.start is not None and not rule.timeless and t - memory.last_true > MAX_GAP:
                memory.start = None
            if memory.active:
                self._while_active(rule, memory, t)
                if memory.active:
                    continue
            self._while_quiet(rule, memory, t)

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

    def _while_active(self, rule: PlainRule, memory: Memory, t: int) -> None:
        if self._hold(memory, memory.clear, t, rule.clear_length):
            assert memory.start is not None
            self._say(rule, "CLEAR", t, memory.start, memory.demoted)
            memory.active = memory.demoted = False
            memory.start = None
        elif memory.demoted and memory.unless is not True:
            self._say(rule, "PROMOTE", t, t, demoted=False)
            memory.demoted = False

    def _while_quiet(self, rule: PlainRule, memory: Memory, t: int) -> None:
        if not self._hold(memory, memory.when, t, rule.length):
            return
        excused = memory.unless is True
        if excused and not rule.loud:
            return
        assert memory.start is not None
        self._say(rule, "RAISE", t, memory.start, excused)
        memory.active, memory.demoted, memory.start = True, excused, None

    # --- section 6 ---

    def _deadlines(self, until: int) -> None:
        while due := [item for rule in self.rules if (item := self._deadline(rule)) is not None and item <= until]:
            at = min(due)
            rule = next(rule for rule in self.rules if self._deadline(rule) == at)
            memory = self.memory[rule.id]
            assert memory.start is not None
            if memory.active:
                self._say(rule, "CLEAR", at, memory.start, memory.demoted)
                memory.active = memory.demoted = False
                memory.start, memory.last_true = (at, at) if memory.when is True else (None, 0)
            else:
                excused = memory.unless is True
                self._say(rule, "RAISE", at, memory.start, excused)
                memory.active, memory.demoted, memory.start = True, excused, None
            self.settled = at if self.settled is None else max(self.settled, at)

    def _deadline(self, rule: PlainRule) -> int | None:
        memory = self.memory[rule.id]
        if rule.silent or memory.start is None:
            return None
        if memory.active:
            ready, length = memory.clear is True, rule.clear_length
        else:
            ready, length = memory.when is True and (rule.loud or memory.unless is not True), rule.length
        at = memory.start + length
        valid = rule.timeless or (self.last_at is not None and at <= self.last_at + MAX_GAP)
        return at if ready and valid else None

    # --- section 7 ---

    def _silence(self, until: int) -> None:
        while True:
            due = [(at, place) for place, rule in enumerate(self.rules) if (at := self._due(rule)) is not None]
            if not due or min(due)[0] > until:
                return
            at, place = min(due)
            self._deadlines(at)
            rule = self.rules[place]
            memory = self.memory[rule.id]
            memory.judged = True
            facts = self._facts(self.values)
            excused = rule.ask("unless", facts) is True
            if (rule.when is None or rule.ask("when", facts) is True) and (rule.loud or not excused):
                self._say(rule, "RAISE", at, self.contact, excused)
                memory.active, memory.demoted = True, excused

    def _due(self, rule: PlainRule) -> int | None:
        memory = self.memory[rule.id]
        if rule.silent is None or memory.judged or memory.active:
            return None
        at = self.contact + rule.silent
        if self.lost_at is not None and rule.silent_lost is not None:
            at = min(at, max(self.lost_at, self.contact) + rule.silent_lost)
        return at


def unknown() -> dict[str, Any]:
    return dict.fromkeys([item.name for item in SIGNALS])


def effective(values: dict[str, Any]) -> dict[str, Any]:
    """Section 2: the standard's own words for unknown, `moving` and `door_closed`."""
    found = dict(values)
    for item in SIGNALS:
        if item.unknown_value is not None and found[item.name] == item.unknown_value:
            found[item.name] = None
    status, speed = found["car_status"], found["speed"]
    by_status = None if status is None else status == 1
    by_speed = None if speed is None else abs(speed) > (single(0.05) or 0)
    found["moving"] = agreed(by_status, by_speed)
    door = found["door_status"]
    by_door = None if door is None else DoorStatus(door) in {DoorStatus.CLOSED, DoorStatus.LOCKED}
    flag = found["door_closed"]
    found["door_closed"] = agreed(None if flag is None else bool(flag), by_door)
    return found


def agreed(a: bool | None, b: bool | None) -> bool | None:
    if a is None or b is None:
        return b if a is None else a
    return a if a == b else None
