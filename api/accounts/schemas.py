"""The documents of accounts and shifts as OpenAPI sees them, and the bodies that may be sent."""

from __future__ import annotations

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.schemas_orders import FirmInBrief
from hoistway.limits import NOTES_CHARS
from hoistway.model import Role

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
Password = Annotated[
    str, Field(min_length=1, max_length=1_000, description="12 characters or more, 5 different ones, not the name")
]
Districts = Annotated[list[Name], Field(max_length=100, description="sees these only; empty: as far as the role goes")]
Time = AwareDatetime
When = Annotated[AwareDatetime, Field(strict=False)]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies ---


class NewUser(_Body):
    name: Name
    role: Annotated[Role, Field(strict=False)]
    firm: Annotated[str | None, Field(max_length=200, description="the firm's name, for a maintainer")] = None
    districts: Districts = []
    password: Annotated[Password | None, Field(description="null: login by one-time link only")] = None


class Rights(_Body):
    role: Annotated[Role, Field(strict=False)]
    firm_id: Annotated[int | None, Field(ge=1, le=2**15 - 1)] = None
    districts: Districts = []


class NewPassword(_Body):
    password: Password


class NewShift(_Body):
    person_id: Annotated[int, Field(ge=1, le=2**31 - 1)]
    since: When
    until: Annotated[When, Field(description="at most 24 h after since")]


class Signature(_Body):
    notes: Annotated[str, Field(max_length=NOTES_CHARS)] = ""
    proof: Annotated[
        str, Field(min_length=1, max_length=1_000, description="own password, or a code of the second factor")
    ]
    coming: Annotated[Name, Field(description="the name of who comes")]
    coming_proof: Annotated[str, Field(min_length=1, max_length=1_000, description="the same of who comes")]


# --- answers ---


class User(_Answer):
    id: int
    name: str
    role: Role
    firm: FirmInBrief | None
    districts: list[str]
    has_password: bool
    second_factor: bool
    created_at: Time
    disabled_at: Time | None
    last_login_at: Time | None
    version: int


class Users(_Answer):
    items: list[User]
    next: str | None


class UserAct(_Answer):
    at: Time
    by: str
    kind: str
    before: dict[str, object]
    after: dict[str, object]


class UserDetail(User):
    acts: list[UserAct]


class Link(_Answer):
    path: Annotated[str, Field(description="good once, for 30 minutes")]


class Shift(_Answer):
    id: int
    person_id: int
    name: str
    role: Role
    since: Time
    until: Time
    left_at: Annotated[Time | None, Field(description="when it was handed over")]
    logged_in: bool
    now: bool


class Shifts(_Answer):
    staffed: Annotated[bool, Field(description="somebody of the desk is logged in, and on shift where shifts are kept")]
    items: list[Shift]


class Handover(_Answer):
    id: int
    at: Time
    leaving: str
    leaving_proof: str
    coming: str
    coming_proof: str
    notes: str
    sheet: Annotated[dict[str, object], Field(description="as it was when both signed")]


class HandoverInBrief(_Answer):
    id: int
    at: Time
    leaving: str
    coming: str


class Handovers(_Answer):
    items: list[HandoverInBrief]
    next: str | None
