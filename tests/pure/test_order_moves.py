"""The table of an order's moves: who may make which, from where."""

from __future__ import annotations

import itertools

import pytest

from hoistway.errors import IllegalMove
from hoistway.lifecycle import LIVE, ORDER_MOVE, ORDER_MOVES, OrderState, allowed_order_moves, next_order_state
from hoistway.model import Role


def test_every_pair_that_the_table_lacks_is_refused() -> None:
    """Over every state, move and role: the table's target, or an error that names what is allowed."""
    for state, name, role in itertools.product(OrderState, ORDER_MOVE, Role):
        allowed = {move.name: move.target for move in allowed_order_moves(state, role)}
        if name in allowed:
            assert next_order_state(state, name, role) is allowed[name]
        else:
            with pytest.raises(IllegalMove, match="dispatch order"):
                next_order_state(state, name, role)


def test_an_order_that_is_over_stays_over() -> None:
    """No move leaves an end, and every live order can end."""
    assert {state for move in ORDER_MOVES for state in move.source} == LIVE
    assert all(any(move.target not in LIVE for move in ORDER_MOVES if state in move.source) for state in LIVE)


def test_only_the_desk_stands_down_and_no_one_but_crew_and_desk_moves() -> None:
    """A firm may refuse and fail with a reason; calling back is the desk's."""
    assert Role.MAINTAINER not in ORDER_MOVE["stand_down"].roles
    assert {move.name for move in ORDER_MOVES if move.reason} == {"refuse", "fail", "stand_down"}
    for role in (Role.AUDITOR, Role.TESTER, Role.PROPERTY):
        assert allowed_order_moves(OrderState.SENT, role) == ()
