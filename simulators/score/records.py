"""What a run is scored by, as plain records, and how they are read from JSON lines. Times are ms since 1970 UTC.

Knows the truth file of the simulators and nothing of who wrote the alarms. A line that cannot be used is `BadInput` naming it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hoistway.errors import BadInput
from simulators.score.expects import allowed_by, expected_by

NEVER: Final = 2**62
"""The end of what still lasts."""
LINES_MOST: Final = 5_000_000
"""A file of records may have so many lines."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Truth:
    """One thing that really happened to one lift: a fault, or a look-alike that must raise nothing."""

    id: str
    lift: str  # rescue code
    device: str
    kind: str  # of the fault, or the look-alike's name
    cause: str  # of the taxonomy; empty where the story says none
    from_ms: int
    to_ms: int  # NEVER: to the end of the run
    person: bool  # somebody was in the car
    person_sensor: bool
    expects: tuple[str, ...]  # rules that must alarm
    alike: tuple[str, ...]  # rules that must not
    allows: frozenset[str]  # rules that may, as a consequence
    story: bool  # the story itself said what to expect

    def overlaps(self, from_ms: int, to_ms: int) -> bool:
        return self.from_ms <= to_ms and from_ms <= self.to_ms


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """One alarm from its raise to its clear."""

    id: str
    lift: str
    rule: str
    hold_start_ms: int
    raised_ms: int
    cleared_ms: int  # NEVER: still active at the end
    notice: bool  # demoted to its end: the desk was told, nobody was alarmed
    opens: str  # rescue, alarm-call, ticket, notice


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A crew that went out, or would have: one rescue case with its order."""

    lift: str
    rule: str  # that opened the case
    opened_ms: int
    ordered_ms: int
    over_ms: int


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleFacts:
    """What is shown of a rule."""

    id: str
    title: Mapping[str, str]  # zh, en
    opens: str
    hold_s: float
    promise_s: float  # by when it must have spoken: its hold, and the window that it counts in
    version: str


@dataclass(frozen=True, kw_only=True)
class Run:
    """Everything that one story gave."""

    name: str
    seed: int
    from_ms: int
    to_ms: int
    lifts: int
    escalators: int
    rules: Sequence[RuleFacts]
    truths: Sequence[Truth]
    alarms: Sequence[Alarm]
    sent: Sequence[Sent]
    facts: Mapping[str, Any] = field(default_factory=dict)  # more of the run's own sheet, only shown

    @property
    def days(self) -> float:
        return (self.to_ms - self.from_ms) / 86_400_000


def truths_of(lines: Iterable[str], *, source: str) -> list[Truth]:
    """The truth file: of lines with one `id` the last counts. Raises BadInput."""
    last: dict[Any, Truth] = {}
    for where, row in objects(lines, source=source):
        try:
            last[row["id"]] = truth_of(row)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(repr(error), where=where, expected="a line of the truth file (docs/simulators.md)") from None
    return sorted(last.values(), key=lambda truth: (truth.from_ms, truth.lift, truth.id))


def truth_of(row: Mapping[str, Any]) -> Truth:
    """One line. A story that says nothing of rules is read by `expects`. Raises KeyError, TypeError, ValueError."""
    fault = str(row["fault"]) if "fault" in row else str(row["kind"])
    begin = int(row.get("from_ms", row.get("from")))
    end = row.get("to_ms", row.get("to"))
    to_ms = NEVER if end is None else int(end)
    told = "expects" in row or "alike" in row
    person, sensor = bool(row.get("person", row.get("person_inside"))), bool(row.get("person_sensor", True))
    escalator = row.get("floor") is None
    return Truth(
        id=str(row["id"]),
        lift=str(row.get("rescue_code") or row.get("lift") or row["device"]),
        device=str(row.get("device", "")),
        kind=str(row.get("kind") or fault),
        cause=str(row.get("cause") or ""),
        from_ms=begin,
        to_ms=to_ms,
        person=person,
        person_sensor=sensor,
        expects=_names(row.get("expects")) if told else expected_by(fault, to_ms - begin, sensor=sensor, escalator=escalator),
        alike=_names(row.get("alike")),
        allows=frozenset(_names(row.get("allows"))) if told else allowed_by(fault),
        story=told,
    )  # fmt: skip


def _names(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{value!r} is no list of rule ids")
    return tuple(value)


def alarms_of(lines: Iterable[str], *, source: str) -> list[Alarm]:
    """Alarm lines: `id`, `lift`, `rule`, `raised`, and perhaps `hold_start`, `cleared`, `notice`, `opens`. Raises BadInput."""
    found = []
    for where, row in objects(lines, source=source):
        try:
            found.append(
                Alarm(
                    id=str(row["id"]),
                    lift=str(row["lift"]),
                    rule=str(row["rule"]),
                    hold_start_ms=int(row.get("hold_start") or row["raised"]),
                    raised_ms=int(row["raised"]),
                    cleared_ms=NEVER if row.get("cleared") is None else int(row["cleared"]),
                    notice=bool(row.get("notice", False)),
                    opens=str(row.get("opens", "")),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(repr(error), where=where, expected="an alarm (docs/score.md)") from None
    return sorted(found, key=lambda alarm: (alarm.raised_ms, alarm.lift, alarm.rule))


def sent_of(lines: Iterable[str], *, source: str) -> list[Sent]:
    """Lines of crews that went out: `lift`, `rule`, `opened`, `ordered`, and `over`, null while it lasts. Raises BadInput."""
    found = []
    for where, row in objects(lines, source=source):
        try:
            found.append(
                Sent(
                    lift=str(row["lift"]),
                    rule=str(row["rule"]),
                    opened_ms=int(row["opened"]),
                    ordered_ms=int(row["ordered"]),
                    over_ms=NEVER if row.get("over") is None else int(row["over"]),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(repr(error), where=where, expected="a crew that went out (docs/score.md)") from None
    return found


def objects(lines: Iterable[str], *, source: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """JSON objects with the place of each. Raises BadInput."""
    for number, line in enumerate(lines, 1):
        where = f"{source}, line {number}"
        if number > LINES_MOST:
            raise BadInput("too many lines", where=source, expected=f"at most {LINES_MOST}")
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadInput(str(error), where=where, expected="one JSON object a line") from None
        if not isinstance(row, dict):
            raise BadInput("no object", where=where, expected="one JSON object a line")
        yield where, row
