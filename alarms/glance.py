"""A first look at a large batch in which no slot has two records: at which records any `when` is true. The other conditions are worked
out only for the few records that need them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from alarms.compiled import Compiled, Conditions
from alarms.program import Lasted, Recall, Truth, View
from alarms.signals import Bools, Ints
from hoistway.errors import OurFault


class Glance:
    """What the first look found."""

    def __init__(self, rules: Compiled, view: View, escalator: Bools, special: Mapping[int, Ints]) -> None:
        """As `Compiled.evaluate`."""
        self._rules, self._view, self._escalator, self._special = rules, view, escalator, special
        self._answers = _Answers(view.recall)
        self.any_when, self.lasted = rules.glance(replace(view, recall=self._answers), escalator, special)

    def details(self, rows: Ints) -> tuple[Conditions, Ints]:
        """Everything about some records, and where it stands."""
        view = self._view
        part = replace(
            view,
            size=len(rows),
            values={name: column[rows] for name, column in view.values.items()},
            reported=view.reported[rows],
            rated_speed=view.rated_speed[rows] if len(view.rated_speed) else view.rated_speed,
            parameters={name: column[rows] for name, column in view.parameters.items()},
            at=view.at[rows],
            now=view.now[rows],
            floors={name: column[rows] for name, column in view.floors.items()},
            recall=_Some(self._answers, self.lasted, rows),
        )
        special = {place: self._special[row] for place, row in enumerate(rows.tolist()) if row in self._special}
        return self._rules.evaluate(part, self._escalator[rows], special), np.arange(len(rows))


class _Answers:
    """Asks what remembers, and keeps the answers."""

    def __init__(self, recall: Recall | None) -> None:
        self._recall = recall
        self.kept: dict[int, Any] = {}

    def __call__(self, numbers: tuple[int, ...], values: tuple[Any, ...]) -> Sequence[Any]:
        if self._recall is None:
            raise OurFault(f"terms {numbers} without records to remember")
        found = self._recall(numbers, values)
        self.kept.update(zip(numbers, found, strict=True))
        return found

    def lasting(self, true: Bools, false: Bools) -> Lasted:
        if self._recall is None:
            raise OurFault("lasting conditions without records to remember")
        return self._recall.lasting(true, false)


class _Some:
    """The kept answers at some records."""

    def __init__(self, answers: _Answers, lasted: Lasted, rows: Ints) -> None:
        self._answers, self._lasted, self._rows = answers, lasted, rows

    def __call__(self, numbers: tuple[int, ...], values: tuple[Any, ...]) -> Sequence[Any]:
        del values
        return [self._at(self._answers.kept[number]) for number in numbers]

    def _at(self, answer: Any) -> Any:
        if isinstance(answer, Truth):
            return Truth(answer.true[self._rows], answer.false[self._rows])
        return answer[self._rows]

    def lasting(self, true: Bools, false: Bools) -> Lasted:
        del true, false
        return self._lasted[:, self._rows]
