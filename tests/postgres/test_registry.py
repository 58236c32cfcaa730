"""The import against a real register: insert, update, refuse, undo; and the `hoistway lifts` commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from hoistway.cli.lifts import app
from hoistway.registry import Report, import_bytes, shard_of, shipped_mapping
from hoistway.registry import importer as importer_module
from hoistway.store import connect_url

DATA = Path(__file__).parents[1] / "data"
TODAY = date(2026, 1, 31)
HEADER = (
    "device,kind,rescue_code,register_code,name,estate,lon,lat,crs,floors,rated_speed_m_s,rated_load_kg,firm,"
    "firm_phone,urban,installed_on,shard,gateway"
)
FULL = (
    "t-1,lift,310115,31013301002012030001,Lift 1,翠苑一区,121.478223,31.228458,GCJ-02,B1|1|2,1.75,1000,安达电梯,"
    "0571-88000000,true,2012-03-05,7,"
)


@pytest_asyncio.fixture
async def register(database_url: str) -> AsyncIterator[Any]:
    """An empty register."""
    connection = await connect_url(database_url, name="test-registry")
    await connection.execute("truncate lift, device, gateway_lift, firm restart identity cascade")
    yield connection
    await connection.close()


async def load(register: Any, *lines: str, header: str = HEADER, **options: Any) -> Report:
    raw = "\n".join((header, *lines)).encode()
    report = await import_bytes(register, raw, name="file.csv", today=TODAY, **options)
    assert report.lines == report.accepted + report.repaired + report.refused
    assert report.lines - report.refused == report.inserted + report.updated + report.unchanged
    return report


async def test_every_field_arrives(register: Any) -> None:
    """A full line is in the register field by field, with its terminal on the given shard."""
    report = await load(register, FULL)
    assert (report.accepted, report.inserted) == (1, 1)
    row = dict(await register.fetchrow("select lift.*, firm.name as firm from lift join firm on firm.id = firm_id"))
    assert row["floors"] == ["B1", "1", "2"]
    assert (row["rescue_code"], row["register_code"], row["crs"]) == ("310115", "31013301002012030001", "GCJ-02")
    assert (row["lon"], row["lat"]) == (pytest.approx(121.4737, abs=2e-6), pytest.approx(31.2304, abs=2e-6))
    assert (row["rated_speed_m_s"], row["rated_load_kg"], row["installed_on"]) == (1.75, 1000, date(2012, 3, 5))
    assert (row["firm"], row["estate"], row["urban"], row["exercise"]) == ("安达电梯", "翠苑一区", True, False)
    device = await register.fetchrow("select device, shard, lift_id from device")
    assert tuple(device) == ("t-1", 7, row["id"])


async def test_the_second_import_updates(register: Any) -> None:
    """The same file changes nothing; another value updates the same lift; an empty cell erases nothing."""
    await load(register, FULL)
    assert (await load(register, FULL)).unchanged == 1
    report = await load(
        register, ",lift,,31013301002012030001,New name,,,,,,,1050,,,,,,", ",lift,310116,,,,,,,,,,,,,,,"
    )
    assert (report.inserted, report.updated) == (1, 1)
    row = await register.fetchrow(
        "select name, estate, rated_speed_m_s, rated_load_kg, rescue_code from lift where id = 1"
    )
    assert tuple(row) == ("New name", "翠苑一区", 1.75, 1050, "310115")
    assert await register.fetchval("select count(*) from lift") == 2
    assert await register.fetchval("select name from lift where rescue_code = '310116'") == "310116"


async def test_refused_lines_do_not_block_the_others(register: Any) -> None:
    """Between good lines a double, a wrong code, a taken device and a broken line are refused, each with its line."""
    await load(register, FULL)
    report = await load(
        register,
        "t-2,lift,310201,,,,,,,,,,,,,,,",
        "t-2,lift,310202,,,,,,,,,,,,,,,",
        "t-3,lift,31020,,,,,,,,,,,,,,,",
        "t-1,lift,310203,,,,,,,,,,,,,,,",
        't-4,lift,310204,,"open,,,,,,,,,,,,,',
        "t-5,lift,310205,,,,,,,,,,,,,,,",
    )
    assert (report.inserted, report.refused) == (2, 4)
    assert [finding.line for finding in report.findings if finding.verdict == "refused"] == [3, 4, 5, 6]
    devices = await register.fetch("select device from device order by device")
    assert [row["device"] for row in devices] == ["t-1", "t-2", "t-5"]


async def test_what_only_the_database_refuses_costs_one_line(register: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a check of the database fails in the middle of a chunk, the lines around it still go in."""
    good = importer_module._as_json

    def spoil(entry: Any, lift_id: int, *, new: bool = False) -> dict[str, Any]:
        given = good(entry, lift_id, new=new)
        return {**given, "rated_speed_m_s": 99} if entry.line == 6 else given

    monkeypatch.setattr(importer_module, "_as_json", spoil)
    report = await load(register, *(f"t-{n},lift,3102{n:02},,,,,,,,,,,,,,," for n in range(10)))
    assert (report.inserted, report.refused) == (9, 1)
    refused = [finding for finding in report.findings if finding.verdict == "refused"]
    assert [finding.line for finding in refused] == [6]
    assert "the database refused it" in refused[0].why
    assert await register.fetchval("select count(*) from device") == 9


