"""Runs the tests of rules: the records of one unit through an engine of its own, and what came out beside what was expected.

Pure: text and rules in, results out. The format of the files is read in `rule_test_file`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from alarms.engine import Engine
from alarms.rule_test_file import Expected, RuleTest, TestFile, duration_ms
from alarms.rules import RuleSet
from alarms.signals import BY_DEVICE, BY_RULE, CHANGE, CLEAR, PROMOTE, RAISE, Batch, Transitions
from hoistway.errors import BadInput
from hoistway.model import Kind

_WORD: Final = {RAISE: "raise", CLEAR: "clear", PROMOTE: "promote", CHANGE: "change"}
_WITNESS: Final = {"rule": BY_RULE, "device": BY_DEVICE}
_SLOT: Final = 0


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """A rule that did not say what it should have."""

    rule_id: str
    expected: tuple[str, ...]  # one line a transition; empty: nothing
    got: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one test."""

    name: str
    line: int
    mismatches: tuple[Mismatch, ...]

    @property
    def passed(self) -> bool:
        return not self.mismatches


@dataclass(frozen=True, kw_only=True)
class _Said:
    at_ms: int  # from the test's zero
    word: str
    details: Mapping[str, Any]


def run(file: TestFile, rules: RuleSet) -> tuple[Outcome, ...]:
    """Every test of the file, in order. Raises BadInput when a test expects something of a rule that is not in the set."""
    known = {rule.id for rule in rules}
    for test in file.tests:
        for rule_id in test.expect:
            if rule_id not in known:
                where = f"{file.source}, line {test.line}, test {test.name!r}, expect"
                raise BadInput(f"no rule {rule_id!r}", where=where, expected=f"one of {', '.join(sorted(known))}")
    return tuple(_outcome(test, rules) for test in file.tests)


def describe(outcome: Outcome) -> str:
    """A failure in lines: each rule with what was expected and what came."""
    lines = [f"FAILED line {outcome.line}: {outcome.name}"]
    for item in outcome.mismatches:
        lines.append(f"  {item.rule_id}")
        lines.append(f"    expected: {', '.join(item.expected) or 'nothing'}")
        lines.append(f"    got:      {', '.join(item.got) or 'nothing'}")
    return "\n".join(lines)


def _outcome(test: RuleTest, rules: RuleSet) -> Outcome:
    said = _fold(test, rules)
    mismatches = []
    for rule in rules:
        expected, got = test.expect.get(rule.id, ()), said.get(rule.id, [])
        if rule.id not in test.expect and not (test.strict and got):
            continue
        if len(expected) != len(got) or not all(map(_fits, expected, got)):
            wanted = tuple(_line(item.at_ms, item.word, item.details) for item in expected)
            hidden = set() if any("start" in item.details for item in expected) else {"start"}
            came = tuple(
                _line(item.at_ms, item.word, {k: v for k, v in item.details.items() if k not in hidden}) for item in got
            )
            mismatches.append(Mismatch(rule_id=rule.id, expected=wanted, got=came))
    return Outcome(name=test.name, line=test.line, mismatches=tuple(mismatches))


def _fold(test: RuleTest, rules: RuleSet) -> dict[str, list[_Said]]:
    engine = Engine(rules, capacity=1)
    engine.listening(test.start_ms)
    engine.set_fleet(
        [_SLOT],
        [test.kind is Kind.ESCALATOR],
        [test.rated_speed],
        {_SLOT: test.parameters},
        enrolled=test.start_ms,
        floors=[(0, len(test.floors) - 1)],
    )
    found: list[Transitions] = []
    before = -1
    for until in (*test.listening, test.end_ms + 1):
        found.append(engine.step(_between(test, before, until), max(test.start_ms, until - 1)))
        if until <= test.end_ms:
            engine.listening(until)
        before = until
    found.append(engine.tick(test.end_ms))
    said: dict[str, list[_Said]] = {}
    for row in Transitions.join(found):
        details = {"demoted": row.demoted, "level": row.level, "witness": row.witnesses}
        details["start"] = row.hold_start - test.start_ms
        item = _Said(at_ms=row.at - test.start_ms, word=_WORD[row.kind], details=details)
        said.setdefault(rules[row.rule].id, []).append(item)
    return said


def _between(test: RuleTest, first: int, last: int) -> Batch:
    """What was received from `first` to before `last`."""
    parts = [
        part[(part["received"] >= first) & (part["received"] < last)]
        for part in (test.samples, test.events, test.contacts)
    ]
    return Batch(samples=parts[0], events=parts[1], contacts=parts[2])


def _fits(expected: Expected, got: _Said) -> bool:
    """Time and word are equal, a raise is demoted only where the test says so, and named details are as named."""
    if (expected.at_ms, expected.word) != (got.at_ms, got.word):
        return False
    if expected.word == "raise" and got.details["demoted"] != expected.details.get("demoted", False):
        return False
    return all(_plain(key, value) == got.details[key] for key, value in expected.details.items())


def _plain(key: str, value: Any) -> Any:
    if key == "start":
        return duration_ms(value, "start")
    return sum({_WITNESS.get(str(name), 0) for name in value}) if key == "witness" else value


def _line(at_ms: int, word: str, details: Mapping[str, Any]) -> str:
    """`20s raise (demoted, level 1)`: what differs from the plain case is said."""
    extra = ["demoted"] if details.get("demoted") else []
    if details.get("level"):
        extra.append(f"level {details['level']}")
    witness = details.get("witness", 1)
    bits = witness if isinstance(witness, int) else _plain("witness", witness)
    if bits != 1:
        extra.append("witness " + "+".join(name for name, bit in _WITNESS.items() if bits & bit))
    if isinstance(start := details.get("start"), str):
        extra.append(f"start {start}")
    elif start is not None:
        extra.append(f"start {said_ms(start)}")
    return f"{said_ms(at_ms)} {word}" + (f" ({', '.join(extra)})" if extra else "")


def said_ms(value: int) -> str:
    """Milliseconds as a test file says them."""
    return f"{value // 1_000}s" if value % 1_000 == 0 else f"{value}ms"
