"""The alarm engine: samples, events, silence in; alarm transitions out. A deterministic fold without I/O, clock or log.

The same records give the same transitions however they are cut into batches and however many ticks lie between, as long as no tick
is later than a record still to come. What each rule means is written in docs/rules.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alarms import lasting, machine, snapshot
from alarms.compiled import NEVER, Compiled
from alarms.fold import fold
from alarms.language.times import UTC, Zone
from alarms.machine import Sink
from alarms.rules import RuleSet
from alarms.signals import BY_RULE, CLEAR, DERIVED_FROM, TRANSITION_DTYPE, Batch, Ints, Transitions, columns
from alarms.state import ACTIVE, DEMOTED, HELD, State
from alarms.words import chosen, listed, some
from hoistway.errors import OurFault
from hoistway.model import EVENT_CODES, SIGNAL, SignalType


@dataclass(frozen=True, kw_only=True, slots=True)
class ActiveAlarm:
    """What an engine knows of an alarm that is active."""

    slot: int
    rule: int
    level: int
    witnesses: int
    demoted: bool


class Engine:
    """State of the fleet and the rules that judge it. Times are milliseconds; `now` is the server's clock."""

    def __init__(self, rules: RuleSet, *, capacity: int, zone: Zone = UTC, past: bool = False) -> None:
        """`zone` is the city's time zone: (UTC ms from which, offset in ms), oldest first. An engine of the past folds records in order of
        their corrected time and says nothing about silence."""
        self.rules = rules
        self.compiled = Compiled(rules, zone, past=past)
        self.state = State(self.compiled, size=capacity)
        self._now = 0  # the newest server time seen

    def set_fleet(
        self,
        slots: Sequence[int],
        kind_is_escalator: Sequence[bool],
        rated_speed: Sequence[float],
        parameters: Mapping[int, Mapping[str, float]],
        *,
        enrolled: int | None = None,
        floors: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        """Add units or update them; NaN is an unknown rated speed; `floors` are the labels of the lowest and the highest floor, -1
        unknown. Silence of a new unit counts from `enrolled`, else from the newest server time seen, else from the first one that
        will be seen."""
        state = self.state
        where = np.asarray(slots, np.int64)
        state.grow(int(where.max(initial=-1)) + 1)
        new = where[~state.alive[where]]
        state.contact[new] = np.maximum(state.contact[new], self._now if enrolled is None else enrolled)
        state.alive[where] = True
        state.escalator[where] = np.asarray(kind_is_escalator, bool)
        state.rated_speed[where] = np.asarray(rated_speed, np.float32)
        before = lasting.own(state, where)
        for slot in where.tolist():
            state.own.pop(slot, None)
        state.own.update({slot: dict(own) for slot, own in parameters.items() if own})
        ends = np.full((len(where), 2), -1) if floors is None else np.asarray(floors, np.int64).reshape(len(where), 2)
        state.bottom[where], state.top[where] = ends[:, 0], ends[:, 1]
        state.set_own(where)
        lasting.follow(state, where, before)
        machine.schedule(state, self.compiled, where)

    def listening(self, since: int) -> None:
        """The server heard nobody before `since`: silence counts from no earlier, and is judged anew."""
        state = self.state
        self._now = max(self._now, since)
        slots = np.flatnonzero(state.alive)
        state.contact[slots] = np.maximum(state.contact[slots], since)
        lost = slots[state.lost_at[slots] != NEVER]
        state.lost_at[lost] = np.maximum(state.lost_at[lost], since)
        holds = self.compiled.holds
        judged = slots[some(state.plane(slots, HELD) & ~holds)]
        flags = state.sets(judged)
        flags[HELD] &= flags[ACTIVE] | holds
        state.write(judged, flags)
        machine.schedule(state, self.compiled, slots)

    def step(self, batch: Batch, now: int) -> Transitions:
        """Fold what arrived. `now` is the server's clock at that moment; it moves nothing but the start of unheard units."""
        self._begin(now)
        parts = (batch.samples, batch.events, batch.contacts)
        highest = max((int(part["slot"].max()) for part in parts if len(part)), default=-1)
        lowest = min((int(part["slot"].min()) for part in parts if len(part)), default=0)
        if lowest < 0:
            raise OurFault(f"slot {lowest} is negative")
        self.state.grow(highest + 1)
        sink = Sink()
        fold(self.state, self.compiled, batch, sink)
        return sink.transitions(self.compiled, self.state.groups)

    def tick(self, now: int) -> Transitions:
        """What time alone has changed by `now`; no record that is older may come later."""
        self._begin(now)
        state, sink = self.state, Sink()
        slots = np.flatnonzero(state.due <= now)
        if slots.size:
            until = np.full(len(slots), now)
            machine.advance(state, self.compiled, slots, until, until, sink)
            machine.schedule(state, self.compiled, slots)
        return sink.transitions(self.compiled, self.state.groups)

    def _begin(self, now: int) -> None:
        if self._now == 0:
            state = self.state
            slots = np.flatnonzero(state.alive & (state.contact == 0))
            state.contact[slots] = now
            machine.schedule(state, self.compiled, slots)
        self._now = max(self._now, now)

    def active(self, slots: Ints) -> Iterator[ActiveAlarm]:
        """The active alarms of some slots."""
        compiled, state = self.compiled, self.state
        demoted = state.plane(slots, DEMOTED)
        row, column = listed(state.plane(slots, ACTIVE))
        down = some(demoted[:, row] & compiled.bit[:, column])
        for slot, index, noticed in zip(slots[row].tolist(), column.tolist(), down.tolist(), strict=True):
            rule = int(compiled.rule[index])
            group = state.groups.get((slot, rule))
            if group is None:
                yield ActiveAlarm(
                    slot=slot, rule=rule, level=0, witnesses=int(compiled.witness[index]), demoted=noticed
                )
            elif index == min(group.active):
                yield ActiveAlarm(
                    slot=slot, rule=rule, level=group.level, witnesses=group.witnesses, demoted=group.demoted
                )

    def replace_rules(self, rules: RuleSet) -> Transitions:
        """Change the rules. Rules with the same id and version keep holds and alarms; alarms of the others are answered as CLEAR,
        with indexes of the *old* set, at the unit's own clock, of silent rules at the server's."""
        keys = {(rule.id, rule.version) for rule in rules if rule.enabled}
        compiled, state = self.compiled, self.state
        gone = np.array([(rule.id, rule.version) not in keys for rule in self.rules], bool)[compiled.rule]
        slots = np.flatnonzero(state.busy)
        row, column = listed(state.plane(slots, ACTIVE) & chosen(gone))
        ended = np.unique(np.stack([slots[row], compiled.rule[column]]), axis=1)
        slots = ended[0]
        at = np.maximum(state.clock[slots], state.settled[slots])
        at[np.array([rule.silent for rule in self.rules], bool)[ended[1]]] = self._now
        rows = np.zeros(len(slots), TRANSITION_DTYPE)
        rows["slot"], rows["rule"], rows["kind"], rows["at"], rows["hold_start"] = slots, ended[1], CLEAR, at, at
        rows["witnesses"] = BY_RULE
        self.restore(self.snapshot(), rules)
        return Transitions(rows=rows[np.lexsort((rows["rule"], rows["slot"], rows["at"]))])

    def snapshot(self) -> bytes:
        """Everything that `restore` needs, compressed."""
        return snapshot.write(self.state, self._now)

    def restore(self, blob: bytes, rules: RuleSet | None = None) -> tuple[tuple[int, str], ...]:
        """Take over a snapshot's state. Holds and alarms go on where a rule's id and version are the same; answers (slot, rule id)
        of the active alarms that have no such rule any more."""
        if rules is not None:
            self.rules, self.compiled = rules, Compiled(rules, self.compiled.zone, past=self.compiled.past)
        self.state, self._now, lapsed = snapshot.read(blob, self.compiled)
        slots = np.flatnonzero(self.state.alive | self.state.busy)
        machine.schedule(self.state, self.compiled, slots)
        return lapsed

    def lift_states(self, slots: Ints) -> bytes:
        """What some lifts are, for `take_lift_states` of an engine with the same rules; silence apart."""
        part, places = State(self.compiled, size=len(slots)), np.arange(len(slots))
        part.know(self.state, slots, places)
        part.take(self.state, slots, places)
        part.alive[:] = True  # so that all are written
        head = np.concatenate([[len(slots)], slots]).astype("<i4").tobytes()
        return head + snapshot.write(part, self._now)

    def take_lift_states(self, blob: bytes) -> Ints:
        """Take over what `lift_states` gave; answers the slots."""
        count = int(np.frombuffer(blob, "<i4", 1)[0])
        slots = np.frombuffer(blob, "<i4", count, 4).astype(np.int64)
        part, _, _ = snapshot.read(blob[4 * (count + 1) :], self.compiled)
        self.state.take(part, np.arange(count), slots)
        machine.schedule(self.state, self.compiled, slots)
        return slots

    def evidence(self, slot: int, rule_index: int) -> dict[str, Any]:
        """The last known values of the signals that a rule names, raw and derived, with their times; plain JSON values."""
        state, where = self.state, np.array([slot], np.int64)
        terms = [part for term in self.rules.terms[rule_index].all() for part in term.walk()]
        names = list(dict.fromkeys(str(part.value) for part in terms if part.op == "signal"))
        raw = list(dict.fromkeys(source for name in names for source in DERIVED_FROM.get(name, (name,))))
        row = state.last[where]
        never = bool(state.last_at[slot] == -NEVER)
        bits = int(state.reported[slot])
        codes = dict.fromkeys(int(str(part.value)) for part in terms if part.op == "reported")
        return {
            "at": None if never else int(row["at"][0]),
            "received": None if never else int(row["received"][0]),
            "contact": int(state.contact[slot]),
            "link_lost": bool(state.lost_at[slot] != NEVER),
            "signals": {name: _plain(name, row[name]) for name in raw},
            "derived": {
                name: _plain(name, column) for name, column in columns(row, names).items() if name in DERIVED_FROM
            },
            "reported": {EVENT_CODES[code].code: bool(bits >> code & 1) for code in codes},
        }


def _plain(name: str, column: Any) -> bool | int | float | None:
    value = column[0].item()
    if isinstance(value, float):
        return None if np.isnan(value) else round(value, 6)
    if value < 0:
        return None
    boolean = SIGNAL[name].type is SignalType.BOOL if name in SIGNAL else name in DERIVED_FROM
    return bool(value) if boolean else int(value)
