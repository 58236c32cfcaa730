"""The table of shipped rules with a hold: what makes each true, false and unknown, what clears it, what inspection does to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest

from hoistway.model import Kind
from tests.pure.alarms.story import BOTTOM, TOP, Story

Changes = Mapping[str, Any]

OPEN_AT_LANDING: Changes = {"door_zone": 1, "door_closed": 0, "door_status": 4, "passenger": 1}
OPEN: Changes = {"door_closed": 0, "door_status": 4}
RUN: Changes = {"car_status": 1, "speed": 1.0, "door_zone": 0}


class Inspection(Enum):
    """What inspection does to the alarm."""

    NOTICE = "raised as a notice, promoted when it ends"
    WAITS = "not raised before it ends"
    ENDS = "the hold begins when it ends"
    NONE = "nothing"
    OWN = "the rule is about the mode itself"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A rule with a hold."""

    rule: str
    limit: float  # seconds
    true: Changes  # of the quiet unit
    unknown: Changes | None  # None: what the rule looks at is never unknown
    clear: Changes = field(default_factory=dict)
    clear_for: float = 0  # seconds
    keeps: Changes | None = None  # below the limit, and yet not cleared
    inspection: Inspection = Inspection.WAITS
    kind: Kind = Kind.LIFT
    before: Changes | None = None  # the sample before the first true one

    def story(self) -> Story:
        return Story(kind=self.kind)

    def begin(self, story: Story, at: float, **changes: Any) -> None:
        """The condition becomes true at this second."""
        if self.before is not None:
            story.sample(at - 0.001, **{**self.before, **changes})
        story.sample(at, **{**self.true, **changes})

    def hold(self, story: Story, first: float, last: float, **changes: Any) -> None:
        """The condition is true from `first` on; samples up to `last`, the last one exactly there."""
        self.begin(story, first, **changes)
        step = next((every for every in (30.0, 5.0, 0.5, 0.25) if last - first > every), 0.1)
        story.samples(first + step, last - 0.001, step, **{**self.true, **changes})
        if last > first:
            story.sample(last, **{**self.true, **changes})


def _entrapment(rule: str, limit: float, true: Changes, unknown: Changes) -> Fault:
    return Fault(
        rule=rule,
        limit=limit,
        true=true,
        unknown=unknown,
        clear=OPEN_AT_LANDING,
        clear_for=2,
        inspection=Inspection.NOTICE,
    )


AJAR: Changes = {"door_zone": 0, "door_closed": 0, "door_status": 6}
ENTRAPMENTS = (
    _entrapment("entrapment-between-floors", 20, {"passenger": 1, "door_zone": 0}, {"passenger": -1, "door_zone": 0}),
    _entrapment("entrapment-at-landing", 60, {"passenger": 1}, {"passenger": -1}),
    _entrapment("entrapment-door-ajar", 45, {**AJAR, "passenger": 1}, {**AJAR, "passenger": -1}),
    _entrapment("entrapment-possible", 45, {"passenger": -1, "door_zone": 0}, {"passenger": -1, "door_zone": -1}),
)

DOORS = (
    Fault(rule="door-open-while-running", limit=2, true={**RUN, **OPEN}, unknown={**RUN, "door_closed": 1, "door_status": 4},
          clear_for=5),
    Fault(rule="landing-door-open", limit=5, true={"landing_door_locked": 0, "door_zone": 0, "passenger": 0},
          unknown={"door_zone": 0}, clear={"landing_door_locked": 1}, clear_for=5),
    Fault(rule="door-held-open", limit=300, true=OPEN, unknown={"door_closed": -1, "door_status": 0}, clear_for=2,
          inspection=Inspection.ENDS),
)  # fmt: skip

