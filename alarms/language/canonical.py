"""A rule's canonical text: the keys that say something, in one order, so that the same meaning has the same text and version."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from alarms.rules import Level

KEYS: Final = (
    "id", "title", "advice", "kind", "when", "until", "for", "unless", "shielded_by", "clear", "clear_for", "witness", "silent_for",
    "silent_for_link_lost", "severity", "opens", "confirm_s", "enabled", "source", "codes", "level",
)  # fmt: skip
LEVEL_KEYS: Final = ("severity", "when", "for", "opens")
_EXPRESSIONS: Final = frozenset({"when", "until", "unless", "clear"})
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def canonical(values: dict[str, Any]) -> str:
    """The rule as TOML: the keys that say something, in a fixed order, spaces in expressions joined."""
    lines = ["[[rule]]"]
    for key in KEYS:
        value = values.get(key, values.get(f"{key}_ms"))
        if key == "kind":
            value = str(value or "any")
        if _says_something(key, value):
            lines.append(f"{key} = {_toml(key, value)}")
    for level in values["levels"]:
        lines += _level(level, str(values["opens"]))
    return "\n".join(lines) + "\n"


def _says_something(key: str, value: Any) -> bool:
    silent = value is None or value in ({}, ())
    return not silent and not (value == 0 and key in {"for", "clear_for"}) and not (key == "enabled" and value is True)


def _level(level: Level, opens: str) -> list[str]:
    lines = ["[[rule.level]]", f"severity = {_quoted(level.severity)}", f"when = {_toml('when', level.when)}"]
    if level.for_ms:
        lines.append(f"for = {_toml('for', level.for_ms)}")
    if level.opens != opens:
        lines.append(f"opens = {_quoted(level.opens)}")
    return lines


def _toml(key: str, value: Any) -> str:
    if isinstance(value, dict):
        inner = (
            f"{name if _BARE.fullmatch(name) else _quoted(name)} = {_quoted(text)}" for name, text in value.items()
        )
        return f"{{ {', '.join(inner)} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(_quoted(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if key == "confirm_s":
        return str(value)
    if isinstance(value, int):
        return _quoted(f"{value // 1_000}s" if value % 1_000 == 0 else f"{value}ms")
    return _quoted(" ".join(value.split()) if key in _EXPRESSIONS else str(value))


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
