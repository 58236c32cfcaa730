"""How long a backtest takes over a day of a town's telemetry in the store: 10,000 lifts, a sample each ten seconds.

    python bench/backtest.py [--hours 24] [--quick]

The samples (bench/city.py) are written into a PostgreSQL of the benchmark's own as ingest writes them, batches of 10,000 a second
apart. The candidate changes one entrapment rule; folded are what it changes and, for the comparison,
every rule that opens a rescue case, once as it was and once as proposed. Wall-clock time from the request to the document, reading included.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from alarms.language.reader import default_rules
from alarms.language.times import UTC
from bench.city import RushHour
from bench.common import report
from hoistway.embedded.postgres import EmbeddedPostgres
from hoistway.store import connect_url, migrate
from ingest.backtest.run import Request, of_store
from ingest.backtest.stream import when
from ingest.pack import COLUMNS, KEYS_DTYPE, pack_samples
from tests.support.folders import temporary_home

LIFTS: Final = 10_000
EVERY_MS: Final = 10_000
START: Final = 1_790_000_000_000
RULE: Final = "entrapment-between-floors"


async def fill(connection: Any, hours: float) -> int:
    """The stream of so many hours; answers the samples."""
    await connection.execute(
        "insert into lift (id, kind, name, rescue_code, rated_speed_m_s) overriding system value"
        " select n, case when n % 20 = 7 then 'escalator' else 'lift' end, n::text, to_char(n, 'FM000000'), 1.75"
        " from generate_series(0, $1 - 1) as n",
        LIFTS,
    )
    city, keys = RushHour(LIFTS), np.zeros(LIFTS, KEYS_DTYPE)
    keys["folded"] = 1
    rounds = int(hours * 3_600_000 / EVERY_MS)
    for turn in range(rounds):
        now = START + turn * EVERY_MS
        rows = city.round(now, EVERY_MS * 1_000 / LIFTS)
        keys["seq"], keys["ts"] = turn, rows["at"] - 200
        body = io.BytesIO(pack_samples(rows, keys, partition=0, batch_no=turn + 1))
        await connection.copy_to_table("sample", source=body, columns=list(COLUMNS), format="binary")
        await connection.execute(
            "insert into ingest_batch (partition, batch_no, token, kind, clock, epoch, samples) values (0, $1, $2, 'batch', $3, 1, $4)",
            turn + 1,
            uuid.UUID(int=turn + 1),
            when(now + EVERY_MS),
            len(rows),
        )
    await connection.execute("vacuum analyze sample")
    return rounds * LIFTS


def candidate() -> str:
    """The rule with a hold of twice the length."""
    rule = default_rules()[default_rules().index(RULE)]
    text = rule.text.replace(f'for = "{rule.for_ms // 1_000}s"', f'for = "{rule.for_ms // 500}s"')
    if text == rule.text:
        raise ValueError(f"{RULE} has no hold of whole seconds any more")
    return text


async def measure(hours: float) -> list[tuple[str, str]]:
    with temporary_home() as home:
        server = EmbeddedPostgres(home)
        await server.start()
        try:
            connection = await connect_url(server.url, name="bench", command_timeout_s=3_600)
            await migrate(connection)
            began = time.perf_counter()
            samples = await fill(connection, hours)
            filled = time.perf_counter() - began
            size = await connection.fetchval("select pg_total_relation_size('sample_default') / 1e9")
            request = Request(
                from_ms=START,
                to_ms=START + int(hours * 3_600_000) + EVERY_MS,
                files=(("candidate.toml", candidate()),),
                warm_up_ms=0,
            )
            began, busy = time.perf_counter(), time.process_time()
            found = await of_store(connection, request, product=default_rules(), zone=UTC)
            took, used = time.perf_counter() - began, time.process_time() - busy
            await connection.close()
        finally:
            await server.stop()
    return [
        (
            "samples in the store",
            f"{samples:,} of {LIFTS:,} lifts, {hours:g} h, {float(size):.1f} GB; written in {filled:.0f} s",
        ),
        ("backtest", f"{took:.0f} s, {took / samples * 1e6:.2f} us a sample; {used:.0f} s of this process's CPU time"),
        ("a day of 86.4 million samples at this pace", f"{took / samples * 86.4e6 / 60:.1f} min"),
        (
            "alarms that it compared",
            f"{sum(row['baseline'] for row in found['rules']):,} as it was, {sum(row['candidate'] for row in found['rules']):,} as proposed",
        ),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=24, help="hours of telemetry")
    parser.add_argument("--quick", action="store_true", help="two minutes of telemetry; writes no result")
    options = parser.parse_args()
    lines = asyncio.run(measure(1 / 30 if options.quick else options.hours))
    method = __doc__.partition("\n\n")[2].partition("\n\n")[2].strip()
    report("backtest", f"Backtest from the store, {LIFTS:,} lifts", method, lines, keep=not options.quick)
