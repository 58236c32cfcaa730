"""A mass night, an act at the desk, and the choice of a unit.

    python bench/dispatch.py [--quick]

`hoistway dispatch` and `hoistway api` run as processes of their own, each under its own account, on an embedded PostgreSQL. The city has 2,000 units, 100,000
closed cases and 2,000 open ones. Entrapments are written as ingest writes them, in a transaction what has come since the last one, 600 spread over ten seconds; an
order counts as committed when another connection sees it, and as tried when its SMS left for a gateway, which is a server of this script. Acts go over HTTP on one connection, and on eight at once: accept, set out,
arrive, facts of the case, each with its ETag. The choice is one call of the roster for a lift in the middle of the city, and with it
reading who is on duty from the database.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from api.people import create_api_key
from bench.common import report
from dispatch.book import read_roster
from dispatch.units import Need
from hoistway.embedded.ports import free_port
from hoistway.embedded.postgres import EmbeddedPostgres
from hoistway.model import Role
from hoistway.store import connect_url, migrate, rights
from ingest.alarm_rows import write_changes
from ingest.changes import Change, ChangeKind
from tests.support.folders import temporary_home
from tests.support.postgres import as_part
from tests.support.receivers import http_receiver

UNITS: Final = 2_000
FIRMS: Final = 100
ENTRAPMENTS: Final = 600
SECONDS: Final = 10.0


def spread(values: list[float]) -> str:
    """p50 / p95 / worst, in ms."""
    return " / ".join(f"{value:.1f}" for value in np.percentile(values, [50, 95, 100])) + " ms"


async def fill(connection: Any, closed: int, open_cases: int) -> None:
    """Firms, units, lifts; closed cases with a log, and open ones with an order each."""
    await connection.execute(
        f"insert into firm (name, phone) select 'firm ' || n, '1' from generate_series(1, {FIRMS}) n"
    )
    await connection.execute(
        "insert into unit (name, phone, kind, firm_id, lon, lat, crews, round_the_clock)"
        f" select 'unit ' || n, '1', case when n <= {FIRMS} then 'team' else 'station' end, case when n <= {FIRMS} then n end,"
        f" 120 + random() * 0.4, 30 + random() * 0.4, 2, true from generate_series(1, {UNITS}) n"
    )
    await connection.execute(
        "insert into lift (kind, name, firm_id, lon, lat)"
        f" select 'lift', 'lift ' || n, 1 + n % {FIRMS}, 120 + random() * 0.4, 30 + random() * 0.4"
        " from generate_series(1, $1) n",
        max(open_cases, 20_000) + ENTRAPMENTS,
    )
    await connection.execute(
        "insert into rescue_case (kind, channel, lift_id, state, opened_at, closed_at, confirmed_by, confirmation, exercise)"
        " select 'entrapment', 'S04', 1 + n % 20000, 'closed', now() - n * interval '1 min', now(), 'x', 'x', false"
        " from generate_series(1, $1) n",
        closed,
    )
    await connection.execute(
        "with opened as (insert into rescue_case (kind, channel, lift_id, state, opened_at, dispatched_at, exercise)"
        " select 'entrapment', 'S04', n, 'dispatched', now(), now(), false from generate_series(1, $1) n returning id, firm_id)"
        " insert into dispatch_order (case_id, level, addressee, firm_id, sent_at, exercise)"
        " select id, 1, 'firm', firm_id, now(), false from opened",
        open_cases,
    )
    await connection.execute(
        "insert into case_event (case_id, kind, at) select c.id, k.kind, c.opened_at from rescue_case c"
        " cross join (values ('opened'), ('order-sent')) as k (kind)"
    )
    await connection.execute("analyze")


@asynccontextmanager
async def part(name: str, url: str, **environment: str) -> AsyncIterator[None]:
    """One process of the product for as long as the block lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "hoistway", name,
        env={**os.environ, "HOISTWAY_DATABASE_URL": url, **environment},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def trapped(lift_id: int, at_ms: int) -> Change:
    return Change(
        kind=ChangeKind.RAISE, lift_id=lift_id, rule_id="entrapment-between-floors", rule_version="v", severity="critical",
        opens="rescue", at_ms=at_ms, hold_start_ms=at_ms, demoted=False, evidence="{}",
    )  # fmt: skip


