"""The documents of shelving, out of service, area incidents and the desk's figures, as OpenAPI sees them.

What they share with alarms and cases stands in `schemas`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.schemas import Label, LiftInBrief, Time
from hoistway.lifecycle import CaseState
from hoistway.limits import COMMENT_CHARS, SHELVE_HOURS
from hoistway.model import Vulnerable

Words = Annotated[str, Field(min_length=1, max_length=COMMENT_CHARS, pattern=r"\S", examples=["传感器待修"])]
Until = Annotated[AwareDatetime, Field(strict=False)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies ---


class Shelve(_Body):
    reason: Words
    until: Annotated[Until, Field(description=f"in the future, at most {SHELVE_HOURS} h ahead")]


class Unshelve(_Body):
    reason: Words | None = None


class Remove(_Body):
    rule_id: Annotated[str, Field(min_length=1, max_length=100)]
    reason: Words
    until: Annotated[Until | None, Field(description="null: until a person ends it")] = None


class EndRemoval(_Body):
    reason: Words | None = None


# --- answers ---


class OutOfService(_Answer):
    id: int
    lift_id: int
    lift: LiftInBrief
    rule_id: str
    title: Label
    reason: str
    since: Time
    until: Time | None
    person: str
    ended_at: Time | None
    ended_by: Annotated[str | None, Field(description="null with ended_at: the time was over")]
    end_reason: str | None


class OutOfServicePage(_Answer):
    items: list[OutOfService]
    next: str | None


class IncidentEntrapment(_Answer):
    case_id: int
    alarm_id: int | None
    lift_id: int
    lift: LiftInBrief
    state: CaseState
    level: int
    open: bool
    coming: Annotated[int, Field(description="orders that somebody has taken on; 0: nobody is on the way")]
    vulnerable: list[Vulnerable]
    injured: int
    opened_at: Time
    acknowledged_at: Time | None
    waits_since: Annotated[Time | None, Field(description="no unit is left for it")]


class IncidentLift(_Answer):
    lift_id: int
    lift: LiftInBrief
    rules: list[str]
    alarm_ids: list[int]
    active: Annotated[bool, Field(description="one of its alarms is active")]
    joined_at: Time


class Incident(_Answer):
    id: int
    kind: Literal["building", "estate", "feeder", "district"]
    name: str
    cause: Literal["power-lost", "offline", "entrapment", "mixed"]
    opened_at: Time
    last_joined_at: Time
    ended_at: Time | None
    open: bool
    active_lifts: Annotated[int, Field(description="lifts with an active alarm")]
    lift_count: Annotated[int, Field(description="lifts that ever joined; `lifts` may hold fewer")]
    exercise: bool
    version: int
    entrapments: Annotated[
        list[IncidentEntrapment],
        Field(description="cases of their own; running ones first, the injured, the vulnerable, the longest trapped"),
    ]
    lifts: list[IncidentLift]


class IncidentPage(_Answer):
    items: list[Incident]
    next: str | None


class Rate(_Answer):
    mean: float
    max: float
    acceptable: Annotated[float, Field(description="very likely acceptable (ISA-18.2)")]
    manageable: Annotated[float, Field(description="the most that is manageable (ISA-18.2)")]


class Part(_Answer):
    share: Share
    target: Annotated[Share, Field(description="at most (ISA-18.2)")]


class Flooded(Part):
    floods: int
    seconds: float


class Frequent(_Answer):
    rule_id: str
    title: Label
    lift_id: int
    lift: LiftInBrief
    raises: int


class TopTen(Part):
    items: list[Frequent]


class Count(_Answer):
    now: int
    target: Annotated[int | None, Field(description="at most (ISA-18.2); null: none published")]


class Priority(_Answer):
    alarms: int
    share: Share
    target: Annotated[Share, Field(description="about (ISA-18.2)")]


class Figures(_Answer):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: Annotated[Time, Field(alias="from")]
    to: Time
    exercise: bool
    positions: Annotated[int, Field(description="operator positions; the rates are for one of them")]
    alarms: Annotated[int, Field(description="alarms that asked the desk: no notices, nothing out of service")]
    alarms_out_of_service: int
    per_hour: Rate
    per_ten_minutes: Rate
    busy_periods: Annotated[Part, Field(description="periods of ten minutes with more than ten alarms")]
    flood: Flooded
    top_ten: TopTen
    chattering: Count
    stale: Count
    shelved: Count
    out_of_service: Count
    priorities: dict[Literal["critical", "major", "minor"], Priority]
