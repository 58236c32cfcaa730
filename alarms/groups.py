"""Transitions of columns joined to transitions of rules: one alarm of several columns (docs/rules.md, section 9)."""

from __future__ import annotations

import numpy as np

from alarms.compiled import Compiled
from alarms.signals import CHANGE, CLEAR, PROMOTE, RAISE, Rows
from alarms.state import Group

Groups = dict[tuple[int, int], Group]


def join(rows: Rows, rules: Compiled, groups: Groups) -> Rows:
    """`rows` are transitions of columns, those of one slot in causal order; answers those of rules, in the same order.

    `groups` holds the active alarms of rules with several columns, and is brought up to date.
    """
    column = rows["rule"].astype(np.int64)
    rows = rows.copy()
    rows["rule"], rows["witnesses"] = rules.rule[column], rules.witness[column]
    several = np.flatnonzero(rules.several[column])
    if not several.size:
        return rows
    kept = np.ones(len(rows), bool)
    for place in several.tolist():
        kept[place] = _joined(rows, place, int(column[place]), rules, groups)
    return rows[kept]


def _joined(rows: Rows, place: int, column: int, rules: Compiled, groups: Groups) -> bool:
    """One column's transition: the row becomes the rule's, or False where the rule has none."""
    row = rows[place]
    key = (int(row["slot"]), int(row["rule"]))
    kind, plan, group = int(row["kind"]), rules.columns[column], groups.get(key)
    if group is None:
        group = groups[key] = Group(
            active={column}, level=plan.level, witnesses=plan.witness, demoted=bool(row["demoted"])
        )
    elif kind == RAISE:
        kind = _further(group, column, demoted=bool(row["demoted"]), level=plan.level, witness=plan.witness)
    elif kind == PROMOTE:
        kind, group.demoted = PROMOTE if group.demoted else 0, False
    else:
        group.active.discard(column)
        kind = 0 if group.active else CLEAR
        if not group.active:
            del groups[key]
    row["kind"], row["level"], row["witnesses"] = kind, group.level, group.witnesses
    row["demoted"] = group.demoted
    return kind != 0


def _further(group: Group, column: int, *, demoted: bool, level: int, witness: int) -> int:
    """A further column of an active alarm: what that is of the alarm, 0 for nothing new."""
    more = level > group.level or witness | group.witnesses != group.witnesses
    group.active.add(column)
    group.level, group.witnesses = max(level, group.level), group.witnesses | witness
    if group.demoted and not demoted:
        group.demoted = False
        return PROMOTE
    return CHANGE if more else 0
