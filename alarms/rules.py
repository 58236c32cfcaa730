"""Rules: from TOML text to checked values with a version. No state, no evaluation; reads only the packaged rule files.

Every refusal is a RuleError that names rule, line, column and what was expected. The reference page is docs/rules.md.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from alarms.checker import Term, condition
from alarms.language import Source
from alarms.signals import EVENT_INDEX
from alarms.toml_places import Block, Value, blocks
from hoistway.errors import RuleError
from hoistway.limits import RULES
from hoistway.model import Kind, Opens, Severity

ALARM_BUTTON: Final = EVENT_INDEX["90"]
LOUD: Final = frozenset({Opens.RESCUE, Opens.ALARM_CALL})
"""What `unless` may demote to a notice but never silence."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    id: str
    title: dict[str, str]  # zh, en
    advice: dict[str, str]  # zh, en: what a dispatcher should do; may be empty
    kind: Kind | None  # None: lifts and escalators ("any" in the file)
    when: str | None  # None only with silent_for
    for_ms: int
    unless: str | None
    clear: str | None  # None: not (when); a silent rule clears at the next contact
    clear_for_ms: int
    silent_for_ms: int | None
    silent_for_link_lost_ms: int | None
    severity: Severity
    opens: Opens
    confirm_s: int | None  # a voice check at most this long before the case goes out; None: at once
    source: str
    codes: dict[str, str]
    version: str  # first 12 hexadecimal digits of the SHA-256 of `text`
    text: str  # the rule in canonical form: same meaning, same text


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A rule's conditions, checked."""

    when: Term | None
    unless: Term | None
    clear: Term | None  # None: not (when), or the next contact

    def all(self) -> Iterator[Term]:
        yield from (term for term in (self.when, self.unless, self.clear) if term is not None)


@dataclass(frozen=True, kw_only=True)
class RuleSet:
    rules: tuple[Rule, ...]
    terms: tuple[Terms, ...]

    def __repr__(self) -> str:
        return f"RuleSet({', '.join(f'{rule.id}@{rule.version}' for rule in self.rules)})"

    def __len__(self) -> int:
        return len(self.rules)

    def __getitem__(self, index: int) -> Rule:
        return self.rules[index]

    def __iter__(self) -> Iterator[Rule]:
        return iter(self.rules)

    def index(self, rule_id: str) -> int:
        """The position of a rule, or KeyError."""
        for index, rule in enumerate(self.rules):
            if rule.id == rule_id:
                return index
        raise KeyError(rule_id)


def load(text: str, *, source: str) -> RuleSet:
    """The rules of one TOML text; `source` names it in errors that belong to no rule."""
    return _load([(source, text)])


def default_rules() -> RuleSet:
    """The product's own rules, in the order of their files' names."""
    folder = files("alarms") / "rules"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".toml"))
    return _load([(name, (folder / name).read_text(encoding="utf-8")) for name in names])


def load_texts(texts: Iterable[tuple[str, str]]) -> RuleSet:
    """The rules of several TOML texts, each with the name that stands for it in errors, as one set."""
    return _load(list(texts))


def _load(texts: list[tuple[str, str]]) -> RuleSet:
    found = [item for source, text in texts for item in _tables(text, source)]
    if len(found) > RULES:
        raise RuleError(f"too many rules; expected at most {RULES}", rule=texts[-1][0])
    readers = [_Reader(table, block) for table, block in found]
    ids: set[str] = set()
    rules: list[Rule] = []
    terms: list[Terms] = []
    for reader in readers:
        rule, checked = reader.rule()
        if rule.id in ids:
            raise reader.error("a second rule with this id; expected an id of its own", "id")
        ids.add(rule.id)
        rules.append(rule)
        terms.append(checked)
    holds = {rule.id for rule in rules if rule.silent_for_ms is None}
    for reader, checked in zip(readers, terms, strict=True):
        reader.check_holding(checked, holds)
    return RuleSet(rules=tuple(rules), terms=tuple(terms))


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


_KEYS: Final = (
    "id", "title", "advice", "kind", "when", "for", "unless", "clear", "clear_for", "silent_for", "silent_for_link_lost",
    "severity", "opens", "confirm_s", "source", "codes",
)  # fmt: skip
_REQUIRED: Final = ("id", "title", "kind", "severity", "opens", "source")
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_DURATION_MAX_MS: Final = 30 * 24 * 3_600_000
_CONFIRM_MAX_S: Final = 60


