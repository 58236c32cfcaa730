"""Whole lines: which are taken, repaired, refused, on our own columns and on extracts of three real registers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from hoistway.errors import BadInput
from hoistway.registry.importer import prepare
from hoistway.registry.mapping import ColumnMapping, read_mapping, shipped, shipped_mapping
from hoistway.registry.report import Report
from hoistway.registry.rows import Entry, Row, RowReader
from hoistway.registry.table import records

DATA = Path(__file__).parents[1] / "data"
TODAY = date(2026, 1, 31)


def read(raw: bytes | str, mapping: ColumnMapping | None = None) -> list[Row]:
    table, mapping = prepare(raw.encode() if isinstance(raw, str) else raw, name="file.csv", mapping=mapping)
    return list(RowReader(table.header, mapping, today=TODAY).read(records(table)))


def one(header: str, line: str) -> Row:
    rows = read(f"{header}\n{line}\n")
    assert len(rows) == 1
    return rows[0]


def counts(rows: list[Row]) -> tuple[int, int, int]:
    report = Report(file="", mapping="", encoding="", delimiter="", exercise=False, dry_run=False)
    for row in rows:
        report.count(row.findings)
    assert report.lines == report.accepted + report.repaired + report.refused == len(rows)
    return report.accepted, report.repaired, report.refused


def entry(row: Row) -> Entry:
    assert row.entry is not None, [str(finding) for finding in row.findings]
    return row.entry


def test_a_clean_line_says_nothing() -> None:
    """A line as the document describes it becomes an entry without findings."""
    row = one(
        "device,kind,rescue_code,register_code,name,lon,lat,floors,rated_speed_m_s,rated_load_kg,urban,installed_on,shard",
        "t-1,lift,310115,31013301002012030001,Lift 1,120.15,30.25,B1|1|2,1.75,1000,true,2012-03-05,7",
    )
    assert row.findings == ()
    got = entry(row)
    assert (got.kind, got.key, got.floors, got.shard) == ("lift", "31013301002012030001", ("B1", "1", "2"), 7)
    assert (got.lon, got.lat, got.crs) == (120.15, 30.25, "WGS-84")


def test_chinese_headings() -> None:
    """A register kept in Chinese, with a unit in the heading, needs no mapping."""
    row = one(
        "救援识别码,设备类型,注册代码,额定速度(m/s),维保单位,维保电话", "310115,自动扶梯,,0.5,安达电梯,0571-88000000"
    )
    got = entry(row)
    assert (got.kind, got.rescue_code, got.rated_speed_m_s, got.firm) == ("escalator", "310115", 0.5, "安达电梯")


def test_an_unusable_value_is_left_out_and_the_lift_stays() -> None:
    """An impossible speed, load, date and floor table cost their cells, not the lift; each is named."""
    row = one("device,kind,rated_speed_m_s,rated_load_kg,installed_on,floors", "t-1,lift,350,2.5,2999,GROUND|1")
    got = entry(row)
    assert (got.rated_speed_m_s, got.rated_load_kg, got.installed_on, got.floors) == (None, None, None, None)
    assert {finding.column for finding in row.findings} == {
        "rated_speed_m_s",
        "rated_load_kg",
        "installed_on",
        "floors",
    }
    assert all(finding.verdict == "repaired" and finding.expected for finding in row.findings)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("device", "not a name"),
        ("kind", "train"),
        ("kind", ""),
        ("rescue_code", "31011"),
        ("register_code", "梯11浙A00001(20)"),
        ("shard", "64"),
        ("gateway", "g/1"),
    ],
)
def test_a_wrong_identity_refuses_the_line(column: str, value: str) -> None:
    """What a lift is found by is never guessed: the line is refused with line, column, reason and expectation."""
    cells = {"device": "t-1", "kind": "lift", "rescue_code": "310115", "register_code": "", "shard": "", "gateway": ""}
    cells[column] = value
    row = one(",".join(cells), ",".join(cells.values()))
    assert row.entry is None
    refused = [finding for finding in row.findings if finding.verdict == "refused"]
    assert [(finding.line, finding.column) for finding in refused] == [(2, column)]
    assert refused[0].why
    assert refused[0].expected


def test_nothing_identifies_the_lift() -> None:
    """A line without code and device is refused."""
    assert one("device,kind,name", ",lift,Lift 1").entry is None


def test_a_lift_without_a_terminal() -> None:
    """A lift that has a code but no device can be registered: nothing publishes for it yet."""
    assert entry(one("rescue_code,kind", "310115,lift")).device is None


@pytest.mark.parametrize("column", ["device", "rescue_code", "register_code"])
def test_doubles_name_the_first_line(column: str) -> None:
    """The second line with a code or device is refused and names the first; a refused line takes nothing."""
    value = {"device": "t-1", "rescue_code": "310115", "register_code": "31013301002012030001"}[column]
    bad = {"device": "train", "rescue_code": "train", "register_code": "train"}[column]
    rows = read(f"{column},kind\n{value},{bad}\n{value},lift\n{value},lift\n")
    assert [row.entry is not None for row in rows] == [False, True, False]
    assert "already on line 3" in rows[2].findings[0].why


def test_gcj_02_is_stored_as_wgs_84() -> None:
    """Coordinates in the shifted system are shifted back; the entry remembers what the source said."""
    got = entry(one("device,kind,lon,lat,crs", "t-1,lift,121.478223,31.228458,GCJ-02"))
    assert got.lon == pytest.approx(121.4737, abs=2e-6)
    assert got.lat == pytest.approx(31.2304, abs=2e-6)
    assert got.crs == "GCJ-02"


def test_swapped_coordinates() -> None:
    """Latitude 120 is put right and said."""
    row = one("device,kind,lon,lat", "t-1,lift,30.25,120.15")
    assert (entry(row).lon, entry(row).lat) == (120.15, 30.25)
    assert "swapped" in row.findings[0].why


@pytest.mark.parametrize(
    "line", ["120.15,,WGS-84", "120.15,30.25,BD-09", "0,0,WGS-84", "200,100,WGS-84", "north,30.25,WGS-84"]
)
def test_unusable_coordinates_are_left_out_together(line: str) -> None:
    """Half a pair, an unknown system, nowhere and off the globe: no coordinates rather than wrong ones."""
    row = one("lon,lat,crs,device,kind", f"{line},t-1,lift")
    assert (entry(row).lon, entry(row).lat, entry(row).crs) == (None, None, None)
    assert row.findings


def test_gateway_needs_a_rescue_code_and_its_own_name() -> None:
    """A gateway's records name their lift by rescue code; a terminal cannot be a gateway too."""
    rows = read(
        "device,rescue_code,kind,gateway\nt-1,310115,lift,g-1\n,310116,lift,g-1\nt-3,,lift,g-1\ng-1,310117,lift,\n"
        "t-5,310118,lift,t-5\n,310119,lift,t-1\n"
    )
    assert [row.entry is not None for row in rows] == [True, True, False, False, False, False]


