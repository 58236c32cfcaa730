"""A stream of samples as lines of JSON whose alarms are known beforehand: trips in which nobody is ever stuck, and events put into them.

Half of the events last long enough for an alarm, half end just before. The same stream can be written in order, or with samples that
come late and samples that come twice.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

START: Final = 1_700_000_000_000
LATE_MS: Final = 5_000
_STATES: Final[dict[str, dict[str, Any]]] = {
    "idle": {"car_status": 0, "door_zone": True, "door_closed": True, "passenger": False, "speed": 0.0},
    "open": {"car_status": 0, "door_zone": True, "door_closed": False, "passenger": True, "speed": 0.0},
    "running": {"car_status": 1, "door_zone": False, "door_closed": True, "passenger": True, "speed": 1.75},
    "between": {"car_status": 0, "door_zone": False, "door_closed": True, "passenger": True, "speed": 0.0},
    "landing": {"car_status": 0, "door_zone": True, "door_closed": True, "passenger": True, "speed": 0.0},
}
_NAMES: Final = list(_STATES)
_SILENT: Final = -1
_TRIP: Final = [_NAMES.index(name) for name in ["idle"] * 3 + ["open"] + ["running"] * 4 + ["open"] + ["idle"] * 3]
_LIMIT_MS: Final = {"between": 20_000, "landing": 60_000, "silent": 180_000}
_RULE: Final = {"between": "entrapment-between-floors", "landing": "entrapment-at-landing", "silent": "offline"}

Alarm = tuple[str, str, int]
"""Lift, rule, and when it is raised, ms."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What was put in, sorted by time."""

    ids: list[str]
    ts: Any
    lift: Any  # index into ids
    seq: Any
    state: Any  # index into the states
    alarms: frozenset[Alarm]
    near: int  # events that end just before they would be alarms


def stream(lifts: int, rounds: int, period_ms: int, seed: int = 7) -> Stream:
    """`rounds` samples of every lift, one a period; one lift in ten has an event, each at most one."""
    rng = np.random.default_rng(seed)
    ids = [f"{100_000 + index}" for index in range(lifts)]
    phase = rng.integers(0, period_ms, lifts)
    state = np.array(_TRIP)[(np.arange(rounds)[:, None] + rng.integers(0, len(_TRIP), lifts)) % len(_TRIP)]
    alarms: set[Alarm] = set()
    near = 0
    for number, lift in enumerate(rng.permutation(lifts)[: lifts // 10].tolist()):
        what, real = ("between", "landing", "silent")[number % 3], number // 3 % 2 == 0
        limit = _LIMIT_MS[what]
        length = (limit + period_ms - 1) // period_ms + 1 if real else (limit - 1) // period_ms
        if what == "silent" and not real:
            length -= 1  # from the last sample before to the first one after
        first = int(rng.integers(1, rounds - length - 3))
        state[first : first + length, lift] = _SILENT if what == "silent" else _NAMES.index(what)
        state[first + length : first + length + 3, lift] = _NAMES.index("open")
        begin = START + (first - (what == "silent")) * period_ms + int(phase[lift])
        near += not real
        if real:
            alarms.add((ids[lift], _RULE[what], begin + limit))
    ts = START + np.arange(rounds)[:, None] * period_ms + phase
    seq = np.broadcast_to(np.arange(1, rounds + 1)[:, None], ts.shape)
    lift_of = np.broadcast_to(np.arange(lifts), ts.shape)
    order = np.argsort(ts.ravel(), kind="stable")
    order = order[state.ravel()[order] != _SILENT]
    columns = {"ts": ts, "lift": lift_of, "seq": seq, "state": state}
    picked = {name: column.ravel()[order] for name, column in columns.items()}
    return Stream(ids=ids, alarms=frozenset(alarms), near=near, **picked)


def write(source: Stream, path: Path, *, late: float = 0.0, twice: float = 0.0, seed: int = 8) -> int:
    """The stream as a file, in order of arrival: this share comes up to 5 s late, that share a second time. Answers the lines."""
    rng = np.random.default_rng(seed)
    count = len(source.ts)
    delay = np.where(rng.random(count) < late, rng.integers(0, LATE_MS + 1, count), 0)
    again = np.flatnonzero(rng.random(count) < twice)
    row = np.concatenate([np.arange(count), again])
    arrival = source.ts[row] + np.concatenate([delay, rng.integers(0, LATE_MS + 1, len(again))])
    row = row[np.argsort(arrival, kind="stable")]
    tails = [json.dumps({"service_mode": 1, **body}, separators=(",", ":"))[1:] for body in _STATES.values()]
    with path.open("w", encoding="ascii") as file:
        for first in range(0, len(row), 100_000):
            part = row[first : first + 100_000]
            columns = (source.ts[part], source.seq[part], source.lift[part], source.state[part])
            file.writelines(
                f'{{"ts":{ts},"boot":1,"seq":{seq},"lift":"{source.ids[lift]}",{tails[state]}\n'
                for ts, seq, lift, state in zip(*(column.tolist() for column in columns), strict=True)
            )
    return len(row)