class _Reader:
    """One `[[rule]]` table and where its values stand."""

    def __init__(self, table: dict[str, Any], block: Block) -> None:
        self._table, self._block = table, block
        self.id = str(table.get("id", "?"))

    def error(self, message: str, key: str | None = None) -> RuleError:
        value = self._block.values.get(key) if key else None
        line, column = value.value if value else self._block.header
        return RuleError(f"{key}: {message}" if key else message, rule=self.id, line=line, column=column)

    def rule(self) -> tuple[Rule, Terms]:
        self._check_keys()
        kind = self._choice("kind", ("lift", "escalator", "any"))
        values: dict[str, Any] = {
            "id": self._id(),
            "title": self._texts("title", required=True),
            "advice": self._texts("advice", required=False),
            "kind": None if kind == "any" else Kind(kind),
            "when": self._string("when"),
            "for_ms": self._duration("for") or 0,
            "unless": self._string("unless"),
            "clear": self._string("clear"),
            "clear_for_ms": self._duration("clear_for") or 0,
            "silent_for_ms": self._duration("silent_for"),
            "silent_for_link_lost_ms": self._duration("silent_for_link_lost"),
            "severity": Severity(self._choice("severity", tuple(Severity))),
            "opens": Opens(self._choice("opens", tuple(Opens))),
            "confirm_s": self._confirm(),
            "source": self._string("source") or "",
            "codes": self._codes(),
        }
        text = _canonical(values)
        version = hashlib.sha256(text.encode()).hexdigest()[:12]
        rule = Rule(**values, version=version, text=text)
        self._check_shape(rule)
        terms = Terms(**{key: self._condition(key, rule) for key in ("when", "unless", "clear")})
        if rule.unless is not None and any(
            part.op == "reported" and part.value == ALARM_BUTTON for part in _walk(terms)
        ):
            raise self.error(
                'a rule about the alarm button, reported("90"), is never held back; expected no unless', "unless"
            )
        return rule, terms

    def check_holding(self, terms: Terms, holds: set[str]) -> None:
        for part in _walk(terms):
            for name in part.value if part.op == "holding" and isinstance(part.value, tuple) else ():
                if name not in holds:
                    raise self.error(
                        f"holding({name!r}): no rule with a hold has this id; expected one of {sorted(holds)}", "when"
                    )

    def _check_keys(self) -> None:
        for key in self._table:
            if key not in _KEYS:
                place = self._block.values.get(key)
                line, column = place.key if place else self._block.header
                message = f"unknown key {key!r}; expected one of {', '.join(_KEYS)}"
                raise RuleError(message, rule=self.id, line=line, column=column)
        for key in _REQUIRED:
            if key not in self._table:
                raise self.error(f"{key} is missing; expected {', '.join(_REQUIRED)} in every rule")

    def _check_shape(self, rule: Rule) -> None:
        if rule.silent_for_ms is None:
            if rule.silent_for_link_lost_ms is not None:
                raise self.error("has no meaning alone; expected silent_for beside it", "silent_for_link_lost")
            if rule.when is None:
                raise self.error("neither when nor silent_for; expected one of them")
            return
        for key in ("for", "clear", "clear_for"):
            if key in self._table:
                raise self.error(
                    "does not go with silent_for, which clears at the next contact; expected it left out", key
                )
        shortest = min(rule.silent_for_ms, rule.silent_for_link_lost_ms or rule.silent_for_ms)
        if shortest < 1_000:
            raise self.error("too short; expected 1s or more", "silent_for")

    def _condition(self, key: str, rule: Rule) -> Term | None:
        text = self._table.get(key)
        if text is None:
            return None
        value = self._block.values.get(key, Value(key=self._block.header, value=self._block.header))
        source = Source(text=text, rule=self.id, places=value.characters or (value.value,))
        return condition(source, kind=rule.kind, silent=rule.silent_for_ms is not None)

    def _id(self) -> str:
        value = self._string("id") or ""
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,62}[a-z0-9]", value):
            raise self.error(f"{value!r} is not an id; expected lower-case letters, digits and '-'", "id")
        return value

    def _string(self, key: str) -> str | None:
        value = self._table.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.error("expected a text in quotes", key)
        return value

    def _texts(self, key: str, *, required: bool) -> dict[str, str]:
        value = self._table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(item, str) and item for item in value.values()):
            raise self.error('expected { zh = "...", en = "..." }', key)
        if (required or value) and set(value) != {"zh", "en"}:
            raise self.error('both languages are needed; expected { zh = "...", en = "..." }', key)
        return {language: value[language] for language in ("zh", "en") if language in value}

    def _codes(self) -> dict[str, str]:
        value = self._table.get("codes", {})
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self.error('expected { gb = "...", city = "..." } with texts only', "codes")
        return dict(sorted(value.items()))

    def _choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self._table[key]
        if value not in choices:
            raise self.error(f"found {value!r}; expected one of {', '.join(choices)}", key)
        return str(value)

    def _duration(self, key: str) -> int | None:
        value = self._table.get(key)
        if value is None:
            return None
        match = _DURATION.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise self.error(f'{value!r} is not a duration; expected a number with ms, s, m or h, as "20s"', key)
        milliseconds = int(match[1]) * _UNIT_MS[match[2]]
        if milliseconds > _DURATION_MAX_MS:
            raise self.error("too long; expected at most 720h", key)
        return milliseconds

    def _confirm(self) -> int | None:
        value = self._table.get("confirm_s")
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _CONFIRM_MAX_S:
            raise self.error(f"found {value!r}; expected whole seconds from 0 to {_CONFIRM_MAX_S}", "confirm_s")
        return value


def _walk(terms: Terms) -> Iterator[Term]:
    for term in terms.all():
        yield from term.walk()


def _canonical(values: dict[str, Any]) -> str:
    """The rule as TOML: the keys that say something, in a fixed order, spaces in expressions joined."""
    lines = ["[[rule]]"]
    for key in _KEYS:
        value = values.get(key, values.get(f"{key}_ms"))
        if key == "kind":
            value = str(value or "any")
        elif value is None or value == {} or (value == 0 and key in {"for", "clear_for"}):
            continue
        lines.append(f"{key} = {_toml(key, value)}")
    return "\n".join(lines) + "\n"


def _toml(key: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = (
            f"{name if _BARE.fullmatch(name) else _quoted(name)} = {_quoted(text)}" for name, text in value.items()
        )
        return f"{{ {', '.join(inner)} }}"
    if key == "confirm_s":
        return str(value)
    if isinstance(value, int):
        return _quoted(f"{value // 1_000}s" if value % 1_000 == 0 else f"{value}ms")
    return _quoted(" ".join(value.split()) if key in {"when", "unless", "clear"} else str(value))


_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
