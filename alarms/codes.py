"""Code lists of standards, cities and vendors, as data: their code to our event codes and rules, and back. Pure; runs nothing.

The lists in `alarms/codes/*.toml` are the one source. A rule's `codes` repeats what the lists say of it, so that a rule that is
published alone still carries its numbers; tests hold the two together. What an event code means stands in `hoistway.model`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any, Final

from hoistway.errors import BadInput
from hoistway.model import EVENT_CODE

_LIST_KEYS: Final = frozenset({"name", "source", "entry"})
_ENTRY_KEYS: Final = frozenset({"code", "zh", "events", "rules"})


@dataclass(frozen=True, kw_only=True)
class CodeEntry:
    """One code of a list."""

    code: str  # as they write it
    zh: str  # its meaning in their words
    events: tuple[str, ...]  # our event codes when it comes in; none: we have no such event
    rules: tuple[str, ...]  # our rules that go out under it


@dataclass(frozen=True, kw_only=True)
class CodeList:
    """The numbers of one standard, city or vendor."""

    id: str  # the key in a rule's `codes`
    name: dict[str, str]  # zh, en
    source: str  # where the numbers were found, and what is missing
    entries: tuple[CodeEntry, ...]
    _by_code: dict[str, CodeEntry] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        self._by_code.update({entry.code: entry for entry in self.entries})
        if len(self._by_code) != len(self.entries):
            raise BadInput("a code stands twice", where=f"code list {self.id}", expected="each code once")

    def get(self, code: str) -> CodeEntry | None:
        """What the list says of a code, or None."""
        return self._by_code.get(code)

    def code_of(self, rule_id: str) -> str | None:
        """Under which code the list knows this rule, or None. At most one, as `problems` checks."""
        return next((entry.code for entry in self.entries if rule_id in entry.rules), None)


@cache
def code_lists() -> tuple[CodeList, ...]:
    """The shipped lists, by id."""
    folder = files("alarms") / "codes"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".toml"))
    return tuple(parse(name.removesuffix(".toml"), (folder / name).read_text(encoding="utf-8")) for name in names)


def codes_of(rule_id: str) -> dict[str, str]:
    """A rule's code in every shipped list that has one: what its `codes` must say."""
    found = {one.id: one.code_of(rule_id) for one in code_lists()}
    return {name: code for name, code in found.items() if code is not None}


def parse(list_id: str, text: str) -> CodeList:
    """A code list from its TOML text. Raises BadInput."""
    where = f"code list {list_id}"
    try:
        document = tomllib.loads(text)
        _check_keys(document, _LIST_KEYS, where)
        entries = [_entry(item, where) for item in document["entry"]]
        return CodeList(id=list_id, name=dict(document["name"]), source=document["source"], entries=tuple(entries))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(str(error), where=where, expected="name, source and [[entry]] with code and zh") from None


def problems(lists: Sequence[CodeList], rule_ids: Collection[str]) -> list[str]:
    """What does not hold together: names that do not exist, and rules with two codes in one list."""
    found = []
    for one in lists:
        for entry in one.entries:
            place = f"{one.id} {entry.code}"
            found += [f"{place}: no event code {code!r}" for code in entry.events if code not in EVENT_CODE]
            found += [f"{place}: no rule {name!r}" for name in entry.rules if name not in rule_ids]
        told = [name for entry in one.entries for name in entry.rules]
        found += [f"{one.id}: rule {name!r} has two codes" for name in sorted(set(told)) if told.count(name) > 1]
    return found


def _entry(table: dict[str, Any], where: str) -> CodeEntry:
    _check_keys(table, _ENTRY_KEYS, where)
    return CodeEntry(
        code=table["code"], zh=table["zh"], events=tuple(table.get("events", ())), rules=tuple(table.get("rules", ()))
    )


def _check_keys(table: dict[str, Any], known: Collection[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise BadInput(f"unknown key {key!r}", where=where, expected=", ".join(sorted(known)))
