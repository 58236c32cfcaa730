"""Test files of rules: TOML text to the records of one unit and what its rules must say. Reads no file, runs no engine.

The format is the page docs/rule-tests.md. Every refusal is a BadInput that names file, line of the test, its name and the key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alarms.language.checker import enum_words
from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, EVENT_INDEX, SAMPLE_DTYPE, Rows, unknown_samples
from hoistway.errors import BadInput
from hoistway.model import EVENT_CODE, SIGNAL, Kind, Signal, SignalType

START_MS: Final = 1_704_110_400_000
"""Zero of a test that names no `start`: Monday, 1 January 2024, 12:00."""
FLOORS: Final[tuple[str, ...]] = ("B1", "1", "2", "3", "4", "5")
RATED_SPEED_M_S: Final = {Kind.LIFT: 1.75, Kind.ESCALATOR: 0.5}
EVERY_MS: Final = 5_000
RECORDS: Final = 200_000
"""So many samples a test may have at most."""

QUIET: Final[dict[Kind, dict[str, Any]]] = {
    Kind.LIFT: {
        "service_mode": "normal", "car_status": "stopped", "speed": 0.0, "car_direction": "none", "door_zone": True,
        "door_status": "closed", "door_closed": True, "passenger": False, "landing_door_locked": True, "power": "mains",
        "safety_chain": "closed", "light": True, "temperature": 25.0,
    },
    Kind.ESCALATOR: {
        "operation_status": "running", "operation_direction": "up", "speed": 0.5, "handrail_left": 0.5,
        "handrail_right": 0.5, "step_missing": False, "occupied": False,
    },
}  # fmt: skip
"""A lift that stands closed and empty at a landing; an escalator that runs up with nobody on it."""

_TEST_KEYS: Final = (
    "name", "kind", "rated_speed", "floors", "parameters", "start", "base", "every", "delay", "samples", "events", "links",
    "listening", "end", "expect", "strict",
)  # fmt: skip
_SAMPLE_KEYS: Final = ("at", "until", "every", "delay")
_WORDS: Final = ("raise", "clear", "promote", "change")
_DETAILS: Final = {"demoted": bool, "level": int, "witness": list, "start": str}
_LINK: Final = {"lost": 0, "up": 1, "nothing": -1}
_PART: Final = re.compile(r"(\d+)(ms|s|m|h)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_FILE_KEYS: Final = ("rule_files", "test")
_NUMBERS: Final = tuple(
    name for name in SAMPLE_DTYPE.names or () if name not in SIGNAL and name not in {"slot", "at", "received"}
)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """One transition that a rule must make."""

    at_ms: int  # from the test's zero
    word: str  # raise, clear, promote, change
    details: Mapping[str, Any]  # what else must be so: demoted, level, witness, start


@dataclass(frozen=True, kw_only=True)
class RuleTest:
    """One `[[test]]` table, checked. Times of records are ms since 1970."""

    name: str
    line: int  # where its table begins
    kind: Kind
    rated_speed: float  # m/s
    floors: tuple[str, ...]
    parameters: Mapping[str, float]
    start_ms: int  # zero of the test
    samples: Rows
    events: Rows
    contacts: Rows
    listening: tuple[int, ...]  # moments before which the server heard nobody, in order
    end_ms: int
    expect: Mapping[str, tuple[Expected, ...]]  # by rule id
    strict: bool  # rules that are not in `expect` must say nothing


@dataclass(frozen=True, kw_only=True)
class TestFile:
    __test__ = False  # not pytest's

    source: str
    rule_files: tuple[str, ...]  # as written, relative to the file; empty: the shipped rules
    tests: tuple[RuleTest, ...]


def parse(text: str, *, source: str) -> TestFile:
    """The tests of one file; `source` names it in errors."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(str(error), where=source, expected="TOML") from None
    _known_keys(document, _FILE_KEYS, source)
    files = document.get("rule_files", [])
    if not isinstance(files, list) or not all(isinstance(item, str) for item in files):
        raise BadInput(f"{files!r}", where=f"{source}: rule_files", expected='a list of file names, as ["rules.toml"]')
    tables = document.get("test", [])
    if not isinstance(tables, list) or not tables or not all(isinstance(item, dict) for item in tables):
        raise BadInput("no test", where=source, expected="[[test]] tables")
    lines = [number for number, row in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[\s*test\s*\]\]", row)]
    lines += [0] * (len(tables) - len(lines))
    tests = tuple(_Reader(table, line, source).test() for table, line in zip(tables, lines, strict=False))
    return TestFile(source=source, rule_files=tuple(files), tests=tests)


