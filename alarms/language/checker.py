"""Names and types: from a syntax tree to terms that always mean something. No evaluation.

A term is a hashable value, so that equal parts of different rules are found and computed once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np

from alarms.language.nearest import nearest
from alarms.language.syntax import OPERAND, Among, Binary, Call, Node, Number, Prefix, Source, Text, Word, parse
from alarms.language.times import DURATION_MAX_MS, duration_ms, spans
from alarms.signals import EVENT_INDEX
from hoistway.errors import RuleError
from hoistway.model import EVENT_CODE, SIGNAL, SIGNALS, Kind, Signal, SignalType


class Type(StrEnum):
    BOOL = "a condition"
    NUMBER = "a number"
    ENUM = "a word of an enumeration"
    LABEL = "a label"


@dataclass(frozen=True, slots=True)
class Term:
    """An operation over terms and plain values; `op` is one of `alarms.program`'s."""

    op: str
    type: Type
    parts: tuple[Term, ...] = ()
    value: object = None

    def walk(self) -> Iterator[Term]:
        yield self
        for part in self.parts:
            yield from part.walk()


_TYPE: Final = {
    SignalType.BOOL: Type.BOOL,
    SignalType.ENUM: Type.ENUM,
    SignalType.NUMBER: Type.NUMBER,
    SignalType.LABEL: Type.LABEL,
}
FUNCTIONS: Final = (
    "reported", "known", "unknown", "surely", "possibly", "abs", "holding", "param", "during", "changed", "age", "count", "rate",
    "since_reported",
)  # fmt: skip
REMEMBERING: Final = frozenset({"changed", "age", "count", "rate", "since_reported"})
"""Operations whose value depends on records before this one."""
DERIVED: Final[dict[str, tuple[Type, Kind | None]]] = {
    "moving": (Type.BOOL, Kind.LIFT),
    "implausible": (Type.BOOL, None),
    "clock_error": (Type.NUMBER, None),
    "clock_lag": (Type.NUMBER, None),
}
"""Signals that no device sends: worked out from the sample."""
FLOORS: Final = ("top_floor", "bottom_floor")
_NAMES: Final = (*(signal.name for signal in SIGNALS), *DERIVED, *FLOORS, "rated_speed", "link_lost")
COUNT_STEPS: Final = 10
"""`count` cuts its window into so many steps."""
COUNT_MOST: Final = 63
"""A step counts so far."""
_WORDS: Final = frozenset(member.name.lower() for signal in SIGNALS if signal.values for member in signal.values)
_COMPARE: Final = {"<": ("less", False), "<=": ("at_most", False), ">": ("less", True), ">=": ("at_most", True)}
_ARITHMETIC: Final = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


@dataclass(frozen=True, kw_only=True)
class Expression:
    """A checked condition and where its parts stand."""

    term: Term
    source: Source
    offsets: dict[Term, int]  # where each part is written first

    def error(self, message: str, part: Term) -> RuleError:
        return self.source.error(message, self.offsets.get(part, self.offsets[self.term]))


def expression(source: Source, *, kind: Kind | None, silent: bool) -> Expression:
    """An expression that must be a condition, checked for a rule of this kind of unit."""
    checker = _Checker(source, kind, silent=silent)
    term = checker.expect(parse(source), Type.BOOL)
    return Expression(term=term, source=source, offsets=checker.offsets)


def condition(source: Source, *, kind: Kind | None, silent: bool) -> Term:
    """The term of `expression`."""
    return expression(source, kind=kind, silent=silent).term


