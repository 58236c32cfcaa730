"""The state as bytes and back. Knows the layout of the arrays, not what they mean to a rule.

Layout: magic, length of a JSON header, header, then one zlib stream of the arrays of the slots that hold anything, each field of the
last samples on its own, and of the times only those of running holds.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from alarms import lasting
from alarms.compiled import NEVER, Compiled
from alarms.counts import note_over
from alarms.language.checker import Term
from alarms.signals import SAMPLE_DTYPE, Bools, Ints
from alarms.state import ACTIVE, COLUMNS, FLAGS, Group, State
from alarms.words import BITS, width
from hoistway.errors import BadInput

MAGIC: Final = b"hoistway-engine"
VERSION: Final = 4
_LENGTH: Final = struct.Struct("<I")
_DERIVED: Final = frozenset({"due", "busy", "special"})
"""What is worked out again from the rest."""


def write(state: State, now: int) -> bytes:
    """A snapshot of the state, with the version of each column's rule."""
    slots = np.flatnonzero(state.alive | state.busy | (state.contact > 0) | (state.lost_at != NEVER))
    held_row, held_column, start, true_at = state.holds.listed(slots)
    arrays: dict[str, Any] = {"slot": slots.astype(np.int32)}
    arrays |= {f"last.{name}": state.last[name][slots] for name in SAMPLE_DTYPE.names or () if name != "slot"}
    arrays |= {name: getattr(state, name)[slots] for name in COLUMNS if name not in _DERIVED}
    arrays |= {"held.row": held_row.astype(np.int32), "held.column": held_column.astype(np.int16)}
    arrays |= {"held.start": start, "held.true_at": true_at}
    arrays |= {
        f"memory.{_key(term)}.{name}": column[slots]
        for number, term in enumerate(state.rules.remembering)
        for name, column in state.kept(number).items()
    }
    arrays |= {
        f"memory.{_name(key)}.{field}": state.memory[f"lasting.{field}"][slots, place]
        for place, key in enumerate(state.rules.lasting)
        for field in ("start", "true")
    }
    header = {
        "version": VERSION,
        "now": now,
        "size": state.size,
        "columns": _columns(state.rules),
        "groups": [
            [slot, state.rules.rules[rule].id, *_group(state.rules, rule, group)]
            for (slot, rule), group in sorted(state.groups.items())
        ],
        "own": [[slot, own] for slot, own in sorted(state.own.items())],
        "arrays": [[name, column.dtype.str, list(column.shape)] for name, column in arrays.items()],
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    packer = zlib.compressobj(level=1)
    body = [packer.compress(np.ascontiguousarray(column).tobytes()) for column in arrays.values()]
    return b"".join([MAGIC, _LENGTH.pack(len(head)), head, *body, packer.flush()])


def read(blob: bytes, rules: Compiled) -> tuple[State, int, tuple[tuple[int, str], ...]]:
    """The state for these rules, the newest time, and the active alarms (slot, rule id) whose rule changed or is gone."""
    header, arrays = _unpack(blob)
    state = State(rules, size=header["size"])
    slots = arrays["slot"].astype(np.int64)
    state.last["slot"][slots] = slots
    for name, column in arrays.items():
        if name.startswith("last."):
            state.last[name.removeprefix("last.")][slots] = column
        elif name in COLUMNS and name != "flags":
            getattr(state, name)[slots] = column
    for number, term in enumerate(rules.remembering):
        for name, column in state.kept(number).items():
            stored = arrays.get(f"memory.{_key(term)}.{name}")
            if stored is not None:
                column[slots] = stored
    for place, key in enumerate(rules.lasting):
        for field in ("start", "true"):
            stored = arrays.get(f"memory.{_name(key)}.{field}")
            if stored is not None:
                state.memory[f"lasting.{field}"][slots, place] = stored
    if len(rules.count_step_ms):
        note_over(state.memory, slots, rules.count_step_ms)
    state.own = {int(slot): own for slot, own in header["own"]}
    lapsed = _columns_back(state, header, arrays, slots)
    own = np.array(sorted(state.own), np.int64)
    state.set_own(own[own < state.size])
    _lasting_no_longer(state, arrays, slots)
    return state, int(header["now"]), lapsed


def _lasting_no_longer(state: State, arrays: dict[str, Any], slots: Ints) -> None:
    """Lay holds for the conditions that were remembered as lasting ones and are not any more, though their rules are the same."""
    rules = state.rules
    for column, plan in enumerate(rules.columns):
        rule = rules.rules[plan.rule]
        name = f"memory.{_name((rule.id, rule.version, repr(plan.when)))}"
        if not rules.hold[column] or rules.lasting_of[column] >= 0 or f"{name}.start" not in arrays:
            continue
        since, true_at = lasting.since(arrays[f"{name}.start"], arrays[f"{name}.true"], state.clock[slots])
        lasting.become_holds(state, slots, np.array([column]), since[:, None], true_at[:, None])


def _columns_back(
    state: State, header: dict[str, Any], arrays: dict[str, Any], slots: Ints
) -> tuple[tuple[int, str], ...]:
    """Flags, times and groups of the columns that are the same now; the active alarms of the others."""
    rules = state.rules
    old = [tuple(key) for key in header["columns"]]
    target = {tuple(key): index for index, key in enumerate(_columns(rules))}
    moved = np.array([target.get(key, -1) for key in old], np.int64)
    source = np.flatnonzero(moved >= 0)
    before = np.unpackbits(arrays["flags"].view(np.uint8), axis=2, count=len(old), bitorder="little").view(np.bool_)
    flags = np.zeros((len(slots), FLAGS, rules.count), bool)
    flags[:, :, moved[source]] = before[:, :, source]
    state.write(slots, _packed(flags).transpose(1, 2, 0))
    column = moved[arrays["held.column"]] if old else arrays["held.column"].astype(np.int64)
    kept = column >= 0
    row, start, true_at = (arrays[name][kept] for name in ("held.row", "held.start", "held.true_at"))
    state.holds.lay(slots, row.astype(np.int64), column[kept], start, true_at)
    for slot, rule_id, ordinals, level, witnesses, demoted in header["groups"]:
        first = rules.first_of.get(rules.rules.index(rule_id)) if rule_id in rules.rules else None
        if first is not None and (rule_id, rules.rules[rules.columns[first].rule].version, 0) in old:
            group = Group(active={first + item for item in ordinals}, level=level, witnesses=witnesses, demoted=demoted)
            state.groups[int(slot), rules.columns[first].rule] = group
    active = np.argwhere(before[:, ACTIVE] & (moved < 0))
    return tuple(dict.fromkeys((int(slots[row]), str(old[index][0])) for row, index in active.tolist()))


def _packed(flags: Bools) -> npt.NDArray[np.uint64]:
    """Flags as (slots, flags, columns) to (slots, flags, words)."""
    size = width(flags.shape[2]) * BITS
    padded = np.zeros((*flags.shape[:2], size), bool)
    padded[:, :, : flags.shape[2]] = flags
    return np.packbits(padded, axis=2, bitorder="little").view(np.uint64)


def _columns(rules: Compiled) -> list[tuple[str, str, int]]:
    """What makes a column the same column: its rule's id and version, and its number within the rule."""
    return [
        (rules.rules[plan.rule].id, rules.rules[plan.rule].version, index - rules.first_of[plan.rule])
        for index, plan in enumerate(rules.columns)
    ]


def _group(rules: Compiled, rule: int, group: Group) -> tuple[list[int], int, int, bool]:
    ordinals = sorted(column - rules.first_of[rule] for column in group.active)
    return ordinals, group.level, group.witnesses, group.demoted


def _key(term: Term) -> str:
    """A name for a remembering term that is the same in every process."""
    return _name(repr(term))


def _name(key: object) -> str:
    return hashlib.sha256(str(key).encode()).hexdigest()[:16]


def _unpack(blob: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    expected = f"a snapshot of format {VERSION}"
    start = len(MAGIC) + _LENGTH.size
    if not blob.startswith(MAGIC) or len(blob) < start:
        raise BadInput("not a snapshot of the engine", where="checkpoint", expected=expected)
    end = start + _LENGTH.unpack_from(blob, len(MAGIC))[0]
    try:
        header: dict[str, Any] = json.loads(blob[start:end])
        if header.get("version") != VERSION:
            raise BadInput(f"format {header.get('version')!r}", where="checkpoint", expected=expected)
        body = zlib.decompress(blob[end:])
    except (ValueError, zlib.error) as error:
        raise BadInput(f"damaged: {error}", where="checkpoint", expected=expected) from error
    arrays: dict[str, Any] = {}
    position = 0
    for name, kind, shape in header["arrays"]:
        count = int(np.prod(shape))
        arrays[name] = np.frombuffer(body, kind, count, position).reshape(shape)
        position += arrays[name].nbytes
    return header, arrays
