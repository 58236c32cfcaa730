"""The documents of orders, units and the check list of level 3, and the bodies that send, raise, tick and hand over.

What they share with alarms and cases stands in `schemas`, which knows this file.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hoistway.lifecycle import ORDER_MOVE, OrderState
from hoistway.limits import COMMENT_CHARS
from hoistway.model import Addressee, ReleaseMethod, Step, UnitKind, Vulnerable

Time = AwareDatetime
Count = Annotated[int, Field(ge=0, le=1000)]
Words = Annotated[str, Field(min_length=1, max_length=COMMENT_CHARS, pattern=r"\S")]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies ---


class SendOrder(_Body):
    addressee: Annotated[
        Addressee, Field(strict=False, description="119 and 120 are called by telephone; this records it")
    ]
    unit_id: Annotated[int | None, Field(ge=1, le=2**31 - 1, description="with addressee unit")] = None
    reason: Annotated[Words, Field(examples=["离现场最近,已电话确认"])]


class Position(_Body):
    lon: Annotated[float, Field(ge=-180, le=180, description="WGS-84")]
    lat: Annotated[float, Field(ge=-90, le=90)]


class OrderMoveBody(_Body):
    move: Annotated[str, Field(max_length=40, examples=["accept"], description=", ".join(ORDER_MOVE))]
    reason: Annotated[
        Words | None, Field(description="required by refuse, fail and stand_down; with finish: what was done")
    ] = None
    position: Annotated[Position | None, Field(description="with arrive: where the crew is")] = None
    cause: Annotated[int | None, Field(ge=100, le=799, examples=[301], description="with finish: a closing code")] = (
        None
    )


class ReleaseReport(_Body):
    release_method: Annotated[ReleaseMethod, Field(strict=False, description="how they came out")]
    trapped: Annotated[Count, Field(description="people who were in the car")]
    injured: Count
    note: Words | None = None


class SetLiftAccess(_Body):
    gate_code: Annotated[str, Field(max_length=200)] = ""
    keys: Annotated[str, Field(max_length=200, description="where they are")] = ""
    machine_room: Annotated[str, Field(max_length=200, description="where it is and how one gets in")] = ""
    guard: Annotated[str, Field(max_length=200, description="who is there at night")] = ""
    guard_phone: Annotated[str, Field(max_length=40)] = ""


class RaiseLevel(_Body):
    level: Annotated[int, Field(ge=2, le=3)]
    reason: Words


class Facts(_Body):
    trapped: Count | None = None
    injured: Count | None = None
    dead: Count | None = None
    vulnerable: Annotated[
        list[Annotated[Vulnerable, Field(strict=False)]] | None,
        Field(max_length=len(Vulnerable), description="who is inside; replaces what was said before"),
    ] = None


class StepDone(_Body):
    note: Words | None = None


class HandOver(_Body):
    firm_id: Annotated[int, Field(ge=1, le=2**15 - 1)]
    reason: Words


# --- answers ---


class AllowedOrderMove(_Answer):
    name: str
    target: OrderState
    reason: Annotated[bool, Field(description="must be said")]


class UnitInBrief(_Answer):
    id: int
    name: str
    kind: UnitKind
    phone: str


class FirmInBrief(_Answer):
    id: int
    name: str


class Firm(_Answer):
    id: int
    name: str
    phone: str | None


class OrderReport(_Answer):
    """What the crew has said beside its moves."""

    lon: Annotated[float | None, Field(description="where it was when it said that it had arrived")]
    lat: float | None
    metres: Annotated[int | None, Field(description="from there to the lift")]
    released_at: Annotated[Time | None, Field(description="when it said that everybody is out")]
    released_by: str | None
    release_method: ReleaseMethod | None
    trapped: int | None
    injured: int | None
    note: str | None
    cause: int | None
    remark: str | None


class Order(_Answer):
    """One unit, firm or service that was sent to one case."""

    id: int
    case_id: int
    level: int
    addressee: Addressee
    unit: UnitInBrief | None
    firm: Firm | None
    state: OrderState
    live: bool
    sent_at: Time
    accepted_at: Time | None
    set_out_at: Time | None
    arrived_at: Time | None
    ended_at: Time | None
    late_at: Annotated[Time | None, Field(description="when its limit to accept passed")]
    sent_by: Annotated[str | None, Field(description="null: sent by itself")]
    reasons: Annotated[
        dict[str, Any], Field(description="why this one: metres, load, crews, next, passed_over, by_hand")
    ]
    exercise: bool
    version: int
    report: OrderReport | None
    allowed_moves: list[AllowedOrderMove]


class LiftAccess(_Answer):
    """How one gets to a lift."""

    lift_id: int
    gate_code: str
    keys: str
    machine_room: str
    guard: str
    guard_phone: str
    updated_at: Time | None
    updated_by: str | None
    version: Annotated[int, Field(description="0: nothing is known yet")]


class CaseStep(_Answer):
    step: Step
    done_at: Time | None
    person: str | None
    note: str | None


class OrderPage(_Answer):
    items: list[Order]
    next: str | None


class Contact(_Answer):
    name: str
    phone: str
    rank: int


class Unit(_Answer):
    id: int
    name: str
    kind: UnitKind
    firm: FirmInBrief | None
    phone: str
    lift_kinds: list[str]
    crews: Annotated[int, Field(description="orders that it can work on at once")]
    load: Annotated[int, Field(description="orders that it has")]
    on_duty: bool
    out_of_use: str | None
    lon: float | None
    lat: float | None
    reported_at: Annotated[Time | None, Field(description="of lon and lat; null: they are its base")]
    exercise: bool
    version: int
    contacts: list[Contact]


class Units(_Answer):
    items: list[Unit]


class Candidate(_Answer):
    unit_id: int
    name: str
    phone: str
    metres: int | None
    load: int
    crews: int
    position_age_s: Annotated[int | None, Field(description="null: the distance is from its base")]


class Candidates(_Answer):
    items: Annotated[list[Candidate], Field(description="stations that could go, the best first")]