async def mass_night(url: str, first_lift: int, count: int, home: Path) -> list[tuple[str, str]]:
    """Entrapments over ten seconds, and when their orders were seen."""
    writer, watcher = await connect_url(url, name="bench"), await connect_url(url, name="bench")
    opened: dict[int, float] = {}
    seen: dict[int, float] = {}
    last_opened = asyncio.Event()

    async def watch() -> None:
        while not (last_opened.is_set() and len(seen) >= count):
            rows = await watcher.fetch(
                "select lift_id from rescue_case c where lift_id >= $1 and exists (select 1 from dispatch_order where case_id = c.id)",
                first_lift,
            )
            now = time.perf_counter()
            for row in rows:
                seen.setdefault(row["lift_id"], now)
            await asyncio.sleep(0.05)

    environment = {"HOISTWAY_ANCHOR_FILE": str(home / "anchor.jsonl"), "HOISTWAY_HOME": str(home)}
    async with (
        http_receiver() as gateway,
        part(
            "dispatch",
            as_part(url, "dispatch"),
            **environment,
            HOISTWAY_SMS_URL=gateway.url,
            HOISTWAY_SMS_BODY='{"to": "{phone}", "text": "{text}"}',
        ),
    ):
        await asyncio.sleep(6)  # it starts, and looks at the open cases of the city
        task = asyncio.create_task(watch())
        began = time.perf_counter()
        number = 0
        while number < count:
            await asyncio.sleep(max(0.008, began + number * SECONDS / count - time.perf_counter()))
            due = min(count, int((time.perf_counter() - began) * count / SECONDS) + 1)
            at = datetime.now(UTC)
            changes = [trapped(first_lift + one, int(at.timestamp() * 1_000)) for one in range(number, due)]
            async with writer.transaction():
                await write_changes(writer, changes, detected_at=at)
            opened |= dict.fromkeys(range(first_lift + number, first_lift + due), time.perf_counter())
            number = due
        cases_s = time.perf_counter() - began
        last_opened.set()
        await asyncio.wait_for(task, 60)
        await asyncio.wait_for(first_attempts(watcher, first_lift, count), 90)
    told = await watcher.fetchval(
        "select count(distinct o.id) from dispatch_order o join rescue_case c on c.id = o.case_id join outbox b on b.order_id = o.id"
        " where c.lift_id >= $1",
        first_lift,
    )
    attempts = await watcher.fetch(
        "select extract(epoch from min(d.first_at) - c.opened_at)::float8 * 1000 as ms from rescue_case c"
        " join outbox b on b.case_id = c.id and b.topic = 'order' join delivery d on d.outbox_id = b.id"
        " where c.lift_id >= $1 group by c.id, c.opened_at", first_lift,
    )  # fmt: skip
    late = [(seen[lift] - at) * 1_000 for lift, at in opened.items()]
    await writer.close()
    await watcher.close()
    return [
        (f"{count} entrapments in {SECONDS:.0f} s: all cases committed after", f"{cases_s:.1f} s"),
        (
            "last order committed, with its outbox row, after the first entrapment",
            f"{max(seen.values()) - began:.1f} s",
        ),
        ("case committed to order seen, p50 / p95 / worst", spread(late)),
        ("orders with an outbox row", f"{told}"),
        (
            "case opened to the first attempt of its order's SMS, p50 / p95 / worst",
            spread([row["ms"] for row in attempts]),
        ),
        ("cases with such an attempt", f"{len(attempts)}"),
    ]


async def first_attempts(watcher: Any, first_lift: int, count: int) -> None:
    """Wait until the order of every case was tried to be sent."""
    query = (
        "select count(distinct c.id) from rescue_case c join outbox b on b.case_id = c.id and b.topic = 'order'"
        " join delivery d on d.outbox_id = b.id and d.first_at is not null where c.lift_id >= $1"
    )
    while True:
        if await watcher.fetchval(query, first_lift) >= count:
            return
        await asyncio.sleep(0.2)


