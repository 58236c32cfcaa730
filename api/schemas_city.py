"""What the contract says of the city link."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas import Time, _Answer
from dispatch.citylink.form import CityStep
from dispatch.citylink.matching import Reason

State = Literal["waiting", "accepted", "refused", "incomplete", "left-out"]


class CityLink(_Answer):
    form: str
    title: Annotated[dict[str, str], Field(description="zh, en")]
    on: bool
    since: Time
    waiting: Annotated[int, Field(description="not told yet")]
    held: Annotated[int, Field(description="wait until a refused record of the same case or alarm is accepted")]
    oldest_at: Annotated[Time | None, Field(description="since when the oldest of `waiting` waits")]
    late: Annotated[bool, Field(description="the oldest has waited for more than 300 s")]
    refused: Annotated[int, Field(description="the platform said no, and nobody mended it")]
    incomplete: Annotated[int, Field(description="a required field is not known")]
    accepted: Annotated[int, Field(description="within the last 24 h")]
    left_out: Annotated[int, Field(description="within the last 24 h: no code in the form, or out of service")]
    last_accepted_at: Time | None
    failures: Annotated[int, Field(description="tries in a row that the platform did not answer")]
    trouble: Annotated[str | None, Field(description="in its words, or ours when it had none")]
    rests_until: Annotated[Time | None, Field(description="nothing is tried before")]


class CityLinks(_Answer):
    items: list[CityLink]


class CityRecord(_Answer):
    id: int
    form: str
    lift_id: int
    lift: str
    case_id: int | None
    alarm_id: int | None
    turn: Annotated[int, Field(description="an alarm that comes again on its row is told again")]
    step: CityStep
    at: Annotated[Time, Field(description="when the step happened")]
    state: State
    tries: int
    tried_at: Time | None
    retry_at: Time | None
    settled_at: Time | None
    reason: Annotated[str | None, Field(description="the platform's words, what is missing, or why it is not told")]
    body: Annotated[dict[str, Any] | None, Field(description="as it was sent")]
    created_at: Time


class CityRecords(_Answer):
    items: list[CityRecord]
    next: str | None


class SentAgain(_Answer):
    ids: Annotated[
        list[int], Field(description="records that wait again; none when it was neither refused nor incomplete")
    ]


class CityReconciliation(_Answer):
    id: int
    form: str
    day: str
    made_at: Time
    person: str | None
    source: Annotated[str, Field(description="the name of their file")]
    ours: int
    theirs: int
    agreed: int
    differences: int
    outside: Annotated[int, Field(description="lines of their file that are of another day")]


class CityReconciliations(_Answer):
    items: list[CityReconciliation]
    next: str | None


class CityDifference(_Answer):
    place: int
    reasons: list[Reason]
    lift: Annotated[str, Field(description="registration code")]
    our_id: str | None
    our_at: Time | None
    our_code: str | None
    our_state: Annotated[str | None, Field(description="what became of our record")]
    their_id: str | None
    their_at: Time | None
    their_code: str | None


class CityDifferences(_Answer):
    items: list[CityDifference]
    next: str | None
