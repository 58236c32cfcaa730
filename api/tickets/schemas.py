"""The documents of tickets and maintenance orders as OpenAPI sees them, and the bodies that move them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.schemas import CaseHappening, Label, LiftInBrief
from api.schemas_orders import FirmInBrief
from dispatch.tickets.maintenance import OrderKind
from dispatch.tickets.outcome import TicketTimer
from hoistway.lifecycle import TICKET_MOVE, TicketState
from hoistway.limits import COMMENT_CHARS, PART_CHARS, PARTS_A_TICKET
from hoistway.model import Role, Severity

Time = AwareDatetime
Words = Annotated[str, Field(min_length=1, max_length=COMMENT_CHARS, pattern=r"\S")]
Firm = Annotated[int, Field(ge=1, le=2**15 - 1)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies ---


class PartFitted(_Body):
    name: Annotated[str, Field(min_length=1, max_length=PART_CHARS, pattern=r"\S", examples=["光幕"])]
    count: Annotated[int, Field(ge=1, le=1_000)] = 1


class TicketMoveBody(_Body):
    move: Annotated[
        str,
        Field(
            max_length=40, examples=["finish"], description=", ".join(m.name for m in TICKET_MOVE.values() if m.roles)
        ),
    ]
    reason: Annotated[
        Words | None, Field(description="required by leave, reopen and cancel, and by verify while the fault holds")
    ] = None
    cause: Annotated[int | None, Field(description="required by finish; GET /api/v1/tickets/causes lists them")] = None
    work: Annotated[Words | None, Field(description="what was done", examples=["更换光幕并调整"])] = None
    parts: Annotated[list[PartFitted], Field(max_length=PARTS_A_TICKET)] = Field(default_factory=list)
    came_at: Annotated[Time | None, Field(strict=False, description="when somebody was there, if it was not now")] = (
        None
    )
    left_at: Annotated[Time | None, Field(strict=False)] = None


class TellFault(_Body):
    lift_id: Annotated[int, Field(ge=1, le=2**31 - 1)]
    severity: Annotated[Severity, Field(strict=False)]
    told: Annotated[Words, Field(examples=["业主反映运行有异响"])]


class TicketHandOver(_Body):
    firm_id: Firm
    reason: Words


class MakeMaintenance(_Body):
    lift_id: Annotated[int, Field(ge=1, le=2**31 - 1)]
    kind: Annotated[OrderKind, Field(strict=False)]
    since: Annotated[Time | None, Field(strict=False, description="left out: now")] = None
    until: Annotated[Time, Field(strict=False)]
    note: Annotated[str, Field(max_length=COMMENT_CHARS)] = ""


class EndMaintenance(_Body):
    reason: Words | None = None


# --- answers ---


class AllowedTicketMove(_Answer):
    name: str
    target: TicketState
    reason: Annotated[bool, Field(description="must be said")]
    cause: Annotated[bool, Field(description="must be said")]


class Part(_Answer):
    name: str
    count: int


class Visit(_Answer):
    came_at: Time
    left_at: Annotated[Time | None, Field(description="null: still there")]
    person: str


class PhotoInBrief(_Answer):
    id: int
    media_type: str
    width: int
    height: int
    bytes: int
    person: str
    at: Time


class CauseInWords(_Answer):
    code: int
    zh: str
    en: str


class Ticket(_Answer):
    """One fault for the contract firm to mend."""

    id: int
    number: Annotated[str, Field(examples=["T2026-000042"], description="T, or X of an exercise; year; running number")]
    lift_id: int
    lift: LiftInBrief
    firm: FirmInBrief | None
    state: TicketState
    open: Annotated[bool, Field(description="still the firm's work")]
    severity: Severity
    rule_id: Annotated[str | None, Field(description="of the fault that opened it; null: a person told of it")]
    told: str | None
    title: Label
    opened_at: Time
    promised_at: Time
    overdue: Annotated[bool, Field(description="the promised time has passed undone")]
    overdue_at: Annotated[Time | None, Field(description="when the firm was told so")]
    climbed: Annotated[int, Field(description="0; 1 the firm was told that it is late; 2 the supervisor too")]
    accepted_at: Time | None
    accepted_by: str | None
    started_at: Time | None
    done_at: Time | None
    done_by: str | None
    verified_at: Time | None
    verified_by: str | None
    repeats: Annotated[int, Field(description="raises of the fault that joined it")]
    last_joined_at: Time | None
    reopened: Annotated[int, Field(description="how often it was done and was not")]
    cause: CauseInWords | None
    work: str | None
    parts: list[Part]
    active: Annotated[bool, Field(description="the fault still holds")]
    alarm_ids: Annotated[list[int], Field(description="the newest hundred alarms that it stands for")]
    visits: list[Visit]
    photos: list[PhotoInBrief]
    exercise: bool
    version: int
    allowed_moves: list[AllowedTicketMove]


class TicketTimerState(_Answer):
    kind: TicketTimer
    due_at: Time
    fired_at: Time | None


class TicketDetail(Ticket):
    timers: list[TicketTimerState]
    log: list[CaseHappening]


class TicketPage(_Answer):
    items: list[Ticket]
    next: str | None


class CauseClass(_Answer):
    code: int
    zh: str
    en: str
    causes: list[CauseInWords]


class Causes(_Answer):
    items: list[CauseClass]


class Photo(_Answer):
    id: int


class ShieldedFault(_Answer):
    alarm_id: int
    rule_id: str
    title: Label
    severity: Severity
    at: Annotated[Time, Field(description="its latest raise that was held back")]
    active: bool
    ticket_id: Annotated[int | None, Field(description="the ticket that it got when the order ended")]


class Maintenance(_Answer):
    """A planned visit or inspection: faults of its lift open no ticket while it lasts."""

    id: int
    kind: OrderKind
    lift_id: int
    lift: LiftInBrief
    firm: FirmInBrief | None
    since: Time
    until: Time
    state: Annotated[str, Field(description="planned, running or over")]
    note: str
    person: str
    role: Role
    made_at: Time
    ended_at: Time | None
    ended_by: str | None
    end_reason: str | None
    settled_at: Annotated[Time | None, Field(description="when what still held got its ticket")]
    shielded: Annotated[list[ShieldedFault], Field(description="the newest hundred")]
    shielded_count: int
    exercise: bool
    version: int


class MaintenancePage(_Answer):
    items: list[Maintenance]
    next: str | None
