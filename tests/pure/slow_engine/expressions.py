"""Expressions of docs/rules.md section 3, read by recursive descent into closures over a dictionary. Accepts valid text only."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hoistway.model import SIGNAL
from tests.pure.slow_engine.hours import within
from tests.pure.slow_engine.remembering import Call
from tests.pure.slow_engine.values import single

Facts = dict[str, Any]
"""Signals by name (None unknown), and `reported`, `holding`, `parameters`, `rated_speed`, `link_lost`, `time`, `zone`, and
`remembered`: what each call of a function that remembers is now, by its text."""
Reader = Callable[[Facts], Any]

_WORDS = re.compile(r"\s*(?:([0-9.]+(?:[eE][+-]?[0-9]+)?)|(\w+)|('[^']*'|\"[^\"]*\")|(==|!=|<=|>=|.))", re.ASCII)
_ORDER = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
}


def calculate(sign: str, a: float | None, b: float | None) -> float | None:
    if a is None or b is None or (sign == "/" and b == 0):
        return None
    return single({"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b}[sign]())


def both(a: bool | None, b: bool | None) -> bool | None:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def opposite(a: bool | None) -> bool | None:
    return None if a is None else not a


@dataclass(frozen=True, kw_only=True)
class Expression:
    reader: Reader
    names: frozenset[str]  # the words outside of quotes
    calls: dict[
        str, Call
    ]  # of functions that remember, by their text; what stands inside of another call comes before it

    def __call__(self, facts: Facts) -> Any:
        """What the expression says of some facts: True, False or None."""
        return self.reader(facts)


def read(text: str) -> Expression:
    words = [next(filter(None, groups)) for groups in _WORDS.findall(text.strip())]
    descent = _Descent([*words, ""])
    reader = descent.either()
    return Expression(reader=reader, names=frozenset(words), calls=descent.calls)


class _Descent:
    def __init__(self, words: list[str]) -> None:
        self.words = words
        self.calls: dict[str, Call] = {}

    def take(self, *wanted: str) -> str:
        return self.words.pop(0) if not wanted or self.words[0] in wanted else ""

    def either(self) -> Reader:
        left = self.all()
        while self.take("or"):
            left = self._or(left, self.all())
        return left

    @staticmethod
    def _or(a: Reader, b: Reader) -> Reader:
        return lambda facts: opposite(both(opposite(a(facts)), opposite(b(facts))))

    def all(self) -> Reader:
        left = self.negation()
        while self.take("and"):
            left = self._and(left, self.negation())
        return left

    @staticmethod
    def _and(a: Reader, b: Reader) -> Reader:
        return lambda facts: both(a(facts), b(facts))

    def negation(self) -> Reader:
        if self.take("not"):
            inner = self.negation()
            return lambda facts: opposite(inner(facts))
        return self.comparison()

    def comparison(self) -> Reader:
        signal = self.words[0]
        left = self.sum()
        negated = bool(self.take("not"))
        if self.take("in"):
            self.take("(")
            members = []
            while word := self.take():
                if word == ")":
                    break
                if word != ",":
                    members.append(_number_of(signal, word))
            return lambda facts: None if left(facts) is None else (left(facts) in members) != negated
        sign = self.take(*_ORDER)
        if not sign:
            return left
        if signal in SIGNAL and SIGNAL[signal].values:
            word = _number_of(signal, self.take())
            return self._compared(sign, left, lambda _: word)
        return self._compared(sign, left, self.sum())

    @staticmethod
    def _compared(sign: str, a: Reader, b: Reader) -> Reader:
        def compare(facts: Facts) -> bool | None:
            x, y = a(facts), b(facts)
            return None if x is None or y is None else bool(_ORDER[sign](x, y))

        return compare

    def sum(self) -> Reader:
        left = self.product()
        while sign := self.take("+", "-"):
            left = self._calculated(sign, left, self.product())
        return left

    def product(self) -> Reader:
        left = self.factor()
        while sign := self.take("*", "/"):
            left = self._calculated(sign, left, self.factor())
        return left

    @staticmethod
    def _calculated(sign: str, a: Reader, b: Reader) -> Reader:
        return lambda facts: calculate(sign, a(facts), b(facts))

    def factor(self) -> Reader:
        if self.take("-"):
            inner = self.factor()
            return lambda facts: None if inner(facts) is None else -inner(facts)
        if self.take("("):
            inner = self.either()
            self.take(")")
            return inner
        word = self.take()
        if word[0].isdigit() or word[0] == ".":
            value = single(float(word))
            return lambda _: value
        if self.take("("):
            return self.function(word)
        return lambda facts: facts[word]

    def function(self, name: str) -> Reader:
        if name in _LOOKUP:
            return _LOOKUP[name](self.texts())
        if name in {"changed", "age", "count", "rate", "since_reported"}:
            return self.remembering(name)
        inner = self.either()
        self.take(")")
        return {
            "known": lambda facts: inner(facts) is not None,
            "unknown": lambda facts: inner(facts) is None,
            "surely": lambda facts: inner(facts) is True,
            "possibly": lambda facts: inner(facts) is not False,
            "abs": lambda facts: None if inner(facts) is None else abs(inner(facts)),
        }[name]

    def texts(self) -> list[str]:
        """The words up to the closing parenthesis, without commas and quotes."""
        found = []
        while (word := self.take()) != ")":
            found.append(word.strip("'\""))
        return [word for word in found if word != ","]

    def remembering(self, name: str) -> Reader:
        words = list(self.words)
        if name in {"changed", "since_reported"}:
            call = Call(function=name, name=self.texts()[0])
        else:
            inner = self.either()
            self.take(",")
            window = self.texts()
            call = Call(function=name, inner=inner, window=_milliseconds(window[0]) if window else 0)
        text = " ".join([name, *words[: len(words) - len(self.words)]])
        self.calls[text] = call
        return lambda facts: facts["remembered"][text]


def _milliseconds(duration: str) -> int:
    number = duration.rstrip("msh")
    return int(number) * {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}[duration[len(number) :]]


def _number_of(signal: str, word: str) -> int:
    values = SIGNAL[signal].values
    return int(values[word.upper()]) if values else -1


def _param(texts: list[str]) -> Reader:
    default = single(float("".join(texts[1:])))
    return lambda facts: facts["parameters"].get(texts[0], default)


_LOOKUP: dict[str, Callable[[list[str]], Reader]] = {
    "reported": lambda texts: lambda facts: texts[0] in facts["reported"],
    "holding": lambda texts: lambda facts: any(text in facts["holding"] for text in texts),
    "param": _param,
    "during": lambda texts: lambda facts: within(texts[0], facts["time"], facts["zone"]),
}