def test_a_broken_line_disturbs_nobody() -> None:
    """Between good lines an open quote and too many cells cost only themselves."""
    rows = read('device,kind,name\na,lift,x\nb,lift,"open\nc,lift,y\nd,lift,y,z\ne,lift,z\n')
    assert [(row.line, row.entry is not None) for row in rows] == [
        (2, True),
        (3, False),
        (4, True),
        (5, False),
        (6, True),
    ]


def test_group_heading_is_not_carried_over_a_broken_line() -> None:
    """A heading given on a line that cannot be read is unknown for its group, not that of the group before."""
    mapping = read_mapping(
        'title = "t"\n[constants]\nkind = "lift"\n[columns]\ndevice = "d"\nestate = { from = "e", fill = "down" }\n',
        name="m",
    )
    rows = read("e,d\nEast,1\n,2\nWest,3,x\n,4\nNorth,5\n", mapping)
    assert [row.entry.estate if row.entry else None for row in rows] == ["East", "East", None, "", "North"]


def test_shipped_mappings() -> None:
    """Every mapping that comes with the program can be read."""
    assert shipped() == ("db-2018", "fasta", "nyc")
    assert all(shipped_mapping(name).columns for name in shipped())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("title =", "not TOML"),
        ('title = "t"\n', "no `columns`"),
        ('title = "t"\ncolour = "red"\n[columns]\n', "unknown key 'colour'"),
        ('title = "t"\n[columns]\nheight = "h"\n', "'height' is no column of ours"),
        ('title = "t"\n[columns]\nname = { form = "n" }\n', "expected"),
        ('title = "t"\n[columns]\nrated_speed_m_s = { from = "v", unit = "knots" }\n', "unit 'knots'"),
        ('title = "t"\nregion = [1, 2]\n[columns]\n', "region"),
        ('title = "t"\n[constants]\nkind = "lift"\n[columns]\nkind = "k"\n', "a column and a constant"),
    ],
)
def test_a_wrong_mapping_names_the_key(text: str, what: str) -> None:
    """A mistake in a mapping file says which key and what was expected."""
    with pytest.raises(BadInput) as caught:
        read_mapping(text, name="m.toml")
    assert what in str(caught.value)
    assert "m.toml" in caught.value.where


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        ("kind,name\n", "identifies"),
        ("device,name\n", "no column `kind`"),
        ("device,终端,kind\n", "both mean device"),
    ],
)
def test_a_file_that_is_no_register(raw: str, what: str) -> None:
    """A file without a key or a kind is refused as a whole, with what was expected."""
    with pytest.raises(BadInput, match=what):
        read(raw)


