"""Damaged messages against the real store: it never has to refuse what the decoders let through."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from ingest.source import Message
from ingest.tally import Outcome
from tests.support.desk import Desk
from tests.support.feed import message
from tests.support.mutation import payloads

BATCHES = 400 if os.environ.get("HOISTWAY_LONG") else 25


def batches() -> list[list[tuple[str, str, bytes]]]:
    """Device, leaf and payload; drawn beforehand, because the store is asked asynchronously."""
    found: list[list[tuple[str, str, bytes]]] = []
    said = st.sampled_from(("state", "event", "link")).flatmap(
        lambda leaf: st.tuples(st.sampled_from(("damaged-1", "damaged-2")), st.just(leaf), payloads(leaf))
    )

    @settings(max_examples=BATCHES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.lists(said, min_size=5, max_size=30))
    def draw(batch: list[tuple[str, str, bytes]]) -> None:
        found.append(batch)

    draw()
    return found


@pytest.mark.timeout(1_800)
async def test_the_store_takes_all_that_is_accepted_and_keeps_all_that_is_refused(desk: Desk) -> None:
    """Nothing is `refused-by-store`, every message is acknowledged to the broker, and the books add up."""
    for device in ("damaged-1", "damaged-2"):
        await desk.lift(device)
    sent: list[Message] = []
    for batch in batches():
        desk.now += 20_000
        said = [message(leaf, payload, device=device, received=desk.now) for device, leaf, payload in batch]
        desk.source.put(*said)
        await desk.ingest.round()
        sent += said
    assert desk.source.acknowledged == sent
    assert await desk.rows("select detail from quarantine where reason = 'refused-by-store'") == []
    counts = await desk.rows("select * from device_counter")
    assert all(row["received"] == sum(row[outcome] for outcome in Outcome) for row in counts)
    stored = {leaf: sum(row["stored"] for row in counts if row["leaf"] == leaf) for leaf in ("state", "event", "link")}
    assert stored["state"] == await desk.database.fetchval("select count(*) from sample")
    assert stored["event"] == await desk.database.fetchval("select count(*) from event")
    assert stored["link"] == await desk.database.fetchval("select count(*) from contact")
    assert all(stored.values())
