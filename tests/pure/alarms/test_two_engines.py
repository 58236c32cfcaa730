"""The fast engine and the slow one say the same, however the stream is cut."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alarms import evaluation, fold
from tests.pure.alarms.made_up_rules import rule_texts, rules_of
from tests.pure.alarms.streams import Stream, fast, slow, streams

EXAMPLES = 5_000 if os.environ.get("HOISTWAY_LONG") else 150
_HEALTH = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


def _some(data: st.DataObject, stream: Stream, label: str) -> set[int]:
    return data.draw(st.sets(st.sampled_from(range(len(stream.records)))), label=label)


def compare(text: str, stream: Stream, data: st.DataObject) -> None:
    """One batch, one record a batch with every tick, and a random cut all give what the slow engine gives, in rounds and lift by lift."""
    rules = rules_of(text)
    expected = slow(rules, stream)
    everywhere = set(range(len(stream.records)))
    cuts, ticks, restarts = (_some(data, stream, name) for name in ("cuts", "ticks", "restarts"))
    with pytest.MonkeyPatch.context() as patch:
        alone = data.draw(st.sampled_from((fold.ALONE, 0, 10**6)), label="alone")
        patch.setattr(fold, "ALONE", alone)
        patch.setattr(fold, "FEW", fold.FEW if alone == 10**6 else 0)  # or the rounds would never be asked here
        if data.draw(st.booleans(), label="as if batches were large"):
            patch.setattr(evaluation, "GLANCE_FROM", 1)
            patch.setattr(evaluation, "GLANCE_BUSY", 0)
        assert fast(rules, stream, cuts=set(), ticks=set(), restarts=set()) == expected
        assert fast(rules, stream, cuts=everywhere, ticks=everywhere, restarts=set()) == expected
        assert fast(rules, stream, cuts=cuts, ticks=ticks, restarts=restarts) == expected


@pytest.mark.timeout(3_600 if os.environ.get("HOISTWAY_LONG") else 120)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=_HEALTH)
@given(text=rule_texts(), stream=streams(), data=st.data())
def test_same_alarms_for_any_cut(text: str, stream: Stream, data: Any) -> None:
    """Batches cut anywhere, ticks in between and restarts at any boundary change no alarm, and both engines agree."""
    compare(text, stream, data)
