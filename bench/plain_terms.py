"""Checked conditions written as plain Python: for each kind of unit one function that answers which columns are true, and small ones a column.

A condition is two expressions, surely true and surely false, so that Python's `and` and `or` stop as early as they may. Names of
signals are local variables, loaded once. Values of rules reach the text only as numbers and as names that the checker has read.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, Final

from alarms.language.checker import REMEMBERING, Term, Type
from alarms.signals import EVENT_INDEX

_FLOAT: Final = struct.Struct("f")
_NAN: Final = math.nan


def single(value: float) -> float:
    """The number in single precision, NaN where it is not finite."""
    try:
        rounded: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    except OverflowError:
        return _NAN
    return rounded if math.isfinite(rounded) else _NAN


def seconds(milliseconds: int) -> float:
    """Below some hours every millisecond compares the same whether rounded or not."""
    value = milliseconds / 1_000
    return value if value < 4_096 else single(value)


def divided(left: float, right: float) -> float:
    return single(left / right) if right else _NAN


def within(at: int, spans: Any) -> bool:
    """Hours of the week, in UTC."""
    day, minute = at // 86_400_000, at % 86_400_000 // 60_000
    today, yesterday = (day + 3) % 7, (day + 2) % 7
    for span in spans:
        if span.first < span.last:
            if span.days[today] and span.first <= minute < span.last:
                return True
        elif (span.days[today] and minute >= span.first) or (span.days[yesterday] and minute < span.last):
            return True
    return False


def holding(lift: Any, names: Iterable[str]) -> bool:
    """Whether a hold of one of these rules runs and its alarm is not raised."""
    columns = lift.kin.columns
    return any(columns[place].id in names and columns[place].rule not in lift.alarms for place in lift.holds)


def note(steps: dict[int, int], step: int) -> None:
    """One more in this step."""
    steps[step] = min(steps.get(step, 0) + 1, 63)


def counted(steps: dict[int, int], step: int) -> int:
    """The events of the step and the nine before it."""
    for old in [old for old in steps if old <= step - 10]:
        del steps[old]
    return sum(steps.values())


def opposite(term: Term) -> Term:
    return Term("not", Type.BOOL, (term,))


class Writer:
    """The functions of one kind of unit."""

    def __init__(self) -> None:
        self.remembering: list[Term] = []
        self.memory: list[Any] = []  # what a lift remembers before its first record
        self._constants: list[Any] = []
        self._written: dict[Term, tuple[str, str]] = {}
        self._loads: dict[str, str] = {}  # local variables and where they come from

    @staticmethod
    def reported(codes: Iterable[str]) -> Term:
        """A witness: one of these codes is reported."""
        said = [Term("reported", Type.BOOL, value=EVENT_INDEX[code]) for code in codes]
        return reduce(lambda left, right: Term("or", Type.BOOL, (left, right)), said)

    def look(
        self, columns: Iterable[tuple[int, Term | None, Term | None]], terms: Iterable[Term | None]
    ) -> Callable[..., list[int]]:
        """Which columns' `when` is true (of a sequence: true, and `until` false); brings what any of the terms remembers up to date."""
        for part in [part for term in terms if term is not None for part in term.walk()]:
            if part.op in REMEMBERING:
                self._pair(part)
        tests = []
        for place, when, until in columns:
            if when is not None:
                true = self._pair(when)[0]
                true = true if until is None else f"{true} and {self._pair(until)[1]}"
                tests.append(f"if {true}: hits.append({place})")
        lines = [line for number, term in enumerate(self.remembering) for line in self._remember(number, term)]
        loads = [f"{name} = {source}" for name, source in self._loads.items() if not name.startswith("m_")]
        now = "".join(f"m_{number}, " for number in range(len(self.remembering)))
        body = [*loads, "M = lift.memory", *lines, f"lift.now = ({now})", "hits = []", *tests, "return hits"]
        return self._made("lift, v, before, clock, sample, gap, raised", body)

    def condition(self, term: Term | None, *, wanted: bool = True) -> Callable[..., bool]:
        """Whether the condition is surely true, or surely false, at a record or later; `look` has been there before."""
        if term is None:
            return lambda _lift, _values, _clock: False
        self._loads, self._written, kept = {}, {}, self._written
        text = self._pair(term)[0 if wanted else 1]
        loads = [f"{name} = {source}" for name, source in self._loads.items()]
        self._written = kept
        return self._made("lift, v, clock", [*loads, f"return bool({text})"])

    def _made(self, arguments: str, body: list[str]) -> Any:
        scope: dict[str, Any] = {
            "K": self._constants, "NAN": _NAN, "single": single, "seconds": seconds, "divided": divided, "within": within,
            "holding": holding, "counted": counted, "note": note, "isnan": math.isnan,
        }  # fmt: skip
        text = f"def made({arguments}):\n " + "\n ".join(body) + "\n"
        exec(compile(text, "<rules>", "exec"), scope)  # noqa: S102 - our own templates, no text of a rule
        return scope["made"]

    def _load(self, name: str, source: str) -> str:
        self._loads[name] = source
        return name

    def _pair(self, term: Term) -> tuple[str, str]:
        """Expressions that say: surely true, surely false; of a number twice the same."""
        if term not in self._written:
            self._written[term] = self._pair_of(term, [self._pair(part) for part in term.parts])
        return self._written[term]

    def _pair_of(self, term: Term, parts: list[tuple[str, str]]) -> tuple[str, str]:
        if term.op in REMEMBERING:
            return self._recalled(term)
        if term.type is not Type.BOOL:
            return (self._value(term, [true for true, _ in parts]),) * 2
        match term.op:
            case "signal":
                name = self._load(str(term.value), f'v["{term.value}"]')
                return name, f"{name} is False"
            case "not":
                return f"({parts[0][1]})", f"({parts[0][0]})"
            case "and" | "or":
                (a, not_a), (b, not_b) = parts
                other = "or" if term.op == "and" else "and"
                return f"({a} {term.op} {b})", f"({not_a} {other} {not_b})"
            case "surely":
                return parts[0][0], f"(not {parts[0][0]})"
            case "possibly":
                return f"(not ({parts[0][1]}))", f"({parts[0][1]})"
            case "known":
                return self._known(term, parts[0])
            case _:
                return self._compared(term, [true for true, _ in parts])

    def _compared(self, term: Term, parts: list[str]) -> tuple[str, str]:
        match term.op:
            case "less":
                return f"({parts[0]} < {parts[1]})", f"({parts[0]} >= {parts[1]})"
            case "at_most":
                return f"({parts[0]} <= {parts[1]})", f"({parts[0]} > {parts[1]})"
            case "equal":
                a, b = parts
                return f"({a} == {b})", f"({a} < {b} or {a} > {b})"
            case "among":
                values: Any = term.value
                words = tuple(int(value) for value in values)
                true = f"({parts[0]} == {words[0]})" if len(words) == 1 else f"({parts[0]} in {words})"
                return true, f"({parts[0]} is not None and not {true})"
            case "floor":
                end = self._load(str(term.value), f"lift.{'top' if term.value == 'top_floor' else 'bottom'}")
                known = f"{parts[0]} is not None and {end} is not None"
                return f"({known} and {parts[0]} == {end})", f"({known} and {parts[0]} != {end})"
            case "reported":
                true = f"({self._load('reported', 'lift.reported')} & {1 << int(str(term.value))})"
            case "during":
                true = f"within(clock, {self._constant(term.value)})"
            case "link_lost":
                true = f"(lift.lost_at != {2**62})"
            case "holding":
                true = f"holding(lift, {self._constant(term.value)})"
            case _:
                raise AssertionError(term.op)
        return true, f"(not {true})"

    def _known(self, term: Term, part: tuple[str, str]) -> tuple[str, str]:
        kind = term.parts[0].type
        if kind is Type.NUMBER:
            return f"(not isnan({part[0]}))", f"isnan({part[0]})"
        if term.parts[0].op == "signal":
            return f"({part[0]} is not None)", f"({part[0]} is None)"
        return f"({part[0]} or {part[1]})", f"(not ({part[0]} or {part[1]}))"

    def _value(self, term: Term, parts: list[str]) -> str:
        match term.op:
            case "signal":
                return self._load(str(term.value), f'v["{term.value}"]')
            case "number":
                return repr(term.value)
            case "rated_speed":
                return self._load("rated_speed", "lift.rated_speed")
            case "param":
                value: Any = term.value
                return f'{self._load("own", "lift.own.get")}("{value[0]}", {single(value[1])!r})'
            case "absolute":
                return f"abs({parts[0]})"
            case "negate":
                return f"(-{parts[0]})"
            case "divide":
                return f"divided({parts[0]}, {parts[1]})"
            case _:
                sign = {"add": "+", "subtract": "-", "multiply": "*"}[term.op]
                return f"single({parts[0]} {sign} {parts[1]})"

    def _constant(self, value: Any) -> str:
        self._constants.append(value)
        return f"K[{len(self._constants) - 1}]"

    # --- functions that remember ---

    def _recalled(self, term: Term) -> tuple[str, str]:
        if term not in self.remembering:
            self.remembering.append(term)
        number = self.remembering.index(term)
        name = self._load(f"m_{number}", f"lift.now[{number}]")
        return (name, f"{name} is False") if term.type is Type.BOOL else (name, name)

    def _room(self, *empty: Any) -> list[int]:
        """Places in a lift's memory."""
        self.memory += empty
        return list(range(len(self.memory) - len(empty), len(self.memory)))

    def _remember(self, number: int, term: Term) -> list[str]:
        """The lines that bring one term up to date and set its variable."""
        name = f"m_{number}"
        true, false = self._pair(term.parts[0]) if term.parts else ("", "")
        match term.op:
            case "changed":
                raw = f'before["{term.parts[0].value}"]'
                here = str(term.parts[0].value)
                test = (
                    f"{here} == {here} and old == old"
                    if term.parts[0].type is Type.NUMBER
                    else f"{here} is not None and old is not None"
                )
                return [f"old = {raw}", f"{name} = {here} != old if sample and not gap and {test} else None"]
            case "age":
                (since,) = self._room(None)
                return [
                    f"if gap: M[{since}] = None",
                    f"if {true}:",
                    f"  if M[{since}] is None: M[{since}] = clock",
                    f"  {name} = seconds(clock - M[{since}])",
                    f"elif {false}: M[{since}] = None; {name} = 0.0",
                    f"else: {name} = NAN",
                ]
            case "since_reported":
                (since,) = self._room(None)
                return [
                    f"if raised == {term.value} or M[{since}] is None: M[{since}] = clock",
                    f"{name} = seconds(clock - M[{since}])",
                ]
            case "count":
                step_ms = int(str(term.value)) // 10
                was, steps, latest, total = self._room(None, None, None, 0)
                return [
                    f"if gap: M[{was}] = None",
                    f"if {true}:",
                    f"  if M[{was}] is False:",
                    f"    if M[{steps}] is None: M[{steps}] = {{}}",
                    f"    note(M[{steps}], clock // {step_ms})",
                    f"    M[{latest}] = None",
                    f"  M[{was}] = True",
                    f"elif {false}: M[{was}] = False",
                    f"if M[{steps}] and M[{latest}] != (step := clock // {step_ms}):",
                    f"  M[{latest}], M[{total}] = step, counted(M[{steps}], step)",
                    f"{name} = M[{total}]",
                ]
            case _:
                step, _, value = self._room(None, 0, _NAN)
                last_step, last_at, last_value = self._room(None, 0, _NAN)
                return [
                    f"x = {true}",
                    f"{name} = NAN",
                    "if sample and x == x:",
                    f"  step = clock // {term.value}",
                    f"  if M[{step}] != step:",
                    f"    M[{last_step}:{last_value + 1}] = M[{step}:{value + 1}]",
                    f"    M[{step}:{value + 1}] = step, clock, x",
                    f"  if M[{last_step}] == step - 1:",
                    f"    {name} = divided(single(x - M[{last_value}]), single((clock - M[{last_at}]) / 1_000))",
                ]
