"""The fleet as arrays, one slot a lift: last sample, clocks, reported codes, holds and active alarms. No rule is judged here.

Flags are sets of columns of the rules, as words. Times are milliseconds; NEVER is "not at all".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alarms.compiled import NEVER, Compiled
from alarms.holds import Holds
from alarms.program import LASTING_NONE, View
from alarms.signals import Bools, Column, Ints, Rows, columns, pick, put, unknown_samples
from alarms.words import Words, aligned_rows, chosen, some, width
from hoistway.limits import MAX_GAP_MS

HELD: Final = 0  # a hold runs: of `when` while inactive, of `clear` while active; of a silent column: judged since the last contact
ACTIVE: Final = 1  # the column's alarm is raised
DEMOTED: Final = 2  # raised as a notice, because `unless` was true
ARMED: Final = 3  # the hold may complete by time alone
TRUE: Final = 4  # `when` was true at the last record
SHIELDED: Final = 5  # `unless` was true, or a shield up, at the last record
FLAGS: Final = 6


@dataclass(slots=True)
class Group:
    """An active alarm of a rule with several columns."""

    active: set[int]  # its active columns
    level: int
    witnesses: int
    demoted: bool


class State:
    """Arrays over the fleet; `size` slots are there, more come by `grow`."""

    def __init__(self, rules: Compiled, *, size: int) -> None:
        self.size = 0
        self.rules = rules
        self.own: dict[int, dict[str, float]] = {}
        self.groups: dict[tuple[int, int], Group] = {}  # by slot and rule
        self.parameters: dict[str, Column] = {}  # of the names that rules use and some lift has of its own
        self._unknown = _memory_row(rules)
        self.memory = self._unknown[:0].copy()  # what remembering functions keep, one row a lift
        self.last = unknown_samples(0)
        self.due = np.zeros(0, np.int64)
        self.flags = np.zeros((0, FLAGS, width(rules.count)), np.uint64)  # lift by lift, for the processor's cache
        self._off: dict[int, Words] = {}  # columns that a lift's own parameters switch off
        self._nothing_off: Words = np.zeros((width(rules.count), 1), np.uint64)
        self._rows = aligned_rows(0, ROW)
        self.holds = Holds(rules.bit)
        self._name_columns()
        self.grow(size)

    def grow(self, size: int) -> None:
        """Make room for slots below `size`."""
        more = size - self.size
        if more <= 0:
            return
        self.last = np.concatenate([self.last, unknown_samples(more)])
        rows = aligned_rows(size, ROW)
        rows[: self.size] = self._rows
        for name, value in _EMPTY.items():
            rows[name][self.size :] = value
        self._rows = rows
        self._name_columns()
        self.due = np.concatenate([self.due, np.full(more, NEVER)])
        self.flags = np.concatenate([self.flags, np.zeros((more, *self.flags.shape[1:]), np.uint64)])
        for name, column in self.parameters.items():
            self.parameters[name] = _longer(column, more, np.nan)
        self.memory = np.concatenate([self.memory, np.repeat(self._unknown, more)])
        self.size = size

    def _name_columns(self) -> None:
        """The fields of the rows as columns of the fleet."""
        rows = self._rows
        self.clock, self.last_at, self.settled = rows["clock"], rows["last_at"], rows["settled"]
        self.contact, self.lost_at, self.reported = rows["contact"], rows["lost_at"], rows["reported"]
        self.alive, self.escalator = rows["alive"], rows["escalator"]
        self.busy, self.special = rows["busy"], rows["special"]
        self.rated_speed, self.top, self.bottom = rows["rated_speed"], rows["top"], rows["bottom"]
        self.holds.row = rows["holds"]

    def lifts(self, slots: Ints) -> Rows:
        """A copy of some slots' rows: what is asked of a lift at every record."""
        return self._rows.view(_WHOLE_ROW).take(slots, mode="clip").view(ROW)

    def lift(self, slot: int) -> dict[str, Any]:
        """One slot's row, as plain values."""
        return dict(zip(_ROW_NAMES, self._rows[slot].item(), strict=True))

    def sets(self, slots: Ints) -> npt.NDArray[np.uint64]:
        """All flags of some slots, a set each: (flags, words, slots)."""
        return np.ascontiguousarray(self.flags[slots].transpose(1, 2, 0))

    def plane(self, slots: Ints, flag: int) -> Words:
        """One flag of some slots."""
        return np.ascontiguousarray(self.flags[slots, flag].T)

    def write(self, slots: Ints, flags: npt.NDArray[np.uint64]) -> None:
        """The flags of some slots, as `sets` gives them; one without hold, alarm or judgement is not busy."""
        self.flags[slots] = flags.transpose(2, 0, 1)
        self.busy[slots] = some(flags[HELD] | flags[ACTIVE])

    def kept(self, number: int) -> dict[str, npt.NDArray[Any]]:
        """What the remembering term of this number keeps of every lift, by name."""
        return kept(self.memory, self.rules, number)

    # --- lifts from another state ---

    def take(self, source: State, theirs: Ints, mine: Ints) -> None:
        """Take over lifts of a state of the same rules, under slots of this one: all but what silence and the register say."""
        self.grow(int(mine.max(initial=-1)) + 1)
        put(self.last, mine, pick(source.last, theirs))
        for name in _OF_HOLDS:
            getattr(self, name)[mine] = getattr(source, name)[theirs]
        self.memory[mine] = source.memory[theirs]
        holds = self.rules.holds
        self.write(mine, (self.sets(mine) & ~holds) | (source.sets(theirs) & holds))
        row, column, start, true_at = source.holds.listed(theirs)
        self.holds.lay(mine, row, column, start, true_at)
        places, replaced = dict(zip(theirs.tolist(), mine.tolist(), strict=True)), set(mine.tolist())
        for key in [key for key in self.groups if key[0] in replaced]:
            del self.groups[key]
        for (slot, rule), group in source.groups.items():
            if slot in places:
                self.groups[places[slot], rule] = replace(group, active=set(group.active))

    def know(self, source: State, theirs: Ints, mine: Ints) -> None:
        """Take over what the register says of lifts."""
        self.grow(int(mine.max(initial=-1)) + 1)
        for name in ("alive", "escalator", "rated_speed", "top", "bottom"):
            getattr(self, name)[mine] = getattr(source, name)[theirs]
        pairs = zip(theirs.tolist(), mine.tolist(), strict=True)
        self.own.update({here: dict(source.own[there]) for there, here in pairs if there in source.own})
        self.set_own(mine)

    def differs(self, mine: Ints, other: State, theirs: Ints) -> Bools:
        """Which of the lifts are not the same in both states, as far as holds go."""
        found = ((self.sets(mine) ^ other.sets(theirs)) & self.rules.holds).any(axis=(0, 1))
        for name in _OF_HOLDS:
            found |= getattr(self, name)[mine] != getattr(other, name)[theirs]
        for name in self.memory.dtype.names or ():
            differs = self.memory[name][mine] != other.memory[name][theirs]
            found |= differs.reshape(len(mine), -1).any(axis=1)
        found |= _last_differs(self.last, mine, other.last, theirs)
        ours, others_ = self.holds.listed(mine), other.holds.listed(theirs)
        for place in range(len(mine)):
            if not found[place]:
                own, foreign = ours[0] == place, others_[0] == place
                found[place] = own.sum() != foreign.sum() or any(
                    (ours[item][own] != others_[item][foreign]).any() for item in (1, 2, 3)
                )
        return np.asarray(found)

    # --- what a lift has of its own ---

    def set_own(self, slots: Ints) -> None:
        """Parameters, switched off rules and holds of their own of some slots, from `own`."""
        special = np.array([slot in self.own for slot in slots.tolist()], bool)
        self.special[slots] = False
        owned = {name for slot in slots[special].tolist() for name in self.own[slot]} & self.rules.parameters
        for name in owned - self.parameters.keys():
            self.parameters[name] = np.full(self.size, np.nan, np.float32)
        for name, column in self.parameters.items():
            column[slots] = [self.own.get(slot, {}).get(name, np.nan) for slot in slots.tolist()]
        for slot in slots.tolist() if self._off else ():
            self._off.pop(slot, None)
        for slot in slots[special].tolist():
            own = self.own[slot]
            off = np.array(
                [own.get(f"off:{self.rules.id_of(index)}", 0) != 0 for index in range(self.rules.count)], bool
            )
            if (off & ~self.rules.loud).any():
                self._off[slot] = chosen(off & ~self.rules.loud)
            self.special[slot] = slot in self._off or any(name in self.rules.own_hold for name in own)

    def off(self, slots: Ints) -> Words:
        """The columns that are switched off, a set a slot; or one for all."""
        rows = np.flatnonzero(self.special[slots]) if self._off else ()
        if not len(rows):
            return self._nothing_off
        found = np.zeros((len(self._nothing_off), len(slots)), np.uint64)
        for row in rows:
            found[:, row] = self._off.get(int(slots[row]), self._nothing_off)[:, 0]
        return found

    def hold_ms(self, slot: int) -> Ints:
        """How long the raise holds of a slot with holds of its own last, by column."""
        found = self.rules.for_ms.copy()
        for name, value in self.own[slot].items():
            column = self.rules.own_hold.get(name)
            if column is not None and 0 <= value <= OWN_HOLD_MAX_S:
                found[column] = round(value * 1_000)
        return found

    # --- views ---

    def view(
        self, slots: Ints, signals: Sequence[str], *, holding: Mapping[str, Bools], link_lost: Bools, now: Ints
    ) -> View:
        """The last known values of some slots, however old."""
        return View(
            size=len(slots),
            values=columns(pick(self.last, slots), signals),
            reported=self.reported[slots],
            rated_speed=self.rated_speed[slots],
            parameters={name: column[slots] for name, column in self.parameters.items()},
            at=now,
            zone=self.rules.zone,
            floors=self.floors(slots),
            link_lost=link_lost,
            holding=holding,
        )

    def floors(self, slots: Ints) -> dict[str, Column]:
        return {"top_floor": self.top[slots], "bottom_floor": self.bottom[slots]}

    def horizon(self, slots: Ints) -> Ints:
        """Until when the last samples of some slots are valid."""
        return np.asarray(self.last_at[slots] + MAX_GAP_MS)

    def bytes_a_slot(self) -> float:
        """Memory of the arrays, a slot."""
        arrays = [self.last, self.memory, self.due, self.flags, self._rows, *self.parameters.values()]
        return (sum(item.nbytes for item in arrays) + self.holds.nbytes) / max(1, self.size)


