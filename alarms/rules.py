"""Rules as values: what a rule says, its checked conditions, and sets of rules. No text is read here (`reading`), nothing is run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from alarms.language.checker import Term
from alarms.signals import EVENT_INDEX
from hoistway.model import Kind, Opens, Severity

ALARM_BUTTON: Final = "90"
ALARM_BUTTON_BIT: Final = EVENT_INDEX[ALARM_BUTTON]
LOUD: Final = frozenset({Opens.RESCUE, Opens.ALARM_CALL})
"""What `unless`, a shield or `off:` may demote to a notice or leave alone, but never silence."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """A further step of a severity ladder."""

    severity: Severity
    when: str
    for_ms: int
    opens: Opens


@dataclass(frozen=True, kw_only=True)
class Rule:
    id: str
    title: dict[str, str]  # zh, en
    advice: dict[str, str]  # zh, en: what a dispatcher should do; may be empty
    kind: Kind | None  # None: lifts and escalators ("any" in the file)
    when: str | None  # None only with silent_for
    until: str | None  # of a sequence: when, and then none of this for `for_ms`
    for_ms: int
    unless: str | None
    shielded_by: tuple[str, ...]  # ids of rules whose active alarm holds this one back
    clear: str | None  # None: not (when), or until; a silent rule clears at the next contact
    clear_for_ms: int
    witness: tuple[str, ...]  # event codes by which a device reports the same
    silent_for_ms: int | None
    silent_for_link_lost_ms: int | None
    severity: Severity
    opens: Opens
    confirm_s: int | None  # a voice check at most this long before the case goes out; None: at once
    enabled: bool  # False: checked and listed, not run
    source: str
    codes: dict[str, str]
    levels: tuple[Level, ...]
    version: str  # first 12 hexadecimal digits of the SHA-256 of `text`
    text: str  # the rule in canonical form: same meaning, same text

    @property
    def silent(self) -> bool:
        return self.silent_for_ms is not None

    @property
    def loud(self) -> bool:
        return self.opens in LOUD

    def at_level(self, level: int) -> tuple[Severity, Opens]:
        """Severity and what it opens once the alarm has reached this level; 0 is the rule's own."""
        if level == 0:
            return self.severity, self.opens
        return self.levels[level - 1].severity, self.levels[level - 1].opens


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A rule's conditions, checked."""

    when: Term | None
    until: Term | None
    unless: Term | None
    clear: Term | None  # None: not (when), until, or the next contact
    levels: tuple[Term, ...] = ()

    def all(self) -> Iterator[Term]:
        yield from (term for term in (self.when, self.until, self.unless, self.clear) if term is not None)
        yield from self.levels


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    rules: tuple[Rule, ...]
    terms: tuple[Terms, ...]
    _places: dict[str, int] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        self._places.update({rule.id: index for index, rule in enumerate(self.rules)})

    def __repr__(self) -> str:
        return f"RuleSet({', '.join(f'{rule.id}@{rule.version}' for rule in self.rules)})"

    def __len__(self) -> int:
        return len(self.rules)

    def __getitem__(self, index: int) -> Rule:
        return self.rules[index]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def __contains__(self, rule_id: object) -> bool:
        return rule_id in self._places

    def index(self, rule_id: str) -> int:
        """The position of a rule, or KeyError."""
        return self._places[rule_id]