async def test_chunks_follow_each_other(register: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of several chunks gives the same register, and a lift meant twice is found across chunks."""
    monkeypatch.setattr(importer_module, "CHUNK_ROWS", 3)
    lines = [f"t-{n},lift,3102{n:02},,,,,,,,,,安达电梯,,,,,g-1" for n in range(10)]
    first = await load(register, *lines)
    assert (first.inserted, len(first.enrolments)) == (10, 20)
    assert await register.fetchval("select count(*) from gateway_lift") == 10
    assert await register.fetchval("select count(*) from firm") == 1
    shards = await register.fetch("select distinct shard from device")
    assert [row["shard"] for row in shards] == [shard_of("g-1")]
    again = await load(register, lines[0], *lines[2:6], "t-1,lift,,,,,,,,,,,,,,,,", ",lift,310201,,,,,,,,,,,,,,,")
    assert (again.unchanged, again.refused) == (6, 1)


async def test_a_dry_run_writes_nothing(register: Any) -> None:
    """The report of a dry run is that of the import; the register is as before."""
    report = await load(register, FULL, dry_run=True)
    assert (report.inserted, report.dry_run, report.enrolments[0].prefix) == (1, True, "lift/v1/7/t-1/")
    assert await register.fetchval("select (select count(*) from lift) + (select count(*) from device)") == 0


async def test_exercise_and_real_do_not_mix(register: Any) -> None:
    """A drill file marks its lifts; it cannot touch a real one, nor a real file a drill's."""
    assert (await load(register, FULL, exercise=True)).inserted == 1
    assert await register.fetchval("select exercise from lift")
    assert (await load(register, FULL)).refused == 1
    assert (await load(register, FULL, exercise=True)).unchanged == 1


async def test_an_import_never_deletes(register: Any) -> None:
    """A lift with an open case that the next file no longer holds stays, with its case."""
    await load(register, FULL)
    await register.execute(
        "insert into rescue_case (kind, channel, lift_id, opened_at, exercise)"
        " values ('entrapment', 'S04', 1, now(), false)"
    )
    await load(register, "t-2,lift,310201,,,,,,,,,,,,,,,")
    assert await register.fetchval("select count(*) from lift join rescue_case on lift.id = lift_id where open") == 1


async def test_firm_numbers_are_not_used_up(register: Any) -> None:
    """Importing the same firms again takes no new numbers; a new telephone number is kept."""
    for phone in ("1", "2", "3"):
        await load(register, f"t-1,lift,310201,,,,,,,,,,安达电梯,{phone},,,,")
    await load(register, "t-1,lift,310201,,,,,,,,,,Other,,,,,")
    rows = await register.fetch("select id, name, phone from firm order by id")
    assert [tuple(row) for row in rows] == [(1, "安达电梯", "3"), (2, "Other", None)]


async def test_two_imports_at_once(register: Any, database_url: str) -> None:
    """Two imports of one file at the same time give each lift once: one inserts, the other updates."""
    other = await connect_url(database_url, name="test-registry-2")
    lines = [f"t-{n},lift,3102{n:02},,,,,,,,,,,,,,," for n in range(50)]
    try:
        reports = await asyncio.gather(load(register, *lines), load(other, *lines))
    finally:
        await other.close()
    assert sorted((report.inserted, report.unchanged) for report in reports) == [(0, 50), (50, 0)]


async def test_real_registers_one_after_the_other(register: Any) -> None:
    """Two real tables that share equipment numbers join: the second updates the lifts of the first."""
    totals = []
    for mapping, file in (("db-2018", "db_elevators_tech"), ("fasta", "fasta_facilities"), ("nyc", "nyc_elevators")):
        raw = (DATA / f"{file}.csv").read_bytes()
        report = await import_bytes(register, raw, name=file, today=TODAY, mapping=shipped_mapping(mapping))
        totals.append((report.inserted, report.updated, report.repaired, report.refused))
    assert totals == [(11, 0, 6, 0), (5, 2, 0, 0), (10, 0, 5, 0)]
    joined = await register.fetchrow(
        "select name, estate, rated_speed_m_s from lift join device on lift_id = lift.id where device = 'db-10347915'"
    )
    assert tuple(joined) == ("von Empfangshalle zu Tunnel", "Ahrensburg", 1.0)


async def command(*words: str) -> Any:
    """Run `hoistway lifts ...` beside the test's own loop."""
    return await asyncio.to_thread(CliRunner().invoke, app, list(words), env={"COLUMNS": "200"})


@pytest.mark.usefixtures("register")
async def test_the_commands(database_url: str, tmp_path: Path) -> None:
    """Import prints topic prefixes and writes the report; show prints a sample; refused lines give exit code 1."""
    file, report = tmp_path / "lifts.csv", tmp_path / "report.json"
    file.write_text(f"{HEADER}\n{FULL}\nt-2,lift,31,,,,,,,,,,,,,,,\n", "utf-8")
    done = await command("import", str(file), "--report", str(report), "--database-url", database_url)
    assert done.exit_code == 1, done.output
    assert "lift/v1/7/t-1/" in done.output
    assert "refused: line 3, rescue_code: '31' has 2 digits; expected exactly 6 digits" in done.output
    written = json.loads(report.read_text("utf-8"))
    assert (written["accepted"], written["refused"]) == (1, 1)
    assert written["enrolments"][0]["topic_prefix"] == "lift/v1/7/t-1/"
    for wanted in ("t-1", "310115", "31013301002012030001"):
        shown = await command("show", wanted, "--database-url", database_url)
        assert shown.exit_code == 0, shown.output
        sample = json.loads(shown.output.strip().splitlines()[-1])
        assert (sample["boot"], sample["seq"], sample["car_position"]) == (1, 1, "B1")
    listed = await command("list", "--database-url", database_url)
    assert "310115" in listed.output
    nothing = await command("show", "999999", "--database-url", database_url)
    assert nothing.exit_code == 2


async def test_the_power_feeder_is_read(register: Any) -> None:
    """A feeder column, also under its Chinese heading, is stored; a later file without it leaves it as it is."""
    await load(register, f"{FULL},F-12", header=f"{HEADER},供电线路")
    assert await register.fetchval("select feeder from lift") == "F-12"
    await load(register, FULL)
    assert await register.fetchval("select feeder from lift") == "F-12"
    await load(register, f"{FULL},F-13", header=f"{HEADER},feeder")
    assert await register.fetchval("select feeder from lift") == "F-13"


async def test_a_file_that_cannot_be_read(register: Any, database_url: str, tmp_path: Path) -> None:
    """A missing file, a wrong mapping and a file without headings give exit code 2 and say what was expected."""
    file = tmp_path / "lifts.csv"
    file.write_text("a,b\n1,2\n", "utf-8")
    for words in (
        ("import", str(tmp_path / "none.csv")),
        ("import", str(file), "--mapping", "paris"),
        ("import", str(file)),
    ):
        done = await command(*words, "--database-url", database_url)
        assert done.exit_code == 2
        assert "expected" in done.output
    assert await register.fetchval("select count(*) from lift") == 0
