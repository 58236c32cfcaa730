"""What counts as a kill, and what makes a run red."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.chaos.driver import Hit
from tests.chaos.plan import Kill
from tests.chaos.taps import Moment
from tests.chaos.verdict import Verdict, account_for

KILL = Kill(parts=("ingest",), moment=Moment.AFTER_ACK)
KEYS = {("led-0", 1, "event", seq) for seq in (1, 2, 3)}


@pytest.mark.parametrize(
    ("unacked", "in_transaction", "counts"), [(1, False, True), (0, True, True), (0, False, False)]
)
def test_a_kill_with_nothing_to_lose_does_not_count(unacked: int, in_transaction: bool, counts: bool) -> None:
    """Records un-acknowledged or a transaction open: one of them is enough, none is not."""
    hit = Hit(kill=KILL, unacked=unacked, in_transaction=in_transaction, back_s=1.0)
    assert hit.counts is counts


def books(**changes: object) -> Verdict:
    """The account of a run in which all is well, but for `changes`."""
    well: dict[str, Any] = {
        "sent": KEYS, "acked": KEYS, "forgotten": set(), "rows": sorted(KEYS), "trapped": {"led-0"},
        "cases": Counter({"led-0": 1}), "hit": set(Moment),
    }  # fmt: skip
    return account_for(**well | changes)


def test_a_run_in_which_all_is_well_is_green() -> None:
    """Sent, acknowledged and stored agree, each entrapment is one case, each moment was hit."""
    assert books().clean


ONE = ("led-0", 1, "event", 3)


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("lost", {"rows": sorted(KEYS - {ONE})}),
        ("missing", {"rows": sorted(KEYS - {ONE}), "acked": KEYS - {ONE}}),
        ("foreign", {"sent": KEYS - {ONE}, "acked": KEYS - {ONE}}),
        ("doubled", {"rows": [*sorted(KEYS), ONE]}),
        ("cases", {"cases": Counter()}),
        ("cases", {"cases": Counter({"led-0": 2})}),
        ("cases", {"cases": Counter({"led-0": 1, "led-1": 1})}),
        ("not_hit", {"hit": set(Moment) - {Moment.BEFORE_ACK}}),
    ],
)
def test_each_wrong_alone_makes_a_run_red(what: str, changes: dict[str, object]) -> None:
    """A lost, unstored, foreign or doubled record, a wrong number of cases, a moment that no kill hit."""
    verdict = books(**changes)
    assert getattr(verdict, what)
    assert not verdict.clean


def test_what_a_terminal_forgot_at_its_restart_may_be_stored_or_not() -> None:
    """Un-acknowledged records of a terminal that lost its power are nobody's promise; acknowledged ones still are."""
    unsaid = {"rows": sorted(KEYS - {ONE}), "forgotten": {ONE}}
    assert books(**unsaid, acked=KEYS - {ONE}).clean
    assert not books(**unsaid).clean
