"""The state as bytes and back. Knows the layout of the columns, not what they mean to a rule.

Layout: magic, length of a JSON header, header, then one zlib stream of the columns of the slots that hold anything, each field of the
last samples on its own, and of the times only those of running holds.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any, Final

import numpy as np

from alarms.compiled import NEVER
from alarms.rules import RuleSet
from alarms.signals import SAMPLE_DTYPE
from alarms.state import ACTIVE, COLUMNS, FLAGS, HELD, State
from hoistway.errors import BadInput

MAGIC: Final = b"hoistway-engine"
VERSION: Final = 1
_TIMES: Final = frozenset({"start", "true_at"})
_LENGTH: Final = struct.Struct("<I")


def write(state: State, rules: RuleSet, now: int) -> bytes:
    """A snapshot of the state, with the version of each rule."""
    slots = np.flatnonzero(state.alive | state.busy | (state.contact > 0) | (state.lost_at != NEVER))
    held_row, held_rule = np.nonzero(state.read(slots)[:, HELD])
    columns: dict[str, Any] = {"slot": slots.astype(np.int32)}
    columns |= {f"last.{name}": state.last[name][slots] for name in SAMPLE_DTYPE.names or () if name != "slot"}
    columns |= {
        name: getattr(state, name)[slots] for name in COLUMNS if name not in _TIMES and name not in {"due", "busy"}
    }
    columns |= {"held.row": held_row.astype(np.int32), "held.rule": held_rule.astype(np.int16)}
    columns |= {f"held.{name}": getattr(state, name)[slots[held_row], held_rule] for name in sorted(_TIMES)}
    header = {
        "version": VERSION,
        "now": now,
        "size": state.size,
        "rules": [[rule.id, rule.version] for rule in rules],
        "own": [[slot, own] for slot, own in sorted(state.own.items())],
        "columns": [[name, column.dtype.str, list(column.shape)] for name, column in columns.items()],
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    packer = zlib.compressobj(level=1)
    body = [packer.compress(np.ascontiguousarray(column).tobytes()) for column in columns.values()]
    return b"".join([MAGIC, _LENGTH.pack(len(head)), head, *body, packer.flush()])


def read(blob: bytes, rules: RuleSet, parameters: set[str]) -> tuple[State, int, tuple[tuple[int, str], ...]]:
    """The state for this rule set, the newest time, and the active alarms whose rule changed or is gone."""
    header, columns = _unpack(blob)
    state = State(size=header["size"], rules=len(rules), parameters=parameters)
    slots = columns["slot"].astype(np.int64)
    state.last["slot"][slots] = slots
    for name, column in columns.items():
        if name.startswith("last."):
            state.last[name.removeprefix("last.")][slots] = column
        elif name in COLUMNS and name != "flags":
            getattr(state, name)[slots] = column
    old = [(rule_id, version) for rule_id, version in header["rules"]]
    target = {(rule.id, rule.version): index for index, rule in enumerate(rules)}
    kept = [(index, target[key]) for index, key in enumerate(old) if key in target]
    source, place = (np.array([pair[side] for pair in kept], np.int64) for side in (0, 1))
    before = np.unpackbits(columns["flags"], axis=2, count=len(old), bitorder="little").view(np.bool_)
    flags = np.zeros((len(slots), FLAGS, len(rules)), bool)
    flags[:, :, place] = before[:, :, source]
    state.write(slots, flags)
    moved = np.full(len(old), -1, np.int64)
    moved[source] = place
    rule = moved[columns["held.rule"]]
    chosen = rule >= 0
    where = slots[columns["held.row"][chosen]]
    for name in _TIMES:
        getattr(state, name)[where, rule[chosen]] = columns[f"held.{name}"][chosen]
    state.own = {int(slot): own for slot, own in header["own"]}
    for name, values in state.parameters.items():
        for slot, own in state.own.items():
            values[slot] = own.get(name, np.nan)
    lapsed = np.argwhere(before[:, ACTIVE] & (moved < 0))
    return state, int(header["now"]), tuple((int(slots[row]), old[index][0]) for row, index in lapsed.tolist())


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
    columns: dict[str, Any] = {}
    position = 0
    for name, kind, shape in header["columns"]:
        count = int(np.prod(shape))
        columns[name] = np.frombuffer(body, kind, count, position).reshape(shape)
        position += columns[name].nbytes
    return header, columns
