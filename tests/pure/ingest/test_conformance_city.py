"""The checker against our own simulated city: devices that keep the contract through outages give no finding."""

from __future__ import annotations

from collections import defaultdict

import pytest

from hoistway import wire
from hoistway.model import Kind
from ingest.conformance.heard import Facts, Heard, LiftFacts, Watch
from ingest.conformance.judge import judge
from simulators.city import make_city
from simulators.scenario import load
from simulators.world import play
from tests.support.firmware import T0


@pytest.mark.parametrize("name", ["quiet-hour", "link-loss", "entrapment-with-rescue", "reversing-door"])
def test_the_simulated_city_is_found_right(name: str) -> None:
    """Half an hour of each shipped story, cut lines, power cuts and held doors included, lifts and escalators."""
    story = load(name)
    rows = make_city(lifts=story.lifts, escalators=story.escalators, seed=story.seed)
    heard: dict[str, list[Heard]] = defaultdict(list)
    for at_ms, device, leaf, payload in play(story, rows, start_ms=T0, until_ms=T0 + 1_800_000):
        heard[device].append(Heard(topic=wire.topic(0, device, leaf), payload=payload, at_ms=at_ms))
    assert heard
    for row in rows:
        lift = LiftFacts(
            rescue_code=row.rescue_code,
            escalator=row.kind is Kind.ESCALATOR,
            rated_speed_m_s=row.rated_speed_m_s,
            rated_load_kg=row.rated_load_kg or None,
            self_test_ms=T0,
        )
        facts = Facts(device=row.device, shard=0, gateway=False, enrolled_ms=0, lifts=(lift,))
        told = heard[row.device]
        result = judge(told, facts, Watch(from_ms=T0, to_ms=max(message.at_ms for message in told)))
        assert result.findings == (), row.device
        assert result.records > 30
