"""A run out of a live platform: the truth that the simulator wrote, and what the database has of the same lifts and hours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alarms.rules import RuleSet
from hoistway.errors import BadInput
from hoistway.store import queries
from hoistway.trial.play import Played
from hoistway.trial.said import facts_of, version_of
from simulators.score.records import LINES_MOST, NEVER, Alarm, Run, Sent, Truth

SQL: Final = queries("hoistway.trial", "sql/collect.sql")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


async def collect(
    connection: Any,
    *,
    name: str,
    truth: Sequence[dict[str, Any]],
    truths: Sequence[Truth],
    lifts: Sequence[str],
    from_ms: int,
    to_ms: int,
    rules: RuleSet,
) -> Played:
    """The run of these lifts (rescue codes) and this period. Raises BadInput when there is more than a run may hold."""
    period = (_when(from_ms), _when(to_ms))
    wanted = set(lifts)
    rows = await connection.fetch(SQL["alarms"], *period, LINES_MOST)
    orders = await connection.fetch(SQL["sent"], *period, LINES_MOST)
    if max(len(rows), len(orders)) >= LINES_MOST:
        raise BadInput("too many alarms", where="--from, --to", expected=f"fewer than {LINES_MOST} in the period")
    fleet = (await connection.fetch(SQL["fleet"], list(wanted)))[0]
    facts = facts_of(rules)
    alarms = [
        Alarm(
            id=row["id"],
            lift=row["lift"],
            rule=row["rule"],
            hold_start_ms=_ms(row["hold_start"]),
            raised_ms=_ms(row["raised"]),
            cleared_ms=NEVER if row["cleared"] is None else _ms(row["cleared"]),
            notice=bool(row["notice"]),
            opens=row["opens"],
        )
        for row in rows
        if row["lift"] in wanted
    ]
    sent = [
        Sent(
            lift=row["lift"],
            rule=row["rule"],
            opened_ms=_ms(row["opened"]),
            ordered_ms=_ms(row["ordered"]),
            over_ms=NEVER if row["over"] is None else _ms(row["over"]),
        )
        for row in orders
        if row["lift"] in wanted
    ]
    run = Run(
        name=name, seed=0, from_ms=from_ms, to_ms=to_ms, lifts=fleet["lifts"], escalators=fleet["escalators"], rules=facts,
        truths=truths, alarms=alarms, sent=sent, facts={"rule_set": version_of(facts), "way": "live"},
    )  # fmt: skip
    return Played(run=run, truth=truth, clips={}, samples=0)


def _when(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(milliseconds=1)
