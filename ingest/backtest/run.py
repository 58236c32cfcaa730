"""A backtest from its request to its document: reads the store or a recording, folds in a thread of its own, reports progress.

One clock is never read: what comes out depends on the stream, the rules and the request alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from alarms.language.times import Zone
from alarms.rules import RuleSet
from hoistway import rulebook
from hoistway.errors import BadInput
from ingest.backtest.episodes import Alarm
from ingest.backtest.fold import Fold, Number, Plans
from ingest.backtest.late import Stretch, late_lifts, mend, without
from ingest.backtest.recorded import Recording
from ingest.backtest.report import LiftName, Setting, document
from ingest.backtest.stream import SQL, Lift, Range, Reader, ms, plan, read_lifts, when

Progress = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for. Times are ms since 1970 UTC."""

    from_ms: int
    to_ms: int  # exclusive
    files: tuple[tuple[str, str], ...]  # the candidate's rule files: name and text
    lifts: tuple[int, ...] | None = None
    district: str | None = None
    warm_up_ms: int | None = None  # None: as the rules need
    everything: bool = False  # also fold rules that neither differ nor open rescue cases

    def check(self) -> None:
        """Raises BadInput for a period that is none."""
        if self.to_ms <= self.from_ms:
            raise BadInput("an empty period", where="from, to", expected="from before to")


async def _nobody(_: float) -> None:
    return


async def of_store(
    connection: Any, request: Request, *, product: RuleSet, zone: Zone, progress: Progress = _nobody
) -> dict[str, Any]:
    """Backtest over the stored stream. Raises BadInput when nothing was stored in the period."""
    request.check()
    lifts = await read_lifts(connection, request.lifts, request.district)
    ids = None if request.lifts is None and request.district is None else [lift.id for lift in lifts]
    plans, warm_up = await _plans(connection, request, product)
    since = when(request.from_ms - warm_up)
    total: list[list[Alarm]] = [[], []]
    folded = [0, 0, 0]
    sets: list[tuple[Number, int]] = []
    rows = await connection.fetch(SQL["partitions"], since, when(request.to_ms))
    for share, row in enumerate(rows):
        partition = row["partition"]
        ranges = await plan(connection, partition, since, when(request.to_ms))
        first: Number = await connection.fetchval(SQL["first_rules"], partition, since)
        sets += _sets(first, ranges, request.from_ms)
        fold = Fold(plans, first, {lift.id: lift for lift in lifts}, zone)
        reader = Reader(connection, partition, signals=plans.signals(), lifts=ids)
        fold.prime(await reader.last_words(since))
        whole, done = sum(item.samples for item in ranges) or 1, 0
        async for place, piece in _counted(reader, ranges):
            await asyncio.to_thread(fold.take, piece)
            done += ranges[place].samples
            await progress((share + min(1.0, done / whole)) / len(rows))
        end = await connection.fetchval(SQL["end"], partition, when(request.to_ms))
        await asyncio.to_thread(fold.end, ms(end))
        stretch = Stretch.of(partition, since, ms(end), first, ranges)
        late = sorted(reader.late | await late_lifts(connection, stretch, ids))
        mended = await mend(connection, stretch, late, plans=plans, lifts={lift.id: lift for lift in lifts}, zone=zone)
        said = [[*without(one, mended.lifts), *more] for one, more in zip(fold.segments, mended.segments, strict=True)]
        for place, alarms in enumerate(fold.alarms((said[0], said[1]))):
            total[place] += alarms
        counts = (fold.heard_of(mended.lifts), fold.samples + mended.samples, fold.events + mended.events)
        folded = [now + more for now, more in zip(folded, counts, strict=True)]
    if not rows:
        raise BadInput("nothing is stored in this period", where="from, to", expected="a period with telemetry")
    setting = _setting(request, plans, lifts, source="store", warm_up=warm_up, counts=folded, sets=sets)
    return document(setting, total[0], total[1])


async def _counted(reader: Reader, ranges: Sequence[Range]) -> Any:
    place = 0
    async for piece in reader.pieces(ranges):
        yield place, piece
        place += 1


async def _plans(connection: Any, request: Request, product: RuleSet) -> tuple[Plans, int]:
    """The rules of every set that was live from the warm-up on, and how long that is."""
    warm_up = request.warm_up_ms
    plans = await _plans_since(connection, request, product, request.from_ms - (warm_up or 0))
    if warm_up is None:
        warm_up = plans.warm_up_ms()
        plans = await _plans_since(connection, request, product, request.from_ms - warm_up)
    return plans, warm_up


async def _plans_since(connection: Any, request: Request, product: RuleSet, since: int) -> Plans:
    numbers: dict[Number, None] = {}
    until = when(request.to_ms)
    for row in await connection.fetch(SQL["partitions"], when(since), until):
        numbers[await connection.fetchval(SQL["first_rules"], row["partition"], when(since))] = None
        turns = await connection.fetch(SQL["turns"], row["partition"], when(since), until)
        numbers |= {turn["rule_set"]: None for turn in turns if turn["kind"] == "rules"}
    sets = {number: await _rules(connection, number, product) for number in numbers or {None: None}}
    return Plans.of(sets, request.files, everything=request.everything)


async def _rules(connection: Any, number: Number, product: RuleSet) -> RuleSet:
    return product if number is None else (await rulebook.load(connection, number)).live


def _sets(first: Number, ranges: Sequence[Range], from_ms: int) -> list[tuple[Number, int]]:
    """The sets that were live in the period, each with its beginning."""
    found: list[tuple[Number, int]] = [(first, from_ms)]
    for item in ranges:
        if item.kind == "rules":
            at = ms(item.clock)
            found = [(item.rule_set, from_ms)] if at <= from_ms else [*found, (item.rule_set, at)]
    return found


def of_recording(
    recording: Recording, request: Request, *, baseline: RuleSet, number: Number, source: str, zone: Zone
) -> dict[str, Any]:
    """Backtest over a recorded file."""
    request.check()
    plans = Plans.of({number: baseline}, request.files, everything=request.everything)
    fold = Fold(plans, number, {lift.id: lift for lift in recording.lifts}, zone)
    for piece in recording.pieces():
        fold.take(piece)
    fold.end(min(request.to_ms, recording.last_ms))
    counts = [fold.heard_of(frozenset()), fold.samples, fold.events]
    setting = _setting(
        request,
        plans,
        recording.lifts,
        source=source,
        warm_up=0,
        counts=counts,
        sets=[(number, request.from_ms)],
    )
    return document(setting, *fold.alarms())


def _setting(
    request: Request,
    plans: Plans,
    lifts: Iterable[Lift],
    *,
    source: str,
    warm_up: int,
    counts: Sequence[int],
    sets: Sequence[tuple[Number, int]],
) -> Setting:
    rules = {rule.id: rule for whole in (*plans.baseline.values(), *plans.candidate.values()) for rule in whole}
    return Setting(
        source=source,
        from_ms=request.from_ms,
        to_ms=request.to_ms,
        warm_up_ms=warm_up,
        everything=request.everything,
        lifts=counts[0],
        samples=counts[1],
        events=counts[2],
        rule_sets=tuple(sets),
        candidate=tuple((rule_id, rules[rule_id].version) for rule_id in plans.changed),
        titles={rule.id: rule.title for rule in rules.values()},
        names={lift.id: LiftName(name=lift.name, district=lift.district) for lift in lifts},
    )
