"""The documents about rule sets, backtests and explanations as OpenAPI sees them, and the bodies that may be sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas import Label, Time, _Answer, _Body, _Page
from hoistway.limits import COMMENT_CHARS

Words = Annotated[str, Field(min_length=1, max_length=COMMENT_CHARS, pattern=r"\S")]
RuleText = Annotated[str, Field(min_length=1, max_length=500_000, description="TOML with [[rule]] tables")]
State = Literal["published", "live", "replaced", "refused"]


class Publication(_Body):
    rules: RuleText
    comment: Words
    mode: Annotated[Literal["live", "shadow"], Field(description="shadow: evaluated and recorded, never an alarm")] = (
        "live"
    )


class Restoration(_Body):
    comment: Words


class BacktestRequest(_Body):
    rules: RuleText
    from_: Annotated[str, Field(alias="from", max_length=40, description="RFC 3339")]
    to: Annotated[str, Field(max_length=40, description="RFC 3339; not included")]
    lifts: Annotated[list[int] | None, Field(max_length=100_000)] = None
    district: Annotated[str | None, Field(max_length=100)] = None


class RuleSet(_Answer):
    number: int
    state: Annotated[State, Field(description="published: ingest takes it within seconds; refused: it cannot run here")]
    published_at: Time
    live_at: Time | None
    author: str
    comment: str
    restores: Annotated[int | None, Field(description="a rollback: the set whose rules it has again")]
    reason: Annotated[str | None, Field(description="why it was refused")]
    rules: int
    shadow_rules: int


class RuleSets(_Page):
    items: list[RuleSet]


class ShadowCounts(_Answer):
    raises: int
    clears: int
    lifts: int
    last_raised_at: Time | None


class RuleOfSet(_Answer):
    rule_id: str
    version: str
    mode: Literal["live", "shadow"]
    own: Annotated[bool, Field(description="published by a person; false: the product's")]
    author: str
    rule_set: Annotated[int, Field(description="the set with which this text was published first")]
    text: str
    shadow: Annotated[ShadowCounts | None, Field(description="what a rule in shadow said so far")]


class RuleSetDetail(RuleSet):
    items: list[RuleOfSet]
    against: Annotated[int | None, Field(description="the set that `diff` compares with")]
    diff: Annotated[str, Field(description="unified diff of the canonical texts")]


class Backtest(_Answer):
    id: int
    state: Literal["queued", "running", "done", "failed"]
    progress: Annotated[float, Field(ge=0, le=1)]
    asked_at: Time
    asked_by: str
    finished_at: Time | None
    error: str | None
    from_: Annotated[Time, Field(alias="from")]
    to: Time


class BacktestDetail(Backtest):
    result: Annotated[dict[str, Any] | None, Field(description="docs/backtest.md; null until it is done")]


class Backtests(_Page):
    items: list[Backtest]


class FoundTransition(_Answer):
    kind: Literal["raise", "clear", "promote", "change"]
    at: Time
    hold_start: Time
    demoted: bool


class DetectedBy(_Answer):
    partition: int
    batch_no: int
    kind: str
    clock: Time


class Explanation(_Answer):
    alarm_id: int
    verdict: Annotated[
        Literal["agrees", "differs", "not-possible"],
        Field(
            description="whether folding the stored telemetry again gives the same raise and the same start of the hold"
        ),
    ]
    reason: Label
    rule_id: str
    rule_version: str
    rule_set: int | None
    rule_text: str | None
    hold_start: Time
    raised_at: Time
    detected_at: Time
    detected_by: Annotated[DetectedBy | None, Field(description="the entry of the stream that found it")]
    folded_from: Time | None
    records_folded: int
    found: list[FoundTransition]
    evidence: dict[str, Any]
    timeline: Annotated[list[dict[str, Any]], Field(description="samples, events and transitions, by time; `at` in ms")]
    caveats: list[Label]
