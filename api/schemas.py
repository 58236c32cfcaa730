"""The documents of the HTTP contract as OpenAPI sees them, and the bodies that may be sent. Pydantic lives here only.

Answers are written by `shapes` without passing through these models (a test compares them); bodies are checked by them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import Path
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.schemas_orders import CaseStep, Count, Firm, FirmInBrief, Order
from hoistway.lifecycle import CASE_MOVE, CaseState
from hoistway.limits import COMMENT_CHARS
from hoistway.model import (
    CaseKind,
    Channel,
    Condition,
    Kind,
    Opens,
    OperatorState,
    ReleaseMethod,
    Role,
    SecurityKind,
    Severity,
    Vulnerable,
)

Id = Annotated[int, Path(ge=1, le=2**31 - 1)]
Time = AwareDatetime
Label = dict[Literal["zh", "en"], str]


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


# --- bodies ---


class Comment(_Body):
    text: Annotated[str, Field(min_length=1, max_length=COMMENT_CHARS, pattern=r"\S", examples=["已电话安抚乘客"])]


class CaseMove(_Body):
    move: Annotated[str, Field(max_length=40, examples=["release"], description=", ".join(CASE_MOVE))]
    confirmation: Annotated[
        str | None,
        Field(
            max_length=COMMENT_CHARS,
            examples=["维保现场确认 2 人全部放出"],
            description="who is sure that nobody is trapped, and how; required by release and cancel",
        ),
    ] = None
    trapped: Annotated[Count | None, Field(description="people who were trapped")] = None
    injured: Count | None = None
    dead: Count | None = None
    release_method: Annotated[ReleaseMethod | None, Field(strict=False, description="how they came out")] = None
    reason: Annotated[str | None, Field(max_length=COMMENT_CHARS)] = None


class Finding(_Body):
    """Something that is late or does not answer."""

    stage: Annotated[str, Field(max_length=80, examples=["ingest/commit"], description="`part/stage`, or a part")]
    age_s: Annotated[float | None, Field(ge=0, description="for how long; null: never heard of")]
    zh: Annotated[str, Field(max_length=300)]
    en: Annotated[str, Field(max_length=300)]


class WatchReport(_Body):
    state: Literal["starting", "well", "alarm"]
    since: Annotated[AwareDatetime, Field(strict=False)]
    missed: Annotated[int, Field(ge=0, description="probes missing in a row")]
    zh: Annotated[str, Field(max_length=COMMENT_CHARS)]
    en: Annotated[str, Field(max_length=COMMENT_CHARS)]
    findings: Annotated[list[Finding], Field(max_length=50, description="the likely cause first")]


# --- answers ---


class FieldProblem(_Answer):
    detail: str
    pointer: Annotated[str | None, Field(description="JSON pointer into the body")] = None
    parameter: Annotated[str | None, Field(description="name of a query, path or header parameter")] = None


class Problem(_Answer):
    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FieldProblem] | None = None
    current: Annotated[dict[str, Any] | None, Field(description="412: the object as it is now")] = None


class Me(_Answer):
    name: str
    role: Role
    firm_id: int | None
    districts: Annotated[list[str], Field(description="sees these only; empty: as far as the role goes")]
    csrf: Annotated[str | None, Field(description="for X-CSRF-Token; null with an API key")]
    session_ends_at: Time | None
    language: str


class LiftInBrief(_Answer):
    name: str
    rescue_code: str | None
    estate: str
    building: str
    address: str
    district: str
    kind: Kind


class Alarm(_Answer):
    id: int
    lift_id: int
    lift: LiftInBrief
    rule_id: str
    rule_version: str
    title: Label
    severity: Severity
    opens: Opens
    condition: Condition
    operator_state: OperatorState
    hold_start: Time
    raised_at: Time
    last_raised_at: Annotated[Time, Field(description="of its latest repeat; else raised_at")]
    detected_at: Time
    cleared_at: Time | None
    repeats: int
    acknowledged_at: Time | None
    acknowledged_by: str | None
    shelved_until: Time | None
    shelved_by: str | None
    shelve_reason: str | None
    chattering: Annotated[bool, Field(description="three raises or more within 10 min; this one row stands for them")]
    stale: Annotated[bool, Field(description="active for more than 24 h since its latest raise, when this was written")]
    out_of_service: Annotated[bool, Field(description="a person took the rule of this lift out of service")]
    witnesses: Annotated[list[Literal["rule", "device"]], Field(description="who saw it")]
    correction: Annotated[
        Literal["late", "amended", "contradicted"] | None, Field(description="what later data said of it")
    ]
    case_id: int | None
    ticket_id: Annotated[int | None, Field(description="the newest ticket that stands for it")]
    maintenance_order_id: Annotated[int | None, Field(description="the maintenance order that holds its ticket back")]
    exercise: bool
    open: bool
    version: int


class AlarmHappening(_Answer):
    kind: str
    at: Time
    recorded_at: Time
    person: str | None
    role: str | None
    detail: dict[str, Any]


class AlarmDetail(Alarm):
    evidence: dict[str, Any]
    history: list[AlarmHappening]


class AllowedMove(_Answer):
    name: str
    target: CaseState
    confirmation: bool


class Timer(_Answer):
    kind: str
    due_at: Time
    fired_at: Time | None
    order_id: Annotated[int | None, Field(description="the order that it guards; null: the case")]


class Case(_Answer):
    id: int
    kind: CaseKind
    channel: Channel
    lift_id: Annotated[int | None, Field(description="null: known by its address alone, which is then the lift's name")]
    lift: LiftInBrief
    state: CaseState
    level: int
    alarm_id: int | None
    opened_at: Time
    acknowledged_at: Time | None
    acknowledged_by: str | None
    dispatched_at: Time | None
    accepted_at: Time | None
    arrived_at: Time | None
    released_at: Time | None
    closed_at: Time | None
    firm: Annotated[FirmInBrief | None, Field(description="contract firm when it opened, or that it was handed to")]
    waits_since: Annotated[Time | None, Field(description="no unit is left for it: it waits for the next that is free")]
    trapped: int | None
    injured: int | None
    dead: int | None
    vulnerable: list[Vulnerable]
    release_method: ReleaseMethod | None
    confirmed_by: str | None
    confirmation: str | None
    reported_by_device: Annotated[bool, Field(description="the device itself says that somebody is trapped")]
    device_says_clear_at: Time | None
    contact_lost_at: Time | None
    past: Annotated[bool, Field(description="over when late data showed it: verify by voice; nobody is sent by itself")]
    exercise: bool
    open: bool
    version: int
    allowed_moves: list[AllowedMove]
    timers: list[Timer]
    orders: list[Order]
    steps: Annotated[list[CaseStep], Field(description="the check list of level 3; empty below it")]
    calls: Annotated[int, Field(description="calls that it opened with, or that joined it")]


class CaseHappening(_Answer):
    kind: str
    at: Time
    recorded_at: Time
    person: str | None
    role: str | None
    reason: str | None
    before: dict[str, Any]
    after: dict[str, Any]


class CaseDetail(Case):
    log: list[CaseHappening]


class Device(_Answer):
    device: str
    shard: int
    topic_prefix: str
    online: bool | None
    last_seen: Time | None


class Lift(_Answer):
    id: int
    kind: Kind
    rescue_code: str | None
    register_code: str | None
    name: str
    estate: str
    building: str
    address: str
    district: str
    lon: float | None
    lat: float | None
    floors: list[str]
    rated_speed_m_s: float | None
    rated_load_kg: float | None
    firm: Firm | None
    user_unit: str
    user_unit_phone: str
    emergency_phone: str
    urban: bool
    feeder: Annotated[str, Field(description="power feeder; empty: not known")]
    exercise: bool
    devices: list[Device]


class LiftState(_Answer):
    lift_id: int
    at: Time | None
    received: Time | None
    age_s: Annotated[float | None, Field(description="seconds since the newest sample was received")]
    values: dict[str, bool | int | float | str | None]
    moving: bool | None
    online: bool | None
    open_alarms: list[Alarm]
    open_cases: list[Case]


class History(_Answer):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    lift_id: int
    since: Annotated[Time, Field(alias="from")]
    to: Time
    columns: list[str]
    rows: list[list[bool | int | float | str | None]]
    truncated: Annotated[bool, Field(description="more rows follow; ask again from the last `at`")]


class CityMap(_Answer):
    lifts: Annotated[
        list[tuple[int, float, float, Kind]],
        Field(description="[id, lon, lat, kind], WGS-84; without coordinates: absent"),
    ]
    districts: Annotated[str, Field(description="address of the district outlines (GeoJSON)")]


class Quarantined(_Answer):
    id: int
    received: Time
    last_received: Time
    topic: str
    device: str | None
    reason: str
    detail: str
    payload_bytes: int
    sha256_8: str
    times: int
    replay_requested_at: Time | None
    replayed_at: Time | None
    replay_result: str | None


class QuarantinedDetail(Quarantined):
    payload_base64: Annotated[str, Field(description="the raw bytes, up to the quarantine's limit")]
    payload_text: Annotated[str | None, Field(description="the same as text when it is UTF-8")]


class QuarantineReason(_Answer):
    reason: str
    meaning: str
    rows: int
    times: int
    last_received: Time


class QuarantineReasons(_Answer):
    items: list[QuarantineReason]


class Rule(_Answer):
    rule_id: str
    version: str
    title: Label
    severity: Severity
    opens: Opens
    live: bool
    live_from: Time
    author: Annotated[str | None, Field(description="who published this text first")]
    rule_set: Annotated[int | None, Field(description="the set with which it was published first")]
    published_at: Time | None
    comment: str | None


class RuleVersion(Rule):
    diff: Annotated[str, Field(description="unified diff from the version published before it")]


class RuleDetail(Rule):
    text: str
    versions: list[RuleVersion]


class Rules(_Answer):
    items: list[Rule]


class _Page(_Answer):
    next: Annotated[str | None, Field(description="for `after`; null on the last page")]


class AlarmPage(_Page):
    items: list[Alarm]


class CasePage(_Page):
    items: list[Case]


class LiftPage(_Page):
    items: list[Lift]


class QuarantinePage(_Page):
    items: list[Quarantined]


class SecurityEvent(_Answer):
    id: int
    kind: SecurityKind
    device: Annotated[str | None, Field(description="null: nobody says who it was")]
    lift_id: int | None
    lift: Annotated[str | None, Field(description="the lift's name")]
    first_at: Time
    last_at: Time
    times: Annotated[int, Field(description="of this kind and device, within the hour of `first_at`")]
    detail: Annotated[str, Field(description="of the last time")]


class SecurityPage(_Page):
    items: list[SecurityEvent]


class Counters(_Answer):
    unhandled_entrapments: Annotated[int, Field(description="open entrapment cases that nobody has acknowledged")]
    open_alarms: Annotated[int, Field(description="on the desk: neither shelved nor out of service")]
    shelved_alarms: int
    out_of_service_alarms: int
    open_cases: int
    lifts: int
    lifts_offline: int
    data_age_s: Annotated[float | None, Field(description="seconds since the newest batch was committed")]
    exercise: Annotated[bool, Field(description="simulated lifts are among those shown")]


class HealthNote(_Answer):
    code: Literal["overload", "city-link-late", "city-link-refused"]
    since: str
    zh: str
    en: str


class Health(_Answer):
    status: Literal["live", "ready", "not-ready"]
    reasons: list[str]
    notes: list[HealthNote]


class Platform(_Answer):
    """What the watcher says, as every frame of the live stream has it."""

    state: Annotated[
        Literal["off", "starting", "well", "alarm", "silent"],
        Field(description="off: there is no watcher; silent: it has not been heard for a cadence"),
    ]
    since: Time | None
    missed: Annotated[int, Field(description="probes missing in a row")]
    findings: list[Finding]


class Readiness(Health):
    late: Annotated[list[Finding], Field(description="stages of the platform that are late, the likely cause first")]
    platform: Platform


PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {
        "description": "any error",
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
}
