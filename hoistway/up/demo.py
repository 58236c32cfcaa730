"""The demo city: made up once per state folder, imported like any register, every lift and unit of it marked as exercise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from hoistway.store import connect_url
from hoistway.up.state import State

LIFTS_PER_ESCALATOR: Final = 15
_TEAMS: Final = """
insert into unit (name, kind, firm_id, crews, round_the_clock, exercise)
select f.name || ' 值班班组', 'team', f.id, 2, true, true
from firm f where exists (select 1 from lift l where l.firm_id = f.id and l.exercise)
on conflict (name) do nothing"""
_STATIONS: Final = """
insert into unit (name, kind, lon, lat, crews, round_the_clock, exercise)
select distinct on (district) district || ' 救援站', 'station', lon, lat, 2, true, true
from lift where exercise and lon is not null and district <> '' order by district, id
on conflict (name) do nothing"""


async def staff(connection: Any) -> None:
    """A team for each firm of the exercise and a station for each district, on duty round the clock."""
    await connection.execute(_TEAMS)
    await connection.execute(_STATIONS)


async def prepare_demo(database_url: str, state: State, *, lifts: int, seed: int) -> None:
    """Write `demo/lifts.csv` and import it; nothing is done again for a city that is there already."""
    from hoistway.registry import import_bytes
    from simulators.city import make_city, write_csv

    demo = state.home / "demo"
    wanted = {"lifts": lifts, "escalators": max(1, lifts // LIFTS_PER_ESCALATOR), "seed": seed}
    made = demo / "city.json"
    if made.exists() and json.loads(made.read_text()) == wanted:
        return
    path = demo / "lifts.csv"
    write_csv(make_city(lifts=wanted["lifts"], escalators=wanted["escalators"], seed=seed), path)
    connection = await connect_url(database_url, name="hoistway-demo", patience_s=5, command_timeout_s=60)
    try:
        await import_bytes(connection, path.read_bytes(), name=path.name, today=datetime.now(UTC).date(), exercise=True)
        await staff(connection)
    finally:
        await connection.close()
    made.write_text(json.dumps(wanted))
