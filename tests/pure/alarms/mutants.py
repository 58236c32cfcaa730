"""Seeded faults of the fast engine, each a patch of one place. `MUTANTS` says which sharp rules show it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alarms import fold, groups, in_order, lone, machine, program, signals, snapshot, sorting
from alarms.alone import Alone
from alarms.compiled import NEVER, Compiled
from alarms.holds import _Rows
from alarms.in_order import InOrder
from alarms.language.times import UTC
from alarms.lone import Lone
from alarms.signals import BY_DEVICE, BY_RULE, CLEAR
from alarms.state import ACTIVE, REMEMBERED, State
from alarms.words import chosen

Patch = pytest.MonkeyPatch


def _after(patch: Patch, owner: Any, name: str, then: Callable[..., Any]) -> None:
    """`then` sees what the original answered, then its arguments; what it answers counts, unless it is nothing."""
    original = getattr(owner, name)

    def patched(*arguments: Any, **named: Any) -> Any:
        found = original(*arguments, **named)
        instead = then(found, *arguments)
        return found if instead is None else instead

    patch.setattr(owner, name, patched)


def _while(patch: Patch, owner: Any, name: str, **fields: Callable[[Any], Any]) -> None:
    """While the method runs, some fields of its object are others."""
    original = getattr(owner, name)

    def patched(self: Any, *arguments: Any) -> Any:
        kept = {field: getattr(self, field) for field in fields}
        for field, change in fields.items():
            setattr(self, field, change(kept[field]))
        try:
            return original(self, *arguments)
        finally:
            for field, value in kept.items():
                setattr(self, field, value)

    patch.setattr(owner, name, patched)


# --- holds, time, silence ---


def gap_a_millisecond_long(patch: Patch) -> None:
    patch.setattr(machine, "MAX_GAP_MS", machine.MAX_GAP_MS + 1)


def holds_a_millisecond_long(patch: Patch) -> None:
    def longer(_: None, self: Compiled, *__: Any) -> None:
        self.for_ms = self.for_ms + 1

    _after(patch, Compiled, "__init__", longer)


def unless_silences_a_rescue(patch: Patch) -> None:
    def quiet(_: None, self: Compiled, *__: Any) -> None:
        self.loud, self.louds = np.zeros_like(self.loud), np.zeros_like(self.louds)

    _after(patch, Compiled, "__init__", quiet)


def values_never_grow_old(patch: Patch) -> None:
    patch.setattr(State, "horizon", lambda _, slots: np.full(len(slots), NEVER))


def event_forgotten_within_a_batch(patch: Patch) -> None:
    def report(state: State, ordered: Any) -> None:
        ordered.reported = state.reported[ordered.slot]

    patch.setattr(fold, "report", report)


def speed_is_no_witness(patch: Patch) -> None:
    patch.setitem(signals._DERIVED, "moving", lambda _, raw: raw["car_status"])


def unlike_samples_merged(patch: Patch) -> None:
    def repeats(_: State, __: Compiled, ordered: Any, ___: Any) -> Any:
        same = ordered.sample & ~ordered.first
        same[1:] &= ordered.sample[:-1]
        return same

    patch.setattr(fold, "_repeats", repeats)


def run_of_samples_does_not_last(patch: Patch) -> None:
    patch.setattr(machine, "extend", lambda *_: None)


def offline_never_clears(patch: Patch) -> None:
    patch.setattr(machine, "hear", lambda *_: None)


def unknown_enumeration_is_false(patch: Patch) -> None:
    def known(found: tuple[str, ...], _: Any, term: Any, values: dict[str, str]) -> Any:
        return (found[0], f"{{f}} = ~{values['t']}") if term.op == "among" else None

    _after(patch, program.Program, "_template", known)


def lost_link_unheeded(patch: Patch) -> None:
    def never(_: None, self: Compiled, *__: Any) -> None:
        self.lost_ms = np.full_like(self.lost_ms, NEVER)

    _after(patch, Compiled, "__init__", never)


def row_of_holds_given_twice(patch: Patch) -> None:
    _after(patch, _Rows, "take", lambda taken, self, _: self._free.extend(taken.tolist()))


# --- functions that remember ---


def _never(gap: Any) -> Any:
    return gap & False


def age_not_reset_by_a_gap(patch: Patch) -> None:
    _while(patch, InOrder, "age", _gap=_never)
    _while(patch, Lone, "ages", _gap=_never)


def count_not_reset_by_a_gap(patch: Patch) -> None:
    _while(patch, InOrder, "count", _gap=_never)
    _while(patch, Lone, "counts", _gap=_never)


def changed_across_a_gap(patch: Patch) -> None:
    for kind in (InOrder, Lone):
        _while(patch, kind, "changed", _gap=_never)


def changed_at_events(patch: Patch) -> None:
    _while(patch, InOrder, "changed", _line=lambda line: replace(line, sample=line.sample | True))


def rate_at_events(patch: Patch) -> None:
    _while(patch, InOrder, "rate", _line=lambda line: replace(line, sample=line.sample | True))


def count_steps_off_by_four(patch: Patch) -> None:
    _after(patch, in_order, "unpacked", lambda counts, *_: np.roll(counts, 4, axis=1))


def since_reported_at_the_first_record_only(patch: Patch) -> None:
    _while(patch, InOrder, "since_reported", _line=lambda line: replace(line, code=np.full_like(line.code, -1)))


def zone_offset_ignored(patch: Patch) -> None:
    within = program.within
    patch.setattr(program, "within", lambda at, wanted, _: within(at, wanted, UTC))


def clocks_never_put_forward(patch: Patch) -> None:
    within = program.within
    patch.setattr(program, "within", lambda at, wanted, zone: within(at, wanted, zone[:1]))


def field_faults_unheeded(patch: Patch) -> None:
    implausible = signals._DERIVED["implausible"]

    def without(rows: Any, raw: Any) -> Any:
        return implausible(rows, raw | {"field_faults": np.zeros_like(raw["field_faults"])})

    patch.setitem(signals._DERIVED, "implausible", without)


def floors_upside_down(patch: Patch) -> None:
    def swapped(lifts: Any, *_: Any) -> Any:
        lifts["top"], lifts["bottom"] = lifts["bottom"].copy(), lifts["top"].copy()
        return lifts

    _after(patch, State, "lifts", swapped)


# --- sequences, shields, columns, a lift's own numbers ---


def until_ends_no_hold(patch: Patch) -> None:
    _after(patch, machine, "_said", lambda said, *_: replace(said, until=said.until & np.uint64(0)))


def sequence_whose_condition_must_last(patch: Patch) -> None:
    _after(patch, machine, "_said", lambda said, *_: replace(said, until_false=said.until_false & said.when))


def shield_ignored(patch: Patch) -> None:
    patch.setattr(Compiled, "shielded", lambda _, active: np.zeros_like(active))


def shield_looked_at_after_the_rules(patch: Patch) -> None:
    original = machine._said

    def said(state: State, rules: Compiled, records: Any, found: Any, flags: Any) -> Any:
        flags = flags.copy()
        flags[ACTIVE] |= found.words[machine.WHEN][:, records.rows] & rules.at_once & rules.holds
        return original(state, rules, records, found, flags)

    patch.setattr(machine, "_said", said)


def witness_not_shielded(patch: Patch) -> None:
    def fewer(_: None, self: Compiled, *__: Any) -> None:
        self.shields = [item for item in self.shields if self.columns[item[0]].witness == BY_RULE]

    _after(patch, Compiled, "__init__", fewer)


def levels_hold_as_long_as_the_rule(patch: Patch) -> None:
    def same(_: None, self: Compiled, *__: Any) -> None:
        self.for_ms = np.array([self.for_ms[self.first_of[rule]] for rule in self.rule.tolist()], np.int64)
        self.at_once = chosen(self.for_ms == 0)

    _after(patch, Compiled, "__init__", same)


def severity_that_falls(patch: Patch) -> None:
    def fall(_: bool, rows: Any, place: int, __: int, rules: Compiled, known: Any) -> None:
        group = known.get((int(rows[place]["slot"]), int(rows[place]["rule"])))
        if group is not None:
            group.level = max(rules.columns[column].level for column in group.active)

    _after(patch, groups, "_joined", fall)


def witness_clears_the_alarm_alone(patch: Patch) -> None:
    original = groups._joined

    def joined(rows: Any, place: int, column: int, rules: Compiled, known: Any) -> bool:
        group = known.get((int(rows[place]["slot"]), int(rows[place]["rule"])))
        if group is not None and rows[place]["kind"] == CLEAR and rules.columns[column].witness == BY_DEVICE:
            group.active = {column}
        return original(rows, place, column, rules, known)

    patch.setattr(groups, "_joined", joined)


def overlap_merged(patch: Patch) -> None:
    def none(_: None, self: Compiled, *__: Any) -> None:
        self.overlapping = np.zeros_like(self.overlapping)

    _after(patch, Compiled, "__init__", none)


def off_ignored(patch: Patch) -> None:
    def none(_: None, self: State, *__: Any) -> None:
        self._off.clear()

    _after(patch, State, "set_own", none)


def rescue_switched_off(patch: Patch) -> None:
    def without(rules: Compiled) -> Compiled:
        quiet = object.__new__(Compiled)
        vars(quiet).update(vars(rules), loud=np.zeros_like(rules.loud))
        return quiet

    _while(patch, State, "set_own", rules=without)


def modes_told_side_by_side(patch: Patch) -> None:
    patch.setattr(sorting, "_reported", lambda before, bit, raised: np.where(raised, before | bit, before & ~bit))


def own_hold_ignored(patch: Patch) -> None:
    patch.setattr(State, "hold_ms", lambda self, _: self.rules.for_ms)


# --- lasting conditions ---


def lasting_across_gaps(patch: Patch) -> None:
    for kind in (InOrder, Lone):
        _while(patch, kind, "lasting", _gap=_never)


def lasting_begins_when_ripe(patch: Patch) -> None:
    def begun_now(new: Any, *_: Any) -> Any:
        row, column, _starts, now = new
        return row, column, now, now

    _after(patch, machine, "_new_holds", begun_now)


def lasting_ripe_too_late(patch: Patch) -> None:
    def later(_: None, self: Compiled, *__: Any) -> None:
        self._ripe_ms = self._ripe_ms + 100_000

    _after(patch, Compiled, "_lasting", later)


def lasting_never_aged(patch: Patch) -> None:
    for module in (in_order, lone):
        patch.setattr(module, "MAX_GAP_MS", NEVER)


# --- one lift by itself ---


def alone_forgets_gaps(patch: Patch) -> None:
    patch.setattr(Alone, "_too_old", lambda *_, **__: 0)


def alone_forgets_shields(patch: Patch) -> None:
    patch.setattr(Alone, "_shields", lambda *_: 0)


def alone_waits_for_the_record(patch: Patch) -> None:
    def never(_: None, self: Alone) -> None:
        self._due = NEVER

    _after(patch, Alone, "_note_due", never)


def alone_is_never_silent(patch: Patch) -> None:
    patch.setattr(Alone, "can", lambda *_: True)


# --- snapshots ---


def snapshot_forgets_when_holds_were_true(patch: Patch) -> None:
    def forget(found: Any, *_: Any) -> None:
        for rows in (found[0].holds._small, found[0].holds._wide):
            rows.times[:, 1] = 0

    _after(patch, snapshot, "read", forget)


def snapshot_forgets_what_was_remembered(patch: Patch) -> None:
    def forget(found: Any, *_: Any) -> None:
        state = found[0]
        for number, term in enumerate(state.rules.remembering):
            for name, column in state.kept(number).items():
                column[:] = REMEMBERED[term.op][name][2]

    _after(patch, snapshot, "read", forget)


def snapshot_forgets_joined_alarms(patch: Patch) -> None:
    _after(patch, snapshot, "read", lambda found, *_: found[0].groups.clear())


MUTANTS: dict[Callable[[Patch], None], tuple[str, ...]] = {
    gap_a_millisecond_long: ("holds",),
    holds_a_millisecond_long: ("holds",),
    unless_silences_a_rescue: ("shields",),
    values_never_grow_old: ("holds",),
    event_forgotten_within_a_batch: ("ladders",),
    speed_is_no_witness: ("holds",),
    unlike_samples_merged: ("holds", "memory"),
    run_of_samples_does_not_last: ("holds",),
    offline_never_clears: ("holds",),
    unknown_enumeration_is_false: ("signals",),
    lost_link_unheeded: ("holds",),
    row_of_holds_given_twice: ("wide",),
    age_not_reset_by_a_gap: ("memory",),
    count_not_reset_by_a_gap: ("memory",),
    changed_across_a_gap: ("memory", "signals"),
    changed_at_events: ("memory", "signals"),
    rate_at_events: ("signals",),
    count_steps_off_by_four: ("memory",),
    since_reported_at_the_first_record_only: ("memory",),
    zone_offset_ignored: ("memory",),
    clocks_never_put_forward: ("memory",),
    field_faults_unheeded: ("signals",),
    floors_upside_down: ("signals",),
    until_ends_no_hold: ("sequences",),
    sequence_whose_condition_must_last: ("sequences",),
    shield_ignored: ("shields",),
    shield_looked_at_after_the_rules: ("shields",),
    witness_not_shielded: ("shields",),
    levels_hold_as_long_as_the_rule: ("ladders",),
    severity_that_falls: ("ladders",),
    witness_clears_the_alarm_alone: ("ladders",),
    overlap_merged: ("ladders",),
    off_ignored: ("ladders",),
    rescue_switched_off: ("shields",),
    modes_told_side_by_side: ("signals",),
    own_hold_ignored: ("sequences",),
    lasting_across_gaps: ("holds", "lasting"),
    lasting_begins_when_ripe: ("holds", "lasting"),
    lasting_ripe_too_late: ("holds", "lasting"),
    lasting_never_aged: ("holds", "lasting"),
    alone_forgets_gaps: ("holds",),
    alone_forgets_shields: ("shields",),
    alone_waits_for_the_record: ("holds",),
    alone_is_never_silent: ("holds",),
    snapshot_forgets_when_holds_were_true: ("holds",),
    snapshot_forgets_what_was_remembered: ("memory",),
    snapshot_forgets_joined_alarms: ("ladders",),
}
SLOW = frozenset({gap_a_millisecond_long, modes_told_side_by_side, witness_clears_the_alarm_alone, changed_at_events})
"""Found only after many examples: half a minute each, so the long campaigns look for them."""