AGO_MOST: Final = 2**30 - 1
"""The most that is kept of how long ago a lasting condition was true, ms."""
OWN_HOLD_MAX_S: Final = 30 * 24 * 3_600

ROW: Final = np.dtype(
    [
        *((name, "<i8") for name in ("clock", "last_at", "settled", "contact", "lost_at", "reported")),
        ("rated_speed", "<f4"), ("top", "<i2"), ("bottom", "<i2"), ("holds", "<i4"),
        *((name, "?") for name in ("alive", "escalator", "busy", "special")),
    ]
)  # fmt: skip
"""What is asked of a lift at every record, together in one line of the processor's cache (64 bytes). `holds` belongs to `Holds`."""
_ROW_NAMES: Final = ROW.names or ()
_WHOLE_ROW: Final = np.dtype((np.void, ROW.itemsize))
_EMPTY: Final[dict[str, float]] = {
    "clock": -NEVER, "last_at": -NEVER, "settled": -NEVER, "contact": 0, "lost_at": NEVER, "reported": 0, "alive": 0, "escalator": 0,
    "busy": 0, "special": 0, "rated_speed": np.nan, "top": -1, "bottom": -1, "holds": 0,
}  # fmt: skip
COLUMNS: Final = (*(name for name in _EMPTY if name != "holds"), "flags")
_OF_HOLDS: Final = ("clock", "last_at", "settled", "reported")

