"""The comparison of the two engines can fail: each seeded fault of the fast engine is found by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alarms import fold, machine, program, signals, snapshot
from alarms.compiled import NEVER, Compiled
from alarms.program import Truth
from alarms.state import State
from tests.pure.alarms.made_up_rules import rule_texts
from tests.pure.alarms.streams import Stream, streams
from tests.pure.alarms.test_two_engines import compare

Patch = pytest.MonkeyPatch


def gap_a_millisecond_long(patch: Patch) -> None:
    patch.setattr(machine, "MAX_GAP_MS", machine.MAX_GAP_MS + 1)


def holds_a_millisecond_long(patch: Patch) -> None:
    original = Compiled.__init__

    def init(self: Compiled, *arguments: Any) -> None:
        original(self, *arguments)
        self.for_ms = self.for_ms + 1

    patch.setattr(Compiled, "__init__", init)


def unless_silences_a_rescue(patch: Patch) -> None:
    original = Compiled.__init__

    def init(self: Compiled, *arguments: Any) -> None:
        original(self, *arguments)
        self.loud = np.zeros_like(self.loud)

    patch.setattr(Compiled, "__init__", init)


def values_never_grow_old(patch: Patch) -> None:
    patch.setattr(State, "horizon", lambda _, slots: np.full(len(slots), NEVER))


def event_forgotten_within_a_batch(patch: Patch) -> None:
    def report(state: State, ordered: Any) -> None:
        ordered.reported = state.reported[ordered.slot]

    patch.setattr(fold, "_report", report)


def speed_is_no_witness(patch: Patch) -> None:
    patch.setitem(signals._DERIVED, "moving", lambda rows: np.ascontiguousarray(rows["car_status"]))


def unlike_samples_merged(patch: Patch) -> None:
    def repeats(_: Compiled, ordered: Any, __: Any) -> Any:
        same = ordered.sample & ~ordered.first
        same[1:] &= ordered.sample[:-1]
        return same

    patch.setattr(fold, "_repeats", repeats)


def run_of_samples_does_not_last(patch: Patch) -> None:
    patch.setattr(machine, "extend", lambda *_: None)


def offline_never_clears(patch: Patch) -> None:
    patch.setattr(machine, "hear", lambda *_: None)


def unknown_enumeration_is_false(patch: Patch) -> None:
    original: Callable[..., Any] = program._MAKE["among"]

    def make(term: Any, arguments: list[int]) -> Any:
        step = original(term, arguments)
        return lambda view, done: Truth(step(view, done).true, ~step(view, done).true)

    patch.setitem(program._MAKE, "among", make)


def lost_link_unheeded(patch: Patch) -> None:
    original = Compiled.__init__

    def init(self: Compiled, *arguments: Any) -> None:
        original(self, *arguments)
        self.lost_ms = np.full_like(self.lost_ms, NEVER)

    patch.setattr(Compiled, "__init__", init)


def snapshot_forgets_when_holds_were_true(patch: Patch) -> None:
    original = snapshot.read

    def read(*arguments: Any) -> Any:
        state, now, lapsed = original(*arguments)
        state.true_at[:] = 0
        return state, now, lapsed

    patch.setattr(snapshot, "read", read)


MUTANTS = (
    gap_a_millisecond_long, holds_a_millisecond_long, unless_silences_a_rescue, values_never_grow_old,
    event_forgotten_within_a_batch, speed_is_no_witness, unlike_samples_merged, run_of_samples_does_not_last, offline_never_clears,
    unknown_enumeration_is_false, lost_link_unheeded, snapshot_forgets_when_holds_were_true,
)  # fmt: skip


def _rule(**keys: str) -> str:
    lines = "".join(f"{key.rstrip('_')} = '{value}'\n" for key, value in keys.items())
    return (
        f'[[rule]]\ntitle = {{ zh = "某", en = "x" }}\nkind = "lift"\nseverity = "major"\nsource = "made up"\n{lines}'
    )


SHARP = "\n".join(
    (
        _rule(id="long", when="passenger", for_="120s", clear_for="120s", opens="ticket"),
        _rule(id="shielded", when="not moving", for_="2s", unless="service_mode == inspection", opens="ticket"),
        _rule(id="silent", silent_for="180s", silent_for_link_lost="5s", opens="notice"),
    )
)
"""Rules whose holds live long enough to be hurt."""


def hunt(examples: int) -> None:
    """Compare the engines on always the same examples, the first difference ends it."""

    @settings(
        max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(text=st.sampled_from((SHARP, SHARP, "")) | rule_texts(), stream=streams(12, (0,)), data=st.data())
    def property_of_both(text: str, stream: Stream, data: Any) -> None:
        compare(text, stream, data)

    property_of_both()


def test_the_comparison_passes_without_a_fault() -> None:
    """The hunt finds nothing in the engine as it is."""
    hunt(40)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_comparison_finds_the_fault(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """A fast engine with this fault does not pass the comparison with the slow one."""
    mutant(monkeypatch)
    with pytest.raises(AssertionError, match="Said"):
        hunt(4_000)
