"""One lift's records by themselves, one after the other: for a lift with many records in a batch, where rounds of arrays would cost more.

Says what `machine.apply` says (docs/rules.md, sections 4 to 6), with sets of columns as whole numbers and holds in a dict. What is rare,
link messages and silence, it leaves to the rounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from alarms import machine
from alarms.compiled import CLEAR as CLEAR_PLANE
from alarms.compiled import CLEAR_FALSE, NEVER, UNLESS, UNTIL, UNTIL_FALSE, WHEN, WHEN_FALSE, Compiled, Conditions
from alarms.machine import Sink
from alarms.signals import CLEAR, PROMOTE, RAISE, Ints
from alarms.state import ACTIVE, ARMED, DEMOTED, FLAGS, HELD, SHIELDED, TRUE, State
from alarms.words import BITS, Words
from hoistway.limits import MAX_GAP_MS


def members(numbers: int) -> Iterator[int]:
    """The columns of a set that is a whole number."""
    while numbers:
        low = numbers & -numbers
        yield low.bit_length() - 1
        numbers ^= low


def whole_numbers(words: Words) -> list[int]:
    """Sets as whole numbers, one a place."""
    found: list[int] = words[0].tolist()
    for number, word in enumerate(words[1:], 1):
        found = [low | high << BITS * number for low, high in zip(found, word.tolist(), strict=True)]
    return found


def _whole(words: list[int]) -> int:
    """One set as a whole number, from its words."""
    found = 0
    for word in reversed(words):
        found = found << BITS | word
    return found


def _one(words: Words) -> int:
    return whole_numbers(words)[0]


class Limits:
    """What of a rule set `Alone` asks again and again, as plain numbers."""

    def __init__(self, rules: Compiled) -> None:
        self.holds, self.louds, self.sequences = _one(rules.holds), _one(rules.louds), _one(rules.sequences)
        self.at_once, self.clears_at_once = _one(rules.at_once), _one(rules.clears_at_once)
        self.clear_ms, self.for_ms = rules.clear_ms.tolist(), rules.for_ms.tolist()
        self.timeless = rules.timeless.tolist()
        self.silence = rules.shortest_silence.tolist()
        self.shields = [(1 << index, _one(shield)) for index, shield in rules.shields]
        self.shielding = _one(rules.shielding)
        self.lasting, self.lasting_of = _one(rules.lasting_set), rules.lasting_of.tolist()


@lru_cache(maxsize=8)
def _limits(rules: Compiled) -> Limits:
    return Limits(rules)


class Alone:
    """One slot of the state, taken out by `load` and put back by `store`."""

    def __init__(self, state: State, rules: Compiled, slot: int, found: Conditions, rows: Ints) -> None:
        """`rows`: where the conditions of the slot's records stand, in the order in which they will be folded; negative for link messages."""
        self._state, self._rules, self._slot = state, rules, slot
        self._limits = _limits(rules)
        self._slots = np.array([slot], np.int64)
        self._found, self._row = found, rows
        self._planes: list[tuple[int, ...]] = []
        if len(rows) == 1 and rows[0] >= 0:
            self._planes = [tuple(_whole(words) for words in found.words[:, :, rows[0]].tolist())]
        elif (rows >= 0).any():
            planes = found.words[:, :, np.maximum(rows, 0)]
            self._planes = list(zip(*(whole_numbers(plane) for plane in planes), strict=True))
        self.load()

    def load(self) -> None:
        state, slot = self._state, self._slot
        flags = [_whole(words) for words in state.flags[slot].tolist()]
        self._held, self._active, self._demoted = flags[HELD], flags[ACTIVE], flags[DEMOTED]
        self._armed, self._true, self._shielded = flags[ARMED], flags[TRUE], flags[SHIELDED]
        self._holds = state.holds.of(slot)
        lift = state.lift(slot)
        self._settled, self._last_at, self._clock = lift["settled"], lift["last_at"], lift["clock"]
        self._contact, self._lost_at, self._alive = lift["contact"], lift["lost_at"], lift["alive"]
        limits, special = self._limits, lift["special"]
        self._off = _one(state.off(self._slots)) if special else 0
        own = special and slot in state.own
        self._for_ms: list[int] = state.hold_ms(slot).tolist() if own else limits.for_ms
        self._at_once = (
            sum(1 << place for place, length in enumerate(self._for_ms[:-1]) if length == 0) if own else limits.at_once
        )
        self._silence = limits.silence[lift["escalator"]]
        self._note_due()

    def store(self) -> None:
        state, slot = self._state, self._slot
        self._put_back()
        state.last_at[slot], state.clock[slot] = self._last_at, self._clock
        state.contact[slot], state.lost_at[slot] = self._contact, self._lost_at
        machine.schedule(state, self._rules, self._slots)

    def _put_back(self) -> None:
        state, slot = self._state, self._slot
        low, words = (1 << BITS) - 1, range(len(self._rules.holds))
        in_order = {
            HELD: self._held, ACTIVE: self._active, DEMOTED: self._demoted, ARMED: self._armed, TRUE: self._true,
            SHIELDED: self._shielded,
        }  # fmt: skip
        state.flags[slot] = [[in_order[flag] >> BITS * word & low for word in words] for flag in range(FLAGS)]
        state.busy[slot] = bool(self._held | self._active)
        state.settled[slot] = self._settled
        state.holds.put_one(slot, self._holds)

    def judge(self, at: int, *, sample: bool, sink: Sink) -> int:
        """Evaluate the one record of `rows` and put back what it changed. Answers when the next armed hold completes, NEVER where none does."""
        self._apply(0, at, sink, sample=sample)
        if sample:
            self._last_at = at
        self._note_due()
        self._put_back()
        return self._due

    def can(self, received: int) -> bool:
        """Whether the next record, a sample or an event, finds no silence: neither one to be judged nor one to be ended."""
        if (self._held | self._active) & ~self._limits.holds or self._lost_at != NEVER:
            return False
        return not self._alive or self._contact + self._silence > received

    def fold(self, place: int, at: int, received: int, *, sample: bool, sink: Sink) -> None:
        """The record at this place of `rows`."""
        while self._due <= at:
            self._complete(sink)
        self._contact = max(self._contact, received)
        if self._held | self._active or self._planes[place][WHEN]:
            sink.later()
            self._apply(place, at, sink, sample=sample)
        self._clock = at
        if sample:
            self._last_at = at
        self._note_due()

    def _apply(self, place: int, at: int, sink: Sink, *, sample: bool) -> None:
        planes, limits, off, holds = self._planes[place], self._limits, self._off, self._holds
        now = max(at, self._settled)
        when, when_false = planes[WHEN] & ~off, planes[WHEN_FALSE] | off
        clear, clear_false = planes[CLEAR_PLANE] | off & limits.holds, planes[CLEAR_FALSE] & ~off
        active, demoted = self._active, self._demoted
        unless = planes[UNLESS] | self._shields(active)
        loud_enough = limits.louds | ~unless
        held = self._held & ~self._too_old(now, gap=sample and at - self._last_at > MAX_GAP_MS)

        mine = active & limits.holds
        clears = mine & clear
        held &= ~(mine & clear_false)
        fresh = clears & ~held
        ended = fresh & limits.clears_at_once
        for column in members(clears & held):
            if now - holds[column][0] >= limits.clear_ms[column]:
                ended |= 1 << column
        self._say(sink, CLEAR, ended, now, fresh, demoted)
        active, demoted = active & ~ended, demoted & ~ended
        held = (held | fresh) & ~ended
        promoted = mine & active & demoted & ~unless
        self._say(sink, PROMOTE, promoted, now, promoted, 0)
        demoted &= ~promoted

        quiet = ~active & limits.holds
        sequences = limits.sequences
        if sequences:
            until_false = planes[UNTIL_FALSE]
            when_false = when_false & ~sequences | sequences & planes[UNTIL]
            when = when & ~sequences | sequences & until_false & (when | held & quiet)
        when |= clear_false & held & quiet & limits.lasting
        held &= ~(quiet & when_false)
        raises = quiet & when
        begun = raises & ~held
        raised = begun & self._at_once
        for column in members(raises & held):
            if now - holds[column][0] >= self._for_ms[column]:
                raised |= 1 << column
        raised &= loud_enough
        fresh = fresh & ~ended | begun
        self._say(sink, RAISE, raised, now, begun, unless)
        active |= raised
        held = (held | begun) & ~raised
        demoted |= raised & unless
        self._note_holds(held, fresh & held, clears | raises, now)
        for column in members(begun & held & limits.lasting):
            starts = self._found.starts(self._row[place : place + 1])
            holds[column][0] = int(starts[limits.lasting_of[column], 0])
        self._held, self._active, self._demoted, self._true, self._shielded = held, active, demoted, when, unless
        self._armed = held & (active & clear | ~active & when & loud_enough)

    def _complete(self, sink: Sink) -> None:
        """The hold that ends next is over: raise, or clear and perhaps hold again."""
        at, column = self._due, self._next
        bit, limits = 1 << column, self._limits
        clears, shielded = bool(self._active & bit), bool(self._shielded & bit)
        sink.later()
        self._say(sink, CLEAR if clears else RAISE, bit, at, 0, self._demoted if clears else self._shielded)
        again = clears and bool(self._true & bit)
        self._active = self._active & ~bit if clears else self._active | bit
        self._demoted = self._demoted | bit if shielded and not clears else self._demoted & ~bit
        self._held = self._held | bit if again else self._held & ~bit
        armed = again and (limits.louds & bit or not shielded)
        self._armed = self._armed | bit if armed else self._armed & ~bit
        if again:
            self._holds[column] = [at, at]
        else:
            del self._holds[column]
        self._settled = max(self._settled, at)
        self._note_due()

    def _shields(self, active: int) -> int:
        found = 0
        if active & self._limits.shielding:
            for column, shield in self._limits.shields:
                if active & shield:
                    found |= column
        return found

    def _too_old(self, now: int, *, gap: bool) -> int:
        """The columns whose holds a gap ends, or the age of their last word."""
        timeless = self._limits.timeless
        return sum(
            1 << column
            for column, (_, true_at) in self._holds.items()
            if (gap or now - true_at > MAX_GAP_MS) and not timeless[column]
        )

    def _say(self, sink: Sink, kind: int, those: int, at: int, begun: int, demoted: int) -> None:
        for column in members(those):
            start = at if begun >> column & 1 else self._holds[column][0]
            sink.say(self._slot, column, kind, at, start, demoted=bool(demoted >> column & 1))

    def _note_holds(self, held: int, fresh: int, true: int, now: int) -> None:
        holds = self._holds
        for column in list(holds):
            if not held >> column & 1:
                del holds[column]
            elif true >> column & 1:
                holds[column][1] = now
        for column in members(fresh):
            holds[column] = [now, now]

    def _note_due(self) -> None:
        """When the next hold ends by time alone, and its column."""
        due, next_ = NEVER, -1
        limits, horizon = self._limits, self._last_at + MAX_GAP_MS
        for column in members(self._armed):
            length = limits.clear_ms[column] if self._active >> column & 1 else self._for_ms[column]
            end = self._holds[column][0] + length
            if end < due and (limits.timeless[column] or end <= horizon):
                due, next_ = end, column
        self._due, self._next = due, next_
