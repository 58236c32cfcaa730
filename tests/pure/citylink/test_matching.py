"""Two lists of a day: what is the same event, what differs, and that no better matching exists."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.citylink.matching import ENTRIES_OF_A_LIFT, MATCH_S, Comparison, Entry, Reason, compare, pair_up
from hoistway.errors import BadInput

SECONDS = st.lists(st.integers(0, 1_500), max_size=5).map(sorted)


def entry(at_s: int, *, lift: str = "L", code: str = "11", number: str = "", inside: bool = True) -> Entry:
    return Entry(id=number, lift=lift, at_s=at_s, code=code, inside=inside)


def reasons(found: Comparison) -> list[tuple[Reason, ...]]:
    return [one.reasons for one in found.differences]


def best(left: list[int], right: list[int]) -> tuple[int, int]:
    """Every matching tried: the most pairs, then the smallest sum of differences."""
    short, long = sorted((left, right), key=len)
    found = (0, 0)
    for size in range(1, len(short) + 1):
        for some in combinations(short, size):
            for others in permutations(long, size):
                apart = [abs(one - other) for one, other in zip(some, others, strict=True)]
                if max(apart) <= MATCH_S:
                    found = max(found, (size, -sum(apart)))
    return found


@given(SECONDS, SECONDS)
def test_no_matching_is_better(left: list[int], right: list[int]) -> None:
    """As many pairs as any matching has, and no smaller sum; nothing is taken twice, nothing is too far apart."""
    pairs = pair_up(left, right)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    apart = [abs(left[i] - right[j]) for i, j in pairs]
    assert all(one <= MATCH_S for one in apart)
    assert (len(pairs), -sum(apart)) == best(left, right)


@given(SECONDS, SECONDS)
def test_both_sides_find_the_same(left: list[int], right: list[int]) -> None:
    """The platform, which compares the same lists, is left with as many entries without a partner on either side."""

    def alone(found: Comparison) -> tuple[int, int]:
        differences = found.differences
        return sum(one.theirs is None for one in differences), sum(one.ours is None for one in differences)

    ours, theirs = [entry(at) for at in left], [entry(at) for at in right]
    assert alone(compare(ours, theirs)) == alone(compare(theirs, ours))[::-1]


def test_two_entrapments_within_the_window_find_each_their_own() -> None:
    """The nearest first would pair 290 with 300 and leave 0 and 590 without."""
    found = compare([entry(0), entry(290)], [entry(300), entry(590)])
    assert found.agreed == 0
    assert reasons(found) == [(Reason.TIME_DIFFERS,), (Reason.TIME_DIFFERS,)]
    assert [(one.ours and one.ours.at_s, one.theirs and one.theirs.at_s) for one in found.differences] == [
        (0, 300),
        (290, 590),
    ]


@pytest.mark.parametrize(
    ("apart_s", "said"),
    [
        (0, []),
        (60, []),
        (61, [(Reason.TIME_DIFFERS,)]),
        (300, [(Reason.TIME_DIFFERS,)]),
        (301, [(Reason.ONLY_OURS,), (Reason.ONLY_THEIRS,)]),
    ],
)
def test_the_limits(apart_s: int, said: list[tuple[Reason, ...]]) -> None:
    """Within 60 s they agree, within 300 s it is the same event, beyond it is another."""
    assert reasons(compare([entry(1_000)], [entry(1_000 + apart_s)])) == said
    assert len(reasons(compare([entry(1_000)], [entry(1_000 - apart_s)]))) == len(said)


def test_another_lift_is_another_event() -> None:
    """At the same second."""
    found = compare([entry(0, lift="A")], [entry(0, lift="B")])
    assert reasons(found) == [(Reason.ONLY_OURS,), (Reason.ONLY_THEIRS,)]


def test_the_same_kind_is_matched_before_another() -> None:
    """A fault and an entrapment of one lift crosswise in time: each finds its kind."""
    found = compare([entry(0, code="11"), entry(20, code="04")], [entry(5, code="04"), entry(15, code="11")])
    assert (found.agreed, found.differences) == (2, ())


def test_what_is_left_is_matched_whatever_its_kind() -> None:
    """They have it as something else, and two minutes later."""
    found = compare([entry(0, code="11")], [entry(120, code="04")])
    assert reasons(found) == [(Reason.TIME_DIFFERS, Reason.KIND_DIFFERS)]


def test_the_same_twice_on_one_list_is_a_duplicate() -> None:
    """Of either side; a second event a little later is none."""
    assert reasons(compare([entry(0)], [entry(0), entry(30)])) == [(Reason.DUPLICATE,)]
    assert reasons(compare([entry(0), entry(0)], [entry(0)])) == [(Reason.DUPLICATE,)]
    assert reasons(compare([entry(0)], [entry(0), entry(61)])) == [(Reason.ONLY_THEIRS,)]
    assert reasons(compare([], [entry(0), entry(0)])) == [(Reason.ONLY_THEIRS,), (Reason.DUPLICATE,)]


def test_midnight_cuts_no_pair() -> None:
    """Ours before midnight and theirs after it: no difference of either day, and counted on the day of ours."""
    ours, theirs = entry(86_390, number="a"), entry(86_410, number="b")
    first_day = compare([ours], [replace(theirs, inside=False)])
    second_day = compare([replace(ours, inside=False)], [theirs])
    assert (first_day.agreed, first_day.differences) == (1, ())
    assert (second_day.agreed, second_day.differences) == (0, ())


def test_what_is_beside_the_day_is_no_difference() -> None:
    """Alone before midnight: yesterday's list says it."""
    assert compare([entry(0, inside=False)], [entry(9_000, inside=False)]) == Comparison(agreed=0, differences=())


def test_a_list_of_thousands_of_one_lift_is_refused() -> None:
    """It is no list of events."""
    many = [entry(number) for number in range(ENTRIES_OF_A_LIFT + 1)]
    with pytest.raises(BadInput, match="2001 entries of lift L"):
        compare([], many)
