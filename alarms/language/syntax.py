"""The rule language as text: tokens, a Pratt parser, a syntax tree whose nodes know where they stand. No types, no numpy.

What may be written and what it means is on one page: docs/rules.md. Names and types are checked in `checker`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from hoistway.errors import RuleError
from hoistway.limits import EXPRESSION_CHARS, EXPRESSION_DEPTH


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """An expression and where each of its characters stands in the rule file."""

    text: str
    rule: str
    places: Sequence[tuple[int, int]]  # (line, column) of each character, and of the end

    def error(self, message: str, offset: int) -> RuleError:
        line, column = self.places[min(offset, len(self.places) - 1)]
        return RuleError(message, rule=self.rule, line=line, column=column)


@dataclass(frozen=True, kw_only=True, slots=True)
class Number:
    value: float
    offset: int
    depth: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    value: str
    offset: int
    depth: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Word:
    name: str
    offset: int
    depth: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    name: str
    arguments: tuple[Node, ...]
    offset: int
    depth: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Prefix:
    operator: str  # not, -
    operand: Node
    offset: int
    depth: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Binary:
    operator: str  # or, and, ==, !=, <, <=, >, >=, +, -, *, /
    left: Node
    right: Node
    offset: int  # of the operator
    depth: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Among:
    operand: Node
    words: tuple[Node, ...]
    negated: bool
    offset: int
    depth: int


Node = Number | Text | Word | Call | Prefix | Binary | Among

_TOKEN: Final = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<number>(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?)|(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<text>\"[^\"\n]*\"|'[^'\n]*')|(?P<sign>==|!=|<=|>=|[<>+\-*/(),])"
)
_COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
_POWER: Final = {"or": 1, "and": 2, **dict.fromkeys((*_COMPARISONS, "in", "not"), 4), "+": 5, "-": 5, "*": 6, "/": 6}
_NOT_POWER: Final = 3
_COMPARE_POWER: Final = 4
_MINUS_POWER: Final = 7
_KEYWORDS: Final = frozenset({"and", "or", "not", "in"})
OPERAND: Final = "a signal, a number, a function or '('"


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    kind: str  # number, word, text, sign, end
    text: str
    offset: int

    def named(self) -> str:
        return "the end of the expression" if self.kind == "end" else repr(self.text)


def tokens(source: Source) -> list[Token]:
    """The expression cut into tokens, the last one of kind `end`."""
    found: list[Token] = []
    position, text = 0, source.text
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            hint = "; write '==' to compare" if text[position] == "=" else ""
            raise source.error(f"unexpected character {text[position]!r}{hint}; expected {OPERAND}", position)
        if match.lastgroup != "space":
            found.append(Token(kind=match.lastgroup or "", text=match.group(), offset=position))
        position = match.end()
    return [*found, Token(kind="end", text="", offset=position)]


def parse(source: Source) -> Node:
    """The syntax tree of an expression, or RuleError at the first place that does not fit."""
    if len(source.text) > EXPRESSION_CHARS:
        raise source.error(
            f"the expression is too long; expected at most {EXPRESSION_CHARS} characters", EXPRESSION_CHARS
        )
    parser = _Parser(source)
    node = parser.expression(0, 1)
    parser.end()
    return node


class _Parser:
    """Pratt: each operator has a power; an operand is read, then every operator that binds tighter than the caller's."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._next = 0

    def end(self) -> None:
        token = self._tokens[self._next]
        if token.kind != "end":
            raise self._source.error(
                f"found {token.named()}; expected an operator or the end of the expression", token.offset
            )

    def expression(self, power: int, level: int) -> Node:
        if level > EXPRESSION_DEPTH:
            raise self._too_deep(self._tokens[self._next].offset)
        left = self._operand(level)
        while _POWER.get(self._tokens[self._next].text, 0) > power and self._tokens[self._next].kind in {
            "word",
            "sign",
        }:
            left = self._after(left, level)
            if left.depth > EXPRESSION_DEPTH:
                raise self._too_deep(left.offset)
        return left

    def _too_deep(self, offset: int) -> RuleError:
        return self._source.error(f"nested too deeply; expected at most {EXPRESSION_DEPTH} levels", offset)

    def _take(self) -> Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _expect(self, sign: str) -> None:
        token = self._take()
        if token.text != sign or token.kind not in {"sign", "word"}:
            raise self._source.error(f"found {token.named()}; expected {sign!r}", token.offset)

    def _operand(self, level: int) -> Node:
        token = self._take()
        if token.kind == "number":
            return Number(value=float(token.text), offset=token.offset)
        if token.kind == "text":
            return Text(value=token.text[1:-1], offset=token.offset)
        if token.kind == "word" and token.text not in _KEYWORDS:
            if self._tokens[self._next].text == "(" and self._tokens[self._next].kind == "sign":
                return self._call(token, level)
            return Word(name=token.text, offset=token.offset)
        if token.text == "not" or (token.kind == "sign" and token.text == "-"):
            operand = self.expression(_NOT_POWER if token.text == "not" else _MINUS_POWER, level + 1)
            return Prefix(operator=token.text, operand=operand, offset=token.offset, depth=operand.depth + 1)
        if token.kind == "sign" and token.text == "(":
            inner = self.expression(0, level + 1)
            self._expect(")")
            return inner
        raise self._source.error(f"found {token.named()}; expected {OPERAND}", token.offset)

    def _list(self, level: int) -> tuple[Node, ...]:
        """What stands between parentheses, the first of which is still to come."""
        self._expect("(")
        items: list[Node] = []
        if self._tokens[self._next].text != ")":
            items.append(self.expression(0, level + 1))
            while self._tokens[self._next].text == "," and self._tokens[self._next].kind == "sign":
                self._take()
                items.append(self.expression(0, level + 1))
        self._expect(")")
        return tuple(items)

    def _call(self, name: Token, level: int) -> Call:
        arguments = self._list(level)
        depth = 1 + max((item.depth for item in arguments), default=0)
        return Call(name=name.text, arguments=arguments, offset=name.offset, depth=depth)

    def _after(self, left: Node, level: int) -> Node:
        token = self._take()
        if token.text in {"in", "not"}:
            if token.text == "not":
                self._expect("in")
            words = self._list(level)
            node: Node = Among(
                operand=left, words=words, negated=token.text == "not", offset=token.offset, depth=left.depth + 1
            )
        else:
            right = self.expression(_POWER[token.text], level + 1)
            depth = 1 + max(left.depth, right.depth)
            node = Binary(operator=token.text, left=left, right=right, offset=token.offset, depth=depth)
        following = self._tokens[self._next]
        chained = _POWER[token.text] == _COMPARE_POWER and _POWER.get(following.text) == _COMPARE_POWER
        if chained and following.kind != "text":
            raise self._source.error("comparisons cannot be chained; expected 'and' or 'or'", following.offset)
        return node