class _Checker:
    def __init__(self, source: Source, kind: Kind | None, *, silent: bool) -> None:
        self._source, self._kind, self._silent = source, kind, silent
        self.offsets: dict[Term, int] = {}

    def expect(self, node: Node, wanted: Type) -> Term:
        term = self._term(node)
        if term.type is not wanted:
            raise self._source.error(f"this is {term.type}; expected {wanted}", _start(node))
        return term

    def _term(self, node: Node) -> Term:
        term = self._made(node)
        self.offsets.setdefault(term, _start(node))
        return term

    def _made(self, node: Node) -> Term:
        match node:
            case Number():
                return self._number(node)
            case Text():
                raise self._source.error(
                    f'a text stands only inside functions, as reported("90"); expected {OPERAND}', node.offset
                )
            case Word():
                return self._word(node)
            case Call():
                return self._call(node)
            case Prefix():
                wanted = Type.BOOL if node.operator == "not" else Type.NUMBER
                return Term("not" if wanted is Type.BOOL else "negate", wanted, (self.expect(node.operand, wanted),))
            case Among():
                return self._among(node)
            case Binary():
                return self._binary(node)

    def _number(self, node: Number) -> Term:
        with np.errstate(over="ignore"):
            value = float(np.float32(node.value))
        if not math.isfinite(value):
            raise self._source.error("the number is too large; expected at most 3.4e38", node.offset)
        return Term("number", Type.NUMBER, value=value)

    def _word(self, node: Word) -> Term:
        name = node.name
        if name in DERIVED:
            kind_of_value, kind = DERIVED[name]
            self._for_kind(kind, name, node.offset)
            return Term("signal", kind_of_value, value=name)
        if name in FLOORS:
            self._for_kind(Kind.LIFT, name, node.offset)
            return Term("floor", Type.BOOL, (Term("signal", Type.LABEL, value="car_position"),), name)
        if name == "link_lost":
            self._only_silent(name, node.offset)
            return Term("link_lost", Type.BOOL)
        if name == "rated_speed":
            return Term("rated_speed", Type.NUMBER)
        if name in SIGNAL:
            self._for_kind(SIGNAL[name].kind, name, node.offset)
            return Term("signal", _TYPE[SIGNAL[name].type], value=name)
        if name in FUNCTIONS:
            raise self._source.error(f"{name} is a function; expected '(' after it", node.offset)
        if name in _WORDS:
            raise self._source.error(f"{name!r} is a word of an enumeration; expected SIGNAL == {name}", node.offset)
        raise self._source.error(f"unknown name {name!r}; expected {nearest(name, _NAMES, 'a signal')}", node.offset)

    def _for_kind(self, kind: Kind | None, what: str, offset: int) -> None:
        if kind is not None and kind is not self._kind:
            subject = "lifts and escalators" if self._kind is None else f"{self._kind}s"
            raise self._source.error(f"{what} exists only for {kind}s; expected a name that {subject} have", offset)

    def _only_silent(self, what: str, offset: int) -> None:
        if not self._silent:
            raise self._source.error(
                f"{what} is known only while a lift is silent; expected a rule with silent_for", offset
            )

    def _binary(self, node: Binary) -> Term:
        operator = node.operator
        if operator in {"and", "or"}:
            return Term(operator, Type.BOOL, (self.expect(node.left, Type.BOOL), self.expect(node.right, Type.BOOL)))
        if operator in _ARITHMETIC:
            parts = (self.expect(node.left, Type.NUMBER), self.expect(node.right, Type.NUMBER))
            return Term(_ARITHMETIC[operator], Type.NUMBER, parts)
        if operator in _COMPARE:
            op, swapped = _COMPARE[operator]
            left, right = self.expect(node.left, Type.NUMBER), self.expect(node.right, Type.NUMBER)
            return Term(op, Type.BOOL, (right, left) if swapped else (left, right))
        equal = self._equal(node)
        return Term("not", Type.BOOL, (equal,)) if operator == "!=" else equal

    def _equal(self, node: Binary) -> Term:
        if isinstance(node.left, Word) and node.left.name not in SIGNAL and node.left.name in _WORDS:
            raise self._source.error("expected the signal before '==' and the word after it", node.left.offset)
        left = self._term(node.left)
        if left.type is Type.ENUM:
            return Term("among", Type.BOOL, (left,), (self._enum_word(left, node.right),))
        if left.type is Type.NUMBER:
            return Term("equal", Type.BOOL, (left, self.expect(node.right, Type.NUMBER)))
        hint = "write the condition itself, or not (...)" if left.type is Type.BOOL else "a label fits only known()"
        raise self._source.error(
            f"{left.type} cannot be compared; {hint}; expected a number or an enumeration", _start(node)
        )

    def _among(self, node: Among) -> Term:
        operand = self.expect(node.operand, Type.ENUM)
        if not node.words:
            raise self._source.error("an empty list; expected one word or more", node.offset)
        values = sorted({self._enum_word(operand, word) for word in node.words})
        term = Term("among", Type.BOOL, (operand,), tuple(values))
        return Term("not", Type.BOOL, (term,)) if node.negated else term

    def _enum_word(self, term: Term, node: Node) -> int:
        signal = SIGNAL[str(term.value)]
        words = enum_words(signal)
        if isinstance(node, Word) and node.name in words:
            return int(words[node.name])
        unknown = " (for unknown write unknown(...))" if isinstance(node, Word) and node.name == "unknown" else ""
        close = get_close_matches(node.name, words, n=1) if isinstance(node, Word) else []
        expected = f"{close[0]}, or another of {', '.join(words)}" if close else f"one of {', '.join(words)}"
        raise self._source.error(f"not a word of {signal.name}{unknown}; expected {expected}", _start(node))

    def _call(self, node: Call) -> Term:
        makers: dict[str, Callable[[Call], Term]] = {
            "reported": self._reported,
            "known": self._known,
            "unknown": lambda call: Term("not", Type.BOOL, (self._known(call),)),
            "surely": lambda call: Term("surely", Type.BOOL, (self._single(call, Type.BOOL),)),
            "possibly": lambda call: Term("possibly", Type.BOOL, (self._single(call, Type.BOOL),)),
            "abs": lambda call: Term("absolute", Type.NUMBER, (self._single(call, Type.NUMBER),)),
            "holding": self._holding,
            "param": self._param,
            "during": self._during,
            "changed": self._changed,
            "age": lambda call: Term("age", Type.NUMBER, (self._remembered(call, 1, Type.BOOL),)),
            "count": lambda call: self._windowed(call, Type.BOOL, COUNT_STEPS),
            "rate": lambda call: self._windowed(call, Type.NUMBER, 1),
            "since_reported": self._since,
        }
        if node.name not in makers:
            raise self._source.error(
                f"unknown function {node.name!r}; expected {nearest(node.name, FUNCTIONS, 'a function')}", node.offset
            )
        return makers[node.name](node)

    def _count(self, call: Call, least: int, most: int, expected: str) -> None:
        if not least <= len(call.arguments) <= most:
            raise self._source.error(
                f"{call.name}() has {len(call.arguments)} arguments; expected {expected}", call.offset
            )

    def _single(self, call: Call, wanted: Type) -> Term:
        self._count(call, 1, 1, str(wanted))
        return self.expect(call.arguments[0], wanted)

    def _known(self, call: Call) -> Term:
        self._count(call, 1, 1, "one signal or expression")
        return Term("known", Type.BOOL, (self._term(call.arguments[0]),))

    def _text(self, node: Node, expected: str) -> str:
        if not isinstance(node, Text):
            raise self._source.error(f"expected {expected} in quotes", _start(node))
        return node.value

    def _reported(self, call: Call) -> Term:
        return Term("reported", Type.BOOL, value=self._code(call))

    def _since(self, call: Call) -> Term:
        self._not_silent(call)
        return Term("since_reported", Type.NUMBER, value=self._code(call))

    def _code(self, call: Call) -> int:
        self._count(call, 1, 1, "one event code in quotes")
        code = self._text(call.arguments[0], "an event code")
        if code not in EVENT_INDEX:
            known = ", ".join(EVENT_INDEX)
            raise self._source.error(f"unknown event code {code!r}; expected one of {known}", call.arguments[0].offset)
        self._for_kind(EVENT_CODE[code].kind, f"event code {code}", call.arguments[0].offset)
        return EVENT_INDEX[code]

    def _during(self, call: Call) -> Term:
        self._count(call, 1, 1, "hours in quotes")
        found = spans(self._text(call.arguments[0], "hours"))
        if found is None:
            raise self._source.error(
                'not hours; expected "22:00-06:00" or "mon-fri 07:30-17:00", several parted by ;',
                call.arguments[0].offset,
            )
        return Term("during", Type.BOOL, value=found)

    def _not_silent(self, call: Call) -> None:
        if self._silent:
            raise self._source.error(
                f"{call.name}() remembers records, and silence has none; expected a rule without silent_for",
                call.offset,
            )

    def _changed(self, call: Call) -> Term:
        self._not_silent(call)
        self._count(call, 1, 1, "one signal")
        term = self._term(call.arguments[0])
        if term.op != "signal":
            raise self._source.error("changed() watches one signal; expected its name", _start(call.arguments[0]))
        return Term("changed", Type.BOOL, (term,))

    def _remembered(self, call: Call, arguments: int, wanted: Type) -> Term:
        self._not_silent(call)
        expected = {1: f"{wanted}", 2: f'{wanted} and a window in quotes, as "10m"'}[arguments]
        self._count(call, arguments, arguments, expected)
        return self.expect(call.arguments[0], wanted)

    def _windowed(self, call: Call, wanted: Type, least_s: int) -> Term:
        term = self._remembered(call, 2, wanted)
        window = duration_ms(self._text(call.arguments[1], "a window"))
        if window is None or window % 1_000 or not least_s * 1_000 <= window <= DURATION_MAX_MS:
            raise self._source.error(
                f'not a window; expected whole seconds from "{least_s}s" to "720h"', _start(call.arguments[1])
            )
        return Term(call.name, Type.NUMBER, (term,), window)

    def _holding(self, call: Call) -> Term:
        self._only_silent("holding()", call.offset)
        self._count(call, 1, 100, "one rule id in quotes, or more")
        return Term("holding", Type.BOOL, value=tuple(self._text(item, "a rule id") for item in call.arguments))

    def _param(self, call: Call) -> Term:
        self._count(call, 2, 2, "a name in quotes and a default number")
        name = self._text(call.arguments[0], "a parameter's name")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise self._source.error(
                "expected lower-case letters, digits and '_' as the name", call.arguments[0].offset
            )
        default = self._term(call.arguments[1])
        if default.op == "negate" and default.parts[0].op == "number":
            default = Term("number", Type.NUMBER, value=-float(str(default.parts[0].value)))
        if default.op != "number":
            raise self._source.error("expected a plain number as the default", _start(call.arguments[1]))
        return Term("param", Type.NUMBER, value=(name, default.value))


def window_ms(term: Term) -> int:
    """The window of a function that has one."""
    return int(str(term.value))


def enum_words(signal: Signal) -> dict[str, IntEnum]:
    """The words that rules may compare the signal with."""
    members = signal.values or ()
    return {member.name.lower(): member for member in members if member.value != signal.unknown_value}


def _start(node: Node) -> int:
    if isinstance(node, Binary):
        return _start(node.left)
    return _start(node.operand) if isinstance(node, Among) else node.offset