_AT_TOP: Changes = {"car_position": TOP, "car_direction": 1, "door_zone": 0}
_AT_BOTTOM: Changes = {"car_position": BOTTOM, "car_direction": 2, "door_zone": 0}
MACHINE = (
    Fault(rule="stopped-outside-zone", limit=45, true={"door_zone": 0}, unknown={"door_zone": 0, "speed": 1.0}, clear_for=2),
    Fault(rule="unintended-movement", limit=1, true={**RUN, **OPEN}, unknown={**RUN, **OPEN, "door_zone": -1}, clear_for=5,
          before=OPEN),
    Fault(rule="overspeed", limit=1, true={**RUN, "speed": -2.2}, unknown={**RUN, "speed": float("nan")}, clear_for=10,
          inspection=Inspection.NONE),
    Fault(rule="top-overtravel", limit=20, true=_AT_TOP, unknown={**_AT_TOP, "car_position": -1}, clear_for=2,
          keeps={"door_zone": 0, "car_direction": 0, "car_position": TOP}),
    Fault(rule="bottom-overtravel", limit=20, true=_AT_BOTTOM, unknown={**_AT_BOTTOM, "car_direction": -1}, clear_for=2,
          keeps={"door_zone": 0, "car_direction": 0, "car_position": BOTTOM}),
    Fault(rule="run-time-limit", limit=600, true=RUN, unknown={**RUN, "speed": 0.0}, clear_for=2),
    Fault(rule="running-against-brake", limit=5, true={**RUN, "brake": 0}, unknown=RUN, clear_for=5),
    Fault(rule="machine-room-temperature", limit=600, true={"temperature": 40.5}, unknown={"temperature": float("nan")},
          clear={"temperature": 36.9}, clear_for=300, keeps={"temperature": 37.0}, inspection=Inspection.NONE),
    Fault(rule="car-light-out", limit=10, true={"light": 0, "passenger": 1}, unknown={"passenger": 1}, clear={"light": 1},
          keeps={"light": 0}, inspection=Inspection.ENDS),
)  # fmt: skip


def _mode(rule: str, limit: float, mode: int, clear_for: float, kind: Kind = Kind.LIFT) -> Fault:
    return Fault(
        rule=rule, limit=limit, true={"service_mode": mode}, unknown={"service_mode": 7}, clear_for=clear_for,
        inspection=Inspection.OWN, kind=kind,
    )  # fmt: skip


MODES = (
    _mode("fire-return", 3, 3, 3),
    _mode("firefighter-operation", 3, 4, 3),
    _mode("emergency-power-operation", 3, 5, 3),
    _mode("earthquake-mode", 3, 6, 3),
    _mode("inspection-left-on", 8 * 3_600, 2, 60),
    _mode("out-of-service-long", 24 * 3_600, 0, 60, Kind.ESCALATOR),
)

SENSORS = (
    Fault(rule="signals-implausible", limit=300, true={"field_faults": 1}, unknown=None, clear_for=60, inspection=Inspection.NONE),
    Fault(rule="clock-wrong", limit=300, true={"clock_error": -301}, unknown={"clock_error": float("nan")}, clear={"clock_error": 59},
          clear_for=60, keeps={"clock_error": 60}, inspection=Inspection.NONE),
    Fault(rule="terminal-battery-low", limit=60, true={"battery": 19}, unknown={"battery": float("nan")}, clear={"battery": 31},
          clear_for=60, keeps={"battery": 30}, inspection=Inspection.NONE),
    Fault(rule="terminal-signal-weak", limit=1_800, true={"signal": -111}, unknown={"signal": float("nan")}, clear={"signal": -104},
          clear_for=300, keeps={"signal": -105}, inspection=Inspection.NONE, kind=Kind.ESCALATOR),
)  # fmt: skip

_LAGGING: Changes = {"handrail_left": 0.42}
ESCALATORS = (
    Fault(rule="escalator-safety-chain", limit=2, true={"safety_chain": 1}, unknown={"safety_chain": -1}, clear_for=5,
          kind=Kind.ESCALATOR),
    Fault(rule="escalator-overspeed", limit=1, true={"speed": -0.61, "handrail_left": -0.61, "handrail_right": -0.61},
          unknown={"speed": float("nan")}, clear_for=10, inspection=Inspection.NONE, kind=Kind.ESCALATOR),
    Fault(rule="escalator-reversal", limit=1, true={"speed": -0.3}, unknown={"speed": float("nan")}, clear_for=10, kind=Kind.ESCALATOR),
    Fault(rule="escalator-missing-step", limit=1, true={"step_missing": 1, "operation_status": 0}, unknown={"step_missing": -1},
          clear_for=5, kind=Kind.ESCALATOR),
    Fault(rule="escalator-handrail-deviation", limit=15, true=_LAGGING, unknown={"handrail_left": float("nan")}, clear_for=15,
          kind=Kind.ESCALATOR),
    Fault(rule="escalator-power-lost", limit=2, true={"power": 2}, unknown={"power": -1}, clear_for=5, inspection=Inspection.NONE,
          kind=Kind.ESCALATOR),
)  # fmt: skip

FAULTS = (*ENTRAPMENTS, *DOORS, *MACHINE, *MODES, *SENSORS, *ESCALATORS)
each_fault = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.rule)
