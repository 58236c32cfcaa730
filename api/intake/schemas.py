"""The documents of calls, of the search and of complaints as OpenAPI sees them, and the bodies that may be sent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import CaseHappening, LiftInBrief, Time
from api.schemas_orders import Count, Firm, FirmInBrief, Words
from hoistway.lifecycle import COMPLAINT_MOVE, CaseState, ComplaintState
from hoistway.limits import ADDRESS_CHARS, CALLER_NAME_CHARS, CALLER_PHONE_CHARS, COMMENT_CHARS
from hoistway.model import Became, CallKind, CaseKind, Channel, Kind, Role, Vulnerable

Number = Annotated[int, Field(ge=1, le=2**31 - 1)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies ---


class CallerBody(_Body):
    name: Annotated[str, Field(max_length=CALLER_NAME_CHARS)] = ""
    phone: Annotated[str, Field(max_length=CALLER_PHONE_CHARS, pattern=r"^[0-9+() -]*$")] = ""


class CallBody(_Body):
    kind: Annotated[CallKind, Field(strict=False)]
    channel: Annotated[Channel, Field(strict=False, description="S04 is for terminals")] = Channel.TELEPHONE
    lift_id: Annotated[Number | None, Field(description="the lift, as far as it is known")] = None
    case_id: Annotated[
        Number | None, Field(description="the running case that the call is about, where no lift says it")
    ] = None
    address: Annotated[
        str,
        Field(max_length=ADDRESS_CHARS, description="where, when the lift is not known", examples=["文三路 90 号 3幢"]),
    ] = ""
    district: Annotated[str, Field(max_length=100)] = ""
    lon: Annotated[float | None, Field(ge=-180, le=180, description="WGS-84, of the address")] = None
    lat: Annotated[float | None, Field(ge=-90, le=90)] = None
    text: Annotated[
        str,
        Field(
            max_length=COMMENT_CHARS,
            description="what was said, without names and numbers; required by complaint, question and false-call",
        ),
    ] = ""
    trapped: Count | None = None
    injured: Count | None = None
    vulnerable: Annotated[list[Annotated[Vulnerable, Field(strict=False)]], Field(max_length=len(Vulnerable))] = []
    caller: Annotated[CallerBody | None, Field(description="personal data, kept apart and erased in time")] = None
    exercise: Annotated[bool, Field(description="a drill; only without a lift, which says it itself")] = False


class LinkLift(_Body):
    lift_id: Number


class ComplaintMoveBody(_Body):
    move: Annotated[str, Field(max_length=40, examples=["receive"], description=", ".join(COMPLAINT_MOVE))]
    words: Annotated[
        Words | None, Field(description="what is to be done, or what was answered; required by assign and answer")
    ] = None
    firm_id: Annotated[int | None, Field(ge=1, le=2**15 - 1, description="required by assign: who is to see to it")] = (
        None
    )


# --- answers ---


class Call(_Answer):
    """What was said to the centre, and what it has become. The caller is asked for by a route of its own."""

    id: int
    kind: CallKind
    channel: Channel
    at: Time
    lift_id: int | None
    lift: LiftInBrief | None
    address: str
    district: str
    text: str
    became: Became
    case_id: int | None
    complaint_id: int | None
    person: Annotated[str, Field(description="who took it")]
    exercise: bool
    caller: Annotated[
        Literal["none", "kept", "erased"], Field(description="whether a name or number is kept of the caller")
    ]


class CallPage(_Answer):
    items: list[Call]
    next: str | None


class Caller(_Answer):
    call_id: int
    name: str
    phone: str
    erased_at: Annotated[Time | None, Field(description="null: not yet")]


class Look(_Answer):
    person: str
    role: Role
    at: Time


class Looks(_Answer):
    items: Annotated[list[Look], Field(description="the newest first")]


class RunningCase(_Answer):
    id: int
    kind: CaseKind
    state: CaseState
    level: int
    opened_at: Time
    acknowledged_by: str | None


class Becoming(_Answer):
    became: Became
    case_id: int | None
    complaint_id: int | None


class FoundLift(_Answer):
    id: int
    kind: Kind
    rescue_code: str | None
    register_code: str | None
    name: str
    estate: str
    building: str
    address: str
    district: str
    firm: Firm | None
    user_unit: str
    user_unit_phone: str
    terminal: Annotated[bool, Field(description="false: the lift cannot say anything itself")]
    exercise: bool
    running_cases: list[RunningCase]
    becomes: Annotated[
        dict[CallKind, Becoming], Field(description="what a call about this lift would become now, by its kind")
    ]


class CaseByAddress(_Answer):
    id: int
    kind: CaseKind
    state: CaseState
    address: str
    district: str
    opened_at: Time


class Found(_Answer):
    items: list[FoundLift]
    cases: Annotated[list[CaseByAddress], Field(description="running cases at such an address whose lift is not known")]
    more: Annotated[bool, Field(description="more lifts hold these words")]


class AllowedComplaintMove(_Answer):
    name: str
    target: ComplaintState
    words: bool
    firm: bool


class ComplaintTimerRow(_Answer):
    kind: str
    due_at: Time
    fired_at: Time | None


class Complaint(_Answer):
    """What somebody is not content with about a lift."""

    id: int
    channel: Channel
    lift_id: int | None
    lift: LiftInBrief | None
    address: str
    district: str
    text: str
    state: ComplaintState
    firm: FirmInBrief | None
    opened_at: Time
    received_at: Time | None
    assigned_at: Time | None
    answered_at: Time | None
    closed_at: Time | None
    late_at: Annotated[Time | None, Field(description="when a limit of it passed for the first time")]
    answer: str | None
    exercise: bool
    version: int
    calls: int
    timers: list[ComplaintTimerRow]
    allowed_moves: list[AllowedComplaintMove]


class ComplaintDetail(Complaint):
    log: list[CaseHappening]


class ComplaintPage(_Answer):
    items: list[Complaint]
    next: str | None
