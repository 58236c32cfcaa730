"""The stages an alarm passes, and which of them is late. Pure: words, limits and a judgement of rows; no clock, no database.

A stage is named `part/stage`. In their order what holds up the others comes first, so that the
first late stage is the likely cause: a commit that waits stops engine and loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One step of the way of an alarm, or of what keeps it going."""

    part: str  # the process, as `hoistway PART`
    name: str
    zh: str
    en: str
    needed: bool = True  # missed when it has never been heard of
    work: bool = False  # comes when it comes: well while there is none
    patience: float = 1  # times the limit, for work of which one piece may take long

    @property
    def key(self) -> str:
        return f"{self.part}/{self.name}"


def _stage(key: str, zh: str, en: str, *, needed: bool = True, work: bool = False, patience: float = 1) -> Stage:
    part, _, name = key.partition("/")
    return Stage(part=part, name=name, zh=zh, en=en, needed=needed, work=work, patience=patience)


STAGES: Final = (
    _stage("ingest/network", "接入：消息代理连接", "ingest: connection to the broker"),
    _stage("ingest/commit", "接入：写入数据库", "ingest: commit to the database", work=True),
    _stage("ingest/engine", "接入：规则引擎", "ingest: rule engine"),
    _stage("ingest/loop", "接入：主循环", "ingest: main loop"),
    _stage("dispatch/timers", "调度：定时器", "dispatch: timers"),
    _stage("dispatch/round", "调度：值守巡检", "dispatch: the desk's round"),
    _stage("dispatch/city-link", "调度：城市平台上报", "dispatch: city link", needed=False, patience=2),
    _stage("dispatch/outbox", "调度：通知发送", "dispatch: notifications"),
    _stage("api/stream", "接口：实时数据流", "API: live stream"),
    _stage("api/samples", "接口：最新状态", "API: last states"),
    _stage("watch/loop", "看门程序：主循环", "watcher: main loop"),
    _stage("backtests/loop", "规则回测：主循环", "backtests: main loop", needed=False),
    _stage("compactor/loop", "数据压缩：主循环", "compactor: main loop", needed=False, patience=2.5),
    _stage("up/loop", "监管程序：主循环", "supervisor: main loop", needed=False),
)
STAGE: Final[Mapping[str, Stage]] = {stage.key: stage for stage in STAGES}
PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "broker": ("消息代理", "broker"),
    "database": ("数据库", "database"),
    "ingest": ("接入程序", "ingest"),
    "dispatch": ("调度程序", "dispatch"),
    "api": ("接口程序", "API"),
    "watch": ("看门程序", "watcher"),
    "backtests": ("规则回测程序", "backtest worker"),
    "compactor": ("压缩进程", "compactor"),
    "up": ("监管程序", "supervisor"),
}
"""The processes, zh and en."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cadence:
    """Every time of the dead-man's switch, from one: how often the probe goes out. Seconds."""

    every_s: float

    @property
    def limit_s(self) -> float:
        """A probe that has not come through by then is missing: two of them are found 170 s after the fault at the latest, of 60 s."""
        return self.every_s * 5 / 6

    @property
    def beat_s(self) -> float:
        """Between two writings of the heartbeats, and between two looks at them."""
        return self.every_s / 12

    @property
    def late_s(self) -> float:
        """A stage without a sign of life for longer is late."""
        return self.every_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Beat:
    """One row of `heartbeat`, as ages in seconds by the database's clock."""

    part: str
    stage: str
    age_s: float  # since the stage last went round
    written_s: float  # since its process last said so
    lag_s: float  # how long what it works on has been waiting

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Beat:
        return cls(**{name: row[name] for name in ("part", "stage", "age_s", "written_s", "lag_s")})


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that is late or does not answer, in words."""

    stage: str  # `part/stage`, or a part alone
    age_s: float | None
    zh: str
    en: str

    def document(self) -> dict[str, Any]:
        age_s = None if self.age_s is None else round(self.age_s, 1)
        return {"stage": self.stage, "age_s": age_s, "zh": self.zh, "en": self.en}


def finding(stage: str, age_s: float | None, zh: str, en: str) -> Finding:
    """A finding; `zh` and `en` say what is wrong with the stage or part of that name."""
    words = (STAGE[stage].zh, STAGE[stage].en) if stage in STAGE else PARTS[stage]
    return Finding(stage=stage, age_s=age_s, zh=f"{words[0]}{zh}", en=f"{words[1]} {en}")


def late(beats: Iterable[Beat], limit_s: float) -> list[Finding]:
    """What is late, in the order of an alarm's way. A process that says nothing at all is named once, for all its stages."""
    rows: dict[str, dict[str, Beat]] = {}
    for beat in beats:
        rows.setdefault(beat.part, {})[beat.stage] = beat
    found: list[Finding] = []
    for part in dict.fromkeys(stage.part for stage in STAGES):
        stages = [stage for stage in STAGES if stage.part == part]
        known = rows.get(part, {})
        silent_s = min((beat.written_s for beat in known.values()), default=None)
        if silent_s is None:
            if any(stage.needed for stage in stages):
                found.append(finding(part, None, "从未报告心跳", "has never given a sign of life"))
        elif silent_s > limit_s:
            found.append(
                finding(part, silent_s, f"已 {silent_s:.0f} 秒无心跳", f"has been silent for {silent_s:.0f} s")
            )
        else:
            found += _late_stages(stages, known, limit_s)
    return found


def _late_stages(stages: Sequence[Stage], known: Mapping[str, Beat], limit_s: float) -> Iterable[Finding]:
    for stage in stages:
        beat = known.get(stage.name)
        if beat is None:
            continue
        worst_s = max(beat.age_s, beat.lag_s)
        if worst_s > limit_s * stage.patience:
            stuck = beat.age_s >= beat.lag_s
            zh = f"已 {worst_s:.0f} 秒无进展" if stuck else f"滞后 {worst_s:.0f} 秒"
            en = f"has made no progress for {worst_s:.0f} s" if stuck else f"is {worst_s:.0f} s behind"
            yield finding(stage.key, worst_s, zh, en)
