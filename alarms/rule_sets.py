"""Rule sets as values: one set laid over another by id, and what differs between two. Reads no file and no database.

A set that is kept somewhere is a list of canonical texts; loading them again gives the same rules with the same versions.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alarms.language.reader import load_texts
from alarms.rules import Rule, RuleSet


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What happens to the rules when one set follows another: ids, in the order of the sets."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def of_texts(texts: Iterable[tuple[str, str]]) -> RuleSet:
    """The set of (rule id, canonical text). The order counts: transitions of one moment come in it."""
    return load_texts(list(texts))


def lay_over(base: RuleSet, files: Sequence[tuple[str, str]]) -> RuleSet:
    """`base` with the rules of some files (name, text) instead of those with the same id; new ones come last.

    Raises RuleError with the place in the file. References to rules of `base`, as in `holding`, are good.
    """
    fresh = [rule_id for _, text in files for rule_id in ids(text)]
    others = [(rule.id, rule.text) for rule in base if rule.id not in fresh]
    by_id = {rule.id: rule for rule in load_texts([*files, *others])}
    order = dict.fromkeys([*(rule.id for rule in base), *fresh])
    return of_texts((rule_id, by_id[rule_id].text) for rule_id in order)


def ids(text: str) -> list[str]:
    """The ids that a file names; none where it is no TOML, which the loading says better."""
    try:
        tables = tomllib.loads(text).get("rule", [])
    except tomllib.TOMLDecodeError:
        return []
    return [str(table.get("id")) for table in tables if isinstance(table, dict)] if isinstance(tables, list) else []


def disabled(rule: Rule) -> str:
    """The rule's text with `enabled = false`: checked and listed, not run."""
    lines = [line for line in rule.text.splitlines() if not line.startswith("enabled =")]
    return "\n".join([lines[0], "enabled = false", *lines[1:]]) + "\n"


def difference(before: RuleSet, after: RuleSet) -> Difference:
    """Which rules are new, other or gone."""
    old, new = ({rule.id: rule.version for rule in rules} for rules in (before, after))
    return Difference(
        added=tuple(rule_id for rule_id in new if rule_id not in old),
        changed=tuple(rule_id for rule_id in new if rule_id in old and old[rule_id] != new[rule_id]),
        removed=tuple(rule_id for rule_id in old if rule_id not in new),
    )


def text_diff(before: RuleSet, after: RuleSet, *, names: tuple[str, str]) -> str:
    """A unified diff of the canonical texts, rule by rule; empty when the sets say the same."""
    old, new = ({rule.id: rule for rule in rules} for rules in (before, after))
    parts = [
        rule_diff(old.get(rule_id), new.get(rule_id), names=names)
        for rule_id in dict.fromkeys([*old, *new])
        if rule_id not in old or rule_id not in new or old[rule_id].version != new[rule_id].version
    ]
    return "".join(parts)


def rule_diff(before: Rule | None, after: Rule | None, *, names: tuple[str, str]) -> str:
    """A unified diff of one rule's texts; None where there is none."""
    rule = after or before
    if rule is None:
        return ""
    from_name, to_name = (
        f"{name}/{rule.id}@{item.version}" if item else "/dev/null"
        for name, item in zip(names, (before, after), strict=True)
    )
    return diff_of_texts(*(item.text if item else "" for item in (before, after)), names=(from_name, to_name))


def diff_of_texts(before: str, after: str, *, names: tuple[str, str]) -> str:
    """A unified diff of two canonical texts."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old, new, *names, n=20))
