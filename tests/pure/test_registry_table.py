"""Files as bytes: encodings, delimiters, quotes, ragged lines. Knows no lifts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoistway.errors import BadInput
from hoistway.registry.table import open_table, records

TEXT = "device,name\nd1,翠苑一区三幢东单元电梯\nd2,城西\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encoding_is_found(encoding: str) -> None:
    """UTF-8 with and without mark, UTF-16 and GB18030 give the same cells."""
    table = open_table(TEXT.encode(encoding), where="f")
    assert table.header == ("device", "name")
    assert [record.cells[1] for record in records(table)] == ["翠苑一区三幢东单元电梯", "城西"]


def test_western_code_page_is_not_taken_for_gb18030() -> None:
    """Bytes of another code page are refused with the byte, not turned into rare Chinese characters."""
    raw = "device,name\nd1,Personenunterführung Süd\nd2,Gänsemarkt\nd3,Straße\n".encode("cp1252")
    with pytest.raises(BadInput, match="neither UTF-8 nor GB18030") as caught:
        open_table(raw, where="f")
    assert "line 2" in caught.value.what
    assert open_table(raw, where="f", encoding="cp1252").lines[1] == "d1,Personenunterführung Süd"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_found(delimiter: str) -> None:
    """The delimiter is the one that cuts the headings into most columns."""
    raw = f'device{delimiter}"name, or so"{delimiter}address\n1{delimiter}2{delimiter}3\n'.encode()
    table = open_table(raw, where="f")
    assert table.header == ("device", "name, or so", "address")
    assert table.delimiter == delimiter


def test_line_numbers_are_those_of_the_file() -> None:
    """Blank lines and line breaks inside quotes do not shift the numbers in the report."""
    raw = b'\na,b\r\n1,2\n\n"3\nthree",4\r5,6\n'
    assert [(record.line, record.cells) for record in records(open_table(raw, where="f"))] == [
        (3, ("1", "2")),
        (5, ("3\nthree", "4")),
        (7, ("5", "6")),
    ]


def test_an_open_quote_costs_one_line() -> None:
    """A quote that is never closed breaks its own line and no other."""
    lines = ["a,b", "1,2", '"3,4', *[f"{n},{n}" for n in range(5, 40)]]
    found = list(records(open_table("\n".join(lines).encode(), where="f")))
    assert [record.line for record in found if record.broken] == [3]
    assert len(found) == len(lines) - 1


def test_an_open_quote_that_meets_another_costs_one_line() -> None:
    """Two lines that a stray quote would glue together are told apart by the number of cells."""
    found = list(records(open_table(b'a,b\n"1,2\n3,"4"\n5,6\n', where="f")))
    assert [(record.line, bool(record.broken)) for record in found] == [(2, True), (3, False), (4, False)]


def test_ragged_lines() -> None:
    """Missing cells are empty and counted, empty extra ones go, filled extra ones break the line."""
    found = list(records(open_table(b"a,b,c\n1\n1,2,3,,\n1,2,3,4\n", where="f")))
    assert found[0].cells == ("1", "", "")
    assert found[0].missing == 2
    assert found[1].cells == ("1", "2", "3")
    assert found[2].broken == "4 cells"


def test_heading_that_is_there_twice() -> None:
    """Two columns of one name are refused with the name."""
    with pytest.raises(BadInput, match="'a' is there twice"):
        open_table(b"a,b,a\n", where="f")


def test_empty_file() -> None:
    """A file without headings says what it should have been."""
    with pytest.raises(BadInput, match="empty file"):
        open_table(b"\n \n", where="f")


@given(st.text(alphabet='ab,"\n\r ;', max_size=200))
def test_every_line_is_accounted_for(body: str) -> None:
    """Whatever the quotes do, records come in order, one at least for each line with something on it that no record covers."""
    table = open_table(b"a,b\n" + body.encode(), where="f", delimiter=",")
    numbers = [record.line for record in records(table)]
    assert numbers == sorted(set(numbers))
    assert all(record.broken or len(record.cells) == 2 for record in records(table))
