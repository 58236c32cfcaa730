"""Functions that remember, as docs/rules.md section 3 tells it: one object a lift and a call, asked once at every sample and event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.pure.slow_engine.values import seconds, single

_MOST_A_STEP = 63


@dataclass(frozen=True, kw_only=True)
class Moment:
    """The record that is being worked on."""

    clock: int
    sample: bool
    gap: bool  # a sample that comes after a gap
    before: dict[str, Any]  # effective values of the sample before
    raised: str | None  # the code of an event that says active


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call in a rule's text; equal texts are the same call."""

    function: str
    inner: Callable[[dict[str, Any]], Any] | None = None  # c or x
    name: str = ""  # a signal or an event code
    window: int = 0  # milliseconds

    def memory(self) -> Memory:
        return _MEMORY[self.function](self)

    def ask(self, facts: dict[str, Any]) -> Any:
        assert self.inner is not None
        return self.inner(facts)


class Memory:
    def __init__(self, call: Call) -> None:
        self.call = call

    def value(self, facts: dict[str, Any], moment: Moment) -> Any:
        raise NotImplementedError


class Changed(Memory):
    def value(self, facts: dict[str, Any], moment: Moment) -> bool | None:
        now, before = facts[self.call.name], moment.before[self.call.name]
        if not moment.sample or moment.gap or now is None or before is None:
            return None
        return bool(now != before)


class Age(Memory):
    since: int | None = None

    def value(self, facts: dict[str, Any], moment: Moment) -> float | None:
        if moment.gap:
            self.since = None
        condition = self.call.ask(facts)
        if condition is None:
            return None
        if not condition:
            self.since = None
            return 0.0
        if self.since is None:
            self.since = moment.clock
        return seconds(moment.clock - self.since)


class Count(Memory):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.was: bool | None = None
        self.steps: dict[int, int] = {}

    def value(self, facts: dict[str, Any], moment: Moment) -> float | None:
        if moment.gap:
            self.was = None
        step = moment.clock // (self.call.window // 10)
        condition = self.call.ask(facts)
        if condition and self.was is False:
            self.steps[step] = min(self.steps.get(step, 0) + 1, _MOST_A_STEP)
        if condition is not None:
            self.was = condition
        return single(sum(self.steps.get(step - back, 0) for back in range(10)))


class Rate(Memory):
    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.anchors: dict[int, tuple[int, float]] = {}

    def value(self, facts: dict[str, Any], moment: Moment) -> float | None:
        number = self.call.ask(facts)
        if not moment.sample or number is None:
            return None
        step = moment.clock // self.call.window
        self.anchors.setdefault(step, (moment.clock, number))
        if step - 1 not in self.anchors:
            return None
        since, anchor = self.anchors[step - 1]
        difference, duration = single(number - anchor), seconds(moment.clock - since)
        return single(difference / duration) if difference is not None and duration else None


class SinceReported(Memory):
    since: int | None = None

    def value(self, facts: dict[str, Any], moment: Moment) -> float | None:
        if self.since is None or moment.raised == self.call.name:
            self.since = moment.clock
        return seconds(moment.clock - self.since)


_MEMORY: dict[str, type[Memory]] = {
    "changed": Changed, "age": Age, "count": Count, "rate": Rate, "since_reported": SinceReported,
}  # fmt: skip
