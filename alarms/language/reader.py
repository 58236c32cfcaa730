"""Rule files: TOML texts to rule sets. Reads the packaged files; knows where each value stands; decides nothing about running.

Every refusal is a RuleError that names rule, line, column and what was expected. The reference page is docs/rules.md.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from alarms.language.canonical import KEYS, LEVEL_KEYS, canonical
from alarms.language.checker import Expression, Term, expression
from alarms.language.nearest import nearest
from alarms.language.places import Block, blocks
from alarms.language.static.liveness import refuse_dead
from alarms.language.syntax import Source
from alarms.language.tables import TableReader
from alarms.rules import ALARM_BUTTON, ALARM_BUTTON_BIT, LOUD, Level, Rule, RuleSet, Terms
from hoistway.errors import RuleError
from hoistway.limits import RULE_LEVELS, RULES
from hoistway.model import EVENT_CODE, Kind, Opens, Severity


def load(text: str, *, source: str) -> RuleSet:
    """The rules of one TOML text; `source` names it in errors that belong to no rule."""
    return load_texts([(source, text)])


def default_rules() -> RuleSet:
    """The product's own rules, in the order of their files' names."""
    folder = files("alarms") / "rules"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".toml"))
    return load_texts([(name, (folder / name).read_text(encoding="utf-8")) for name in names])


def load_texts(texts: list[tuple[str, str]]) -> RuleSet:
    """The rules of several texts, each with its name, as one set."""
    found = [item for source, text in texts for item in _tables(text, source)]
    if len(found) > RULES:
        raise RuleError(f"too many rules; expected at most {RULES}", rule=texts[-1][0])
    readers = [_RuleReader(table, block) for table, block in found]
    rules: dict[str, Rule] = {}
    terms: list[Terms] = []
    for reader in readers:
        rule, checked = reader.rule()
        if rule.id in rules:
            raise reader.error("a second rule with this id; expected an id of its own", "id")
        rules[rule.id] = rule
        terms.append(checked)
    for reader, rule in zip(readers, rules.values(), strict=True):
        reader.check_others(rule, rules)
    return RuleSet(rules=tuple(rules.values()), terms=tuple(terms))


def _tables(text: str, source: str) -> list[tuple[dict[str, Any], Block]]:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(place[1]), int(place[2])) if place else (text.count("\n") + 1, 1)
        message = re.sub(r" \(at .*\)$", "", str(error))
        raise RuleError(f"{message}; expected TOML", rule=source, line=line, column=column) from None
    tables = document.pop("rule", [])
    places = blocks(text)
    if document or not isinstance(tables, list) or len(places) != len(tables):
        line = next((number for number, row in enumerate(text.split("\n"), 1) if _is_foreign(row)), 1)
        raise RuleError("found something else; expected only [[rule]] tables", rule=source, line=line)
    return list(zip(tables, places, strict=True))


def _is_foreign(row: str) -> bool:
    row = row.strip()
    return bool(row) and not row.startswith(("#", "[[rule]]"))


_REQUIRED: Final = ("id", "title", "kind", "severity", "opens", "source")
_LEVEL_REQUIRED: Final = ("severity", "when")
_SEVERITIES: Final = tuple(Severity)  # most severe first


class _RuleReader(TableReader):
    """One `[[rule]]` table."""

    def __init__(self, table: dict[str, Any], block: Block) -> None:
        super().__init__(table, block, rule=str(table.get("id", "?")))
        self._expressions: list[Expression] = []

    def rule(self) -> tuple[Rule, Terms]:
        self.check_keys(KEYS, _REQUIRED)
        kind = self.choice("kind", ("lift", "escalator", "any"))
        opens = Opens(self.choice("opens", tuple(Opens)))
        levels = self._levels(opens)
        values: dict[str, Any] = {
            "id": self._id(),
            "title": self.texts("title", required=True),
            "advice": self.texts("advice", required=False),
            "kind": None if kind == "any" else Kind(kind),
            "when": self.string("when"),
            "until": self.string("until"),
            "for_ms": self.duration("for") or 0,
            "unless": self.string("unless"),
            "shielded_by": self.strings("shielded_by"),
            "clear": self.string("clear"),
            "clear_for_ms": self.duration("clear_for") or 0,
            "witness": self.strings("witness"),
            "silent_for_ms": self.duration("silent_for"),
            "silent_for_link_lost_ms": self.duration("silent_for_link_lost"),
            "severity": Severity(self.choice("severity", tuple(Severity))),
            "opens": opens,
            "confirm_s": self.whole("confirm_s", 0, 60),
            "enabled": self.flag("enabled", default=True),
            "source": self.string("source") or "",
            "codes": self.codes("codes"),
            "levels": tuple(level for level, _ in levels),
        }
        text = canonical(values)
        rule = Rule(**values, version=hashlib.sha256(text.encode()).hexdigest()[:12], text=text)
        self._check_shape(rule)
        self._check_levels(rule, [reader for _, reader in levels])
        parts = {key: self._condition(self, key, rule) for key in ("when", "until", "unless", "clear")}
        steps = [part for _, reader in levels if (part := self._condition(reader, "when", rule))]
        terms = Terms(
            **{key: part.term if part else None for key, part in parts.items()},
            levels=tuple(part.term for part in steps),
        )
        self._check_button(rule, terms)
        self._expressions = [*filter(None, parts.values()), *steps]
        refuse_dead(rule, parts, list(zip(rule.levels, steps, strict=True)))
        return rule, terms

    def check_others(self, rule: Rule, rules: dict[str, Rule]) -> None:
        """What a rule says of other rules of its set."""
        holds = sorted(name for name, other in rules.items() if not other.silent)
        for part in self._expressions:
            for term in part.term.walk():
                for name in term.value if term.op == "holding" and isinstance(term.value, tuple) else ():
                    if name not in holds:
                        expected = nearest(name, holds, "a rule")
                        raise part.error(f"no rule with a hold has the id {name!r}; expected {expected}", term)
        for name in rule.shielded_by:
            if name == rule.id or name not in rules:
                others = sorted(set(rules) - {rule.id})
                raise self.error(
                    f"{name!r} is no other rule of this set; expected {nearest(name, others, 'an id')}", "shielded_by"
                )

    def _levels(self, opens: Opens) -> list[tuple[Level, TableReader]]:
        tables = self.table.get("level", [])
        if not isinstance(tables, list) or len(tables) != len(self.block.levels):
            raise self.error("expected [[rule.level]] tables", "level")
        if len(tables) > RULE_LEVELS:
            raise self.error(f"too many levels; expected at most {RULE_LEVELS}")
        found = []
        for table, block in zip(tables, self.block.levels, strict=True):
            reader = TableReader(table, block, rule=self.rule_id)
            reader.check_keys(LEVEL_KEYS, _LEVEL_REQUIRED)
            level = Level(
                severity=Severity(reader.choice("severity", tuple(Severity))),
                when=reader.string("when") or "",
                for_ms=reader.duration("for") or 0,
                opens=Opens(reader.choice("opens", tuple(Opens))) if "opens" in table else opens,
            )
            found.append((level, reader))
        return found

    def _check_levels(self, rule: Rule, readers: list[TableReader]) -> None:
        if readers and (rule.silent or rule.until or rule.loud):
            raise readers[0].error("levels do not go with silent_for, until, rescue or alarm-call; expected none")
        before = rule.severity
        for level, reader in zip(rule.levels, readers, strict=True):
            if _SEVERITIES.index(level.severity) >= _SEVERITIES.index(before):
                raise reader.error(f"not more severe than {before}; expected a step up", "severity")
            if level.opens in LOUD:
                raise reader.error("a level opens no rescue and no alarm-call; expected ticket or notice", "opens")
            before = level.severity

    def _check_shape(self, rule: Rule) -> None:
        for code in rule.witness:
            if code not in EVENT_CODE or EVENT_CODE[code].kind is not rule.kind:
                raise self.error(
                    f"no event code {code!r} of this kind of unit; expected codes of docs/mqtt.md", "witness"
                )
        if not rule.silent:
            if rule.silent_for_link_lost_ms is not None:
                raise self.error("has no meaning alone; expected silent_for beside it", "silent_for_link_lost")
            if rule.when is None:
                raise self.error("neither when nor silent_for; expected one of them")
            if rule.until is not None and rule.for_ms < 1_000:
                raise self.error('a sequence waits for something; expected for = "1s" or more', "until")
            return
        for key in ("for", "until", "clear", "clear_for", "witness"):
            if key in self.table:
                raise self.error(
                    "does not go with silent_for, which clears at the next contact; expected it left out", key
                )
        silent_for = rule.silent_for_ms or 0
        if min(silent_for, rule.silent_for_link_lost_ms or silent_for) < 1_000:
            raise self.error("too short; expected 1s or more", "silent_for")

    def _check_button(self, rule: Rule, terms: Terms) -> None:
        named = any(part.op == "reported" and part.value == ALARM_BUTTON_BIT for part in _walk(terms))
        if not named and ALARM_BUTTON not in rule.witness:
            return
        for key in ("unless", "shielded_by"):
            if getattr(rule, key):
                raise self.error(
                    f'a rule about the alarm button, reported("90"), is never held back; expected no {key}', key
                )

    @staticmethod
    def _condition(reader: TableReader, key: str, rule: Rule) -> Expression | None:
        text = reader.table.get(key)
        if text is None:
            return None
        source = Source(text=text, rule=rule.id, places=reader.characters(key))
        return expression(source, kind=rule.kind, silent=rule.silent)

    def _id(self) -> str:
        value = self.string("id") or ""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}[a-z0-9]", value):
            raise self.error(f"{value!r} is not an id; expected lower-case letters, digits and '-'", "id")
        return value


def _walk(terms: Terms) -> Iterator[Term]:
    for term in terms.all():
        yield from term.walk()
