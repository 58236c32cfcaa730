"""A rule as it stands in the file, and its columns (docs/rules.md section 9), read with this engine's own reader."""

from __future__ import annotations

from dataclasses import dataclass

from tests.pure.slow_engine.expressions import Expression, Facts, read
from tests.pure.slow_engine.values import NAMES

LOUD = frozenset({"rescue", "alarm-call"})


@dataclass(frozen=True, kw_only=True)
class PlainLevel:
    when: str
    length: int
    opens: str


@dataclass(frozen=True, kw_only=True)
class PlainRule:
    id: str
    kind: str  # lift, escalator, any
    when: str | None
    until: str | None
    length: int
    unless: str | None
    shielded_by: tuple[str, ...]
    clear: str | None
    clear_length: int
    witness: tuple[str, ...]  # event codes
    levels: tuple[PlainLevel, ...]
    silent: int | None
    silent_lost: int | None
    opens: str
    enabled: bool

    @property
    def loud(self) -> bool:
        return self.opens in LOUD

    def columns(self) -> list[Column]:
        """The rule itself, its levels, its witness."""
        when, unless = _maybe(self.when), _maybe(self.unless)
        if self.silent:
            return [Column(rule=self, witness=_seen_by(when), when=when, unless=unless, loud=self.loud)]
        clear = read(self.clear or self.until or f"not ({self.when})")
        found = [
            Column(
                rule=self, witness=_seen_by(when), when=when, until=_maybe(self.until), unless=unless, clear=clear,
                length=self.length, clear_length=self.clear_length, loud=self.loud,
            )
        ]  # fmt: skip
        for number, level in enumerate(self.levels, 1):
            when = read(level.when)
            found.append(
                Column(
                    rule=self, place=number, level=number, witness=_seen_by(when), when=when, unless=unless, clear=clear,
                    length=level.length, clear_length=self.clear_length, loud=level.opens in LOUD,
                )
            )  # fmt: skip
        if self.witness:
            reported = " or ".join(f'reported("{code}")' for code in self.witness)
            found.append(
                Column(
                    rule=self, place=len(found), witness="device", when=read(reported), unless=unless,
                    clear=read(f"not ({reported})"), loud=self.loud,
                )
            )  # fmt: skip
        return found


def _seen_by(when: Expression | None) -> str:
    """A condition of reported codes alone is the device's word, not ours."""
    return "device" if when and "reported" in when.names and not NAMES & when.names else "rule"


def _maybe(text: str | None) -> Expression | None:
    return read(text) if text else None


@dataclass(frozen=True, kw_only=True)
class Column:
    """What is judged as if it were a rule."""

    rule: PlainRule
    place: int = 0
    level: int = 0
    witness: str = "rule"
    when: Expression | None = None
    until: Expression | None = None
    unless: Expression | None = None
    clear: Expression | None = None
    length: int = 0
    clear_length: int = 0
    loud: bool = False

    @property
    def key(self) -> tuple[str, int]:
        return self.rule.id, self.place

    @property
    def expressions(self) -> list[Expression]:
        return [item for item in (self.when, self.until, self.unless, self.clear) if item is not None]

    @property
    def timeless(self) -> bool:
        return not any(NAMES & item.names for item in self.expressions)


def ask(expression: Expression | None, facts: Facts) -> bool | None:
    """What an expression says; one that is not there says nothing."""
    return expression(facts) if expression else None
