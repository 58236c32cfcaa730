"""What the watcher makes of what it saw: is the way of an alarm open, and which stage is to blame. Pure: time is an argument, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from hoistway.stages import Beat, Cadence, Finding, finding, late

MISSING: Final = 2
"""So many probes in a row that did not come through, and the watcher shouts."""


class Step(StrEnum):
    """The way of one probe, in order; a probe that is missing names the step that it waited for."""

    CONNECT = "connect"
    ACK = "ack"
    ALARM = "alarm"
    ANSWER = "answer"
    CLEAR = "clear"


_SUSPECT: Final = {
    Step.CONNECT: ("broker", "连接不上或不应答", "cannot be reached or does not answer"),
    Step.ACK: ("ingest", "未确认探测事件", "does not acknowledge the probe's event"),
    Step.ALARM: ("api/stream", "未送出探测报警", "does not bring the probe's alarm"),
    Step.ANSWER: ("dispatch/round", "未处理探测报警", "does not answer the probe's alarm"),
    Step.CLEAR: ("api/stream", "未送出探测报警的解除", "does not bring the end of the probe's alarm"),
}


class State(StrEnum):
    """What the watcher says."""

    STARTING = "starting"
    WELL = "well"
    ALARM = "alarm"


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One word about the platform. `findings` begin with the likely cause."""

    state: State
    missed: int  # probes in a row
    findings: tuple[Finding, ...] = ()

    @property
    def parts(self) -> frozenset[str]:
        """Which processes are named, and whether probes are missing: a new one is said at once."""
        missing = {"probe"} if self.missed >= MISSING else set()
        return frozenset({item.stage.partition("/")[0] for item in self.findings} | missing)

    @property
    def zh(self) -> str:
        if self.state is not State.ALARM:
            return "报警通路正常"
        head = f"连续 {self.missed} 次探测报警未送达" if self.missed >= MISSING else "平台有环节停滞"
        return f"{head}：{'；'.join(item.zh for item in self.findings)}"

    @property
    def en(self) -> str:
        if self.state is not State.ALARM:
            return "alarms get through"
        head = f"{self.missed} probes in a row are missing" if self.missed >= MISSING else "a stage stands still"
        return f"{head}: {'; '.join(item.en for item in self.findings)}"

    def document(self) -> dict[str, Any]:
        return {
            "state": self.state.value,
            "missed": self.missed,
            "zh": self.zh,
            "en": self.en,
            "findings": [item.document() for item in self.findings],
        }


class Judge:
    """Takes note of probes, looks at the heartbeats and answers of the API; `verdict` says what follows."""

    def __init__(self, cadence: Cadence, now: float) -> None:
        self._cadence, self._began = cadence, now
        self._state = State.STARTING
        self._missed, self._step = 0, Step.CONNECT
        self._looked = self._api_heard = self._broker_stood = now
        self._beats: Sequence[Beat] = ()
        self._asked = now

    def probe(self, failed: Step | None) -> None:
        """A probe came through, or is missing at a step."""
        if failed is None:
            self._missed = 0
            if self._state is State.STARTING:
                self._state = State.WELL
        else:
            self._missed, self._step = self._missed + 1, failed

    def looked(self, beats: Sequence[Beat], now: float) -> None:
        """The database answered a connection of its own with the heartbeats."""
        self._beats, self._looked = beats, now

    def api_heard(self, now: float) -> None:
        """The API answered."""
        self._api_heard = now

    def broker_stood(self, now: float) -> None:
        """The probe's terminal was connected."""
        self._broker_stood = now

    def verdict(self, now: float) -> Verdict:
        """What there is to say now. To be asked each `beat_s`: after a gap the watcher itself stood still, and everybody gets a fresh limit."""
        if now - self._asked > self._cadence.late_s / 2:
            self._began = self._looked = self._api_heard = self._broker_stood = now
        self._asked = now
        found = self._findings(now)
        if self._missed >= MISSING or found:
            self._state = State.ALARM
        elif self._missed == 0 and self._state is State.ALARM:
            self._state = State.WELL
        if self._state is State.ALARM and not found:
            found = [finding(*_with_age(_SUSPECT[self._step]))]
        return Verdict(state=self._state, missed=self._missed, findings=tuple(found))

    def _findings(self, now: float) -> list[Finding]:
        limit_s = self._cadence.late_s
        found: list[Finding] = []
        if (silent_s := now - self._broker_stood) > limit_s:
            found.append(_silent("broker", silent_s))
        elif self._missed >= MISSING and self._step is Step.CONNECT:
            found.append(finding(*_with_age(_SUSPECT[Step.CONNECT])))
        if (silent_s := now - self._looked) > limit_s:
            found.append(_silent("database", silent_s))
        elif now - self._began > limit_s:
            found += late(self._beats, limit_s)
        silent_s = now - self._api_heard
        if silent_s > limit_s and not any(item.stage == "api" for item in found):
            found.append(_silent("api", silent_s))
        return found


def _silent(part: str, for_s: float) -> Finding:
    return finding(part, for_s, f"已 {for_s:.0f} 秒不应答", f"has not answered for {for_s:.0f} s")


def _with_age(suspect: tuple[str, str, str]) -> tuple[str, None, str, str]:
    stage, zh, en = suspect
    return stage, None, zh, en
