"""The chain of a case's log: whatever is changed, missing or out of order is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dispatch.chain import FIRST, Head, LogLine, check_case, hash_of, root_of, text_of


def chain(length: int = 5) -> list[LogLine]:
    lines, before = [], FIRST
    for seq in range(1, length + 1):
        line = LogLine(
            case_id=3, seq=seq, kind="commented", at_us=seq, recorded_us=seq, person="王磊" if seq % 2 else None,
            role=None, reason=f"第{seq}句", before="{}", after='{"a": 1}', hash=b"",
        )  # fmt: skip
        before = hash_of(line, before)
        lines.append(replace(line, hash=before))
    return lines


def test_an_untouched_chain_is_whole() -> None:
    """Every place has its hash and nothing is wrong."""
    hashes, trouble = check_case(chain())
    assert (sorted(hashes), trouble) == ([1, 2, 3, 4, 5], None)


@pytest.mark.parametrize(
    "change",
    [{"kind": "release"}, {"person": "x"}, {"person": None}, {"reason": "x"}, {"after": "{}"}, {"at_us": 9}, {"recorded_us": 9}, {"role": ""}],
)  # fmt: skip
def test_a_changed_field_is_found(change: dict[str, object]) -> None:
    """Of any line, also of the last, also when missing became empty."""
    for place in range(5):
        lines = chain()
        if all(getattr(lines[place], name) == value for name, value in change.items()):
            continue
        lines[place] = replace(lines[place], **change)  # type: ignore[arg-type]
        assert check_case(lines)[1] == f"line {place + 1} ({lines[place].kind}) is not what was written"


def test_a_missing_or_moved_line_is_found() -> None:
    """A hole, two lines in each other's place, and a line of another hand in between."""
    lines = chain()
    assert "line 3 is missing" in str(check_case(lines[:2] + lines[3:])[1])
    swapped = [replace(lines[1], seq=1), replace(lines[0], seq=2), *lines[2:]]
    assert check_case(swapped)[1] is not None


def test_a_rewritten_tail_differs_from_its_seal() -> None:
    """Who writes the chain anew from a line on changes every later head, and so the root."""
    honest = root_of(FIRST, [Head(case_id=3, seq=5, hash=chain()[-1].hash)])
    forged = root_of(FIRST, [Head(case_id=3, seq=5, hash=chain(4)[-1].hash)])
    assert honest != forged
    assert root_of(honest, []) != honest


def test_fields_cannot_slide_into_each_other() -> None:
    """Lengths part the fields: no two lists of fields have one text."""
    assert text_of(["ab", "c"]) != text_of(["a", "bc"])
    assert text_of([None]) != text_of(["-"])
    assert text_of(["困人"]) == "6:困人"
