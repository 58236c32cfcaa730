"""`hoistway adapt`: a city engineer tries a foreign file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import hoistway.cli.adapt as adapt_command
from hoistway.cli import app
from hoistway.cli.adapt import rescue_codes
from hoistway.errors import BadInput
from tests.support.foreign import FILES

RUNNER = CliRunner()


def test_records_go_out_and_what_is_wrong_is_said() -> None:
    """One JSON line a record on stdout; the line number of what was left out and the counts on stderr."""
    result = RUNNER.invoke(app, ["adapt", "mx", str(FILES / "mx.jsonl")])
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [row["leaf"] for row in rows].count("event") == 2
    assert {row["record"]["lift"] for row in rows} == {"310115"}
    assert "mx.jsonl:8: D: 3 bytes; expected at least 25" in result.stderr
    assert "6 samples, 2 events, 1 left out" in result.stderr


def test_odd_fields_are_counted(tmp_path: Path) -> None:
    """A field that nobody speaks of is named once, with how often it came; it leaves nothing out."""
    path = tmp_path / "fasta.json"
    facility = {"equipmentnumber": 1, "state": "ACTIVE", "colour": "red"}
    path.write_text(json.dumps([facility, facility], indent=1), "utf-8")
    result = RUNNER.invoke(app, ["adapt", "fasta", str(path), "--received", "2026-11-24T08:00:00Z", "--boot", "7"])
    assert result.exit_code == 0
    assert "colour: extra, 2 times" in result.stderr
    assert [json.loads(line)["record"]["boot"] for line in result.stdout.splitlines()] == [7, 7]


def test_a_list_of_lifts_gives_rescue_codes(tmp_path: Path) -> None:
    """Their name and our code, two columns."""
    lifts, file = tmp_path / "lifts.csv", tmp_path / "fasta.jsonl"
    lifts.write_text("10,310115\n", "utf-8")
    file.write_text('{"equipmentnumber": 10, "state": "ACTIVE"}\n{"equipmentnumber": 11, "state": "ACTIVE"}\n', "utf-8")
    command = ["adapt", "fasta", str(file), "--lifts", str(lifts), "--received", "2026-11-24T08:00:00Z"]
    result = RUNNER.invoke(app, command)
    assert result.exit_code == 1
    assert [json.loads(line)["record"]["lift"] for line in result.stdout.splitlines()] == ["310115"]
    assert "fasta.jsonl:2: lifts: lift '11'" in result.stderr


def test_what_cannot_be_used_at_all_is_exit_code_two(tmp_path: Path) -> None:
    """An unknown format, a missing file, a time without a zone, a list with three columns."""
    lifts = tmp_path / "lifts.csv"
    lifts.write_text("1,2,3\n", "utf-8")
    file = str(FILES / "mx.jsonl")
    for command in (
        ["nothing", file],
        ["mx", str(tmp_path / "none")],
        ["mx", file, "--received", "2026-11-24 08:00"],
        ["mx", file, "--lifts", str(lifts)],
    ):
        assert RUNNER.invoke(app, ["adapt", *command]).exit_code == 2


@pytest.mark.parametrize(
    ("content", "line", "what"),
    [
        (b"a,310115\nb,310116\na,310117\n", 3, "lift 'a'"),
        (b"a,310115\n,310116\n", 2, "name ''"),
        (b"a,\n", 1, "no rescue code"),
        (b"a,31011\n", 1, "5 digits"),
        (b"a,31011x\n", 1, "not a number"),
        ("a,310115\n梯,310116\n".encode("gbk"), 2, "no UTF-8"),
        (b"a,310115\n\n" + b"x" * 140_000 + b",310116\n", 3, "field larger"),
        (b'a,310115\n"b,310116\n', 2, "unexpected end"),
        (b"x" * 65 + b",310115\n", 1, "name"),
    ],
)
def test_a_list_of_lifts_is_right_or_refused(content: bytes, line: int, what: str, tmp_path: Path) -> None:
    """File, line and what is wrong; never a traceback, and never a lift under another's code."""
    lifts = tmp_path / "lifts.csv"
    lifts.write_bytes(content)
    with pytest.raises(BadInput, match=what) as error:
        rescue_codes(lifts)
    assert error.value.where == f"{lifts}:{line}"


def test_a_list_of_lifts_comes_from_a_spreadsheet(tmp_path: Path) -> None:
    """With a byte order mark, blank lines, CRLF and blanks; two names may be one lift's."""
    lifts = tmp_path / "lifts.csv"
    lifts.write_bytes("\N{BYTE ORDER MARK}甲, 310115\r\n\r\nb ,310115\r\n".encode())
    assert rescue_codes(lifts) == {"甲": "310115", "b": "310115"}


def test_a_foreign_field_s_name_steers_no_terminal(tmp_path: Path) -> None:
    """Escapes of a foreign file are shown as what they are: nothing."""
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"equipmentnumber": 1, "state": "ACTIVE", "\x1b]0;owned\x07": 1}) + "\n", "utf-8")
    result = RUNNER.invoke(app, ["adapt", "fasta", str(path), "--received", "2026-11-24T08:00:00Z"])
    assert "\x1b" not in result.output + result.stderr
    assert "]0;owned" in result.stderr


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read at once, so it has a limit."""
    monkeypatch.setattr(adapt_command, "ADAPT_FILE_BYTES", 3)
    path = tmp_path / "x.jsonl"
    path.write_text("[{}]", "utf-8")
    result = RUNNER.invoke(app, ["adapt", "fasta", str(path)])
    assert result.exit_code == 2
    assert "over 3 bytes" in " ".join(result.stderr.split())
