"""What the check of a device reads from the register, and its command as far as it goes without a broker."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from hoistway.cli.device import Language, app, print_result
from hoistway.errors import BadInput
from hoistway.store import connect_url
from ingest.conformance.findings import Finding, Result
from ingest.conformance.register import facts_of
from tests.support import rows


async def _event(db: Any, device_id: int, lift_id: int, code: str, *, seq: int) -> None:
    await db.execute(
        "insert into event (partition, batch_no, ordinal, received, at, ts, seq, boot, incarnation, device_id, lift_id,"
        " folded, code, active) values (0, 1, 1, $2, $2, 1, $1, 1, 0, $3, $4, 1, $5, true)",
        seq, rows.NOW + timedelta(hours=seq), device_id, lift_id, code,
    )  # fmt: skip


async def test_facts_of_a_terminal_and_of_a_gateway(database_url: str) -> None:
    """Each lift comes with its rated values and the last test call of it, whoever reported it."""
    db = await connect_url(database_url, name="test")
    one, two = await rows.lift(db, rescue_code="310115"), await rows.lift(db, rescue_code="310116", kind="escalator")
    terminal, gateway = await rows.device(db, one, name="t-1"), await rows.device(db, None, name="g-1", shard=9)
    await db.executemany("insert into gateway_lift values ($1, $2)", [(gateway, one), (gateway, two)])
    for seq, code in ((1, "self-test"), (2, "self-test"), (3, "90")):
        await _event(db, terminal, one, code, seq=seq)
    await db.close()
    facts = await facts_of(database_url, "t-1")
    assert (facts.device, facts.shard, facts.gateway) == ("t-1", 7, False)
    (lift,) = facts.lifts
    assert (lift.rescue_code, lift.escalator, lift.rated_speed_m_s, lift.rated_load_kg) == (
        "310115",
        False,
        1.75,
        1_000,
    )
    assert lift.self_test_ms == int((rows.NOW + timedelta(hours=2)).timestamp() * 1_000)
    facts = await facts_of(database_url, "g-1")
    assert (facts.shard, facts.gateway) == (9, True)
    assert [(lift.rescue_code, lift.escalator) for lift in facts.lifts] == [("310115", False), ("310116", True)]
    assert facts.lifts[1].self_test_ms is None


async def test_a_device_that_is_not_enrolled_is_said(database_url: str) -> None:
    """The check begins with the register and ends there for a stranger."""
    with pytest.raises(BadInput, match="not enrolled"):
        await facts_of(database_url, "nobody")


async def test_the_command_says_what_it_lacks(database_url: str) -> None:
    """A stranger and an unreadable address end with exit code 2 and one line."""
    arguments = ["check", "--device", "nobody", "--database-url", database_url, "--mqtt-url"]
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "mqtt://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "not enrolled" in result.output
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "http://127.0.0.1:1"])
    assert result.exit_code == 2
    assert "mqtt://" in result.output


def test_the_report_names_rule_evidence_and_place(capsys: pytest.CaptureFixture[str]) -> None:
    """In both languages a finding is its rule, what it saw, and the section of the guide in that language."""
    finding = Finding(
        rule="field-range", subject="speed", times=3, first_ms=1_795_406_400_000,
        evidence={"field": "speed", "value": "1750"},
    )  # fmt: skip
    result = Result(findings=(finding,), unjudged=("no-will",), messages=30, records=31)
    print_result(result, Language.EN)
    said = capsys.readouterr().out
    for part in ("field-range  ×3", "field speed, value 1750", "2026-11-23T04:00:00.000Z", "docs/device-guide.md 4.2"):
        assert part in said
    assert "1 findings in 30 messages with 31 records" in said
    assert "no occasion to judge: no-will" in said
    print_result(result, Language.ZH)
    said = capsys.readouterr().out
    assert "字段超出范围" in said
    assert "docs/device-guide.zh-CN.md 4.2" in said
