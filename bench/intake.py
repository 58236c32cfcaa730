"""Intake over a city's register: a lift found while typing, and a call taken, over HTTP in process.

The register is made up: estates, buildings and roads whose words repeat as in a city, so that common fragments are held by tens
of thousands of lifts. `--lifts` for a smaller one.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import time
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.common import report
from hoistway.model import Role
from hoistway.store import connect_url
from tests.support.folders import temporary_home
from tests.support.postgres import PostgresServer
from tests.support.web import api

LIFTS: Final = 225_000
ROUNDS: Final = 40
CALLS: Final = 300

FILL: Final = """
insert into lift (kind, rescue_code, register_code, name, estate, building, address, district, firm_id, user_unit)
select 'lift', lpad(((n * 7919) % 1000000)::text, 6, '0'), '3110330106' || lpad(n::text, 10, '0'), (n % 4 + 1) || '号梯',
    (array['翡翠', '金色', '滨江', '阳光', '湖畔', '万科', '绿城', '世纪', '钱塘', '文澜'])[1 + n % 10]
        || (array['花园', '家园', '公寓', '苑', '广场', '大厦', '新村', '府'])[1 + (n / 10) % 8] || (n / 400),
    (n % 40 + 1) || '幢' || (n % 3 + 1) || '单元',
    (array['文三路', '天目山路', '江南大道', '延安路', '教工路', '庆春路', '解放路', '学院路'])[1 + (n / 100) % 8] || (n / 40 % 900) || '号',
    (array['西湖区', '上城区', '滨江区', '拱墅区', '余杭区'])[1 + n % 5], 1, '物业' || n % 500
from generate_series(1, $1::integer) n
"""

QUERIES: Final = {
    "whole rescue code": lambda n: f"{n * 7919 % 1_000_000:06d}",
    "first four digits of it": lambda n: f"{n * 7919 % 1_000_000:06d}"[:4],
    "end of the register code": lambda n: f"{n:010d}"[-6:],
    "estate": lambda n: f"翡翠花园{n // 400}",
    "estate and building": lambda n: f"公寓{n // 400} {n % 40 + 1}幢",
    "road and number": lambda n: f"文三路{n // 40 % 900}号",
    "two letters held by everything": lambda _: "号梯",
    "three words held by many": lambda n: f"西湖 学院路 {n % 40 + 1}幢",
    "digits held by nobody": lambda n: f"{n}999999"[-9:],
}


def spread(values: list[float]) -> str:
    """p50 / p95 / worst, in ms."""
    return " / ".join(f"{value:.1f}" for value in np.percentile(values, [50, 95, 100])) + " ms"


async def measured(client: httpx.AsyncClient, questions: list[str]) -> tuple[list[float], int]:
    """The time of each search, and the lifts that all of them found."""
    times, lifts = [], 0
    for words in questions:
        start = time.perf_counter()
        answer = await client.get("/api/v1/intake/lifts", params={"q": words})
        times.append((time.perf_counter() - start) * 1_000)
        lifts += len(answer.json()["items"])
    return times, lifts


async def take_calls(client: httpx.AsyncClient, lifts: int) -> list[float]:
    """The time of each call, every third about a lift that was called about before."""
    times = []
    for number in range(CALLS):
        lift = 1 + (number - number % 3) * 7 % lifts
        body = {"kind": "entrapment", "lift_id": lift, "text": "bench", "caller": {"phone": "139"}}
        start = time.perf_counter()
        answer = await client.post("/api/v1/calls", json=body, headers={"Idempotency-Key": f"bench-{number}"})
        times.append((time.perf_counter() - start) * 1_000)
        assert answer.status_code == 201, answer.text
    return times


async def run(lifts: int) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    chance = random.Random(7)
    with temporary_home() as home:
        server = PostgresServer(home)
        await server.start()
        try:
            url = await server.fresh_database()
            connection = await connect_url(url, name="bench", command_timeout_s=600)
            rows += await fill(connection, lifts)
            await connection.close()
            async with api(url) as web, web.client(Role.DISPATCHER) as client:
                every: list[float] = []
                for name, question in QUERIES.items():
                    questions = [question(chance.randint(1, lifts)) for _ in range(ROUNDS)]
                    times, found = await measured(client, questions)
                    every += times
                    rows.append((f"search: {name}", f"{spread(times)}; {found / ROUNDS:.1f} lifts found"))
                rows.append(("search: all of these, p50 / p95 / worst", spread(every)))
                rows.append(("a call taken and committed, p50 / p95 / worst", spread(await take_calls(client, lifts))))
        finally:
            await server.stop()
    return rows


async def fill(connection: Any, lifts: int) -> list[tuple[str, str]]:
    """The register, with what the index of fragments costs."""
    await connection.execute("insert into firm (name) values ('bench firm')")
    plain = await connection.fetchval("select indexdef from pg_indexes where indexname = 'lift_by_fragment'")
    await connection.execute("drop index lift_by_fragment")
    await connection.execute(FILL, lifts)
    start = time.perf_counter()
    await connection.execute(plain)
    seconds = time.perf_counter() - start
    size = await connection.fetchval("select pg_relation_size('lift_by_fragment')")
    await connection.execute("analyze lift")
    return [
        ("lifts in the register", f"{lifts:,}"),
        (
            "index of fragments",
            f"{size / 2**20:.0f} MiB, built in {seconds:.1f} s ({seconds / lifts * 1e6:.0f} us a lift)",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lifts", type=int, default=LIFTS)
    lifts = parser.parse_args().lifts
    method = (
        f"{ROUNDS} searches of each kind over HTTP in process, one after the other, with documents, running cases and what a call would"
        f" become; {CALLS} calls with their callers. Embedded PostgreSQL; everything on one machine."
    )
    report("intake", "Intake", method, asyncio.run(run(lifts)), keep=lifts == LIFTS)


if __name__ == "__main__":
    main()