def _known_keys(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            raise BadInput(f"unknown key {key!r}", where=where, expected=f"one of {', '.join(keys)}")


def duration_ms(value: Any, where: str) -> int:
    """`"1m30s"` as milliseconds."""
    parts = _PART.findall(value) if isinstance(value, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise BadInput(f"{value!r}", where=where, expected='a time with ms, s, m or h, as "20s" or "1m30s"')
    return sum(int(number) * _UNIT_MS[unit] for number, unit in parts)


class _Reader:
    """One `[[test]]` table."""

    def __init__(self, table: dict[str, Any], line: int, source: str) -> None:
        self._table, self._line = table, line
        self._where = f"{source}, line {line}, test {table.get('name', '?')!r}"
        self._start = START_MS
        self._kind = Kind.LIFT
        self._floors = FLOORS
        self._delay = 0

    def _error(self, key: str, what: Any, expected: str) -> BadInput:
        return BadInput(
            what if isinstance(what, str) else f"{what!r}", where=f"{self._where}, {key}", expected=expected
        )

    def test(self) -> RuleTest:
        table = self._table
        _known_keys(table, _TEST_KEYS, self._where)
        name = table.get("name")
        if not isinstance(name, str) or not name.strip():
            raise self._error("name", name, "a sentence that says what must hold")
        kind = table.get("kind", "lift")
        if kind not in {"lift", "escalator"}:
            raise self._error("kind", kind, "lift or escalator")
        self._kind = Kind(kind)
        self._start = self._zero()
        self._delay = self._duration("delay", "0s")
        self._floors = self._floor_table()
        samples, events, contacts = self._samples(), self._events(), self._links()
        expect = self._expect()
        latest = max(
            (int(part["received"].max()) for part in (samples, events, contacts) if len(part)), default=self._start
        )
        told = [self._start + item.at_ms for items in expect.values() for item in items]
        end = self._start + self._duration("end", "0s") if "end" in table else max([latest, *told])
        if end < latest:
            raise self._error("end", table["end"], "no earlier than the last record")
        return RuleTest(
            name=name,
            line=self._line,
            kind=self._kind,
            rated_speed=self._number("rated_speed", table.get("rated_speed", RATED_SPEED_M_S[self._kind])),
            floors=self._floors,
            parameters={
                key: self._number(f"parameters.{key}", value) for key, value in self._mapping("parameters").items()
            },
            start_ms=self._start,
            samples=samples,
            events=events,
            contacts=contacts,
            listening=tuple(sorted(self._moment(item, "listening") for item in self._list("listening"))),
            end_ms=end,
            expect=expect,
            strict=self._flag("strict", table.get("strict", False)),
        )

    # --- plain values ---

    def _mapping(self, key: str) -> dict[str, Any]:
        value = self._table.get(key, {})
        if not isinstance(value, dict):
            raise self._error(key, value, "a table, as { name = value }")
        return value

    def _list(self, key: str) -> list[Any]:
        value = self._table.get(key, [])
        if not isinstance(value, list):
            raise self._error(key, value, "a list in [ ]")
        return value

    def _tables(self, key: str, keys: tuple[str, ...] | None) -> Iterator[tuple[str, dict[str, Any]]]:
        for index, item in enumerate(self._list(key)):
            where = f"{key}[{index}]"
            if not isinstance(item, dict) or "at" not in item:
                raise self._error(where, item, 'a table with a time, as { at = "0s" }')
            if keys is not None:
                _known_keys(item, keys, f"{self._where}, {where}")
            yield where, item

    def _number(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._error(key, value, "a number")
        return float(value)

    def _flag(self, key: str, value: Any) -> bool:
        if not isinstance(value, bool):
            raise self._error(key, value, "true or false")
        return value

    def _duration(self, key: str, default: str) -> int:
        return duration_ms(self._table.get(key, default), f"{self._where}, {key}")

    def _moment(self, value: Any, key: str) -> int:
        return self._start + duration_ms(value, f"{self._where}, {key}")

    def _zero(self) -> int:
        """`start` is a local date and time of the test's city, whose clock is never changed."""
        value = self._table.get("start")
        if value is None:
            return START_MS
        if not hasattr(value, "hour") or not hasattr(value, "toordinal") or value.tzinfo is not None:
            raise self._error("start", value, "a local date and time without quotes, as 2024-01-01T07:30:00")
        days = int(value.toordinal()) - _ORDINAL_1970
        minutes = (days * 24 + int(value.hour)) * 60 + int(value.minute)
        return minutes * 60_000 + int(value.second) * 1_000 + int(value.microsecond) // 1_000

    def _floor_table(self) -> tuple[str, ...]:
        floors = self._table.get("floors", list(FLOORS))
        if not isinstance(floors, list) or not floors or not all(isinstance(item, str) for item in floors):
            raise self._error("floors", floors, 'displayed floors from the bottom, as ["B1", "1", "2"]')
        return tuple(floors)

    # --- records ---

    def _samples(self) -> Rows:
        quiet = dict(QUIET[self._kind])
        if self._kind is Kind.LIFT:
            quiet["car_position"] = self._floors[len(self._floors) // 2]
        base = quiet | self._changes(self._mapping("base"), "base")
        parts = [unknown_samples(0)]
        for where, item in self._tables("samples", None):
            changes = {key: value for key, value in item.items() if key not in _SAMPLE_KEYS}
            values = base | self._changes(changes, where)
            times = self._times(item, where)
            rows = unknown_samples(len(times))
            rows["at"] = times
            rows["received"] = times + self._delay_of(item, where)
            for key, value in values.items():
                rows[key] = self._value(key, value, where)
            parts.append(rows)
        rows = np.concatenate(parts)
        if len(rows) > RECORDS:
            raise self._error("samples", f"{len(rows)} samples", f"at most {RECORDS}")
        return rows[np.argsort(rows["received"], kind="stable")]

    def _delay_of(self, item: Mapping[str, Any], where: str) -> int:
        return duration_ms(item["delay"], f"{self._where}, {where}.delay") if "delay" in item else self._delay

    def _times(self, item: Mapping[str, Any], where: str) -> Any:
        first = self._moment(item["at"], f"{where}.at")
        if "until" not in item:
            if "every" in item:
                raise self._error(where, "every without until", "until beside it")
            return np.array([first])
        last = self._moment(item["until"], f"{where}.until")
        every = (
            duration_ms(item["every"], f"{self._where}, {where}.every")
            if "every" in item
            else self._duration("every", f"{EVERY_MS}ms")
        )
        if last <= first or every < 1:
            raise self._error(where, "an empty stretch", "at < until, and every above 0")
        if (last - first) // every > RECORDS:
            raise self._error(where, "too many samples", f"at most {RECORDS}")
        return np.arange(first, last, every)

    def _changes(self, changes: Mapping[str, Any], where: str) -> dict[str, Any]:
        """The changes with their companions: who says that the door is open does not also mean that its status is "closed"."""
        found = dict(changes)
        for key in changes:
            self._known_signal(key, where)
        if "door_closed" in found and "door_status" not in found:
            found["door_status"] = {True: "closed", False: "open"}.get(found["door_closed"], "unknown")
        elif "door_status" in found and "door_closed" not in found:
            status = found["door_status"]
            found["door_closed"] = "unknown" if status == "unknown" else status in {"closed", "locked"}
        if self._kind is Kind.LIFT and "car_status" in found and "speed" not in found:
            found["speed"] = {"running": 1.0, "stopped": 0.0}.get(found["car_status"], "unknown")
        elif self._kind is Kind.LIFT and "speed" in found and "car_status" not in found:
            speed = found["speed"]
            moves = isinstance(speed, int | float) and abs(speed) > 0.05
            found["car_status"] = "unknown" if isinstance(speed, str) else "running" if moves else "stopped"
        return found

    def _known_signal(self, key: str, where: str) -> None:
        signal = SIGNAL.get(key)
        if key in _NUMBERS or (signal is not None and signal.kind in {None, self._kind}):
            return
        names = [item.name for item in SIGNAL.values() if item.kind in {None, self._kind}]
        raise self._error(where, f"{key!r} is no signal of a {self._kind}", f"one of {', '.join([*names, *_NUMBERS])}")

    def _value(self, key: str, value: Any, where: str) -> Any:
        signal = SIGNAL.get(key)
        place = f"{where}.{key}"
        if signal is None:
            return self._number(place, value)
        if value == "unknown":
            return np.nan if signal.type is SignalType.NUMBER else -1
        if signal.type is SignalType.BOOL:
            return self._flag(f'{place} (or "unknown")', value)
        if signal.type is SignalType.NUMBER:
            return self._number(f'{place} (or "unknown")', value)
        return self._label(value, place) if signal.type is SignalType.LABEL else self._word(signal, value, place)

    def _label(self, value: Any, place: str) -> int:
        if value not in self._floors:
            raise self._error(place, value, f"one of the floors {', '.join(self._floors)}")
        return self._floors.index(value)

    def _word(self, signal: Signal, value: Any, place: str) -> int:
        words = enum_words(signal)
        if value not in words:
            raise self._error(place, value, f"one of {', '.join(words)}, unknown")
        return int(words[value])

    def _events(self) -> Rows:
        found: list[tuple[int, int, int, int, bool]] = []
        for where, item in self._tables("events", ("at", "until", "code", "active", "delay")):
            code = item.get("code")
            if code not in EVENT_INDEX or EVENT_CODE[code].kind not in {None, self._kind}:
                raise self._error(f"{where}.code", code, f"an event code of a {self._kind} in quotes")
            delay = self._delay_of(item, where)
            at = self._moment(item["at"], f"{where}.at")
            found.append(
                (0, at, at + delay, EVENT_INDEX[code], self._flag(f"{where}.active", item.get("active", True)))
            )
            if "until" in item:
                over = self._moment(item["until"], f"{where}.until")
                found.append((0, over, over + delay, EVENT_INDEX[code], False))
        rows = np.array(found, EVENT_DTYPE)
        return rows[np.argsort(rows["received"], kind="stable")]

    def _links(self) -> Rows:
        found = []
        for where, item in self._tables("links", ("at", "says")):
            if item.get("says") not in _LINK:
                raise self._error(f"{where}.says", item.get("says"), "lost, up or nothing")
            found.append((0, self._moment(item["at"], f"{where}.at"), _LINK[item["says"]]))
        rows = np.array(found, CONTACT_DTYPE)
        return rows[np.argsort(rows["received"], kind="stable")]

    # --- what must come out ---

    def _expect(self) -> dict[str, tuple[Expected, ...]]:
        if "expect" not in self._table:
            raise self._error("expect", "missing", 'what rules must say, as { rule-id = [["20s", "raise"]] }')
        return {
            rule: tuple(self._expected(f"expect.{rule}", item) for item in items)
            for rule, items in self._mapping("expect").items()
            if isinstance(items, list) or self._no_list(rule, items)
        }

    def _no_list(self, rule: str, items: Any) -> bool:
        raise self._error(f"expect.{rule}", items, 'a list, as [["20s", "raise"]]; [] for nothing')

    def _expected(self, where: str, item: Any) -> Expected:
        if not isinstance(item, list) or len(item) not in (2, 3) or item[1] not in _WORDS:
            raise self._error(where, item, f'["20s", "raise"] with one of {", ".join(_WORDS)}')
        details = item[2] if len(item) == 3 else {}
        if not isinstance(details, dict) or any(
            key not in _DETAILS or not isinstance(value, _DETAILS[key]) for key, value in details.items()
        ):
            expected = '{ demoted = true, level = 1, witness = ["device"], start = "0s" } or some of it'
            raise self._error(where, details, expected)
        if "start" in details:
            duration_ms(details["start"], f"{self._where}, {where}")
        return Expected(at_ms=duration_ms(item[0], f"{self._where}, {where}"), word=item[1], details=details)


_ORDINAL_1970: Final = 719_163
"""The proleptic Gregorian ordinal of 1 January 1970."""
