"""The operator state of an alarm as a table."""

from __future__ import annotations

import itertools

import pytest

from hoistway.errors import IllegalMove
from hoistway.lifecycle import ALARM_MOVES, Mover, next_operator_state
from hoistway.model import OperatorState


def test_a_person_makes_the_moves_of_the_table_and_no_others() -> None:
    """From every state every word is either in the table, or illegal with what is allowed."""
    names = {move.name for move in ALARM_MOVES}
    for state, name in itertools.product(OperatorState, names):
        legal = [move for move in ALARM_MOVES if move.name == name and state in move.source]
        if legal and legal[0].mover is Mover.PERSON:
            assert next_operator_state(state, name) is legal[0].target
        else:
            with pytest.raises(IllegalMove):
                next_operator_state(state, name)


def test_time_and_equipment_only_ever_make_an_alarm_ask_again() -> None:
    """Nothing but a person acknowledges or silences; and from every quiet state there is a way back for the equipment."""
    others = [move for move in ALARM_MOVES if move.mover is not Mover.PERSON]
    assert {move.target for move in others} == {OperatorState.UNACKNOWLEDGED}
    loud = set().union(*(move.source for move in others if move.mover is Mover.EQUIPMENT))
    assert loud == set(OperatorState) - {OperatorState.UNACKNOWLEDGED}
