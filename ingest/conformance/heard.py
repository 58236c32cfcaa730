"""What the checker hears and knows: messages with their times, and the register's facts. Values only; no I/O and no clock."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """One message on a topic of the device, up or down, as an observer at the broker received it."""

    topic: str
    payload: bytes
    at_ms: int  # server clock when the observer received it
    retained: bool = False  # the broker's stored copy, handed out when the observer subscribed
    qos: int = 1  # as delivered to a subscription of QoS 1: 0 means that it was published with 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LiftFacts:
    """What the register says about one lift of the device."""

    rescue_code: str | None
    escalator: bool = False
    rated_speed_m_s: float | None = None
    rated_load_kg: float | None = None
    self_test_ms: int | None = None  # when the last `self-test` was reported; None: never


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the register says about the device."""

    device: str
    shard: int
    gateway: bool
    enrolled_ms: int
    lifts: tuple[LiftFacts, ...]
    _by_code: dict[str | None, LiftFacts] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_code", {lift.rescue_code: lift for lift in self.lifts})

    def lift(self, named: str | None) -> LiftFacts | None:
        """The lift of a record that names `named`; None: not one of this device's."""
        if named is None:
            return None if self.gateway or not self.lifts else self.lifts[0]
        return self._by_code.get(named)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watch:
    """The time in which the observer listened."""

    from_ms: int
    to_ms: int
