"""Cases from the test suites of Phoebus, BACnet, Prometheus, Siddhi, ThingsBoard and Alerta: ours says the same, or a reason stands here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pure.alarms.peer_desk import KINDS

FILE = Path(__file__).parents[2] / "data" / "peer_alarm_cases.jsonl"
CASES = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()]

DIFFERENT: dict[str, tuple[str, list[Any]]] = {
    "pho-13": (
        "a lost link is an alarm of its own (offline), never a severity; no alarm acknowledges itself, a person shelves it; severity never falls",
        [[0, "raise MINOR", "notify"], [1, "raise INVALID", "notify"], [2, "INVALID", "silent"]],
    ),
}
"""Where hoistway decides otherwise: why, and what it says instead."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_same_as_the_other_system(case: dict[str, Any]) -> None:
    """The case's input under our rule gives what its own system expects, or what the written reason says."""
    _, expected = DIFFERENT.get(case["id"], ("", case["expect"]))
    assert KINDS[case["rule"]["kind"]](case) == expected


def test_every_reason_belongs_to_a_case() -> None:
    """A case that we decide otherwise is in the file, and our answer is not theirs."""
    cases = {case["id"]: case for case in CASES}
    for name, (reason, ours) in DIFFERENT.items():
        assert len(reason) > 40
        assert ours != cases[name]["expect"]
