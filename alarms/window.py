"""Late records: the last minutes of some lifts folded again in the order in which things happened. Pure; no clock, no store.

Beside the live engine a second one, the base, is kept: it has folded every record up to some minutes ago, in order of corrected time.
Between the two lies the log of all records since. When a record turns up that is older than what its lift had told, the lift's part
of the log is folded once more on top of the base; what comes out takes the place of the lift's live state, and where it differs
from what had been said, a `Correction` tells how. The same records in any order within the window so give the same alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from alarms import machine
from alarms.corrections import FROM_BEFORE, Corrections, Episode, Told, compare, tell
from alarms.engine import Engine
from alarms.language.times import UTC, Zone
from alarms.machine import running_max
from alarms.records import Records
from alarms.rules import RuleSet
from alarms.signals import Batch, Bools, Ints, Transition, Transitions
from alarms.state import State
from alarms.window_log import WindowLog
from hoistway.limits import LATE_LOG_RECORDS, LATE_WINDOW_MS


@dataclass(frozen=True, kw_only=True)
class Refolded:
    """What folding again has changed."""

    corrections: Corrections
    lifts: Ints  # whose live state is another now, or whose alarms are


class Window:
    """A live engine that takes back what late records contradict."""

    def __init__(self, rules: RuleSet, *, capacity: int, zone: Zone = UTC, span_ms: int = LATE_WINDOW_MS) -> None:
        self.live = Engine(rules, capacity=capacity, zone=zone)
        self._zone, self._span_ms = zone, span_ms
        self.ticked = 0  # the newest tick
        self._start_again(-(2**62))

    def _start_again(self, base_at: int) -> None:
        """The base is what the live engine is now: nothing before can be folded again."""
        self._base = Engine(self.live.rules, capacity=0, zone=self._zone, past=True)
        self._all(self._base.state)
        self.base_at = base_at  # corrected time up to which the base has folded everything
        self._log = WindowLog()
        self._told: Told = {}  # the alarms since the base, and those that the base has active
        self._open: dict[tuple[int, int], Episode] = {}  # these last, as the base has them
        self._carry(np.arange(self.live.state.size))
        self.waiting: dict[int, int] = {}  # lifts that a late record was heard of, and the time of the oldest
        self._floor: dict[int, int] = {}  # lifts whose base is newer than the others'
        self._front = _Front(self.live.state.clock)

    def _all(self, state: State) -> None:
        slots = np.arange(self.live.state.size)
        state.know(self.live.state, slots, slots)
        state.take(self.live.state, slots, slots)

    def _carry(self, lifts: Ints) -> None:
        """The alarms that these lifts have active go on in what is told; nobody knows here when they were raised."""
        for alarm in self.live.active(lifts):
            if not self.live.rules[alarm.rule].silent:
                episode = replace(FROM_BEFORE, level=alarm.level, witnesses=alarm.witnesses, demoted=alarm.demoted)
                self._told[alarm.slot, alarm.rule], self._open[alarm.slot, alarm.rule] = [episode], episode

    def _begin_anew(self, lifts: Ints) -> None:
        """What these lifts are now is where their window begins: what came before is not folded again."""
        self._base.state.know(self.live.state, lifts, lifts)
        self._base.state.take(self.live.state, lifts, lifts)
        gone = set(lifts.tolist())
        self._floor.update(zip(lifts.tolist(), self.live.state.clock[lifts].tolist(), strict=True))
        self._log = self._log.without(lifts)
        self._told = {key: told for key, told in self._told.items() if key[0] not in gone}
        self._open = {key: episode for key, episode in self._open.items() if key[0] not in gone}
        self.waiting = {lift: at for lift, at in self.waiting.items() if lift not in gone}
        self._carry(lifts)

    # --- what the live engine does ---

    def set_fleet(self, slots: Sequence[int], *arguments: Any, **options: Any) -> None:
        """As `Engine.set_fleet`. The window of a lift whose own numbers become others begins anew: what was told with the old ones stays.
        Whoever sets them has those folded again first that wait."""
        state, lifts = self.live.state, np.asarray(slots, np.int64)
        lifts = lifts[lifts < state.size]
        lifts = lifts[state.alive[lifts]]
        own, numbers = dict(state.own), _numbers(state, lifts)
        self.live.set_fleet(slots, *arguments, **options)
        self._base.set_fleet(slots, *arguments, **options)
        others = [lift for lift in own.keys() | state.own.keys() if own.get(lift) != state.own.get(lift)]
        changed = (numbers != _numbers(state, lifts)).any(axis=1) | np.isin(lifts, others)
        if changed.any():
            self._begin_anew(lifts[changed])

    def step(self, batch: Batch, now: int, records: Records) -> Transitions:
        """Fold what came in order; `records` are the samples and events of `batch` with their keys."""
        self._log.add(records)
        self._front.note(records)
        return self._note(self.live.step(batch, now))

    def tick(self, now: int) -> Transitions:
        """As `Engine.tick`."""
        self.ticked = max(self.ticked, now)
        return self._note(self.live.tick(now))

    def _note(self, transitions: Transitions) -> Transitions:
        for item in transitions:
            if not self.live.rules[item.rule].silent:
                tell(self._told.setdefault((item.slot, item.rule), []), item)
        return transitions

    # --- what is late ---

    def is_late(self, records: Records) -> tuple[Bools, Bools]:
        """Which samples and which events are older than something that their lift has told, taken in their order."""
        return self._front.behind(records)

    def late(self, records: Records) -> tuple[Bools, Bools]:
        """Take in late records; answers which samples and events lie before the base and cannot be folded again here."""
        samples, events = (part["at"] > self._base_of(part["slot"]) for part in (records.samples, records.events))
        inside = records.some(samples, events)
        self._log.add(inside, late=True)
        for part in (inside.samples, inside.events):
            for lift, at in zip(part["slot"].tolist(), part["at"].tolist(), strict=True):
                self.waiting[lift] = min(at, self.waiting.get(lift, at))
        return ~samples, ~events

    def _base_of(self, slots: Ints) -> Ints:
        """Up to when the base has folded everything, by lift."""
        if not self._floor:
            return np.full(len(slots), self.base_at)
        return np.array([max(self.base_at, self._floor.get(slot, self.base_at)) for slot in slots.tolist()], np.int64)

    def take_over(self, blob: bytes) -> Ints:
        """What a refold before a restart had made of some lifts, which are answered. What came before it is not folded again."""
        lifts = self.live.take_lift_states(blob)
        self._begin_anew(lifts)
        return lifts

    def take_lift(self, present: Engine, lift: int) -> bytes:
        """Make a lift what slot 0 of another engine is, and begin anew with it; answers what `take_over` takes after a restart."""
        self.live.state.take(present.state, np.array([0]), np.array([lift]))
        blob = self.live.lift_states(np.array([lift], np.int64))
        self.take_over(blob)
        return blob

    def refold(self, now: int, *, most: int = 2**31) -> Refolded:
        """Fold again the lifts that wait, at most so many, up to the tick `now`; no older record may come in order later. Between two
        ticks that is `ticked`."""
        lifts = np.array(sorted(self.waiting)[:most], np.int64)
        for lift in lifts.tolist():
            del self.waiting[lift]
        if not lifts.size:
            return Refolded(corrections=(), lifts=lifts)
        mine = np.arange(len(lifts))
        self._base.state.grow(int(lifts[-1]) + 1)
        again = Engine(self.live.rules, capacity=len(lifts), zone=self._zone, past=True)
        again.state.know(self.live.state, lifts, mine)
        again.state.take(self._base.state, lifts, mine)
        said = [*again.step(self._told_by(lifts), now), *again.tick(now)]
        machine.schedule(again.state, again.compiled, mine)
        changed = again.state.differs(mine, self.live.state, lifts)
        corrections = self._compare(lifts, said)
        self.live.state.take(again.state, mine[changed], lifts[changed])
        machine.schedule(self.live.state, self.live.compiled, lifts[changed])
        named = changed | np.isin(lifts, [item.slot for item in corrections])
        return Refolded(corrections=corrections, lifts=lifts[named])

    def _told_by(self, lifts: Ints) -> Batch:
        """Everything that the log has of some lifts, in time, under slots counted from 0."""
        place = np.full(max(self.live.state.size, int(lifts.max()) + 1), -1)
        place[lifts] = np.arange(len(lifts))
        batch = self._log.of(place >= 0).in_time()
        for rows in (batch.samples, batch.events):
            rows["slot"] = place[rows["slot"]]
        return batch

    def _compare(self, lifts: Ints, said: Sequence[Transition]) -> Corrections:
        mine = set(lifts.tolist())
        before = {key: told for key, told in self._told.items() if key[0] in mine}
        after: Told = {key: [episode] for key, episode in self._open.items() if key[0] in mine}
        for item in said:
            placed = item._replace(slot=int(lifts[item.slot]))
            tell(after.setdefault((placed.slot, placed.rule), []), placed)
        corrections, told = compare(before, after)
        self._told = {key: kept for key, kept in self._told.items() if key[0] not in mine} | told
        return corrections

    # --- letting go of the past ---

    def settle(self, now: int) -> None:
        """Let the base fold what is older than the window; a log that has grown too long shortens the window, visibly. What waits to be
        folded again is not passed: the base would take it in without a word."""
        until = max(now - self._span_ms, self._log.until_at_most(LATE_LOG_RECORDS))
        until = min(until, min(self.waiting.values(), default=until + 1) - 1)
        if until <= self.base_at:
            return
        for item in self._base.step(self._log.take_until(until).in_time(), until):
            self._absorb(item)
        self.base_at = until
        self._floor = {lift: at for lift, at in self._floor.items() if at > until}

    def _absorb(self, item: Transition) -> None:
        """The base has come as far as this transition: an alarm that it has seen end is history."""
        key = (item.slot, item.rule)
        told = self._told.get(key, [])
        episode = [self._open[key]] if key in self._open else []
        tell(episode, item)
        if episode[-1].cleared_at is not None:
            self._open.pop(key, None)
            self._told[key] = told[1:]
            if not self._told[key]:
                del self._told[key]
        else:  # it goes on under the times that it was told with
            first = told[0] if told else episode[-1]
            self._open[key] = replace(episode[-1], raised_at=first.raised_at, hold_start=first.hold_start)

    def replace_rules(self, rules: RuleSet) -> Transitions:
        """As `Engine.replace_rules`; what was before the change is not folded again."""
        gone = self.live.replace_rules(rules)
        self._start_again(self._newest())
        return gone

    def restore(self, blob: bytes, rules: RuleSet | None = None) -> tuple[tuple[int, str], ...]:
        """As `Engine.restore`."""
        lapsed = self.live.restore(blob, rules)
        self._start_again(self._newest())
        return lapsed

    def _newest(self) -> int:
        return int(self.live.state.clock.max(initial=-(2**62)))


def _numbers(state: State, lifts: Ints) -> Ints:
    """What the register says of each lift, parameters apart, as whole numbers that can be compared; a speed as its bits."""
    speed = state.rated_speed[lifts].view(np.int32)
    return np.stack([state.escalator[lifts], speed, state.bottom[lifts], state.top[lifts]], axis=1).astype(np.int64)


class _Front:
    """The newest record of each lift that was folded in order: time, kind (events first), device, boot, seq."""

    def __init__(self, clock: Ints) -> None:
        self._order = np.full((len(clock), 5), -(2**62))
        self._order[:, 0] = clock

    def behind(self, records: Records) -> tuple[Bools, Bools]:
        """Which samples and which events are older than one of their lift before them, in order of arrival."""
        slot, order, arrival = self._line_up(records)
        lifts, place = np.unique(slot, return_inverse=True)
        self._grow(int(slot.max(initial=-1)) + 1)
        everything = np.concatenate([self._order[lifts], order])
        rank = np.empty(len(everything), np.int64)
        rank[np.lexsort(everything.T[::-1])] = np.arange(len(everything))
        group = np.concatenate([np.arange(len(lifts)), place])
        turn = np.concatenate([np.full(len(lifts), -1), arrival])
        line = np.lexsort((turn, group))
        newest = running_max(rank[line], group[line])
        late = np.empty(len(everything), bool)
        late[line] = rank[line] < newest
        late, events = late[len(lifts) :], len(records.events)
        return late[events:], late[:events]

    def note(self, records: Records) -> None:
        slot, order, _ = self._line_up(records)
        if not len(slot):
            return
        self._grow(int(slot.max()) + 1)
        lifts = np.unique(slot)
        everything, owner = np.concatenate([self._order[lifts], order]), np.concatenate([lifts, slot])
        line = np.lexsort((*everything.T[::-1], owner))
        last = np.append(np.flatnonzero(np.diff(owner[line]) != 0), len(line) - 1)
        self._order[lifts] = everything[line[last]]

    @staticmethod
    def _line_up(records: Records) -> tuple[Ints, Ints, Ints]:
        """Lift, order and arrival of each event, then of each sample."""
        rows = (records.events, records.samples)
        keys = (records.event_keys, records.sample_keys)
        slot = np.concatenate([part["slot"] for part in rows]).astype(np.int64)
        kind = np.repeat([0, 1], [len(part) for part in rows])
        named = [np.concatenate([part[name] for part in keys]) for name in ("device", "boot", "seq")]
        order = np.stack([np.concatenate([part["at"] for part in rows]), kind, *named], axis=1).astype(np.int64)
        received = np.concatenate([part["received"] for part in rows])
        arrival = np.empty(len(slot), np.int64)
        arrival[np.argsort(received, kind="stable")] = np.arange(len(slot))
        return slot, order, arrival

    def _grow(self, size: int) -> None:
        more = size - len(self._order)
        if more > 0:
            self._order = np.concatenate([self._order, np.full((more, 5), -(2**62))])
