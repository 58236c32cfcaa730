"""A published rule set as a value: its entries, its rules, what follows when something is laid over it. No database here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from alarms.rule_sets import ids, lay_over, of_texts, text_diff
from alarms.rules import RuleSet
from hoistway.errors import BadInput
from hoistway.rulebook.reach import closure

PRODUCT = "hoistway"
"""The author of what came with the program."""


class Mode(StrEnum):
    LIVE = "live"
    SHADOW = "shadow"  # evaluated and recorded, never an alarm


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One rule of a set."""

    rule_id: str
    version: str
    mode: Mode
    own: bool  # published by a person; else the product's, which its next version may replace
    text: str  # canonical


@dataclass(frozen=True, kw_only=True)
class Published:
    """One set as it was published. Its rules are parsed when they are asked for: that may raise RuleError."""

    number: int
    published_at: datetime
    author: str
    comment: str
    restores: int | None  # a rollback: the set whose rules it has again
    state: str  # published, live, replaced, refused
    entries: tuple[Entry, ...]  # live ones first, in the order in which they are evaluated

    @cached_property
    def live(self) -> RuleSet:
        """The rules that make alarms."""
        return of_texts(self._texts(Mode.LIVE))

    @cached_property
    def shadow(self) -> RuleSet:
        """The rules in shadow, with the live ones that they refer to; empty when there are none."""
        texts = self._texts(Mode.SHADOW)
        if not texts:
            return RuleSet(rules=(), terms=())
        return closure(lay_over(self.live, texts), self.shadow_ids)

    @property
    def shadow_ids(self) -> frozenset[str]:
        return frozenset(entry.rule_id for entry in self.entries if entry.mode is Mode.SHADOW)

    def _texts(self, mode: Mode) -> list[tuple[str, str]]:
        return [(entry.rule_id, entry.text) for entry in self.entries if entry.mode is mode]


def of_product(product: RuleSet) -> tuple[Entry, ...]:
    """The first set: the product's rules."""
    return tuple(_entry(rule.id, product, Mode.LIVE, own=False) for rule in product)


def _entry(rule_id: str, rules: RuleSet, mode: Mode, *, own: bool) -> Entry:
    rule = rules[rules.index(rule_id)]
    return Entry(rule_id=rule.id, version=rule.version, mode=mode, own=own, text=rule.text)


def with_product(before: Sequence[Entry], product: RuleSet) -> tuple[Entry, ...]:
    """The entries when the program comes with other rules: what a person published stays, the rest is the product's.

    Raises RuleError when a published rule refers to one that the product no longer has.
    """
    own = {entry.rule_id: entry for entry in before if entry.own and entry.mode is Mode.LIVE}
    theirs = [own[rule.id] if rule.id in own else _entry(rule.id, product, Mode.LIVE, own=False) for rule in product]
    more = [entry for entry in own.values() if entry.rule_id not in product]
    entries = (*theirs, *more, *(entry for entry in before if entry.mode is Mode.SHADOW))
    _check(entries)
    return entries


def with_file(before: Sequence[Entry], text: str, *, source: str, mode: Mode) -> tuple[Entry, ...]:
    """The entries with a file's rules laid over them by id. Raises RuleError with the place in the file.

    What goes live is no longer in shadow. What goes into shadow leaves the live rule with the same id alone.
    """
    live = of_texts((entry.rule_id, entry.text) for entry in before if entry.mode is Mode.LIVE)
    laid = lay_over(live, [(source, text)])
    fresh = rules_of(text, source=source)
    owned = {entry.rule_id for entry in before if entry.own and entry.mode is Mode.LIVE}
    shadows = [entry for entry in before if entry.mode is Mode.SHADOW and entry.rule_id not in fresh]
    if mode is Mode.LIVE:
        lives = [_entry(rule.id, laid, mode, own=rule.id in owned or rule.id in fresh) for rule in laid]
    else:
        lives = [entry for entry in before if entry.mode is Mode.LIVE]
        shadows += [_entry(rule_id, laid, mode, own=True) for rule_id in fresh]
    entries = (*lives, *shadows)
    _check(entries)
    return entries


def without_shadow(before: Sequence[Entry], rule_id: str) -> tuple[Entry, ...]:
    """The entries without one rule in shadow."""
    after = tuple(entry for entry in before if entry.mode is Mode.LIVE or entry.rule_id != rule_id)
    if len(after) == len(before):
        raise BadInput(f"rule {rule_id!r} is not in shadow", where="rule", expected="a rule that is in shadow")
    return after


def as_they_were(entries: Sequence[Entry], product: RuleSet) -> tuple[Entry, ...]:
    """An earlier set's entries, such that the product's present texts do not replace them again."""
    present = {rule.id: rule.version for rule in product}
    return tuple(
        Entry(
            rule_id=entry.rule_id,
            version=entry.version,
            mode=entry.mode,
            own=entry.own or present.get(entry.rule_id) != entry.version,
            text=entry.text,
        )
        for entry in entries
    )


def rules_of(text: str, *, source: str) -> tuple[str, ...]:
    """The ids of a file's rules, in its order; a file without any is refused."""
    found = ids(text)
    if not found:
        raise BadInput("no rule", where=source, expected="[[rule]] tables")
    return tuple(found)


def _check(entries: tuple[Entry, ...]) -> None:
    """Raises RuleError unless both modes can run."""
    live = of_texts((entry.rule_id, entry.text) for entry in entries if entry.mode is Mode.LIVE)
    shadow = [(entry.rule_id, entry.text) for entry in entries if entry.mode is Mode.SHADOW]
    if shadow:
        lay_over(live, shadow)


def difference(before: Published, after: Published) -> str:
    """A unified diff of the canonical texts of two sets, those in shadow after the live ones."""
    names = (f"set-{before.number}", f"set-{after.number}")
    shadows = [of_texts_alone(item) for item in (before, after)]
    return text_diff(before.live, after.live, names=names) + text_diff(
        *shadows, names=(f"{names[0]}/shadow", f"{names[1]}/shadow")
    )


def of_texts_alone(published: Published) -> RuleSet:
    """Only the rules in shadow, parsed in the company of the live ones."""
    whole = published.shadow
    keep = [index for index, rule in enumerate(whole) if rule.id in published.shadow_ids]
    return RuleSet(rules=tuple(whole[i] for i in keep), terms=tuple(whole.terms[i] for i in keep))
