"""Reads the values of one TOML table and says where a wrong one stands. Knows types and places, not what a rule means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alarms.language.nearest import nearest
from alarms.language.places import Block, Place, Value
from alarms.language.times import DURATION_MAX_MS, duration_ms
from hoistway.errors import RuleError
from hoistway.limits import RULE_LIST


class TableReader:
    """One table and where its values stand."""

    def __init__(self, table: dict[str, Any], block: Block, *, rule: str) -> None:
        self.table, self.block, self.rule_id = table, block, rule

    def error(self, message: str, key: str | None = None) -> RuleError:
        value = self.block.values.get(key) if key else None
        line, column = value.value if value else self.block.header
        return RuleError(f"{key}: {message}" if key else message, rule=self.rule_id, line=line, column=column)

    def characters(self, key: str) -> Sequence[Place]:
        """Where each character of a text stands."""
        value = self.block.values.get(key, Value(key=self.block.header, value=self.block.header))
        return value.characters or (value.value,)

    def check_keys(self, known: Sequence[str], required: Sequence[str]) -> None:
        for key in self.table:
            if key not in known:
                place = self.block.values.get(key)
                line, column = place.key if place else self.block.header
                message = f"unknown key {key!r}; expected {nearest(key, known, 'a key')}"
                raise RuleError(message, rule=self.rule_id, line=line, column=column)
        for key in required:
            if key not in self.table:
                raise self.error(f"{key} is missing; expected {', '.join(required)} always")

    def string(self, key: str) -> str | None:
        value = self.table.get(key)
        if value is not None and (not isinstance(value, str) or not value.strip()):
            raise self.error("expected a text in quotes", key)
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        value = self.table.get(key, [])
        fits = isinstance(value, list) and all(isinstance(item, str) and item for item in value)
        if not fits or (key in self.table and not value) or len(set(value)) != len(value) or len(value) > RULE_LIST:
            raise self.error(f'expected a list of different texts, ["...", "..."], at most {RULE_LIST}', key)
        return tuple(value)

    def texts(self, key: str, *, required: bool) -> dict[str, str]:
        value = self.table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(item, str) and item for item in value.values()):
            raise self.error('expected { zh = "...", en = "..." }', key)
        if (required or value) and set(value) != {"zh", "en"}:
            raise self.error('both languages are needed; expected { zh = "...", en = "..." }', key)
        return {language: value[language] for language in ("zh", "en") if language in value}

    def codes(self, key: str) -> dict[str, str]:
        value = self.table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise self.error('expected { gb = "...", city = "..." } with texts only', key)
        return dict(sorted(value.items()))

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        value = self.table[key]
        if value not in choices:
            raise self.error(f"found {value!r}; expected one of {', '.join(choices)}", key)
        return str(value)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.table.get(key, default)
        if not isinstance(value, bool):
            raise self.error("expected true or false", key)
        return value

    def duration(self, key: str) -> int | None:
        value = self.table.get(key)
        if value is None:
            return None
        found = duration_ms(value) if isinstance(value, str) else None
        if found is None:
            raise self.error(f'{value!r} is not a duration; expected a number with ms, s, m or h, as "20s"', key)
        if found > DURATION_MAX_MS:
            raise self.error("too long; expected at most 720h", key)
        return found

    def whole(self, key: str, low: int, high: int) -> int | None:
        value = self.table.get(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.error(f"found {value!r}; expected whole seconds from {low} to {high}", key)
        return value