def test_a_mapping_for_another_file() -> None:
    """A mapping that names a column the file has not got says which."""
    with pytest.raises(BadInput, match="no column 'device_number'"):
        read("device,kind\n", shipped_mapping("nyc"))


def test_new_york() -> None:
    """Of ten rows of New York's register five keep a gap where speed or load cannot be; the rest are clean."""
    rows = read((DATA / "nyc_elevators.csv").read_bytes(), shipped_mapping("nyc"))
    assert counts(rows) == (5, 5, 0)
    by_device = {entry(row).device: entry(row) for row in rows}
    assert by_device["nyc-1P10065"].rated_speed_m_s == 1.016
    assert by_device["nyc-1P10065"].rated_load_kg == 1133.9809
    assert by_device["nyc-3P8048"].rated_speed_m_s == 10.16
    assert [by_device[name].rated_speed_m_s for name in ("nyc-1P1536", "nyc-1P28332", "nyc-1P42809")] == [None] * 3
    assert [by_device[name].rated_load_kg for name in ("nyc-1P103", "nyc-4P11261", "nyc-1P41783")] == [None] * 3


def test_deutsche_bahn() -> None:
    """Decimal commas, group headings, swapped coordinates, 42 m/s and the year 2999 in eleven rows."""
    rows = read((DATA / "db_elevators_tech.csv").read_bytes(), shipped_mapping("db-2018"))
    assert counts(rows) == (5, 6, 0)
    by_device = {entry(row).device: entry(row) for row in rows}
    assert [by_device[f"db-103479{n}"].estate for n in (15, 65, 66)] == ["Ahrensburg"] * 3
    first, swapped = by_device["db-10347915"], by_device["db-10571155"]
    assert (first.lon, first.lat, first.rated_speed_m_s, first.rated_load_kg) == (10.236206, 53.6693799, 1.0, 1050.0)
    assert (swapped.lon, swapped.lat) == (8.1902431, 48.7893883)
    assert by_device["db-10018614"].rated_speed_m_s is None
    assert by_device["db-10591852"].installed_on is None
    assert first.installed_on == date(2007, 1, 1)


def test_station_facilities() -> None:
    """Lifts and escalators, with and without coordinates, are all clean."""
    rows = read((DATA / "fasta_facilities.csv").read_bytes(), shipped_mapping("fasta"))
    assert counts(rows) == (7, 0, 0)
    assert sorted(entry(row).kind for row in rows) == ["escalator"] * 2 + ["lift"] * 5
    assert [entry(row).device for row in rows if entry(row).lon is None] == ["db-10014096"]
