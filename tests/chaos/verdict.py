"""The account at the end of a run: what the terminals' books say against what the store holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hoistway.embedded.credentials import device_password
from hoistway.store import connect_url
from hoistway.up.state import State
from tests.chaos.driver import Rig
from tests.chaos.taps import Moment
from tests.support.ledger import Key, Ledger, stored

ALARMED_S = 90.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What is wrong after a run; all empty when nothing is."""

    acked: int  # records that acks named
    rows: int  # records in the store
    lost: set[Key]  # acknowledged and not stored
    missing: set[Key]  # sent, never given up by the terminal, and not stored
    foreign: set[Key]  # stored and never sent
    doubled: set[Key]  # stored twice
    cases: dict[str, int]  # cases of each lift where the number is wrong
    not_hit: set[Moment]  # no kill counted there

    @property
    def clean(self) -> bool:
        """Whether the run is green."""
        wrong = (self.lost, self.missing, self.foreign, self.doubled, self.cases, self.not_hit)
        return not any(wrong)


async def enrol(rig: Rig, lifts: int) -> dict[str, tuple[int, str]]:
    """Lifts with a terminal each: name, shard and password."""
    key = State(rig.system.home).secret("device-key").encode()
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=5)
    for number in range(lifts):
        lift_id = await connection.fetchval(
            "insert into lift (kind, name) values ('lift', $1) returning id", f"led-{number}"
        )
        await connection.execute(
            "insert into device (device, shard, lift_id) values ($1, $2, $3)", f"led-{number}", number, lift_id
        )
    await connection.close()
    return {f"led-{number}": (number, device_password(key, f"led-{number}")) for number in range(lifts)}


async def every_entrapment_has_its_alarm(rig: Rig, ledger: Ledger) -> None:
    """Wait until the holds that are running are complete."""
    trapped = sum(device.trapped for device in ledger.devices)
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=10)
    for _ in range(int(ALARMED_S)):
        if len(await cases_by_lift(connection)) >= trapped:
            break
        await asyncio.sleep(1.0)
    await connection.close()


async def judge(rig: Rig, ledger: Ledger) -> Verdict:
    """Compare books, store and hits. The terminals are silent by now."""
    connection = await connect_url(rig.system.database_url, name="chaos", patience_s=10, command_timeout_s=60)
    rows = await stored(connection)
    cases = await cases_by_lift(connection)
    await connection.close()
    return account_for(
        sent=ledger.sent,
        acked=ledger.acked,
        forgotten=ledger.forgotten,
        rows=rows,
        trapped={device.name for device in ledger.devices if device.trapped},
        cases=cases,
        hit=set(rig.counted),
    )


def account_for(
    *,
    sent: set[Key],
    acked: set[Key],
    forgotten: set[Key],
    rows: Sequence[Key],
    trapped: set[str],
    cases: Counter[str],
    hit: set[Moment],
) -> Verdict:
    """The comparison itself; `cases` are those of each lift, `hit` the moments in which a kill counted."""
    there = set(rows)
    return Verdict(
        acked=len(acked),
        rows=len(rows),
        lost=acked - there,
        missing=sent - forgotten - there,
        foreign=there - sent,
        doubled={key for key, times in Counter(rows).items() if times > 1},
        cases={name: cases[name] for name in trapped | cases.keys() if cases[name] != (name in trapped)},
        not_hit=set(Moment) - hit,
    )


async def cases_by_lift(connection: Any) -> Counter[str]:
    """Rescue cases of each lift, open or not."""
    rows = await connection.fetch(
        "select l.name, count(*) as n from rescue_case c join lift l on l.id = c.lift_id group by l.name"
    )
    return Counter({row["name"]: row["n"] for row in rows})