async def acts(key: str, port: int, orders: list[int], at_once: int) -> list[float]:
    """Every act on some orders; answers ms of each."""
    took: list[float] = []
    base = f"http://127.0.0.1:{port}/api/v1"

    async def one(client: httpx.AsyncClient, number: int) -> None:
        version = 1
        for body in ({"move": "accept"}, {"move": "set_out"}, {"move": "arrive"}):
            began = time.perf_counter()
            answer = await client.post(f"{base}/orders/{number}/moves", json=body, headers={"If-Match": f'"{version}"'})
            took.append((time.perf_counter() - began) * 1_000)
            assert answer.status_code == 200, answer.text
            version, case_id = answer.json()["version"], answer.json()["case_id"]
        etag = (await client.get(f"{base}/cases/{case_id}")).headers["ETag"]
        began = time.perf_counter()
        answer = await client.post(f"{base}/cases/{case_id}/facts", json={"trapped": 2}, headers={"If-Match": etag})
        took.append((time.perf_counter() - began) * 1_000)
        assert answer.status_code == 200, answer.text

    async def lane(mine: list[int]) -> None:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=30) as client:
            await client.get(f"{base}/me")
            for number in mine:
                await one(client, number)

    await asyncio.gather(*(lane(orders[start::at_once]) for start in range(at_once)))
    return took


async def desk(url: str, rounds: int) -> list[tuple[str, str]]:
    connection = await connect_url(url, name="bench")
    key = await create_api_key(connection, "bench", Role.DISPATCHER, None)
    rows = await connection.fetch("select id from dispatch_order where state = 'sent' order by id limit $1", rounds * 2)
    orders = [row["id"] for row in rows]
    port = free_port()
    found = []
    async with part("api", as_part(url, "api"), HOISTWAY_HTTP_PORT=str(port)):
        async with httpx.AsyncClient() as client:
            for _ in range(300):
                try:
                    await client.get(f"http://127.0.0.1:{port}/health/live")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        await asyncio.sleep(2)  # what is open is read
        for at_once, mine in ((1, orders[:rounds]), (8, orders[rounds:])):
            took = await acts(key, port, mine, at_once)
            found.append((f"{len(took)} acts over HTTP, {at_once} at once: p50 / p95 / worst", spread(took)))
    await connection.close()
    return found


async def choice(url: str) -> list[tuple[str, str]]:
    connection = await connect_url(url, name="bench")
    need = Need(lift_kind="lift", lon=120.2, lat=30.2, exercise=False, without=frozenset())
    reads, picks = [], []
    for _ in range(50):
        began = time.perf_counter()
        roster = await read_roster(connection, datetime.now(UTC))
        between = time.perf_counter()
        assert roster.station(need) is not None
        picks.append((time.perf_counter() - between) * 1_000)
        reads.append((between - began) * 1_000)
    await connection.close()
    return [
        (f"nearest of {UNITS} units: p50 / p95 / worst", spread(picks)),
        ("reading who is on duty, with what each has to do", spread(reads)),
    ]


async def measure(quick: bool) -> list[tuple[str, str]]:
    closed, open_cases, rounds = (1_000, 200, 20) if quick else (100_000, 2_000, 200)
    count = 60 if quick else ENTRAPMENTS
    with temporary_home() as home:
        server = EmbeddedPostgres(home)
        url = await server.start()
        try:
            connection = await connect_url(url, name="bench", command_timeout_s=600)
            await migrate(connection)
            await rights.let_in(connection, dict.fromkeys(rights.ROLES, urlsplit(url).password or ""))
            await fill(connection, closed, open_cases)
            first_lift = await connection.fetchval("select max(id) from lift") - ENTRAPMENTS + 1
            await connection.close()
            found = await choice(url)
            found += await desk(url, rounds)
            return found + await mass_night(url, first_lift, count, home)
        finally:
            await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a smoke run that is not kept")
    quick = parser.parse_args().quick
    rows = asyncio.run(measure(quick))
    report(
        "dispatch",
        "Dispatch",
        (__doc__ or "").partition("\n\n    ")[2].partition("\n\n")[2].strip(),
        rows,
        keep=not quick,
    )


if __name__ == "__main__":
    main()
