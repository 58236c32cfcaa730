"""The documents of notifications, contacts, drills and webhook endpoints, and the bodies that make them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hoistway.limits import COMMENT_CHARS, DRILL_MINUTES

Time = AwareDatetime
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
State = Literal["new", "open", "delivered", "sent", "dead", "joined", "skipped"]
WayState = Literal["waiting", "pending", "sent", "received", "dead", "skipped"]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies ---


class Receipt(_Body):
    key: Annotated[
        str, Field(min_length=1, max_length=300, description="the key that the gateway was given with the message")
    ]
    state: Annotated[Literal["received", "failed"], Field(description="it came through, or it did not")]
    said: Annotated[str, Field(max_length=COMMENT_CHARS, description="the gateway's own word")] = ""


class StartDrill(_Body):
    note: Annotated[str, Field(min_length=1, max_length=COMMENT_CHARS, pattern=r"\S", examples=["11 月联系人演练"])]
    minutes: Annotated[int, Field(ge=5, le=1_440, description="who has not confirmed by then is unreachable")] = (
        DRILL_MINUTES
    )


class NewWebhook(_Body):
    name: Name
    url: Annotated[str, Field(min_length=1, max_length=1_000, examples=["https://firm.example/hoistway"])]
    topics: Annotated[list[Annotated[str, Field(max_length=40)]], Field(max_length=50, description="empty: all")] = (
        Field(default_factory=list)
    )
    exercise: Annotated[bool, Field(description="gets exercises only; without it, none")] = False


# --- answers ---


class Way(_Answer):
    """One way to one contact. Its key is the same over all attempts."""

    key: str
    step: Annotated[int | None, Field(description="its turn; null: beside the others")]
    channel: str
    contact: str
    state: WayState
    attempts: int
    said: Annotated[str | None, Field(description="the receiver's last word, or what went wrong")]
    first_at: Time | None
    sent_at: Time | None
    next_at: Annotated[Time | None, Field(description="the next attempt")]
    ended_at: Time | None


class Notification(_Answer):
    """What somebody was to be told, and what became of it."""

    id: int
    key: str
    topic: str
    addressee: str
    addressee_id: int | None
    of: Annotated[str | None, Field(description="name of the unit or firm")]
    contact: Annotated[str | None, Field(description="of a drill: who is asked")]
    case_id: int | None
    order_id: int | None
    drill_id: int | None
    exercise: bool
    state: State
    reason: str | None
    joined_to: Annotated[int | None, Field(description="the notification that says this one too")]
    joined: int
    created_at: Time
    planned_at: Time | None
    ended_at: Time | None
    ways: list[Way]


class NotificationPage(_Answer):
    items: list[Notification]
    next: str | None


class Retried(_Answer):
    again: Annotated[int, Field(description="dead letters that go again")]


class Noted(_Answer):
    noted: Annotated[bool, Field(description="false: it was known already")]


class Reach(_Answer):
    """One contact by one channel; `drill`: the last drill."""

    addressee: str
    addressee_id: int | None
    of: str | None
    contact: str
    channel: str
    received_at: Time | None
    sent_at: Time | None
    failed_at: Time | None
    reason: str | None
    unreachable: bool


class Reaches(_Answer):
    items: list[Reach]


class Drill(_Answer):
    id: int
    started_at: Time
    due_at: Time
    ended_at: Time | None
    started_by: str
    note: str
    asked: int
    confirmed: int
    not_reached: Annotated[int, Field(description="no message to them went out at all")]


class Drills(_Answer):
    items: list[Drill]


class DrillContact(_Answer):
    addressee: str
    addressee_id: int | None
    of: str | None
    contact: str
    confirmed: bool
    confirmed_at: Time | None
    state: State
    ways: str | None


class DrillReport(Drill):
    contacts: Annotated[list[DrillContact], Field(description="who has not confirmed first")]


class Webhook(_Answer):
    """An endpoint. What signs is told when it is made or changed, and never again."""

    id: int
    name: str
    firm_id: Annotated[int | None, Field(description="null: the city's")]
    firm: str | None
    url: str
    topics: list[str]
    exercise: bool
    created_at: Time
    created_by: str
    disabled_reason: str | None
    old_secret_until: Annotated[Time | None, Field(description="until then the old secret signs as well")]
    received_at: Time | None
    dead: int
    version: int


class Webhooks(_Answer):
    items: list[Webhook]


class WebhookSecret(_Answer):
    id: int
    secret: Annotated[str, Field(examples=["whsec_..."], description="shown this once")]


class Tried(_Answer):
    taken: bool
    said: str


class Removed(_Answer):
    removed: bool
