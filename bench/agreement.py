"""One stream through the engine and through the plain one: the same transitions, or the comparison of their speed means nothing.

Also how sample rows become the plain values that the plain engine takes.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any, Final

import numpy as np

from alarms.engine import Engine
from alarms.rules import RuleSet
from alarms.signals import CONTACT_DTYPE, EVENT_DTYPE, EVENT_INDEX, RAISE, Batch, Rows
from bench.city import RushHour
from bench.plain_engine import PlainEngine
from hoistway.model import SIGNALS, SignalType

START: Final = 1_700_000_000_000
RATED_SPEED: Final = 1.75
_LIFTS, _ROUNDS, _ROUND_MS = 1_500, 70, 10_000
_CODES: Final = np.array(
    [EVENT_INDEX[code] for code in ("90", "41", "04", "01", "entrapment", "self-test", "44", "40")]
)


def plain(rows: Rows) -> list[tuple[int, int, int, dict[str, Any]]]:
    """Slot, at, received and the signals by name: None for unknown, NaN in numbers."""
    columns = {}
    for item in SIGNALS:
        values = rows[item.name].tolist()
        if item.type is SignalType.BOOL:
            values = [None if value < 0 else value == 1 for value in values]
        elif item.type is not SignalType.NUMBER:
            values = [None if value < 0 else value for value in values]
        columns[item.name] = values
    columns["field_faults"], columns["clock_error"] = rows["field_faults"].tolist(), rows["clock_error"].tolist()
    names, derived = list(columns), {"clock_lag": math.nan, "moving": None, "implausible": False}
    signals = (dict(zip(names, values, strict=True)) | derived for values in zip(*columns.values(), strict=True))
    return list(zip(*(rows[name].tolist() for name in ("slot", "at", "received")), signals, strict=True))


def engine_of(rules: RuleSet, city: RushHour, own: dict[int, dict[str, float]] | None = None) -> Engine:
    """The engine with the city's fleet, as yet unheard."""
    engine = Engine(rules, capacity=city.lifts)
    engine.listening(START)
    speeds = np.where(city.escalator, 0.5, RATED_SPEED)
    engine.set_fleet(range(city.lifts), city.escalator.tolist(), speeds.tolist(), own or {})
    return engine


def plain_engine_of(rules: RuleSet, city: RushHour, own: dict[int, dict[str, float]] | None = None) -> PlainEngine:
    """The plain one with the same fleet."""
    engine = PlainEngine(rules)
    for slot, escalator in enumerate(city.escalator.tolist()):
        speed = 0.5 if escalator else RATED_SPEED
        engine.add(slot, escalator=escalator, rated_speed=speed, contact=START, own=(own or {}).get(slot, {}))
    return engine


def agreed(rules: RuleSet, seed: int = 3) -> tuple[int, int, int]:
    """Transitions, alarms and rules that raised one, the same from both engines. Raises AssertionError where they differ."""
    city, rng = RushHour(_LIFTS, seed), np.random.default_rng(seed)
    own = {5: {"for:entrapment-between-floors": 12.0, "vibration_minor": 0.01}, 9: {"off:offline": 1.0}}
    fast, slow = engine_of(rules, city, own), plain_engine_of(rules, city, own)
    told: list[Any] = []
    for turn in range(_ROUNDS):
        at = START + turn * _ROUND_MS
        batch = _records(city, rng, turn, at)
        told += fast.step(batch, at + _ROUND_MS - 1_000)
        _feed(slow, batch)
        for second in range(9, 10 + 200 * (turn == _ROUNDS - 1)):
            told += fast.tick(at + second * 1_000)
            slow.tick(at + second * 1_000)
    ours, theirs = Counter(tuple(item) for item in told), Counter(slow.found)
    assert ours == theirs, (
        f"they differ: {list((ours - theirs).items())[:5]} against {list((theirs - ours).items())[:5]}"
    )
    raised = [item for item in told if item.kind == RAISE]
    return len(told), len(raised), len({item.rule for item in raised})


def _records(city: RushHour, rng: Any, turn: int, at: int) -> Batch:
    """Ten seconds: a sample of most lifts, some changed at random, some events, some links lost."""
    speaking = np.flatnonzero((np.arange(city.lifts) % 60 != 13) | (turn % 30 < 10))
    samples = city.of(rng.permutation(speaking), at, 5_000)
    samples["at"] -= rng.integers(0, 30_000, len(samples)) * (rng.random(len(samples)) < 0.01)
    odd = np.flatnonzero(samples["slot"] % 7 == 2)
    samples["car_status"][odd] = rng.integers(-1, 2, len(odd))
    samples["door_zone"][odd] = rng.integers(-1, 2, len(odd))
    samples["door_status"][odd] = rng.integers(-1, 7, len(odd))
    samples["vibration"][odd] = rng.random(len(odd))
    samples["temperature"][odd] = 30 + samples["slot"][odd] % 25
    samples["battery"][odd] = samples["slot"][odd] % 60
    samples["load"][odd], samples["service_mode"][odd] = samples["slot"][odd] * 3, samples["slot"][odd] % 9 - 1
    samples["clock_error"][odd] = np.where(samples["slot"][odd] % 11 == 1, 400, 1)
    samples["field_faults"][odd] = samples["slot"][odd] % 5 == 1
    held = np.flatnonzero(samples["slot"] % 11 == 5)  # stands still, as it was, for long
    for name, value in {
        "car_status": 0,
        "speed": 0,
        "door_zone": 0,
        "door_closed": 1,
        "door_status": 2,
        "passenger": 1,
    }.items():
        samples[name][held[turn % 20 < 15 :]] = value
    events = np.zeros(40, EVENT_DTYPE)
    events["slot"] = np.sort(rng.choice(speaking, 40, replace=False))
    events["received"] = at + np.sort(rng.integers(0, 7_500, 40))
    events["at"] = events["received"] - 20
    events["code"], events["active"] = rng.choice(_CODES, 40), rng.random(40) < 0.6
    links = np.zeros(6, CONTACT_DTYPE)
    links["slot"], links["online"] = rng.choice(city.lifts, 6, replace=False), rng.integers(-1, 2, 6)
    links["received"] = at + np.sort(rng.integers(0, 7_500, 6))
    return Batch.of(samples=samples, events=events, contacts=links)


def _feed(engine: PlainEngine, batch: Batch) -> None:
    records: list[tuple[int, int, int, tuple[Any, ...]]] = []
    for place, row in enumerate(batch.contacts.tolist()):
        records.append((row[1], 0, place, row))
    for place, row in enumerate(batch.events.tolist()):
        records.append((row[2], 1, place, row))
    for place, row in enumerate(plain(batch.samples)):
        records.append((row[2], 2, place, row))
    for _, kind, _, row in sorted(records, key=lambda item: item[:3]):
        if kind == 2:
            engine.samples([row])
        elif kind == 1:
            engine.event(row[0], row[1], row[2], row[3], active=row[4] == 1)
        else:
            engine.link(row[0], row[1], online=None if row[2] < 0 else row[2] == 1)