_Field = tuple[type[np.generic], tuple[int, ...], float]
REMEMBERED: Final[dict[str, dict[str, _Field]]] = {
    "changed": {},
    "age": {"since": (np.int64, (), NEVER)},
    "rate": {"at": (np.int64, (2,), -NEVER), "value": (np.float32, (2,), 0)},
    "since_reported": {"at": (np.int64, (), -NEVER)},
    "count": {
        "packed": (np.uint64, (), 0), "latest": (np.uint32, (), 0), "total": (np.uint16, (), 0), "was": (np.int8, (), -1),
    },
}  # fmt: skip
"""What each remembering function keeps of a lift: type, shape, and the value before anything was seen."""


def memory_field(op: str, name: str) -> str:
    """What all terms of one function keep under this name: a field of (terms, *shape)."""
    return f"{op}.{name}"


def kept(memory: Rows, rules: Compiled, number: int) -> dict[str, npt.NDArray[Any]]:
    """Of rows of memory what the term of this number keeps, by name; written through."""
    op, place = rules.remembering[number].op, rules.place[number]
    return {name: memory[memory_field(op, name)][:, place] for name in REMEMBERED[op]}


def _memory_row(rules: Compiled) -> Rows:
    """One lift's row before anything was seen: field by field the terms of a function, the wide ones first, so that all lie well in memory."""
    count = Counter(term.op for term in rules.remembering)
    fields = [
        (memory_field(op, name), kind, (count[op], *shape), empty)
        for op in REMEMBERED
        if count[op]
        for name, (kind, shape, empty) in REMEMBERED[op].items()
    ]
    if count["count"]:
        fields.append(("count.over", np.int64, (), NEVER))  # when one of the lift's counts will be too old
    if rules.lasting:
        fields += [
            ("lasting.start", np.uint32, (len(rules.lasting),), LASTING_NONE),
            ("lasting.true", np.int32, (len(rules.lasting),), AGO_MOST),
        ]
    fields.sort(key=lambda item: -np.dtype(item[1]).itemsize)
    row = np.zeros(1, np.dtype([(name, kind, shape) for name, kind, shape, _ in fields], align=True))
    for name, _, _, empty in fields:
        row[name] = empty
    return row


def _last_differs(mine: Rows, places: Ints, theirs: Rows, others: Ints) -> Bools:
    """Which last samples are not the same, whatever their slot."""
    one, two = pick(mine, places), pick(theirs, others)
    one["slot"], two["slot"] = 0, 0
    return np.asarray(
        (one.view(np.uint8).reshape(len(one), -1) != two.view(np.uint8).reshape(len(two), -1)).any(axis=1)
    )


def _longer(column: npt.NDArray[np.generic], more: int, value: float) -> npt.NDArray[np.generic]:
    return np.concatenate([column, np.full((more, *column.shape[1:]), value, column.dtype)])
